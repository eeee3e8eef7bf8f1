"""Which files are captures, in which order, and the one sentence for each that is none."""

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import sys
import types
import zipfile
from pathlib import Path

import capture_builders as build
import pytest
from capture_builders import START, Frame, enhanced, interface, section, simple

from analyzer import capture
from analyzer.capture import streams
from analyzer.errors import UnusableInput
from analyzer.language import localised, using

SECOND = 10**9


def one(time: int = START) -> bytes:
    return build.pcap([Frame(time, b"\0" * 60)])


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def refusal(*paths: Path | str) -> str:
    """The sentence with which these inputs are refused: one, and only one."""
    with pytest.raises(UnusableInput) as refused:
        capture.find(paths)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert ". " not in sentence.replace("pcap. ", "")
    return sentence


# --- What is found ----------------------------------------------------------------------------------------------------


def test_files_are_in_time_order_whatever_their_names(tmp_path: Path) -> None:
    names = ["240101-10:00:00.pcap", "b[1].pcap0", "a", "ring.1", "z*.log"]
    for i, name in enumerate(names):
        put(tmp_path / name, one(START + (5 - i) * SECOND))
    expected = names[::-1]
    assert [file.name for file in capture.find([tmp_path])[0]] == expected
    assert [file.name for file in capture.find([tmp_path / name for name in names])[0]] == expected
    assert [file.name for file in capture.find([str(tmp_path / "*")])[0]] == expected
    (file,), notices = capture.find([tmp_path / "b[1].pcap0"])
    assert (file.name, file.format, file.first, file.bytes) == ("b[1].pcap0", "pcap", START + 4 * SECOND, 100)
    assert not notices


def test_a_name_that_exists_is_no_pattern(tmp_path: Path) -> None:
    put(tmp_path / "dump[12].pcap", one())
    put(tmp_path / "dump1.pcap", one())
    assert [file.name for file in capture.find([str(tmp_path / "dump[12].pcap")])[0]] == ["dump[12].pcap"]
    (tmp_path / "dump[12].pcap").unlink()
    assert [file.name for file in capture.find([str(tmp_path / "dump[12].pcap")])[0]] == ["dump1.pcap"]


def test_packets_without_time_do_not_hide_the_first_time(tmp_path: Path) -> None:
    timeless = section() + interface() + simple(Frame(0, b"\0" * 60)) * 3000
    put(tmp_path / "a.pcapng", timeless + enhanced(Frame(START, b"\0" * 60)))
    put(tmp_path / "b.pcapng", timeless)
    put(tmp_path / "c.pcap", build.pcap([]))
    put(tmp_path / "d.pcap", one(START + 1))
    files, _ = capture.find([tmp_path])
    assert [(file.name, file.first) for file in files] == [
        ("a.pcapng", START // 1000 * 1000),
        ("d.pcap", START + 1),
        ("b.pcapng", None),
        ("c.pcap", None),
    ]
    assert [file.format for file in files] == ["pcapng", "pcap", "pcapng", "pcap"]


def test_names_take_as_much_of_the_folder_as_they_need(tmp_path: Path) -> None:
    paths = [
        put(tmp_path / name, one(START + i))
        for i, name in enumerate(["a/x/d.pcap", "b/x/d.pcap", "b/y/d.pcap", "e.pcap"])
    ]
    files, _ = capture.find(paths)
    assert [file.name for file in files] == ["a/x/d.pcap", "b/x/d.pcap", "y/d.pcap", "e.pcap"]
    first, second = (capture.find([path])[0] for path in paths[:2])
    assert [file.name for file in first + second] == ["d.pcap", "d.pcap"]
    assert [file.name for file in capture.distinct(first + second)] == ["a/x/d.pcap", "b/x/d.pcap"]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = put(tmp_path / "a.pcap", one())
    files, notices = capture.find([path, tmp_path, str(path), str(tmp_path / "*.pcap")])
    assert (len(files), notices) == (1, [])


def test_a_folder_passes_over_what_is_no_capture(tmp_path: Path) -> None:
    put(tmp_path / "a.pcap", one())
    put(tmp_path / "deeper/b.pcap", one())
    for i in range(7):
        put(tmp_path / f"note{i}.txt", b"hello\n")
    put(tmp_path / "empty.pcap", b"")
    files, notices = capture.find([tmp_path])
    assert [file.name for file in files] == ["a.pcap"]
    assert [(notice.level, notice.source) for notice in notices] == [
        ("error", str(tmp_path / "empty.pcap")),
        ("info", str(tmp_path)),
    ]
    assert notices[1].sentence == (
        "Not captures, and left out: note0.txt, note1.txt, note2.txt, note3.txt, note4.txt … (+2)."
    )


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    good, bad = put(tmp_path / "a.pcap", one()), put(tmp_path / "b.pcap", b"")
    files, (notice, other) = capture.find([bad, good, tmp_path / "c.pcap"])
    assert [file.name for file in files] == ["a.pcap"]
    assert (notice.level, notice.source) == ("error", str(bad))
    assert "is empty" in notice.sentence
    assert "does not exist" in other.sentence


def test_what_is_wrong_with_a_file_can_be_said_in_any_language(tmp_path: Path) -> None:
    paths = [
        put(tmp_path / "good.pcap", one()),
        put(tmp_path / "empty.pcap", b""),
        put(tmp_path / "a.pdf", b"%PDF-1.4"),
    ]
    _, notices = capture.find(paths)
    assert [str(n.sentence).rpartition("/")[2].split(" ", 1)[1] for n in notices] == [
        "is empty (0 bytes): nothing was captured, or it was not written yet.",
        "is a PDF document, not a capture.",
    ]
    with using("ja"):
        told = [localised(n.sentence) for n in notices]
    assert "空です" in told[0] and "PDF文書" in told[1]


# --- Compression ------------------------------------------------------------------------------------------------------

COMPRESS = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress}


