"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path

import click

stores_option = click.option(
    "--stores",
    "stores_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The stores file; else MULTIMODAL_STORES_YAML, MULTIMODAL_STORES, or stores.yaml here.",
)
project_option = click.option(
    "--project", default="default", show_default=True, help="Fills {project} in the stores file."
)
