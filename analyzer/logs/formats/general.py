"""Any program's log: a usual time stamp and the system's error text, number or symbol, wherever they stand.

Lives here: the format. The texts are in error_texts.json. An entry reaches from its time stamp through what is below it.
Never here: words of a program, a runtime or a library; they have files of their own. This format is asked last.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from analyzer.logs.log_format import ERROR_SENTENCES, LogFormat, Message, Sample, usual_head

_ERRORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "error_texts.json").read_text(encoding="utf-8"))


def _of_error(entry: dict[str, Any]) -> list[Message]:
    """The error's texts, its number where it can be nothing else, and its symbol."""
    name, event, proves = entry["error"], entry["event"], ERROR_SENTENCES[entry["event"]]
    out = []
    for text in entry["texts"]:
        words = text["text"]
        forms = {words, words[0].lower() + words[1:], words.replace("'", "’")}
        out.append(
            Message(
                name,
                event,
                f"(?i:{re.escape(words)})".replace("'", "['’]"),
                tuple(sorted(forms)),
                proves,
                verified=text["verified"],
                language=text["language"],
            )
        )
    numbers = "|".join(map(str, entry["numbers"]))
    tags = [
        f"{tag}{number}{end}"
        for number in entry["numbers"]
        for tag, end in (("[Errno ", "]"), ("[WinError ", "]"), ("(os error ", ")"), ("(", ": "))
    ]
    codes = [str(number) for number in entry["numbers"] if number > 10000]
    tagged = rf"\[(?:Errno|WinError) (?:{numbers})\]|\(os error (?:{numbers})\)|\((?:{numbers}): [A-Z]"
    coded = (
        rf"|(?:error|errno|code|WSA\w{{1,20}})\W{{1,4}}(?:{'|'.join(codes)})\b|\(0x000027[0-9A-F]{{2}}/(?:{'|'.join(codes)})\)"
        if codes
        else ""
    )
    out.append(
        Message(
            name, event, tagged + coded, tuple(tag for tag in [*tags, *codes] if len(tag) > 4), proves, verified="lab"
        )
    )
    out.append(Message(name, event, rf"\b{name}\b", (name,), proves, verified="lab"))
    return out


_BIND = {"writer": "server", "client_port": None, "server_ip": None}
_STAMPED = "2024-05-01 12:00:00,123 ERROR app: "
_TIME = "2024-05-01T12:00:00.123Z"
SAMPLES = (
    Sample(
        "2024-05-01 12:00:00,123 ERROR app: recv failed, code=10054",
        "ECONNRESET",
        "reset_received",
        "2024-05-01T12:00:00.123Z",
        {},
    ),
    Sample(
        "May  1 12:00:00 web1 app[4711]: peer 192.0.2.10:51234: Connection reset by peer",
        "ECONNRESET",
        "reset_received",
        "2024-05-01T12:00:00Z",
        {"pid": 4711, "client_ip": "192.0.2.10", "client_port": 51234},
    ),
    Sample(  # what programs say that cannot listen: HAProxy, Apache, Go, Java
        "2024-05-01T12:00:00.123Z web1 haproxy[18165]: [ALERT]    (18165) : Binding [h.cfg:6] for frontend f: cannot bind socket (Address already in use) for [0.0.0.0:19001]",
        "EADDRINUSE",
        "port_in_use",
        _TIME,
        _BIND | {"server_port": 19001},
    ),
    Sample(
        "2024-05-01T12:00:00.123Z web1 apache2[7]: (98)Address already in use: AH00072: make_sock: could not bind to address [::]:19001",
        "EADDRINUSE",
        "port_in_use",
        _TIME,
        _BIND | {"server_port": 19001},
    ),
    Sample(
        "2024/05/01 12:00:00 listen tcp :8080: bind: address already in use",
        "EADDRINUSE",
        "port_in_use",
        "2024-05-01T12:00:00Z",
        _BIND | {"server_port": 8080},
    ),
    Sample(
        "2024-05-01T12:00:00.123Z Error: listen EADDRINUSE: address already in use :::19001",
        "EADDRINUSE",
        "port_in_use",
        _TIME,
        _BIND | {"server_port": 19001},
    ),
    *(
        Sample(f"{_STAMPED}[Errno {entry['numbers'][0]}] {text['text']}", entry["error"], entry["event"], _TIME)
        for entry in _ERRORS
        for text in entry["texts"]
    ),
    *(Sample(f"{_STAMPED}it said {entry['error']}", entry["error"], entry["event"], _TIME) for entry in _ERRORS),
)

FORMAT = LogFormat(
    id="general",
    title="any log with time stamps: error texts of Linux, macOS and Windows",
    reference="https://man7.org/linux/man-pages/man3/errno.3.html",
    messages=tuple(message for entry in _ERRORS for message in _of_error(entry)),
    samples=SAMPLES,
    head=usual_head,
    anchored=False,
    rank=9,
)
