"""Findings -> EVIDENCE: the signs behind the chosen hypothesis and the likeliest other one, as sentences with frames and lines.

Lives here: filling in the sentences, and the bound on how many are kept. Never here: weighing (diagnosis/__init__.py).
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer import schema
from analyzer.causes.cause import Sign
from analyzer.causes.wording import seconds
from analyzer.diagnosis.hypothesis import Hypothesis
from analyzer.language import Sentence, say

# Of endings that are alike, this many have their evidence in full.
IN_FULL = 30
# … and the rest this many signs.
STRONGEST = 2


class _Filled:
    """A sign's sentence, filled in with an ending's values: durations with their unit.

    Where the sign does not hold, or a value is unknown, it is said plainly: a value is not denied, nor its absence read out.
    """

    def __init__(self, sign: Sign) -> None:
        self._says, self._plain = sign.says, sign.plain or sign.says
        self._fields = [(name, spec or "") for _, name, spec, _ in string.Formatter().parse(sign.says) if name]
        self.names = [name for name, _ in self._fields]
        self._made: dict[tuple[bool, tuple[Any, ...]], Sentence] = {}

    def __call__(self, values: tuple[Any, ...], held: bool) -> Sentence:
        held = held and None not in values
        if (held, values) not in self._made:
            fields = zip(self._fields, values, strict=True)
            words = {name: _word(name, value, spec) for (name, spec), value in fields}
            self._made[held, values] = say(self._says if held else self._plain, **words)
        return self._made[held, values]


def _word(name: str, value: Any, spec: str) -> str:
    if value is None:
        return say("unknown")
    column = schema.ENDINGS.columns.get(name)
    return seconds(value) if column is not None and column.unit == "s" else format(value, spec)


class _Facts:
    """ENDINGS by column as plain values, None where unknown, each column converted when it is first asked for."""

    def __init__(self, endings: pd.DataFrame) -> None:
        self._table = endings
        self._columns: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._columns:
            values = self._table[name].astype(object)
            self._columns[name] = values.where(values.notna(), None).to_numpy()
        return self._columns[name]


def evidence(
    endings: pd.DataFrame,
    pairs: list[Hypothesis],
    probability: npt.NDArray[np.float64],
    best: npt.NDArray[np.int64],
    held: list[npt.NDArray[np.int8]],
    counted: list[npt.NDArray[np.int64]],
    matches: pd.DataFrame,
) -> pd.DataFrame:
    """Return EVIDENCE: the signs of the chosen pair and of the likeliest other one, with the frames and lines that show them.

    Of many endings that are alike (chosen pair, other pair, server) the first IN_FULL have every sign; the rest have the STRONGEST
    signs of the chosen pair, or a scan of 20,000 ports would say the same half a million times.
    """
    lines: dict[str, list[tuple[str, int, str]]] = {}
    for ending, source, line, event in zip(
        *(matches[name] for name in ("ending", "source", "line", "event")), strict=True
    ):
        lines.setdefault(ending, []).append((source, int(line), event))
    others = probability.copy()
    others[np.arange(len(best)), best] = -1.0
    second = others.argmax(axis=1)
    second[others.max(axis=1) <= 0] = -1
    alike = pd.DataFrame({"best": best, "second": second, "server": endings["server_ip"].to_numpy(dtype=object)})
    full = (alike.groupby(["best", "second", "server"], dropna=False).cumcount() < IN_FULL).to_numpy()
    facts = _Facts(endings)
    rows = []
    for rank, numbers in ((1, best), (2, np.where(full, second, -1))):
        for number in np.unique(numbers[numbers >= 0]):
            mine = np.flatnonzero(numbers == number)
            told = _strongest(counted[number][mine])
            for s, sign in enumerate(pairs[number].signs):
                shown = mine[full[mine] | told[:, s]]
                rows.extend(
                    _shown(
                        sign,
                        s,
                        pairs[number],
                        rank,
                        shown,
                        held[number][shown, s],
                        counted[number][shown, s],
                        facts,
                        lines,
                    )
                )
    rows.sort(key=lambda row: row[:3])
    return schema.EVIDENCE.of([row[3] for row in rows])


def _cited(sign: Sign, lines: Iterable[tuple[str, int, str]]) -> list[tuple[str, int]]:
    """Return the (source, line) of an ending's lines that show this sign."""
    if not sign.cites_logs:
        return []
    return [(source, line) for source, line, event in lines if not sign.log_events or event in sign.log_events]


def _strongest(weights: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which signs (columns) of each ending (rows) are among the STRONGEST that counted, the earlier one of equals."""
    order = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :STRONGEST]
    out = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(out, order, True, axis=1)
    return np.asarray(out & (weights != 0))


def _shown(
    sign: Sign,
    place: int,
    pair: Hypothesis,
    rank: int,
    shown: npt.NDArray[Any],
    outcomes: npt.NDArray[np.int8],
    weights: npt.NDArray[np.int64],
    facts: _Facts,
    lines: Mapping[str, list[tuple[str, int, str]]],
) -> list[tuple[int, int, int, dict[str, Any]]]:
    """Return one sign's rows of EVIDENCE for these endings, each behind the key by which it is sorted."""
    sentence = _Filled(sign)
    said = list(zip(*(facts[name][shown] for name in sentence.names), strict=True)) or [()] * len(shown)
    cited = list(zip(*(facts[name][shown] for name in sign.cites), strict=True)) or [()] * len(shown)
    out = []
    for position, ending, capture, values, frames, outcome, weight in zip(
        shown.tolist(),
        facts["ending"][shown],
        facts["capture"][shown],
        said,
        cited,
        outcomes.tolist(),
        weights.tolist(),
        strict=True,
    ):
        row = {
            "ending": ending,
            "cause": pair.cause.id,
            "origin": pair.origin,
            "rank": rank,
            "sign": sign.id,
            "held": None if outcome < 0 else bool(outcome),
            "weight": weight,
            "sentence": sentence(values, outcome == 1),
            "frames": [(capture, frame) for frame in frames if frame is not None],
            "log_lines": _cited(sign, lines.get(ending, ())) if outcome == 1 else [],
        }
        out.append((position, rank, place, row))
    return out
