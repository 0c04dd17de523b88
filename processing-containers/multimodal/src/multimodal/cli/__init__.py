"""The command line, ``multimodal <verb>``: each verb is a module, loaded when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from multimodal.model.errors import MultimodalError

_ENOUGH_READ = 141  # as the shell has it of a program whose reader, such as head, has hung up

# verb -> (module that holds a click command named `command`, the line in --help)
VERBS = {
    "import": ("multimodal.cli.import_tables", "Import tables through a mapping file, into a FHIR server or a folder."),
    "mapping": ("multimodal.cli.mapping", "Draft, check, preview and test mapping files."),
    "query": ("multimodal.cli.query", "List the series of a store, or register them by reference."),
    "complete": ("multimodal.cli.complete", "Complete the documents of series that are registered by reference."),
    "pull": ("multimodal.cli.pull", "Fetch DICOM series from a store, verified, into a folder."),
    "push": ("multimodal.cli.push", "Send the DICOM files of a folder to a store."),
    "run-on-dataset": (
        "multimodal.cli.run_on_dataset",
        "Start an installed workflow on a dataset, with what lies in other stores copied in.",
    ),
    "radiomics": ("multimodal.cli.radiomics", "Compute radiomics features of a series and its masks."),
    "store-measurements": (
        "multimodal.cli.store_measurements",
        "Write reports and feature tables that were made elsewhere as Observations.",
    ),
    "join": ("multimodal.cli.join", "Join clinical columns and features into the series index."),
    "sync": ("multimodal.cli.sync", "Write an ImagingStudy, with its Patient, for each study of a store."),
    "stores": ("multimodal.cli.stores", "List the named stores, or check that one answers."),
    "task": ("multimodal.cli.task", "Run one task of a workflow by hand, as a host would."),
}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(VERBS[cmd_name][0]).command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would end with 1, which means a defect here
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be written
            raise click.exceptions.Exit(_ENOUGH_READ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kaapana-multimodal", prog_name="multimodal")
def program() -> None:
    """Join scans, clinical tables and image features.

    Exit codes: 0 done or partly done (see the report), 2 a setting or mapping is wrong, 3 the data were refused
    and nothing was stored, 4 a remote system failed, 126 there was nothing to do, 1 a defect of this program.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; an expected error becomes one line on standard error and its exit code."""
    try:
        code = program.main(args=arguments, prog_name="multimodal", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except MultimodalError as error:
        click.echo(f"multimodal: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
