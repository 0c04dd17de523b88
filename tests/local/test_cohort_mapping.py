"""The demo's mapping makes of the demo's table what `planted.json` says: no defect missed, none made up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pytest

from local.install import LOCAL
from multimodal.mapping import load_mapping, run_mapping
from multimodal.resources.checks import check_resource

MAPPING = LOCAL.parent / "mappings" / "demo-cohort.yaml"


@pytest.mark.parametrize("table", ["clinical.csv", "clinical.xlsx"])
def test_every_planted_defect_is_reported_and_nothing_else(cohort: Path, table: str) -> None:
    planted = orjson.loads((cohort / "planted.json").read_bytes())
    run = run_mapping(load_mapping(MAPPING), [cohort / table])
    results = list(run)
    issues = [*(issue for result in results for issue in result.issues), *run.issues]
    assert [(issue.row, issue.column, issue.value, issue.code) for issue in issues] == [
        (defect["row"], defect["column"], defect["value"], defect["code"]) for defect in planted["table"]
    ]
    resources = [made.resource() for result in results for made in result.resources]
    assert Counter(resource["resourceType"] for resource in resources) == planted["resources"]
    assert [problem for resource in resources for problem in check_resource(resource)] == []


def test_csv_and_workbook_give_the_same_resources(cohort: Path) -> None:
    mapping = load_mapping(MAPPING)
    of_csv, of_xlsx = (
        [result.resources for result in run_mapping(mapping, [cohort / table])]
        for table in ("clinical.csv", "clinical.xlsx")
    )
    assert of_csv == of_xlsx
