"""How long a silence a path survives: the bracket of an idle timer, and the timers that are known to fit it.

Lives here: `failures`, `brackets`, and the catalogue of known defaults.
Never here: who holds the timer. One failure never makes a timer; three with a bracket make an estimate; a product's name is a hint.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

# A silence shorter than this is thinking, not idling: no known device forgets a connection so soon (catalogue of timers).
IDLE_SECONDS = 1.0
# An estimate needs this many failures.
ENOUGH = 3
# Unprompted endings belong to one timer when their silences agree within this.
SPREAD_SECONDS, SPREAD_SHARE = 1.0, 0.02
# A bracket wider than this factor says nothing about a product.
TELLING = 1.5

PATH = ["point", "client_ip", "server_ip", "server_port"]
SERVICE = ["point", "server_ip", "server_port"]

# Default idle timers in seconds: those that forget (the next packet fails, at any later time), and those that act when they expire.
FORGETS = {
    30: "Junos services flow",
    240: "Azure Load Balancer, Azure NAT Gateway",
    350: "AWS Network Load Balancer, NAT Gateway, Network Firewall",
    600: "Google Cloud VPC firewall",
    900: "IPVS (kube-proxy, Docker swarm)",
    1200: "Huawei USG, Google Cloud NAT",
    1800: "Juniper SRX",
    3600: "Cisco ASA, Palo Alto, FortiGate",
    432000: "Linux conntrack, EC2 security groups",
}
ACTS = {
    2: "gunicorn keepalive",
    5: "Node.js keepAliveTimeout, Apache KeepAliveTimeout, uvicorn",
    60: "AWS Application and Classic Load Balancer, Tomcat, nginx upstream keepalive",
    75: "nginx keepalive_timeout",
    90: "Heroku router",
    120: "IIS",
    240: "Azure Load Balancer with TCP reset",
    300: "F5 BIG-IP",
    350: "AWS Network Load Balancer",
    600: "PgBouncer server_idle_timeout",
    3600: "Envoy, Cisco ASA and FortiGate with reset",
    28800: "MySQL wait_timeout",
}


def failures(endings: pd.DataFrame) -> pd.Series[str]:
    """Return per ending how it failed after a silence: 'answered', 'unprompted' or 'silent'; NA where no silence came before."""
    idle = (
        (endings["idle_gap"] >= IDLE_SECONDS) & ~endings["sender_fin"] & ~endings["stage"].isin(["syn", "syn_ack"])
    ).fillna(False)
    answered = endings["answers_trigger"].fillna(False)
    probing = (endings["keepalives"] > 0).fillna(False)
    way = pd.Series(pd.NA, index=endings.index, dtype="string")
    reset = endings["kind"] == "reset"
    way[idle & reset & answered] = "answered"
    way[idle & reset & (endings["answers_trigger"] == False).fillna(False) & ~probing] = "unprompted"  # noqa: E712
    way[idle & (endings["kind"] == "silence")] = "silent"
    return way


def brackets(endings: pd.DataFrame) -> pd.DataFrame:
    """Return path_failed, path_failures, timer_low, timer_high and timer_known, row by row. Needs path_survived.

    A timer is sought per server port, over the paths on which something failed in that way.
    """
    out = pd.DataFrame(index=endings.index)
    for name in ("path_failed", "timer_low", "timer_high"):
        out[name] = pd.Series(pd.NA, index=endings.index, dtype="Float64")
    out["path_failures"] = pd.Series(pd.NA, index=endings.index, dtype="Int64")
    out["timer_known"] = pd.Series(pd.NA, index=endings.index, dtype="string")
    way = failures(endings)
    failed = endings.loc[way.notna(), [*PATH, "idle_gap", "path_survived"]].assign(way=way)
    if failed.empty:
        return out
    of_path = failed.groupby([*PATH, "way"])["idle_gap"]
    out.loc[failed.index, "path_failed"] = of_path.transform("min")
    out.loc[failed.index, "path_failures"] = of_path.transform("size").astype("Int64")
    for keys, rows in failed.groupby([*SERVICE, "way"]):
        if len(rows) < ENOUGH:
            continue
        bracket = estimate(
            rows["idle_gap"].to_numpy(dtype=float), rows["path_survived"].max(), acts=keys[-1] == "unprompted"
        )
        if bracket is not None:
            out.loc[rows.index, "timer_low"], out.loc[rows.index, "timer_high"] = bracket
            out.loc[rows.index, "timer_known"] = known(*bracket, acts=keys[-1] == "unprompted")
    return out


def estimate(
    silences: np.ndarray[tuple[int], np.dtype[np.float64]], survived: float | None, *, acts: bool
) -> tuple[float, float] | None:
    """Return (low, high] for the timer behind these failed silences; None where they contradict one timer.

    A timer that forgets lies below the shortest silence that failed and not below the longest that survived. One that acts
    ends the connection itself, so the silences agree.
    """
    longest = 0.0 if survived is None or pd.isna(survived) else float(survived)
    low, high = float(silences.min()), float(silences.max())
    if acts:
        slack = max(SPREAD_SECONDS, SPREAD_SHARE * low)
        return (max(low - slack, longest, 0.0), high) if high - low <= slack and longest <= high + slack else None
    return (longest, low) if longest < low else None


def known(low: float, high: float, *, acts: bool) -> str | None:
    """Return the known defaults within the bracket, or None where the bracket is too wide to mean anything."""
    if low <= 0 or high / low > TELLING:
        return None
    found = [f"{seconds} s ({who})" for seconds, who in (ACTS if acts else FORGETS).items() if low <= seconds <= high]
    return "; ".join(found) or None
