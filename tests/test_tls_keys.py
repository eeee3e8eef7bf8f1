"""With the user's TLS secrets the words under TLS are read, without them they stay unknown: Python's own TLS makes the conversations."""

from __future__ import annotations

import gzip
import ssl
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_dissection import DONE, SSL_REQUEST, STARTUP, WELCOME, Talk, error, extractor, query, ready, rows_of, tables
from typer.testing import CliRunner

import analyzer
from analyzer.capture import find, tls_secrets
from analyzer.capture.records import SECRETS_AT_MOST
from analyzer.cli import app
from analyzer.dissection import dissect
from analyzer.errors import UsageError
from analyzer.pipeline.survey import first_look

CAPTURES = Path(__file__).parents[1] / "captures"
Said = Sequence[tuple[str, bytes]]
BYE = b""  # not payload: the end closes TLS, with a close_notify
BEGUN: Said = [("C", STARTUP), ("S", WELCOME), ("C", query("begin")), ("S", DONE + ready("T"))]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=lab",
         "-keyout", key, "-out", cert], check=True, capture_output=True,
    )  # fmt: skip
    whole = folder / "whole.pem"
    whole.write_bytes(key.read_bytes() + cert.read_bytes())
    return whole


def under_tls(said: Said, certificate: Path, keylog: Path, version: ssl.TLSVersion, before: Said = ()) -> Said:
    """The same conversation as it is on the wire: what comes before TLS, the handshake, and every part in records."""
    here, there = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.check_hostname, here.verify_mode = False, ssl.CERT_NONE
    there.load_cert_chain(certificate)
    for context in (here, there):
        context.minimum_version = context.maximum_version = version
    here.keylog_filename = str(keylog)
    pipes = {who: (ssl.MemoryBIO(), ssl.MemoryBIO()) for who in "CS"}
    ends = {"C": here.wrap_bio(*pipes["C"]), "S": there.wrap_bio(*pipes["S"], server_side=True)}
    wire = list(before)

    def pass_on() -> bool:
        moved = False
        for who, other in (("C", "S"), ("S", "C")):
            if sent := pipes[who][1].read():
                wire.append((who, sent))
                pipes[other][0].write(sent)
                moved = True
        return moved

    done: set[str] = set()
    while len(done) < 2 or pass_on():
        for who, end in ends.items():
            try:
                end.do_handshake()
                done.add(who)
            except ssl.SSLWantReadError:
                pass_on()
    for who, payload in said:
        if payload == BYE:
            with pytest.raises(ssl.SSLWantReadError):
                ends[who].unwrap()
            pass_on()
            continue
        ends[who].write(payload)
        pass_on()
        assert ends["S" if who == "C" else "C"].read(len(payload)) == payload
    return wire


