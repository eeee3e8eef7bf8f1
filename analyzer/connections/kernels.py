"""The compiled loops over segments: `fold_segments` (pass 1) and `select_segments` (pass 2), and the rules both share.

Lives here: every rule that is applied packet by packet. All of it is in one file because the text of one file tells whether
its machine code is still right (see analyzer.compiled).
Never here: memory management, tables, sentences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzer.compiled import HASH, callee, compiled, fetch, mix
from analyzer.connections.layout import (
    CONNECTION,
    CONNECTIONS,
    COPY_NS,
    COPY_PLACES,
    FILE_TUPLES,
    HOST,
    HOSTS,
    LETTER_ACK,
    LETTER_AGAIN,
    LETTER_DATA,
    LETTER_FIN,
    LETTER_RST,
    LETTER_SYN,
    LETTER_SYN_ACK,
    LETTER_ZERO_WINDOW,
    MARK,
    NEXT_STREAM,
    NUMBERED,
    OUT_OF_ORDER_NS,
    RESET,
    RESETS,
    RESETS_KEPT,
    SEGMENTS,
    SEQUENCE_JUMP,
    SIDE,
    SIGHTING,
    SPAN,
    STREAM,
    STREAMS,
    TTLS,
    TUPLE,
    TUPLES,
    UNLISTED,
)
from analyzer.schema import ACK, DIRECTION_IN, DIRECTION_OUT, FIN, NO_TIME, RST, SEGMENT, SYN

NEW, AGAIN, KEEPALIVE, SILENT = 0, 1, 2, 3  # what a segment is to its direction; SILENT takes no sequence space
ORIGIN = np.int64(1) << 32  # positions start here, so that they may go below the first number seen
AHEAD = 8  # segments from one step of `look_ahead` to the next: memory answers in the time that it takes to fold a few
EMPTY = -1
NEVER = np.iinfo(np.int64).max
NUMBER = np.dtype(np.int64)


# --- Hashing: open addressing, a slot holds a row number ------------------------------------------------------------


@compiled(tuples=TUPLE, slots=NUMBER)
def fill_tuple_slots(tuples: Any, count: int, slots: Any) -> None:
    """Write rows 0 … count-1 of `tuples` into empty `slots` (a power of two of them)."""
    last = np.uint64(len(slots) - 1)
    for row in range(count):
        slot = tuples[row].pair & last
        while slots[slot] != EMPTY:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = row


@compiled(hosts=HOST, slots=NUMBER)
def fill_host_slots(hosts: Any, count: int, slots: Any) -> None:
    """The same for `hosts`."""
    last = np.uint64(len(slots) - 1)
    for row in range(count):
        slot = mix(mix(HASH, hosts[row].hi), hosts[row].lo) & last
        while slots[slot] != EMPTY:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = row


@callee
def find_host(hi: Any, lo: Any, hosts: Any, slots: Any, counts: Any) -> Any:
    """The row of an address, made when it is new."""
    last = np.uint64(len(slots) - 1)
    slot = mix(mix(HASH, hi), lo) & last
    while slots[slot] != EMPTY:
        row = slots[slot]
        if hosts[row].lo == lo and hosts[row].hi == hi:
            return row
        slot = (slot + np.uint64(1)) & last
    row = counts[HOSTS]
    counts[HOSTS] += 1
    slots[slot] = row
    hosts[row].hi = hi
    hosts[row].lo = lo
    hosts[row].rtt_min = NEVER
    for i in range(TTLS):
        hosts[row].ttl[i] = -1
        hosts[row].syn_ttl[i] = -1
    return row


@callee
def find_tuple(s: Any, tuples: Any, slots: Any) -> Any:
    """(slot, row) of the segment's address pair; the row is -1 and the slot free when it is new."""
    if s.end == 0:
        hi0, lo0, port0, hi1, lo1, port1 = s.src_hi, s.src_lo, s.sport, s.dst_hi, s.dst_lo, s.dport
    else:
        hi0, lo0, port0, hi1, lo1, port1 = s.dst_hi, s.dst_lo, s.dport, s.src_hi, s.src_lo, s.sport
    last = np.uint64(len(slots) - 1)
    slot = s.pair & last
    while slots[slot] != EMPTY:
        row = slots[slot]
        t = tuples[row]
        if t.lo0 == lo0 and t.lo1 == lo1 and t.port0 == port0 and t.port1 == port1 and t.hi0 == hi0 and t.hi1 == hi1:
            return slot, row
        slot = (slot + np.uint64(1)) & last
    return slot, np.int64(EMPTY)


