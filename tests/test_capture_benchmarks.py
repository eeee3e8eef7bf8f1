"""The generated traffic is what it says it is: right checksums, the announced resets, the same packets cut and whole."""

from pathlib import Path

import capture_builders as build
import numpy as np
import pytest

from analyzer import capture
from analyzer.schema import RST
from benchmarks import generate, pass1


def test_generated_captures(tshark: str, tmp_path: Path) -> None:
    rows = generate.traffic(100, resets=0.2)
    whole, cut = tmp_path / "whole.pcap", tmp_path / "cut.pcap"
    generate.write(whole, rows)
    generate.write(cut, rows, generate.HEADERS)
    segments, _ = build.read(whole)
    headers, chunks = build.read(cut)
    assert len(segments) == 100 * generate.PACKETS
    checked = [
        capture.checksums(c, c.segments) for c in capture.read(build.found(whole), keep=lambda s: np.arange(len(s)))
    ]
    assert (np.concatenate(checked) == 1).all()
    assert set(headers["captured"].tolist()) == {0}
    fields = ["frame", "time", "seq", "ack", "flags", "length", "src_lo", "dst_lo", "sport", "ip_id"]
    assert headers[fields].tolist() == segments[fields].tolist()
    assert sum(chunk.cut_packets for chunk in chunks) == (segments["length"] > 0).sum()
    resets = int((segments["flags"] & RST != 0).sum())
    assert 10 <= resets <= 30
    assert len(build.tshark_rows(tshark, whole, ("frame.number",), "tcp.flags.reset==1")) == resets
    assert len(build.tshark_rows(tshark, whole, ("frame.number",), "tcp.analysis.lost_segment")) == 0
    assert len(build.tshark_rows(tshark, whole, ("frame.number",), "tcp.analysis.retransmission")) == resets
    assert len(build.tshark_rows(tshark, whole, ("frame.number",), "tcp.completeness==31")) > 0


@pytest.mark.parametrize("fold", [True, False])
def test_what_is_timed_sees_every_packet(tmp_path: Path, fold: bool) -> None:
    _, whole = generate.both(tmp_path, 4000)
    packets, resets, elapsed, used = pass1.run(whole, fold)
    assert packets == 4000
    assert elapsed > 0 and used >= 0
    assert resets == int((build.read(whole)[0]["flags"] & RST != 0).sum())
