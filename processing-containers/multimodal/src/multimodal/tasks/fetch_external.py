"""Task ``fetch-external``: series of an external store, verified, into ``batch/<series>/fetch-external``."""

from __future__ import annotations

from multimodal.dicomweb import open_dicomweb
from multimodal.host.context import TaskContext
from multimodal.model.results import Status, WorkflowResult
from multimodal.workflows.external_series import Selection
from multimodal.workflows.import_dicomweb import fetch_for_copy

_FILTERS = {
    "patient_id": "PatientID", "study_uid": "StudyInstanceUID", "study_date": "StudyDate", "modality": "Modality",
}  # fmt: skip
_NAMES = ("collection", "only_licence", "analysis_result")  # separated by ; since licences have commas


def run(context: TaskContext) -> WorkflowResult:
    """Fetch what the form selects; by reference there is nothing to fetch."""
    if context.form["mode"] != "copy" or context.form.get("dry_run"):
        return WorkflowResult(Status.NOTHING)
    with open_dicomweb(context.stores.get(context.form["store"], "dicomweb")) as dicom:
        return fetch_for_copy(dicom, selection(context), context.series_folder, progress=context.progress)


def selection(context: TaskContext) -> Selection:
    """Return which series the form means."""
    form = context.form
    filters = {keyword: str(form[key]).strip() for key, keyword in _FILTERS.items() if form.get(key)}
    names = {key: [one.strip() for one in str(form.get(key) or "").split(";") if one.strip()] for key in _NAMES}
    return Selection(
        filters,
        str(form.get("series_uids") or "").split(),
        bool(form.get("everything")),
        names["collection"],
        names["only_licence"],
        names["analysis_result"],
    )