@callee
def add_tuple(s: Any, slot: Any, tuples: Any, slots: Any, counts: Any) -> Any:
    """Make the row of a new address pair and put it into the free slot."""
    row = counts[TUPLES]
    counts[TUPLES] += 1
    slots[slot] = row
    t = tuples[row]
    t.pair = s.pair
    if s.end == 0:
        t.hi0, t.lo0, t.port0, t.hi1, t.lo1, t.port1 = s.src_hi, s.src_lo, s.sport, s.dst_hi, s.dst_lo, s.dport
    else:
        t.hi0, t.lo0, t.port0, t.hi1, t.lo1, t.port1 = s.dst_hi, s.dst_lo, s.dport, s.src_hi, s.src_lo, s.sport
    t.connection = -1
    t.stream = -1
    t.file = -1
    return row


# --- Wireshark's stream ------------------------------------------------------------------------------------------------


@callee
def begins_stream(t: Any, end: int, flags: int, seq: Any, file: int) -> bool:
    """Wireshark's rule (dissect_tcp, tcp_analyze_sequence_number), part 1: does the segment open a stream?

    The first segment of an address pair in a file does, and a SYN without ACK whose sequence number is not the base.
    """
    if t.file != file:
        return True
    if flags & (SYN | ACK) != SYN:
        return False
    if end == 0:
        return bool(t.has_base0) and t.base0 != seq
    return bool(t.has_base1) and t.base1 != seq


@callee
def follow_bases(t: Any, end: int, flags: int, seq: Any, ack: Any, begins: bool, file: int) -> None:
    """Part 2: the base sequence number of each direction, from which relative numbers are counted."""
    if begins:
        t.file = file
        t.has_base0 = False
        t.has_base1 = False
    rebases = flags & (SYN | ACK) == SYN | ACK
    own = seq if flags & SYN else np.uint32(seq - np.uint32(1))
    other = np.uint32(ack - np.uint32(1))
    if end == 0:
        if rebases or not t.has_base0:
            t.base0 = own
            t.has_base0 = True
        if flags & ACK and not t.has_base1:
            t.base1 = other
            t.has_base1 = True
    else:
        if rebases or not t.has_base1:
            t.base1 = own
            t.has_base1 = True
        if flags & ACK and not t.has_base0:
            t.base0 = other
            t.has_base0 = True


# --- Copies ------------------------------------------------------------------------------------------------------------


@callee
def first_place(s: Any, sightings: Any) -> Any:
    """The first of the COPY_PLACES rows of `sightings` in which a packet may stand."""
    return s.signature & np.uint64(len(sightings) - COPY_PLACES)


@callee
def find_sighting(s: Any, sightings: Any) -> Any:
    """The row of `sightings` that holds this packet, else the one that has been there for the longest."""
    begin = oldest = first_place(s, sightings)
    time = sightings[begin].time
    for place in range(COPY_PLACES):
        row = begin + np.uint64(place)
        if sightings[row].signature == s.signature:
            return row
        oldest = row if sightings[row].time < time else oldest
        time = min(sightings[row].time, time)
    return oldest


@callee
def first_sighting(s: Any, t: Any, end: int, sightings: Any) -> Any:
    """Frame of the first sighting of this packet when this is a copy, else -1 (and it is remembered as a first sighting).

    A copy comes from the same end of the same address pair (`t`) with the same numbers, flags, length, IP ID and timestamp as
    a packet at most COPY_NS earlier, and was seen at another place (interface, direction, VLAN or TTL) or, at the same place,
    has an IP ID that is not 0 (a stack that counts IP IDs up gives a retransmission a new one), or is one reply more than the
    other end asked for with payload, SYN or FIN.
    """
    if s.time == NO_TIME:
        return np.int64(-1)
    place = (np.uint64(np.uint32(s.interface)) << np.uint64(32)) | (np.uint64(np.uint16(s.vlan)) << np.uint64(16))
    place |= (np.uint64(s.direction) << np.uint64(8)) | np.uint64(s.ttl)
    seen = sightings[find_sighting(s, sightings)]
    due = t.due0 if end == 0 else t.due1
    if seen.signature == s.signature and abs(s.time - seen.time) <= COPY_NS:
        reply = s.length == 0 and s.flags & (RST | ACK) != 0
        if seen.place != place or s.ip_id > 0 or (reply and due == 0):
            return seen.frame
    seen.signature = s.signature
    seen.time = s.time
    seen.frame = s.frame
    seen.place = place
    due = max(due - 1, 0) if s.flags & RST else 0  # an acknowledgement answers all so far, a reset one packet
    asks = np.int32(s.length > 0 or s.flags & (SYN | FIN) != 0)
    if end == 0:
        t.due0 = due
        t.due1 += asks
    else:
        t.due1 = due
        t.due0 += asks
    return np.int64(-1)


