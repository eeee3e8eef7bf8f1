"""What a pair of a line and an ending is worth, and how easily chance makes such a pair.

Lives here: `scored` (vocabulary, direction and lag as one logarithm of odds), `ambiguity`, and the chances of coincidence.
Never here: which pairs are looked at, or chosen.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.correlation.rules import AWAY, ESTABLISHED, REFUSAL_STAGE, RULES, SILENCE, STAGE_DOUBT, TOWARD
from analyzer.correlation.wire import SECOND

# How long after its packet a line is written: most at once, some a little later, a few whenever a busy program comes to it.
AT_ONCE, SOON = 0.005, 0.1  # s, means of the first two
SHARES = (0.6, 0.3, 0.1)
STRAYS = 0.05  # share of lines that speak of nothing in the capture
UNVERIFIED = -2.0  # of a wording that nobody has seen printed nor found in source or documentation: our judgement
EPHEMERAL_PORTS = 28_232  # that Linux takes a client's port from (net.ipv4.ip_local_port_range)
DOUBTFUL = 0.05  # from here on a match is called a possible coincidence

Floats = npt.NDArray[np.float64]


def scored(pairs: pd.DataFrame, lines: pd.DataFrame, targets: pd.DataFrame, density: float) -> pd.DataFrame:
    """The pairs (row, target, lag, reach) that vocabulary and direction allow, with `likelihood` and `score`.

    likelihood  of such a line so long after such an ending, a second
    score       its logarithm of odds against a line that speaks of nothing in the capture, of which there are some (`density`, lines a second)

    `lines` is indexed by row (event, verified, writer, tolerance), `targets` by target (kind, from_client, stage).
    """
    line = pd.Index(lines.index).get_indexer(pairs["row"])
    target = pd.Index(targets.index).get_indexer(pairs["target"])
    relation = _relation(lines["writer"].to_numpy(dtype=object)[line], targets, target)
    events = lines["event"].to_numpy(dtype=object)
    codes, names = pd.factorize(events)
    doubts = np.array([[RULES[str(name)].alone.get(relative, -np.inf) for relative in _RELATIONS] for name in names])
    doubts[:, _EITHER] = doubts[:, :2].max(axis=1)
    fit = doubts[codes[line], relation]
    stage = targets["stage"].fillna("").to_numpy(dtype=object)[target]
    event = events[line]
    known_stage = (stage != "") & (relation != _RELATIONS.index(SILENCE))
    wrong = np.where(event == "refused", stage != REFUSAL_STAGE, np.isin(event, ESTABLISHED) & (stage == REFUSAL_STAGE))
    fit = fit + np.where(known_stage & wrong, STAGE_DOUBT, 0.0)
    fit = fit + np.where((lines["verified"] == "unverified").fillna(False).to_numpy(dtype=bool)[line], UNVERIFIED, 0.0)
    keep = np.isfinite(fit)
    lag = pairs["lag"].to_numpy(dtype=np.float64)[keep] / SECOND
    tolerance = lines["tolerance"].to_numpy(dtype=np.float64)[line][keep] / SECOND
    reach = pairs["reach"].to_numpy(dtype=np.float64)[keep] / SECOND
    likelihood = np.exp(fit[keep]) * _lag_density(lag, tolerance, reach)
    stray = max(STRAYS * density, 1e-9)
    kept: pd.DataFrame = pairs[keep]
    return kept.assign(likelihood=likelihood, score=np.log(np.maximum(likelihood, 1e-300) / stray))


_RELATIONS = (TOWARD, AWAY, SILENCE, "either")
_EITHER = 3


def _relation(
    writer: npt.NDArray[np.object_], targets: pd.DataFrame, target: npt.NDArray[np.intp]
) -> npt.NDArray[np.int64]:
    """What each target is to its line's writer, as a place in _RELATIONS; 'either' where the writer's side is not known."""
    kind = targets["kind"].to_numpy(dtype=object)[target]  # a reset or a silence
    by_client = targets["from_client"].fillna(False).to_numpy(dtype=bool)[target]
    toward = np.where(writer == "server", by_client, ~by_client)
    reset = np.where((writer == "server") | (writer == "client"), np.where(toward, 0, 1), _EITHER)
    out = np.where(kind == "reset", reset, 2)
    return out.astype(np.int64)


def _lag_density(lag: Floats, tolerance: Floats, reach: Floats) -> Floats:
    """How likely a line comes so many seconds after what it speaks of: two exponentials and a long tail, each as wide at least as the
    stamp and the clock are uncertain."""
    size = np.abs(lag)
    at_once, soon = AT_ONCE + tolerance, SOON + tolerance
    tail = 1 / (np.maximum(size, soon) * np.log(np.maximum(reach, 3 * soon) / soon))
    return SHARES[0] * np.exp(-size / at_once) / at_once + SHARES[1] * np.exp(-size / soon) / soon + SHARES[2] * tail


def ambiguity(chosen: pd.DataFrame, pairs: pd.DataFrame, stray: float, alike: pd.Series) -> tuple[Floats, Floats]:
    """For each chosen pair the probability that the line belongs to another ending that it could have been tied to, or to none; and the
    same without endings that are `alike` (a number for each target) and have a line of their own: whose is whose matters little there.

    A rival that another line was given counts as far as the two lines could change places.
    """
    if chosen.empty:
        return np.array([]), np.array([])
    given = chosen.set_index("target")[["row", "likelihood"]].rename(columns={"row": "other", "likelihood": "its"})
    rivals = pairs[pairs["row"].isin(chosen["row"])].join(given, on="target")
    own = chosen.set_index("row")[["target", "likelihood"]].rename(columns={"target": "mine", "likelihood": "chosen"})
    rivals = rivals.join(own, on="row")
    rivals = rivals[rivals["target"] != rivals["mine"]]
    swapped = rivals.merge(
        pairs[["row", "target", "likelihood"]].rename(columns={"row": "other", "target": "mine", "likelihood": "back"}),
        on=["other", "mine"],
        how="left",
    )
    taken = swapped["other"].notna()
    back = swapped["back"].fillna(0.0).to_numpy() + stray
    weight = swapped["likelihood"] * np.where(taken, np.minimum(1.0, back / swapped["its"].fillna(1.0).to_numpy()), 1.0)
    twins = taken.to_numpy() & (swapped["target"].map(alike).to_numpy() == swapped["mine"].map(alike).to_numpy())
    out = []
    for some in (weight, weight.where(~twins, 0.0)):
        against = some.groupby(swapped["row"]).sum().reindex(chosen["row"]).fillna(0.0).to_numpy() + stray
        out.append(np.asarray(against / (against + chosen["likelihood"].to_numpy()), dtype=np.float64))
    return out[0], out[1]


def by_time(lag: Floats, tolerance: Floats, rate: Floats) -> Floats:
    """The chance that a line of any moment finds an ending this near, where `rate` of them come a second."""
    return np.asarray(-np.expm1(-rate * (np.maximum(lag, 0) + tolerance)), dtype=np.float64)


def by_name(lag: Floats, connections: Floats, rate: Floats) -> Floats:
    """The chance that a line names this connection's address and port and means another one: ports come round.

    connections  of this client in the capture, any of which an unrelated line could have hit
    rate         of new ones a second, each of which may have taken the port since
    """
    return np.asarray(-np.expm1(-(connections + rate * np.maximum(lag, 0)) / EPHEMERAL_PORTS), dtype=np.float64)


def either(*chances: Floats) -> Floats:
    """The chance of at least one of several that know nothing of each other."""
    out = np.ones_like(chances[0])
    for chance in chances:
        out = out * (1 - np.clip(chance, 0.0, 1.0))
    return 1 - out
