"""``multimodal store-measurements``: reports and feature tables made elsewhere, as Observations."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.cli.ends import Ends, between_stores
from multimodal.host.progress import ShownProgress
from multimodal.radiomics.feature_files import CONTEXT
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
@between_stores
def command(ends: Ends, *, files: tuple[Path, ...], given: tuple[str, ...]) -> int:
    """Write the measurements of TID 1500 reports and feature tables (pyradiomics' CSV or JSON) as Observations.

    Nothing is computed. FILES may be folders. Whose the Patient IDs are is told by the image store.
    """
    pairs = dict(one.partition("=")[::2] for one in given)
    if wrong := [name for name, value in pairs.items() if name not in CONTEXT or not value]:
        raise click.BadParameter(f"{wrong[0]!r} is none of {', '.join(CONTEXT)} with a value", param_hint="--given")
    with ends.open_fhir() as fhir, ShownProgress() as progress:
        result = store_measurements(
            files,
            fhir=fhir,
            patients=ScannedPatients.of(ends.image_store),
            bucket=ends.open_bucket(),
            given=pairs,
            progress=progress,
        )
    return ends.tell(result)
