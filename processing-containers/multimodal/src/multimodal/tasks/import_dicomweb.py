"""Task ``import-dicomweb``: series of an external store, registered by reference."""

from __future__ import annotations

from datetime import UTC, datetime

from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.host.context import TaskContext
from multimodal.index.documents import Arrival
from multimodal.index.series_index import SeriesIndex
from multimodal.model.results import WorkflowResult
from multimodal.tasks.fetch_external import selection
from multimodal.transport.session import HttpSession
from multimodal.workflows.copied_studies import sync_copied
from multimodal.workflows.datasets import PlatformDatasets
from multimodal.workflows.import_dicomweb import Reference, count_series, import_by_reference

# Through Kaapana's CTP images arrive when it has time for them; STOW-RS has stored them when it answers.
_THROUGH_CTP, _BY_STOW = 900.0, 30.0


def run(context: TaskContext) -> WorkflowResult:
    """Write documents and ImagingStudies of the selected series; of copies the ImagingStudies alone.

    With ``dry_run``, in either mode, it is only said how much the selection is.
    """
    form = context.form
    if form.get("dry_run"):
        with open_dicomweb(context.stores.get(form["store"], "dicomweb")) as dicom:
            return count_series(dicom, selection(context))
    if form["mode"] != "reference":
        return _copied(context)
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


def _copied(context: TaskContext) -> WorkflowResult:
    """Write the ImagingStudies of what the step before sent, as the internal archive has it."""
    with (
        open_dicomweb(context.stores.get("pacs", "dicomweb")) as pacs,
        HttpSession(context.stores.get("clinical", "fhir")) as session,
    ):
        return sync_copied(
            pacs,
            {series.uid: series.of(context.in_name) for series in context.series()},
            fhir=FhirServer(session),
            bucket=context.bucket,
            seconds=_THROUGH_CTP if "KAAPANA_BACKEND_URL" in context.settings else _BY_STOW,
            progress=context.progress,
        )
