"""Who really sent each reset: the kernel's trace, the firewall's counters and the captures at both ends, side by side.

A label is confirmed or the case fails. Nothing here guesses: a reset that the witnesses do not explain contradicts
it.
"""

import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from captures.lab.case_file import Clock, Connection, Emitter, Side
from captures.lab.network import Namespace, address, command

TRACEFS = Path("/sys/kernel/tracing")
EVENT = Path("events/tcp/tcp_send_reset")
SAME_PACKET_SECONDS = 0.020  # between two points, or the trace and a capture: one clock, no delay on the wire

# What the kernel says when a live socket resets. Any other reason is its answer to a packet that has no socket.
SOCKET_REASONS = {
    "TCP_ABORT_ON_CLOSE",
    "TCP_ABORT_ON_LINGER",
    "TCP_ABORT_ON_MEMORY",
    "TCP_DISCONNECT_WITH_DATA",
    "TCP_KEEPALIVE_TIMEOUT",
    "TCP_STATE",
}
ANSWER_REASONS = {"NO_SOCKET", "TCP_ABORT_ON_DATA", "TCP_TIMEWAIT_SOCKET", "TCP_FLAGS", "NOT_SPECIFIED"}
# The kernel's reason settles these causes; of the others it says nothing.
REASONS_OF_CAUSE = {
    "abortive_close": {"TCP_STATE", "TCP_ABORT_ON_LINGER", "TCP_ABORT_ON_DATA"},
    "accept_queue_overflow": {"INVALID_SYN", "TCP_FLAGS"},
    "challenge_ack": {"TCP_INVALID_ACK_SEQUENCE", "NO_SOCKET"},
    "connection_refused": {"NO_SOCKET"},
    "connection_state_lost": ANSWER_REASONS,
    "data_after_close": ANSWER_REASONS,
    "half_open_probe": {"NO_SOCKET"},
    "health_probe": {"TCP_STATE"},
    "host_restart": ANSWER_REASONS,
    "keep_alive_race": ANSWER_REASONS,
    "keepalive_timeout": {"TCP_KEEPALIVE_TIMEOUT"},
    "nat_state_mismatch": ANSWER_REASONS,
    "port_reuse": {"TCP_INVALID_ACK_SEQUENCE", "NO_SOCKET"},
    "server_timeout": ANSWER_REASONS | {"TCP_STATE"},  # some end what rests too long with a reset of their own
    "unread_data_at_close": {"TCP_ABORT_ON_CLOSE"},
}


class Contradiction(Exception):
    """The witnesses do not confirm what the case says."""


@dataclass(frozen=True)
class Traced:
    """The kernel sent a reset. It names neither a namespace nor the sender's process, only the address pair."""

    time: float
    source: str
    destination: str
    reason: str


@dataclass
class Reset:
    """One reset, wherever it was seen."""

    time: float
    source: str
    destination: str
    sequence: int
    flags: str
    window: int
    seen_at: dict[str, int] = field(default_factory=dict)  # point -> frame number
    ttl: dict[str, int] = field(default_factory=dict)
    traced: str | None = None
    sent_by: Side | None = None


@dataclass(frozen=True)
class Testimony:
    """Everything the witnesses said: the case's witness.json."""

    packets: dict[str, dict[str, int]]  # tcpdump's own counters, by point
    trace: list[Traced]
    rules: dict[str, dict[str, int]]  # machine -> firewall rule -> packets that met it
    forged: int  # resets that the case itself put on the wire, from the router
    resets: list[Reset]
    transit_seconds: float = SAME_PACKET_SECONDS  # a packet takes no longer from one end to the other
    addresses: dict[str, list[str]] = field(default_factory=dict)  # of each machine
    closed: dict[str, list[Side]] = field(default_factory=dict)  # client -> who sent a FIN, where no reset is expected

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, table: dict[str, Any]) -> "Testimony":
        trace = [Traced(**event) for event in table["trace"]]
        return cls(**table | {"trace": trace, "resets": [Reset(**reset) for reset in table["resets"]]})


