"""What is remembered while segments pass: the rows of the working state, and the limits of what is remembered.

Lives here: record layouts and limits, each with unit and reason.
Never here: code that fills them (kernels.py) or reads them (closing.py and its neighbours).

A pair of endpoints is kept in one order, whoever speaks: end 0 is the one with the smaller (address, port). A connection
`c` has two rows of SIDE, `2 * c + end`.
"""

from __future__ import annotations

import numpy as np

MILLISECOND = 1_000_000  # ns
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND

COPY_NS = 10 * MILLISECOND  # the copies of one packet (-i any, SPAN, router) are microseconds to milliseconds apart
COPY_MEMORY = 1 << 15  # packets remembered for that: 3 million packets a second fit into 10 ms
COPY_PLACES = (
    4  # rows of that memory in which a packet may stand, so that one packet rarely makes another one forgotten
)
OUT_OF_ORDER_NS = (
    3 * MILLISECOND
)  # a hole filled sooner is reordering, later a retransmission (Wireshark's tcp analysis)
SEQUENCE_JUMP = 1 << 30  # an ACK further ahead than this belongs to another life of the address pair
STREAM_LIMIT = 1 << 24  # address pairs per file whose stream number is followed; beyond, stream is null

START = 1 << 10  # rows that each table starts with; each doubles when it is full
# When so many connections of one point are rows (30 MB, and 100 MB as tables), those that ended well are settled; see settling.py.
SETTLE_AT = 1 << 16
SETTLED_NS = (
    120 * SECOND
)  # … if nothing came for so long: twice the time for which a socket waits for late packets (Linux' TIME-WAIT)
ATTEMPT_NS = 3 * SECOND  # a SYN that nobody answered for so long has been repeated, or was one of a flood
CROWDED = 0.75  # share of rows that must be left for attempts to become counts, and else for the table to double
SAMPLE = 0.25  # share of rows, the oldest, that stay even then
TARGETS = 64  # endpoints by which attempts are counted
TUPLES_KEPT = 1 << 21  # address pairs, 250 MB
HOSTS_KEPT = 1 << 17  # addresses, 40 MB
MINUTES_KEPT = 1 << 18  # minutes of paths, 15 MB, and 25 MB as a table
RESETS_KEPT = 1 << 20  # RST frames that are listed, 80 MB; beyond, they are counted

# One address pair. Stream numbers are Wireshark's and restart with each file; connections go on.
TUPLE = np.dtype(
    [
        ("hi0", np.uint64),
        ("lo0", np.uint64),
        ("hi1", np.uint64),
        ("lo1", np.uint64),
        ("pair", np.uint64),  # SEGMENT.pair
        ("connection", np.int64),  # row of its last connection; -1 none
        ("stream", np.int64),  # of `file`; -1 past the limit
        ("file", np.int32),  # file in which `stream` and the bases hold; -1 none
        ("host0", np.int32),
        ("host1", np.int32),
        ("due0", np.int32),  # packets of the other end, with payload, SYN or FIN, that this one has not answered
        ("due1", np.int32),
        ("base0", np.uint32),  # base sequence numbers as Wireshark sets them
        ("base1", np.uint32),
        ("port0", np.uint16),
        ("port1", np.uint16),
        ("has_base0", np.bool_),
        ("has_base1", np.bool_),
    ],
    align=True,
)

# One connection.
CONNECTION = np.dtype(
    [
        ("number", np.int64),  # since the beginning, whatever row it has
        ("tuple", np.int64),
        ("first", np.int64),  # ns; NO_TIME until a packet has a time
        ("last", np.int64),  # ns
        ("first_frame", np.int64),
        ("last_frame", np.int64),
        ("stream", np.int64),  # of its first packet
        ("history", np.uint64),  # up to 16 codes of 4 bits, the first in the lowest: letter + 8 * end
        ("before_reset", np.int64),  # its frames before the first RST; -1 without RST
        ("survived", np.int64),  # longest silence after which both ends spoke, ns
        ("quiet", np.int64),  # longest silence that is not yet survived, ns
        ("syn_time", np.int64),  # of a SYN sent once and not answered; else NO_TIME
        ("syn_ack_time", np.int64),  # of a SYN-ACK sent once and not answered; else NO_TIME
        ("client_rtt", np.int64),  # ns; -1 unknown
        ("server_rtt", np.int64),  # ns; -1 unknown
        ("first_file", np.int32),
        ("last_file", np.int32),
        ("letters", np.uint16),  # codes already in history
        ("letter_count", np.uint8),
        ("spoke", np.uint8),  # ends that spoke since `quiet`, bit by end
        ("first_from", np.int8),  # end that sent the first packet
        ("syn_from", np.int8),  # end that sent the first SYN; -1 none
        ("syn_ack_from", np.int8),
        ("fin_from", np.int8),  # end that sent the first FIN; -1 none
        ("spoke_last", np.int8),  # end whose new payload was last before that FIN; -1 none
        ("handshake", np.bool_),
        ("spoken_to", np.bool_),  # the other end sent new payload after that FIN
        ("said", np.int64),  # payload bytes of `spoke_last` since the other end spoke
    ],
    align=True,
)