def facts(talk: Talk, tshark: str, keylog: Path | None) -> dict[str, Any]:
    endings, packets, frames = tables(talk)
    result = dissect(endings, packets, extractor(frames), Path(tshark), keylog=keylog)
    assert not result.notices
    (row,) = rows_of(result)
    return row


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_postgresql_under_tls_is_read_with_the_keys_and_unknown_without(
    version: ssl.TLSVersion, certificate: Path, tshark: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.log"
    talk = Talk(under_tls(BEGUN, certificate, keys, version, before=[("C", SSL_REQUEST), ("S", b"S")]))
    sealed, opened = facts(talk, tshark, None), facts(talk, tshark, keys)
    assert (sealed["encrypted"], sealed["transaction_open"], sealed["request_unanswered"]) == (True, None, None)
    assert (opened["encrypted"], opened["application"], opened["backend_pid"]) == (False, "postgresql", 4711)
    assert (opened["transaction_open"], opened["request_unanswered"], opened["last_client_words"]) == (
        True,
        False,
        "Query",
    )
    assert opened["last_server_words"] == "ReadyForQuery (in transaction)"


@pytest.mark.parametrize(("answer", "unanswered"), [(b"", True), (b"HTTP/1.1 204 No Content\r\n\r\n", False),
                                                    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", None)])  # fmt: skip
def test_http_under_tls(answer: bytes, unanswered: bool | None, certificate: Path, tshark: str, tmp_path: Path) -> None:
    said: Said = [("C", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), *([("S", answer)] if answer else [])]
    keys = tmp_path / "keys.log"
    talk = Talk(under_tls(said, certificate, keys, ssl.TLSVersion.TLSv1_3), port=8443)
    found = facts(talk, tshark, keys)
    assert (found["encrypted"], found["application"], found["request_unanswered"]) == (False, "http", unanswered)
    assert facts(talk, tshark, None)["request_unanswered"] is None


def test_the_secrets_of_others_open_nothing(certificate: Path, tshark: str, tmp_path: Path) -> None:
    keys, others = tmp_path / "keys.log", tmp_path / "others.log"
    talk = Talk(under_tls(BEGUN, certificate, keys, ssl.TLSVersion.TLSv1_3, before=[("C", SSL_REQUEST), ("S", b"S")]))
    under_tls(BEGUN, certificate, others, ssl.TLSVersion.TLSv1_3)
    for file in (others, Path(__file__)):
        found = facts(talk, tshark, file)
        assert (found["encrypted"], found["transaction_open"]) == (True, None)


def test_a_goodbye_under_tls(certificate: Path, tshark: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.log"
    said = [*BEGUN, ("S", error("57P01"))]
    talk = Talk(under_tls(said, certificate, keys, ssl.TLSVersion.TLSv1_3, before=[("C", SSL_REQUEST), ("S", b"S")]))
    found = facts(talk, tshark, keys)
    assert (found["sqlstate"], found["server_goodbye"], found["encrypted"]) == ("57P01", "terminated", False)


def sealed_dump(certificate: Path, folder: Path, name: str = "dump") -> tuple[Path, Path]:
    """The secrets of a conversation under TLS that was cut off in a transaction, and its capture."""
    keys, dump = folder / f"{name}.log", folder / f"{name}.pcap"
    talk = Talk(under_tls(BEGUN, certificate, keys, ssl.TLSVersion.TLSv1_3, before=[("C", SSL_REQUEST), ("S", b"S")]))
    _, _, frames = tables(talk)
    with open(dump, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 101))
        for (_, number), (content, length) in frames.items():
            file.write(struct.pack("<IIII", number, 0, len(content), length) + content)
    return keys, dump


def test_a_whole_analysis_reads_them(certificate: Path, tshark: str, tmp_path: Path) -> None:
    """From the file to the finding's facts, as the command does it."""
    keys, dump = sealed_dump(certificate, tmp_path)
    (before,) = analyzer.analyze(dump).document["resets"]
    (item,) = analyzer.analyze(dump, tls_keylog=keys).document["resets"]
    assert (before["facts"]["encrypted"], "transaction_open" in before["facts"]) == (True, False)
    assert (item["facts"]["encrypted"], item["facts"]["transaction_open"]) == (False, True)
    told = CliRunner().invoke(app, ["explain", str(dump), "--stream", "0", "--tls-keylog", str(keys), "--lang", "en"])
    assert "1 transaction cut off" in told.output
    told = CliRunner().invoke(app, ["explain", str(dump), "--stream", "0", "--lang", "en"])
    assert "unknown: encrypted" in " ".join(told.output.split())


@pytest.mark.parametrize("keylog", ["missing.log", "."])
def test_secrets_that_cannot_be_read_are_one_sentence(
    keylog: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="TLS secrets"):
        analyzer.analyze(CAPTURES / "tls_unknown_ca/client.pcap", tls_keylog=keylog)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (ssl.TLSVersion.TLSv1_3, "TLS ApplicationData (probably an alert)"),
        (ssl.TLSVersion.TLSv1_2, "TLS Alert (encrypted)"),
    ],
)
def test_a_sealed_alert_of_tls_1_3_is_probable(
    version: ssl.TLSVersion, said: str, certificate: Path, tshark: str, tmp_path: Path
) -> None:
    """By its size: two bytes. One byte of PostgreSQL's Terminate more, or an older TLS, is no such thing."""
    keys = tmp_path / "keys.log"
    bye: list[tuple[str, bytes]] = [("C", b"GET / HTTP/1.1\r\n\r\n"), ("C", BYE)]
    assert facts(Talk(under_tls(bye, certificate, keys, version), port=443), tshark, None)["last_client_words"] == said
    longer = [("C", b"X\0\0\0\4")]
    assert (
        facts(Talk(under_tls(longer, certificate, keys, version), port=443), tshark, None)["last_client_words"]
        == "TLS ApplicationData"
    )


def injected(dump: Path, keys: Path) -> Path:
    """The capture as `editcap --inject-secrets` saves it."""
    target = dump.with_suffix(".pcapng")
    subprocess.run(["editcap", "--inject-secrets", f"tls,{keys}", dump, target], check=True, capture_output=True)
    return target


def transactions(d: analyzer.Diagnosis) -> list[bool | None]:
    return [item["facts"].get("transaction_open") for item in d.document["resets"]]


def test_secrets_in_the_capture_are_used_as_wireshark_does(certificate: Path, tshark: str, tmp_path: Path) -> None:
    """What editcap injected opens what the same secrets in a file open; it is in no form of the result; who gives it away is told."""
    keys, dump = sealed_dump(certificate, tmp_path)
    saved = injected(dump, keys)
    d = analyzer.analyze(saved)
    assert transactions(d) == [True]
    fields = ["-Y", "pgsql.type", "-T", "fields", "-e", "frame.number"]
    seen = subprocess.run([tshark, "-r", saved, *fields], check=True, capture_output=True)
    words = d.packets.dropna(subset="words")
    opened = set(words.loc[words["words"].str.contains("Query"), "frame"])
    assert opened and opened <= {int(n) for n in seen.stdout.split()}
    (notice,) = (n for n in d.notices if "TLS secrets" in n.sentence)
    assert (notice.level, notice.source) == ("info", saved.name)
    assert "editcap --discard-all-secrets" in notice.sentence
    secrets = {word for line in keys.read_text().splitlines() if line[0] != "#" for word in line.split()[1:]}
    for shown in (d, analyzer.redact(d)):
        told = [shown.to_json(), shown.to_html(), shown.to_csv(), shown.to_markdown(), repr(vars(shown))]
        assert not [secret for secret in secrets for text in told if secret in text]
    clean = tmp_path / "clean.pcapng"
    subprocess.run(["editcap", "-T", "rawip", "--discard-all-secrets", saved, clean], check=True, capture_output=True)
    without = analyzer.analyze(clean)
    assert transactions(without) == [None]
    assert not [n for n in without.notices if "TLS secrets" in n.sentence]


def test_each_file_and_section_has_its_secrets_and_the_user_may_add_some(certificate: Path, tshark: str, tmp_path: Path) -> None:  # fmt: skip
    """Two sections in one file, the second one's secrets behind its packets; compressed, with the other conversation's keys in a file."""
    (keys, dump), (others, more) = (sealed_dump(certificate, tmp_path, name) for name in ("one", "two"))
    one, two = injected(dump, keys).read_bytes(), injected(more, others).read_bytes()
    both = tmp_path / "both.pcapng.gz"
    both.write_bytes(gzip.compress(one + two))
    notices = [n.sentence for n in analyzer.analyze(both).notices if "TLS secrets" in n.sentence]
    assert len(notices) == 1
    (survey, _) = first_look({"p": list(find([str(both)])[0])})
    (spans,) = survey.secrets.values()
    lines, whole = tls_secrets(survey.files[both.name], spans, 1 << 20)
    told = [line.encode() for file in (keys, others) for line in file.read_text().splitlines() if line[0] != "#"]
    assert (lines.splitlines(), whole) == (told, True)
    assert tls_secrets(survey.files[both.name], spans, 100)[1] is False
    assert transactions(analyzer.analyze(injected(dump, others), tls_keylog=keys)) == [True], (
        "the user's and the file's"
    )


HOSTILE = (
    b"", b"\xff\0" * 40, b"CLIENT_RANDOM " * 20_000, b"-o\n--help\n../../etc/passwd\n", b"CLIENT_RANDOM " + b"a" * 500 + b" b\n",
)  # fmt: skip


def test_hostile_secrets_are_no_secrets(certificate: Path, tshark: str, tmp_path: Path) -> None:
    """Only lines of secrets are handed on; a block that lies about its length, at which tshark itself gives up, is passed over."""
    _, dump = sealed_dump(certificate, tmp_path)
    file = tmp_path / "hostile.pcapng"
    plain = subprocess.run(["editcap", dump, "-"], check=True, capture_output=True).stdout
    head = struct.unpack_from("<I", plain, 4)[0]
    blocks = b""
    for held, claimed in ((h, c) for h in HOSTILE for c in (len(h), 0xFFFFFFFF)):
        body = struct.pack("<II", 0x544C534B, claimed) + held + bytes(-len(held) % 4)
        blocks += struct.pack("<II", 10, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    file.write_bytes(plain[:head] + blocks + plain[head:])
    d = analyzer.analyze(file)
    assert transactions(d) == [None]
    assert [item["facts"]["encrypted"] for item in d.document["resets"]] == [True], "what is not sealed was read"
    assert not [n for n in d.notices if "secrets" in n.sentence or n.level == "error"]


def test_a_capture_with_ever_so_many_blocks_of_secrets(tmp_path: Path) -> None:
    """Only so many are read, and that there are more is told."""
    block = struct.pack("<IIII", 10, 24, 0x544C534B, 4) + b"abcd" + struct.pack("<I", 24)
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    file = tmp_path / "many.pcapng"
    file.write_bytes(section + block * 5_000)
    (survey, _) = first_look({"p": list(find([str(file)])[0])})
    assert len(survey.secrets[file.name]) == SECRETS_AT_MOST + 1
    assert tls_secrets(survey.files[file.name], survey.secrets[file.name], 1 << 20) == (b"", False)
