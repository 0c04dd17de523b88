"""Task ``get-input``: the chosen series, verified, into ``batch/<series>/get-input``, each from its own store.

On Kaapana the platform's own step of that name does this for series of its archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.host.context import TaskContext
from multimodal.model import dicom_json
from multimodal.model.results import WorkflowResult
from multimodal.workflows.pull_series import pull_series
from multimodal.workflows.stage_series import stage_series


def run(context: TaskContext) -> WorkflowResult:
    """Fetch the series the user chose; where none was chosen, all of the modalities the workflow works on.

    A chosen series may lie in the internal archive or be referenced in another store; without a choice those of the
    internal archive are meant.
    """
    if chosen := context.conf.picked_series:
        return stage_series(context.stores, chosen, context.series_folder, progress=context.progress)
    modalities = [name for name in context.settings.get("MULTIMODAL_MODALITIES", "").split(",") if name]
    with open_dicomweb(context.stores.get("pacs", "dicomweb")) as dicom:
        series = sorted(set(_all(dicom, modalities)))
        return pull_series(dicom, series, context.series_folder, progress=context.progress)


def _all(dicom: DicomWeb, modalities: Sequence[str]) -> Iterator[str]:
    for filters in [{"Modality": name} for name in modalities] or [{}]:
        for found in dicom.series(filters=filters):
            yield dicom_json.text(found, "SeriesInstanceUID")
