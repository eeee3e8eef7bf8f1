"""Blocks of bytes -> entries: the lines that belong together around a text that is looked for.

Lives here: where an entry begins and ends. A program that prints the time begins an entry with it: a line without a time continues the one
before. In an envelope every line has a time, so what is inside decides, and lines of other writers may stand between. The journal's export
parts its records itself.
Never here: what an entry says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from analyzer.logs import timestamps
from analyzer.logs.encodings import LINE_LIMIT
from analyzer.logs.peeling import Line, unwrap

ENTRY_LIMIT = 200  # lines of one entry
FOREIGN_LIMIT = 20  # lines of other writers between two of one entry
AROUND = 2 * LINE_LIMIT  # bytes before and after a hit that stay in reach when a block ends
YEAR = 2024  # of stamps that print none; only their distance counts here
TOGETHER = 10**9  # nanoseconds between a collector's stamps of lines that one program wrote at once
# A line without a time of day, or the kernel's seconds since its start, belongs to the one before it.
_STARTS = re.compile(
    rb"(?=\S)(?=[^\n]{0,512}?(?:\d:\d\d:\d\d|\b1\d{9})|Fatal NI connect error)"
    rb"|(?:\[ {0,6}| {0,24}\S[^\[\n]{0,60}\[\d{3}\] (?:[^\n\]]{0,12}? )?)\d{1,10}\.\d{6,9}[\]:] "
)
_EXPORTED, _RECORD = re.compile(rb"[A-Z_][A-Z0-9_]{0,63}="), re.compile(rb"__(?:CURSOR|REALTIME_TIMESTAMP|SEQNUM)=")
_OWN_TIME = re.compile(r"[^\n]{0,64}?(?:\d:\d\d:\d\d|\b1\d{9})|[IWEF]\d{4} \d\d:")
_GOES_ON = re.compile(
    r"\s|$|[)}\]]|Caused by: |Suppressed: |\.\.\. \d|Traceback \(|During handling of|The above exception|\[cause\]|--- End of|goroutine \d"
)
_PYTHON_FRAME = re.compile(r"  +(?!at |\.\.\. )\S")
_RAISED = re.compile(r"[A-Za-z_][\w.$]{0,200}(?:: |$)")  # the last line of a Python traceback


@dataclass(frozen=True)
class Entry:
    """One entry: the number of its first line, what that line's envelopes say of the writer, and the lines as their program wrote them."""

    number: int
    first: Line
    lines: list[str]


def entries(
    blocks: Iterable[bytes], find: Callable[[bytes], Iterable[int]], decode: Callable[[bytes], str]
) -> Iterator[Entry]:
    """The entries that hold a hit, in the order of their hits.

    blocks  whole lines each
    find    positions in some bytes, ascending; only the lines around them are looked at
    decode  bytes of a line -> text
    """
    window = _Window(decode)
    done = 0  # hits before this position have been dealt with
    for block, last in _marked(blocks):
        window.data += block
        limit = len(window.data) if last else window.line_start(len(window.data) - AROUND)
        if limit > done:
            for position in find(window.data[done:limit]):
                if entry := window.entry(done + position):
                    yield entry
            done = limit - window.forget_before(limit - AROUND)