class Trace:
    """The tracepoint tcp:tcp_send_reset, in a trace buffer of our own. One at a time."""

    def __enter__(self) -> "Trace":
        if sentence := trace_obstacle():
            raise RuntimeError(sentence)
        self._folder = TRACEFS / "instances" / "pcapreport-lab"
        if self._folder.exists():  # left by a lab that was killed
            self._folder.rmdir()
        self._folder.mkdir()
        (self._folder / "trace_clock").write_text("mono")
        (self._folder / EVENT / "enable").write_text("1")
        return self

    def __exit__(self, *_: object) -> None:
        (self._folder / EVENT / "enable").write_text("0")
        self._folder.rmdir()

    def read(self) -> list[Traced]:
        since_boot = time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
        pattern = re.compile(r" (\d+\.\d+): tcp_send_reset: .* src=(\S+) dest=(\S+) .* reason=(\S+)")
        text = (self._folder / "trace").read_text()
        found = pattern.findall(re.sub(r"\[::ffff:([\d.]+)\]", r"\1", text))  # IPv4 on a socket that serves both
        return [
            Traced(round(float(at) + since_boot, 6), source, destination, reason)
            for at, source, destination, reason in found
        ]


def trace_obstacle() -> str | None:
    """Why the kernel's trace cannot be read here; None where it can."""
    with suppress(RuntimeError):
        if not (TRACEFS / "events").exists():
            command("mount", "-t", "tracefs", "tracefs", str(TRACEFS))
    return None if (TRACEFS / EVENT).exists() else "The kernel's tracepoint tcp:tcp_send_reset is not available."


def rules(machine: Namespace) -> dict[str, int]:
    """The machine's rules that reject, drop or translate, and how many packets met each."""
    saved = "".join(machine.run(program, "-c") for program in ("iptables-save", "ip6tables-save"))
    found = re.findall(r"^\[(\d+):\d+\] (-A .*-j (?:REJECT|DROP|MASQUERADE|SNAT|DNAT).*)$", saved, re.MULTILINE)
    return {rule: int(packets) for packets, rule in found}


def addresses(machine: Namespace) -> list[str]:
    """The machine's own addresses."""
    return re.findall(r" inet6? ([\da-f.:]+)/", machine.run("ip", "-o", "addr", "show", "scope", "global"))


def closed(files: Mapping[Any, list[Path]], connections: Iterable[Connection]) -> dict[str, list[Side]]:
    """Who sent a FIN in each of these connections, wherever one was seen."""
    names = {name for paths in files.values() for path in paths for name in _senders(path, "tcp.flags.fin==1")}
    ends: dict[str, list[Side]] = {}
    for label in connections:
        sides: dict[Side, tuple[str, str]] = {
            "client": (label.client, label.server),
            "server": (label.server, label.client),
        }
        ends[label.client] = [side for side, passage in sides.items() if passage in names]
    return ends


def resets(
    files: Mapping[Any, list[Path]],
    clocks: Mapping[Any, Clock] | None = None,
    transit_seconds: float = SAME_PACKET_SECONDS,
) -> list[Reset]:
    """Every reset in the captures; the same packet at several points is one. ``clocks``: those that were set wrong."""
    found: list[Reset] = []
    for point, paths in files.items():
        for reset in (frame for path in paths for frame in _reset_frames(point, path)):
            if clocks and point in clocks:  # its drift is far less than what two points may differ by
                reset.time -= clocks[point].offset_seconds
            known = next((other for other in found if _same_packet(other, reset, transit_seconds)), None)
            if known is None:
                found.append(reset)
                continue
            known.time = min(known.time, reset.time)
            known.seen_at.setdefault(point, reset.seen_at[point])
            known.ttl.setdefault(point, reset.ttl[point])
    return sorted(found, key=lambda reset: reset.time)


def judge(testimony: Testimony, connections: Iterable[Connection]) -> list[Connection]:
    """Name the sender of every reset and hold the labels against it; the labels, with what made each reset."""
    labels = {connection.client: connection for connection in connections}
    for reset in testimony.resets:
        if _client_of(reset, labels) not in labels:
            raise Contradiction(f"no label for the connection that was reset {_passage(reset)}")
    _name_senders(testimony, labels)
    by_client = {name: [reset for reset in testimony.resets if _client_of(reset, labels) == name] for name in labels}
    return [
        _confirm(connection, by_client[connection.client], testimony.closed.get(connection.client, []))
        for connection in labels.values()
    ]