# --- Sequence numbers --------------------------------------------------------------------------------------------------


@callee
def position(near: Any, number: Any) -> Any:
    """The 64-bit position of a 32-bit sequence number: the one nearest to `near` (RFC 9293 3.4)."""
    return near + np.int64(np.int32(np.uint32(number) - np.uint32(near & 0xFFFFFFFF)))


@callee
def clear_side(side: Any) -> None:
    """An end of which nothing is known yet."""
    side.next = 0
    side.start = 0
    side.acked = 0
    side.hole = 0
    side.hole_end = 0
    side.next_time = NO_TIME
    side.again_time = NO_TIME
    side.packets = 0
    side.isn = 0
    side.again = 0
    side.resets = 0
    side.syns = 0
    side.syn_acks = 0
    side.window = 0xFFFF
    side.ttl = -1
    side.syn_ttl = -1
    side.syn_timestamps = -1
    side.known = False
    side.isn_known = False
    side.fin = False
    side.unseen = False


@compiled(sides=SIDE)
def clear_sides(sides: Any) -> None:
    """The same for all of them."""
    for i in range(len(sides)):
        clear_side(sides[i])


@callee
def open_hole(side: Any, begin: Any, end: Any) -> None:
    """Remember one range that was never seen; of several, the last."""
    if side.hole_end > side.hole and side.acked > side.hole:
        side.unseen = True
    side.hole = begin
    side.hole_end = end


@callee
def fill_hole(side: Any, begin: Any, end: Any) -> bool:
    """Take [begin, end) out of the hole; whether it touched it."""
    if end <= side.hole or begin >= side.hole_end:
        return False
    if begin <= side.hole:
        side.hole = min(end, side.hole_end)
    else:
        side.hole_end = begin
    return True


@callee
def sent(side: Any, s: Any) -> int:
    """Follow what this end has sent; NEW, AGAIN, KEEPALIVE or SILENT. Resets are never followed: their numbers may be forged."""
    flags = s.flags
    syn = flags & SYN != 0
    fin = flags & FIN != 0
    if syn and not (
        side.isn_known and side.isn == s.seq
    ):  # the first, or a SYN-ACK with another number (a SYN proxy's, then the server's)
        side.known = True
        side.isn_known = True
        side.isn = s.seq
        side.next = ORIGIN + np.int64(s.seq)
        side.start = side.next + 1
        side.acked = side.next
        side.hole = 0
        side.hole_end = 0
        side.again = 0
    elif not side.known:
        side.known = True
        side.next = ORIGIN + np.int64(s.seq)
        side.start = side.next
        side.acked = side.next
    begin = position(side.next, s.seq)
    end = begin + s.length + (1 if syn else 0) + (1 if fin else 0)
    # RFC 9293 3.8.4. With one byte it is a probe only if that byte had been acknowledged; else it is sent again.
    probe = s.length == 0 or (s.length == 1 and side.acked >= side.next)
    if probe and begin == side.next - 1 and not syn and not fin and not side.fin:
        return KEEPALIVE
    if fin:
        side.fin = True
    if end == begin:
        return SILENT
    if end <= side.next:
        late = s.time == NO_TIME or side.next_time == NO_TIME or s.time - side.next_time > OUT_OF_ORDER_NS
        if fill_hole(side, begin, end) and not late:
            return NEW
        if begin < side.start and not side.isn_known:  # the capture began in mid-connection: never seen before
            side.start = begin
            return NEW
    else:
        fresh = begin >= side.next
        if begin > side.next:
            open_hole(side, side.next, begin)
        side.next = end
        side.next_time = s.time
        if fresh:
            return NEW
    if end > side.acked:
        side.again += 1
        if side.again == 1:
            side.again_time = s.time
    return AGAIN


