"""The command `pcapreport`, run as a program: exit status, one line on standard error, files whole or not there.

Nothing here judges a verdict; no table's content is tested but that rotated sets equal the file they were cut from.
"""

import contextlib
import io
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from capture_builders import START, Frame, pcap

from analyzer import cli, pipeline
from captures.lab import case_file

CORPUS = Path(__file__).resolve().parents[1] / "captures"
ABORT = CORPUS / "postgres_client_abort"
PCAPREPORT = Path(sys.executable).with_name("pcapreport.exe" if os.name == "nt" else "pcapreport")
NOTHING_HARMFUL, HARMFUL, UNUSABLE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130
ARP = b"\xff" * 6 + b"\2\0\0\0\0\1\x08\x06\0\1\x08\0\6\4\0\1" + b"\0" * 20
ETL = bytes(range(1, 32)) * 8

posix = pytest.mark.skipif(os.name != "posix", reason="The file system of Windows has no such names.")


def run(folder: Path, *arguments: str | Path, before: list[str] | None = None, **environment: str) -> Any:
    """Run the command in a folder of its own; standard output and error as bytes."""
    keep = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PCAPREPORT_TRACEBACK"))
    }
    command = [*(before or []), str(PCAPREPORT), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=keep | environment, capture_output=True, timeout=300)


