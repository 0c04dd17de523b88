"""``multimodal join``: clinical columns and features into the series documents."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.cli.ends import Ends, between_stores, index_option
from multimodal.host.progress import ShownProgress
from multimodal.index.choice import load_choice
from multimodal.index.series_index import SeriesIndex
from multimodal.workflows.join_metadata import join_metadata


@click.command("join")
@click.option(
    "--mapping",
    "mappings",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Mapping file whose columns are joined; repeat it for each mapping of the project.",
)
@index_option
@click.option(
    "--features",
    "choice_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that says which features are joined; else the package's join.yaml.",
)
@click.option("--settings", default="", help="Hash of the radiomics settings to take, where there are several.")
@between_stores
def command(ends: Ends, *, mappings: tuple[Path, ...], index: str, choice_file: Path | None, settings: str) -> int:
    """Join clinical columns (from FHIR) and chosen features (from the bucket) into the series documents.

    Patients without a series and series without clinical data are listed; a document that is as it should be is
    not written again.
    """
    with (
        ends.open_images() as dicom,
        ends.open_fhir() as fhir,
        SeriesIndex(ends.stores.get(index, "opensearch")) as documents,
        ShownProgress() as progress,
    ):
        result = join_metadata(
            dicom,
            fhir=fhir,
            index=documents,
            bucket=ends.open_bucket(),
            stores=ends.stores,
            mappings=mappings,
            choice=load_choice(choice_file),
            settings=settings,
            progress=progress,
        )
    return ends.tell(result)
