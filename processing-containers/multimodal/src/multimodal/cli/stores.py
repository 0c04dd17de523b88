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
def command(context: click.Context, stores_file: Path | None, project: str) -> None:
    """List the named stores, or check that one answers."""
    # The file is read only where it is needed: `stores check --help` must work without one.
    context.default_map = {"check": {"stores_file": stores_file, "project": project}}
    if context.invoked_subcommand is not None:
        return
    stores = load_stores(stores_file, project=project)
    width = max((len(store.name) for store in stores), default=0)
    for store in stores:
        click.echo(f"{store.name:{width}}  {store.kind:10}  {store.url or store.path}")


@command.command("check")
@click.argument("name")
@stores_option
@project_option
def check(name: str, stores_file: Path | None, project: str) -> None:
    """Make a real call to the store NAME and say what was found."""
    found = check_store(load_stores(stores_file, project=project).get(name))
    click.echo(f"{name}: {found}")