def _marked(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each block, and whether it is the last."""
    held: bytes | None = None
    for block in blocks:
        if held is not None:
            yield held, False
        held = block
    if held is not None:
        yield held, True


@dataclass
class _Window:
    """The bytes in reach, by positions of lines' beginnings.

    number  of the line at position 0
    taken   beginnings of lines that an entry has
    """

    decode: Callable[[bytes], str]
    data: bytes = b""
    number: int = 1
    counted: tuple[int, int] = (0, 0)  # a position, and how many lines end before it
    taken: set[int] = field(default_factory=set)
    known: dict[int, Line] = field(default_factory=dict)

    def line_start(self, position: int) -> int:
        return self.data.rfind(b"\n", 0, position) + 1 if position > 0 else 0

    def next_line(self, start: int) -> int:
        newline = self.data.find(b"\n", start)
        return len(self.data) if newline < 0 else newline + 1

    def forget_before(self, position: int) -> int:
        """Drop whole lines before `position`; how many bytes that were."""
        cut = self.line_start(position)
        self.number += self.lines_before(cut)
        self.data, self.counted = self.data[cut:], (0, 0)
        self.taken = {start - cut for start in self.taken if start >= cut}
        self.known.clear()
        return cut

    def lines_before(self, start: int) -> int:
        """How many lines end before `start`, counted from where it was asked last."""
        position, lines = self.counted
        if start >= position:
            lines += self.data.count(b"\n", position, start)
        else:
            lines -= self.data.count(b"\n", start, position)
        self.counted = start, lines
        return lines

    def raw(self, start: int) -> str:
        return self.decode(self.data[start : self.next_line(start)].removesuffix(b"\n"))

    def line(self, start: int) -> Line:
        if start not in self.known:
            self.known[start] = unwrap(Line(self.raw(start)), self.decode)
        return self.known[start]

    def entry(self, position: int) -> Entry | None:
        """The entry around a hit; None where another hit has had it."""
        start = self.line_start(position)
        if start in self.taken:
            return None
        wrapped = bool(self.line(start).envelopes)
        starts = (not wrapped and self._record(start)) or (self._wrapped(start) if wrapped else self._plain(start))
        self.taken.update(starts)
        first, *others = [self.line(at) for at in starts]
        texts = [first.text]
        partial = first.partial
        for other in others:
            if partial:
                texts[-1] = (texts[-1] + other.text)[:LINE_LIMIT]
            else:
                texts.append(other.text)
            partial = other.partial
        return Entry(self.number + self.lines_before(starts[0]), first, texts)

    def _record(self, start: int) -> list[int]:
        """The lines of a record of the journal's export format, which empty lines part, whatever times stand in it; none of any other."""
        if not _EXPORTED.match(self.data, start):
            return []
        starts = [start]
        while starts[0] and self.data[starts[0] - 2 : starts[0]] != b"\n\n" and len(starts) < ENTRY_LIMIT:
            starts.insert(0, self.line_start(starts[0] - 1))
        if not _RECORD.match(self.data, starts[0]):
            return []
        while (
            (after := self.next_line(starts[-1])) < len(self.data)
            and self.data[after : after + 1] != b"\n"
            and len(starts) < ENTRY_LIMIT
        ):
            starts.append(after)
        return [] if self.taken.intersection(starts) else starts

    def _plain(self, start: int) -> list[int]:
        """Back to the line with a time, and on to the next one with a time."""
        back = [start]
        while not _STARTS.match(self.data, back[-1]):
            before = self.line_start(back[-1] - 1)
            if back[-1] == 0 or before in self.taken or len(back) == ENTRY_LIMIT:
                back = [start]
                break
            back.append(before)
        starts = back[::-1]
        while len(starts) < ENTRY_LIMIT:
            after = self.next_line(starts[-1])
            if after >= len(self.data) or after in self.taken or _STARTS.match(self.data, after):
                break
            starts.append(after)
        return starts

    def _wrapped(self, start: int) -> list[int]:
        """The same among the lines of one writer; where it prints no time, by the shapes of continuing lines."""
        writer = self.line(start).writer
        back = [start]
        for before in self._of_writer(writer, start, -1):
            if _has_time(self.line(back[-1])) and not self.line(before).partial:
                break
            back.append(before)
        starts = back[::-1]
        first = self.line(starts[0])
        if not (_has_time(first) and _together(first, self.line(start))):
            begin = len(starts) - 1
            while begin and _continues(self.line(starts[begin]), self.line(starts[begin - 1])):
                begin -= 1
            starts = starts[begin:]
            first = self.line(starts[0])
        for after in self._of_writer(writer, start, 1):
            line, before_it = self.line(after), self.line(starts[-1])
            stampless = _has_time(first) and not _has_time(line) and _together(first, line)
            if len(starts) == ENTRY_LIMIT or not (stampless or _continues(line, before_it)):
                break
            starts.append(after)
        return starts

    def _of_writer(self, writer: tuple[object, ...], start: int, step: int) -> Iterator[int]:
        """Beginnings of that writer's lines before or after `start`, until too many of others stand between."""
        own = foreign = 0
        while own < ENTRY_LIMIT and foreign < FOREIGN_LIMIT:
            if step < 0 and start == 0:
                return
            start = self.line_start(start - 1) if step < 0 else self.next_line(start)
            if start >= len(self.data) or start in self.taken:
                return
            if self.line(start).writer == writer:
                own, foreign = own + 1, 0
                yield start
            else:
                foreign += 1


def _has_time(line: Line) -> bool:
    return bool(_OWN_TIME.match(line.text)) or line.text.startswith('{"')


def _continues(line: Line, before: Line) -> bool:
    return (
        before.partial
        or bool(_GOES_ON.match(line.text))
        or (bool(_PYTHON_FRAME.match(before.text)) and bool(_RAISED.match(line.text)) and not _has_time(line))
    )


def _together(one: Line, other: Line) -> bool:
    """Whether the collector had both at about the same time; also when it prints none."""
    if not one.times or not other.times:
        return True
    stamps = [timestamps.find(line.times[0], YEAR) for line in (one, other)]
    return None in stamps or abs(stamps[0].nanoseconds - stamps[1].nanoseconds) <= TOGETHER  # type: ignore[union-attr]
