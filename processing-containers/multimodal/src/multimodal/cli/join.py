"""``multimodal join``: clinical columns and features into the series documents."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.bucket import open_bucket
from multimodal.cli.ends import bucket_option, errors_option, fhir_option, pacs_option, tell
from multimodal.cli.options import project_option, stores_option
from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.host.progress import ShownProgress
from multimodal.index.choice import load_choice
from multimodal.index.series_index import SeriesIndex
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores
from multimodal.workflows.join_metadata import join_metadata


@click.command("join")
@click.option(
    "--mapping",
    "mappings",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Mapping file whose columns are joined; repeat it for each mapping of the project.",
)
@click.option("--index", default="search", show_default=True, help="The index of series documents (opensearch).")
@click.option(
    "--features",
    "choice_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that says which features are joined; else the package's join.yaml.",
)
@click.option("--settings", default="", help="Hash of the radiomics settings to take, where there are several.")
@pacs_option
@fhir_option
@bucket_option
@errors_option
@stores_option
@project_option
def command(
    mappings: tuple[Path, ...],
    index: str,
    choice_file: Path | None,
    settings: str,
    pacs: str,
    fhir: str,
    bucket: str,
    errors_file: Path | None,
    stores_file: Path | None,
    project: str,
) -> int:
    """Join clinical columns (from FHIR) and chosen features (from the bucket) into the series documents.

    Patients without a series and series without clinical data are listed; a document that is as it should be is
    not written again.
    """
    stores = load_stores(stores_file, project=project)
    with (
        open_dicomweb(stores.get(pacs, "dicomweb")) as dicom,
        HttpSession(stores.get(fhir, "fhir")) as session,
        SeriesIndex(stores.get(index, "opensearch")) as documents,
        ShownProgress() as progress,
    ):
        result = join_metadata(
            dicom,
            fhir=FhirServer(session),
            index=documents,
            bucket=open_bucket(stores.get(bucket)),
            stores=stores,
            mappings=mappings,
            choice=load_choice(choice_file),
            settings=settings,
            progress=progress,
        )
    return tell(result, errors_file)
