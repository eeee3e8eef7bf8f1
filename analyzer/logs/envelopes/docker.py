"""Docker's json-file log driver, and what `docker compose logs` prints in front of a line.

Lives here: the envelope. Docker cuts lines at 16 KiB; only the last piece ends with a newline.
"""

from __future__ import annotations

import json
import re

from analyzer.logs.envelope import Envelope, Peeled, Wrapped, name

_COMPOSE = re.compile(
    r"(?P<program>[A-Za-z][\w.-]{0,80}[-_]\d{1,3}) {1,60}\| (?:(?P<time>\d{4}-\d\d-\d\dT[\d:.]{8,18}Z) )?(?P<inside>.*)",
    re.DOTALL,
)


def peel(text: str) -> Peeled | None:
    """Take the line out of `{"log":"line\\n","stream":"stderr","time":"…"}`, or out of `service-1  | line`."""
    if not text.startswith("{"):
        found = _COMPOSE.match(text)
        return Peeled(found["inside"], found["time"] or "", program=found["program"]) if found else None
    if '"log"' not in text:
        return None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    line, time = fields.get("log"), fields.get("time")
    if not isinstance(line, str) or not isinstance(time, str):
        return None
    return Peeled(
        line.removesuffix("\n").removesuffix("\r"),
        time,
        stream=name(fields.get("stream")) or "",
        partial=not line.endswith("\n"),
    )


ENVELOPE = Envelope(
    id="docker",
    title="Docker: json-file logs, docker compose logs",
    reference="https://docs.docker.com/engine/logging/drivers/json-file/",
    peel=peel,
    samples=(
        Wrapped(
            '{"log":"2024-05-01 12:00:00.123 UTC [7] LOG:  disconnection: host=10.1.0.2 port=56852\\n","stream":"stderr","time":"2024-05-01T12:00:00.123456789Z"}',
            Peeled(
                "2024-05-01 12:00:00.123 UTC [7] LOG:  disconnection: host=10.1.0.2 port=56852",
                "2024-05-01T12:00:00.123456789Z",
                stream="stderr",
            ),
        ),
        Wrapped(
            '{"log":"\\u003cfirst half","stream":"stdout","time":"2024-05-01T12:00:00Z"}',
            Peeled("<first half", "2024-05-01T12:00:00Z", stream="stdout", partial=True),
        ),
        Wrapped("shop_web-1  | Error: read ECONNRESET", Peeled("Error: read ECONNRESET", program="shop_web-1")),
    ),
)  # fmt: skip