def _same_packet(one: Reset, other: Reset, transit_seconds: float) -> bool:
    same = (one.source, one.destination, one.sequence) == (other.source, other.destination, other.sequence)
    return same and abs(one.time - other.time) < transit_seconds


def _reset_frames(point: str, path: Path) -> Iterable[Reset]:
    """The reset frames of one file, as tshark reads them."""
    columns = (
        "frame.number frame.time_epoch ip.src ipv6.src tcp.srcport ip.dst ipv6.dst tcp.dstport "
        "tcp.seq_raw tcp.flags.str tcp.window_size_value ip.ttl ipv6.hlim"
    )
    fields = [part for name in columns.split() for part in ("-e", name)]
    output = command("tshark", "-n", "-r", str(path), "-Y", "tcp.flags.reset==1", "-T", "fields", *fields)
    for line in output.splitlines():
        frame, at, v4, v6, port, to_v4, to_v6, to_port, sequence, flags, window, ttl, hops = line.split("\t")
        yield Reset(
            time=float(at),
            source=address(v4 or v6, port),
            destination=address(to_v4 or to_v6, to_port),
            sequence=int(sequence),
            flags=flags.replace("·", ""),
            window=int(window),
            seen_at={point: int(frame)},
            ttl={point: int(ttl or hops)},
        )


def _senders(path: Path, filter_: str) -> set[tuple[str, str]]:
    """The passages, source and destination, of the packets in one file that a filter lets through."""
    columns = ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport"]
    fields = [part for name in columns for part in ("-e", name)]
    output = command("tshark", "-n", "-r", str(path), "-Y", filter_, "-T", "fields", *fields)
    rows = [line.split("\t") for line in output.splitlines()]
    return {(address(row[0] or row[1], row[2]), address(row[3] or row[4], row[5])) for row in rows}


def _client_of(reset: Reset, labels: dict[str, Connection]) -> str:
    return reset.destination if reset.destination in labels else reset.source


def _name_senders(testimony: Testimony, labels: dict[str, Connection]) -> None:
    rejected = sum(_rejected(testimony, machine) for machine in testimony.rules if machine.startswith("router"))
    devices = rejected + testimony.forged
    for reset in testimony.resets:
        apparent: Side = "server" if reset.destination == _client_of(reset, labels) else "client"
        names = [reset, *_other_names(testimony, reset)]
        spoken = [
            event
            for event in testimony.trace
            for name in names
            if _speaks_of(event, name) and abs(event.time - reset.time) < testimony.transit_seconds
        ]
        reset.traced = spoken[0].reason if spoken else None
        left_home = any(_home(testimony, name.source, apparent) in name.seen_at for name in names)
        filtered = _rejected(testimony, apparent) > 0
        other: Side = "client" if apparent == "server" else "server"
        by_router = _translates(testimony, spoken[0].source) if spoken else not left_home and devices > 0
        by_standby = bool(spoken) and not left_home and _taken_over(testimony, reset.source)
        if by_router or by_standby:
            reset.sent_by = "middlebox"
        elif left_home and (spoken or filtered):
            reset.sent_by = apparent
        elif set(reset.seen_at) == {other} and not spoken and _rejected(testimony, other):
            reset.sent_by = other  # its own firewall told it so, in the other end's name
        else:
            raise Contradiction(
                f"the reset {_passage(reset)} has no sender: kernel's trace {reset.traced}, "
                f"{devices} packets rejected or forged by devices"
            )
    by_device = sum(reset.sent_by == "middlebox" and not reset.traced for reset in testimony.resets)
    if by_device > devices:
        raise Contradiction(
            f"{by_device} resets came from no endpoint, but devices rejected or forged only {devices} packets"
        )


def _passage(reset: Reset) -> str:
    points = ", ".join(f"{point} (frame {frame})" for point, frame in reset.seen_at.items())
    return f"{reset.source} -> {reset.destination} at {reset.time:.6f}, seen at {points}"