@callee
def acknowledged(side: Any, s: Any) -> None:
    """Follow what the other end's segment `s` says it has received from this end."""
    if not side.known:  # RFC 9293 3.4: everything below has been received
        side.known = True
        side.next = ORIGIN + np.int64(s.ack)
        side.start = side.next
        side.acked = side.next
        return
    to = position(side.next, s.ack)
    if to > side.next:
        only_syn = side.isn_known and side.acked < side.start
        if only_syn or to - side.next > SEQUENCE_JUMP:  # a challenge ACK speaks of an earlier connection (RFC 5961 4)
            return
        open_hole(side, side.next, to)
        side.next = to
        side.next_time = s.time
    if to > side.acked:
        side.acked = to
        side.again = 0
        side.again_time = NO_TIME


# --- Pass 1 ------------------------------------------------------------------------------------------------------------


@callee
def begins_connection(c: Any, own: Any, other: Any, flags: int, seq: Any) -> Any:
    """Whether a segment that is no copy opens a new connection on an address pair that had one.

    A SYN with another number does, and one with the same number when an established connection has ended; a SYN-ACK with
    another number does when the connection before it has ended (only that direction was captured).
    """
    if flags & SYN == 0 or flags & RST:
        return False
    ended = own.resets + other.resets > 0 or (own.fin and other.fin)
    if flags & ACK:
        return ended and own.isn_known and own.isn != seq
    if own.isn_known and own.isn == seq:
        return ended and bool(c.handshake)
    if own.known and np.uint32(np.uint32(own.start & 0xFFFFFFFF) - np.uint32(1)) == seq:
        return ended
    return ended or bool(own.known)


@callee
def clear_connection(c: Any, tuple_row: Any, end: int, s: Any, stream: Any, file: int) -> None:
    """A connection that begins with this segment. The row holds zeros."""
    c.tuple = tuple_row
    c.first = NO_TIME
    c.last = NO_TIME
    c.first_frame = s.frame
    c.first_file = file
    c.stream = stream
    c.before_reset = -1
    c.syn_time = NO_TIME
    c.syn_ack_time = NO_TIME
    c.client_rtt = -1
    c.server_rtt = -1
    c.first_from = end
    c.syn_from = -1
    c.syn_ack_from = -1
    c.fin_from = -1
    c.spoke_last = -1


@callee
def note_time(c: Any, end: int, s: Any) -> None:
    """First and last time, and the longest silence after which both ends spoke again; what follows a reset survives nothing."""
    if s.time != NO_TIME:
        if c.first == NO_TIME:
            c.first = s.time
            c.last = s.time
        quiet = s.time - c.last
        if quiet > c.quiet and quiet > c.survived:
            c.quiet = quiet
            c.spoke = 0
        c.last = max(c.last, s.time)
    if c.before_reset < 0 and c.quiet > 0:
        c.spoke |= 1 << end
        if c.spoke == 3:
            c.survived = c.quiet
            c.quiet = 0


@callee
def note_words(c: Any, end: int, s: Any, kind: int) -> None:
    """Who spoke last before the first FIN, how much, and whether the end that closed was still spoken to."""
    if kind == NEW and s.length > 0:
        if c.fin_from < 0:
            if c.spoke_last != end:
                c.spoke_last = end
                c.said = 0
            c.said += s.length
        elif c.fin_from != end:
            c.spoken_to = True
    if s.flags & FIN and c.fin_from < 0:
        c.fin_from = end


@callee
def note_letter(c: Any, end: int, letter: int) -> None:
    """Append a letter unless this end has it already."""
    code = letter + 8 * end
    if c.letters & (1 << code) == 0:
        c.letters |= 1 << code
        c.history |= np.uint64(code) << np.uint64(4 * c.letter_count)
        c.letter_count += 1