@pytest.mark.parametrize("kind", COMPRESS)
def test_compressed_captures_are_read(tmp_path: Path, kind: str) -> None:
    noise = random.Random(1)
    data = build.pcap([Frame(START + i, noise.randbytes(1000)) for i in range(3000)])
    plain, packed = put(tmp_path / "a", data), put(tmp_path / "b", COMPRESS[kind](data))
    (file,), _ = capture.find([packed])
    assert (file.compression, file.format, file.first) == (kind, "pcap", START)
    packets = [sum(chunk.packets for chunk in capture.read(build.found(path))) for path in (plain, packed)]
    assert packets == [3000, 3000]
    spans = [(2_000_000, 50), (40, 7), (2_999_000, 100)]
    assert capture.payloads(file, spans) == [data[at : at + length] for at, length in spans]


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("chunk_bytes", [5000, 1 << 20])
def test_a_cut_compressed_capture_gives_what_could_be_decompressed(tmp_path: Path, kind: str, chunk_bytes: int) -> None:
    noise = random.Random(1)
    data = build.pcap([Frame(START + i, noise.randbytes(1000)) for i in range(3000)])
    packed = COMPRESS[kind](data)
    path = put(tmp_path / "a.gz", packed[: len(packed) * 3 // 4])
    chunks = list(capture.read(build.found(path), chunk_bytes=chunk_bytes))
    packets = sum(chunk.packets for chunk in chunks)
    assert 1300 < packets < 2400
    (notice,) = [notice for chunk in chunks for notice in chunk.notices]
    assert notice.sentence.startswith(f"The {kind} data is cut or damaged in the middle of frame {packets + 1} (byte ")


def test_two_gzip_members_are_one_stream(tmp_path: Path) -> None:
    data = build.pcap([Frame(START + i, b"\0" * 60) for i in range(10)])
    path = put(tmp_path / "a", gzip.compress(data[:200]) + gzip.compress(data[200:]))
    assert sum(chunk.packets for chunk in capture.read(build.found(path))) == 10


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.gz", b"\x1f\x8b\x08\0" + b"no deflate data" * 5)
    assert refusal(path) == f"{path} is damaged: its gzip data cannot be read."


@pytest.mark.parametrize("damage", ["none", "cut", "flipped", "followed"])
def test_gzip_is_read_alike_with_and_without_isal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    """What precedes damage is kept to the last byte, whichever library unpacks."""
    whole = build.pcap(Frame(START + i * 1000, random.Random(i).randbytes(60)) for i in range(5000))
    data = bytearray(gzip.compress(whole))
    if damage == "cut":
        del data[-len(data) // 3 :]
    elif damage == "flipped":
        data[-len(data) // 3] ^= 0x10
    elif damage == "followed":
        data += gzip.compress(b"")
    path = put(tmp_path / "a.pcap.gz", bytes(data))

    def unpacked() -> tuple[bytes, str]:
        found, buffer = b"", bytearray(100_000)
        with streams.Stream(path) as stream:
            try:
                while count := stream.read_into(memoryview(buffer)):
                    found += buffer[:count]
            except OSError:
                return found, "damaged"
        return found, "whole"

    fast = unpacked()
    monkeypatch.setitem(sys.modules, "isal.igzip", None)
    slow = unpacked()
    assert fast == slow
    assert slow[1] == ("whole" if damage in ("none", "followed") else "damaged")
    assert len(slow[0]) > len(whole) / 2


@pytest.mark.parametrize(
    ("magic", "kind", "module", "name"),
    [
        (b"\x28\xb5\x2f\xfd", "zstd", "compression.zstd", "ZstdFile"),
        (b"\x28\xb5\x2f\xfd", "zstd", "backports.zstd", "ZstdFile"),
        (b"\x04\x22\x4d\x18", "lz4", "lz4.frame", "LZ4FrameFile"),
    ],
)
def test_modules_that_may_be_installed_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: bytes, kind: str, module: str, name: str
) -> None:
    class Stripped(io.BytesIO):
        """Stands in for a decompressor: what follows the magic number is the content."""

        def __init__(self, raw: io.FileIO) -> None:
            super().__init__(raw.read()[4:])

    for other in ("compression", "backports", "lz4", "compression.zstd", "backports.zstd", "lz4.frame"):
        monkeypatch.setitem(sys.modules, other, None)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], types.ModuleType("package"))
    stand_in = types.ModuleType(module)
    setattr(stand_in, name, Stripped)
    monkeypatch.setitem(sys.modules, module, stand_in)
    (file,), _ = capture.find([put(tmp_path / "a.pcap", magic + one())])
    assert (file.compression, file.first) == (kind, START)
    assert sum(chunk.packets for chunk in capture.read(file)) == 1


@pytest.mark.parametrize(("magic", "kind"), [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\x04\x22\x4d\x18", "lz4")])
def test_compression_without_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: bytes, kind: str
) -> None:
    def absent(raw: object) -> object:
        raise ImportError

    monkeypatch.setitem(streams.OPENERS, kind, absent)
    path = put(tmp_path / "a.pcap", magic + b"\0" * 50)
    assert refusal(path) == f"{path} is compressed with {kind}, which this Python cannot read; decompress it first."


# --- What is refused --------------------------------------------------------------------------------------------------


def test_nothing_was_given() -> None:
    assert refusal() == "No capture was given."


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no such.pcap"
    assert refusal(path) == f"{path} does not exist."
    assert refusal(put(tmp_path / "a.pcap", one()) / "below") == f"{tmp_path / 'a.pcap' / 'below'} does not exist."
    assert refusal("nul\0byte") == "nul\0byte does not exist."


def test_missing_pattern(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "*.pcap")) == f"No file matches {tmp_path / '*.pcap'}."
    (tmp_path / "folder.pcap").mkdir()
    assert refusal(str(tmp_path / "*.pcap")) == f"No file matches {tmp_path / '*.pcap'}."


def test_several_bad_inputs_make_one_sentence(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "a", tmp_path / "b") == f"{tmp_path / 'a'} does not exist (1 other input is unusable, too)."
    )
    assert refusal(tmp_path / "a", tmp_path / "b", "-").endswith("(2 other inputs are unusable, too).")


