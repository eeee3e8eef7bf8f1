"""What a cause is: a list of signs, and the prose that makes it useful.

Lives here: `Cause`, `Sign`, `Origin` and the helpers that signs are made of (`all_of`, `any_of`, `known`, `connected`, `log_says`, `kernel_says` …).
Never here: a particular cause (one file each, beside this one), or any summing of weights (diagnosis.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Literal, cast

import pandas as pd
from pandas.arrays import BooleanArray

Origin = Literal["sender", "peer", "path", "none"]
Test = Callable[[pd.DataFrame], "pd.Series[bool]"]
_BOOLEAN = pd.BooleanDtype()


@dataclass(frozen=True)
class Sign:
    """One observable statement about an ending.

    id       unique within its cause, a noun phrase in snake_case
    says     the statement, with ENDINGS columns in braces; read as true when the sign holds
    plain    the statement without values: said where the sign does not hold, where a value is unknown, and in the list of causes
    test     ENDINGS rows -> nullable boolean, NA where it cannot be known
    holds    weight when it holds, in decibans (10 dB = odds of ten)
    fails    weight when it does not hold (negative, or 0)
    source   where the weight's direction comes from, to be looked up: an RFC section, a kernel function, a vendor's page, a lab case
    group    signs of one group rise and fall together: only the strongest of those that held, and of those that failed, counts
    needed   when it fails, the hypothesis is out of the question; when it is NA, it stays possible
    cites    ENDINGS columns that hold the frames which show it
    cites_logs  the log lines tied to the ending show it
    log_events  of these, only those that say one of these events; empty: all
    """

    id: str
    says: str
    test: Test
    holds: int
    fails: int = 0
    source: str = ""
    group: str = ""
    needed: bool = False
    cites: tuple[str, ...] = ("frame",)
    cites_logs: bool = False
    log_events: tuple[str, ...] = ()
    plain: str = ""


@dataclass(frozen=True)
class Cause:
    """One mechanism that ends a connection.

    id          the file's name, a contract
    title       a noun phrase a manager understands
    kinds       the kinds of ending it can explain
    origins     who can have put it on the wire: "sender" (the host whose address it carries), "peer" (the other host, against itself:
                its own packet filter), "path" (a device between), "none"
    mechanism   what happens, for an engineer, with the kernel function or RFC section
    remedy      what to change, the setting by name; whose setting it is
    confirm     how to make sure outside the capture: counter, command, log setting
    signs       see Sign
    prior       decibans against a typical ending, before looking; by origin
    emitter     what on that side makes it, by origin
    harmless    True when this cause never harms
    lookalikes  cause id -> what tells them apart
    references  (what, where) a reader can look up
    """

    id: str
    title: str
    origins: tuple[Origin, ...]
    mechanism: str
    remedy: str
    confirm: str
    signs: tuple[Sign, ...]
    prior: dict[Origin, int]
    emitter: dict[Origin, str]
    lookalikes: dict[str, str]
    references: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...] = ("reset",)
    harmless: bool = False


def known(condition: pd.Series[bool], seen: pd.Series[bool]) -> pd.Series[bool]:
    """Return the condition where `seen` is true, NA elsewhere."""
    out = _nullable(condition).copy()
    out[~_nullable(seen).to_numpy(dtype=bool, na_value=False)] = pd.NA
    return pd.Series(out, index=condition.index)


def shaking_hands(e: pd.DataFrame) -> pd.Series[bool]:
    """Return whether the handshake was not over; NA where the stage is unknown."""
    return known(e["stage"].isin(["syn", "syn_ack"]), e["stage"].notna())


def connected(e: pd.DataFrame) -> pd.Series[bool]:
    """Return whether the handshake was over; NA where the stage is unknown."""
    return ~shaking_hands(e)


def log_says(
    e: pd.DataFrame, side: Literal["client", "server", "sender", "peer", "any"], *events: str
) -> pd.Series[bool]:
    """Return whether a log line of that side, tied to the ending, says one of these events; NA without such lines."""
    client, server = (_contains(e[name], "|".join(events)) for name in ("client_log_events", "server_log_events"))
    if side in ("client", "server"):
        return client if side == "client" else server
    if side == "any":
        return any_of(client, server)
    by_client, by_server = e["apparent_sender"] == "client", e["apparent_sender"] == "server"
    pairs = (
        ((by_client, client), (by_server, server)) if side == "sender" else ((by_client, server), (by_server, client))
    )
    return any_of(*(known(says, says.notna() & who) for who, says in pairs))


def kernel_says(*reasons: str) -> Sign:
    """Return the sign that the trace of the sender's kernel gives one of these reasons; without any, that a kernel's reason speaks against."""
    return Sign(
        "kernel_reason", "the kernel of {sender} says in its trace why it sent it: {kernel_reason}",
        lambda e: known(e["kernel_reason"].isin(reasons), e["kernel_reason"].notna()),
        8 if reasons else 0, -12, source="Linux include/net/rstreason.h, tracepoint tcp:tcp_send_reset", cites_logs=True, log_events=("reset_sent",),
        plain="the kernel of {sender} gives in its trace a reason that fits",
    )  # fmt: skip


def _contains(told: pd.Series[str], pattern: str) -> pd.Series[bool]:
    """Return whether the words match; NA without words. Without logs nobody has any, and nothing is searched."""
    return told.str.contains(pattern) if told.notna().any() else pd.Series(pd.NA, index=told.index, dtype=_BOOLEAN)


def died_talking(e: pd.DataFrame) -> pd.Series[bool]:
    """Return whether that side ended the connection itself: it closed and answered what came later, or its socket died with bytes unread."""
    return any_of(all_of(e["sender_fin"], e["answers_trigger"]), all_of(~e["answers_trigger"], e["live_socket"]))


def goodbye_said(e: pd.DataFrame) -> pd.Series[bool]:
    """Return whether the server's last words said why it was leaving; NA where its words could not be read."""
    return known(e["server_goodbye"].notna(), e["application"].notna() & ~e["encrypted"].fillna(False))


def all_of(*conditions: pd.Series[bool]) -> pd.Series[bool]:
    """Return the Kleene AND of nullable conditions: False wins over NA."""
    return pd.Series(reduce(and_, map(_nullable, conditions)), index=conditions[0].index)


def any_of(*conditions: pd.Series[bool]) -> pd.Series[bool]:
    """Return the Kleene OR of nullable conditions: True wins over NA."""
    return pd.Series(reduce(or_, map(_nullable, conditions)), index=conditions[0].index)


def _nullable(condition: pd.Series[bool]) -> BooleanArray:
    """Return the values alone: a Series around each step would cost more than the step."""
    values = condition.array
    return values if isinstance(values, BooleanArray) else cast(BooleanArray, condition.astype(_BOOLEAN).array)
