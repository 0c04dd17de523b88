"""``multimodal query``: which series a store has, and their registration by reference."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import click

from multimodal.bucket import open_bucket
from multimodal.cli.ends import bucket_option, errors_option, index_option, tell
from multimodal.cli.options import project_option, stores_option
from multimodal.cli.show import show
from multimodal.dicomweb import DicomWeb, Totals, open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.host.progress import ShownProgress
from multimodal.index.documents import Arrival
from multimodal.index.series_index import SeriesIndex
from multimodal.model.dicom_json import text, whole_number
from multimodal.model.exit_codes import ExitCode
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Stores, load_stores
from multimodal.workflows.external_series import Selection
from multimodal.workflows.import_dicomweb import Reference, count_series, import_by_reference

_COLUMNS = ("SeriesInstanceUID", "Modality", "PatientID", "StudyDate", "SeriesDescription")


@click.command("query")
@click.option("--store", "store_name", required=True, help="Name of a dicomweb store in the stores file.")
@click.option("--patient", help="Only this Patient ID; * and ? stand for other signs.")
@click.option("--study", help="Only this Study Instance UID.")
@click.option("--date", help="Only studies of this day or span: 20240131, 20240101-20241231, 20240101-.")
@click.option("--modality", help="Only this modality, e.g. CT; several by comma.")
@click.option("--series", "series_uids", multiple=True, help="Only this Series Instance UID; may be repeated.")
@click.option("--collection", "collections", multiple=True, help="Only this collection of IDC; may be repeated.")
@click.option("--analysis-result", "results", multiple=True, help="Only of this analysis of IDC's; none: originals.")
@click.option("--only-licence", "licences", multiple=True, help="Only series under this licence, by IDC's index.")
@click.option("--dry-run", is_flag=True, help="Only say how many series, instances and bytes there are.")
@click.option("--all", "everything", is_flag=True, help="All series of the store.")
@click.option("--register", is_flag=True, help="Write a document for each series into the index, by reference.")
@click.option("--complete", is_flag=True, help="With --register: documents of the instances, and thumbnails.")
@click.option("--dataset", default="", help="With --register: the dataset that the series become part of.")
@click.option("--licence", default="", help="With --register: under which the images may be used.")
@click.option("--fhir", default="", help="With --register: a FHIR server that gets the studies as ImagingStudies.")
@index_option
@bucket_option
@errors_option
@stores_option
@project_option
def command(
    store_name: str, patient: str | None, study: str | None, date: str | None, modality: str | None,
    series_uids: tuple[str, ...], collections: tuple[str, ...], results: tuple[str, ...], licences: tuple[str, ...],
    dry_run: bool, everything: bool, register: bool, complete: bool, dataset: str, licence: str,
    fhir: str, index: str, bucket: str, errors_file: Path | None, stores_file: Path | None, project: str,
) -> int:  # fmt: skip
    """List the series of a store, or register them by reference: the images stay there, the index says where."""
    filters = {"PatientID": patient, "StudyInstanceUID": study, "StudyDate": date, "Modality": modality}
    asked = {key: value.strip() for key, value in filters.items() if value and value.strip()}
    given = {"--complete": complete, "--dataset": dataset, "--licence": licence, "--fhir": fhir}
    if any(given.values()) and not (register or dry_run):
        named = ", ".join(option for option, value in given.items() if value)
        raise click.UsageError(f"without --register nothing is written, and {named} would do nothing: add --register")
    selection = Selection(asked, series_uids, everything, collections, licences, results)
    stores = load_stores(stores_file, project=project)
    with open_dicomweb(stores.get(store_name, "dicomweb")) as dicom:
        if dry_run:
            return show(count_series(dicom, selection))
        if not register:
            return _listed(dicom, selection)
        if collections or licences or results:
            click.echo(selection.totals(dicom).line(), err=True)
        reference = Reference(Arrival(datetime.now(UTC), project, dataset), licence, complete)
        return _registered(dicom, selection, stores, (index, bucket, fhir), reference, errors_file)


def _listed(dicom: DicomWeb, selection: Selection) -> int:
    """Print a line for each series, tab-separated, then how many there are to standard error."""
    modalities: Counter[str] = Counter()
    instances = size = 0
    known = False
    listed = iter(selection.found(dicom))
    first = next(listed, None)  # where the search fails there is no table
    click.echo("\t".join((*_COLUMNS, "Instances")))
    for found in chain([first] if first is not None else [], listed):
        series = found.dataset
        count = whole_number(series, "NumberOfSeriesRelatedInstances")
        instances += count or 0
        size += found.listed.bytes if found.listed is not None else 0
        known |= found.listed is not None
        modalities[text(series, "Modality") or "?"] += 1
        cells = (" ".join(text(series, keyword).split()) for keyword in _COLUMNS)
        click.echo("\t".join((*cells, "" if count is None else str(count))))
    totals = Totals(modalities.total(), instances, size if known else None, modalities)
    click.echo(totals.line(), err=True)
    return int(ExitCode.DONE if modalities else ExitCode.NOTHING)


def _registered(
    dicom: DicomWeb,
    selection: Selection,
    stores: Stores,
    ends: tuple[str, str, str],
    reference: Reference,
    errors_file: Path | None,
) -> int:
    with ExitStack() as held:
        documents = held.enter_context(SeriesIndex(stores.get(ends[0], "opensearch")))
        progress = held.enter_context(ShownProgress())
        session = held.enter_context(HttpSession(stores.get(ends[2], "fhir"))) if ends[2] else None
        result = import_by_reference(
            dicom,
            selection,
            index=documents,
            bucket=open_bucket(stores.get(ends[1])),
            reference=reference,
            fhir=FhirServer(session) if session is not None else None,
            progress=progress,
        )
    return tell(result, errors_file)
