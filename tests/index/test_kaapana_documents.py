"""Documents equal those of Kaapana's converter: names, types and values.

``tests/golden/kaapana_documents`` holds what the converter made of our files; where ``KAAPANA_GIT`` names a clone,
it runs here and must say the same. To record anew, see ``kaapana_converter``.
"""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest

from multimodal.dicomweb import open_dicomweb
from multimodal.index.attribute_names import attribute_name
from multimodal.index.documents import Arrival, first_instance, series_document
from multimodal.model.dicom_json import text
from multimodal.model.references import SeriesRef
from multimodal.transport.stores import Store
from tests.index import kaapana_converter
from tests.index.kaapana_cases import CASES, write_cases

GOLDEN = Path(__file__).parents[1] / "golden" / "kaapana_documents"
ARRIVAL = Arrival(datetime(2024, 7, 16, tzinfo=UTC), kaapana_converter.PROJECT, kaapana_converter.DATASET)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder)
    return folder


@pytest.fixture(scope="module")
def clone() -> str:
    clone = os.environ.get("KAAPANA_GIT")
    if not clone:
        pytest.skip("the converter itself needs a clone of Kaapana: set KAAPANA_GIT")
    return clone


def ours(instance: Any) -> dict[str, Any]:
    document = series_document(instance, ARRIVAL)
    return {key: value for key, value in document.items() if key.partition(" ")[2] not in kaapana_converter.ARRIVED}


def exact(document: Any) -> str:
    """Return a document so that 1 and 1.0 differ."""
    return json.dumps(document, sort_keys=True, indent=1)


@pytest.mark.parametrize("name", CASES)
def test_a_document_of_a_file_is_that_of_kaapana(name: str, cases: Path) -> None:
    instance = pydicom.dcmread(cases / f"{name}.dcm").to_json_dict()
    assert exact(ours(instance)) == exact(json.loads((GOLDEN / f"{name}.json").read_text()))


def test_a_document_of_a_servers_metadata_is_that_of_kaapana(orthanc: Store, cases: Path) -> None:
    files = {name: cases / f"{name}.dcm" for name in CASES if name != "private_tags"}
    with open_dicomweb(orthanc) as dicom:
        assert not dicom.push(files.values()).failed
        for name, file in files.items():
            there = pydicom.dcmread(file, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"])
            instances = dicom.metadata(SeriesRef(there.StudyInstanceUID, there.SeriesInstanceUID))
            golden = json.loads((GOLDEN / f"{name}.json").read_text())
            assert exact(ours(first_instance(instances))) == exact(golden), name


def test_what_was_recorded_is_what_the_converter_says(clone: str, cases: Path, tmp_path: Path) -> None:
    python = os.environ.get("KAAPANA_PYTHON", sys.executable)
    program = [python, kaapana_converter.__file__, clone, str(cases), str(tmp_path)]
    subprocess.run(program, check=True, capture_output=True, timeout=60)
    for name in CASES:
        assert (tmp_path / f"{name}.json").read_text() == (GOLDEN / f"{name}.json").read_text(), name


def test_every_attribute_has_the_name_of_the_platforms_dictionary(clone: str) -> None:
    dictionary = json.loads(kaapana_converter.source(clone, kaapana_converter.DICTIONARY))
    tags = {tag for tag in dictionary if re.fullmatch("[0-9A-F]{8}", tag)}
    assert {tag: attribute_name(tag) for tag in tags} == {tag: dictionary[tag] for tag in tags}
    others = {f"{tag:08X}" for tag in pydicom.datadict.DicomDictionary if tag >> 16} - tags
    assert [tag for tag in others if attribute_name(tag)] == []


def test_the_document_is_made_of_the_first_file_by_name() -> None:
    uids = ["1.2.10", "1.2.9", "1.2.10.1", "1.2"]
    instances = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in uids]
    first = min(f"{uid}.dcm" for uid in uids).removesuffix(".dcm")
    assert text(first_instance(instances), "SOPInstanceUID") == first == "1.2.10.1"