@callee
def note_history(c: Any, end: int, s: Any, kind: int, other_fin: bool) -> None:
    """Zeek's letters (TCPSessionAdapter's update_history and update_window)."""
    flags = s.flags
    control = flags & (SYN | FIN | RST)
    if control == SYN:
        note_letter(c, end, LETTER_SYN_ACK if flags & ACK else LETTER_SYN)
    elif control == FIN:
        note_letter(c, end, LETTER_FIN)
    elif control == RST:
        note_letter(c, end, LETTER_RST)
    elif control == 0 and s.length > 0:
        note_letter(c, end, LETTER_DATA)
    elif control == 0 and flags & ACK:
        note_letter(c, end, LETTER_ACK)
    if kind == AGAIN and s.length > 0:
        note_letter(c, end, LETTER_AGAIN)
    if s.window == 0 and flags & RST == 0 and not other_fin:
        note_letter(c, end, LETTER_ZERO_WINDOW)


@callee
def note_handshake(c: Any, end: int, s: Any, own: Any, other: Any) -> None:
    """Roles, SYN facts and the two handshake round trips; a SYN sent twice measures nothing (Karn, RFC 6298 3)."""
    flags = s.flags
    if flags & SYN:
        if own.syn_ttl < 0:
            own.syn_ttl = s.ttl
            if s.has_timestamps or not s.header_cut:  # else the option may have been there
                own.syn_timestamps = 1 if s.has_timestamps else 0
        if flags & ACK:
            own.syn_acks += 1
            if c.syn_ack_from < 0:
                c.syn_ack_from = end
            if c.syn_time != NO_TIME and s.time != NO_TIME and own.syn_acks == 1:
                c.server_rtt = max(s.time - c.syn_time, 0)
            c.syn_time = NO_TIME
            c.syn_ack_time = s.time if own.syn_acks == 1 else NO_TIME
        else:
            own.syns += 1
            if c.syn_from < 0:
                c.syn_from = end
            c.syn_time = s.time if own.syns == 1 and c.syn_from == end else NO_TIME
    elif flags & ACK and c.syn_ack_from == 1 - end and other.acked >= other.start:
        if c.syn_ack_time != NO_TIME and s.time != NO_TIME:
            c.client_rtt = max(s.time - c.syn_ack_time, 0)
        c.syn_ack_time = NO_TIME
        if c.syn_from == end:
            c.handshake = True


@callee
def count_ttl(values: Any, numbers: Any, ttl: int) -> None:
    """Space-saving counting: exact up to TTLS different values, then the rarest makes room."""
    rarest = 0
    for i in range(TTLS):
        if values[i] == ttl:
            numbers[i] += 1
            return
        if numbers[i] < numbers[rarest]:
            rarest = i
    values[rarest] = ttl
    numbers[rarest] += 1


@callee
def note_host(h: Any, s: Any, first: bool) -> None:
    """The baselines of an address. Only first sightings count, except where frames are counted."""
    h.packets += 1
    h.incoming += s.direction == DIRECTION_IN
    h.outgoing += s.direction == DIRECTION_OUT
    if s.flags & RST:
        h.resets += 1
        return
    if not first:
        return
    h.first_incoming += s.direction == DIRECTION_IN
    h.first_outgoing += s.direction == DIRECTION_OUT
    h.summed += 1
    h.unfinished += s.unfinished
    if s.flags & SYN:
        count_ttl(h.syn_ttl, h.syn_ttl_count, s.ttl)
        return
    count_ttl(h.ttl, h.ttl_count, s.ttl)
    h.established += 1
    if not s.ipv6:
        h.established4 += 1
        h.zero_id += s.ip_id == 0


@callee
def look_ahead(
    i: int, segments: Any, tuples: Any, tuple_slots: Any, hosts: Any, connections: Any, sides: Any, sightings: Any
) -> None:
    """Have what the next segments need brought into the cache, step by step, since each look-up needs the one before.

    A slot of `tuple_slots` may hold another pair: then what is fetched is of no use, and does no harm.
    """
    fetch(segments, i + 4 * AHEAD)
    s = segments[i + 3 * AHEAD]
    for place in range(0, COPY_PLACES, 2):
        fetch(sightings, first_place(s, sightings) + np.uint64(place))
    fetch(tuple_slots, s.pair & np.uint64(len(tuple_slots) - 1))
    row = tuple_slots[segments[i + 2 * AHEAD].pair & np.uint64(len(tuple_slots) - 1)]
    if row != EMPTY:
        fetch(tuples, row)
    row = tuple_slots[segments[i + AHEAD].pair & np.uint64(len(tuple_slots) - 1)]
    if row != EMPTY and tuples[row].connection >= 0:
        fetch(connections, tuples[row].connection)
        fetch(sides, 2 * tuples[row].connection)
        fetch(sides, 2 * tuples[row].connection + 1)
        fetch(hosts, tuples[row].host0 if segments[i + AHEAD].end == 0 else tuples[row].host1)


