"""``multimodal stores``."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.cli.options import project_option, stores_option
from multimodal.transport.stores import load_stores
from multimodal.workflows.check_stores import check_store


@click.group("stores", invoke_without_command=True)
@stores_option
@project_option
@click.pass_context
def command(context: click.Context, stores_file: Path | None, project: str) -> int:
    """List the named stores, or check that one answers."""
    stores = load_stores(stores_file, project=project)
    context.obj = stores
    if context.invoked_subcommand is None:
        width = max((len(store.name) for store in stores), default=0)
        for store in stores:
            click.echo(f"{store.name:{width}}  {store.kind:10}  {store.url or store.path}")
    return 0


@command.command("check")
@click.argument("name")
@click.pass_context
def check(context: click.Context, name: str) -> int:
    """Make a real call to the store NAME and say what was found."""
    found = check_store(context.obj.get(name))
    click.echo(f"{name}: {found}")
    return 0
