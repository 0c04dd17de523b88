"""Task ``dcmsend``: the series that an earlier step laid into the batch -> the internal archive.

On Kaapana the platform's own step of that name does this, by C-STORE to its CTP.
"""

from __future__ import annotations

from multimodal.dicomweb import open_dicomweb
from multimodal.host.context import TaskContext
from multimodal.model.results import Status, WorkflowResult
from multimodal.workflows.push_files import push_files


def run(context: TaskContext) -> WorkflowResult:
    """Send every series; what is there already is not sent again."""
    results = []
    with open_dicomweb(context.stores.get("pacs", "dicomweb")) as dicom:
        for series in context.series():
            if (folder := series.of(context.in_name)).is_dir():
                results.append(push_files(dicom, folder, progress=context.progress))
    if not results:
        return WorkflowResult(Status.NOTHING)
    counts = {"series": len(results)}
    for result in results:
        counts |= {what: counts.get(what, 0) + number for what, number in result.counts.items()}
    issues = [issue for result in results for issue in result.issues]
    return WorkflowResult(Status.PARTIAL if issues else Status.DONE, counts, issues=issues)
