"""Task ``store-measurements``: the reports and feature tables of the batch, made elsewhere, as Observations."""

from __future__ import annotations

from multimodal.fhirstore import FhirServer
from multimodal.host.context import TaskContext
from multimodal.model.results import WorkflowResult
from multimodal.transport.session import HttpSession
from multimodal.workflows.scanned_patients import ScannedPatients
from multimodal.workflows.store_measurements import store_measurements


def run(context: TaskContext) -> WorkflowResult:
    """Write what the files of the batch say; nothing is computed."""
    folders = [folder for series in context.series() if (folder := series.of(context.in_name)).is_dir()]
    with HttpSession(context.stores.get("clinical", "fhir")) as session:
        return store_measurements(
            folders,
            fhir=FhirServer(session),
            patients=ScannedPatients.of(context.stores.get("pacs", "dicomweb")),
            bucket=context.bucket,
            layout="components" if context.form.get("layout") == "components" else "members",
            progress=context.progress,
        )
