"""``multimodal sync``: the studies of an image store, as ImagingStudy resources."""

from __future__ import annotations

import click

from multimodal.cli.ends import Ends, between_stores
from multimodal.host.progress import ShownProgress
from multimodal.workflows.sync_imaging import sync_imaging


@click.command("sync")
@click.option("--patient", help="Only studies of this Patient ID; * and ? stand for other signs.")
@between_stores
def command(ends: Ends, *, patient: str | None) -> int:
    """Write an ImagingStudy, with its Patient, for each study of an image store.

    What another writer said of a Patient stays; a second run writes nothing.
    """
    with ends.open_images() as dicom, ends.open_fhir() as fhir, ShownProgress() as progress:
        filters = {"PatientID": patient} if patient else None
        result = sync_imaging(dicom, fhir=fhir, bucket=ends.open_bucket(), filters=filters, progress=progress)
    return ends.tell(result)
