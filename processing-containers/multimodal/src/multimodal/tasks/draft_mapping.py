"""Task ``draft-mapping``: the picked tables to a draft mapping in the bucket, with a preview and a report."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from multimodal.host.context import TaskContext
from multimodal.host.picked import fetch_picked
from multimodal.model.errors import ConfigurationError
from multimodal.model.results import WorkflowResult
from multimodal.workflows.draft_mapping import draft_mapping


def run(context: TaskContext) -> WorkflowResult:
    """Draft a mapping for the tables picked in the bucket; a picked data dictionary describes their columns.

    Raises
    ------
    ConfigurationError
        If no table was picked, or a mapping.
    """
    with TemporaryDirectory() as scratch:
        tables, mapping = fetch_picked(context, Path(scratch))
        if mapping is not None:
            raise ConfigurationError(f"pick tables only: {mapping.name} is a mapping already; import-clinical uses it")
        if not tables:
            raise ConfigurationError(
                "pick at least one table file of the project's bucket, e.g. tables/patients.csv; "
                "in plain Airflow that is the param files"
            )
        result = draft_mapping(
            tables,
            bucket=context.bucket,
            report_dir=context.out_dir,
            run_id=f"{context.run_name}/{context.task_id}",
            name=context.form.get("name") or "",
            system=context.form.get("system") or "",
        )
        for warning in result.warnings:
            context.say(warning)
        return result