@compiled(
    segments=SEGMENT,
    tuples=TUPLE,
    tuple_slots=NUMBER,
    hosts=HOST,
    host_slots=NUMBER,
    connections=CONNECTION,
    sides=SIDE,
    resets=RESET,
    streams=STREAM,
    sightings=SIGHTING,
    counts=NUMBER,
    seen_streams=NUMBER,
)
def fold_segments(
    segments: Any,
    begin: int,
    file: int,
    stream_limit: int,
    tuples: Any,
    tuple_slots: Any,
    hosts: Any,
    host_slots: Any,
    connections: Any,
    sides: Any,
    resets: Any,
    streams: Any,
    sightings: Any,
    counts: Any,
    seen_streams: Any,
) -> int:
    """Fold segments from row `begin` on into the state; the row at which a table was full, or the number of rows.

    `seen_streams` takes the stream of each row when it has a place for each (tests), else nothing.
    """
    keep = len(seen_streams) > 0
    for i in range(begin, len(segments)):
        if (
            counts[TUPLES] >= len(tuples)
            or counts[HOSTS] + 2 > len(hosts)
            or counts[CONNECTIONS] >= len(connections)
            or (counts[RESETS] >= len(resets) and len(resets) < RESETS_KEPT)
            or counts[STREAMS] >= len(streams)
        ):
            return i
        s = segments[i]
        if i + 4 * AHEAD < len(segments):
            look_ahead(i, segments, tuples, tuple_slots, hosts, connections, sides, sightings)
        flags = s.flags
        counts[SEGMENTS] += 1
        end = s.end
        slot, row = find_tuple(s, tuples, tuple_slots)
        if row == EMPTY:
            row = add_tuple(s, slot, tuples, tuple_slots, counts)
            tuples[row].host0 = find_host(tuples[row].hi0, tuples[row].lo0, hosts, host_slots, counts)
            tuples[row].host1 = find_host(tuples[row].hi1, tuples[row].lo1, hosts, host_slots, counts)
        t = tuples[row]

        begins = begins_stream(t, end, flags, s.seq, file)
        if begins:
            counts[FILE_TUPLES] += t.file != file
            if counts[FILE_TUPLES] > stream_limit:
                t.stream = -1
            else:
                t.stream = counts[NEXT_STREAM]
                counts[NEXT_STREAM] += 1
            entry = streams[counts[STREAMS]]
            entry.tuple = row
            entry.stream = t.stream
            entry.file = file
            counts[STREAMS] += 1
        follow_bases(t, end, flags, s.seq, s.ack, begins, file)
        if keep:
            seen_streams[i] = t.stream

        first = first_sighting(s, t, end, sightings) < 0
        number = t.connection
        if number < 0 or (
            first
            and begins_connection(
                connections[number], sides[2 * number + end], sides[2 * number + 1 - end], flags, s.seq
            )
        ):
            number = counts[CONNECTIONS]
            counts[CONNECTIONS] += 1
            t.connection = number
            clear_connection(connections[number], row, end, s, t.stream, file)
            connections[number].number = counts[NUMBERED]
            counts[NUMBERED] += 1
            clear_side(sides[2 * number])
            clear_side(sides[2 * number + 1])
        c = connections[number]
        own = sides[2 * number + end]
        other = sides[2 * number + 1 - end]

        if flags & RST:
            if c.before_reset < 0:
                c.before_reset = own.packets + other.packets
            own.resets += 1
            if counts[RESETS] < RESETS_KEPT:
                r = resets[counts[RESETS]]
                counts[RESETS] += 1
                r.frame = s.frame
                r.time = s.time
                r.stream = t.stream
                r.connection = c.number
                r.host0 = t.host0
                r.host1 = t.host1
                r.port0 = t.port0
                r.port1 = t.port1
                r.seq = s.seq
                r.ack = s.ack
                r.length = s.length
                r.file = file
                r.flags = flags
                r.window = s.window
                r.ttl = s.ttl
                r.end = end
            else:
                counts[UNLISTED] += 1
        own.packets += 1
        c.last_frame = s.frame
        c.last_file = file
        note_time(c, end, s)
        note_host(hosts[t.host0 if end == 0 else t.host1], s, first)
        if not first:
            continue
        kind = SILENT
        if flags & RST == 0:
            kind = sent(own, s)
            own.window = s.window
            if flags & ACK:
                acknowledged(other, s)
            note_handshake(c, end, s, own, other)
            note_words(c, end, s, kind)
            if flags & SYN == 0:
                own.ttl = s.ttl
        note_history(c, end, s, kind, other.fin)
    return len(segments)


