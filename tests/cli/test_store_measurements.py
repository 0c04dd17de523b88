"""``multimodal store-measurements`` as a person calls it, into a real FHIR server."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from multimodal.cli import main
from multimodal.fhirstore import FhirServer
from multimodal.model.ids import hash_uid
from multimodal.model.references import PatientRef
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["store-measurements", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def stores(stores_file: Path, tmp_path: Path) -> Path:
    content = YAML(typ="safe").load(stores_file)
    content["stores"]["bucket"]["path"] = str(tmp_path / "bucket")
    file = tmp_path / "stores.yaml"
    YAML().dump(content, file)
    return file


def test_a_table_is_stored_once(stores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patient = f"CLI-{uuid.uuid4().hex[:8]}"
    table = tmp_path / "features.json"
    table.write_text(json.dumps({"original_shape_MeshVolume": 812.25, "original_glcm_JointEntropy": 3.5}))
    said = {name: hash_uid(patient, name) for name in ("study", "series", "mask_series", "mask_sop_uid")}
    given = [word for name, value in {**said, "patient_id": patient}.items() for word in ("--given", f"{name}={value}")]
    assert called(str(table), *given, "--stores", str(stores)) == 0
    assert "Observation created" in capsys.readouterr().out
    loaded = load_stores(stores, project="default")
    subject = PatientRef(loaded.get("pacs").patient_system, patient).reference
    with HttpSession(loaded.get("clinical", "fhir")) as session:
        found = [
            one["valueQuantity"]["value"]
            for one in FhirServer(session).search("Observation", {"subject": subject})
            if "valueQuantity" in one
        ]
    assert sorted(found) == [3.5, 812.25]
    assert called(str(table), *given, "--stores", str(stores)) == 0
    assert "Observation unchanged" in capsys.readouterr().out


def test_what_is_not_known_of_a_table_is_refused(
    stores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "features.csv"
    table.write_text("original_shape_MeshVolume\n1.5\n")
    assert called(str(table), "--stores", str(stores)) == 3
    assert "features.csv: row 1 does not say patient_id" in capsys.readouterr().err
    assert called(str(table), "--given", "colour=red", "--stores", str(stores)) == 2
