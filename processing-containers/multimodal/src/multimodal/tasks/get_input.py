"""Task ``get-input``: the chosen series, verified, into ``batch/<series>/get-input``.

On Kaapana the platform's own step of that name does this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.host.context import TaskContext
from multimodal.model import dicom_json
from multimodal.model.results import WorkflowResult
from multimodal.workflows.pull_series import pull_series


def run(context: TaskContext) -> WorkflowResult:
    """Fetch the series the user chose; where none was chosen, all of the modalities the workflow works on."""
    modalities = [name for name in context.settings.get("MULTIMODAL_MODALITIES", "").split(",") if name]
    with open_dicomweb(context.stores.get("pacs", "dicomweb")) as dicom:
        series = context.conf.picked_series or sorted(set(_all(dicom, modalities)))
        return pull_series(dicom, series, context.series_folder, progress=context.progress)


def _all(dicom: DicomWeb, modalities: Sequence[str]) -> Iterator[str]:
    for filters in [{"Modality": name} for name in modalities] or [{}]:
        for found in dicom.series(filters=filters):
            yield dicom_json.text(found, "SeriesInstanceUID")
