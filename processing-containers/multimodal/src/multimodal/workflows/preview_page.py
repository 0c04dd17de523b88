"""The preview of a mapping as a page that stands alone: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from multimodal.workflows.preview_mapping import Preview, PreviewCell, PreviewRow

_STYLE = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6b7b; --line: #dde3ea; --bad: #b3261e; --made: #1d5c8a; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 82rem; margin: 0 auto; padding: 2rem 1.5rem 3rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
.lead { color: var(--soft); margin: 0 0 1.5rem; }
section { background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.25rem;
  margin-bottom: 1rem; display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 0 2rem; }
section h2, section .problem { grid-column: 1 / -1; }
h3 { font-size: .8rem; color: var(--soft); text-transform: uppercase; letter-spacing: .04em; margin: 0 0 .3rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; table-layout: fixed; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); }
th, td { padding: .25rem .8rem .25rem 0; vertical-align: top; overflow-wrap: anywhere; }
th:nth-child(1) { width: 27%; } th:nth-child(2) { width: 23%; }
td { border-bottom: 1px solid var(--line); } tr:last-child td { border-bottom: 0; }
.made { color: var(--made); } .soft { color: var(--soft); } .problem { color: var(--bad); }
details { border-bottom: 1px solid var(--line); padding: .25rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
pre { font: .8rem/1.4 ui-monospace, Consolas, monospace; background: #eef1f4; border-radius: .3rem; padding: .6rem;
  overflow-x: auto; margin: .3rem 0; }
@media (max-width: 55rem) { section { grid-template-columns: minmax(0, 1fr); gap: 1rem; } }
"""


def preview_page(preview: Preview, note: str = "") -> str:
    """Return the preview as HTML: each row on the left, what it becomes on the right."""
    title = escape(preview.mapping)
    lead = escape(note) or "The first rows of the table, and what the mapping makes of them. Nothing was stored."
    body = "\n".join(_row(row) for row in preview.rows) or "<p>The tables have no rows.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Preview: {title}</title><style>{_STYLE}</style></head><body><main>\n"
        f'<h1>{title}</h1><p class="lead">{lead}</p>\n{body}\n</main></body></html>\n'
    )


def _row(row: PreviewRow) -> str:
    place = f"{row.sheet}, row {row.number}" if row.sheet else f"Row {row.number}"
    problems = "".join(f'<p class="problem">{escape(text)}</p>' for text in row.issues)
    cells = "".join(_cell(cell) for cell in row.cells)
    resources = "".join(
        f"<details><summary>{escape(made.line)}</summary><pre>{escape(made.json)}</pre></details>"
        for made in row.resources
    )
    return (
        f"<section><h2>{escape(place)}</h2>{problems}"
        f"<div><h3>In the table</h3><table><thead><tr><th>column</th><th>cell</th><th>becomes</th></tr></thead>"
        f"<tbody>{cells}</tbody></table></div>"
        f"<div><h3>{len(row.resources)} FHIR resources</h3>{resources or _NONE}</div></section>"
    )


_NONE = '<p class="soft">none</p>'


def _cell(cell: PreviewCell) -> str:
    return f"<tr><td>{escape(cell.column)}</td><td>{escape(cell.value)}</td><td>{'<br>'.join(_becomes(cell))}</td></tr>"


def _becomes(cell: PreviewCell) -> Iterator[str]:
    if cell.issue:
        yield f'<span class="problem">{escape(cell.issue)}</span>'
    if not cell.verb:
        yield '<span class="problem">not in the mapping</span>'
    style = "soft" if cell.verb in {"ignore", "helper", "given"} else "made"
    for line in cell.becomes:
        yield f'<span class="{style}">{escape(line)}</span>'
    if cell.verb and not cell.becomes and not cell.issue:
        yield '<span class="soft">nothing</span>'
