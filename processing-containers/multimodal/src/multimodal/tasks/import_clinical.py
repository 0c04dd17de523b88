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
from multimodal.workflows.import_clinical import import_clinical

_PICK = (
    "pick at least one table file of the project's bucket, e.g. tables/patients.csv; "
    "in plain Airflow that is the param files"
)


def run(context: TaskContext) -> WorkflowResult:
    """Import the tables picked in the bucket; a picked ``.yaml`` is the mapping, else the form names one.

    Without a table, a mapping with ``source.api`` has its own fetched from the store that it names.

    Raises
    ------
    ConfigurationError
        If no table was picked, or no mapping, or several.
    """
    with TemporaryDirectory() as scratch:
        tables, mapping = fetch_picked(context, Path(scratch))
        picked = mapping is not None and mapping.parent != Path(scratch, IN_BUCKET)
        if mapping is None:
            if not (name := context.form.get("mapping")):
                what = "name a mapping, or pick a .yaml file of the bucket" if tables else _PICK
                raise ConfigurationError(what)
            mapping = find_mapping(context, name, Path(scratch))
        store = "" if tables else load_mapping(mapping).source.options.get("store", "")
        if not tables and not store:
            raise ConfigurationError(_PICK)
        context.say(f"{', '.join(table.name for table in tables) or f'store {store}'} through {mapping.name}")
        dry_run = bool(context.form.get("dry_run"))
        with HttpSession(context.stores.get("clinical", "fhir")) as session:
            result = import_clinical(
                tables,
                mapping,
                target=FhirServer(session),
                bucket=context.bucket,
                report_dir=context.out_dir,
                run_id=f"{context.run_name}/{context.task_id}",  # its reports beside the host's
                dry_run=dry_run,
                stores=context.stores,
                progress=context.progress,
            )
        if picked and not dry_run:
            remember_mapping(context, mapping)
        return result
