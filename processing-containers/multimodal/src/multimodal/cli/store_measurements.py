"""``multimodal store-measurements``: reports and feature tables made elsewhere, as Observations."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.bucket import open_bucket
from multimodal.cli.ends import bucket_option, errors_option, fhir_option, pacs_option, tell
from multimodal.cli.options import project_option, stores_option
from multimodal.fhirstore import FhirServer
from multimodal.host.progress import ShownProgress
from multimodal.radiomics.feature_files import CONTEXT
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores
from multimodal.workflows.scanned_patients import ScannedPatients
from multimodal.workflows.store_measurements import store_measurements


@click.command("store-measurements")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--given",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"What a table does not say of its rows: {', '.join(CONTEXT)}; may be repeated.",
)
@pacs_option
@fhir_option
@bucket_option
@errors_option
@stores_option
@project_option
def command(
    files: tuple[Path, ...],
    given: tuple[str, ...],
    pacs: str,
    fhir: str,
    bucket: str,
    errors_file: Path | None,
    stores_file: Path | None,
    project: str,
) -> int:
    """Write the measurements of TID 1500 reports and feature tables (pyradiomics' CSV or JSON) as Observations.

    Nothing is computed. FILES may be folders. Whose the Patient IDs are is told by the image store.
    """
    pairs = dict(one.partition("=")[::2] for one in given)
    if wrong := [name for name, value in pairs.items() if name not in CONTEXT or not value]:
        raise click.BadParameter(f"{wrong[0]!r} is none of {', '.join(CONTEXT)} with a value", param_hint="--given")
    stores = load_stores(stores_file, project=project)
    with HttpSession(stores.get(fhir, "fhir")) as session, ShownProgress() as progress:
        result = store_measurements(
            files,
            fhir=FhirServer(session),
            patients=ScannedPatients.of(stores.get(pacs, "dicomweb")),
            bucket=open_bucket(stores.get(bucket)),
            given=pairs,
            progress=progress,
        )
    return tell(result, errors_file)
