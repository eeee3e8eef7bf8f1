"""The kernel's trace as a log: its clock counts from the machine's start, and its resets are those of the capture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
