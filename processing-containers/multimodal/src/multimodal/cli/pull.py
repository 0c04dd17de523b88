"""``multimodal pull``."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.cli.options import project_option, stores_option
from multimodal.cli.show import show
from multimodal.dicomweb import open_dicomweb
from multimodal.host.progress import ShownProgress
from multimodal.model.ids import check_uid
from multimodal.transport.stores import load_stores
from multimodal.workflows.pull_series import pull_series


@click.command("pull")
@click.option("--store", "--pacs", "store_name", required=True, help="Name of a dicomweb store in the stores file.")
@click.option("--series", "series_uids", required=True, multiple=True, help="Series Instance UID; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where to.")
@stores_option
@project_option
def command(store_name: str, series_uids: tuple[str, ...], out: Path, stores_file: Path | None, project: str) -> int:
    """Fetch DICOM series from a store into OUT/<SeriesInstanceUID>/<SOPInstanceUID>.dcm.

    Every instance is verified before it gets its name. Where a pull was interrupted, pull again: only what is
    missing is fetched.
    """
    uids = [check_uid(uid) for uid in dict.fromkeys(series_uids)]
    store = load_stores(stores_file, project=project).get(store_name, "dicomweb")
    with open_dicomweb(store) as dicom, ShownProgress() as progress:
        result = pull_series(dicom, uids, lambda uid: out / uid, progress=progress)
    for issue in result.issues:
        click.echo(f"{issue.code} {issue.message}", err=True)
    return show(result)
