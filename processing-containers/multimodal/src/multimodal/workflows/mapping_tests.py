"""The tests of mappings: folders with made-up input and the resources and issues that have to come of it."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

import orjson

from multimodal.mapping import load_mapping, run_mapping
from multimodal.model.errors import ConfigurationError, MultimodalError
from multimodal.model.issues import ERRORS_CSV_COLUMNS, Issue
from multimodal.model.schema_words import did_you_mean

_RESOURCES, _ERRORS = "resources.ndjson", "errors.csv"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class StudyTest:
    """How the test of one mapping ended.

    Parameters
    ----------
    study : str
        Name of the folder and of the mapping; with the name of the input, where there are several.
    rows, resources, issues : int
        What came in and out.
    differences : tuple of str
        Lines for a person; empty: as expected.
    updated : bool
        The expectation was rewritten.
    seconds : float
        Time it took.
    """

    study: str
    rows: int
    resources: int
    issues: int
    differences: tuple[str, ...]
    updated: bool
    seconds: float


def find_studies(mappings: Path, names: Sequence[str] = ()) -> list[str]:
    """Return the studies that have a test below ``mappings/tests``.

    Raises
    ------
    ConfigurationError
        If there is no such folder, or one of the `names` is none of its studies.
    """
    folder = mappings / "tests"
    if not folder.is_dir():
        raise ConfigurationError(f"no folder of mapping tests: {folder}; each is <study>/input and <study>/expected")
    known = sorted(path.name for path in folder.iterdir() if path.is_dir())
    for name in names:
        if name not in known:
            there = f"there are: {', '.join(known) or 'none'}{did_you_mean(name, known)}"
            raise ConfigurationError(f"no test named {name!r} in {folder}; {there}")
    return list(names) or known


def run_mapping_tests(mappings: Path, names: Sequence[str] = (), *, update: bool = False) -> Iterator[StudyTest]:
    """Run the tests of mappings, one after the other.

    The folder ``tests/<study>/input`` holds the tables, and what they need (a dictionary); ``expected`` the resources
    as NDJSON, and ``errors.csv``. A study may have several inputs (``input-csv``, ``input-xml``) that must give the
    same resources; the issues of each stand in ``errors-xml.csv``, where they differ.

    Parameters
    ----------
    mappings : Path
        The folder of the mapping files.
    names : sequence of str
        Which studies; all by default.
    update : bool
        Write what came out as the new expectation in place of comparing.

    Yields
    ------
    StudyTest
        For each study and input.

    Raises
    ------
    ConfigurationError
        If a folder is not laid out like this.
    """
    for study in find_studies(mappings, names):
        folder = mappings / "tests" / study
        inputs = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.split("-")[0] == "input")
        if not inputs:
            raise ConfigurationError(f"{folder} has no folder input")
        for number, given in enumerate(inputs):
            yield _run(mappings / f"{study}.yaml", given, study, update=update, first=number == 0)


def _run(mapping_file: Path, given: Path, study: str, *, update: bool, first: bool) -> StudyTest:
    started = time.perf_counter()
    expected, variant = given.parent / "expected", given.name.removeprefix("input")
    resources: list[dict[str, Any]] = []
    issues: list[Issue] = []
    rows = 0
    try:
        run = run_mapping(load_mapping(mapping_file), _files(given), validate="every")
        for result in run:
            resources += [made.resource() for made in result.resources]
            issues += result.issues
        issues = [*run.issues, *issues]
        rows = run.rows
    except MultimodalError as error:
        return StudyTest(study + variant, 0, 0, 0, (str(error),), False, time.perf_counter() - started)
    own = expected / f"errors{variant}.csv"  # only where they differ from those of the first input
    if update and first:
        _write(expected / _RESOURCES, _ndjson(resources))
        _write(own, _csv(issues))
    elif update and list(_text_difference(expected / _ERRORS, _csv(issues))):
        _write(own, _csv(issues))
    errors = own if own.is_file() else expected / _ERRORS
    lines = [*_resource_differences(expected / _RESOURCES, resources), *_text_difference(errors, _csv(issues))]
    counts = (rows, len(resources), len(issues))
    return StudyTest(study + variant, *counts, tuple(lines), update, time.perf_counter() - started)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _ndjson(resources: Sequence[Mapping[str, Any]]) -> str:
    return b"".join(
        orjson.dumps(resource, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS) for resource in resources
    ).decode()


def _csv(issues: Sequence[Issue]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ERRORS_CSV_COLUMNS)
    writer.writerows([getattr(issue, name) for name in ERRORS_CSV_COLUMNS] for issue in issues)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def _text_difference(path: Path, made: str) -> Iterator[str]:
    """Yield the lines that only one of both has; the order of a row's issues does not count."""
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    first, second = (sorted(text.splitlines()[1:], key=_numeric) for text in (known, made))
    lines = list(unified_diff(first, second, n=0, lineterm=""))
    yield from (f"{path.name} {line}" for line in lines[2:] if not line.startswith("@@"))


def _numeric(line: str) -> tuple[int, str]:
    """Return what puts lines into the order of their rows: row 10 after row 9."""
    row = line.partition(",")[0]
    return (int(row) if row.isascii() and row.isdigit() else 0), line


def _resource_differences(path: Path, made: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what differs, element by element; the order of the resources does not count."""
    if not path.is_file():
        yield f"{path} is missing; write it with --update once the output is right"
        return
    known = _by_reference(orjson.loads(line) for line in path.read_bytes().splitlines() if line)
    new = _by_reference(made)
    if len(new) != len(made):
        yield f"{len(made) - len(new)} resources were made twice under one id"
    lines = [
        *(f"- {reference} is not made ({_named(known[reference])})" for reference in known if reference not in new),
        *(f"+ {reference} is not expected ({_named(new[reference])})" for reference in new if reference not in known),
    ]
    for reference in known:
        if reference in new:
            lines += [f"  {reference} {line}" for line in _elements("", known[reference], new[reference])]
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"... and {len(lines) - _SHOWN} more"


def _by_reference(resources: Iterator[Any] | Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {f"{resource['resourceType']}/{resource['id']}": resource for resource in resources}


def _named(resource: Mapping[str, Any]) -> str:
    code = resource.get("code")
    text = code.get("text", "") if isinstance(code, dict) else ""
    value = next((resource[key] for key in resource if key.startswith("value")), "")
    return ": ".join(part for part in (text, _short(value) if value != "" else "") if part) or "no code"


def _elements(path: str, known: Any, made: Any) -> Iterator[str]:
    if isinstance(known, dict) and isinstance(made, dict):
        for key in dict.fromkeys((*known, *made)):
            yield from _elements(f"{path}.{key}" if path else key, known.get(key), made.get(key))
    elif isinstance(known, list) and isinstance(made, list) and len(known) == len(made):
        for number, (one, other) in enumerate(zip(known, made, strict=True)):
            yield from _elements(f"{path}[{number}]", one, other)
    elif known != made:
        yield f"{path}: expected {_short(known)}, made {_short(made)}"


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = orjson.dumps(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