# One end of one connection. Sequence positions are 64 bits wide: 2**32 + the first number seen, and on from there.
SIDE = np.dtype(
    [
        ("next", np.int64),  # position after the highest byte, SYN or FIN sent
        ("start", np.int64),  # position of the first payload byte, as far as known
        ("acked", np.int64),  # highest position the other end acknowledged
        ("hole", np.int64),  # a range below `next` that was never seen: [hole, hole_end)
        ("hole_end", np.int64),
        ("next_time", np.int64),  # when `next` last moved, ns
        ("again_time", np.int64),  # first sending again since the last progress, ns
        ("packets", np.int64),  # frames, copies included
        ("isn", np.uint32),
        ("again", np.int32),  # sendings again since the last progress of `acked`
        ("resets", np.int32),  # RST frames
        ("syns", np.int32),  # SYNs without ACK, copies not counted
        ("syn_acks", np.int32),
        ("window", np.uint16),  # last raw window it advertised; all ones before
        ("ttl", np.int16),  # last, of segments without SYN and RST; -1 none
        ("syn_ttl", np.int16),  # of its first SYN or SYN-ACK; -1 none
        ("syn_timestamps", np.int8),  # of its first SYN or SYN-ACK; -1 none
        ("known", np.bool_),  # the positions mean something
        ("isn_known", np.bool_),
        ("fin", np.bool_),
        ("unseen", np.bool_),  # bytes it sent were acknowledged and never seen
    ],
    align=True,
)

TTLS = (
    4  # different TTLs counted per host and class: routes change rarely; the rarest makes room (space-saving counting)
)

# One address.
HOST = np.dtype(
    [
        ("hi", np.uint64),
        ("lo", np.uint64),
        ("packets", np.int64),
        ("incoming", np.int64),  # frames by direction
        ("outgoing", np.int64),
        (
            "first_incoming",
            np.int64,
        ),  # first sightings by direction, resets apart: a forwarded packet is first seen coming in
        ("first_outgoing", np.int64),
        ("summed", np.int64),  # segments whose checksum could be looked at
        (
            "unfinished",
            np.int64,
        ),  # of these, with only the pseudo-header's sum in it: the sender's card was to finish it
        ("established", np.int64),  # segments without SYN and RST
        ("established4", np.int64),  # of these, IPv4
        ("zero_id", np.int64),  # of these, with IP ID 0
        ("resets", np.int64),
        ("as_client", np.int64),  # settled connections
        ("as_server", np.int64),
        ("rtt_min", np.int64),  # of settled connections, ns
        ("ttl_count", np.int64, (TTLS,)),
        ("syn_ttl_count", np.int64, (TTLS,)),
        ("ttl", np.int16, (TTLS,)),
        ("syn_ttl", np.int16, (TTLS,)),
    ],
    align=True,
)

# One frame with RST.
RESET = np.dtype(
    [
        ("frame", np.int64),
        ("time", np.int64),
        ("stream", np.int64),
        ("connection", np.int64),  # its number
        ("host0", np.int32),
        ("host1", np.int32),
        ("seq", np.uint32),
        ("ack", np.uint32),
        ("length", np.int32),
        ("file", np.int32),
        ("port0", np.uint16),
        ("port1", np.uint16),
        ("flags", np.uint16),
        ("window", np.uint16),
        ("ttl", np.uint8),
        ("end", np.uint8),
    ],
    align=True,
)

# One stream that began: what pass 2 needs to name the streams again.
STREAM = np.dtype([("tuple", np.int64), ("stream", np.int64), ("file", np.int64)], align=True)

# One packet lately seen, to recognise its copies.
SIGHTING = np.dtype(
    [("signature", np.uint64), ("time", np.int64), ("frame", np.int64), ("place", np.uint64)],
    align=True,
)

# Pass 2: one wanted connection.
SPAN = np.dtype(
    [
        ("connection", np.int64),  # identity
        ("first_frame", np.int64),
        ("last_frame", np.int64),
        ("pivot", np.int64),  # frames before its first RST, or all of them
        ("seen", np.int64),
        ("first_file", np.int32),
        ("last_file", np.int32),
        ("client_end", np.int8),
    ],
    align=True,
)

# Pass 2: what is known of one kept segment besides its row.
MARK = np.dtype(
    [
        ("row", np.int64),  # in the chunk
        ("connection", np.int64),
        ("stream", np.int64),  # -1 unknown
        ("relative_seq", np.int64),
        ("relative_ack", np.int64),  # -1 without ACK
        ("copy_of", np.int64),  # frame; -1 when it is the first sighting
        ("from_client", np.bool_),
        ("retransmission", np.bool_),
        ("keepalive", np.bool_),
    ],
    align=True,
)

# The counters of a state, by index.
TUPLES, HOSTS, CONNECTIONS, RESETS, STREAMS, NEXT_STREAM, FILE_TUPLES, SEGMENTS = range(8)
NUMBERED, UNLISTED, COUNTERS = range(8, 11)  # connections so far, RST frames past RESETS_KEPT

# Zeek's history letters, by code (base/protocols/conn): SYN, SYN-ACK, pure ACK, data, FIN, RST, sent again, zero window.
LETTERS = "SHADFRTW"
LETTER_SYN, LETTER_SYN_ACK, LETTER_ACK, LETTER_DATA, LETTER_FIN, LETTER_RST, LETTER_AGAIN, LETTER_ZERO_WINDOW = range(8)
