"""Findings -> INCIDENTS: what belongs together by cause, sender, service and time, the most pressing first.

Lives here: grouping and ranking, the incident's own sentence, and the verdict.
Never here: judging a single ending (diagnosis.py).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analyzer import schema
from analyzer.causes import all_causes

# Findings of one kind with a longer pause than this between them are told as two incidents.
PAUSE = 600.0  # s
# Lists of hosts stop here; the rest is in the findings.
MOST_HOSTS = 20


def incidents(endings: pd.DataFrame, findings: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Return INCIDENTS: one row per cause, sender, harm and server port, split at pauses; the top one first.

    Ranked by: tied to log lines, then harmful (unknown harm counts as harm), then connections, then time.
    """
    if endings.empty:
        return schema.INCIDENTS.empty()
    keys = ["kind", "cause", "reset_by", "no_harm", "server_ip", "server_port"]
    table = endings.merge(findings, on="ending")
    table["no_harm"] = table["harmless"].fillna(False).astype(bool)
    table["logged"] = table["ending"].isin(matches["ending"])
    table = table.sort_values("time", kind="stable")
    pause = table.groupby(keys, dropna=False)["time"].diff().dt.total_seconds() > PAUSE
    table["part"] = pause.groupby([table[k] for k in keys], dropna=False).cumsum()
    groups = [members for _, members in table.groupby([*keys, "part"], dropna=False, sort=False)]
    groups.sort(key=lambda g: (not g["logged"].any(), bool(g["no_harm"].iloc[0]), -len(g), g["time"].iloc[0]))
    return schema.INCIDENTS.conform(pd.DataFrame([_row(number, group) for number, group in enumerate(groups, start=1)]))


def _row(number: int, group: pd.DataFrame) -> dict[str, Any]:
    first = group.iloc[0]
    cause = all_causes()[first["cause"]]
    return {
        "incident": f"i{number}",
        "reset_by": first["reset_by"],
        "confidence": group["confidence"].min(),
        "cause": cause.id,
        "cause_confidence": group["cause_confidence"].min(),
        "harmless": bool(group["no_harm"].all()),
        "first": group["time"].iloc[0],
        "last": group["time"].iloc[-1],
        "resets": len(group),
        "logged": int(group["logged"].sum()),
        "clients": list(dict.fromkeys(group["client_ip"]))[:MOST_HOSTS],
        "servers": list(dict.fromkeys(group["server"]))[:MOST_HOSTS],
        "endings": list(group["ending"]),
        "sentence": first["sentence"] if len(group) == 1 else _sentence(group, cause.title),
        "remedy": cause.remedy,
    }


def _sentence(group: pd.DataFrame, title: str) -> str:
    first = group.iloc[0]
    clients = group["client_ip"].nunique()
    source = first["client_ip"] if clients == 1 else f"{clients} clients"
    what = f"{len(group)} connections from {source} to {first['server']}"
    if first["kind"] == "silence":
        return f"{what} died in silence: {title}."
    if first["reset_by"] == "undetermined":
        return f"{what} were reset; the evidence does not decide who sent the resets. On the wire: {title}."
    who = "a device between them" if first["reset_by"] == "middlebox" else f"the {first['reset_by']}"
    return f"{what} were reset by {who}: {title}."


def verdict(table: pd.DataFrame) -> dict[str, Any]:
    """Return the result document's verdict: the top incident, what share of the harmful connections it covers, and the other harmful incidents."""
    if table.empty:
        return {
            "incident": None, "reset_by": None, "confidence": None, "cause": None, "cause_confidence": None, "covers": None, "others": 0,
            "sentence": "No connection in this capture was reset or died in silence.",
        }  # fmt: skip
    top = table.iloc[0]
    harmful = table[~table["harmless"].fillna(False).astype(bool)]
    total = int(harmful["resets"].sum())
    covers = None if not total else (0.0 if bool(top["harmless"]) else float(top["resets"]) / total)
    others = len(harmful[harmful["incident"] != top["incident"]])
    sentence = str(top["sentence"])
    if covers is not None and 0 < covers < 0.5:
        sentence = f"Several problems; the most pressing: {sentence}"
    if not total:
        sentence = f"Nothing harmful. {sentence}"
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
