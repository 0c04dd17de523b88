"""A mapping held to its own rules, and to tables if there are any, without sending anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from multimodal.drafting import TODO
from multimodal.mapping import Mapping as ClinicalMapping
from multimodal.mapping import MappingRun, load_mapping, run_mapping
from multimodal.mapping.document import Document, Place
from multimodal.model.errors import ConfigurationError
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent

_EXAMPLES = 3
_TITLES = {code.code: code.title for code in IssueCode}


class UndecidedError(ConfigurationError):
    """A mapping still has lines that a person has to decide on.

    Parameters
    ----------
    file : Path
        The mapping.
    todos : sequence of Todo
        Its lines.
    """

    def __init__(self, file: Path, todos: Sequence[Todo]) -> None:
        self.todos = tuple(todos)
        first = todos[0]
        problem = f"{len(todos)} TODO left to decide, the first at {first.where or 'the top'}: {first.text}"
        super().__init__(problem, file=file, line=first.line, column=first.column)


@dataclass(frozen=True, slots=True)
class Todo:
    """A line of a mapping that a person has to decide on."""

    line: int
    column: int
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Cells of one column with the same problem."""

    code: str
    title: str
    sheet: str
    column: str
    count: int
    rows: tuple[int, ...]
    values: tuple[str, ...]
    message: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found.

    Parameters
    ----------
    mapping : str
        Id of the mapping.
    verbs : mapping of str to int
        Columns by verb.
    rows : int
        Rows read; 0 without a table.
    resources : mapping of str to int
        Resources that would be made, by type.
    problems : sequence of Problem
        What would not come through, the most frequent first.
    notes : sequence of str
        What a person should know, one line each.
    columns : mapping
        Columns not in the mapping, and columns of the mapping not in the table.
    decimals : mapping of str to str
        Decimal sign that was decided for each column.
    values : mapping
        Column -> kind (``inexact``, ``text``, ``missing``...) -> value -> how often.
    found : mapping
        File -> what its reader found.
    """

    mapping: str
    verbs: Mapping[str, int]
    rows: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    notes: Sequence[str] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    decimals: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    found: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return asdict(self)


def check_mapping(mapping_file: Path, files: Sequence[Path] = (), *, progress: Progress = silent) -> CheckResult:
    """Check a mapping, and read `files` through it.

    Parameters
    ----------
    mapping_file : Path
        The mapping.
    files : sequence of Path
        Tables; all of their rows are mapped, nothing is stored.
    progress : Progress
        Told of ``rows``.

    Raises
    ------
    UndecidedError
        If a TODO is left in the mapping.
    MappingError
        If the mapping is wrong.
    DataRefusedError
        If a table as a whole cannot be used.
    """
    refuse_undecided(mapping_file)
    mapping = load_mapping(mapping_file)
    verbs = dict(Counter(column.verb for column in mapping.columns.values()))
    if not files:
        return CheckResult(mapping.id, verbs, notes=list(mapping.notes))
    return _held_to_tables(mapping, verbs, run_mapping(mapping, files, progress=progress))


def refuse_undecided(mapping_file: Path) -> None:
    """Raise `UndecidedError` if a TODO is left in a mapping: what it would import nobody has decided."""
    if todos := find_todos(mapping_file):
        raise UndecidedError(mapping_file, todos)


def find_todos(mapping_file: Path) -> list[Todo]:
    """Return all TODO in the keys and values of a mapping file; its comments are free.

    Raises
    ------
    MappingError
        If the file is no YAML.
    """
    document = Document(mapping_file)
    found: dict[tuple[int, int], Todo] = {}

    def visit(part: Any, place: Place) -> None:
        if isinstance(part, dict):
            for key, value in part.items():
                visit(key, (*place, key))
                visit(value, (*place, key))
        elif isinstance(part, list):
            for number, value in enumerate(part):
                visit(value, (*place, number))
        elif isinstance(part, str) and part.startswith(TODO):
            line, column = document.position(place)
            where = ".".join(str(step) for step in place if not str(step).startswith(TODO))
            found.setdefault((line, column), Todo(line, column, where, part))

    visit(document.content, ())
    return [found[at] for at in sorted(found)]


def _held_to_tables(mapping: ClinicalMapping, verbs: Mapping[str, int], run: MappingRun) -> CheckResult:
    issues: dict[tuple[str, str, str], list[Issue]] = {}
    resources: Counter[str] = Counter()
    for result in run:
        resources.update(made.type for made in result.resources)
        for issue in result.issues:
            issues.setdefault((issue.code, issue.sheet, issue.column), []).append(issue)
    for issue in run.issues:
        issues.setdefault((issue.code, issue.sheet, issue.column), []).append(issue)
    problems = [_problem(group) for group in issues.values()]
    columns = {"not in the mapping": list(run.coverage.unmapped), "not in the table": list(run.coverage.missing)}
    return CheckResult(
        mapping.id,
        verbs,
        run.rows,
        dict(sorted(resources.items())),
        sorted(problems, key=lambda problem: (-problem.count, problem.code, problem.column)),
        list(run.notes),
        {what: names for what, names in columns.items() if names},
        dict(run.decimals),
        {column: {kind: dict(values) for kind, values in kinds.items()} for column, kinds in run.values.items()},
        run.found,
    )


def _problem(issues: Sequence[Issue]) -> Problem:
    first = issues[0]
    rows = [issue.row for issue in issues if issue.row is not None]
    values = dict.fromkeys(issue.value for issue in issues if issue.value)
    return Problem(
        first.code,
        _TITLES.get(first.code, ""),
        first.sheet,
        first.column,
        len(issues),
        tuple(rows[:_EXAMPLES]),
        tuple(list(values)[:_EXAMPLES]),
        first.message,
        first.suggestion,
    )
