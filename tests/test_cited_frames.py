"""Every frame that a report cites is in the capture it names, and belongs to the connection it is cited for: over the whole corpus.

An ICMP error belongs to the connection that it quotes and is no packet of it: only a sign may cite one. So may a sign cite an announcement (ARP) of
the address of one of the connection's ends.

The judgements are those of test_corpus.py (captures/lab/judging.py keeps them); the frames are looked up by their headers alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from capture_builders import text
from test_corpus import CASES, VIEWS

from analyzer import capture, schema
from analyzer.capture.messages import announced, error
from captures.lab import judging
from captures.lab.case_file import View

Ends = frozenset[tuple[str, int]]


@cache
def headers(path: str) -> dict[int, tuple[Ends, int]]:
    """Frame number -> its two ends and its flags, of every TCP segment in a capture."""
    (file,), _ = capture.find([path])
    out = {}
    for chunk in capture.read(file):
        for s in chunk.segments:
            ends = frozenset(
                [
                    (text(int(s["src_hi"]), int(s["src_lo"]), bool(s["ipv6"])), int(s["sport"])),
                    (text(int(s["dst_hi"]), int(s["dst_lo"]), bool(s["ipv6"])), int(s["dport"])),
                ]
            )
            out[int(s["frame"])] = (ends, int(s["flags"]))
    return out


@cache
def messages(path: str) -> tuple[dict[int, Ends], dict[int, str]]:
    """Frame number -> the two ends that an ICMP error quotes, and frame number -> the address that is announced, in a capture."""
    (file,), _ = capture.find([path])
    found = [message for chunk in capture.read(file) for message in chunk.messages]
    errors = [(m.frame, error(m.data)) for m in found]
    addresses = [(m.frame, announced(m.data)) for m in found]
    return (
        {n: frozenset([(e["src"], e["sport"]), (e["dst"], e["dport"])]) for n, e in errors if e},
        {n: said[0] for n, said in addresses if said},
    )


def belongs(path: str, frame: int, ends: set[Ends], sign: bool) -> bool:
    """Whether a frame is a packet of these connections or, for a sign, speaks of them."""
    segment = headers(path).get(frame)
    if segment is not None or not sign:
        return segment is not None and segment[0] in ends
    quoted, addresses = messages(path)
    return quoted.get(frame) in ends or any(addresses.get(frame) == ip for pair in ends for ip, _ in pair)


def cited(item: dict[str, Any]) -> Iterator[tuple[str, str, int, bool]]:
    """What an item of the document cites: what for, capture, frame, and whether that must be a reset."""
    own = item["kind"] == "reset"
    yield "the ending itself", item["capture"], item["frame"], own
    for name in ("copies", "consequence"):
        yield from ((name, c["capture"], c["frame"], True) for c in item[name])
    yield from (("sighting", s["capture"], s["frame"], own) for s in item["sightings"])
    for sign in item["evidence"]:
        yield from ((f"{sign['cause']}.{sign['sign']}", f["capture"], f["frame"], False) for f in sign["frames"])
    if "trigger_frame" in item["facts"]:
        yield "trigger", item["capture"], item["facts"]["trigger_frame"], False


@pytest.mark.parametrize(("name", "view"), VIEWS)
def test_every_cited_frame_is_there_and_belongs_to_its_connection(name: str, view: View) -> None:
    d = judging.diagnosis(CASES[name], view)
    path = dict(zip(d.captures["capture"], d.captures["path"], strict=True))
    known = d.connections.set_index("connection")
    ends = {
        int(c): frozenset([(r["client_ip"], int(r["client_port"])), (r["server_ip"], int(r["server_port"]))])
        for c, r in known[["client_ip", "client_port", "server_ip", "server_port"]].iterrows()
    }
    legs: dict[str, set[Ends]] = {}
    for leg in schema.records(d.legs):
        legs.setdefault(leg["ending"], set()).add(ends[leg["connection"]])
    wrong = []
    for item in (*d.document["resets"], *d.document["died_in_silence"]):
        for what, file, frame, reset in cited(item):
            found = headers(str(path[file])).get(frame)
            own = belongs(str(path[file]), frame, legs[item["id"]], "." in what)
            if not own or (reset and not (found and found[1] & schema.RST)):
                wrong.append(f"{item['id']}, {what}: frame {frame} in {file} is {found}")
    assert not wrong


def test_the_frames_of_a_capture_are_those_of_the_file() -> None:
    """The measure itself: as many frames as segments, numbered as the file counts them."""
    d = judging.diagnosis(CASES["stale_pool"], "client")
    row = d.captures.iloc[0]
    found = headers(str(row["path"]))
    assert len(found) == row["segments"] and max(found) <= row["packets"]
    assert np.count_nonzero([flags & schema.RST for _, flags in found.values()]) == row["resets"]


def test_a_message_belongs_to_the_connection_that_it_speaks_of_alone() -> None:
    """The measure itself: the error that answers one attempt is not the next one's, nor a packet of either."""
    d = judging.diagnosis(CASES["firewall_reject_icmp"], "client")
    path = str(d.captures["path"].iloc[0])
    quoted, _ = messages(path)
    (first, ends), (_, other) = list(quoted.items())[:2]
    assert belongs(path, first, {ends}, sign=True)
    assert not belongs(path, first, {other}, sign=True)
    assert not belongs(path, first, {ends}, sign=False)
