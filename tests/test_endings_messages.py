"""What ICMP errors and announcements of addresses make of an ending: captures written packet by packet, judged as a user would have them judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import capture_builders as build
import pandas as pd
import pytest
from capture_builders import START, Frame
from scapy.all import ARP, ICMP, IP, TCP, CookedLinux, Ether, ICMPv6DestUnreach, IPv6, Packet, Raw

import analyzer

CLIENT, SERVER, ROUTER = "10.0.0.1", "10.0.0.2", "10.0.0.254"
A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
ENDS = {True: (CLIENT, 40000, SERVER, 5432), False: (SERVER, 5432, CLIENT, 40000)}
ISN = {True: 1000, False: 5000}
Line = tuple[float, Any]


def tcp(client: bool, flags: str, seq: int = 0, ack: int = 0, size: int = 0) -> Packet:
    """A segment; numbers are relative to the initial ones."""
    src, sport, dst, dport = ENDS[client]
    ack = ISN[not client] + ack if "A" in flags else 0
    head = TCP(sport=sport, dport=dport, flags=flags, seq=ISN[client] + seq, ack=ack, window=500)
    return IP(src=src, dst=dst, flags="DF") / head / Raw(b"x" * size)


def icmp(of: Packet, code: int = 13, kind: int = 3, mtu: int = 0, sender: str = ROUTER) -> Packet:
    return IP(src=sender, dst=of[IP].src) / ICMP(type=kind, code=code, nexthopmtu=mtu) / Raw(bytes(of)[:28])


def arp(address: str, hardware: str) -> Packet:
    return ARP(op=1, hwsrc=hardware, psrc=address, hwdst="00:00:00:00:00:00", pdst=address)


def judged(path: Path, lines: list[Line], link: int = 1, dress: Any = None) -> analyzer.Diagnosis:
    dress = dress or (lambda p: Ether(src=A, dst=B) / p)
    frames = [Frame(START + round(at * 1e9), bytes(dress(p))) for at, p in lines]
    path.write_bytes(build.pcap(frames, link=link))
    return analyzer.analyze(path, dissect=False)


SYN = tcp(True, "S")
OPENED: list[Line] = [
    (0.0, SYN), (0.001, tcp(False, "SA", 0, 1)), (0.002, tcp(True, "A", 1, 1)), (0.003, tcp(True, "PA", 1, 1, 100)),
    (0.004, tcp(False, "PA", 1, 101, 50)), (0.005, tcp(True, "A", 101, 51)),
]  # fmt: skip
REQUEST = tcp(True, "PA", 101, 51, 1400)
IN_VAIN: list[Line] = [*OPENED, *((5 + 0.2 * 2**n, REQUEST) for n in range(6))]
RESET: list[Line] = [*OPENED, (3.0, REQUEST), (3.001, tcp(False, "R", 51))]


def test_an_attempt_that_a_router_rejects_is_an_ending(tmp_path: Path) -> None:
    d = judged(tmp_path / "x.pcap", [(0.0, SYN), (0.001, icmp(SYN)), (60.0, arp(CLIENT, A))])
    (ending,) = d.document["died_in_silence"]
    assert (ending["kind"], ending["cause"], ending["reset_by"], ending["frame"]) == (
        "silence",
        "firewall_reject",
        "undetermined",
        1,
    )
    assert (
        "A device on the path, 10.0.0.254, ended the attempt of 10.0.0.1:40000 to connect to 10.0.0.2:5432"
        in ending["sentence"]
    )
    cited = {s["sign"]: s["frames"] for s in ending["evidence"] if s["held"] and s["cause"] == "firewall_reject"}
    assert cited["rejected_by_icmp"] == [{"capture": "x.pcap", "frame": 2}]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (icmp(SYN, 13), "firewall_reject"),
        (icmp(SYN, 10), "firewall_reject"),
        (icmp(SYN, 3), "firewall_reject"),
        (icmp(SYN, 3, sender=SERVER), "firewall_reject"),
        (icmp(SYN, 1), "retransmission_timeout"),
        (icmp(SYN, 0), "retransmission_timeout"),
        (icmp(SYN, 0, kind=11), "retransmission_timeout"),
    ],
)
def test_the_error_says_why(tmp_path: Path, error: Packet, cause: str) -> None:
    d = judged(tmp_path / "x.pcap", [(0.0, SYN), (0.001, error)])
    assert list(d.findings["cause"]) == [cause]
    assert d.findings["cause_confidence"].iloc[0] >= 0.75
    held = d.evidence[(d.evidence["cause"] == cause) & d.evidence["held"].fillna(False)]
    assert any(frames == [("x.pcap", 2)] for frames in held["frames"]), "the error is cited"


def test_the_hosts_own_address_is_not_called_a_device(tmp_path: Path) -> None:
    d = judged(tmp_path / "x.pcap", [(0.0, SYN), (0.001, icmp(SYN, 3, sender=SERVER))])
    assert "device" not in d.findings["sentence"].iloc[0]
    assert "with the address of the server" in d.findings["sentence"].iloc[0]


def test_ipv6_says_the_same(tmp_path: Path) -> None:
    syn = IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=40000, dport=5432, flags="S", seq=1000)
    error = IPv6(src="2001:db8::fe", dst="2001:db8::1") / ICMPv6DestUnreach(code=1) / syn
    d = judged(tmp_path / "x.pcap", [(0.0, syn), (0.001, error)])
    assert list(d.findings["cause"]) == ["firewall_reject"]
    assert d.endings["icmp_from"].iloc[0] == "2001:db8::fe"


FORGED = icmp(tcp(True, "S", 12345))  # another sequence number than the SYN's


@pytest.mark.parametrize(
    "lines",
    [
        [(0.0, SYN)],  # nobody answers: nothing says that it ended
        [(0.0, SYN), (0.001, FORGED)],
        [(0.0, SYN), (0.001, icmp(SYN, 4, mtu=1400))],  # asks for smaller segments
        [(0.0, SYN), (0.001, icmp(tcp(False, "SA", 0, 1)))],  # quotes the other end
        [*OPENED, (0.2, icmp(SYN))],  # late: the SYN was answered
    ],
    ids=["alone", "forged", "too large", "other end", "late"],
)
def test_what_ends_no_attempt(tmp_path: Path, lines: list[Line]) -> None:
    d = judged(tmp_path / "x.pcap", [*lines, (60.0, arp(CLIENT, A))])
    assert d.endings.empty


def test_attempts_that_one_router_rejects_are_one_incident(tmp_path: Path) -> None:
    other = SYN.copy()
    other[TCP].sport = 40001
    d = judged(tmp_path / "x.pcap", [(0.0, SYN), (0.001, icmp(SYN)), (1.0, other), (1.001, icmp(other))])
    (incident,) = d.document["incidents"]
    assert "ended after an ICMP error from 10.0.0.254 (administratively prohibited)" in incident["sentence"]


def test_copies_are_one_ending(tmp_path: Path) -> None:
    """A router's `-i any` shows the SYN twice, and so may a mirror show the error."""
    lines: list[Line] = [(0.0, SYN), (0.00001, SYN), (0.001, icmp(SYN)), (0.00101, icmp(SYN))]
    d = judged(tmp_path / "x.pcap", lines, 113, lambda p: CookedLinux(proto=0x0800, pkttype=0) / p)
    assert list(d.findings["cause"]) == ["firewall_reject"]
    assert d.incidents["resets"].tolist() == [1]
    assert list(d.icmp_errors["connection"]) == [d.endings["connection"].iloc[0]] * 2


