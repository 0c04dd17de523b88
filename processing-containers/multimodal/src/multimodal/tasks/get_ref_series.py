"""Task ``get-ref-series``: the images each segmentation was drawn on, into ``batch/<segmentation>/get-ref-series``.

On Kaapana the platform's own step of that name does this.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

from multimodal.dicomweb import open_dicomweb
from multimodal.host.context import TaskContext
from multimodal.imaging.references import referenced_series
from multimodal.model.results import WorkflowResult
from multimodal.workflows.pull_series import pull_series


def run(context: TaskContext) -> WorkflowResult:
    """Fetch each image series once; where several segmentations share one, the others get links to its files."""
    folders: dict[str, list[Path]] = defaultdict(list)
    for mask in context.series():
        for uid in referenced_series(mask.of(context.in_name)):
            folders[uid].append(context.series_folder(mask.uid))
    with open_dicomweb(context.stores.get("pacs", "dicomweb")) as dicom:
        result = pull_series(dicom, list(folders), lambda uid: folders[uid][0], progress=context.progress)
    for first, *others in folders.values():
        for other in others:
            if first.is_dir():
                shutil.copytree(first, other, copy_function=os.link, dirs_exist_ok=True)
    return result
