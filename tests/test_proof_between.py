"""A forged reset that nothing at its receiver tells from the server's own is proved to come from between, with both ends' captures.

The case is `forged_reset_nat`: both addresses and both ports change on the way. The server's capture is rewritten to be taken by a
clock that is far off and drifts; the sentence that is the proof must stand all the same, and nothing may be said where it is missing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import analyzer
from analyzer import schema
from captures.lab import case_file, editing

CASE = case_file.load(Path(__file__).resolve().parents[1] / "captures" / "forged_reset_nat")
FORGED, GENUINE = (c.client for c in CASE.connections[:2])
PROOF = "it is missing at a capture point on the host of {sender} that shows this connection around the moment"


def both_ends(folder: Path, change: editing.Edit) -> analyzer.Diagnosis:
    """Both ends together, the server's capture rewritten."""
    server = folder / "server.pcap"
    server.write_bytes(change((CASE.folder / CASE.captures["server"]).read_bytes()))
    return analyzer.analyze(at={"client": CASE.folder / CASE.captures["client"], "server": server}, dissect=False)


def ending_of(d: analyzer.Diagnosis, client: str) -> dict[str, object]:
    """The ending and the finding of a connection under the name that it has at the client."""
    named = d.connections["client_ip"] + ":" + d.connections["client_port"].astype("string")
    life = set(d.legs.loc[d.legs["connection"].isin(d.connections.loc[named == client, "connection"]), "ending"])
    (row,) = (r for r in schema.records(d.endings.merge(d.findings, on="ending")) if r["ending"] in life)
    return row


@pytest.mark.parametrize(
    ("offset", "drift"), [(0.0, 0.0), (40.0, 50.0), (-40.0, -50.0)], ids=["one clock", "40 s ahead", "40 s behind"]
)
def test_it_is_proved_across_nat_whatever_the_clocks(offset: float, drift: float, tmp_path: Path) -> None:
    d = both_ends(tmp_path, editing.shift_clock(offset, drift))

    forged = ending_of(d, FORGED)
    packets = d.packets[(d.packets["point"] == "client") & (d.packets["connection"] == forged["connection"])]
    of_server = packets[~packets["from_client"].astype(bool)].set_index("frame")
    before = of_server[of_server.index < forged["frame"]].iloc[-1]
    reset = of_server.loc[forged["frame"]]
    assert (reset["ttl"], reset["ip_id"]) == (before["ttl"], before["ip_id"] + 1)  # the forger's work is good

    assert (forged["reset_by"], forged["cause"], forged["proof"]) == (
        "middlebox",
        "injected_reset",
        "captured at both ends",
    )
    assert forged["confidence"] >= 0.95
    said = d.evidence[(d.evidence["ending"] == forged["ending"]) & (d.evidence["rank"] == 1) & d.evidence["held"]]
    assert PROOF.format(sender=forged["sender"]) in set(said["sentence"])

    genuine = ending_of(d, GENUINE)
    assert (genuine["reset_by"], genuine["cause"], genuine["proof"]) == (
        "server",
        "abortive_close",
        "captured at both ends",
    )
    assert set(d.sightings.loc[d.sightings["ending"] == genuine["ending"], "point"]) == {"client", "server"}
    assert set(d.sightings.loc[d.sightings["ending"] == forged["ending"], "point"]) == {"client"}

    (clock,) = schema.rows(d.clocks)
    assert clock.offset_seconds == pytest.approx(
        offset, abs=0.002
    )  # 50 millionths of the case's six seconds are 0.3 ms


def test_a_capture_that_ended_before_proves_nothing(tmp_path: Path) -> None:
    d = both_ends(tmp_path, lambda capture: capture[: len(capture) // 4])
    forged = ending_of(d, FORGED)
    assert (forged["proof"], forged["absent_at_sender"]) == (None, None)
    assert (forged["confidence"] or 0.0) <= 0.95
