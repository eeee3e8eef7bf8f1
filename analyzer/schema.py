"""The tables, and with them the glossary: every column with its dtype, unit, meaning and caveat.

Lives here: the one declaration of each table that passes between stages, and `Table.conform`, which makes a frame obey it.
Never here: how a column is computed. A word that is not in this file is not a word of the project.

Conventions
- Times are `datetime64[ns, UTC]`; durations are float seconds. Never epoch floats: they lose the nanoseconds.
- Facts are nullable (`Float64`, `Int64`, `boolean`, `string`): "we could not see" never reads as "no".
- A column of sentences is `object`: strings in English that remember how to be said in another language (language.py).
- `client` is the initiator of this TCP connection, `server` the other end; `sender` is the end whose address a reset carries,
  `peer` the other one. Who really transmitted it is a finding (`reset_by`), never a column of facts.
- Lengths come from the IP header, so captures cut by a snaplen stay right.

pandas is imported where a table is made: pass 1 needs none, and runs while it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzer.language import N_

if TYPE_CHECKING:
    import pandas as pd

TIME = "datetime64[ns, UTC]"
SENTENCE = "object"
NO_TIME = np.iinfo(np.int64).min  # a pcapng simple packet block carries no time (draft-ietf-opsawg-pcapng 4.4); pandas' NaT

# Bands of a confidence: the lowest of each, and its word. "proved" needs proof, not only the number; where nobody is named there is no number.
BANDS = (
    (0.97, N_("proved")),
    (0.9, N_("very likely")),
    (0.75, N_("likely")),
    (0.5, N_("more likely than not")),
    (0.0, N_("weak")),
)

# TCP flag bits (RFC 9293 3.1, RFC 3168, RFC 9768); twelve bits, as in Wireshark's `tcp.flags`.
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE = 0x001, 0x002, 0x004, 0x008, 0x010, 0x020, 0x040, 0x080, 0x100

# Direction of a frame at the capturing host (SLL packet type, pcapng epb_flags).
DIRECTION_UNKNOWN, DIRECTION_IN, DIRECTION_OUT = 0, 1, 2

# What a mirror or an overlay may wrap a packet in: SEGMENT.tunnel has one bit for each, the first the lowest.
TUNNELS = ("VXLAN", "GENEVE", "GRE", "ERSPAN", "IP-in-IP", "GTP-U", "TZSP")

# What pass 1 and pass 2 decode: one row per TCP segment, addresses as 128-bit numbers (IPv4 as ::ffff:a.b.c.d, RFC 4291 2.5.5.2).
SEGMENT = np.dtype(
    [
        ("frame", np.int64),  # Wireshark's frame.number in its file: from 1, every record counts, also those that are not TCP
        ("time", np.int64),  # nanoseconds since 1970 UTC; NO_TIME where the file has none
        ("offset", np.int64),  # byte offset of the TCP payload in the (uncompressed) file
        ("src_hi", np.uint64),
        ("src_lo", np.uint64),
        ("dst_hi", np.uint64),
        ("dst_lo", np.uint64),
        ("pair", np.uint64),  # hash of the two (address, port), whoever sent it
        ("signature", np.uint64),  # hash of what copies of a packet share: pair, sender, numbers, flags, length, timestamp, IP ID
        ("seq", np.uint32),  # as on the wire
        ("ack", np.uint32),  # as on the wire; meaningless without ACK
        ("length", np.int32),  # TCP payload bytes by the IP header; a super-segment with IP length 0 counts the frame's length
        ("captured", np.int32),  # payload bytes really in the file (snaplen)
        ("tsval", np.uint32),  # RFC 7323; valid if has_timestamps
        ("tsecr", np.uint32),
        ("flow_label", np.int32),  # IPv6; -1 on IPv4
        ("ip_id", np.int32),  # IPv4 identification; -1 on IPv6
        ("interface", np.int32),  # pcapng interface number or SLL2 interface index; -1 unknown
        ("sport", np.uint16),
        ("dport", np.uint16),
        ("flags", np.uint16),
        ("window", np.uint16),  # raw 16-bit field, not scaled
        ("checksum", np.uint16),  # TCP checksum as on the wire (not verified here)
        ("mss", np.uint16),  # 0 = option absent
        ("vlan", np.int16),  # innermost 802.1Q id; -1 none
        ("window_shift", np.int8),  # window scale option; -1 absent
        ("ttl", np.uint8),  # hop limit on IPv6
        ("tos", np.uint8),  # DSCP and ECN byte
        ("direction", np.uint8),  # DIRECTION_*; unknown for what came in a tunnel
        ("tunnel", np.uint8),  # bits of TUNNELS: what the packet was wrapped in; all else is of the innermost IP header
        ("header", np.uint8),  # TCP header bytes, options included: the segment starts at offset - header
        ("has_timestamps", np.bool_),
        ("sack_permitted", np.bool_),
        ("dont_fragment", np.bool_),  # IPv4 DF; True on IPv6
        ("ipv6", np.bool_),
        ("header_cut", np.bool_),  # the snaplen cut the TCP options: an option that seems absent may have been there
        ("fragment", np.bool_),  # first fragment of a larger datagram: length is only its share, the checksum covers more
        ("end", np.int8),  # 0 when sent by the smaller (address, port), else 1
        ("unfinished", np.bool_),  # the checksum is only the pseudo-header's sum: the sender's network card was to finish it
    ],
    align=True,
)


@dataclass(frozen=True)
class Column:
    """One column: its pandas dtype, its unit, what it means and what must be known before using it."""

    dtype: Any
    meaning: str
    unit: str = ""
    caveat: str = ""


@dataclass(frozen=True)
class Table:
    """One table: what a row is, and its columns in order."""

    name: str
    row: str
    columns: Mapping[str, Column] = field(default_factory=dict)

    @cached_property
    def dtypes(self) -> dict[str, Any]:
        """The columns' dtypes as objects: pandas takes long to read their names."""
        import pandas as pd

        return {name: pd.api.types.pandas_dtype(c.dtype) for name, c in self.columns.items()}

    @cached_property
    def _empty(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in self.dtypes.items()})

    def empty(self) -> pd.DataFrame:
        """Return the table without rows, every column in its dtype."""
        return self._empty.copy(deep=False)

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return `frame` in this table's column order and dtypes, absent columns filled with NA, the index renumbered.

        Raises KeyError for a column that the table does not declare, TypeError or ValueError for values that do not fit.
        """
        import pandas as pd

        unknown = [name for name in frame.columns if name not in self.columns]
        if unknown:
            raise KeyError(f"{self.name} has no column {', '.join(map(repr, unknown))}")
        frame = frame.reset_index(drop=True)
        if list(frame.columns) == list(self.dtypes) and list(frame.dtypes) == list(self.dtypes.values()):
            return frame
        given = dict(frame.items())
        absent = {dtype for name, dtype in self.dtypes.items() if name not in given}
        nothing = {dtype: pd.Series(pd.NA, index=frame.index, dtype=dtype) for dtype in absent}
        out = {}
        for name, dtype in self.dtypes.items():
            values = given[name] if name in given else nothing[dtype]
            out[name] = values if values.dtype == dtype else values.astype(dtype)
        return pd.DataFrame(out, index=frame.index, copy=False)  # columns share memory until one is written to

    def of(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Return the table with these rows, as `conform` does; values are taken as they are, whatever pandas would make of them."""
        import pandas as pd

        return self.conform(pd.DataFrame(list(rows), dtype=object)) if rows else self.empty()


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dicts of plain Python values, None where the table has NA."""
    columns = {}
    for name in table.columns:
        values = table[name].to_numpy(dtype=object).copy()  # pandas' own copy=True gives an unpickled column's memory out
        values[table[name].isna().to_numpy()] = None
        columns[str(name)] = values.tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def rows(table: pd.DataFrame) -> list[Any]:
    """Return the rows as objects with the columns as attributes, None where the table has NA."""
    return [SimpleNamespace(**record) for record in records(table)]


def _table(name: str, row: str, **columns: Column) -> Table:
    return Table(name, row, columns)


def _c(dtype: str, meaning: str, unit: str = "", caveat: str = "") -> Column:
    return Column(dtype, meaning, unit, caveat)


# ---------------------------------------------------------------------------------------------------------------------
# What the captures hold

RESET_FRAMES = _table(
    "RESET_FRAMES",
    "one frame that carries the RST flag, as tshark lists it (`tcp.flags.reset==1`), duplicates included",
    point=_c("string", "capture point"),
    capture=_c("string", "file name as shown to the user"),
    frame=_c("Int64", "Wireshark's frame.number in that file"),
    stream=_c("Int64", "Wireshark's tcp.stream in that file", caveat="a label, not an identity; null past the stated limit"),
    connection=_c("Int64", "the connection's identity in this run"),
    time=_c(TIME, "capture time", caveat="null for a pcapng simple packet block"),
    src=_c("string", "source address"),
    sport=_c("Int64", "source port"),
    dst=_c("string", "destination address"),
    dport=_c("Int64", "destination port"),
    flags=_c("Int64", "the twelve flag bits"),
    seq=_c("Int64", "raw sequence number"),
    ack=_c("Int64", "raw acknowledgement field"),
    window=_c("Int64", "raw window field"),
    length=_c("Int64", "payload", "bytes"),
    ttl=_c("Int64", "TTL or hop limit"),
)

# What an ICMP error says of the packet that it quotes, of either version.
ICMP_SAYS = ("network unreachable", "host unreachable", "protocol unreachable", "port unreachable", "administratively prohibited",
             "fragmentation needed", "time exceeded", "other")  # fmt: skip

ICMP_ERRORS = _table(
    "ICMP_ERRORS",
    "one ICMP or ICMPv6 error that quotes a TCP segment, copies (-i any, mirrors) included; the quoted segment is no packet of any table",
    point=_c("string", "capture point"),
    capture=_c("string", "file name as shown to the user"),
    frame=_c("Int64", "Wireshark's frame.number in that file"),
    time=_c(TIME, "capture time"),
    type=_c("Int64", "ICMP type (RFC 792), or ICMPv6's (RFC 4443)"),
    code=_c("Int64", "ICMP code"),
    says=_c("string", "one of ICMP_SAYS: the same words for both versions"),
    sender=_c("string", "source address of the error: a router, or the host that the segment was for", caveat="can be forged, like any address"),
    receiver=_c("string", "whom it tells: the sender of the quoted segment"),
    src=_c("string", "source address of the quoted segment"),
    sport=_c("Int64", "its source port"),
    dst=_c("string", "its destination address"),
    dport=_c("Int64", "its destination port"),
    seq=_c("Int64", "its raw sequence number; null where the quote is cut before it"),
    mtu=_c("Int64", "largest packet that the next link carries; null but for 'fragmentation needed'", "bytes"),
    connection=_c("Int64", "CONNECTIONS.connection that the quoted segment belongs to; null where the capture point has none"),
)

ADDRESS_CHANGES = _table(
    "ADDRESS_CHANGES",
    "one announcement (ARP, neighbour advertisement) of an address with another hardware address than its last one: another machine took it over, "
    "or a second network card answers for it",
    point=_c("string", "capture point"),
    capture=_c("string", "file name as shown to the user"),
    frame=_c("Int64", "Wireshark's frame.number in that file"),
    time=_c(TIME, "capture time"),
    address=_c("string", "IP address"),
    before=_c("string", "hardware address that it was announced with before"),
    now=_c("string", "hardware address that it is announced with"),
)

PACKETS = _table(
    "PACKETS",
    "one TCP segment of a connection that ended badly (pass 2), bounded per ending: the handshake, the last hundreds, some after",
    connection=_c("Int64", "CONNECTIONS.connection"),
    point=_c("string", "capture point"),
    capture=_c("string", "file name as shown to the user"),
    frame=_c("Int64", "Wireshark's frame.number in that file"),
    stream=_c("Int64", "Wireshark's tcp.stream in that file"),
    time=_c(TIME, "capture time"),
    from_client=_c("boolean", "sent with the client's address"),
    flags=_c("Int64", "the twelve flag bits"),
    seq=_c("Int64", "raw sequence number"),
    ack=_c("Int64", "raw acknowledgement field; null without ACK"),
    relative_seq=_c("Int64", "sequence number relative to that direction's first, as Wireshark shows it"),
    relative_ack=_c("Int64", "acknowledgement relative to the other direction's first"),
    window=_c("Int64", "raw window field"),
    window_shift=_c("Int64", "window scale option of this segment; null when absent"),
    length=_c("Int64", "payload by the IP header", "bytes"),
    captured=_c("Int64", "payload bytes in the file", "bytes"),
    offset=_c("Int64", "where the payload starts in the file", "bytes"),
    ttl=_c("Int64", "TTL or hop limit"),
    ip_id=_c("Int64", "IPv4 identification; null on IPv6"),
    flow_label=_c("Int64", "IPv6 flow label; null on IPv4"),
    dont_fragment=_c("boolean", "DF; true on IPv6"),
    tos=_c("Int64", "DSCP and ECN byte"),
    mss=_c("Int64", "MSS option; null when absent", "bytes"),
    tsval=_c("Int64", "timestamp value (RFC 7323); null when absent"),
    tsecr=_c("Int64", "timestamp echo; null when absent"),
    checksum_ok=_c("boolean", "TCP checksum right", caveat="null when cut by the snaplen; wrong at the sending host under offload"),
    unfinished_checksum=_c("boolean", "the checksum field holds only the pseudo-header's sum, for a network card to finish: it never crossed a wire"),
    interface=_c("Int64", "pcapng interface number or SLL2 interface index"),
    vlan=_c("Int64", "802.1Q id"),
    tunnel=_c("string", "what it was wrapped in: VXLAN, GENEVE, GRE, ERSPAN, IP-in-IP …; null when in nothing"),
    direction=_c("string", "'in' or 'out' at the capturing host; null where the capture does not say, and in a tunnel"),
    copy_of=_c("Int64", "frame of the first sighting, when this frame shows the same packet again (-i any, SPAN, router)"),
    retransmission=_c("boolean", "payload, SYN or FIN that this direction had already sent; false on copies and keepalive probes"),
    keepalive=_c("boolean", "a keepalive probe: one byte before snd_nxt, 0 or 1 byte long (RFC 9293 3.8.4)"),
    words=_c("string", "the application's messages that end in this segment, kinds only ('Query', 'ErrorResponse 25P03'); null unless dissected"),
)

CONNECTIONS = _table(
    "CONNECTIONS",
    "one TCP connection at one capture point, whichever way it ended, stitched across rotated files; of captures with more than 65,536 "
    "of them, those that ended well long before the last packet are in HOSTS, GAPS, TRAFFIC and COVERAGE only",
    connection=_c("Int64", "identity in this run"),
    point=_c("string", "capture point"),
    capture=_c("string", "file of its first packet"),
    stream=_c("Int64", "Wireshark's tcp.stream in that file"),
    client_ip=_c("string", "initiator's address"),
    client_port=_c("Int64", "initiator's port"),
    server_ip=_c("string", "the other end's address"),
    server_port=_c("Int64", "the other end's port"),
    roles_known=_c("boolean", "a SYN or SYN-ACK was seen; else roles are guessed and sentences name addresses"),
    first=_c(TIME, "first packet"),
    last=_c(TIME, "last packet"),
    first_file=_c("Int64", "number of the file of the first packet, in reading order at this point"),
    first_frame=_c("Int64", "its frame number"),
    last_file=_c("Int64", "number of the file of the last packet"),
    last_frame=_c("Int64", "its frame number"),
    conn_state=_c("string", "Zeek's conn_state: S0 S1 SF REJ RSTO RSTR RSTOS0 RSTRH SH SHR S2 S3 OTH"),
    history=_c("string", "Zeek's history letters, upper case from the client", caveat="each letter once per direction"),
    handshake=_c("boolean", "SYN, SYN-ACK and the ACK of it were all seen"),
    syn_frames=_c("Int64", "client SYNs seen, retries included"),
    client_isn=_c("Int64", "client's initial sequence number; null without its SYN"),
    server_isn=_c("Int64", "server's initial sequence number; null without its SYN-ACK"),
    client_packets=_c("Int64", "segments with the client's address", caveat="frames: copies count"),
    server_packets=_c("Int64", "segments with the server's address", caveat="frames: copies count"),
    client_bytes=_c("Int64", "payload by sequence numbers", "bytes"),
    server_bytes=_c("Int64", "payload by sequence numbers", "bytes"),
    client_fin=_c("boolean", "a FIN with the client's address was seen"),
    server_fin=_c("boolean", "a FIN with the server's address was seen"),
    client_resets=_c("Int64", "RST frames with the client's address"),
    server_resets=_c("Int64", "RST frames with the server's address"),
    client_ttl=_c("Int64", "last TTL of the client's established-state segments (no SYN, no RST)"),
    server_ttl=_c("Int64", "last TTL of the server's established-state segments (no SYN, no RST)"),
    client_syn_ttl=_c("Int64", "TTL of the client's SYN"),
    server_syn_ttl=_c("Int64", "TTL of the server's SYN-ACK"),
    client_rtt=_c("Float64", "SYN-ACK to its ACK: from the capture point to the client and back", "s"),
    server_rtt=_c("Float64", "SYN to SYN-ACK: from the capture point to the server and back", "s"),
    timestamps=_c("boolean", "TCP timestamps negotiated; null without both SYNs"),
    longest_gap_survived=_c("Float64", "longest silence after which both directions spoke again", "s"),
    unanswered=_c("boolean", "the last data, SYN or FIN was sent again and never acknowledged by the end of the capture"),
    closed_by=_c("string", "'client' or 'server': the end whose FIN came first; null without a FIN"),
    spoke_last=_c("string", "'client' or 'server': whose payload was last before that FIN (or at all); null without payload"),
    said_last=_c("Int64", "payload of that end since the other one had spoken", "bytes"),
    spoken_to=_c("boolean", "the other end sent payload after that FIN; null without a FIN"),
    ended=_c("string", "'well', 'reset', 'silence' (unanswered, or a SYN that an ICMP error answered) or 'open' (nothing said it ended)"),
)

HOSTS = _table(
    "HOSTS",
    "one address at one capture point: the baselines against which a single reset is judged",
    point=_c("string", "capture point"),
    ip=_c("string", "address"),
    packets=_c("Int64", "TCP segments sent with this address"),
    as_client=_c("Int64", "connections it opened"),
    as_server=_c("Int64", "connections opened to it"),
    ttl_usual=_c("Int64", "most frequent TTL of its established-state segments"),
    ttl_share=_c("Float64", "share of those segments with that TTL"),
    syn_ttl_usual=_c("Int64", "most frequent TTL of its SYNs and SYN-ACKs"),
    zero_id_share=_c("Float64", "share of its established-state IPv4 segments with IP ID 0"),
    rtt_min=_c("Float64", "shortest handshake round trip from the capture point to it", "s"),
    frames_in=_c("Int64", "its segments that came into the capturing host, by the frame's direction"),
    frames_out=_c("Int64", "its segments that left the capturing host, by the frame's direction"),
    resets=_c("Int64", "RST frames with its address"),
)

GAPS = _table(
    "GAPS",
    "one path (client address, server address and port): how long a silence it is known to survive",
    point=_c("string", "capture point"),
    client_ip=_c("string", "client address; NA: all clients that were kept as sums, where there are very many"),
    server_ip=_c("string", "server address"),
    server_port=_c("Int64", "server port"),
    connections=_c("Int64", "connections on this path"),
    longest_survived=_c("Float64", "longest silence after which both directions spoke again", "s"),
    survivor=_c("Int64", "CONNECTIONS.connection that survived it"),
)

TRAFFIC = _table(
    "TRAFFIC",
    "one minute at one capture point between one client address and one server port: what became of connections",
    point=_c("string", "capture point"),
    minute=_c(TIME, "start of the minute"),
    client_ip=_c("string", "client address; NA: all clients that were kept as sums, where there are very many"),
    server_ip=_c("string", "server address"),
    server_port=_c("Int64", "server port"),
    opened=_c("Int64", "connections whose first packet fell into it"),
    ended_well=_c("Int64", "connections that ended well in it"),
    reset=_c("Int64", "connections whose last packet fell into it and that were reset"),
)

CAPTURES = _table(
    "CAPTURES",
    "one file: what it holds and how good it is",
    point=_c("string", "capture point"),
    capture=_c("string", "file name as shown to the user"),
    path=_c("string", "path as given"),
    file=_c("Int64", "number in reading order at this point"),
    bytes=_c("Int64", "size", "bytes"),
    packets=_c("Int64", "records, of any protocol"),
    segments=_c("Int64", "TCP segments decoded"),
    resets=_c("Int64", "RST frames"),
    first=_c(TIME, "first packet of any protocol"),
    last=_c(TIME, "last packet of any protocol"),
    link_types=_c("string", "link types, by name, comma-separated"),
    tunnels=_c("string", "what segments were wrapped in (VXLAN, GRE …), comma-separated; null where there was no tunnel"),
    snaplen=_c("Int64", "snapshot length the file declares; null when unlimited", "bytes"),
    cut_packets=_c("Int64", "packets captured shorter than they were"),
    drops=_c("Int64", "packets the capturing program says it lost (pcapng statistics); null when the file does not say"),
    unreadable=_c("Int64", "packets that look like TCP but could not be decoded"),
    other=_c("Int64", "packets that are not TCP"),
    backwards=_c("Int64", "times the clock went backwards by more than a second"),
    directions=_c("boolean", "frames say whether they came in or went out"),
)

COVERAGE = _table(
    "COVERAGE",
    "one capture point: what it could see, said before any verdict",
    point=_c("string", "capture point"),
    first=_c(TIME, "first packet"),
    last=_c(TIME, "last packet"),
    where=_c("string", "'client', 'server', 'both' (loopback), 'between' or 'unknown': on whose host it was taken, for most of its connections"),
    where_basis=_c(SENTENCE, "what that rests on, one sentence"),
    directions=_c("string", "'both', 'one' (only one direction of most connections) or 'unknown'"),
    only_resets=_c("boolean", "practically nothing but resets: a capture filter dropped the rest"),
    drops=_c("Int64", "packets known to be lost; null when nothing says"),
    unseen_acked=_c("Int64", "connections in which bytes were acknowledged that the capture does not hold"),
    local_hosts=_c("string", "addresses of the capturing host, comma-separated, as far as directions tell"),
    hosts=_c("string", "addresses seen, the busiest first, comma-separated, at most 20"),
    connections=_c("Int64", "connections seen"),
    sentence=_c(SENTENCE, "all of it in one or two sentences"),
)

# ---------------------------------------------------------------------------------------------------------------------
# What is judged

ENDINGS = _table(
    "ENDINGS",
    "one connection life that ended badly, with the facts of its first effective reset",
    # identity
    ending=_c("string", "identity, 'r1', 'r2' … in time order; 's1' … for silences, 'f1' … for what ended with a FIN"),
    kind=_c("string", "'reset', 'silence', 'fin_midway' (a FIN in mid-work) or 'log_only' (in order or still open, but a log says that it broke)"),
    point=_c("string", "capture point whose facts are judged"),
    capture=_c("string", "file of the reset"),
    frame=_c("Int64", "frame of the reset; of the last packet for a silence"),
    stream=_c("Int64", "Wireshark's tcp.stream in that file"),
    connection=_c("Int64", "CONNECTIONS.connection at that point"),
    time=_c(TIME, "when"),
    client_ip=_c("string", "client address"),
    client_port=_c("Int64", "client port"),
    server_ip=_c("string", "server address"),
    server_port=_c("Int64", "server port"),
    client=_c("string", "ip:port of the client, as sentences show it"),
    server=_c("string", "ip:port of the server, as sentences show it"),
    roles_known=_c("boolean", "a SYN or SYN-ACK was seen"),
    apparent_sender=_c("string", "'client' or 'server': whose address the reset carries"),
    sender=_c("string", "ip:port whose address the reset carries"),
    peer=_c("string", "ip:port of the other end"),
    # the packet
    has_ack=_c("boolean", "RST with ACK"),
    seq_delta=_c("Int64", "reset's sequence number minus the highest that end had sent", "bytes", "null without earlier packets of it"),
    ack_delta=_c("Int64", "reset's acknowledgement minus the highest the peer had sent", "bytes", "null without ACK"),
    in_window=_c("boolean", "acceptable at the receiver by its last advertised window (RFC 9293 3.10.7.4)"),
    window=_c("Int64", "raw window field"),
    window_zero=_c("boolean", "window field is 0"),
    has_timestamps=_c("boolean", "the reset carries TCP timestamps"),
    timestamps_negotiated=_c("boolean", "this connection uses timestamps"),
    timestamp_continues=_c("boolean", "its timestamp fits that end's clock in this connection"),
    ttl=_c("Int64", "TTL or hop limit of the reset"),
    ttl_usual=_c("Int64", "usual TTL of that end: in this connection, else of that host; same class of packet where one exists"),
    ttl_delta=_c("Int64", "ttl - ttl_usual"),
    ttl_basis=_c("string", "'connection' or 'host': where ttl_usual comes from"),
    ip_id=_c("Int64", "IPv4 identification; null on IPv6"),
    ip_id_zero=_c("boolean", "IP ID is 0"),
    ip_id_counts=_c("boolean", "that end's data segments count their IP ID up in this connection"),
    ip_id_continues=_c("boolean", "the reset's IP ID is the next of that count (super-segments allowed for)"),
    dont_fragment=_c("boolean", "DF set"),
    tos_differs=_c("boolean", "TOS byte differs from that end's other segments"),
    flow_label_same=_c("boolean", "IPv6: same flow label as that end's other segments; null on IPv4"),
    payload_length=_c("Int64", "bytes carried by the reset", "bytes"),
    payload_text=_c("string", "printable text carried by the reset, at most 200 characters"),
    checksum_ok=_c("boolean", "TCP checksum right"),
    built_here=_c("boolean", "its checksum is unfinished although that end's other segments arrive finished: "
                             "built on the capturing host or beside it"),
    live_socket=_c("boolean", "active form: RST+ACK at snd_nxt, window as a socket would advertise, timestamps continue where negotiated"),
    # what it answers
    trigger_frame=_c("Int64", "the packet of the other end that it answers, or the last one before it"),
    trigger_kind=_c("string", "'syn', 'syn_ack', 'data', 'fin', 'ack', 'keepalive', 'window_probe' or 'reset'; null when nothing came before"),
    trigger_delay=_c("Float64", "reset minus trigger", "s"),
    answers_trigger=_c("boolean", "its numbers are exactly RFC 9293's reply to the trigger (3.10.7.1)"),
    trigger_had_ack=_c("boolean", "the trigger carried ACK"),
    rtt_usual=_c("Float64", "usual answer time of that end at this capture point", "s"),
    too_fast=_c("boolean", "it came in less than half the round trip to that end after its trigger"),
    idle_gap=_c("Float64", "silence before the trigger (or before the reset, when nothing triggered it)", "s"),
    # the connection's state
    stage=_c("string", "'syn', 'syn_ack', 'established' (no payload yet), 'data' or 'closing' (a FIN was seen)"),
    duration=_c("Float64", "first packet to reset", "s"),
    handshake=_c("boolean", "the handshake is in the capture"),
    client_bytes=_c("Int64", "payload sent by the client before the reset", "bytes"),
    server_bytes=_c("Int64", "payload sent by the server before the reset", "bytes"),
    sender_bytes=_c("Int64", "payload sent by the apparent sender before the reset", "bytes"),
    peer_bytes=_c("Int64", "payload sent by the other end before the reset", "bytes"),
    sender_fin=_c("boolean", "the apparent sender had sent a FIN"),
    peer_fin=_c("boolean", "the other end had sent a FIN"),
    both_fins_acked=_c("boolean", "both FINs had been acknowledged"),
    peer_data_after_sender_fin=_c("boolean", "the other end sent data that the apparent sender had not received when it sent that FIN"),
    since_sender_fin=_c("Float64", "reset minus the apparent sender's FIN", "s"),
    sender_fin_to_peer_data=_c("Float64", "that FIN to the first data it did not acknowledge; negative where they crossed", "s"),
    peer_acked_fin_first=_c("boolean", "the other end acknowledged that FIN before it sent that data"),
    fin_crossed=_c("boolean", "the data after that FIN was sent before the FIN had arrived: its acknowledgement does not cover it"),
    idle_before_fin=_c("Float64", "silence before the apparent sender's FIN, keepalives left out", "s"),
    unacked_sender=_c("Int64", "bytes of the apparent sender not acknowledged at the reset", "bytes"),
    unacked_peer=_c("Int64", "bytes of the other end not acknowledged at the reset", "bytes"),
    peer_bytes_since_sender_data=_c("Int64", "bytes the other end sent after the apparent sender's last payload", "bytes"),
    since_peer_data=_c("Float64", "reset minus the other end's last payload", "s"),
    since_sender_data=_c("Float64", "reset minus the apparent sender's last payload", "s"),
    peer_was_sending=_c("boolean", "payload of the other end arrived within a round trip (at least 50 ms) before the reset"),
    retransmissions=_c("Int64", "retransmissions by the other end running when the reset came"),
    sender_retransmissions=_c("Int64", "retransmissions by the apparent sender running when the reset came"),
    keepalives=_c("Int64", "keepalive probes in a row by the apparent sender before the reset, no payload in between"),
    keepalives_unanswered=_c("Int64", "keepalive probes of the apparent sender that nothing answered before the reset"),
    keepalive_interval=_c("Float64", "their usual spacing", "s"),
    since_keepalive=_c("Float64", "reset minus the last of them", "s"),
    zero_window=_c("boolean", "either end had closed its window at the time"),
    lost_segment=_c("Int64", "largest segment that its sender was repeating without an acknowledgement", "bytes", "null when nothing was repeated"),
    largest_delivered=_c("Int64", "largest segment of that same end that was acknowledged", "bytes"),
    heard_since_loss=_c("boolean", "segments of the other end came after that repeating had begun"),
    icmp_error=_c("string", "what an ICMP error says that quotes a segment of this connection which was never acknowledged (ICMP_ERRORS.says), the "
                            "first one", caveat="null also where the capture could not show any: absence says nothing"),
    icmp_frame=_c("Int64", "its frame; null where it stands in another file than the ending"),
    icmp_from=_c("string", "its source address", caveat="of a router, or of the host that the segment was for; it can be forged"),
    icmp_from_end=_c("boolean", "that is the address which the quoted segment was for"),
    icmp_mtu=_c("Int64", "largest packet that it allows", "bytes"),
    icmp_ignored=_c("boolean", "larger segments were sent after it said how large they may be; null for other errors"),
    syn_frames=_c("Int64", "client SYNs seen before the reset"),
    syn_answer=_c("string", "what answered the client's SYN: 'syn_ack', 'ack' (a bare ACK: RFC 5961 challenge or TIME-WAIT), 'wrong_number' "
                            "(a SYN-ACK for another SYN); null when nothing did or no SYN was seen"),
    syn_ack_repeats=_c("Int64", "SYN-ACKs sent again after the client had acknowledged the first"),
    client_opening=_c("string", "first bytes of the client: 'tls', 'http', 'postgresql', 'proxy_protocol', 'ssh', 'redis', 'text', 'binary'",
                      caveat="read only where the server said little, at most 200 connections of a capture point"),
    server_opening=_c("string", "first bytes of the server, in the same words and 'tls_alert', 'mysql'", caveat="as client_opening"),
    # after the reset, and around it
    copies=_c("Int64", "other frames that carry a reset of this connection"),
    burst=_c("Int64", "resets of the same end within two seconds with different sequence numbers, each without a trigger of its own"),
    data_after_reset=_c("boolean", "genuine new payload of the apparent sender after its reset (beyond reordering)"),
    peer_data_after=_c("boolean", "payload of the other end after the reset"),
    both_ends_reset=_c("boolean", "both ends received a reset within two seconds, neither as an answer to the other"),
    ineffective=_c("boolean", "the reset changed nothing: the end that received it went on and was answered"),
    challenged=_c("boolean", "the end that received the reset answered it with a bare ACK (RFC 5961 3.2); null when nothing followed"),
    other_reset_frame=_c("Int64", "first reset frame that carries the other end's address"),
    reconnected=_c("Float64", "seconds until the same client opened a new connection to that server port; null when it did not", "s"),
    retry_refused=_c("boolean", "that new connection was refused"),
    retries=_c("Int64", "attempts of the same client to connect to that server port again within a minute, up to the first that worked; null where "
                        "there was none and the capture ends sooner"),
    retry_spacing=_c("string", "'none' (it did not try), 'fixed', 'backoff' (growing pauses), 'storm' (ten a second or more) or 'irregular'; null "
                               "for fewer than four attempts"),
    retry_interval=_c("Float64", "median pause between those attempts", "s"),
    connected_again=_c("Float64", "seconds until the first of them that worked: opened and not reset, or the server sent payload", "s"),
    # who has the address
    moved_before=_c("Float64", "reset minus the announcement (ARP, neighbour advertisement) of the apparent sender's address with another hardware "
                               "address than before, since that address's last packet here; null where none was seen", "s"),
    moved_frame=_c("Int64", "its frame; null where it stands in another file than the ending"),
    hardware_before=_c("string", "hardware address that the apparent sender's address had before"),
    hardware_now=_c("string", "hardware address that it was announced with"),
    # where the capture was taken, for this connection
    captured_at=_c("string", "'sender', 'peer' (on that end's host), 'between' or 'unknown'"),
    direction=_c("string", "'in' or 'out' at the capturing host; null where the capture does not say"),
    incoming_copy=_c("boolean", "the same reset was also seen coming in; null where directions are unknown"),
    sender_is_local=_c("boolean", "that end's other segments go out of the capturing host without coming in first"),
    loopback=_c("boolean", "the reset stands on the loopback interface although the two addresses differ; null where frames have no direction",
                caveat="Linux cooked captures: interface index 1"),
    both_directions=_c("boolean", "segments of both ends are in the capture"),
    lossless=_c("boolean", "nothing says that packets of this connection are missing"),
    # several capture points (vantage)
    at_sender=_c("boolean", "the same reset leaves the apparent sender's host: seen at the point taken there"),
    absent_at_sender=_c("boolean", "a point at the apparent sender's host holds this connection's packets around the moment, and not this reset"),
    at_peer=_c("boolean", "the same reset is seen at the other end's host"),
    later_elsewhere=_c("boolean", "another point shows an earlier reset of this connection: this one is a consequence"),
    client_unseen=_c("Int64", "payload of the client that another point, on its own host, shows in all, less what this point had shown by then; "
                              "null without such a point", "bytes"),
    # the population
    path_survived=_c("Float64", "longest silence that another exchange on this path survived", "s"),
    path_failed=_c("Float64", "shortest silence after which this path failed", "s"),
    path_failures=_c("Int64", "connections on this path that ended the same way (answered, or unprompted) after a silence"),
    timer_low=_c("Float64", "the idle timer of this path is longer than this; null below three failures, or when survivors refute a timer", "s"),
    timer_high=_c("Float64", "and not longer than this", "s"),
    timer_known=_c("string", "known defaults within that bracket, value and products", caveat="a hint: many products share a value"),
    path_works_again=_c("boolean", "a later connection on this path worked"),
    probe_count=_c("Int64", "connections of this client host to this server port that ended right after the handshake without payload"),
    probe_period=_c("Float64", "their usual spacing", "s"),
    probe_variation=_c("Float64", "its coefficient of variation"),
    port_accepts=_c("boolean", "another connection to this server port was accepted in this capture"),
    host_alive=_c("boolean", "that server address answered on another port or connection in this capture"),
    same_moment=_c("Int64", "other connections of the same server reset within one second"),
    ended_together=_c("Int64", "other connections of the same server port that the server ended, their last packets within one second"),
    lived_together=_c("Int64", "other connections of the same server port that were open a second before"),
    service_refused=_c("boolean", "the next attempt of any client to reach that server port, within a minute, was refused; null without one"),
    host_ports_lost=_c("Int64", "ports of that server whose established connections were reset within a minute of this one, its own included"),
    same_ports_ended=_c("string", "how the earlier connection between the same addresses and ports ended: 'well', 'reset', 'silence' or 'open'; "
                                  "null without one in the capture"),
    since_same_ports=_c("Float64", "first packet of this connection minus the last of that one", "s"),
    other_leg=_c("string", "the other connection of the apparent sender's host, in the opposite role, on which it had just received a reset: "
                           "whose address that reset carries", caveat="two addresses are one host's where the capture was taken on it"),
    other_leg_delay=_c("Float64", "what the apparent sender did here (its FIN, else its reset) minus that reset", "s"),
    other_leg_connection=_c("Int64", "CONNECTIONS.connection of that other connection"),
    other_leg_messages=_c("Int64", "messages that both carried, where the other one was seen at another capture point only (CARRIED.messages)"),
    other_leg_error=_c("Float64", "how far to either side the clocks of the two points leave that delay open; null where one point saw both", "s"),
    twin=_c("string", "client address of another connection with the same ports and server, whose handshake was seen while this one's was not"),
    cancel_nearby=_c("boolean", "the same client had sent a cancel request to that server port within ten seconds before"),
    same_wait=_c("Int64", "other resets of this client to that server port after the same wait for an answer"),
    handshake_slowdown=_c("Float64", "answer time of that server port to SYNs within five seconds, as a multiple of its usual one"),
    opening_burst=_c("Float64", "connections opened to that server port in the five seconds before, as a multiple of its usual rate"),
    syn_retries=_c("Int64", "SYNs to that server port that had to be repeated within ten seconds"),
    # the application's last words (dissection)
    application=_c("string", "'postgresql', 'tls', 'http' …; null when nothing was recognised or dissected"),
    encrypted=_c("boolean", "the payload is encrypted and could not be read"),
    last_client_words=_c("string", "last application message of the client, its kind only"),
    last_server_words=_c("string", "last application message of the server, its kind only"),
    sqlstate=_c("string", "SQLSTATE of the server's last ErrorResponse"),
    server_goodbye=_c("string", "'idle_timeout', 'shutdown', 'terminated', 'error': what the server's last words announce; null when none"),
    client_goodbye=_c("boolean", "the client said it was leaving (PostgreSQL Terminate, TLS close_notify, HTTP Connection: close)"),
    request_unanswered=_c("boolean", "a request was under way; null when encrypted or not dissected", caveat="a FATAL error counts as an answer"),
    transaction_open=_c("boolean", "PostgreSQL: a transaction was open (ReadyForQuery 'T' or 'E')"),
    backend_pid=_c("Int64", "what the server calls this connection: PostgreSQL's process (BackendKeyData), the number in MySQL's greeting"),
    tls_alert=_c("string", "description of the last plaintext TLS alert"),
    # what the logs say of it (correlation), by the event vocabulary of LOG_LINES
    client_log_events=_c("string", "events of the log lines written by the client's side and tied to it, comma-separated; null without such lines"),
    server_log_events=_c("string", "events of the log lines written by the server's side and tied to it, comma-separated; null without such lines"),
    other_log_events=_c("string", "events of the log lines tied to it that neither side is known to have written (a firewall, connection tracking), "
                                  "comma-separated; null without such lines"),
    kernel_sent=_c("boolean", "the trace of the kernel of the apparent sender's host says that it sent this reset; null without such a line"),
    kernel_reason=_c("string", "why, as that kernel says (LOG_LINES.reason)"),
)

# ---------------------------------------------------------------------------------------------------------------------
# What the logs say

EVENTS: Mapping[str, str] = {
    "reset_received": N_("the writer's kernel saw a reset (ECONNRESET, 104, 54, 10054)"),
    "reset_or_eof": N_("the writer folds an end of stream and a reset together: never evidence for a reset"),
    "broken_pipe": N_("the writer wrote to a connection already closed or reset (EPIPE, 32)"),
    "aborted_locally": N_("the writer's own stack gave up (ECONNABORTED, 103, 53, 10053)"),
    "timed_out": N_("no answer (ETIMEDOUT, 110, 60, 10060): nothing says that a reset was seen"),
    "refused": N_("a SYN was answered by a reset (ECONNREFUSED, 111, 61, 10061)"),
    "connect_failed": N_("a connection could not be opened; whether it was refused or nobody answered is not told"),
    "unreachable": N_("no route, or ICMP said so (EHOSTUNREACH, ENETUNREACH)"),
    "unexpected_end": N_("the stream ended in the middle of something (EOF within a transaction)"),
    "idle_timeout": N_("the writer closed the connection because it was idle"),
    "local_timeout": N_("another timer of the writer expired (statement, authentication, lock)"),
    "terminated_by_administrator": N_("an operator or command ended it"),
    "shutdown": N_("the writer is stopping"),
    "crash": N_("the writer, or a process of it, died"),
    "out_of_memory": N_("memory ran out"),
    "started": N_("the writer is starting or ready"),
    "port_in_use": N_("the writer could not listen: another socket has the address and port (EADDRINUSE, 98, 48, 10048)"),
    "opened": N_("a connection was accepted: gives process id and address"),
    "authenticated": N_("a connection was authorised: gives process id, user, database"),
    "closed": N_("a connection ended, as its writer saw it: gives process id and address"),
    "rejected": N_("the writer turned a connection away on purpose"),
    "protocol_error": N_("the writer could not understand its peer"),
    "request": N_("what was being done (a STATEMENT line, an access log entry)"),
    "detail": N_("belongs to another line (DETAIL, HINT, CONTEXT)"),
    "reset_sent": N_("the writer's kernel sent a reset (tracepoint)"),
    "reset_seen": N_("an onlooker (firewall, connection tracking) saw a reset pass, or stopped it"),
    "closed_locally": N_("the writer used a connection it had closed itself: never evidence about the peer"),
}

LOG_LINES = _table(
    "LOG_LINES",
    "one log entry (its continuation lines included) that a format recognised and that says one of EVENTS",
    source=_c("string", "file name as shown to the user"),
    log=_c("string", "the log that this file is a part of: rotated files of one log share it; null: the file alone"),
    writer_host=_c("string", "address of the machine that wrote it, or 'client' or 'server', as told; null when not told"),
    line=_c("Int64", "number of its first line, from 1"),
    text=_c("string", "the first line as its program wrote it (out of its envelope), stripped of control characters, at most 2,000 characters"),
    format=_c("string", "id of the format that recognised it"),
    message=_c("string", "id of the message within the format"),
    envelope=_c("string", "ids of what collectors put around it (syslog, docker …), outermost first, apart by blanks; null for none"),
    host=_c("string", "name of the machine that wrote it, as an envelope says"),
    program=_c("string", "name of the program that wrote it, as an envelope says"),
    written=_c(TIME, "time as printed, read with the printed zone, else with the zone given, else as UTC"),
    zone=_c("string", "'printed' (by the program, or told by its collector's stamp), 'given', 'unknown', or 'boot': seconds since the "
                      "writer's machine started, as if that had been in 1970"),
    resolution=_c("Float64", "of the time stamp", "s"),
    event=_c("string", "one of EVENTS"),
    severity=_c("string", "as the writer's English would say it: LOG, ERROR, FATAL …"),
    proves=_c("string", "what the line proves, one sentence; what it cannot tell belongs here too"),
    verified=_c("string", "how well the wording is known: 'lab', 'source', 'docs', 'third_party' or 'unverified', the best first"),
    writer=_c("string", "'server', 'client' or 'unknown': which end of the connection writes such a line"),
    reason=_c("string", "why the writer's kernel sent a reset, as Linux 6.10 and later say it: 'NO_SOCKET', 'TCP_ABORT_ON_CLOSE' …; null otherwise"),
    pid=_c("Int64", "process id of the writer's worker for this connection"),
    session=_c("string", "session id, where the format has one"),
    client_ip=_c("string", "client address the line names, or its process named earlier"),
    client_port=_c("Int64", "client port the line names, or its process named earlier"),
    server_ip=_c("string", "server address the line names"),
    server_port=_c("Int64", "server port the line names"),
    address_basis=_c("string", "'line' (it says so itself), 'process' (its process said so in another line); null when neither"),
    user=_c("string", "user name"),
    database=_c("string", "database name"),
)

LOG_SOURCES = _table(
    "LOG_SOURCES",
    "one log that was read: what was recognised in it",
    source=_c("string", "file name as shown to the user"),
    lines=_c("Int64", "lines read"),
    entries=_c("Int64", "entries recognised"),
    formats=_c("object", "format -> entries that it read, the most first"),
    events=_c("object", "event -> entries that say it, the most first"),
    envelopes=_c("string", "ids of what collectors put around its lines (LOG_LINES.envelope), comma-separated; null for none"),
    encodings=_c("string", "encodings other than UTF-8 that lines were decoded from, comma-separated; null for none"),
    first=_c(TIME, "earliest LOG_LINES.written"),
    last=_c(TIME, "latest LOG_LINES.written"),
    zones=_c("string", "LOG_LINES.zone of its entries, comma-separated"),
    timeless=_c("Int64", "entries left out because nothing prints their time"),
    not_understood=_c("Int64", "entries that hold a known text, and that no format read"),
    not_understood_lines=_c("object", "list of the first five of their line numbers"),
)

MATCHES = _table(
    "MATCHES",
    "one log line tied to one ending",
    ending=_c("string", "ENDINGS.ending"),
    source=_c("string", "LOG_LINES.source"),
    line=_c("Int64", "LOG_LINES.line"),
    time=_c(TIME, "the line's time on the capture's clock: written minus the source's offset"),
    event=_c("string", "LOG_LINES.event"),
    writer=_c("string", "LOG_LINES.writer"),
    lag=_c("Float64", "time minus the reset's time: a line comes after what it reports", "s"),
    tie=_c("string", "'connection' (ip and port), 'process', 'host' (address only) or 'time'"),
    tie_sentence=_c(SENTENCE, "why this line belongs to this ending, one sentence"),
    coincidence=_c("Float64", "chance that an unrelated line would have found such a tie, or that it belongs to another ending that fits",
                   caveat="given the rate of lines, endings and connections; from 0.05 on it is called a possible coincidence"),
)

CARRIED = _table(
    "CARRIED",
    "a connection to a proxy and one that the proxy opened, seen at two capture points: the same messages went over both",
    front=_c("Int64", "CONNECTIONS.connection of the one to the proxy"),
    back=_c("Int64", "CONNECTIONS.connection of the one that the proxy opened"),
    messages=_c("Int64", "the last messages of both that are the same, both directions together"),
    offset_low=_c("Float64", "the clock at the second's point minus the one at the first's is at least this, as times stand in the tables", "s"),
    offset_high=_c("Float64", "and at most this", "s"),
    at=_c(TIME, "when that holds"),
    drift=_c("Float64", "what it may change by in each second from then on, to either side", "s/s"),
)

CLOCKS = _table(
    "CLOCKS",
    "one log source: how its clock stands to the reference capture",
    source=_c("string", "LOG_LINES.source"),
    offset_seconds=_c("Float64", "log minus capture at `at`, zone included; null when it could not be found", "s"),
    drift_ppm=_c("Float64", "what the log's clock gains on the capture's; null where too few lines over too short a time say", "parts per million"),
    at=_c(TIME, "the moment of the capture at which the offset holds; null without drift"),
    spread_seconds=_c("Float64", "half-width within which the supporting pairs agree", "s"),
    support=_c("Int64", "pairs (log line, packet) that agree with it"),
    basis=_c("string", "'identity' (lines tied by connection; handshakes seen at both points), 'carried' (messages that a proxy passed on), "
                        "'pattern' (times only), 'assumed' (whole quarter hours apart), 'given' or 'none'"),
    coincidence=_c("Float64", "chance that unrelated lines would have agreed as well; null without an offset"),
    sentence=_c(SENTENCE, "the same in words, zone and skew apart"),
)

UNMATCHED_LOG_LINES = _table(
    "UNMATCHED_LOG_LINES",
    "one log line that speaks of a broken connection and that no ending explains",
    source=_c("string", "LOG_LINES.source"),
    line=_c("Int64", "LOG_LINES.line"),
    time=_c(TIME, "on the capture's clock; null without an offset"),
    event=_c("string", "LOG_LINES.event"),
    text=_c("string", "LOG_LINES.text"),
    reason=_c(SENTENCE, "why nothing in the capture explains it, one sentence"),
    next_log=_c(SENTENCE, "the log setting that would tie it; null when none would help"),
)

LOG_REMARKS = _table(
    "LOG_REMARKS",
    "one ending and one log that do not go together as one would expect",
    ending=_c("string", "ENDINGS.ending"),
    source=_c("string", "LOG_LINES.source, or the log of several rotated files"),
    line=_c("Int64", "the line that contradicts the capture; null for a log that says nothing"),
    kind=_c("string", "'contradiction', 'silent' (the log is of one of the two hosts, covers the moment, and has no line) or 'not_covered'"),
    sentence=_c(SENTENCE, "what does not go together, one sentence"),
)

# ---------------------------------------------------------------------------------------------------------------------
# What is concluded

EVIDENCE = _table(
    "EVIDENCE",
    "one sign of one hypothesis (cause and origin) for one ending; kept for the winner and the runner-up",
    ending=_c("string", "ENDINGS.ending"),
    cause=_c("string", "cause id"),
    origin=_c("string", "'sender', 'path' or 'none'"),
    rank=_c("Int64", "1 winner, 2 runner-up"),
    sign=_c("string", "sign id, unique within its cause"),
    held=_c("boolean", "true, false, or null: could not be seen"),
    weight=_c("Int64", "what it counted, 0 when its group had already counted", "decibans"),
    sentence=_c(SENTENCE, "what was looked for, with this ending's values"),
    frames=_c("object", "list of (capture, frame) that show it"),
    log_lines=_c("object", "list of (source, line) that show it"),
)

FINDINGS = _table(
    "FINDINGS",
    "one ending, judged",
    ending=_c("string", "ENDINGS.ending"),
    reset_by=_c("string", "'client', 'server', 'middlebox' or 'undetermined'"),
    confidence=_c("Float64", "probability of reset_by; null when undetermined"),
    cause=_c("string", "cause id or 'unexplained'"),
    cause_confidence=_c("Float64", "probability of cause; null when unexplained"),
    emitter=_c("string", "'socket', 'kernel', 'host_filter', 'device' or 'unknown'"),
    proof=_c(SENTENCE, "what makes it proof ('captured at both ends', 'kernel trace' …); null when it is inference"),
    harmless=_c("boolean", "nothing was lost; null where that cannot be known"),
    alternatives=_c("object", "list of {'cause', 'reset_by', 'confidence'}, the likeliest first"),
    sentence=_c(SENTENCE, "who, why and how sure, one sentence"),
    next_capture=_c(SENTENCE, "the one capture that would decide; null when decided"),
    next_log=_c(SENTENCE, "the one log setting that would tie or decide; null when none"),
)

INCIDENTS = _table(
    "INCIDENTS",
    "findings that belong together by time, hosts and cause",
    incident=_c("string", "identity, 'i1' … the top one first"),
    reset_by=_c("string", "as in FINDINGS"),
    confidence=_c("Float64", "lowest of its members' confidences in reset_by; null when undetermined"),
    cause=_c("string", "cause id or 'unexplained'"),
    cause_confidence=_c("Float64", "lowest of its members'; null when unexplained"),
    harmless=_c("boolean", "all its members are"),
    first=_c(TIME, "first ending"),
    last=_c(TIME, "last ending"),
    resets=_c("Int64", "endings in it"),
    logged=_c("Int64", "of these, tied to log lines"),
    clients=_c("object", "list of client addresses, at most 20"),
    servers=_c("object", "list of server ip:port, at most 20"),
    endings=_c("object", "list of ENDINGS.ending"),
    sentence=_c(SENTENCE, "what happened, one sentence"),
    afterwards=_c(SENTENCE, "whether and how the clients tried to connect again, and when that worked; null where nothing can be said"),
    remedy=_c(SENTENCE, "what to change"),
)

TABLES: tuple[Table, ...] = (
    RESET_FRAMES, ICMP_ERRORS, ADDRESS_CHANGES, PACKETS, CONNECTIONS, HOSTS, GAPS, TRAFFIC, CAPTURES, COVERAGE, ENDINGS,
    LOG_LINES, LOG_SOURCES, MATCHES, CLOCKS, UNMATCHED_LOG_LINES, LOG_REMARKS, EVIDENCE, FINDINGS, INCIDENTS,
)  # fmt: skip