class Call(Protocol):
    def __call__(self, folder: Path, *arguments: str | Path) -> Any: ...


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """`run`, but within this process: for what depends on arguments only."""

    def main(folder: Path, *arguments: str | Path) -> Any:
        out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2))
        monkeypatch.chdir(folder)
        monkeypatch.delenv("PCAPREPORT_TRACEBACK", raising=False)
        monkeypatch.setattr(sys, "argv", ["pcapreport", *map(str, arguments)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error), pytest.raises(SystemExit) as end:
            cli.main()
        said = [stream.buffer.getvalue() for stream in (out, error)]  # type: ignore[attr-defined]
        return SimpleNamespace(returncode=end.value.code, stdout=said[0], stderr=said[1])

    return main


def complaint(done: Any, status: int = UNUSABLE) -> str:
    """The one sentence on standard error of a run that ended with this status and wrote nothing else."""
    error = done.stderr.decode()
    assert done.returncode == status, error
    assert done.stdout == b""
    assert re.fullmatch(r"pcapreport: [^\n]+[.]\)?\n", error), error
    assert "Traceback" not in error
    return error.removeprefix("pcapreport: ").rstrip("\n")


@pytest.fixture(scope="module")
def known() -> dict[str, object]:
    """What is asked for of the capture: its connection by each of its names, and the time of its reset."""
    (connection,) = case_file.load(ABORT).connections
    log = (ABORT / "postgresql.log").read_text(encoding="utf-8").splitlines()
    (reset,) = pipeline.reset_frames([ABORT / "server.pcap"]).to_dict("records")
    line = 1 + next(i for i, text in enumerate(log) if connection.log_lines[0].text in text)
    return {"client": connection.client, "stream": reset["stream"], "line": line, "time": reset["time"].isoformat()}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a capture that holds one harmful reset, and its log."""
    shutil.copy(ABORT / "server.pcap", tmp_path / "dump.pcap")
    shutil.copy(ABORT / "postgresql.log", tmp_path / "postgresql.log")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- Captures that cannot be used ---------------------------------------------------------------------------------------


def fiddler() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inside:
        inside.writestr("[Content_Types].xml", "<Types/>")
        inside.writestr("raw/1_c.txt", "GET / HTTP/1.1\r\n\r\n")
    return archive.getvalue()


UNUSABLE_CAPTURES = {
    "empty.pcap": (b"", "is empty (0 bytes)"),
    "picture.pcap": (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "is a PNG picture, not a capture."),
    "netmon.cap": (
        b"GMBU\0\0\0\0" + b"\1" * 99,
        "Microsoft Network Monitor capture, which is not understood; convert it with `editcap",
    ),
    "trace.etl": (ETL, "is a Windows trace, which is not understood; convert it with `pktmon etl2pcap`"),
    "sessions.saz": (fiddler(), "holds HTTP sessions without packets and cannot show a reset"),
    "log.pcap": (b"2026-11-20 18:22:31 JST [1] LOG: hello\n", "is text, not a capture; a log is given with --log."),
    "stub.pcap": (b"\xd4\xc3", "is cut within its first 2 bytes"),
    "noise.bin": (bytes(range(256)), "not a capture in the pcap or pcapng format."),
}


@pytest.mark.parametrize("name", UNUSABLE_CAPTURES)
def test_what_is_no_capture(tmp_path: Path, call: Call, name: str) -> None:
    content, says = UNUSABLE_CAPTURES[name]
    (tmp_path / name).write_bytes(content)
    sentence = complaint(run(tmp_path, "analyze", name))
    assert sentence.startswith(f"{name} ") and says in sentence
    for others in (
        ["resets", name],
        ["resets", "--frames", name],
        ["explain", name, "--stream", "1"],
        ["analyze", "--at", f"client={name}"],
    ):
        assert complaint(call(tmp_path, *others)) == sentence
    assert files(tmp_path) == {name}


def test_missing_capture(tmp_path: Path, call: Call) -> None:
    assert complaint(call(tmp_path, "analyze", "dump.pcap")) == "dump.pcap does not exist."
    assert complaint(call(tmp_path, "analyze", "*.pcap")) == "No file matches *.pcap."


def test_folder_without_captures(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "read.me").write_text("nothing")
    assert "dumps holds no capture" in complaint(run(tmp_path, "analyze", "dumps"))


@pytest.mark.skipif(os.name != "posix", reason="Windows has no file modes.")
@pytest.mark.parametrize("what", ["dump.pcap", "postgresql.log"])
def test_what_may_not_be_read_says_whose_it_is(here: Path, what: str) -> None:
    before: list[str] = []
    (here / what).chmod(0o400)
    owner = (here / what).owner()
    if os.geteuid() == 0:  # root reads everything, unless it gives that up
        if not shutil.which("setpriv"):
            pytest.skip("Root reads every file, and setpriv (util-linux), which can give that up, is not installed.")
        before = [
            "setpriv",
            "--bounding-set",
            "-dac_override,-dac_read_search",
            "--inh-caps",
            "-dac_override,-dac_read_search",
        ]
        shutil.chown(here / what, "nobody")
        owner = "nobody"
    else:
        (here / what).chmod(0o000)
    sentence = complaint(run(here, "analyze", "dump.pcap", "--log", "postgresql.log", before=before))
    mode = "-r--------" if before else "----------"
    assert sentence.startswith(f"{what} ") and f"it belongs to {owner} (mode {mode})" in sentence
    assert files(here) == {"dump.pcap", "postgresql.log"}


# --- Captures that tell little ------------------------------------------------------------------------------------------


def test_a_capture_that_ends_in_the_middle_of_a_packet(here: Path) -> None:
    whole = (here / "dump.pcap").read_bytes()
    (here / "dump.pcap").write_bytes(whole[: len(whole) - 5])
    done = run(here, "analyze", "dump.pcap", "--no-dissection")
    assert (done.returncode, done.stderr) == (HARMFUL, b"")
    assert re.search(r"is cut in the middle\s+of frame \d+", done.stdout.decode())
    (here / "dump.pcap").write_bytes(whole[:400])  # before the reset
    done = run(here, "analyze", "dump.pcap", "--json", "-")
    assert (done.returncode, done.stderr) == (NOTHING_HARMFUL, b"")
    assert "is cut in the middle of frame" in json.loads(done.stdout)["notices"][0]["sentence"]


def test_a_capture_without_tcp(tmp_path: Path, call: Call) -> None:
    (tmp_path / "arp.pcap").write_bytes(pcap([Frame(START, ARP), Frame(START + 1, ARP)]))
    done = run(tmp_path, "analyze", "arp.pcap")
    assert (done.returncode, done.stderr) == (NOTHING_HARMFUL, b"")
    assert "No packet could be read as TCP (2 in all)" in " ".join(done.stdout.decode().split())
    assert files(tmp_path) == {"arp.pcap", "reports/arp.html"}
    done = call(tmp_path, "resets", "--frames", "--json", "arp.pcap")
    assert (done.returncode, done.stderr, json.loads(done.stdout)) == (NOTHING_HARMFUL, b"", [])


def test_a_capture_without_packets(tmp_path: Path) -> None:
    (tmp_path / "none.pcap").write_bytes(pcap([]))
    done = run(tmp_path, "analyze", "none.pcap", "--json", "-")
    assert (done.returncode, done.stderr) == (NOTHING_HARMFUL, b"")
    assert [notice["sentence"] for notice in json.loads(done.stdout)["notices"]] == ["The capture holds no packets."]


def test_a_harmless_reset_is_nothing_harmful(tmp_path: Path) -> None:
    done = run(tmp_path, "analyze", CORPUS / "health_probe" / "client.pcap", "--json", "-")
    assert done.returncode == NOTHING_HARMFUL
    assert {reset["harmless"] for reset in json.loads(done.stdout)["resets"]} == {True}


# --- Logs that cannot be used -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("binary.log", bytes(range(256)) * 16, "binary.log is binary, not a log."),
        ("missing.log", None, "missing.log does not exist."),
        (".", None, ". is a folder, not a log: name the files in it."),
        ("dump.pcap", None, "dump.pcap is a packet capture, not a log"),
    ],
)
def test_what_is_no_log(here: Path, call: Call, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (here / name).write_bytes(content)
    before = files(here)
    assert says in complaint(run(here, "analyze", "dump.pcap", "--log", name))
    assert says in complaint(call(here, "logs", name))
    assert files(here) == before


# --- Requests that contradict themselves --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "Name a command"),
        ("analyse dump.pcap", "No such command 'analyse'"),
        ("analyze", "No capture was given"),
        ("analyze --at client=", "--at 'client=' is not NAME=CAPTURE"),
        ("analyze --at dump.pcap", "--at 'dump.pcap' is not NAME=CAPTURE"),
        ("analyze dump.pcap --at client=dump.pcap", "not both"),
        ("analyze dump.pcap --lag x.log", "No such option"),
        ("analyze dump.pcap --port five", "--port"),
        ("analyze dump.pcap --around yesterday-ish", "'yesterday-ish' is not a time"),
        ("analyze dump.pcap --log-timezone Mars/Olympus", "'Mars/Olympus' is no time zone"),
        ("analyze dump.pcap --log postgresql.log --log-timezone +9h", "'+9h' is no time zone"),
        ("analyze dump.pcap -o", "requires an argument"),
        ("analyze dump.pcap -o out --json out", "cannot both be out"),
        ("explain dump.pcap", "Name exactly one of"),
        ("explain dump.pcap --stream 2 --client 10.1.0.2:40000", "Name exactly one of"),
        ("explain dump.pcap --log postgresql.log", "names no line"),
        ("explain dump.pcap --log postgresql.log:1", "log line 1"),
        ("explain dump.pcap --stream 77", "tcp.stream 77"),
        ("explain dump.pcap --client 10.1.0.2:1", "client 10.1.0.2:1"),
        ("analyze dump.pcap --host db1", "'db1' is no IP address"),
        ("causes gremlins", "There is no cause 'gremlins'"),
        ("formats clay_tablets", "There is no log format 'clay_tablets'"),
    ],
)
def test_a_request_that_contradicts_itself(here: Path, call: Call, arguments: str, says: str) -> None:
    assert says in complaint(call(here, *arguments.split()))
    assert files(here) == {"dump.pcap", "postgresql.log"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("--help", NOTHING_HARMFUL),
        ("analyze --help", NOTHING_HARMFUL),
        ("version", NOTHING_HARMFUL),
        ("causes", NOTHING_HARMFUL),
        ("causes abortive_close", NOTHING_HARMFUL),
        ("formats", NOTHING_HARMFUL),
        ("formats postgresql", NOTHING_HARMFUL),
        ("logs postgresql.log --json", NOTHING_HARMFUL),
        ("resets dump.pcap", HARMFUL),
        ("resets dump.pcap --frames", HARMFUL),
        ("explain dump.pcap --stream {stream}", HARMFUL),
        ("explain dump.pcap --client {client}", HARMFUL),
        ("explain dump.pcap --log postgresql.log:{line}", HARMFUL),
        ("analyze dump.pcap --port 5433 --json -", NOTHING_HARMFUL),
        ("analyze dump.pcap --host 10.9.9.9 --json -", NOTHING_HARMFUL),
        ("analyze dump.pcap --around {time} --json -", HARMFUL),
        ("analyze dump.pcap --around 2026-11-20T09:00:00+09:00 --json -", NOTHING_HARMFUL),
        ("analyze dump.pcap --host 10.1.0.2 --port 5432 --json -", HARMFUL),
    ],
)
def test_exit_status(here: Path, call: Call, known: dict[str, object], arguments: str, status: int) -> None:
    done = call(here, *arguments.format(**known).split())
    assert done.returncode == status, done.stderr
    assert len(done.stdout) > 10
    assert b"Traceback" not in done.stderr
    assert files(here) == {"dump.pcap", "postgresql.log"}


# --- What is written where ----------------------------------------------------------------------------------------------


def test_the_report_goes_to_reports(here: Path) -> None:
    done = run(here, "analyze", "dump.pcap", "--log", "postgresql.log")
    assert (done.returncode, done.stderr) == (HARMFUL, b"")
    assert files(here) == {"dump.pcap", "postgresql.log", "reports/dump.html"}
    assert done.stdout.decode().endswith(f"Report: {Path('reports/dump.html')}\n")
    assert (here / "reports/dump.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert run(here, "analyze", "dump.pcap").returncode == HARMFUL  # its own report is written again


def test_json_alone_on_standard_output(here: Path) -> None:
    done = run(here, "analyze", "dump.pcap", "--log", "postgresql.log", "--json", "-")
    assert (done.returncode, done.stderr) == (HARMFUL, b"")
    document = json.loads(done.stdout)
    assert document["schema"] == "pcapreport/1"
    assert document["verdict"]["reset_by"] == "client"
    assert files(here) == {"dump.pcap", "postgresql.log"}


def test_json_in_a_file_writes_no_page(here: Path) -> None:
    done = run(here, "analyze", "dump.pcap", "--json", "out/result.json")
    assert (done.returncode, done.stderr) == (HARMFUL, b"")
    assert files(here) == {"dump.pcap", "postgresql.log", "out/result.json"}
    assert json.loads((here / "out/result.json").read_bytes())["schema"] == "pcapreport/1"
    assert b"reset by" in done.stdout.lower() or b"Who " in done.stdout
    done = run(here, "analyze", "dump.pcap", "--json", "-", "-o", "page.html")
    assert json.loads(done.stdout)["schema"] == "pcapreport/1"
    assert files(here) == {"dump.pcap", "postgresql.log", "out/result.json", "page.html"}


@pytest.mark.parametrize("option", ["-o", "--json"])
def test_somebody_elses_file_is_not_overwritten(here: Path, call: Call, option: str) -> None:
    before = {name: (here / name).read_bytes() for name in files(here)}
    for name in before:
        assert f"{name} exists and was not written by pcapreport" in complaint(
            call(here, "analyze", "dump.pcap", option, name)
        )
    assert {name: (here / name).read_bytes() for name in files(here)} == before


@pytest.mark.parametrize("option", ["-o", "--json"])
def test_a_target_that_cannot_be_written(here: Path, call: Call, option: str) -> None:
    (here / "folder").mkdir()
    assert "folder is a folder" in complaint(call(here, "analyze", "dump.pcap", option, "folder"))
    assert "is not a folder" in complaint(call(here, "analyze", "dump.pcap", option, "dump.pcap/out"))
    if os.name == "posix":
        (here / "folder").chmod(0o500)
        before = [] if os.geteuid() else ["setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override"]
        if not before or shutil.which("setpriv"):
            done = run(here, "analyze", "dump.pcap", option, "folder/out", before=before)
            assert "the folder" in complaint(done) and "may not be changed by you" in complaint(done)
    assert files(here) == {"dump.pcap", "postgresql.log"}


# In place of the last step of writing, when the text stands in the file beside the target.
LAST_STEP = """
import os, signal, sys
from analyzer import cli, pipeline, result
def last_step(*names, **options):
    {step}
{place} = last_step
sys.argv[0] = "pcapreport"
cli.main()
"""


def patched(folder: Path, step: str, place: str, *arguments: str) -> Any:
    """The command with one function replaced."""
    code = LAST_STEP.format(step=step, place=place)
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, timeout=300)


def test_a_full_disk_leaves_no_half_written_file(here: Path) -> None:
    for target in ("-o", "--json"):
        step = "raise OSError(28, 'No space left on device')"
        done = patched(here, step, "result.os.replace", "analyze", "dump.pcap", target, "out")
        assert complaint(done) == "out cannot be written: No space left on device."
        assert files(here) == {"dump.pcap", "postgresql.log"}


@pytest.mark.skipif(os.name != "posix", reason="Windows sends no SIGINT to one process.")
def test_an_interruption_leaves_no_half_written_file(here: Path) -> None:
    (here / "out").write_text("<!doctype html>\nan older report\n")
    # a background job inherits an ignored SIGINT; the command is to be interrupted there too
    step = "signal.signal(signal.SIGINT, signal.default_int_handler); os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(60)"
    done = patched(here, step, "result.os.replace", "analyze", "dump.pcap", "-o", "out")
    assert done.returncode == INTERRUPTED
    assert done.stderr.decode().strip() == "pcapreport: interrupted."
    assert files(here) == {"dump.pcap", "postgresql.log", "out"}
    assert (here / "out").read_text() == "<!doctype html>\nan older report\n"


SLOW = """
import os, signal, sys, threading, time
class Slow:  # a thread that loads pandas is at it when the user loses patience
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
            time.sleep(2)
sys.meta_path.insert(0, Slow())
signal.signal(signal.SIGINT, signal.default_int_handler)
from analyzer.cli import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows sends no SIGINT to one process.")
def test_an_interruption_while_modules_are_loaded_ends_the_command(here: Path) -> None:
    command = [sys.executable, "-c", SLOW, "analyze", "dump.pcap", "--json", "out"]
    done = subprocess.run(command, cwd=here, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode().strip()) == (INTERRUPTED, "pcapreport: interrupted.")
    assert files(here) == {"dump.pcap", "postgresql.log"}


def test_an_internal_error_is_one_sentence(here: Path) -> None:
    arguments = ("analyze", "dump.pcap")
    done = patched(here, "raise ZeroDivisionError('first\\nsecond')", "pipeline.read_headers", *arguments)
    sentence = complaint(done, INTERNAL)
    assert sentence.startswith("internal error: ZeroDivisionError: first\\x0asecond. Please report it;")
    step = "os.environ['PCAPREPORT_TRACEBACK'] = '1'; raise ZeroDivisionError('first')"
    assert b"Traceback" in patched(here, step, "pipeline.read_headers", *arguments).stderr


# --- Consoles and pipes -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="A shell's pipe.")
@pytest.mark.parametrize(
    "arguments", ["resets dump.pcap --frames", "analyze dump.pcap --no-dissection --json -", "causes"]
)
def test_a_reader_that_goes_away_is_no_error(here: Path, arguments: str) -> None:
    process = subprocess.Popen(
        [PCAPREPORT, *arguments.split()], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == (NOTHING_HARMFUL if arguments == "causes" else HARMFUL)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="There is no /dev/full here.")
def test_standard_output_on_a_full_disk(here: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [PCAPREPORT, "resets", "dump.pcap"], cwd=here, stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert done.returncode == UNUSABLE
    assert done.stderr == b"pcapreport: Standard output cannot be written: No space left on device.\n"


@pytest.mark.parametrize("encoding", ["cp932", "cp936", "ascii"])
def test_consoles_that_lack_letters(here: Path, encoding: str) -> None:
    name = "Größe-接続.pcap"
    shutil.copy(here / "dump.pcap", here / name)
    for arguments in (["--help"], ["analyze", name, "--no-dissection"], ["causes", "idle_timeout"]):
        done = run(here, *arguments, PYTHONIOENCODING=encoding)
        assert done.returncode in (NOTHING_HARMFUL, HARMFUL), done.stderr
        assert done.stderr == b""
        assert "connection" in done.stdout.decode(encoding)
    done = run(here, "analyze", "接続.pcap", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr.count(b"\n")) == (UNUSABLE, 1)
    done = run(here, "resets", name, "--frames", "--json", PYTHONIOENCODING=encoding)
    assert json.loads(done.stdout.decode(encoding))[0]["capture"] == name  # nothing is lost in JSON


EVIL = "\x1b[2J\x1b]0;owned\x07 a\nb\u202e.pcap"


@posix
def test_file_names_are_inert(here: Path, call: Call, known: dict[str, object]) -> None:
    def inert(text: bytes) -> bool:
        return not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text.decode())

    sentence = complaint(run(here, "analyze", EVIL))
    assert sentence == r"No file matches \x1b[2J\x1b]0;owned\x07 a\x0ab\u202e.pcap."
    for arguments in (
        ["logs", EVIL],
        ["analyze", "dump.pcap", "--log", EVIL],
        ["causes", EVIL],
        [EVIL],
        ["analyze", "--at", EVIL],
    ):
        complaint(call(here, *arguments))
        assert inert(call(here, *arguments).stderr)
    shutil.copy(here / "dump.pcap", here / EVIL)
    for arguments in (
        ["analyze", EVIL],
        ["resets", EVIL],
        ["resets", EVIL, "--frames"],
        ["explain", EVIL, "--stream", str(known["stream"])],
    ):
        done = call(here, *arguments)
        assert (done.returncode, done.stderr) == (HARMFUL, b"")
        assert inert(done.stdout)
    done = call(here, "logs", "postgresql.log", "--log-timezone", EVIL)
    assert inert(done.stderr) and done.returncode == UNUSABLE
    shutil.copy(here / "postgresql.log", here / "\x1b[2J.log")
    done = call(here, "logs", "\x1b[2J.log")
    assert done.returncode == NOTHING_HARMFUL and inert(done.stdout) and inert(done.stderr)


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems allow no names that are not UTF-8.")
def test_a_file_name_that_is_no_text(here: Path) -> None:
    name = os.fsdecode(b"dump-\xff.pcap")
    shutil.copy(here / "dump.pcap", here / name)
    done = run(here, "analyze", name, "-o", "page.html", "--json", "out.json")
    assert (done.returncode, done.stderr) == (HARMFUL, b"")
    assert json.loads((here / "out.json").read_bytes())["resets"][0]["capture"] == "dump-?.pcap"
    assert json.loads(run(here, "analyze", name, "--json", "-").stdout)["resets"][0]["capture"] == "dump-?.pcap"


@posix
def test_names_with_colons_and_brackets(here: Path, call: Call) -> None:
    for name in ("261120-18:22:29.pcap", "dump[1].pcap", "a=b*?.pcap", "--json.pcap"):
        shutil.copy(here / "dump.pcap", here / name)
        for given in ([f"./{name}"], ["--at", f"server=./{name}"]):
            done = call(here, "resets", "--frames", "--json", *given)
            assert (done.returncode, done.stderr) == (HARMFUL, b"")
            assert {reset["capture"] for reset in json.loads(done.stdout)} == {name}
    done = call(here, "resets", "--frames", "--json", "dump[1-9].pcap")  # no file of that name: a pattern
    assert done.returncode == UNUSABLE
    shutil.copy(here / "dump.pcap", here / "dump2.pcap")
    done = call(here, "resets", "--frames", "--json", "dump[2-9].pcap")
    assert {reset["capture"] for reset in json.loads(done.stdout)} == {"dump2.pcap"}


# --- Rotated sets -------------------------------------------------------------------------------------------------------


def rotated(source: Path, folder: Path, parts: int) -> list[Path]:
    """A classic little-endian capture cut into parts of as many packets, under names that say nothing of their order."""
    data = source.read_bytes()
    assert data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
    records, place = [], 24
    while place < len(data):
        end = place + 16 + struct.unpack_from("<I", data, place + 8)[0]
        records.append(data[place:end])
        place = end
    names = [f"ring-{number}.pcap" for number in range(parts)]
    random.Random(parts).shuffle(names)
    size = -(-len(records) // parts)
    out = []
    for number, name in enumerate(names):
        path = folder / name
        path.write_bytes(data[:24] + b"".join(records[number * size : (number + 1) * size]))
        out.append(path)
    return out


WHERE = {"capture", "frame", "stream", "connection"}  # what may differ between a file and its parts
CASES = ["postgres_client_abort", "stale_pool", "health_probe"]
WAYS: dict[str, Callable[[list[Path]], list[str]]] = {
    "folder": lambda paths: [str(paths[0].parent)],
    "glob": lambda paths: [str(paths[0].parent / "ring-*.pcap")],
    "list": lambda paths: [str(path) for path in sorted(paths)],
    "reversed list": lambda paths: [str(path) for path in reversed(paths)],
}


def told(call: Call, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = call(folder, "resets", "--json", *arguments)
    assert done.returncode in (NOTHING_HARMFUL, HARMFUL), done.stderr
    return [{name: value for name, value in reset.items() if name not in WHERE} for reset in json.loads(done.stdout)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("point", ["client.pcap", "server.pcap"])
def test_a_rotated_set_is_one_timeline(tmp_path: Path, call: Call, case: str, point: str) -> None:
    """Frame and stream numbers are each file's own; times, addresses and verdicts are those of the whole."""
    source = CORPUS / case / point
    whole, frames = told(call, tmp_path, str(source)), told(call, tmp_path, str(source), "--frames")
    assert frames
    ring = tmp_path / "ring"
    ring.mkdir()
    paths = rotated(source, ring, 5)
    assert paths != sorted(paths)
    for way in WAYS.values():
        assert told(call, tmp_path, *way(paths), "--frames") == frames
    for way in ("folder", "reversed list"):
        assert told(call, tmp_path, *WAYS[way](paths)) == whole


def test_frames_of_a_rotated_set_are_numbered_in_each_file(tmp_path: Path, call: Call, tshark: str) -> None:
    paths = rotated(CORPUS / "health_probe" / "server.pcap", tmp_path, 5)
    ours = json.loads(call(tmp_path, "resets", "--frames", "--json", tmp_path).stdout)
    theirs = []
    for path in paths:
        show = ["-T", "fields", "-e", "frame.number", "-e", "tcp.stream"]
        out = subprocess.run(
            [tshark, "-r", path, "-Y", "tcp.flags.reset==1", *show], check=True, capture_output=True, text=True
        ).stdout
        theirs += [(path.name, *map(int, line.split())) for line in out.splitlines()]
    assert len({name for name, *_ in theirs}) > 1
    assert [(reset["capture"], reset["frame"], reset["stream"]) for reset in ours] == theirs


# --- For showing it to others -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "analyze dump.pcap --log postgresql.log --redact-key key --no-dissection",
        "analyze dump.pcap --log postgresql.log --redact-key key --no-dissection --csv out.csv --markdown -",
        "resets dump.pcap --redact-key key",
        "resets dump.pcap --redact-key key --frames --json",
        "explain dump.pcap --client {client} --redact-key key --no-dissection",
    ],
)
def test_redacted_output_names_nothing(here: Path, call: Call, known: dict[str, object], arguments: str) -> None:
    (here / "key").write_text("sixteen bytes or more\n")
    before = files(here)
    done = call(here, *arguments.format(**known).split())
    assert done.returncode == HARMFUL
    (ip,) = {str(known["client"]).rpartition(":")[0]}
    written = {name: (here / name).read_text(encoding="utf-8-sig") for name in files(here) - before}
    for text in (done.stdout.decode(), *written, *written.values()):
        assert text and not [name for name in (ip, "dump.pcap", "dump.html") if name in text]
    assert done.stdout == call(here, *arguments.format(**known).split()).stdout


def test_what_cannot_be_redacted_is_said(here: Path, call: Call) -> None:
    (here / "key").write_text("short")
    assert "choose one" in complaint(call(here, "analyze", "dump.pcap", "--redact", "--statements"))
    assert "16" in complaint(call(here, "resets", "dump.pcap", "--redact-key", "key"))
    assert "cannot be read" in complaint(call(here, "resets", "dump.pcap", "--redact-key", "none"))


# --- Comforts -----------------------------------------------------------------------------------------------------------


def test_quiet_says_nothing(here: Path, call: Call) -> None:
    done = call(here, "analyze", "dump.pcap", "--no-dissection", "--quiet", "-o", "out.html")
    assert (done.returncode, done.stdout, done.stderr) == (HARMFUL, b"", b"")
    assert (here / "out.html").stat().st_size > 10_000
    assert "choose one" in complaint(call(here, "analyze", "dump.pcap", "--quiet", "--json", "-"))


def test_open_shows_the_page(here: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(shown.append(address)) or len(shown) == 1)
    arguments = ("analyze", "dump.pcap", "--no-dissection", "--quiet", "--open", "-o", "a b.html")
    assert call(here, *arguments).stderr == b""
    assert shown == [(here / "a b.html").as_uri()]
    assert b"a b.html" in call(here, *arguments).stderr, "without a browser it is said where the page is"
    assert "name it with -o" in complaint(call(here, "analyze", "dump.pcap", "--open", "--csv", "out.csv"))


@pytest.mark.parametrize(
    "command", ["analyze", "resets", "explain", "logs", "causes", "formats", "capture-command", "schema"]
)
def test_help_has_an_example_that_names_real_options(call: Call, tmp_path: Path, command: str) -> None:
    text = call(tmp_path, command, "--help").stdout.decode()
    flat = " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())
    examples = re.findall(rf"Example: (pcapreport {command}[^\n]*?)(?= Example:| Usage| Arguments| Options|$)", flat)
    assert examples
    assert all(option in text for example in examples for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", example))


def test_the_shell_completes_commands(tmp_path: Path) -> None:
    done = run(tmp_path, _PCAPREPORT_COMPLETE="complete_bash", COMP_WORDS="pcapreport ana", COMP_CWORD="1")
    assert done.stdout.decode().split() == ["analyze"]
