"""One import taken back: what it created goes, what it overwrote or removed comes back."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from multimodal.bucket import Bucket
from multimodal.fhirstore import Target, undo
from multimodal.mapping import load_mapping
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.workflows.findings import state_key
from multimodal.workflows.findings_history import bring_back
from multimodal.workflows.manifests import manifest_in


def undo_import(
    run: str, mapping_file: Path, *, target: Target, bucket: Bucket, wait: float = 0.0, progress: Progress = silent
) -> WorkflowResult:
    """Take back what the import `run` with `mapping_file` wrote to `target`, and what it found.

    The next import is held to the findings of the import before `run`.

    Parameters
    ----------
    run : str
        Id of the import, as its report names it.
    mapping_file : Path
        Its mapping.
    target, bucket : Target and Bucket
        Those of the import.
    wait : float
        Seconds to wait for an import with this mapping.
    progress : Progress
        Told of resources taken back.

    Returns
    -------
    WorkflowResult
        ``partial`` when something was left alone, since somebody else had changed it meanwhile.

    Raises
    ------
    NotUndoableError
        If the run is not known (any more), or a later one wrote on top of it; nothing was changed.
    LockedError
        If another run still holds the mapping's manifest after `wait`.
    RemoteError
        If the target fails for good; the same call again completes the work.
    """
    mapping = load_mapping(mapping_file)
    with manifest_in(bucket, mapping.id, patience=wait, progress=progress) as manifest:
        report = undo(target, manifest, source=mapping.id, run=run, progress=progress)
        # While the manifest is out: an undoing that is killed here is done again as a whole.
        bring_back(bucket, state_key(mapping.id), run)
    named = {"taken away": report.deleted, "as before": report.updated, "brought back": report.created}
    return WorkflowResult(
        Status.PARTIAL if report.refused else Status.DONE,
        counts={f"{kind} {what}": number for what, each in named.items() for kind, number in sorted(each.items())},
        warnings=report.warnings,
        issues=report.refused,
        versions={"kaapana-multimodal": version("kaapana-multimodal")},
        hashes={"mapping": mapping.sha256},
    )
