"""Task ``get-ref-series``: the images each segmentation was drawn on, into ``batch/<segmentation>/get-ref-series``.

On Kaapana the platform's own step of that name does this.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

from multimodal.host.context import TaskContext
from multimodal.imaging.references import referenced_series
from multimodal.model.results import WorkflowResult
from multimodal.workflows.stage_series import origins_of, stage_series


def run(context: TaskContext) -> WorkflowResult:
    """Fetch each image series once; where several segmentations share one, the others get links to its files."""
    folders: dict[str, list[Path]] = defaultdict(list)
    masks_of: dict[str, str] = {}
    for mask in context.series():
        for uid in referenced_series(mask.of(context.in_name)):
            folders[uid].append(context.series_folder(mask.uid))
            masks_of.setdefault(uid, mask.uid)
    origins = _origins(context, masks_of)
    result = stage_series(
        context.stores, list(folders), lambda uid: folders[uid][0], origins=origins, progress=context.progress
    )
    for first, *others in folders.values():
        for other in others:
            if first.is_dir():
                shutil.copytree(first, other, copy_function=os.link, dirs_exist_ok=True)
    return result


def _origins(context: TaskContext, masks_of: dict[str, str]) -> dict[str, str]:
    """Return where images lie: as the index says, else where the segmentation lies that was drawn on them."""
    known = origins_of(context.stores, {*masks_of, *masks_of.values()})
    return {uid: store for uid, mask in masks_of.items() if (store := known.get(uid) or known.get(mask))}
