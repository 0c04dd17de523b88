"""``multimodal complete``: documents of referenced series, as a search told them, become those of their instances."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.bucket import open_bucket
from multimodal.cli.ends import bucket_option, chosen_series, errors_option, index_option, tell
from multimodal.cli.options import project_option, stores_option
from multimodal.host.progress import ShownProgress
from multimodal.index.series_index import SeriesIndex
from multimodal.transport.stores import load_stores
from multimodal.workflows.completion import complete_documents


@click.command("complete")
@click.option("--series", "series_uids", multiple=True, help="Only this Series Instance UID; may be repeated.")
@click.option("--dataset", default="", help="Only the series of this dataset.")
@index_option
@bucket_option
@errors_option
@stores_option
@project_option
def command(
    series_uids: tuple[str, ...],
    dataset: str,
    index: str,
    bucket: str,
    errors_file: Path | None,
    stores_file: Path | None,
    project: str,
) -> int:
    """Complete the documents of referenced series, with thumbnails, each by what its own store says.

    Without --series and --dataset all that are incomplete. Workflows do the same to what they fetch.
    """
    stores = load_stores(stores_file, project=project)
    kept = open_bucket(stores.get(bucket))
    wanted = chosen_series(kept, series_uids, dataset)
    named = bool(series_uids or dataset)
    with SeriesIndex(stores.get(index, "opensearch")) as documents, ShownProgress() as progress:
        result = complete_documents(stores, documents, kept, series_uids=wanted if named else None, progress=progress)
    return tell(result, errors_file)
