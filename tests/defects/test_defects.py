"""Every defect of the suite is reported, where it is and once; nothing else is; and nothing else is lost."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.mapping import Mapping, load_mapping, run_mapping
from multimodal.model.errors import MultimodalError
from multimodal.model.exit_codes import ExitCode
from multimodal.model.issues import Issue
from multimodal.model.results import Status
from multimodal.workflows.import_clinical import import_clinical
from tests.defects.spoil import cells, columns, row_texts, shown, spoilt, write, write_mapping, write_spoilt
from tests.defects.suite import Defect, FileDefect, Suite, batches, suites

SUITES = suites()
DEFECTS = [(suite, defect) for suite in SUITES for defect in suite.defects]
FINE = [(suite, defect) for suite in SUITES for defect in suite.fine]
FILES = [(suite, defect) for suite in SUITES for defect in suite.files]
BATCHES = [(suite, batch) for suite in SUITES for batch in batches(suite)]
Told = tuple[str, str, str, str, str, str]
"""Sheet, row, record, column, value and code of a line."""


@dataclass(frozen=True)
class Outcome:
    """What a run gave: resources by type and id, those of each row, and issues."""

    resources: dict[str, bytes]
    rows: dict[tuple[str, int], set[str]]
    issues: list[Issue]


def outcome(mapping: Mapping, files: list[Path]) -> Outcome:
    run = run_mapping(mapping, files)
    resources: dict[str, bytes] = {}
    rows: dict[tuple[str, int], set[str]] = {}
    issues: list[Issue] = []
    for result in run:
        made = {f"{one.type}/{one.id}": one.line() for one in result.resources}
        assert not made.keys() & resources.keys()
        resources |= made
        rows.setdefault((result.row.sheet, result.row.number), set()).update(made)
        issues += result.issues
    return Outcome(resources, rows, [*run.issues, *issues])


@pytest.fixture(scope="module")
def mappings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Mapping]:
    folder = tmp_path_factory.mktemp("mappings")
    return {suite.title: load_mapping(write_mapping(suite, folder / suite.title)) for suite in SUITES}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, mappings: dict[str, Mapping]) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("clean")
    return {suite.title: outcome(mappings[suite.title], write(suite, folder / suite.title)) for suite in SUITES}


def expected(suite: Suite, defect: Defect) -> list[Told]:
    """Return the lines that a defect must give."""
    record = _record(suite, defect) if defect.record is None else defect.record
    value = shown(defect.text) if defect.value is None else defect.value
    if suite.format == "xlsx" and defect.way == "add":
        value = " | ".join(map(str, defect.text))
    elif defect.way in ("cut", "add", "insert", "remove"):
        value = ",".join(map(str, spoilt(suite, defect)))[:200]
    row = str((defect.row if defect.told_row is None else defect.told_row) or "")
    line = (defect.sheet, row, record, defect.told or defect.column, value, defect.code)
    return [line, *(_also(suite, defect, *further) for further in defect.also)]


def _also(suite: Suite, defect: Defect, row: int, column: str, value: str, code: str, sheet: str) -> Told:
    return sheet, str(row), _record(suite, defect, row), column, value, code


def _record(suite: Suite, defect: Defect, row: int = 0) -> str:
    key = suite.key.get(defect.sheet) or suite.key.get("")
    if key is None:
        return defect.record or ""
    record = cells(suite, defect.sheet)[(row or defect.row) - 1]
    values = dict(zip(columns(suite, defect.sheet), record, strict=True))
    if defect.way == "put" and not row:
        values[defect.column] = str(defect.text)
    return " / ".join(values[column].strip() for column in key)


def told(issues: Iterable[Issue]) -> list[Told]:
    return [(i.sheet, str(i.row or ""), i.record, i.column, i.value, i.code) for i in issues]


def types(names: Iterable[str]) -> Counter[str]:
    return Counter(name.partition("/")[0] for name in names)


def test_the_suite_is_as_large_as_it_must_be() -> None:
    assert len(DEFECTS) + len(FILES) >= 200
    assert len({defect.kind for _, defect in DEFECTS} | {defect.kind for _, defect in FILES}) >= 12


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_a_clean_file_raises_no_alarm(suite: Suite, clean: dict[str, Outcome]) -> None:
    assert told(clean[suite.title].issues) == []
    assert types(clean[suite.title].resources) == suite.clean


VARIANTS: dict[str, Callable[[str], bytes]] = {
    "with the mark of UTF-8": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "as old Macs end lines": lambda text: text.replace("\r\n", "\r").encode(),
    "as Unix ends lines": lambda text: text.replace("\r\n", "\n").encode(),
    "tabs": lambda text: _delimited(text, "\t"),
    "semicolons": lambda text: _delimited(text, ";"),
    "with Excel's hint": lambda text: b"sep=;\r\n" + _delimited(text, ";"),
    "all cells quoted": lambda text: _delimited(text, ",", csv.QUOTE_ALL),
    "delimiters at the end": lambda text: text.replace("\r\n", ",,\r\n").encode(),
    "empty rows at the end": lambda text: (text + "\r\n,,,,\r\n" + "," * 15 + "\r\n").encode(),
    "without a last line end": lambda text: text.removesuffix("\r\n").encode(),
    "blanks around headers": lambda text: text.replace("weight", " weight ", 1).encode(),
}


def _delimited(text: str, delimiter: str, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows(csv.reader(io.StringIO(text, newline="")))
    return out.getvalue().encode()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_clean_table_may_be_written_in_many_ways(
    variant: str, tmp_path: Path, mappings: dict[str, Mapping], clean: dict[str, Outcome]
) -> None:
    (suite,) = (suite for suite in SUITES if suite.title == "csv")
    (file,) = write(suite, tmp_path)
    file.write_bytes(VARIANTS[variant](file.read_bytes().decode()))
    after = outcome(mappings["csv"], [file])
    assert told(after.issues) == []
    assert after.resources == clean["csv"].resources


@pytest.mark.parametrize(("suite", "cell"), FINE, ids=str)
def test_what_only_looks_wrong_raises_no_alarm(
    suite: Suite, cell: Defect, tmp_path: Path, mappings: dict[str, Mapping], clean: dict[str, Outcome]
) -> None:
    after = outcome(mappings[suite.title], write(suite, tmp_path, [cell]))
    assert told(after.issues) == []
    assert after.resources.keys() == clean[suite.title].resources.keys()


@pytest.mark.parametrize(("suite", "defect"), DEFECTS, ids=str)
def test_a_defect_is_reported_and_costs_no_more_than_it_must(
    suite: Suite, defect: Defect, tmp_path: Path, mappings: dict[str, Mapping], clean: dict[str, Outcome]
) -> None:
    before = clean[suite.title]
    after = outcome(mappings[suite.title], write(suite, tmp_path, [defect]))
    assert sorted(told(after.issues)) == sorted(expected(suite, defect))
    assert all(issue.suggestion and issue.message for issue in after.issues)
    lost = before.resources.keys() - after.resources.keys()
    if defect.row_lost:
        of_row = before.rows[defect.sheet, defect.row]
        assert {name for name in of_row if name not in after.resources or not name.startswith("Patient/")} == lost
    else:
        assert types(lost) == defect.costs
    assert not after.resources.keys() - before.resources.keys()
    changed = {name for name, line in after.resources.items() if line != before.resources[name]}
    assert types(changed) == defect.changes


@pytest.mark.parametrize(("suite", "batch"), BATCHES, ids=[f"{suite}-{len(batch)}" for suite, batch in BATCHES])
def test_defects_together_are_all_reported_by_an_import(
    suite: Suite, batch: list[Defect], tmp_path: Path, clean: dict[str, Outcome]
) -> None:
    files = write(suite, tmp_path / "in", batch)
    result = import_clinical(
        files,
        write_mapping(suite, tmp_path / "in"),
        target=NdjsonFolder(tmp_path / "fhir"),
        bucket=FolderBucket(tmp_path / "bucket"),
        report_dir=tmp_path / "report",
        run_id="defects",
    )
    lines = [line for defect in batch for line in expected(suite, defect)]
    with (tmp_path / "report/errors.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    names = ("sheet", "row", "record", "column", "value", "code")
    assert sorted(tuple(_plain(line[name]) for name in names) for line in found) == sorted(
        tuple(_plain(cell) for cell in line) for line in lines
    )
    assert all(line["suggestion"] and line["message"] for line in found)
    assert result.status is Status.PARTIAL
    with (tmp_path / "report/quarantine.csv").open(encoding="utf-8-sig", newline="") as file:
        kept = {(line["sheet"], line["row"]): {_plain(text) for text in line.values()} for line in csv.DictReader(file)}
    assert kept.keys() == {(line[0], _row_of(suite, line[1])) for line in lines if line[1]}
    for sheet, row in kept if suite.format != "xml" else ():
        texts = {text for (_, other), found in kept.items() if other == row for text in found}
        assert sheet not in suite.tables or {_plain(text) for text in row_texts(suite, batch, sheet, int(row))} <= texts


def _row_of(suite: Suite, row: str) -> str:
    """Return the row that holds the cell of a finding: in XML, the line where its group begins."""
    if suite.format != "xml":
        return row
    lines = suite.tables[""].splitlines()[: int(row)]
    return str(max(number for number, line in enumerate(lines, start=1) if "<ItemGroupData" in line))


def _plain(cell: str) -> str:
    """Return a text as both sides can write it: a report is made safe for spreadsheets and holds no raw controls."""
    return cell.removeprefix("'").encode("utf-8", "backslashreplace").decode().replace("\r\n", "\n")


@pytest.mark.parametrize(("suite", "defect"), FILES, ids=str)
def test_a_spoilt_file_is_refused_and_nothing_is_stored(suite: Suite, defect: FileDefect, tmp_path: Path) -> None:
    files = write_spoilt(suite, tmp_path / "in", defect)
    with pytest.raises(MultimodalError, match=defect.says) as caught:
        import_clinical(
            files,
            write_mapping(suite, tmp_path / "in"),
            target=NdjsonFolder(tmp_path / "fhir"),
            bucket=FolderBucket(tmp_path / "bucket"),
            report_dir=tmp_path / "report",
            run_id="defects",
        )
    assert type(caught.value).__name__ == defect.error
    assert caught.value.exit_code == ExitCode.REFUSED
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "fhir").glob("*.ndjson"))
    assert (tmp_path / "report/errors.csv").is_file()
