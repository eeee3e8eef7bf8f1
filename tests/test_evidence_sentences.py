"""What a sentence of evidence says is what tshark says of the frames that it cites: over a handful of cases of different kinds.

Each number in a sentence is found in the capture by tshark alone: times, TTLs, sequence numbers, flags. Nothing is taken from the analyzer but
the sentence's own text and its frames. The judgements are those that test_corpus.py uses.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from typing import Any

import pytest
from test_corpus import CASES

from analyzer import schema
from analyzer.dissection import find_tshark
from captures.lab import judging
from captures.lab.case_file import View

FIELDS = ("frame.number", "frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "ip.ttl", "tcp.len", "tcp.seq_raw", "tcp.ack_raw",
          "tcp.flags", "tcp.stream", "ipv6.src", "ipv6.dst", "ipv6.hlim")  # fmt: skip
READ: tuple[tuple[str, View], ...] = (
    ("postgres_client_abort", "client"),  # a client's own
    ("forged_both_ends", "both"),  # a device, proved from two points
    ("stale_pool", "client"),  # a timer on the path
    ("postgres_fast_shutdown", "client"),  # a server stopped
    ("health_probe", "server"),  # noise
    ("nginx_unread_body", "server"),
    ("nginx_keep_alive_race", "client"),
    ("keepalive_failure", "client"),
)
Frame = dict[str, Any]


@cache
def tshark(path: str) -> dict[int, Frame]:
    """Each frame's header fields, as tshark prints them."""
    program = find_tshark()
    if program is None:
        pytest.skip("tshark is not installed")
    told = subprocess.run(
        [program, "-n", "-r", path, "-Y", "tcp", "-T", "fields", "-E", "occurrence=f", *(part for f in FIELDS for part in ("-e", f))],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    out = {}
    for line in told.splitlines():
        f = dict(zip(FIELDS, line.split("\t"), strict=True))
        out[int(f["frame.number"])] = {
            "time": float(f["frame.time_epoch"]),
            "source": end(f["ip.src"] or f["ipv6.src"], f["tcp.srcport"]),
            "target": end(f["ip.dst"] or f["ipv6.dst"], f["tcp.dstport"]),
            "ttl": int(f["ip.ttl"] or f["ipv6.hlim"]),
            "length": int(f["tcp.len"]),
            "seq": int(f["tcp.seq_raw"]),
            "ack": int(f["tcp.ack_raw"]),
            "flags": int(f["tcp.flags"], 16),
            "stream": f["tcp.stream"],
        }
    return out


def end(ip: str, port: str) -> str:
    """An address as sentences write it."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def span(text: str) -> tuple[float, float]:
    """A duration as a sentence writes it, in seconds, and half of its last digit."""
    number, unit = text.split()
    digits = len(number.partition(".")[2])
    scale = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]
    return float(number) * scale, 0.51 * 10**-digits * scale


def agrees(said: str, told: float) -> bool:
    """Whether a duration in a sentence is the one that tshark's times give."""
    value, slack = span(said)
    return abs(value - told) <= slack + 2e-6


LENGTH = r"(-?\d+(?:\.\d+)? (?:s|ms|µs))"
CHECKED: dict[str, str] = {
    "answers_after_silence": rf"it answers the first packet after {LENGTH} of silence",
    "nothing_arriving": rf"nothing of (\S+) was arriving: its last payload came {LENGTH} before",
    "closed_first": rf"(\S+) had sent its FIN {LENGTH} before",
    "closed_just_before": rf"(\S+) had itself closed, {LENGTH} before",
    "closed": rf"it had sent its FIN {LENGTH} before, or",
    "ttl_differs": r"its TTL (\d+) is ([+-]\d+) from the usual (\d+) of (\S+)",
    "spoken": r"(\d+) bytes of the server were said before",
    "bare_handshake": rf"reset the connection {LENGTH} after its first packet",
    "in_use": rf"the connection was in use, {LENGTH} since the packet before",
    "crossed": rf"the two crossed: {LENGTH} from the FIN to the payload",
    "idle_before": rf"the connection had been idle for {LENGTH} when it was closed",
    "one_interval_later": rf"the reset came {LENGTH} after the last probe; the probes were {LENGTH} apart",
}


def contradiction(sign: str, words: tuple[str, ...], frames: dict[int, Frame], reset: int, server: str) -> str | None:
    """What tshark says against a sentence's numbers; None where it agrees."""
    here = frames[reset]
    before = [f for n, f in frames.items() if n < reset and f["stream"] == here["stream"]]
    own = [f for f in before if f["source"] == here["source"]]
    other = [f for f in before if f["source"] == here["target"]]
    fin = next((f for f in own if f["flags"] & schema.FIN), None)
    missed = [
        f for f in other if fin and f["length"] and (f["seq"] - fin["ack"]) % 2**32 < 2**31
    ]  # beyond what the FIN acknowledges
    asked = {
        "answers_after_silence": before[-1:],
        "in_use": before,
    }  # the packet that it answers; the last one before it
    if sign == "answers_after_silence":
        told = [asked[sign][0]["time"] - before[-2]["time"]]
    elif sign == "in_use":
        told = [here["time"] - before[-1]["time"]]
    elif sign == "nothing_arriving":
        told = [here["time"] - max(f["time"] for f in other if f["length"])]
    elif sign in ("closed_first", "closed_just_before", "closed"):
        told = [here["time"] - fin["time"]] if fin else [-1.0]
    elif sign == "ttl_differs":
        ttl, delta, usual, sender = words
        seen = {f["ttl"] for f in own if not f["flags"] & schema.SYN}
        right = (
            (here["ttl"], here["source"]) == (int(ttl), sender)
            and seen == {int(usual)}
            and int(ttl) - int(usual) == int(delta)
        )
        return None if right else f"TTL {here['ttl']} of {here['source']}, others {seen}"
    elif sign == "spoken":
        spoken = {(f["seq"], f["length"]) for f in before if f["source"] == server}
        return None if sum(length for _, length in spoken) == int(words[0]) else f"{spoken}"
    elif sign == "bare_handshake":
        told = [here["time"] - before[0]["time"]]
    elif sign == "crossed":
        told = [missed[0]["time"] - fin["time"]] if fin and missed else [-1.0]
    elif sign == "idle_before":
        told = (
            [fin["time"] - max(f["time"] for f in before if f["time"] < fin["time"] and f not in missed)]
            if fin
            else [-1.0]
        )
    else:
        probes = [f["time"] for f in own if f["length"] <= 1 and f["seq"] == (here["seq"] - 1) % 2**32][-2:]
        told = [here["time"] - probes[-1], probes[-1] - probes[-2]]
    spans = [word for word in words if re.fullmatch(LENGTH, word)]
    wrong = [f"{said} and not {real:.6f} s" for said, real in zip(spans, told, strict=True) if not agrees(said, real)]
    named = [word for word in words if word not in spans and word not in (here["source"], here["target"])]
    return "; ".join(wrong + named) or None


@pytest.mark.parametrize(("name", "view"), READ)
def test_the_numbers_of_a_sentence_are_those_of_tshark(name: str, view: View) -> None:
    d = judging.diagnosis(CASES[name], view)
    path = dict(zip(d.captures["capture"], d.captures["path"], strict=True))
    wrong, looked = [], 0
    for item in d.document["resets"]:
        frames = tshark(str(path[item["capture"]]))
        server = end(item["server"]["ip"], str(item["server"]["port"]))
        for sign in item["evidence"]:
            pattern = CHECKED.get(sign["sign"])
            found = re.search(pattern, sign["sentence"]) if pattern and sign["held"] else None
            if found:
                looked += 1
                against = contradiction(sign["sign"], found.groups(), frames, item["frame"], server)
                wrong += [f"{item['id']} {sign['sign']}: {sign['sentence']}: {against}"] if against else []
    assert looked, "nothing was compared"
    assert not wrong


@pytest.mark.parametrize(("name", "view"), READ)
def test_no_sentence_reads_out_what_is_not_known(name: str, view: View) -> None:
    for item in judging.diagnosis(CASES[name], view).document["resets"]:
        for sign in item["evidence"]:
            assert "unknown" not in sign["sentence"], sign


def test_a_device_that_resets_both_ends_is_not_said_to_have_been_answered() -> None:
    """Neither of the two resets of forged_both_ends left a host: none is the other end's answer."""
    for item in judging.diagnosis(CASES["forged_both_ends"], "both").document["resets"]:
        assert item["consequence"], "the other end was reset too"
        assert not any("consequence" in other["sentence"] for other in item["consequence"])
    (first, *_) = judging.diagnosis(CASES["stale_pool"], "client").document["resets"]
    assert "a consequence" in first["consequence"][0]["sentence"]


def test_the_measure_sees_a_wrong_number() -> None:
    d = judging.diagnosis(CASES["postgres_client_abort"], "client")
    frames, server = tshark(str(d.captures["path"].iloc[0])), "10.2.0.2:5432"
    reset = int(d.endings["frame"].iloc[0])
    assert contradiction("nothing_arriving", (server, "700 ms"), frames, reset, server) is None
    assert contradiction("nothing_arriving", (server, "702 ms"), frames, reset, server)
    assert contradiction("nothing_arriving", ("10.2.0.3:5432", "700 ms"), frames, reset, server)
    assert contradiction("ttl_differs", ("64", "+1", "63", "10.1.0.2:32934"), frames, reset, server)
    assert contradiction("spoken", ("444",), frames, reset, server)
