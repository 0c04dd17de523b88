"""``multimodal sync``: the studies of an image store, as ImagingStudy resources."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.bucket import open_bucket
from multimodal.cli.ends import bucket_option, errors_option, fhir_option, pacs_option, tell
from multimodal.cli.options import project_option, stores_option
from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.host.progress import ShownProgress
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores
from multimodal.workflows.sync_imaging import sync_imaging


@click.command("sync")
@click.option("--patient", help="Only studies of this Patient ID; * and ? stand for other signs.")
@pacs_option
@fhir_option
@bucket_option
@errors_option
@stores_option
@project_option
def command(
    patient: str | None,
    pacs: str,
    fhir: str,
    bucket: str,
    errors_file: Path | None,
    stores_file: Path | None,
    project: str,
) -> int:
    """Write an ImagingStudy, with its Patient, for each study of an image store.

    What another writer said of a Patient stays; a second run writes nothing.
    """
    stores = load_stores(stores_file, project=project)
    with (
        open_dicomweb(stores.get(pacs, "dicomweb")) as dicom,
        HttpSession(stores.get(fhir, "fhir")) as session,
        ShownProgress() as progress,
    ):
        result = sync_imaging(
            dicom,
            fhir=FhirServer(session),
            bucket=open_bucket(stores.get(bucket)),
            filters={"PatientID": patient} if patient else None,
            progress=progress,
        )
    return tell(result, errors_file)