def test_an_error_is_about_the_end_only_if_what_it_quotes_was_never_acknowledged(tmp_path: Path) -> None:
    early = icmp(tcp(True, "PA", 1, 1, 100), 1)
    d = judged(tmp_path / "early.pcap", [*OPENED[:4], (0.0035, early), *IN_VAIN[4:]])
    assert d.endings["icmp_error"].isna().all()
    d = judged(tmp_path / "late.pcap", [*IN_VAIN, (15.0, icmp(REQUEST, 1))])
    assert list(d.endings["icmp_error"]) == ["host unreachable"]
    assert list(d.findings["cause"]) == ["retransmission_timeout"]
    d = judged(tmp_path / "forged.pcap", [*IN_VAIN, (15.0, icmp(tcp(True, "PA", 90_000, 51, 100), 13))])
    assert d.endings["icmp_error"].isna().all()
    assert list(d.findings["cause"]) != ["firewall_reject"]


def test_an_open_connection_that_a_router_rejects(tmp_path: Path) -> None:
    d = judged(
        tmp_path / "x.pcap", sorted([*IN_VAIN, (5.21, icmp(REQUEST)), (5.41, icmp(REQUEST))], key=lambda line: line[0])
    )
    assert list(d.findings["cause"]) == ["firewall_reject"]
    assert "had sent again in vain, and a device on the path, 10.0.0.254," in d.findings["sentence"].iloc[0]
    (ladder,) = [line for line in d.explain("s1").splitlines() if "ICMP error from 10.0.0.254" in line]
    assert ladder.endswith("#8")