# --- Pass 2 ------------------------------------------------------------------------------------------------------------


@compiled(segments=SEGMENT, tuples=TUPLE, tuple_slots=NUMBER, rows=NUMBER)
def rows_of_tuples(segments: Any, tuples: Any, tuple_slots: Any, rows: Any) -> int:
    """Write the numbers of the segments whose address pair is among `tuples` into `rows`; how many there are."""
    count = 0
    for i in range(len(segments)):
        s = segments[i]
        if find_tuple(s, tuples, tuple_slots)[1] != EMPTY:
            rows[count] = i
            count += 1
    return count


@compiled(
    segments=SEGMENT,
    tuples=TUPLE,
    tuple_slots=NUMBER,
    span_ends=NUMBER,
    spans=SPAN,
    sides=SIDE,
    streams=STREAM,
    stream_next=NUMBER,
    stream_ends=NUMBER,
    sightings=SIGHTING,
    marks=MARK,
)
def select_segments(
    segments: Any,
    file: int,
    tuples: Any,
    tuple_slots: Any,
    span_ends: Any,
    spans: Any,
    sides: Any,
    streams: Any,
    stream_next: Any,
    stream_ends: Any,
    sightings: Any,
    head: int,
    before: int,
    after: int,
    marks: Any,
) -> int:
    """Mark the segments of wanted connections that fall into their windows; the number of marks.

    A tuple's `connection` is the row of its present span; `span_ends` closes its spans, `stream_next` and `stream_ends`
    bound its entries in `streams`.
    """
    count = 0
    for i in range(len(segments)):
        s = segments[i]
        end = s.end
        _, row = find_tuple(s, tuples, tuple_slots)
        if row == EMPTY:
            continue
        t = tuples[row]
        begins = begins_stream(t, end, s.flags, s.seq, file)
        if begins:
            at = stream_next[row]
            while at < stream_ends[row] and streams[at].file < file:
                at += 1
            told = at < stream_ends[row] and streams[at].file == file
            t.stream = streams[at].stream if told else -1
            stream_next[row] = at + 1 if told else at
        follow_bases(t, end, s.flags, s.seq, s.ack, begins, file)

        at = t.connection
        while at < span_ends[row] and (
            spans[at].last_file < file or (spans[at].last_file == file and spans[at].last_frame < s.frame)
        ):
            at += 1
        t.connection = at
        if at == span_ends[row]:
            continue
        span = spans[at]
        if span.first_file > file or (span.first_file == file and span.first_frame > s.frame):
            continue

        copy_of = first_sighting(s, t, end, sightings)
        kind = SILENT
        if copy_of < 0 and s.flags & RST == 0:
            kind = sent(sides[2 * at + end], s)
            if s.flags & ACK:
                acknowledged(sides[2 * at + 1 - end], s)
        ordinal = span.seen
        span.seen += 1
        if ordinal >= head and (ordinal < span.pivot - before or ordinal >= span.pivot + after):
            continue
        m = marks[count]
        count += 1
        m.row = i
        m.connection = span.connection
        m.stream = t.stream
        own_base = t.base0 if end == 0 else t.base1
        other_base = t.base1 if end == 0 else t.base0
        m.relative_seq = np.int64(np.uint32(s.seq - own_base))
        m.relative_ack = np.int64(np.uint32(s.ack - other_base)) if s.flags & ACK else np.int64(-1)
        m.copy_of = copy_of
        m.from_client = span.client_end == end
        m.retransmission = kind == AGAIN
        m.keepalive = kind == KEEPALIVE
    return count
