"""The mappings of an ODM trial and of an IDC table on their sources."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from multimodal.mapping.load import load_mapping
from multimodal.mapping.run import MappingRun, run_mapping
from multimodal.tables.csv_source import CsvSource
from multimodal.tables.rows import SourceSpec

MAPPINGS = Path(__file__).parents[2] / "mappings"


def opened(study: str, *files: Path) -> MappingRun:
    return run_mapping(load_mapping(MAPPINGS / f"{study}.yaml"), files)


def lines(run: MappingRun) -> list[bytes]:
    return sorted(made.line() for result in run for made in result.resources)


def test_the_public_odm_snapshot(public_data: Path) -> None:
    run = opened("odm-trial", public_data / "odm/odm-data-snapshot.xml")
    results = list(run)
    made = Counter(resource.resource()["resourceType"] for result in results for resource in result.resources)
    assert made == {"Patient": 2, "Observation": 22, "Condition": 20, "MedicationStatement": 1}
    issues = [issue for result in results for issue in result.issues]
    assert Counter(issue.code for issue in issues) == {"E101": 13, "E102": 4}
    first = next(issue for issue in issues if issue.column == "IT.PT_SBP")
    assert (first.row, first.sheet, first.record, first.value) == (879, "IG.VS", "SS_0001", "yes")
    assert "'IG.AE', 'IG.EC', 'IG.EC.EC_ARRAY1'" in run.notes[0]


def test_lines_of_an_odm_file_and_their_order_change_nothing(tmp_path: Path) -> None:
    source = MAPPINGS / "tests/odm-trial/input/snapshot.xml"
    text = source.read_text(encoding="utf-8")
    begin, end = text.index("    <SubjectData"), text.rindex("  </ClinicalData>")
    subjects = [part + "</SubjectData>" for part in text[begin:end].split("</SubjectData>") if part.strip()]
    other = tmp_path / "other.xml"
    other.write_text(text[:begin] + "\n\n".join(reversed(subjects)) + text[end:], encoding="utf-8")
    assert lines(opened("odm-trial", other)) == lines(opened("odm-trial", source))


def test_a_removed_row_of_a_trial_makes_nothing(tmp_path: Path) -> None:
    text = (MAPPINGS / "tests/odm-trial/input/snapshot.xml").read_text(encoding="utf-8")
    assert 'SubjectKey="SS_M3"' in text
    run = opened("odm-trial", MAPPINGS / "tests/odm-trial/input/snapshot.xml")
    assert all(b"SS_M3" not in line for line in lines(run))
    assert any("removed in the source" in note for note in run.notes)


def test_an_idc_table_gives_the_same_from_csv_and_parquet(tmp_path: Path) -> None:
    arrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = MAPPINGS / "tests/idc-nsclc-radiogenomics/input"
    table, index = folder / "nsclc_radiogenomics_clinical.csv", folder / "clinical_index.csv"
    (read,) = CsvSource().read(table, SourceSpec())
    records = [{**row.values, "source_batch": int(row.values["source_batch"])} for row in read.rows]
    other = tmp_path / "nsclc_radiogenomics_clinical.parquet"
    writer.write_table(arrow.Table.from_pylist(records), other)
    run = opened("idc-nsclc-radiogenomics", table, index)
    assert run.notes == []
    assert lines(opened("idc-nsclc-radiogenomics", other, index)) == lines(run)
