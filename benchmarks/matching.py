"""Measure the matching: `python -m benchmarks.matching`, 100,000 resets against 1 million relevant log lines.

Lives here: a made day of one database server, its tables as the stages before hand them over, and the measurement. Two logs of that day: one
with log_connections, where the process names its connection, and one that names nothing but the time (no pid, no address).
Never here: reading captures or logs (pass1, generate).
"""

import argparse
import resource
import sys
import time

import numpy as np
import pandas as pd

from analyzer import schema
from analyzer.correlation import correlate

DAY = 86_400.0  # seconds
START = pd.Timestamp("2026-11-20T00:00:00Z")
SERVER = ("10.2.0.2", 5432)
LOG_OFFSET = 9 * 3600 + 2.7  # what the log's clock is ahead
CLIENTS = 200


def at(seconds: np.ndarray) -> pd.Series:
    """Times of the day."""
    return pd.Series(START.value + np.rint(seconds * 1e9).astype(np.int64)).astype("datetime64[ns, UTC]")


def day(resets: int, random: np.random.Generator) -> dict[str, pd.DataFrame]:
    """ENDINGS, CONNECTIONS, RESET_FRAMES and COVERAGE of a day on which clients reset this many connections, and as many end well."""
    count = 2 * resets
    first = np.sort(random.uniform(0, DAY - 60, count))
    last = first + random.uniform(1, 50, count)
    was_reset = np.zeros(count, dtype=bool)
    was_reset[random.choice(count, resets, replace=False)] = True
    connections = pd.DataFrame(
        {
            "connection": np.arange(1, count + 1),
            "point": "server",
            "client_ip": [f"10.1.{n // 100}.{n % 100 + 1}" for n in random.integers(0, CLIENTS, count)],
            "client_port": 32768 + np.arange(count) % 28_000,
            "server_ip": SERVER[0],
            "server_port": SERVER[1],
            "roles_known": True,
            "first": at(first),
            "last": at(last),
            "client_fin": ~was_reset,
            "server_fin": ~was_reset,
        }
    )
    ended = connections[was_reset].reset_index(drop=True)
    endings = ended[["point", "connection", "client_ip", "client_port", "server_ip", "server_port"]].assign(
        ending=[f"r{n}" for n in range(1, len(ended) + 1)], kind="reset", time=ended["last"], apparent_sender="client"
    )
    frames = endings[["point", "connection", "time"]].assign(
        src=endings["client_ip"], sport=endings["client_port"], dst=SERVER[0], dport=SERVER[1]
    )
    coverage = pd.DataFrame({"point": ["server"], "first": [START], "last": [START + pd.Timedelta(seconds=DAY)]})
    return {
        "endings": schema.ENDINGS.conform(endings),
        "connections": schema.CONNECTIONS.conform(connections),
        "reset_frames": schema.RESET_FRAMES.conform(frames),
        "coverage": schema.COVERAGE.conform(coverage),
    }


def log(
    tables: dict[str, pd.DataFrame], lines: int, named: bool, random: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """LOG_LINES of that day, and the connection of each (-1 for none).

    For each reset there is a line within some milliseconds, a few are late; the rest are of connections that were opened, authorised and
    closed, or, where nothing is named, of the server's own timeouts.
    """
    c = tables["connections"]
    first, last = (c[name].astype("int64").to_numpy() / 1e9 - START.value / 1e9 for name in ("first", "last"))
    was_reset = ~c["client_fin"].to_numpy(dtype=bool)
    late = random.exponential(0.004, len(c)) + np.where(random.random(len(c)) < 0.01, random.uniform(0, 3, len(c)), 0)
    parts = [("reset_received", last + late, was_reset)]
    if named:
        parts += [
            ("opened", first + 0.0005, np.ones(len(c), dtype=bool)),
            ("authenticated", first + 0.001, np.ones(len(c), dtype=bool)),
            ("closed", last + late + 0.0005, np.ones(len(c), dtype=bool)),
        ]
    rows = []
    for event, when, which in parts:
        rows.append(pd.DataFrame({"when": when[which], "event": event, "of": np.flatnonzero(which)}))
    rest = lines - sum(len(part) for part in rows)
    rows.append(
        pd.DataFrame(
            {"when": random.uniform(0, DAY, rest), "event": "authenticated" if named else "local_timeout", "of": -1}
        )
    )
    table = pd.concat(rows, ignore_index=True).sort_values("when", ignore_index=True)
    of = table["of"].to_numpy()
    known = named & (of >= 0)
    made = schema.LOG_LINES.conform(
        pd.DataFrame(
            {
                "source": "postgresql.log",
                "line": np.arange(1, len(table) + 1),
                "text": "LOG:  " + table["event"],
                "format": "postgresql",
                "written": at(np.floor((table["when"].to_numpy() + LOG_OFFSET) * 1e3) / 1e3),
                "zone": "unknown",
                "resolution": 0.001,
                "event": table["event"],
                "writer": "server",
                "pid": pd.array(np.where(known, 1000 + of, 0), dtype="Int64") if named else None,
                "client_ip": c["client_ip"].reindex(of).where(known).to_numpy(),
                "client_port": c["client_port"].reindex(of).where(known).to_numpy(),
                "address_basis": np.where(known, np.where(table["event"].isin(["opened", "closed"]), "line", "process"), None),
            }
        )
    )  # fmt: skip
    return made, of


def main() -> int:
    """Match both logs, and say how long it took, how much memory, and how many ties are right."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--resets", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    asked = parser.parse_args()
    for named in (True, False):
        random = np.random.default_rng(20261120)
        tables = day(asked.resets, random)
        lines, of = log(tables, asked.lines, named, random)
        before = resource.getrusage(resource.RUSAGE_SELF)
        begin = time.perf_counter()
        found = correlate(*(tables[n] for n in ("endings", "connections", "reset_frames")), lines, tables["coverage"],
                          reference_point="server")  # fmt: skip
        elapsed = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_SELF)
        truth = tables["endings"].set_index("connection")["ending"].reindex(of + 1).to_numpy()  # by line
        said = int((lines["event"] == "reset_received").sum())
        matched = found.matches[found.matches["event"] == "reset_received"]
        right = int((matched["ending"].to_numpy() == truth[matched["line"].to_numpy(dtype=np.int64) - 1]).sum())
        print(
            f"{'named' if named else 'times only'}: {len(tables['endings']):,} resets, {len(lines):,} lines: {elapsed:.1f} s elapsed, "
            f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f} s of the processor, "
            f"{after.ru_maxrss / 1024:,.0f} MB at most in the whole process; {len(matched):,} of {said:,} lines of resets tied, "
            f"{right:,} of them right; clock: {found.clocks['sentence'].iloc[0]}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
