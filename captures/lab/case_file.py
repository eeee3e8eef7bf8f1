"""The label of a case: ``case.toml`` as frozen dataclasses, read and written.

An unknown key, a missing one or a value outside its vocabulary is an error: a typo must not turn a test green. What
the words mean is written beside each field. No capture is opened here.
"""

import json
import re
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Side = Literal["client", "server", "middlebox", "undetermined"]
Emitter = Literal["socket", "kernel", "host_filter", "device", "unknown"]
Point = Literal["client", "router", "server"]
View = Literal["client", "router", "server", "both"]
Ending = Literal["reset", "silence", "fin_midway", "closed"]
Cause = Literal[
    "connection_refused",
    "firewall_reject",
    "half_open_probe",
    "health_probe",
    "accept_queue_overflow",
    "abortive_close",
    "unread_data_at_close",
    "data_after_close",
    "keep_alive_race",
    "idle_timeout",
    "idle_timeout_notified",
    "connection_state_lost",
    "process_exit",
    "host_restart",
    "keepalive_timeout",
    "retransmission_timeout",
    "path_mtu_black_hole",
    "injected_reset",
    "tls_failure",
    "protocol_error",
    "protocol_mismatch",
    "server_timeout",
    "server_shutdown",
    "client_cancel",
    "port_reuse",
    "challenge_ack",
    "nat_state_mismatch",
    "relayed_reset",
    "server_overload",
    "late_reset",
    "closed_midway",
    "orderly_close",
    "unexplained",
]


class CaseFileError(ValueError):
    """A case.toml that does not say what it should."""


@dataclass(frozen=True)
class Claim:
    """What must not be said with confidence. Both parts together, where both are given; at one view, or at every."""

    reset_by: Side | None = None
    cause: Cause | None = None
    at: View | None = None


@dataclass(frozen=True)
class TiedLine:
    """A log line that belongs to this connection."""

    file: str  # name of the log in the case's folder
    text: str  # a fragment of the line


@dataclass(frozen=True)
class Sight:
    """What is right at one view where the connection's first reset never passed: the first reset that did."""

    reset_by: Side
    cause: Cause
    may_be: tuple[Cause, ...] = ()
    emitter: Emitter = "unknown"


@dataclass(frozen=True)
class Connection:
    """One connection that is judged, and what is true of it."""

    client: str  # address:port, an IPv6 address in brackets
    server: str
    ending: Ending = "reset"
    reset_by: Side | None = None  # who transmitted the first effective reset; none where there was none
    cause: Cause | None = None
    may_be: tuple[Cause, ...] = ()  # causes that are as good an answer
    emitter: Emitter | None = None  # what on that side made it
    harmless: bool | None = None
    decidable_at: tuple[View, ...] = ()  # views whose packets settle who; elsewhere "undetermined" is as good
    must_not: tuple[Claim, ...] = ()
    log_lines: tuple[TiedLine, ...] = ()
    at: Mapping[View, Sight] = field(default_factory=dict)


@dataclass(frozen=True)
class Log:
    """One log of the case."""

    file: str
    format: str  # postgresql, python, nginx ...
    zone: str  # of its timestamps, as an IANA name
    machine: Point


@dataclass(frozen=True)
class Clock:
    """How wrong the clock of one capture was made, after the fact."""

    offset_seconds: float  # ahead of the other points at its first packet
    drift_ppm: float = 0.0  # what it gains from then on


