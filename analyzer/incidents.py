"""Findings -> INCIDENTS: what belongs together by cause, sender, hosts and time, the most pressing first.

Lives here: grouping and ranking, the incident's own sentence, and the verdict.
Never here: judging a single ending (diagnosis).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from analyzer import schema
from analyzer.causes import all_causes
from analyzer.causes.wording import seconds
from analyzer.language import N_, Sentence, joined, say, say_many

# Findings of one kind with a longer pause than this between them are told as two incidents.
PAUSE = 600.0  # s
# So many endings of one kind without a pause longer than MOMENT have one reason, whatever hosts they touch.
MASS, MOMENT = 10, 1.0  # endings, s
# What a service's end draws after it, on the same server port, within this time.
AFTERMATH = 60.0  # s
LEADERS = ("process_exit", "server_shutdown", "host_restart")
FOLLOWERS = (
    "connection_refused",
    "data_after_close",
    "unread_data_at_close",
    "connection_state_lost",
    "keep_alive_race",
    "abortive_close",
)
# Lists of hosts stop here; the rest is in the findings.
MOST_HOSTS = 20

NEEDED = (
    "ending", "kind", "time", "client_ip", "server_ip", "server_port", "server", "sender", "apparent_sender", "other_leg_connection", "timer_low",
    "timer_high", "timer_known", "path_failures", "retries", "retry_spacing", "retry_interval", "connected_again",
    "icmp_error", "icmp_from",
)  # fmt: skip


def incidents(endings: pd.DataFrame, findings: pd.DataFrame, matches: pd.DataFrame, legs: pd.DataFrame) -> pd.DataFrame:
    """Return INCIDENTS, the top one first. `legs`: ending, connection: the connections that each ending stands for.

    Endings of one cause, sender and harm are one incident where they share the server port, or both hosts, without a long pause, or
    come in one burst. What only follows from another ending (refused attempts after a stop, a proxy's other leg) joins that one.
    Ranked by: tied to log lines, then harmful (unknown harm counts as harm), then connections, then time.
    """
    if endings.empty:
        return schema.INCIDENTS.empty()
    table = endings[list(NEEDED)].merge(findings, on="ending").sort_values("time", kind="stable", ignore_index=True)
    table["no_harm"] = table["harmless"].fillna(False).astype(bool)
    table["logged"] = table["ending"].isin(matches["ending"])
    own_end = (table["reset_by"] == table["apparent_sender"]) | (table["kind"] != "reset")
    of_connection = legs.drop_duplicates("connection").set_index("connection")["ending"]
    table["first_leg"] = table["other_leg_connection"].map(of_connection).where(own_end)
    members = schema.rows(table)
    groups = [[members[n] for n in numbers] for numbers in _groups(table, members)]
    groups.sort(key=_rank)
    return schema.INCIDENTS.of([_row(number, group) for number, group in enumerate(groups, start=1)])


def _rank(group: list[Any]) -> tuple[Any, ...]:
    return not any(m.logged for m in group), all(m.no_harm for m in group), -len(group), group[0].time


def _groups(table: pd.DataFrame, members: list[Any]) -> list[list[int]]:
    """Return the rows of `table` (in time order) that belong together."""
    parent = list(range(len(members)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    def join(a: int, b: int) -> None:
        a, b = root(a), root(b)
        parent[max(a, b)] = min(a, b)

    at = table["time"].astype("int64").to_numpy() / 1e9
    alike = ["kind", "cause", "reset_by", "no_harm"]
    for keys in (["server_ip", "server_port"], ["client_ip", "server_ip"]):
        label = table.groupby([*alike, *keys], dropna=False, sort=False).ngroup().to_numpy()
        for run in _runs(label, at, PAUSE):
            for n in run[1:]:
                join(run[0], n)
    label = table.groupby(alike, dropna=False, sort=False).ngroup().to_numpy()
    for run in _runs(label, at, MOMENT):
        if len(run) >= MASS:
            for n in run[1:]:
                join(run[0], n)
    _fold(members, at, join)
    found: dict[int, list[int]] = {}
    for n in range(len(members)):
        found.setdefault(root(n), []).append(n)
    return list(found.values())


def _runs(label: Any, at: Any, pause: float) -> Iterable[list[int]]:
    """Yield the rows of each label, cut where the pause between two is longer than this."""
    order = np.lexsort((at, label))
    cut = (np.diff(label[order]) != 0) | (np.diff(at[order]) > pause)
    for run in np.split(order, np.flatnonzero(cut) + 1):
        yield run.tolist()


def _fold(members: list[Any], at: Any, join: Any) -> None:
    """Join consequences to what they follow from."""
    stopped: dict[tuple[Any, ...], int] = {}
    place = {m.ending: n for n, m in enumerate(members)}
    waiting: dict[tuple[Any, ...], list[int]] = {}
    for n, m in enumerate(members):
        service = (m.server_ip, m.server_port)
        leader = stopped.get(service)
        if m.cause in LEADERS:
            for other in waiting.pop(service, []):  # the same moment, but captured a little earlier
                if at[n] - at[other] <= MOMENT:
                    join(n, other)
            stopped[service] = n
        elif m.cause in FOLLOWERS and m.apparent_sender == "server":
            if leader is not None and at[n] - at[leader] <= AFTERMATH:
                join(leader, n)
            elif m.cause != "connection_refused":
                waiting.setdefault(service, []).append(n)
        if m.first_leg in place:  # what a proxy did on its other side
            join(place[m.first_leg], n)


def _row(number: int, group: list[Any]) -> dict[str, Any]:
    first = [m for m in group if m.first_leg is None] or group
    head = next((m for m in first if m.cause in LEADERS), first[0])
    same = [m for m in group if m.cause == head.cause and m.reset_by == head.reset_by]
    cause = all_causes()[head.cause]
    return {
        "incident": f"i{number}",
        "reset_by": head.reset_by,
        "confidence": min((m.confidence for m in same if m.confidence is not None), default=None),
        "cause": cause.id,
        "cause_confidence": min((m.cause_confidence for m in same if m.cause_confidence is not None), default=None),
        "harmless": all(m.no_harm for m in group),
        "first": group[0].time,
        "last": group[-1].time,
        "resets": len(group),
        "logged": sum(m.logged for m in group),
        "clients": list(dict.fromkeys(m.client_ip for m in group))[:MOST_HOSTS],
        "servers": list(dict.fromkeys(m.server for m in group))[:MOST_HOSTS],
        "endings": [m.ending for m in group],
        "sentence": joined(
            [head.sentence if len(same) == 1 else _sentence(same, say(cause.title)), *_more(group, same), *_timer(same)]
        ),
        "afterwards": _afterwards(group),
        "remedy": say(cause.remedy),
    }


def _sentence(same: list[Any], title: Sentence) -> Sentence:
    first, told = same[0], {"n": len(same), "ends": _ends(same), "title": title}
    if first.kind == "silence" and first.icmp_error and len({(m.icmp_error, m.icmp_from) for m in same}) == 1:
        router = {"router": first.icmp_from, "error": first.icmp_error}
        return say(
            "{n} connections {ends} ended after an ICMP error from {router} ({error}): {title}.", **router, **told
        )
    if first.kind == "silence":
        return say("{n} connections {ends} got no answer any more: {title}.", **told)
    if first.kind != "reset":
        return say("{n} connections {ends} ended without a reset: {title}.", **told)
    return {
        "client": say("{n} connections {ends} were reset by the client: {title}.", **told),
        "server": say("{n} connections {ends} were reset by the server: {title}.", **told),
        "middlebox": say("{n} connections {ends} were reset by a device between them: {title}.", **told),
        "undetermined": say(
            "{n} connections {ends} were reset; the evidence does not decide who sent the resets. On the wire: {title}.",
            **told,
        ),
    }[first.reset_by]


def _ends(same: list[Any]) -> Sentence:
    """Return from whom to whom, naming what all of them share."""
    clients, hosts, services = ({getattr(m, name) for m in same} for name in ("client_ip", "server_ip", "server"))
    source = next(iter(clients)) if len(clients) == 1 else say("{n} clients", n=len(clients))
    if len(services) == 1:
        target = next(iter(services))
    elif len(hosts) == 1:
        target = say("{n} ports of {host}", n=len(services), host=next(iter(hosts)))
    else:
        target = say("{n} services of {hosts} servers", n=len(services), hosts=len(hosts))
    return say("from {source} to {target}", source=source, target=target)


def _more(group: list[Any], same: list[Any]) -> list[Sentence]:
    """Return what belongs to the incident without having its cause, and how fast a mass of resets came."""
    parts = []
    length = (same[-1].time - same[0].time).total_seconds()
    if len(same) >= MASS and length <= AFTERMATH:
        parts.append(say("All within {duration}.", duration=seconds(max(length, 1e-6))))
    refused = sum(m.cause == "connection_refused" for m in group) if same[0].cause != "connection_refused" else 0
    told = {m.ending for m in same}
    passed_on = [m for m in group if m.first_leg is not None and m.ending not in told]
    if passed_on:
        parts.append(
            say_many(
                "{host} passed that on: it ended {n} connection of its other side.",
                "{host} passed that on: it ended {n} connections of its other side.",
                len(passed_on),
                host=_proxy(passed_on),
            )
        )
    rest = len(group) - len(same) - refused - len(passed_on)
    if rest:
        parts.append(
            say_many("{n} more connection broke in consequence.", "{n} more connections broke in consequence.", rest)
        )
    if refused:
        parts.append(
            say_many(
                "Afterwards {n} attempt to connect was refused.",
                "Afterwards {n} attempts to connect were refused.",
                refused,
            )
        )
    return parts


def _proxy(passed_on: list[Any]) -> str:
    """Return the host that stood between, as its own side of these connections calls it."""
    hosts = {m.server_ip if m.apparent_sender == "server" else m.client_ip for m in passed_on}
    return str(next(iter(hosts))) if len(hosts) == 1 else say("{n} hosts", n=len(hosts))


def _timer(same: list[Any]) -> list[Sentence]:
    """Return the bracket of the idle timer, where enough connections failed to have one."""
    known = next((m for m in same if m.timer_high is not None), None)
    if known is None or not known.cause.startswith("idle_timeout"):
        return []
    high = seconds(known.timer_high)
    parts = [
        say("The timer is longer than {low} and at most {high}.", low=seconds(known.timer_low), high=high)
        if known.timer_low
        else say("The timer is at most {high}.", high=high)
    ]
    if known.timer_known:
        parts.append(say("Known defaults in that range: {defaults}.", defaults=known.timer_known))
    return parts


# How one client tried again in vain, by the spacing of its attempts (ENDINGS.retry_spacing); and until it worked.
_IN_VAIN = {
    "fixed": N_(
        "{client} tried to connect again {n} times within a minute, every {pause}; none of these attempts worked."
    ),
    "backoff": N_(
        "{client} tried to connect again {n} times within a minute, with growing pauses; none of these attempts worked."
    ),
    "storm": N_(
        "{client} tried to connect again {n} times within a minute, hardly pausing ({pause}); none of these attempts worked."
    ),
    "": N_("{client} tried to connect again {n} times within a minute; none of these attempts worked."),
}
_UNTIL = {
    "fixed": N_("{client} tried to connect again {n} times, every {pause}; the last attempt worked, {wait} afterwards."),
    "backoff": N_("{client} tried to connect again {n} times, with growing pauses; the last attempt worked, {wait} afterwards."),
    "storm": N_("{client} tried to connect again {n} times, hardly pausing ({pause}); the last attempt worked, {wait} afterwards."),
    "": N_("{client} tried to connect again {n} times; the last attempt worked, {wait} afterwards."),
}  # fmt: skip


def _afterwards(group: list[Any]) -> Sentence | None:
    """Return what the clients did next, by each one's first ending: later ones may be its attempts to connect again."""
    first: dict[tuple[str, str], Any] = {}
    for m in group:
        if m.kind != "log_only":
            first.setdefault((m.client_ip, m.server), m)
    known = [m for m in first.values() if m.retries is not None]
    if not known:
        return None
    if len(known) > 1:
        back = [m.connected_again for m in known if m.connected_again is not None]
        storms = sum(m.retry_spacing == "storm" for m in known)
        told = {"all": len(known), "n": len(back), "wait": seconds(max(back, default=0.0)), "storms": storms}
        if storms:
            return say(
                "Of {all} pairs of client and server, {n} were connected again within a minute; {storms} tried ten times a second or more.",
                **told,
            )
        if not back:
            return say("None of {all} pairs of client and server was connected again within a minute.", **told)
        return say(
            "Of {all} pairs of client and server, {n} were connected again within a minute, the last after {wait}.",
            **told,
        )
    m = known[0]
    told = {
        "client": m.client_ip,
        "n": m.retries,
        "wait": None if m.connected_again is None else seconds(m.connected_again),
    }
    if not m.retries:
        return say("{client} did not try to connect again within a minute.", **told)
    if m.retries == 1:
        return (
            say("{client} connected again {wait} afterwards.", **told)
            if told["wait"]
            else say("{client} tried to connect again once within a minute; that did not work.", **told)
        )
    told["pause"] = None if m.retry_interval is None else seconds(m.retry_interval)
    return say((_UNTIL if told["wait"] else _IN_VAIN)[m.retry_spacing if m.retry_spacing in _UNTIL else ""], **told)


def verdict(table: pd.DataFrame) -> dict[str, Any]:
    """Return the result document's verdict: the top incident, what share of the harmful connections it covers, and the other harmful incidents."""
    if table.empty:
        return {
            "incident": None, "reset_by": None, "confidence": None, "cause": None, "cause_confidence": None, "covers": None, "others": 0,
            "sentence": say("No connection in this capture was reset or died in silence."),
        }  # fmt: skip
    top = table.iloc[0]
    harmful = table[~table["harmless"].fillna(False).astype(bool)]
    total = int(harmful["resets"].sum())
    covers = None if not total else (0.0 if bool(top["harmless"]) else float(top["resets"]) / total)
    others = len(harmful[harmful["incident"] != top["incident"]])
    sentence = top["sentence"]
    if covers is not None and 0 < covers < 0.5:
        sentence = say("Several problems; the most pressing: {sentence}", sentence=sentence)
    if not total:
        sentence = joined([say("Nothing harmful."), sentence])
    return {
        "incident": top["incident"],
        "reset_by": top["reset_by"],
        "confidence": None if pd.isna(top["confidence"]) else float(top["confidence"]),
        "cause": top["cause"],
        "cause_confidence": None if pd.isna(top["cause_confidence"]) else float(top["cause_confidence"]),
        "covers": None if covers is None else round(covers, 2),
        "others": others,
        "sentence": sentence,
    }
