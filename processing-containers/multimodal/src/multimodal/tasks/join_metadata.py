"""Task ``join-metadata``: clinical columns and features into the series documents of the index."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.host.context import TaskContext
from multimodal.host.picked import all_mappings
from multimodal.index.series_index import SeriesIndex
from multimodal.mapping import load_mapping
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.session import HttpSession
from multimodal.workflows.join_metadata import join_metadata
from multimodal.workflows.manifests import FOLDER


def run(context: TaskContext) -> WorkflowResult:
    """Join what every mapping brought that was ever imported here; after a dry run there is nothing to join."""
    if context.form.get("dry_run"):
        return WorkflowResult(Status.NOTHING)
    with (
        TemporaryDirectory() as scratch,
        open_dicomweb(context.stores.get("pacs", "dicomweb")) as dicom,
        HttpSession(context.stores.get("clinical", "fhir")) as session,
        SeriesIndex(context.stores.get("search", "opensearch")) as index,
    ):
        return join_metadata(
            dicom,
            fhir=FhirServer(session),
            index=index,
            bucket=context.bucket,
            stores=context.stores,
            mappings=_imported(context, Path(scratch)),
            progress=context.progress,
        )


def _imported(context: TaskContext, folder: Path) -> list[Path]:
    """Return the mappings by which tables were imported: each left a manifest under its id."""
    manifests = set(context.bucket.list(f"{FOLDER}/"))
    found: dict[str, Path] = {}
    for file in all_mappings(context, folder) if manifests else []:
        mapping = load_mapping(file)
        if f"{FOLDER}/{mapping.id}.sqlite" in manifests:
            found.setdefault(mapping.id, file)
    return list(found.values())
