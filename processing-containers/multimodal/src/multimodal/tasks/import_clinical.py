"""Task ``import-clinical``: the picked tables through a mapping into the FHIR server."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from multimodal.fhirstore import FhirServer
from multimodal.host.context import TaskContext
from multimodal.host.picked import IN_BUCKET, fetch_picked, find_mapping, remember_mapping
from multimodal.mapping import load_mapping
from multimodal.model.errors import ConfigurationError
from multimodal.model.results import WorkflowResult
from multimodal.transport.session import HttpSession
from multimodal.workflows.import_clinical import MOST_DELETES, import_clinical
from multimodal.workflows.undo_import import undo_import

_PICK = (
    "pick at least one table file of the project's bucket, e.g. tables/patients.csv; "
    "in plain Airflow that is the param files"
)
# A pod may wait for the import that another run of the same mapping is about to end.
_WAIT = 600.0


def run(context: TaskContext) -> WorkflowResult:
    """Import the tables picked in the bucket; a picked ``.yaml`` is the mapping, else the form names one.

    Without a table, a mapping with ``source.api`` has its own fetched from the store that it names. With
    ``undo_run`` in the form nothing is imported: that import is taken back.
    """
    with TemporaryDirectory() as scratch:
        tables, mapping = fetch_picked(context, Path(scratch))
        picked = mapping is not None and mapping.parent != Path(scratch, IN_BUCKET)
        undone = str(context.form.get("undo_run") or "").strip().strip("/")
        if mapping is None:
            if not (name := context.form.get("mapping")):
                named = "name a mapping, or pick a .yaml file of the bucket"
                raise ConfigurationError(named if tables or undone else _PICK)
            mapping = find_mapping(context, name, Path(scratch))
        if undone:
            return _undo(context, mapping, undone)
        store = "" if tables else load_mapping(mapping).source.options.get("store", "")
        if not tables and not store:
            raise ConfigurationError(_PICK)
        context.say(f"{', '.join(table.name for table in tables) or f'store {store}'} through {mapping.name}")
        result = _import(context, tables, mapping)
        if picked and not context.form.get("dry_run"):
            remember_mapping(context, mapping)
        return result


def _import(context: TaskContext, tables: list[Path], mapping: Path) -> WorkflowResult:
    with HttpSession(context.stores.get("clinical", "fhir")) as session:
        return import_clinical(
            tables, mapping, target=FhirServer(session), bucket=context.bucket, report_dir=context.out_dir,
            run_id=f"{context.run_name}/{context.task_id}",  # its reports beside the host's
            dry_run=bool(context.form.get("dry_run")),
            most_deletes=1.0 if context.form.get("force_deletes") else MOST_DELETES,
            validate="every" if context.form.get("validate_every") else "shape",
            verify=bool(context.form.get("verify")), wait=_WAIT, stores=context.stores, progress=context.progress,
        )  # fmt: skip


def _undo(context: TaskContext, mapping: Path, undone: str) -> WorkflowResult:
    # People know it by its folder below reports/.
    run = f"{undone.removeprefix('reports/').removesuffix(f'/{context.task_id}')}/{context.task_id}"
    with HttpSession(context.stores.get("clinical", "fhir")) as session:
        target = FhirServer(session)
        return undo_import(run, mapping, target=target, bucket=context.bucket, wait=_WAIT, progress=context.progress)
