"""One capture point or two: rotated files follow each other, two points show the same packets."""

from __future__ import annotations

from pathlib import Path

import pytest

import analyzer

CASE = Path(__file__).parent.parent / "captures" / "stale_pool"


def test_two_points_given_as_one_are_refused_with_what_to_write() -> None:
    files = [str(CASE / "client.pcap"), str(CASE / "server.pcap")]
    with pytest.raises(analyzer.UsageError) as refused:
        analyzer.analyze(files)
    assert "--at" in str(refused.value)
    assert all(file in str(refused.value) for file in files)


def test_files_of_other_traffic_at_the_same_time_are_one_point(tmp_path: Path, tshark: str) -> None:
    """Two interfaces of one machine may be captured into two files: no packet is in both."""
    import subprocess

    whole = CASE / "client.pcap"
    ports = {5432: "tcp.srcport == 5432", 0: "tcp.dstport == 5432"}
    for name, keep in ports.items():
        subprocess.run(
            [tshark, "-r", whole, "-Y", keep, "-F", "pcap", "-w", tmp_path / f"{name}.pcap"],
            check=True,
            capture_output=True,
        )
    d = analyzer.analyze(str(tmp_path), dissect=False)
    assert len(d.captures) == 2