def test_a_link_to_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.symlink_to(tmp_path / "gone")
    assert refusal(path) == f"{path} does not exist."
    loop = tmp_path / "loop.pcap"
    loop.symlink_to(loop)
    assert refusal(loop).startswith(f"{loop} cannot be read: ")


def test_an_unreadable_file_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "a.pcap", one())
    path.chmod(0o600)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    mode = stat.filemode(os.stat(path).st_mode)
    assert refusal(path) == (
        f"{path} cannot be read: it belongs to {path.owner()} (mode {mode}); run as a user who may read it, or copy it"
        " where you may."
    )
    monkeypatch.setattr(Path, "owner", lambda _: (_ for _ in ()).throw(KeyError("uid")))
    assert refusal(path).startswith(f"{path} cannot be read: access to it is denied; ")
    monkeypatch.setattr(streams.os, "name", "nt")
    assert "access to it is denied" in streams.unreadable(path, PermissionError())


def test_a_folder_that_may_not_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "secret/a.pcap", one())

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    assert refusal(path.parent) == f"The folder {path.parent} cannot be read: Permission denied."
    for name in ("lstat", "stat"):
        monkeypatch.setattr(os, name, denied)
    assert refusal(path).startswith(f"{path} cannot be read: access to it is denied; ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pcap")
    assert refusal(tmp_path / "a.pcap").endswith("is not a regular file; write the capture to a file first.")


