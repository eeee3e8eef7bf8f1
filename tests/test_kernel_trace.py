"""The kernel's trace as a log: its clock counts from the machine's start, its resets are those of the capture, and it is a witness of who
sent them and why: proof where nothing else could be meant, and nothing at all where it could.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analyzer.correlation import correlate
from analyzer.logs import LogSource, read_logs
from analyzer.pipeline import analyze

CAPTURES = Path(__file__).parents[1] / "captures"
STARTED = 1_795_000_000  # when the machine that wrote the trace started
CASES = ["postgres_client_killed", "server_process_killed", "postgres_client_abort_ipv6"]


def bracketed(end: str) -> str:
    return end if end.startswith("[") or end.count(":") == 1 else "[{}]:{}".format(*end.rsplit(":", 1))


def trace_of(case: str) -> list[tuple[str, str]]:
    """(address that sent the reset, line) for each reset that the lab's kernel traced, as trace_pipe prints it."""
    traced = json.loads((CAPTURES / case / "witness.json").read_text())["trace"]
    return [
        (
            event["source"],
            f"         python3-872     [001] ..s1. {event['time'] - STARTED:.6f}: tcp_send_reset: skbaddr=00000000de2c9d8c skaddr=0000000000000000 "
            f"src={bracketed(event['source'])} dest={bracketed(event['destination'])} state=UNKNOWN reason={event['reason']}",
        )
        for event in traced
    ]


@pytest.mark.parametrize("case", CASES)
def test_each_reset_has_its_line_of_the_trace(case: str, tmp_path: Path) -> None:
    lines = trace_of(case)
    log = tmp_path / "trace.log"
    log.write_text("".join(f"{line}\n" for _, line in lines))
    found = analyze(at={"client": CAPTURES / case / "client.pcap"}, logs=[log], dissect=False)
    assert set(found.log_lines["format"]) == {"kernel_trace"}
    assert set(found.log_lines["zone"]) == {"boot"}
    ends = found.endings.set_index("ending")
    sent = {match.ending: lines[match.line - 1][0] for match in found.matches.itertuples()}
    shown = {
        ending: ends.at[ending, str(ends.at[ending, "apparent_sender"])] for ending in ends.index if ending in sent
    }
    assert sent
    assert sent == shown
    clock = found.clocks[found.clocks["source"] == "trace.log"].iloc[0]
    assert clock.basis == "identity"
    assert clock.offset_seconds == pytest.approx(-STARTED, abs=0.2)
    assert "counts seconds since its machine started, which was at 2026-11-18" in clock.sentence


def test_each_line_of_a_trace_is_an_entry() -> None:
    rest = "tcp:tcp_send_reset: skbaddr=(nil) skaddr=0xffff8 src=10.0.0.1:3300{0} dest=10.0.0.2:5432 state=0x7 reason=TCP_STATE\n"
    perf = "         python3 25527 [001]  4341.78{0}273: " + rest
    text = "# cmdline : perf record\n" + "".join(perf.format(n) for n in range(5)).replace("]  4341.782", "] 4341.782")
    found = read_logs([LogSource("perf.txt", text.encode())])[0]
    assert found["line"].tolist() == [2, 3, 4, 5, 6]
    assert found["client_port"].tolist() == [33000, 33001, 33002, 33003, 33004]


def judged(case: str, point: str, folder: Path, *, stamped: bool = False) -> Any:
    """The case at one point, with the kernel's trace; `stamped`: a shell has put the time of day before each line, to the second."""
    traced = json.loads((CAPTURES / case / "witness.json").read_text())["trace"]
    stamps = [
        f"{pd.Timestamp(e['time'], unit='s', tz='Asia/Tokyo'):%Y-%m-%d %H:%M:%S%z} " if stamped else "" for e in traced
    ]
    log = folder / "trace.log"
    log.write_text("".join(f"{stamp}{line}\n" for stamp, (_, line) in zip(stamps, trace_of(case), strict=True)))
    return analyze(at={point: CAPTURES / case / f"{point}.pcap"}, logs=[log], dissect=False)


@pytest.mark.parametrize(
    ("case", "point", "cause", "stamped"),
    [
        ("no_listener", "client", "connection_refused", False),  # from afar the packets alone name nobody
        ("half_open_scan", "client", "half_open_probe", True),
        ("postgres_client_killed", "server", "unread_data_at_close", True),
    ],
)
def test_the_kernel_of_the_sender_is_proof(case: str, point: str, cause: str, stamped: bool, tmp_path: Path) -> None:
    d = judged(case, point, tmp_path, stamped=stamped)
    traced = d.endings[d.endings["kernel_sent"].fillna(False)]
    found = d.findings.set_index("ending").loc[traced["ending"]]
    assert len(found)
    assert found["reset_by"].tolist() == traced["apparent_sender"].tolist()
    assert set(found["proof"]) == {"kernel trace"}
    assert set(found["confidence"]) == {0.99}
    assert set(found["cause"]) == {cause}
    shown = d.evidence[(d.evidence["rank"] == 1) & (d.evidence["sign"] == "kernel_sent")]
    own = d.matches.set_index("ending")
    assert {row.ending: row.log_lines for row in shown.itertuples()} == {
        ending: [("trace.log", own.at[ending, "line"])] for ending in traced["ending"]
    }
    why = d.evidence[(d.evidence["rank"] == 1) & (d.evidence["sign"] == "kernel_reason")]
    assert set(why["held"]) == {True}


@pytest.mark.parametrize(("case", "point"), [("forged_reset", "client"), ("nat_server_first", "server")])
def test_a_device_is_not_cleared_by_a_kernel_that_sent_something_else(case: str, point: str, tmp_path: Path) -> None:
    """A forged reset, and the victim's own answer later; a router whose own kernel answers with the address that it lends to its clients."""
    d = judged(case, point, tmp_path)
    assert len(d.matches)
    first = d.findings.iloc[0]
    assert (first["reset_by"], first["proof"]) == ("middlebox", None)


def test_one_line_that_sets_its_own_clock_proves_nothing(tmp_path: Path) -> None:
    """The server's kernel traced a reset that nobody got, and answered later as a listening socket, which names no connection."""
    d = judged("server_state_lost", "client", tmp_path)
    assert d.matches["tie"].tolist() == ["connection"]
    assert d.endings["kernel_sent"].isna().all()


def test_two_resets_at_once_and_one_line_prove_nothing(tmp_path: Path) -> None:
    d = judged("no_listener", "client", tmp_path)

    def traced(frames: pd.DataFrame) -> list[str]:
        tied = correlate(
            d.endings, d.connections, frames, d.log_lines, d.coverage, reference_point="client", sightings=d.sightings
        )
        return sorted(tied.traced["ending"])

    assert traced(d.reset_frames) == ["r1", "r2", "r3"]
    later = d.reset_frames.head(1).assign(time=lambda f: f["time"] + pd.Timedelta("20ms"))
    copy, another = later, later.assign(seq=later["seq"] + 1)
    assert traced(pd.concat([d.reset_frames, copy], ignore_index=True)) == ["r1", "r2", "r3"]
    assert traced(pd.concat([d.reset_frames, another], ignore_index=True)) == ["r2", "r3"]
