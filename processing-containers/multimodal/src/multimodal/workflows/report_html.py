"""The parts that pages of reports are made of: they stand alone, without a script, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_CODE = re.compile(r"`([^`]+)`")
_STYLE = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6b7b; --line: #dde3ea; --good: #1d7a46; --part: #9a6200;
  --bad: #b3261e; --calm: #4a5b6c; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2rem 1.5rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .35rem; } h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
h3 { font-size: .95rem; margin: 1.1rem 0 .35rem; } h2 + h3 { margin-top: 0; }
.lead { color: var(--soft); margin: 0 0 1.25rem; }
.chip { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; color: #fff; font-size: .8rem;
  font-weight: 600; white-space: nowrap; vertical-align: middle; background: var(--calm); }
.done, .fixed, .created { background: var(--good); } .partial, .nothing { background: var(--part); }
.refused, .new, .deleted { background: var(--bad); } .persisting, .updated { background: var(--part); }
section { background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: 1.1rem 1.25rem;
  margin-bottom: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: min(100%, 36rem); font-size: .92rem; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); }
th, td { padding: .3rem .9rem .3rem 0; vertical-align: top; overflow-wrap: break-word; }
th { white-space: nowrap; } td:last-child, th:last-child { padding-right: 0; }
td { border-bottom: 1px solid var(--line); } tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.short { white-space: nowrap; } .long { min-width: 14rem; overflow-wrap: anywhere; }
code { font: .88em ui-monospace, Consolas, monospace; background: #eef1f4; border-radius: .2rem; padding: 0 .25rem; }
.note { color: var(--soft); margin: .75rem 0 0; } ul { margin: 0; padding-left: 1.2rem; }
li { overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; }
.figures div { font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures span { display: block; font-size: .85rem; font-weight: 400; color: var(--soft); }
summary { cursor: pointer; font-weight: 600; } details > :nth-child(2) { margin-top: .75rem; }
@media (max-width: 40rem) { main { padding: 1rem .75rem 2rem; } section { padding: .9rem .8rem; }
  .figures { gap: .5rem 1.5rem; } .figures div { font-size: 1.25rem; } }
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""


class Prose(str):
    """A sentence of ours, in which `backticks` mark what is written in a file; a cell of the table is none."""

    __slots__ = ()

    @property
    def html(self) -> str:
        """The sentence as HTML."""
        return _CODE.sub(r"<code>\1</code>", escape(_cut(self)))


class Chip(str):
    """A word on a coloured ground, which is chosen by the word."""

    __slots__ = ()

    @property
    def html(self) -> str:
        """The word as HTML."""
        return f'<span class="chip {escape(self)}">{escape(self)}</span>'


class Short(str):
    """A text that is not to be broken into lines, such as a place or a code."""

    __slots__ = ()

    @property
    def html(self) -> str:
        """The text as HTML."""
        return f'<span class="short">{escape(self)}</span>'


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page; empty parts are left out."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def section(title: str, content: str, note: str = "") -> str:
    """Return a section of the page; `note` stands below its content, with `backticks` for what is written in a file."""
    said = f'<p class="note">{Prose(note).html}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{content}{said}</section>"


def folded(title: str, content: str) -> str:
    """Return a section that shows only its title until a person opens it."""
    return f"<section><details><summary>{escape(title)}</summary>{content}</details></section>"


def figures(numbers: Mapping[str, int]) -> str:
    """Return large numbers, each with what it counts."""
    inner = "".join(f"<div>{number:,}<span>{escape(what)}</span></div>" for what, number in numbers.items())
    return f'<section><div class="figures">{inner}</div></section>'


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; columns of integers are set as numbers, and texts are escaped."""
    body = list(rows)
    numeric = [all(isinstance(row[at], int) for row in body) for at in range(len(head))]
    lengths = [max((len(str(row[at])) for row in body), default=0) for at in range(len(head))]

    def cell(at: int, value: Any, tag: str) -> str:
        text = f"{value:,}" if isinstance(value, int) else _html(value)
        kind = "number" if numeric[at] else "long" if lengths[at] > _LONG else ""
        return f'<{tag} class="{kind}">{text}</{tag}>' if kind else f"<{tag}>{text}</{tag}>"

    top = "".join(cell(at, name, "th") for at, name in enumerate(head)) if any(head) else ""
    lines = "".join(f"<tr>{''.join(cell(at, value, 'td') for at, value in enumerate(row))}</tr>" for row in body)
    shown = f"<table>{f'<thead><tr>{top}</tr></thead>' if top else ''}<tbody>{lines}</tbody></table>"
    return f'<div class="wide">{shown}</div>'


_LONG = 50  # characters; a column with such texts is not to become a narrow pillar
_LONGEST = 400  # characters of a cell that are shown; the rest is in the CSV files


def _cut(text: str) -> str:
    """Return a text of bearable length: somebody's cell may hold a whole letter."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-40:]} ({len(text):,} characters)"


def _html(value: Any) -> str:
    return value.html if isinstance(value, (Prose, Chip, Short)) else escape(_cut(str(value)))