@pytest.mark.parametrize(("size", "ignored"), [(1400, True), (1200, False)])
def test_a_size_that_was_told_is_kept_or_not(tmp_path: Path, size: int, ignored: bool) -> None:
    """After the error, the same segment is sent again: as large as before, or as large as it may be."""
    again = tcp(True, "PA", 101, 51, size)
    lines = [*OPENED, (5.0, REQUEST), (5.001, icmp(REQUEST, 4, mtu=1300)), *((5 + 0.2 * 2**n, again) for n in range(6))]
    d = judged(tmp_path / "x.pcap", lines)
    row = d.endings.iloc[0]
    assert (row["icmp_error"], row["icmp_mtu"], row["icmp_ignored"]) == ("fragmentation needed", 1300, ignored)
    assert list(d.findings["cause"]) == ["path_mtu_black_hole"]


def test_an_error_after_the_reset_is_none_of_its_business(tmp_path: Path) -> None:
    d = judged(tmp_path / "x.pcap", [*RESET, (3.5, icmp(REQUEST, 1))])
    assert d.endings["icmp_error"].isna().all()
    d = judged(tmp_path / "y.pcap", [*RESET[:-1], (3.0005, icmp(REQUEST, 1)), RESET[-1]])
    assert list(d.endings["icmp_error"]) == ["host unreachable"]


def moved(d: analyzer.Diagnosis) -> list[Any]:
    (row,) = (
        d.endings[["moved_frame", "moved_before", "hardware_before", "hardware_now"]].astype(object).to_numpy().tolist()
    )
    return [None if pd.isna(value) else value for value in row]


def test_an_address_that_another_machine_takes_before_the_reset(tmp_path: Path) -> None:
    first = (0.0001, arp(SERVER, A))
    d = judged(tmp_path / "x.pcap", [first, *OPENED, (2.5, arp(SERVER, B)), *RESET[-2:]])
    frame, before, *hardware = moved(d)
    assert (frame, hardware) == (8, [A, B]) and before == pytest.approx(0.501)
    assert list(d.findings["cause"]) == ["connection_state_lost"]
    assert [line for line in d.explain("r1").splitlines() if f"{SERVER} is announced by {B}" in line]
    without = judged(tmp_path / "y.pcap", [first, *RESET])
    assert moved(without) == [None] * 4
    assert list(without.findings["cause"]) != ["connection_state_lost"], "the announcement decides"


@pytest.mark.parametrize(
    "lines",
    [
        [(0.0001, arp(SERVER, A)), (0.0002, arp(SERVER, B)), *RESET],  # before it spoke
        [(0.0001, arp(SERVER, A)), *RESET, (3.5, arp(SERVER, B))],  # after the reset
        [(0.0001, arp(CLIENT, A)), *OPENED, (2.5, arp(CLIENT, B)), *RESET[-2:]],  # the other end's
        [(0.0001, arp(SERVER, A)), *OPENED, (2.5, arp(SERVER, A)), *RESET[-2:]],  # the same machine
        [*OPENED, (2.5, arp(SERVER, B)), *RESET[-2:]],  # nobody knows who had it
    ],
    ids=["before", "after", "other end", "same", "unknown"],
)
def test_what_is_no_takeover(tmp_path: Path, lines: list[Line]) -> None:
    assert moved(judged(tmp_path / "x.pcap", lines)) == [None] * 4


def test_a_hardware_address_is_a_pseudonym_where_names_are(tmp_path: Path) -> None:
    lines = [(0.0001, arp(SERVER, A)), *OPENED, (2.5, arp(SERVER, B)), *RESET[-2:]]
    d = analyzer.redact(judged(tmp_path / "x.pcap", lines), b"a key for tests, always the same")
    (change,) = d.address_changes.to_dict("records")
    shown = d.explain("r1") + d.to_json()
    assert A not in shown and B not in shown
    assert change["now"] in shown and change["now"].startswith("02:") and change["now"] != B
