"""The report of a draft mapping as a page that stands alone: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from multimodal.drafting import Draft, DraftedTable, Proposal, scalar

_STYLE = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6b7b; --line: #dde3ea; --good: #1d7a46; --open: #9a6200; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2rem 1.5rem 3rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
.lead { color: var(--soft); margin: 0 0 1.5rem; }
section { background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: 1.1rem 1.25rem;
  margin-bottom: 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; table-layout: fixed; }
th:nth-child(1) { width: 22%; } th:nth-child(3) { width: 4rem; } th:nth-child(4) { width: 26%; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); }
th, td { padding: .3rem .9rem .3rem 0; vertical-align: top; overflow-wrap: anywhere; }
td { border-bottom: 1px solid var(--line); } tr:last-child td { border-bottom: 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: .88em ui-monospace, Consolas, monospace; } .open { color: var(--open); font-weight: 600; }
.soft { color: var(--soft); } .figures { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; }
.figures div { font-size: 1.5rem; font-weight: 600; }
.figures span { display: block; font-size: .85rem; font-weight: 400;
  color: var(--soft); }
ul { margin: 0; padding-left: 1.2rem; }
"""


def draft_page(draft: Draft, key: str, warnings: Sequence[str]) -> str:
    """Return the report: what is proposed for each column, why, and what is left to decide.

    Parameters
    ----------
    draft : Draft
        The draft.
    key : str
        Where its file lies.
    warnings : sequence of str
        What a person should know.
    """
    names = escape(", ".join(file.name for file in draft.files))
    notes = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Draft mapping: {names}</title><style>{_STYLE}</style></head><body><main>\n"
        f'<h1>Draft mapping</h1><p class="lead">For {names}. The draft is <code>{escape(key)}</code>.</p>\n'
        f"{_figures(draft)}\n<section><h2>What to do now</h2><ul>{notes}</ul></section>\n"
        + "\n".join(_table(table) for table in draft.tables)
        + "\n</main></body></html>\n"
    )


def _figures(draft: Draft) -> str:
    total, open_ = len(draft.proposals), draft.undecided
    figures = {"columns": total, "proposed": total - open_, "left to decide": open_}
    inner = "".join(f"<div>{number:,}<span>{what}</span></div>" for what, number in figures.items())
    return f'<section><div class="figures">{inner}</div></section>'


def _table(table: DraftedTable) -> str:
    order = sorted(table.proposals, key=lambda proposal: proposal.verb != "todo")
    rows = "".join(f"<tr>{''.join(_cells(proposal))}</tr>" for proposal in order)
    title = f"<h2>{escape(table.name)}</h2>" if table.name else "<h2>Columns</h2>"
    return (
        f"<section>{title}<table><thead><tr><th>column</th><th>proposed</th><th>sure</th><th>because of</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></section>"
    )


def _cells(proposal: Proposal) -> Iterator[str]:
    yield f"<td>{escape(proposal.column)}</td>"
    reasons = escape(", ".join(reason for reason in proposal.reasons if reason))
    if proposal.verb != "todo":
        yield f"<td><code>{escape(scalar(proposal.line))}</code></td>"
        yield f'<td class="number">{proposal.confidence:.2f}</td>'
    else:
        guesses = "; ".join(f"{guess.text} ({guess.confidence:.2f})" for guess in proposal.guesses)
        maybe = f'<br><span class="soft">maybe {escape(guesses)}</span>' if guesses else ""
        yield f'<td><span class="open">to decide</span>{maybe}</td><td class="number"></td>'
    yield f'<td class="soft">{reasons}</td>'
