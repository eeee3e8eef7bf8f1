"""Sentences in several languages: a template in English with {named} values, put into words when it is shown.

Lives here: `say`, with which the stages make a sentence: it is the English text, and remembers what it was made of; `localised`, which
says what a document holds in another language; `tr`, with which the report says its own words at once; the choice of the language.
Never here: what a sentence says, or the translations (locale/, one catalogue per language, `make languages`).
"""

from __future__ import annotations

import gettext
import locale
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any

from analyzer.errors import UsageError

LANGUAGES = {"en": "English", "ja": "日本語", "zh": "简体中文"}
ENGLISH = "en"
DOMAIN = "pcapreport"
# How a locale names them: POSIX, and Windows in Python (`locale.getlocale`). Traditional Chinese has no catalogue: English.
_LOCALES = {"ja": "ja", "japanese": "ja", "zh_cn": "zh", "zh_sg": "zh", "zh_hans": "zh", "zh": "zh", "chinese (simplified)": "zh"}  # fmt: skip

_shown: ContextVar[str] = ContextVar("language", default=ENGLISH)


class Sentence(str):
    """A sentence in English that remembers its template and values. It is a plain string to all who do not ask."""

    template: str
    plural: str  # the template for several; "" where number does not matter
    values: dict[str, Any]

    def __new__(cls, template: str, plural: str, values: dict[str, Any]) -> Sentence:
        made = super().__new__(cls, filled(plural if plural and values["n"] != 1 else template, values))
        made.template, made.plural, made.values = template, plural, values
        return made

    def __getnewargs__(self) -> tuple[str, str, dict[str, Any]]:  # type: ignore[override]
        return self.template, self.plural, self.values


def say(template: str, /, **values: Any) -> Sentence:
    """Return a sentence for a table or a notice. Without values the template is taken as it stands, braces and all."""
    return Sentence(template, "", values)


def say_many(one: str, many: str, n: int, /, **values: Any) -> Sentence:
    """Return a sentence that depends on the number `n`, which it may show as {n}."""
    return Sentence(one, many, {"n": n, **values})


def joined(sentences: Iterable[Sentence]) -> Sentence:
    """Return several sentences as one text, with the space between them that the language wants; empty ones fall away."""
    text = say("")
    for sentence in sentences:
        text = say("{first} {second}", first=text, second=sentence) if text and sentence else text or sentence
    return text


def changed(text: str, change: Callable[[str], str]) -> str:
    """Return a text with `change` made to it: in a sentence of ours to its values, so that it can still be said in any language."""
    if not isinstance(text, Sentence):
        return change(text)
    values = {name: changed(value, change) if isinstance(value, str) else value for name, value in text.values.items()}
    return Sentence(text.template, text.plural, values)


def tr(template: str, /, **values: Any) -> str:
    """Return words of the report in the language that is shown; a Sentence, too."""
    if isinstance(template, Sentence):
        return str(localised(template))
    return filled(_translated(template), {name: localised(value) for name, value in values.items()})


def trn(one: str, many: str, n: int, /, **values: Any) -> str:
    """Return words that depend on the number `n`, which they may show as {n}, in the language that is shown."""
    return _many(one, many, {"n": n, **values})


def N_(text: str) -> str:
    """Mark a constant for the catalogues; `tr` says it where it is shown."""
    return text


def P_(one: str, many: str, unknown: str) -> tuple[str, str, str]:
    """Mark a counted thing for the catalogues: one, several (`trn` says it where it is shown), an unknown number."""
    return one, many, unknown


def localised(value: Any) -> Any:
    """Return a value, list or mapping with every Sentence in the language that is shown; in English it is that already."""
    if _shown.get() == ENGLISH:
        return value
    if isinstance(value, Sentence):
        if value.plural:
            return _many(value.template, value.plural, value.values)
        return filled(_translated(value.template), localised(value.values))
    if isinstance(value, Mapping):
        return {key: localised(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(localised(item) for item in value)
    return value


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its values in it. A string is put in as it is, whatever the format behind the name."""
    if not values:
        return template
    out = []
    for text, name, spec in _parts(template):
        out.append(text)
        if name is not None:
            value = values[name]
            out.append(value if isinstance(value, str) else format(value, spec))
    return "".join(out)


@contextmanager
def using(language: str) -> Iterator[None]:
    """Show everything in this language meanwhile. Raises UsageError for one that there is no catalogue of."""
    before = _shown.set(checked(language))
    try:
        yield
    finally:
        _shown.reset(before)


def checked(language: str) -> str:
    """Return the language's name. Raises UsageError for one that there is no catalogue of."""
    if language not in LANGUAGES:
        raise UsageError(f"There is no language {language!r}; there are {', '.join(LANGUAGES)}.")
    return language


def shown() -> str:
    """Return the language that is shown: 'en', 'ja' or 'zh'."""
    return _shown.get()


def of_locale(environment: Mapping[str, str]) -> str:
    """Return the language that LC_ALL, LC_MESSAGES or LANG ask for (the first that is set), else the system's; English for any other."""
    given = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    name = next(filter(None, given), None) or locale.getlocale()[0] or ""
    name = name.partition(".")[0].partition("@")[0].lower().replace("-", "_")
    first = name.partition("_")[0]
    return _LOCALES.get(name) or (_LOCALES.get(first, ENGLISH) if first != "zh" else ENGLISH)


def _many(one: str, many: str, values: Mapping[str, Any]) -> str:
    # in English without a catalogue: one or many by the number
    template = catalogue(shown()).ngettext(one, many, values["n"])
    return filled(template, {name: localised(value) for name, value in values.items()})


def _translated(template: str) -> str:
    return catalogue(shown()).gettext(template) if template else ""


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """Return the translations into a language; those of English give back what they are asked for."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    path = files("analyzer") / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.mo"
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)


@cache
def _parts(template: str) -> tuple[tuple[str, str | None, str], ...]:
    return tuple((text, name, spec or "") for text, name, spec, _ in string.Formatter().parse(template))
