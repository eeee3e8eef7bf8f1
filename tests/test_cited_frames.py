"""Every frame that a report cites is in the capture it names, and belongs to the connection it is cited for: over the whole corpus.

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
            if found is None or found[0] not in legs[item["id"]] or (reset and not found[1] & schema.RST):
                wrong.append(f"{item['id']}, {what}: frame {frame} in {file} is {found}")
    assert not wrong


def test_the_frames_of_a_capture_are_those_of_the_file() -> None:
    """The measure itself: as many frames as segments, numbered as the file counts them."""
    d = judging.diagnosis(CASES["stale_pool"], "client")
    row = d.captures.iloc[0]
    found = headers(str(row["path"]))
    assert len(found) == row["segments"] and max(found) <= row["packets"]
    assert np.count_nonzero([flags & schema.RST for _, flags in found.values()]) == row["resets"]
