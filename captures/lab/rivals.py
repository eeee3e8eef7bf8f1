"""What somebody without this project would answer: the address on the reset, or netverdict.

netverdict (PyPI, GPL-2.0-only) runs as a program of its own in an environment of its own, `.cache/netverdict`; no line of it is
imported or copied. It is given one capture at a time, a rotated set joined with mergecap first.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from captures.lab import judging
from captures.lab.case_file import Case, Cause, Connection, Side, View

NETVERDICT = "0.8.1"
HOME = judging.ROOT / ".cache" / "netverdict"
# The rules that say something about a reset or a death in silence, and the cause that their title states. Of a connection that was
# reset after its handshake it says that there are three families of causes: no answer.
STATED: dict[str, Cause] = {
    "rst-to-syn": "connection_refused",
    "reject-icmp": "firewall_reject",
    "mtu-blackhole": "path_mtu_black_hole",
    "perte-sans-reprise": "retransmission_timeout",
    "syn-no-answer": "retransmission_timeout",
}
SURE = "haute"  # the highest of its three confidences, which its JSON spells in French in every language


@dataclass(frozen=True)
class Verdict:
    """What netverdict says of one connection in one capture."""

    names: Side | None = None  # the side whose address its `rst_emitter` is
    decided: Side | None = None  # the same, where its leading rule is not one of those that it calls ambiguous
    sure: bool = False
    cause: Cause | None = None


def header(case: Case, connection: Connection, view: View) -> Side | None:
    """Whose address the first reset carries that passed at this view; none where none passed."""
    reset = first_reset(case, connection, view)
    return None if reset is None else "server" if reset["destination"] == connection.client else "client"


def first_reset(case: Case, connection: Connection, view: View) -> dict[str, Any] | None:
    """The first reset of a connection that passed at a view, as the case's witnesses saw it."""
    there = set(judging.ENDS if view == "both" else (view,))
    for reset in _testimony(case.folder)["resets"]:
        if connection.client in (reset["source"], reset["destination"]) and there & set(reset["seen_at"]):
            return dict(reset)
    return None


def other_names(case: Case, connection: Connection) -> list[Connection]:
    """The labels of the same connection under the name that a router which translates gave it, or had from it; ports are kept."""
    routers = _testimony(case.folder)["routers"]
    host, _, port = connection.client.rpartition(":")
    return [
        other
        for other in case.connections
        if (other.client.rpartition(":")[2], other.server) == (port, connection.server)
        and (host in routers) != (other.client.rpartition(":")[0] in routers)
    ]


@cache
def _testimony(folder: Path) -> dict[str, Any]:
    """The resets by time, and the addresses of the routers."""
    told = json.loads((folder / "witness.json").read_text(encoding="utf-8"))
    machines = told.get("addresses", {}).items()
    routers = {host for machine, hosts in machines if machine.startswith("router") for host in hosts}
    return {"resets": sorted(told["resets"], key=lambda reset: float(reset["time"])), "routers": routers}


@cache
def program() -> Path | None:
    """netverdict, installed on first use; none, with a sentence, where that fails."""
    found = HOME / ("Scripts/netverdict.exe" if sys.platform == "win32" else "bin/netverdict")
    stamp = HOME / "installed"
    if not (stamp.is_file() and stamp.read_text() == NETVERDICT and found.is_file()):
        shutil.rmtree(HOME, ignore_errors=True)
        try:
            venv.create(HOME, with_pip=True)
            pip = [str(found.with_name("python")), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
            subprocess.run([*pip, f"netverdict=={NETVERDICT}"], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
            print(f"netverdict could not be installed: {' '.join(said)}", file=sys.stderr)
            return None
        stamp.write_text(NETVERDICT)
    return found


def verdict(case: Case, connection: Connection, view: View) -> Verdict:
    """netverdict's answer. Both ends are two runs; what they do not agree on stays unanswered."""
    runs = [
        _of(connection, flows)
        for path in judging.points(case, view).values()
        if (flows := _flows(path)) is not None and _passed(connection, flows)
    ]
    if not runs:
        return Verdict()

    def agreed(name: str) -> Any:
        answers = {getattr(run, name) for run in runs}
        return answers.pop() if len(answers) == 1 else None

    return Verdict(agreed("names"), agreed("decided"), bool(agreed("sure")), agreed("cause"))


def reading(flow: dict[str, Any]) -> Verdict:
    """One flow of netverdict's JSON, its own client being the client."""
    signals, matches = flow["signals"], flow["matches"]
    sides: dict[str, Side] = {signals["client"]: "client", signals["server"]: "server"}
    names = sides.get(signals["rst_emitter"])
    if not matches:
        return Verdict(names)
    leading = max(matches, key=lambda match: match["priority"])
    device = leading["rule"] == "reject-icmp"
    decided: Side | None = "middlebox" if device else names if leading["rule"] == "rst-to-syn" else None
    return Verdict(names, decided, leading["confidence"] == SURE, STATED.get(leading["rule"]))


def _of(connection: Connection, flows: list[dict[str, Any]]) -> Verdict:
    for flow in flows:
        client, server = _ends(flow)
        if connection.client in (client, server):
            said = reading(flow)
            if connection.client == client:
                return said
            other: dict[Side | None, Side | None] = {"client": "server", "server": "client"}
            return Verdict(other.get(said.names), other.get(said.decided, said.decided), said.sure, said.cause)
    return Verdict()


def _passed(connection: Connection, flows: list[dict[str, Any]]) -> bool:
    return any(connection.client in _ends(flow) for flow in flows)


def _ends(flow: dict[str, Any]) -> tuple[str, str]:
    s = flow["signals"]
    ends = [(s["client"], s["cport"]), (s["server"], s["sport"])]
    client, server = (f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip, port in ends)
    return client, server


@cache
def _flows(place: Path) -> list[dict[str, Any]] | None:
    """netverdict's flows of one capture, remembered by content; none where it is not installed or gives up."""
    parts = list(judging.files([place]))
    digest = hashlib.sha256(NETVERDICT.encode())
    for path in parts:
        digest.update(path.read_bytes())
    kept = HOME.with_name("netverdict-answers") / f"{digest.hexdigest()[:32]}.json"
    if kept.is_file():
        return list(json.loads(kept.read_text(encoding="utf-8")))
    if (netverdict := program()) is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        whole = parts[0]
        if len(parts) > 1:
            whole = Path(scratch) / "whole.pcapng"
            subprocess.run(["mergecap", "-w", whole, *parts], check=True)
        run = subprocess.run(
            [netverdict, "analyze", "--json", "--lang", "en", whole], capture_output=True, text=True, check=False
        )
    try:
        flows = json.loads(run.stdout)["flows"]
    except (ValueError, KeyError):
        flows = []
    small = [
        {
            "signals": {name: flow["signals"][name] for name in ("client", "server", "cport", "sport", "rst_emitter")},
            "matches": [
                {name: match[name] for name in ("rule", "confidence", "priority")} for match in flow["matches"]
            ],
        }
        for flow in flows
    ]
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(small), encoding="utf-8")
    return small