def _speaks_of(event: Traced, reset: Reset) -> bool:
    """The kernel names both ends, or only the listening socket that it asked: its port, and perhaps its address."""
    if event.destination not in ("0.0.0.0:0", "[::]:0"):
        return (event.source, event.destination) == (reset.source, reset.destination)
    host, _, port = event.source.rpartition(":")
    own_host, _, own_port = reset.source.rpartition(":")
    return port == own_port and host in (own_host, "0.0.0.0", "[::]")


def _other_names(testimony: Testimony, reset: Reset) -> list[Reset]:
    """The same packet before or after a router that translates gave it another address."""
    return [
        other
        for other in testimony.resets
        if (other.source, other.destination) != (reset.source, reset.destination)
        and (other.sequence, other.flags) == (reset.sequence, reset.flags)
        and abs(other.time - reset.time) < testimony.transit_seconds
        and any(_translates(testimony, name) for one in (reset, other) for name in (one.source, one.destination))
    ]


def _home(testimony: Testimony, name: str, side: Side) -> str:
    """The point where this address's own packets begin: that of its side, or a router on which a proxy runs."""
    host = name.rpartition(":")[0].strip("[]")
    is_proxy = host in testimony.addresses.get("router", []) and not _translates(testimony, name)
    return "router" if is_proxy else side


def _translates(testimony: Testimony, name: str) -> bool:
    """Whether this address belongs to a router that translates addresses."""
    host = name.rpartition(":")[0].strip("[]")
    owners = [machine for machine, hosts in testimony.addresses.items() if host in hosts]
    rules_there = [rule for owner in owners if owner.startswith("router") for rule in testimony.rules[owner]]
    return any(re.search("-j (MASQUERADE|SNAT|DNAT)", rule) for rule in rules_there)


def _taken_over(testimony: Testimony, name: str) -> bool:
    """Whether this address belonged to the standby in the end: its stack is not the one that the connection was made with."""
    return name.rpartition(":")[0].strip("[]") in testimony.addresses.get("standby", [])


def _rejected(testimony: Testimony, machine: str) -> int:
    return sum(packets for rule, packets in testimony.rules.get(machine, {}).items() if "-j REJECT" in rule)


def _emitter(reset: Reset) -> Emitter:
    """What on the sender's side made this reset."""
    if reset.sent_by == "middlebox":
        return "device"
    if reset.traced is None:
        return "host_filter"
    return "socket" if reset.traced in SOCKET_REASONS else "kernel"


def _confirm(connection: Connection, seen: list[Reset], closed_by: list[Side]) -> Connection:
    name = f"{connection.client} -> {connection.server}"
    if connection.ending != "reset":
        if seen:
            raise Contradiction(f"{name} should end as {connection.ending}, but was reset at {seen[0].time:.6f}")
        if (len(closed_by) == 2) != (connection.ending in ("closed", "fin_midway")):
            raise Contradiction(f"{name} should end as {connection.ending}, but FINs came from {closed_by or 'nobody'}")
        return connection
    if not seen:
        raise Contradiction(f"{name} should be reset, but no capture shows a reset")
    _compare(name, seen[0], connection.reset_by, connection.cause)
    sights = {}
    for view, sight in connection.at.items():
        there = [reset for reset in seen if view in reset.seen_at]
        if not there:
            raise Contradiction(f"{name}: no reset at the {view}")
        _compare(f"{name} at the {view}", there[0], sight.reset_by, sight.cause)
        sights[view] = replace(sight, emitter=_emitter(there[0]))
    for view in connection.decidable_at:
        if view != "both" and view not in seen[0].seen_at and view not in connection.at:
            raise Contradiction(f"{name}: called decidable at the {view}, where its first reset never passed")
    return replace(connection, emitter=_emitter(seen[0]), at=sights)


def _compare(name: str, reset: Reset, reset_by: str | None, cause: str | None) -> None:
    if reset.sent_by != reset_by:
        raise Contradiction(f"{name}: the label says {reset_by}, the witnesses say {reset.sent_by}")
    if reset.traced and reset.traced not in REASONS_OF_CAUSE.get(cause or "", {reset.traced}):
        raise Contradiction(f"{name}: the label says {cause}, the kernel says {reset.traced}")
