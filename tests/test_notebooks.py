"""Every notebook runs from top to bottom in a real Jupyter kernel, dissection included, and shows what is committed."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tools.notebooks import NOTEBOOKS, executed

TEXTS = ("text/plain",)  # the markup of a table says the same, and changes with the looks of the report
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def shown(cell: Any) -> list[Any]:
    """What a cell shows: its text, and of markup and images only that they are there."""
    out = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            out.append((output.name, output.text))
        else:
            texts = {kind: text for kind, text in output.data.items() if kind in TEXTS}
            out.append((output.output_type, texts, sorted(output.data.keys() - set(TEXTS))))
    return out


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS][:1] == ["01_first_look.ipynb"]


@every_notebook
def test_it_runs_and_shows_what_is_committed(path: Path, tshark: str) -> None:
    committed = nbformat.read(path, as_version=4)
    fresh = executed(path)  # raises where a cell fails
    for number, (old, new) in enumerate(zip(committed.cells, fresh.cells, strict=True), 1):
        assert shown(new) == shown(old), f"cell {number} of {path.name} shows something else now: make notebooks"


@every_notebook
def test_what_is_committed_is_complete_and_names_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|work|tmp|Users|opt)/|[A-Z]:\\\\", text)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {kind for cell in code for _, *rest in shown(cell) for kind in (rest[1] if len(rest) == 2 else ())}
    assert "image/png" in kinds
    assert not [output for cell in code for output in cell.outputs if output.get("name") == "stderr"]


def test_the_first_look_is_dissected_within_the_kernels_event_loop() -> None:
    """Words that only tshark could have read stand in the packets that the notebook shows."""
    path = next(path for path in NOTEBOOKS if path.name == "01_first_look.ipynb")
    text = "".join(str(shown(cell)) for cell in nbformat.read(path, as_version=4).cells)
    assert "ReadyForQuery" in text or "Ready for query" in text
