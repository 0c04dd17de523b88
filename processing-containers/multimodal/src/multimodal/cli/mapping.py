"""``multimodal mapping``: draft, check, preview and test mapping files, and export their tables."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from multimodal.cli import mapping_shown
from multimodal.host.progress import ShownProgress
from multimodal.model.errors import ConfigurationError
from multimodal.model.exit_codes import ExitCode
from multimodal.workflows.check_mapping import UndecidedError, check_mapping
from multimodal.workflows.export_tables import export_tables
from multimodal.workflows.mapping_tests import run_mapping_tests
from multimodal.workflows.preview_mapping import preview_mapping
from multimodal.workflows.preview_page import preview_page
from multimodal.workflows.suggest_mapping import suggest_mapping

_file = click.Path(path_type=Path)


@click.group("mapping")
def command() -> None:
    """Draft, check, preview and test mapping files (fhirmap: 1)."""


@command.command("suggest")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_file)
@click.option("--dictionary", type=_file, help="What describes the columns: a REDCap data dictionary.")
@click.option("--sheet", "sheets", multiple=True, help="A sheet of the workbook; can be given several times.")
@click.option("--type", "source_type", default="", help="csv, xlsx, redcap, odm, idc; else found by the file.")
@click.option("--id", "id_", default="", help="Id of the mapping; else the name of the file.")
@click.option("--system", default="", help="Identifier system of the patients, e.g. urn:my-hospital:pid.")
@click.option(
    "--header-row", default="", help="Row of the column names in the sheets: 2, or 1,2; else it is looked for."
)
@click.option("-o", "--output", type=_file, help="Write the draft here; else it is printed.")
@click.option("--force", is_flag=True, help="Overwrite a draft that is there already.")
def suggest(
    files: tuple[Path, ...], dictionary: Path | None, sheets: tuple[str, ...], source_type: str, id_: str,
    system: str, header_row: str, output: Path | None, force: bool,
) -> None:  # fmt: skip
    """Propose a mapping for tables that have none.

    Each column gets a line with its reasons and how sure they are. What is not sure is left to decide (TODO), with
    the best guesses beside it; `check` fails until all are decided.
    """
    if output is not None and output.exists() and not force:
        raise ConfigurationError("there is a file already; add --force to write over it", file=output)
    suggestion = suggest_mapping(
        files, dictionary=dictionary, sheets=sheets, source_type=source_type, id_=id_, system=system,
        header_row=_header_rows(header_row),
    )  # fmt: skip
    if output is None:
        click.echo(suggestion.text, nl=False)
        mapping_shown.show_notes(suggestion.draft)
        return
    write_text(output, suggestion.text)
    mapping_shown.show_draft(suggestion.draft, suggestion.text, output)


def _header_rows(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.strip("[] ").split(",")] if text.strip() else []
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 1000 for part in parts):
        raise ConfigurationError(f"--header-row: {text!r} is no row; give a number such as 2, or two rows as 1,2")
    rows = tuple(map(int, parts))
    if rows and rows != tuple(range(rows[0], rows[0] + len(rows))):
        raise ConfigurationError(f"--header-row: the rows of a header follow each other, e.g. 1,2; not {text}")
    return rows


@command.command("check")
@click.argument("mapping", type=_file)
@click.argument("files", metavar="[FILE]...", nargs=-1, type=_file)
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
def check(mapping: Path, files: tuple[Path, ...], as_json: bool) -> int:
    """Check a mapping file, and what it would make of tables; nothing is stored.

    Exit codes: 0 the mapping is right (cells that would not come through are listed), 2 the mapping is wrong or
    has a TODO left, 3 a table as a whole cannot be used.
    """
    try:
        with ShownProgress() as progress:
            result = check_mapping(mapping, files, progress=progress)
    except UndecidedError as error:
        mapping_shown.show_todos(mapping, error.todos, as_json=as_json)
        return int(error.exit_code)
    if as_json:
        click.echo(orjson.dumps(result.as_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        mapping_shown.show_check(result)
    return int(ExitCode.DONE)


@command.command("preview")
@click.argument("mapping", type=_file)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_file)
@click.option("--rows", default=5, show_default=True, type=click.IntRange(1, 1000), help="Rows of each sheet or form.")
@click.option("--html", type=_file, help="Write a page that stands alone, in place of printing.")
def preview(mapping: Path, files: tuple[Path, ...], rows: int, html: Path | None) -> None:
    """Show the first rows of tables beside what a mapping makes of them; nothing is stored."""
    made = preview_mapping(mapping, files, rows=rows)
    if html is None:
        mapping_shown.show_preview(made)
        return
    write_text(html, preview_page(made))
    click.echo(f"preview in {html}")


@command.command("test")
@click.argument("mappings", default="mappings", type=_file)
@click.argument("studies", metavar="[STUDY]...", nargs=-1)
@click.option("--update", is_flag=True, help="Write what comes out as the new expectation.")
def test(mappings: Path, studies: tuple[str, ...], update: bool) -> int:
    """Run the tests in MAPPINGS/tests: <study>/input through <study>.yaml has to give <study>/expected.

    The name of the folder is that of the mapping file: tests/asthma is held to asthma.yaml. Without arguments all
    tests in mappings/tests are run.

    MAPPINGS is a folder of mappings (default: mappings); in its place the name of a study may stand.
    """
    if not mappings.is_dir() and not mappings.exists() and mappings == Path(mappings.name):
        mappings, studies = Path("mappings"), (str(mappings), *studies)
    return mapping_shown.show_tests(run_mapping_tests(mappings, studies, update=update))


@command.command("export-tables")
@click.argument("mapping", type=_file)
@click.option(
    "--conceptmap", "folder", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the ConceptMaps, one file for each table.",
)  # fmt: skip
def export(mapping: Path, folder: Path) -> None:
    """Write the translation tables of a mapping as FHIR ConceptMaps (R4)."""
    files = export_tables(mapping, folder)
    for file in files:
        click.echo(str(file))
    if not files:
        click.echo("the mapping has no translation tables")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`; a folder that is missing is made.

    Raises
    ------
    ConfigurationError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(f"cannot write: {error.strerror}", file=path) from error
