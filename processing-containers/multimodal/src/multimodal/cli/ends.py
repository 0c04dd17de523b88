"""The stores that sync and join work between, by their conventional names, and where their issues go."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.cli.show import show
from multimodal.model.errors import ConfigurationError
from multimodal.model.results import WorkflowResult
from multimodal.workflows.masking import without_patient_ids
from multimodal.workflows.reports import write_errors

pacs_option = click.option("--pacs", default="pacs", show_default=True, help="The image store (dicomweb).")
fhir_option = click.option("--fhir", default="clinical", show_default=True, help="The FHIR server.")
bucket_option = click.option("--bucket", default="bucket", show_default=True, help="Keeps state and features.")
errors_option = click.option(
    "--errors",
    "errors_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write errors.csv here; else the issues are printed, without Patient IDs.",
)


def tell(result: WorkflowResult, errors_file: Path | None) -> int:
    """Print `result`, its issues to `errors_file` or else to standard error, and return the exit code.

    Only the file names Patient IDs.
    """
    if errors_file is not None:
        try:
            write_errors(result.issues, errors_file)
        except OSError as error:
            raise ConfigurationError(f"cannot write the issues: {error.strerror}", file=errors_file) from error
        return show(result, errors_csv=errors_file)
    for issue in map(without_patient_ids, result.issues):
        value = f" ({issue.value})" if issue.value else ""
        click.echo(f"{issue.code} {issue.record}: {issue.message}{value}", err=True)
    return show(result)
