"""A small mapping and table, made anew for each test."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from multimodal.mapping import Mapping, MappingRun, RowResult, load_mapping, run_mapping
from multimodal.model.issues import Issue

HEAD = """\
fhirmap: 1
id: made
source: {type: csv}
subject: {id: pid, system: urn:made}
"""


def mapping_of(folder: Path, text: str, head: str = HEAD) -> Mapping:
    file = folder / "made.yaml"
    file.write_text(head + textwrap.dedent(text), encoding="utf-8")
    return load_mapping(file)


def run_of(folder: Path, mapping: str, table: str, head: str = HEAD) -> MappingRun:
    file = folder / "made.csv"
    file.write_text(table, encoding="utf-8")
    return run_mapping(mapping_of(folder, mapping, head), [file])


def mapped(folder: Path, mapping: str, table: str, head: str = HEAD) -> tuple[list[dict[str, Any]], list[Issue]]:
    """Return all resources and issues of a table."""
    results = list(run_of(folder, mapping, table, head))
    return dicts(results), [i for result in results for i in result.issues]


def dicts(results: Iterable[RowResult]) -> list[dict[str, Any]]:
    return [made.resource() for result in results for made in result.resources]


def of_type(resources: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [made for made in resources if made["resourceType"] == type_]


def places(issues: list[Issue]) -> list[tuple[int | None, str, str, str]]:
    return [(issue.row, issue.column, issue.value, issue.code) for issue in issues]
