"""`pcapreport capture-command`: its lines really start, its ring fits the disk, and no name in it is expanded by the shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import conftest
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer import pipeline
from analyzer.errors import UsageError
from analyzer.report import recipes

ROOT_TOOLS = ("PCAPREPORT_REQUIRE_LAB", "PCAPREPORT_REQUIRE_TOOLS")
OPTIONS: list[dict[str, object]] = [
    {},
    {"host": "10.1.0.2", "ports": [5432, 6432], "disk": "10G"},
    {"host": "2001:db8::2", "headers_only": True, "interface": "eth0"},
    {"headers_only": True, "disk": "500M", "ports": [1]},
    {"ports": [], "host": "[2001:db8::2]"},
]


def commands(**options: object) -> list[str]:
    """The lines that are commands."""
    text = recipes.text(**options)  # type: ignore[arg-type]
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def lines(program: str, **options: object) -> list[list[str]]:
    """The lines of one program, as the shell would hand them over, without sudo."""
    return [shlex.split(line)[1:] for line in commands(**options) if line.startswith(f"sudo {program} ")]


# --- What is printed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS)
def test_nothing_is_expanded_by_the_shell(options: dict[str, object]) -> None:
    text = recipes.text(**options)  # type: ignore[arg-type]
    assert "$(" not in text and "`" not in "".join(commands(**options))
    variables = re.findall(r"\$\w+", "\n".join(commands(**options)))
    assert set(variables) == {"$USER", "$line"}
    (by_time,) = [line for line in lines("tcpdump", **options) if "-G" in line]
    assert by_time[by_time.index("-w") + 1].endswith("-%Y%m%d-%H%M%S.pcap")
    for line in lines("tcpdump", **options):
        name = line[line.index("-w") + 1]
        assert ("%" in name) is ("-G" in line)  # with -G and no %-codes each rotation overwrites the file
        assert ("-C" in line) is not ("-G" in line)  # with both, tcpdump(1) gives -W no meaning
        assert name.endswith(".pcap") and "-W" in line  # AppArmor; and an end
    assert max(map(len, [line for line in text.splitlines() if line.startswith("#")])) <= recipes.WIDTH


@pytest.mark.parametrize("options", OPTIONS)
def test_every_line_is_shell(options: dict[str, object], tmp_path: Path) -> None:
    linux = recipes.text(**options).partition("# On Windows")[0]  # type: ignore[arg-type]
    (tmp_path / "all.sh").write_text(linux)
    subprocess.run(["bash", "-n", tmp_path / "all.sh"], check=True)


def test_who_is_asked_for_is_kept_and_resets_alone_are_not() -> None:
    beside = "or arp or icmp or icmp6"
    assert recipes.capture_filter([5432]) == f"tcp port 5432 {beside}"
    two = recipes.capture_filter([5432, 6432, 5432], "10.1.0.2")
    assert two == f"(host 10.1.0.2 and (tcp port 5432 or tcp port 6432)) {beside}"
    assert recipes.capture_filter([], "[2001:DB8::2]") == f"(host 2001:db8::2 and tcp) {beside}"
    for options in OPTIONS:
        assert not any("rst" in line for line in commands(**options) if "tcpdump" in line or "dumpcap" in line)


def test_headers_only() -> None:
    def lengths(**options: object) -> set[str]:
        return {line[line.index("-s") + 1] for program in ("tcpdump", "dumpcap") for line in lines(program, **options)}

    assert lengths() == {"128"}
    assert lengths(headers_only=True) == lengths(headers_only=True, host="10.1.0.2") == {"80"}
    assert lengths(headers_only=True, host="2001:db8::2") == {"100"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"host": "db.example"}, "'db.example' is no IP address"),
        ({"host": "10.0.0.1 or tcp"}, "is no IP address"),
        ({"host": "fe80::1%eth0"}, "names an interface"),
        ({"ports": [0]}, "0 is no port"),
        ({"ports": [70000]}, "70000 is no port"),
        ({"interface": ""}, "'' is no name of an interface"),
        ({"interface": "eth0\nrm"}, r"'eth0\nrm' is no name of an interface"),
        ({"disk": "ten"}, "'ten' is no size of a disk; write it as 500M, 10G or 1T."),
        ({"disk": "10"}, "'10' is no size"),
        ({"disk": "9M"}, "too small; give 10M to 10T."),
        ({"disk": "11T"}, "too large; give 10M to 10T."),
    ],
)
def test_what_makes_no_sense(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        commands(**options)


def test_an_interface_is_quoted() -> None:
    (line, *_) = lines("tcpdump", interface="a; rm -rf $HOME")
    assert line[line.index("-i") + 1] == "a; rm -rf $HOME"


def test_the_command() -> None:
    program = "from analyzer.cli import main; main()"
    command = [sys.executable, "-c", program, "capture-command"]
    options = [
        "--port",
        "5432",
        "--port",
        "6432",
        "--disk",
        "10G",
        "--host",
        "10.1.0.2",
        "--interface",
        "eth0",
        "--headers-only",
    ]
    done = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
    wanted = {"ports": [5432, 6432], "disk": "10G", "host": "10.1.0.2", "interface": "eth0", "headers_only": True}
    assert done.stdout == recipes.text(**wanted) and not done.stderr  # type: ignore[arg-type]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == recipes.text()
    done = subprocess.run([*command, "--disk", "ten"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pcapreport: 'ten' is no size of a disk; write it as 500M, 10G or 1T.\n"


# --- The ring ---------------------------------------------------------------------------------------------------------


@given(st.integers(recipes.SMALLEST, recipes.LARGEST), st.sampled_from([80, 100, 128]))
def test_the_ring_fits_and_wastes_less_than_a_file(disk: int, snaplen: int) -> None:
    ring = recipes.ring(disk, snaplen)
    largest = ring.megabytes * 1_000_000 + snaplen + recipes.RECORD
    assert ring.files * largest <= disk < (ring.files + 1) * largest
    assert 9 <= ring.files <= 10_000 and 1 <= ring.megabytes <= 1000  # dumpcap: 2 GiB for a file


@pytest.mark.parametrize(
    ("text", "size"),
    [("10G", 10**10), ("10 gb", 10**10), ("1.5T", 15 * 10**11), ("500M", 5 * 10**8), ("10GiB", 10 * 2**30)],
)
def test_sizes(text: str, size: int) -> None:
    assert recipes.disk_bytes(text) == size


def test_the_ring_is_the_one_of_the_disk() -> None:
    for line in lines("tcpdump", disk="10G")[:3]:
        assert (line[line.index("-C") + 1], line[line.index("-W") + 1]) == ("100", "99")
    for line in lines("dumpcap", disk="10G"):
        assert "filesize:100000" in line and "files:99" in line
    assert "--file-size 9536" in recipes.text(disk="10G")  # MiB


# --- The programs themselves ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tcpdump() -> str:
    return shutil.which("tcpdump") or conftest.missing("tcpdump is not installed.", ROOT_TOOLS[1])


@pytest.mark.parametrize("link", ["EN10MB", "LINUX_SLL2", "LINUX_SLL", "RAW"])
@pytest.mark.parametrize("options", OPTIONS)
def test_the_filter_compiles(tcpdump: str, link: str, options: dict[str, object]) -> None:
    for line in lines("tcpdump", **options):
        done = subprocess.run([tcpdump, "-d", "-y", link, line[-1]], capture_output=True, text=True)
        assert done.returncode == 0 and "ret" in done.stdout, done.stderr
    for line in lines("dumpcap", **options):
        assert line[line.index("-f") + 1] == lines("tcpdump", **options)[0][-1]


@pytest.fixture
def service() -> Iterator[int]:
    """The port of a service on the loopback interface that sends a kilobyte to whoever connects, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with listener.accept()[0] as connection:
                    connection.sendall(b"x" * 1000)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        ended.set()