def test_an_empty_file(tmp_path: Path) -> None:
    path = put(tmp_path / "a.pcap", b"")
    assert refusal(path) == f"{path} is empty (0 bytes): nothing was captured, or it was not written yet."


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_file_cut_within_its_magic(tmp_path: Path, length: int) -> None:
    for data in (one(), section()):
        path = put(tmp_path / "a.pcap", data[:length])
        assert refusal(path) == f"{path} is cut within its first {length} bytes and holds no packet."


def test_a_file_cut_within_its_header(tmp_path: Path) -> None:
    path = put(tmp_path / "a.pcap", one()[:20])
    (chunk,) = capture.read(build.found(path))
    assert [n.sentence for n in chunk.notices] == [
        "The file is cut in the middle of frame 1 (byte 0); what precedes it was analysed."
    ]


def test_a_folder_without_captures(tmp_path: Path) -> None:
    put(tmp_path / "note.txt", b"hello\n")
    put(tmp_path / "deeper/a.pcap", one())
    assert refusal(tmp_path) == f"The folder {tmp_path} holds no capture (its subfolders were not searched)."


def test_a_folder_with_a_broken_capture_says_what_is_broken(tmp_path: Path) -> None:
    put(tmp_path / "a.pcap", b"")
    assert "a.pcap is empty" in refusal(tmp_path)


def zipped(names: list[str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


CONVERT = "which is not understood; convert it with `editcap -F pcap` (part of Wireshark)."


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.pcap", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "a PNG picture, not a capture."),
        ("a.cap", b"GMBU\0\2\1\0" + b"\0" * 100, f"a Microsoft Network Monitor capture, {CONVERT}"),
        ("a.cap", b"\1\2\3\4" * 30, "not a capture in the pcap or pcapng format; if Wireshark opens it, convert"),
        (
            "a.ETL",
            b"\0\0\1\0\x48\0\0\0" + b"\0\1" * 90,
            "a Windows trace, which is not understood; convert it with `pktmon",
        ),
        ("a.etl", b"\0\0\1\0\x48\0\0\0" + b"\0\1" * 90, "etl2pcapng"),
        ("a.pcap", b"snoop\0\0\0\0\0\0\2\0\0\0\4", f"a snoop capture, {CONVERT}"),
        ("a.erf", b"\0\1\2\3" * 30, f"an Endace (ERF) capture, {CONVERT}"),
        ("a.saz", zipped(["x"]), "a Fiddler archive: it holds HTTP sessions without packets and cannot show a reset;"),
        ("a.zip", zipped(["_index.htm", "raw/1_c.txt"]), "a Fiddler archive"),
        ("a.zip", zipped(["dump.pcap"]), "a ZIP archive, not a capture; unpack it first."),
        ("a.tar", b"dump.pcap".ljust(257, b"\0") + b"ustar\0", "a tar archive, not a capture; unpack it first."),
        (
            "postgresql.log",
            "2024-01-01 LOG: ready — 準備\n".encode() * 9,
            "text, not a capture; a log is given with --log.",
        ),
        ("a.pcap", "tcpdump: listening".encode("utf-16"), "text, not a capture; a log is given with --log."),
        ("a.pcap", b"\0" * 500, "nothing but zero bytes"),
        ("a.pcap", b"\1\2\3\4" * 30, "not a capture in the pcap or pcapng format."),
    ],
)
def test_what_is_no_capture(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    path = put(tmp_path / name, data)
    sentence = refusal(path)
    assert sentence.startswith(f"{path} ")
    assert says in sentence


def test_tcpdump_text_with_a_capture_suffix_in_a_folder(tmp_path: Path) -> None:
    put(tmp_path / "a.pcap", b"10:00:00 IP 192.0.2.1 > 192.0.2.2: Flags [R]\n")
    put(tmp_path / "b.pcap", one())
    files, (notice,) = capture.find([tmp_path])
    assert ([file.name for file in files], notice.sentence) == (["b.pcap"], "Not captures, and left out: a.pcap.")


def test_a_file_that_vanishes_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = put(tmp_path / "a.pcap", one())
    file = build.found(path)
    path.unlink()
    with pytest.raises(UnusableInput, match="does not exist"):
        list(capture.read(file))
    with pytest.raises(UnusableInput, match="does not exist"):
        capture.payloads(file, [(0, 1)])