@dataclass(frozen=True)
class Origin:
    """How the case came to be."""

    story: str
    built: str  # RFC 3339, UTC
    network: str
    kernel: str
    software: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A case folder's label. A connection that is not listed ended well, or is none of the report's business."""

    title: str
    origin: Origin
    captures: Mapping[Point, str]  # a file or, for a rotated set, a folder
    connections: tuple[Connection, ...]
    logs: tuple[Log, ...] = ()
    clocks: Mapping[Point, Clock] = field(default_factory=dict)  # a point that is not named keeps the common time
    original_names: Mapping[str, str] = field(
        default_factory=dict
    )  # where a file's real name has characters that some systems forbid
    folder: Path = Path()


def load(folder: Path) -> Case:
    """The label of one case folder."""
    path = Path(folder) / "case.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CaseFileError(f"{path}: {error}") from error
    if "folder" in table:
        raise CaseFileError(f"{path}: unknown key folder")
    case: Case = _read(Case, table | {"folder": Path(folder)}, str(path))
    return case


def cases(root: Path) -> list[Case]:
    """Every case of the corpus, by name."""
    return [load(path.parent) for path in sorted(root.glob("*/case.toml"))]


def dump(case: Case) -> str:
    """The text of a case.toml; ``load`` reads it back unchanged."""
    return (
        "\n".join(
            _write({item.name: getattr(case, item.name) for item in fields(case) if item.name != "folder"})
        ).strip()
        + "\n"
    )


def _read(kind: Any, value: Any, where: str) -> Any:
    """``value``, as TOML gives it, in the shape that the annotation ``kind`` asks for."""
    if is_dataclass(kind):
        return _read_table(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _read(arguments[0], value, where)
    if origin is Literal:
        if value not in arguments:
            raise CaseFileError(f"{where}: {value!r} is none of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        _demand(list, value, where)
        return tuple(_read(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        _demand(dict, value, where)
        return {
            _read(arguments[0], key, where): _read(arguments[1], item, f"{where}.{key}") for key, item in value.items()
        }
    _demand(kind, value, where)
    return value


def _read_table(kind: Any, table: Any, where: str) -> Any:
    _demand(dict, table, where)
    known = {item.name: item for item in fields(kind)}
    if unknown := table.keys() - known.keys():
        raise CaseFileError(f"{where}: unknown key {', '.join(sorted(unknown))}")
    if missing := [
        name
        for name, item in known.items()
        if item.default is MISSING and item.default_factory is MISSING and name not in table
    ]:
        raise CaseFileError(f"{where}: missing key {', '.join(missing)}")
    hints = get_type_hints(kind)
    return kind(**{name: _read(hints[name], value, f"{where}: {name}") for name, value in table.items()})


def _demand(kind: type, value: Any, where: str) -> None:
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise CaseFileError(f"{where}: expected {kind.__name__}, got {value!r}")


def _write(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The lines of one table: plain values first, then sub-tables, then lists of tables."""
    items = {name: value for name, value in table.items() if value is not None and value != () and value != {}}
    for name, value in items.items():
        if not _is_table(value):
            yield f"{_key(name)} = {_inline(value)}"
    for name, value in items.items():
        path = f"{prefix}{_key(name)}"
        if _is_table(value) and isinstance(value, tuple):
            for item in value:
                yield from ("", f"[[{path}]]", *_write(_as_table(item), f"{path}."))
        elif _is_table(value) and any(_is_table(item) for item in _as_table(value).values()):
            yield from _write(_as_table(value), f"{path}.")
        elif _is_table(value):
            yield from ("", f"[{path}]", *_write(_as_table(value), f"{path}."))


def _is_table(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        or (is_dataclass(value) and not _is_small(value))
        or (isinstance(value, tuple) and bool(value) and is_dataclass(value[0]) and not _is_small(value[0]))
    )


def _is_small(value: Any) -> bool:
    """What stands on one line, in braces."""
    return isinstance(value, Claim | TiedLine)


def _as_table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {item.name: getattr(value, item.name) for item in fields(value)}


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        items = [_inline(item) for item in value]
        return "[\n  " + ",\n  ".join(items) + ",\n]" if is_dataclass(value[0]) else f"[{', '.join(items)}]"
    if is_dataclass(value):
        given = {name: item for name, item in _as_table(value).items() if item is not None}
        return "{" + ", ".join(f"{name} = {_inline(item)}" for name, item in given.items()) + "}"
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string