def capture(line: list[str], folder: Path, port: int, seconds: float = 2.5) -> tuple[int, str, list[Path]]:
    """Run a printed line for some seconds of traffic; its exit status, what it said and its files."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not sys.platform.startswith("linux"):
        conftest.missing("Capturing needs root on Linux.", ROOT_TOOLS[0])
    if not shutil.which(line[0]):
        conftest.missing(f"{line[0]} is not installed.", ROOT_TOOLS[1])
    line = [part.replace(recipes.FOLDER, str(folder)) for part in line]
    folder.chmod(0o700)
    with open(folder / "said", "w") as said, subprocess.Popen(line, stderr=said, stdout=said) as running:
        began = time.monotonic()
        while running.poll() is None and time.monotonic() - began < seconds:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.recv(2000)
            time.sleep(0.05)
        if running.poll() is None:
            time.sleep(1.1)  # a block of the kernel's buffer is handed over after a second
            running.send_signal(signal.SIGINT)
        status = running.wait(timeout=20)
    words = (folder / "said").read_text()
    (folder / "said").unlink()
    return status, words, sorted(folder.iterdir())


def usable(files: list[Path], port: int) -> None:
    """What was recorded is read, without a notice, and shows whole connections to that port."""
    d = pipeline.analyze(files, dissect=False)
    assert not [notice for notice in d.notices if notice.level != "info"]
    assert set(d.connections["server_port"]) == {port}
    assert "SF" in set(d.connections["conn_state"])
    assert not d.harmful


@pytest.mark.parametrize("program", ["tcpdump", "dumpcap"])
def test_a_ring_is_written(program: str, tmp_path: Path, service: int) -> None:
    (line, *_) = lines(program, ports=[service], disk="10M", interface="lo")
    status, said, files = capture(line, tmp_path, service)
    assert status == 0, said
    pattern = r"at-client\.pcap0" if program == "tcpdump" else r"at-client_00001_\d{14}\.pcapng"
    assert len(files) == 1 and re.fullmatch(pattern, files[0].name), files
    usable(files, service)


def test_files_by_time_end_by_themselves(tmp_path: Path, service: int) -> None:
    (line,) = [line for line in lines("tcpdump", ports=[service], interface="lo") if "-G" in line]
    line[line.index("-G") + 1], line[line.index("-W") + 1] = "1", "2"
    status, said, files = capture(line, tmp_path, service, 15)
    assert status == 0 and "Maximum file limit reached: 2" in said, said
    assert len(files) == 2 and all(re.fullmatch(r"at-server-\d{8}-\d{6}\.pcap", file.name) for file in files), files
    usable(files, service)


def test_a_full_ring_overwrites_its_oldest_file(tmp_path: Path, service: int) -> None:
    (line, *_) = lines("tcpdump", ports=[service], disk="10M", interface="lo", headers_only=True)
    line[line.index("-W") + 1] = "2"
    line[line.index("-s") + 1] = "2000"

    def flood() -> None:
        for _ in range(2500):
            with socket.create_connection(("127.0.0.1", service)) as connection:
                connection.recv(2000)

    threading.Timer(0.7, flood).start()
    status, said, files = capture(line, tmp_path, service, 4)
    assert status == 0, said
    assert [file.name for file in files] == ["at-client.pcap0", "at-client.pcap1"]
    captured = int(re.search(r"(\d+) packets captured", said)[1])  # type: ignore[index]
    assert captured > 2 * 1_000_000 / 300  # it went round at least once
    assert all(file.stat().st_size <= 1_000_000 + 2000 + recipes.RECORD for file in files)
