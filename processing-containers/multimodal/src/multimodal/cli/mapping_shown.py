"""What ``multimodal mapping`` shows on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from multimodal.drafting import Draft, open_lines, told_open
from multimodal.model.exit_codes import ExitCode
from multimodal.workflows.check_mapping import CheckResult, Problem, Todo
from multimodal.workflows.mapping_tests import StudyTest
from multimodal.workflows.preview_mapping import Preview, PreviewCell, PreviewRow

_SHOWN = 20
_TOLD = {"inexact": "mapped inexactly", "text": "kept as text", "otherwise": "not in the table", "dropped": "dropped"}


def show_draft(draft: Draft, text: str, output: Path) -> None:
    """Print what a draft proposes and what it leaves open."""
    total, open_ = len(draft.proposals), draft.undecided
    click.echo(f"{total - open_} of {total} columns proposed, {told_open(open_lines(text))}; draft in {output}")
    show_notes(draft, error_stream=False)
    first = "decide the TODO lines" if open_lines(text) else "read every line"
    click.echo(f"next: {first}, then multimodal mapping check {output} FILE...")


def show_notes(draft: Draft, *, error_stream: bool = True) -> None:
    """Print what a person should know of a draft, beside it where the draft itself is printed."""
    for note in draft.notes[:_SHOWN]:
        click.echo(f"note: {note}", err=error_stream)


def show_todos(mapping: Path, todos: Sequence[Todo], *, as_json: bool) -> None:
    """Print the lines of a mapping that are left to decide."""
    if as_json:
        lines = [{"line": todo.line, "column": todo.column, "where": todo.where, "text": todo.text} for todo in todos]
        click.echo(orjson.dumps({"todo": lines}, option=orjson.OPT_INDENT_2).decode())
        return
    for todo in todos:
        click.echo(f"{mapping}:{todo.line}:{todo.column}: {todo.where}: {todo.text}", err=True)
    click.echo(f"multimodal: {len(todos)} TODO left to decide in {mapping}", err=True)


def show_check(result: CheckResult) -> None:
    """Print what a check found, the most frequent problems first."""
    verbs = ", ".join(f"{count} {verb}" for verb, count in sorted(result.verbs.items()))
    click.echo(f"{result.mapping}: the mapping is right; columns: {verbs}")
    for what, names in result.columns.items():
        click.echo(f"columns {what}: {', '.join(names[:_SHOWN])}{_more(len(names))}")
    for note in result.notes[:_SHOWN]:
        click.echo(f"note: {note}")
    if not result.rows:
        return
    made = ", ".join(f"{count:,} {kind}" for kind, count in result.resources.items())
    click.echo(f"{result.rows:,} rows give {made or 'nothing'}")
    commas = [column for column, sign in result.decimals.items() if sign == ","]
    if commas:
        click.echo(f"decimal comma in: {', '.join(commas[:_SHOWN])}{_more(len(commas))}")
    for column, kinds in result.values.items():
        for kind, told in _TOLD.items():
            if values := kinds.get(kind):
                shown = ", ".join(f"{value!r} ({count})" for value, count in list(values.items())[:5])
                click.echo(f"{column}: {told}: {shown}{_more(len(values), 5)}")
    _show_problems(result.problems)


def _show_problems(problems: Sequence[Problem]) -> None:
    if not problems:
        click.echo("no problem in any cell")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("code")
    table.add_column("column")
    table.add_column("cells", justify="right")
    table.add_column("rows")
    table.add_column("what")
    for problem in problems[:_SHOWN]:
        place = f"{problem.sheet}/{problem.column}" if problem.sheet and problem.column else problem.column
        rows = ", ".join(map(str, problem.rows)) + ("…" if problem.count > len(problem.rows) > 0 else "")
        table.add_row(*map(_plain, (problem.code, place, f"{problem.count:,}", rows, problem.message)))
    Console(highlight=False).print(table)
    total = sum(problem.count for problem in problems)
    click.echo(f"{total:,} problem{'' if total == 1 else 's'}{_more(len(problems))}")


def show_preview(preview: Preview) -> None:
    """Print rows beside what they become."""
    console = Console(highlight=False)
    for row in preview.rows:
        console.print(_row_table(row))
        for made in row.resources:
            if not made.column and made.type != "Patient":
                console.print(_plain(f"  + {made.line}"))
        for issue in row.issues:
            console.print(Text(f"  {issue}", style="red"))
        console.print()


def _row_table(row: PreviewRow) -> Table:
    place = f"{row.sheet}, row {row.number}" if row.sheet else f"row {row.number}"
    table = Table(title=_plain(place), title_justify="left", pad_edge=False)
    for name, ratio in (("column", 2), ("cell", 2), ("becomes", 5)):
        table.add_column(name, overflow="fold", ratio=ratio)
    for cell in row.cells:
        table.add_row(_plain(cell.column), _plain(cell.value), _becomes(cell))
    return table


def _becomes(cell: PreviewCell) -> Text:
    text = Text()
    if cell.issue:
        text.append(cell.issue, style="red")
    elif not cell.verb:
        text.append("not in the mapping", style="red")
    style = "dim" if cell.verb in {"ignore", "helper", "given"} else ""
    for line in cell.becomes:
        text.append(("\n" if text else "") + line, style=style)
    return text


def show_tests(tests: Iterable[StudyTest]) -> int:
    """Print each test as it ends, and the number of both kinds; return 1 if one failed."""
    passed = failed = 0
    started = time.perf_counter()
    for test in tests:
        good = not test.differences
        passed, failed = passed + good, failed + (not good)
        what = "UPDATED" if test.updated else "PASS" if good else "FAIL"
        counts = f"{test.rows} rows, {test.resources} resources, {test.issues} issues"
        click.echo(f"{passed + failed:>3}  {test.study:<32} {what:<8} {counts}  {test.seconds:.2f} s")
        for line in test.differences:
            click.echo(f"       {line}")
    click.echo(f"{passed} passed, {failed} failed in {time.perf_counter() - started:.2f} s")
    return int(ExitCode.DEFECT if failed else ExitCode.DONE)


def _plain(text: str) -> Text:
    return Text(text)  # brackets in a cell are no markup


def _more(count: int, shown: int = _SHOWN) -> str:
    return f" and {count - shown} more" if count > shown else ""
