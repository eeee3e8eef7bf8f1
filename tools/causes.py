"""The pages of the causes, `docs/causes/`: what the code knows of each, in every language of the report.

    python -m tools.causes    (or `make causes`)

tests/test_cause_pages.py holds them fresh. Never here: words of a cause (analyzer/causes/) or of a page (analyzer/report/markdown.py).
"""

from __future__ import annotations

from pathlib import Path

from analyzer import pipeline
from analyzer.language import ENGLISH, LANGUAGES, using
from analyzer.report import markdown

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/causes"


def folder(language: str) -> Path:
    """Return where a language's pages are; the English ones lie above the others."""
    return FOLDER if language == ENGLISH else FOLDER / language


def links(language: str, name: str) -> str:
    """Return the way to the same page in the other languages."""
    up = "" if language == ENGLISH else "../"
    others = [(other, words) for other, words in LANGUAGES.items() if other != language]
    return (
        " · ".join(f"[{words}]({up}{'' if other == ENGLISH else other + '/'}{name}.md)" for other, words in others)
        + "\n\n"
    )


def pages() -> dict[Path, str]:
    """Return every page by its path: one for each cause, and the list of them, in each language."""
    known = pipeline.cause_pages()
    made: dict[Path, str] = {}
    for language in LANGUAGES:
        with using(language):
            place = folder(language)
            texts = {"README": markdown.causes_index(known)}
            texts |= {name: markdown.cause_page(page, known) for name, page in known.items()}
            made |= {place / f"{name}.md": links(language, name) + text for name, text in texts.items()}
    return made


def main() -> None:
    """Write the pages anew, and take away those of causes that are gone."""
    made = pages()
    for old in set(FOLDER.rglob("*.md")) - made.keys():
        old.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(made)} pages in {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
