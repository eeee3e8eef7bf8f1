"""The catalogues of the report's languages: takes up what the sources say, compiles, and lists what has no translation yet.

    python -m tools.languages    (or `make languages`)

Sentences are found where they are marked: `say`, `say_many`, `tr`, `trn`, `rich`, `N_`, `P_` in code and templates; the prose and the signs
of causes, and the facts that the report shows, are taken from what they are.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import jinja2
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from analyzer.causes import all_causes
from analyzer.causes.origins import ORIGIN_SIGNS
from analyzer.language import DOMAIN, ENGLISH, LANGUAGES
from analyzer.report.page import environment
from analyzer.result import SHOWN_FACTS
from analyzer.schema import ENDINGS

ROOT = Path(__file__).parents[1]
ANALYZER = ROOT / "analyzer"
ONE = {"say", "tr", "rich", "N_"}  # a sentence
MANY = {"say_many", "trn", "P_"}  # a sentence for one, one for several; what follows is a sentence of its own
SINCE = datetime(2026, 1, 1, tzinfo=UTC)  # gettext wants a date; the files have none
Message = str | tuple[str, str]


def folder(language: str) -> Path:
    """Return where a language's catalogue is."""
    return ANALYZER / "locale" / language / "LC_MESSAGES"


def translated() -> list[str]:
    """Return the languages that have a catalogue."""
    return [language for language in LANGUAGES if language != ENGLISH]


def sources() -> Catalog:
    """Return every sentence of the sources, without translations."""
    out = Catalog(domain=DOMAIN, project=DOMAIN, charset="utf-8", header_comment=f"# The sentences of {DOMAIN}.")
    for path in sorted(ANALYZER.rglob("*.py")):
        for message in _in_code(path.read_text()):
            out.add(message, locations=[(_name(path), 0)])
    jinja = environment()
    for path in sorted((ANALYZER / "report/templates").glob("*.html")):
        for message in _in_template(jinja, path.read_text()):
            out.add(message, locations=[(_name(path), 0)])
    for cause in all_causes().values():
        prose = (cause.title, cause.mechanism, cause.remedy, cause.confirm, *cause.lookalikes.values())
        for text in (*prose, *(text for sign in cause.signs for text in (sign.says, sign.plain) if text)):
            out.add(text, locations=[(f"analyzer/causes/{cause.id}.py", 0)])
    for signs in ORIGIN_SIGNS.values():
        for sign in signs:
            for text in filter(None, (sign.says, sign.plain)):
                out.add(text, locations=[("analyzer/causes/origins.py", 0)])
    for name in SHOWN_FACTS:
        column = ENDINGS.columns[name]
        for text in filter(None, (name.replace("_", " "), column.meaning, column.unit)):
            out.add(text, locations=[("analyzer/schema.py", 0)])
    return out


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _in_code(text: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            yield from _messages(name, [_constant(argument) for argument in node.args])


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _in_template(jinja: jinja2.Environment, text: str) -> Iterator[Message]:
    for node in jinja.parse(text).find_all(jinja2.nodes.Call):
        if isinstance(node.node, jinja2.nodes.Name):
            texts = [arg.value if isinstance(arg, jinja2.nodes.Const) else None for arg in node.args]
            yield from _messages(node.node.name, texts)


def _messages(function: str, texts: list[str | None]) -> Iterator[Message]:
    if function in MANY and texts[0] and texts[1]:
        yield texts[0], texts[1]
        texts = texts[2:]
    if function in ONE | MANY:
        yield from (text for text in texts[:1] if text)


def read(language: str) -> Catalog:
    """Return a language's catalogue as it is; an empty one where there is none yet."""
    path = folder(language) / f"{DOMAIN}.po"
    if not path.exists():
        return Catalog(locale=language, domain=DOMAIN)
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language, domain=DOMAIN)
    catalogue.creation_date = catalogue.revision_date = SINCE
    return catalogue


def updated(language: str) -> Catalog:
    """Return a language's catalogue with exactly the sentences of the sources."""
    catalogue = read(language)
    catalogue.update(sources(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    catalogue.fuzzy, catalogue.header_comment = (
        False,
        f"# {DOMAIN} in {LANGUAGES[language]}. `make languages` keeps it.",
    )
    catalogue.project, catalogue.version, catalogue.last_translator, catalogue.language_team = (
        DOMAIN,
        "",
        DOMAIN,
        DOMAIN,
    )
    return catalogue


_UNSTEADY = (
    b'"POT-Creation',
    b'"PO-Revision',
    b'"Generated-By',
    b'"Project-Id',
    b'"Report-Msgid',
    b'"Last-Tr',
    b'"Language-Team',
)


def written(catalogue: Catalog) -> bytes:
    """Return a catalogue as the text of a .po file, the same whenever and wherever it is written."""
    out = BytesIO()
    write_po(out, catalogue, width=0, sort_output=True, ignore_obsolete=True, include_lineno=False, omit_header=False)
    lines = out.getvalue().split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(_UNSTEADY))


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as gettext reads it."""
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def lacking(catalogue: Catalog) -> list[str]:
    """Return the sentences that have no translation."""
    return [parts(entry.id)[-1] for entry in catalogue if entry.id and not all(parts(entry.string) or ("",))]


def parts(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    """Return the forms of a sentence or of its translation: one, or one for each number."""
    return (text,) if isinstance(text, str) else tuple(text or ())


def main() -> int:
    """Bring the catalogues up to date; 1 where a sentence has no translation."""
    status = 0
    for language in translated():
        catalogue = updated(language)
        folder(language).mkdir(parents=True, exist_ok=True)
        text = written(catalogue)
        (folder(language) / f"{DOMAIN}.po").write_bytes(text)
        (folder(language) / f"{DOMAIN}.mo").write_bytes(compiled(read(language)))
        missing = lacking(catalogue)
        for sentence in missing:
            print(f"{language}: {sentence}")
        print(
            f"{language}: {len(catalogue) - len(missing)} of {len(catalogue)} sentences, {_name(folder(language))}/{DOMAIN}.po"
        )
        status |= bool(missing)
    return status


if __name__ == "__main__":
    sys.exit(main())
