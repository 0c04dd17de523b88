"""Task ``collect-results``: reports and segmentations for the archive, into ``batch/<mask series>/collect-results``.

Only where the archive takes no instances by STOW-RS: Kaapana's own step sends them from there, by C-STORE to its CTP.
"""

from __future__ import annotations

import os

from multimodal.dicomweb import open_dicomweb
from multimodal.host.context import TaskContext
from multimodal.model.results import Status, WorkflowResult


def run(context: TaskContext) -> WorkflowResult:
    """Lay the results out to be sent; where nothing is to be sent, or was stored already, there is nothing to do."""
    if not context.form.get("send_results"):
        return WorkflowResult(Status.NOTHING)
    with open_dicomweb(context.stores.get("pacs", "dicomweb")) as pacs:
        if pacs.profile.accepts_instances:
            return WorkflowResult(Status.NOTHING)
    files = sorted((context.workflow_dir / context.in_name).glob("*/*.dcm"))
    for file in files:
        folder = context.series_folder(file.parent.name)
        folder.mkdir(parents=True, exist_ok=True)
        os.link(file, folder / file.name)
    return WorkflowResult(Status.DONE if files else Status.NOTHING, {"SR and SEG to send": len(files)})
