"""Task ``import-dicomweb``: series of an external store, registered by reference."""

from __future__ import annotations

from datetime import UTC, datetime

from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.host.context import TaskContext
from multimodal.index.documents import Arrival
from multimodal.index.series_index import SeriesIndex
from multimodal.model.results import Status, WorkflowResult
from multimodal.tasks.fetch_external import selection
from multimodal.transport.session import HttpSession
from multimodal.workflows.datasets import PlatformDatasets
from multimodal.workflows.import_dicomweb import Reference, count_series, import_by_reference


def run(context: TaskContext) -> WorkflowResult:
    """Write documents and ImagingStudies of the selected series; with copies there is nothing to register.

    With ``dry_run``, in either mode, it is only said how much the selection is.
    """
    form = context.form
    if form.get("dry_run"):
        with open_dicomweb(context.stores.get(form["store"], "dicomweb")) as dicom:
            return count_series(dicom, selection(context))
    if form["mode"] != "reference":
        return WorkflowResult(Status.NOTHING)
    backend = context.settings.get("KAAPANA_BACKEND_URL")
    arrival = Arrival(datetime.now(UTC), context.conf.project, form.get("aetitle") or "")
    with (
        open_dicomweb(context.stores.get(form["store"], "dicomweb")) as dicom,
        SeriesIndex(context.stores.get("search", "opensearch")) as index,
        HttpSession(context.stores.get("clinical", "fhir")) as session,
    ):
        return import_by_reference(
            dicom,
            selection(context),
            index=index,
            bucket=context.bucket,
            reference=Reference(arrival, form.get("licence") or "", bool(form["complete"])),
            fhir=FhirServer(session),
            platform=PlatformDatasets(backend, context.conf.project_form) if backend else None,
            progress=context.progress,
        )
