"""The command that measures: ``python -m captures.lab.score`` judges the whole corpus and writes SCORE.md, score.json and the
record that reports cite.

It needs no root. Answers are kept in ``.cache``, so that only what changed is asked again.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from analyzer.causes import all_causes
from analyzer.diagnosis.record import FILE as RECORD
from captures.lab import case_file, judging, rivals, scorecard, scoring, tying
from captures.lab.case_file import Case, View
from captures.lab.scorecard import Score
from captures.lab.scoring import Answer, Rest, Rival
from captures.lab.tying import Tied

CORPUS = Path(__file__).resolve().parents[1]
PAGE = CORPUS / "SCORE.md"
DATA = CORPUS / "score.json"
README = CORPUS / "README.md"
PROCESSES = 2


def ask(case: Case, view: View, logs: bool) -> tuple[list[Answer], Rest]:
    """All questions of one case at one view."""
    judgement = judging.judge(case, view, logs)
    due = {label.client for label, where in scorecard.questions(case) if where == view}
    labels = [label for label in case.connections if label.ending != "reset" or label.client in due]
    asked = [scoring.answer(case, label, view, logs, judgement) for label in labels]
    return [answer for answer in asked if answer], scoring.rest(case, view, logs, judgement)


def compare(case: Case) -> list[Rival]:
    """What the header and netverdict say of the same connections."""
    out = []
    for label, view in scorecard.questions(case):
        said = rivals.verdict(case, label, view)
        header = rivals.header(case, label, view)
        out.append(Rival(case.folder.name, label.client, view, header, said.names, said.decided, said.sure, said.cause))
    return out


def measure(cases: list[Case]) -> Score:
    """Ask everything, in processes of their own."""
    installed = rivals.program() is not None
    answers: list[Answer] = []
    rest: list[Rest] = []
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        others = [pool.submit(compare, case) for case in cases]
        jobs = [(case, view, logs) for case in cases for view in judging.views(case) for logs in (False, True)]
        for number, (found, unlabelled) in enumerate(pool.map(ask, *zip(*jobs, strict=True)), start=1):
            answers += found
            rest.append(unlabelled)
            if sys.stderr.isatty():
                print(f"\r{number} of {len(jobs)} views", end="", file=sys.stderr, flush=True)
        rival = [row for job in others for row in job.result()]
    ties = tying.tied(cases)
    return Score(tuple(answers), tuple(rest), tuple(rival), rivals.NETVERDICT if installed else None, tuple(ties))


def dump(score: Score) -> str:
    """The text of score.json: the same answer for several connections is one line, with and without logs; what says nothing is left out."""
    parts = [f'"netverdict": {json.dumps(score.netverdict)}']
    for name, rows in (
        ("answers", score.answers),
        ("rest", score.rest),
        ("rivals", score.rivals),
        ("ties", score.ties),
    ):
        lines = [dict(_said(row)) for row in rows]
        for several in ("logs", "connection"):
            lines = _together(lines, several)
        text = ",\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
        if text:
            parts.append(f'"{name}": [\n{text}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def load(text: str) -> Score:
    """A score.json, read back."""
    table = json.loads(text)

    def rows(kind: Any, name: str) -> tuple[Any, ...]:
        return tuple(
            kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()})
            for together in table.get(name, ())
            for several in _apart(together, "connection")
            for row in _apart(several, "logs")
        )

    return Score(
        rows(Answer, "answers"), rows(Rest, "rest"), rows(Rival, "rivals"), table["netverdict"], rows(Tied, "ties")
    )


def _said(row: Any) -> Iterator[tuple[str, Any]]:
    unsaid: Mapping[str, Any] = {item.name: item.default for item in fields(row) if item.default is not MISSING}
    yield from ((name, value) for name, value in asdict(row).items() if name not in unsaid or value != unsaid[name])


def _together(lines: list[dict[str, Any]], several: str) -> list[dict[str, Any]]:
    """Lines that differ in one value only, as one line with a list."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        key = json.dumps({name: value for name, value in line.items() if name != several})
        if several in line:
            found.setdefault(key, {**line, several: []})[several].append(line[several])
        else:
            found.setdefault(key, line)
    return list(found.values())


def _apart(line: dict[str, Any], several: str) -> Iterator[dict[str, Any]]:
    yield from ({**line, several: value} for value in line[several]) if several in line else (line,)


def main() -> int:
    cases = case_file.cases(CORPUS)
    all_causes()  # whatever is wrong with one of them is better known now than after the work
    score = measure(cases)
    text = dump(score)
    page = scorecard.page(load(text), cases, README.read_text(encoding="utf-8"))
    DATA.write_text(text, encoding="utf-8", newline="\n")
    RECORD.write_text(scorecard.record(load(text), cases), encoding="utf-8", newline="\n")
    PAGE.write_text(page, encoding="utf-8", newline="\n")
    print(page.partition("## What one would pick instead")[0].partition("## Goals")[2].strip())
    print(f"\nThe whole of it: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
