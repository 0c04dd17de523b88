"""``multimodal push``."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.cli.options import project_option, stores_option
from multimodal.cli.show import show
from multimodal.dicomweb import open_dicomweb
from multimodal.host.progress import ShownProgress
from multimodal.transport.stores import load_stores
from multimodal.workflows.push_files import push_files


@click.command("push")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--store", "--pacs", "store_name", required=True, help="Name of a dicomweb store in the stores file.")
@stores_option
@project_option
def command(folder: Path, store_name: str, stores_file: Path | None, project: str) -> int:
    """Send the DICOM files below FOLDER to a store; what it has already is not sent again."""
    store = load_stores(stores_file, project=project).get(store_name, "dicomweb")
    with open_dicomweb(store) as dicom, ShownProgress() as progress:
        result = push_files(dicom, folder, progress=progress)
    for issue in result.issues:
        click.echo(f"{issue.code} {issue.sheet}: {issue.message}", err=True)
    return show(result)
