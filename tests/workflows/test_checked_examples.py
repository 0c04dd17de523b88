"""The shipped examples back as workbooks: what each finding says of its cell is what stands there."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.model.issue_codes import IssueCode
from multimodal.workflows.import_clinical import import_clinical
from multimodal.workflows.workbook_cells import LIST_SHEET

MAPPINGS = Path(__file__).parents[2] / "mappings"
INPUTS = sorted(folder for folder in (MAPPINGS / "tests").glob("*/input*") if folder.is_dir())


@pytest.mark.parametrize("folder", INPUTS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_marked_cell_holds_the_value_of_its_finding(
    folder: Path, tmp_path: Path, bucket: FolderBucket, target: NdjsonFolder
) -> None:
    study, report = folder.parent.name, tmp_path / "report"
    result = import_clinical(
        sorted(folder.iterdir()), MAPPINGS / f"{study}.yaml", target=target, bucket=bucket, report_dir=report,
        run_id="r1",
    )  # fmt: skip
    checked = 0
    for file in report.glob("*-checked.xlsx"):
        workbook = openpyxl.load_workbook(file)
        listed = list(workbook[LIST_SHEET].iter_rows())
        head = next(at for at, line in enumerate(listed) if line[0].value == "where")
        for line in listed[head + 1 :]:
            place, column, value = line[0], line[4].value or "", line[5].value or ""
            if line[2].value is None:
                assert place.value is None, "a finding on the whole file"
                continue
            sheet, cell = place.hyperlink.location.rsplit("!", 1)
            found = workbook[sheet.strip("'")][cell]
            assert line[6].value in found.comment.text
            if column and ", " not in column and line[6].value != IssueCode.RAGGED_ROW.code:
                assert str(found.value or "").strip() == value
            checked += 1
    assert checked == sum(issue.row is not None for issue in result.issues)
