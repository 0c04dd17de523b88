"""The workflow store-measurements as a real run of a plain Airflow: a report in the store becomes Observations."""

from __future__ import annotations

import uuid
from pathlib import Path

import highdicom
import pydicom
import pytest
from highdicom.sr.coding import CodedConcept
from pydicom.sr.codedict import codes

from local.airflow import AirflowHome, run_dag
from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.model.ids import hash_uid
from multimodal.model.references import PatientRef
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores


@pytest.fixture
def report(cohort: Path, stores_file: Path, tmp_path: Path) -> pydicom.Dataset:
    """A TID 1500 report of another tool on a mask of the cohort, in the image store."""
    mask = pydicom.dcmread(sorted((cohort / "dicom").glob("*/SEG/*.dcm"))[0])
    image = pydicom.dcmread(sorted((cohort / "dicom" / str(mask.PatientID) / "CT").glob("*.dcm"))[0])
    run = uuid.uuid4().hex
    group = highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(uid=hash_uid(run, "roi"), identifier="Lesion"),
        referenced_segment=highdicom.sr.ReferencedSegment(
            mask.SOPClassUID, mask.SOPInstanceUID, 1,
            source_series=highdicom.sr.SourceSeriesForSegmentation(image.SeriesInstanceUID),
        ),
        algorithm_id=highdicom.sr.AlgorithmIdentification("elsewhere", "7", [run]),
        measurements=[
            highdicom.sr.Measurement(
                CodedConcept("RNU0", "IBSI", "Volume"), 812.25, CodedConcept("mm3", "UCUM", "cubic millimeter")
            )
        ],
    )  # fmt: skip
    person = highdicom.sr.PersonObserverIdentifyingAttributes(name="Doe^Jane")
    content = highdicom.sr.MeasurementReport(
        observation_context=highdicom.sr.ObservationContext(
            observer_person_context=highdicom.sr.ObserverContext(codes.DCM.Person, person)
        ),
        procedure_reported=CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[group],
    )
    made: pydicom.Dataset = highdicom.sr.Comprehensive3DSR(
        evidence=[image, mask], content=content[0], series_instance_uid=hash_uid(run, "series"), series_number=7,
        sop_instance_uid=hash_uid(run, "report"), instance_number=1, manufacturer="Elsewhere",
    )  # fmt: skip
    made.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    with open_dicomweb(load_stores(stores_file).get("pacs")) as dicom:
        assert not dicom.push([tmp_path / "sr.dcm"]).failed
    return made


def test_a_report_of_the_store_becomes_observations(report: pydicom.Dataset, stores_file: Path, tmp_path: Path) -> None:
    home = AirflowHome(tmp_path / "airflow", stores=stores_file)
    form = {"identifiers": [str(report.SeriesInstanceUID)]}
    run = run_dag("store-measurements", form, home)
    assert run.state == "success", run.log.read_text()[-2000:]
    assert run.result_of("store-measurements")["counts"]["features"] == 1
    stores = load_stores(stores_file)
    subject = PatientRef(stores.get("pacs").patient_system, str(report.PatientID)).reference
    with HttpSession(stores.get("clinical")) as session:
        found = [
            one
            for one in FhirServer(session).search("Observation", {"subject": subject})
            if one.get("bodySite", {}).get("text") == "Lesion" and "valueQuantity" in one
        ]
    assert 812.25 in {one["valueQuantity"]["value"] for one in found}
