"""Windows' event log as XML, one event a line, as `wevtutil qe … /f:xml` and many forwarders write it.

Lives here: the envelope. The table that the Event Viewer exports prints dates in the order of its user's language, and is not read.
"""

from __future__ import annotations

import re
from html import unescape

from analyzer.logs.envelope import Envelope, Peeled, Wrapped, name, number

_TIME = re.compile(r"<TimeCreated\s{1,4}SystemTime=['\"]([^'\"]{1,40})['\"]")
_PROVIDER = re.compile(r"<Provider\s[^>]{0,400}?Name=['\"]([^'\"]{1,200})['\"]")
_COMPUTER = re.compile(r"<Computer>([^<]{1,255})</Computer>")
_PROCESS = re.compile(r"<Execution\s[^>]{0,100}?ProcessID=['\"](\d{1,10})['\"]")
_DATA = re.compile(r"<(?:Data|Message)(?:\s[^>]{0,200})?>([^<]{0,20000})</(?:Data|Message)>")


def peel(text: str) -> Peeled | None:
    """Take the texts out of `<Event …><System>…</System><EventData><Data>…</Data></EventData></Event>`."""
    if not text.startswith("<Event"):
        return None
    time = _TIME.search(text)
    if time is None:
        return None
    provider, computer, process = _PROVIDER.search(text), _COMPUTER.search(text), _PROCESS.search(text)
    return Peeled(
        "\n".join(unescape(part) for part in _DATA.findall(text)), time[1], name(computer and computer[1]), name(provider and unescape(provider[1])),
        number(process and process[1]) or None,
    )  # fmt: skip


ENVELOPE = Envelope(
    id="windows_event",
    title="Windows event log as XML",
    reference="https://learn.microsoft.com/windows/win32/wes/eventschema-event-schema",
    peel=peel,
    samples=(
        Wrapped(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='PostgreSQL'/><EventID>0</EventID>"
            "<TimeCreated SystemTime='2024-05-01T12:00:00.1234567Z'/><Execution ProcessID='4711' ThreadID='0'/><Computer>db1</Computer></System>"
            "<EventData><Data>LOG:  could not receive data from client: An existing connection was forcibly closed by the remote host.</Data></EventData></Event>",
            Peeled(
                "LOG:  could not receive data from client: An existing connection was forcibly closed by the remote host.",
                "2024-05-01T12:00:00.1234567Z", "db1", "PostgreSQL", 4711,
            ),
        ),
    ),
)  # fmt: skip
