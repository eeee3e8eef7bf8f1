"""Any program's log: a usual time stamp and the system's error text, or a well-known library's own words for it.

Lives here: the format. What Python, Java, Node and Go say of a broken connection is in general.json; the error texts of
error_texts.json are recognised wherever they stand. An entry reaches from its time stamp through its traceback.
Never here: programs that have a file of their own. This format is asked last.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from analyzer.logs.log_format import Head, LogFormat, Message, Sample, data_beside, messages_of, samples_of

_LEVEL = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|PANIC|crit|error|warn|info|notice|alert|emerg)\b"
)
_PID = re.compile(r"\b\w{1,40}\[(\d{1,10})\]:|^\S{8,30} \S{5,20} \[(\d{1,10})\]|\] (\d{1,10})#\d{1,10}: ")
_LEVELS = {"warn": "WARNING", "crit": "CRITICAL", "emerg": "EMERGENCY"}


def head(text: str) -> Head | None:
    """Every entry may be this format's; level and process id where they stand in a usual place before the message."""
    start = text[:200]
    level, pid = _LEVEL.search(start), _PID.search(start)
    name = level[1] if level else None
    return Head(
        body=0,
        severity=_LEVELS.get(name.lower(), name.upper()) if name else None,
        pid=int(next(filter(None, pid.groups()))) if pid else None,
    )


_ERRORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "error_texts.json").read_text(encoding="utf-8"))
_DATA: dict[str, Any] = data_beside(__file__)
_SENTENCES = {
    "reset_received": "the writer's kernel had received a reset",
    "reset_or_eof": "the writer's connection was gone; whether by FIN or by reset the text does not tell",
    "broken_pipe": "the writer wrote to a connection that was already closed or reset",
    "aborted_locally": "the writer's own stack gave the connection up; nothing says that a reset arrived",
    "timed_out": "no answer came; nothing says that a reset arrived",
    "refused": "a reset answered the writer's SYN",
    "unreachable": "the network said that there is no way to the peer",
}


def _of_error(entry: dict[str, Any]) -> list[Message]:
    """The error's texts, its number where it can be nothing else, and its symbol."""
    name, event, proves = entry["error"], entry["event"], _SENTENCES[entry["event"]]
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


# Words that fold a FIN and a reset, and yet carry an error's symbol, go before the error texts; those that quote none go after.
MESSAGES = (
    *messages_of(_DATA["before_error_texts"]),
    *(message for entry in _ERRORS for message in _of_error(entry)),
    *messages_of(_DATA["after_error_texts"]),
)

_STAMPED = "2024-05-01 12:00:00,123 ERROR app: "
_TIME = "2024-05-01T12:00:00.123Z"
SAMPLES = (
    *samples_of([*_DATA["before_error_texts"], *_DATA["after_error_texts"]]),
    *(Sample(s["text"], s["message"], s["event"], s["time"], s["fields"]) for s in _DATA["samples_of_error_texts"]),
    *(
        Sample(f"{_STAMPED}[Errno {entry['numbers'][0]}] {text['text']}", entry["error"], entry["event"], _TIME)
        for entry in _ERRORS
        for text in entry["texts"]
    ),
    *(Sample(f"{_STAMPED}write {entry['error']}", entry["error"], entry["event"], _TIME) for entry in _ERRORS),
)

FORMAT = LogFormat(
    id="general",
    title="any log with time stamps: error texts of Linux, macOS and Windows; words of Python, Java, Node, Go",
    reference="https://man7.org/linux/man-pages/man3/errno.3.html",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=False,
    rank=9,
)
