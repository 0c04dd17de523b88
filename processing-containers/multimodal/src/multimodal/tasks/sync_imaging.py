"""Task ``sync-imaging``: an ImagingStudy, with its Patient, for each study of the image store."""

from __future__ import annotations

from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.host.context import TaskContext
from multimodal.model.results import WorkflowResult
from multimodal.transport.session import HttpSession
from multimodal.workflows.sync_imaging import sync_imaging


def run(context: TaskContext) -> WorkflowResult:
    """Write what the store says of its studies into the FHIR server."""
    with (
        open_dicomweb(context.stores.get(context.form.get("store") or "pacs", "dicomweb")) as dicom,
        HttpSession(context.stores.get("clinical", "fhir")) as session,
    ):
        return sync_imaging(dicom, fhir=FhirServer(session), bucket=context.bucket, progress=context.progress)
