"""The stores that verbs work between, by their conventional names, and where their issues go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from multimodal.bucket import Bucket, open_bucket
from multimodal.cli.options import project_option, stores_option
from multimodal.cli.show import show
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import check_uid
from multimodal.model.results import WorkflowResult
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store, Stores, load_stores
from multimodal.workflows.datasets import dataset_names, read_dataset
from multimodal.workflows.masking import without_patient_ids
from multimodal.workflows.reports import write_errors

pacs_option = click.option("--pacs", default="pacs", show_default=True, help="The image store (dicomweb).")
fhir_option = click.option("--fhir", default="clinical", show_default=True, help="The FHIR server.")
index_option = click.option(
    "--index", default="search", show_default=True, help="The index of series documents (opensearch)."
)
bucket_option = click.option("--bucket", default="bucket", show_default=True, help="Keeps state and features.")
errors_option = click.option(
    "--errors",
    "errors_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write errors.csv here; else the issues are printed, without Patient IDs.",
)


@dataclass(frozen=True, slots=True)
class Ends:
    """The stores that a person named for one call of a verb.

    Parameters
    ----------
    stores : Stores
        All of the stores file.
    pacs, fhir, bucket : str
        Names of the image store, the FHIR server and the bucket among them.
    errors_file : Path, optional
        Where issues go.
    """

    stores: Stores
    pacs: str
    fhir: str
    bucket: str
    errors_file: Path | None

    @property
    def image_store(self) -> Store:
        """The image store as the stores file describes it."""
        return self.stores.get(self.pacs, "dicomweb")

    def open_images(self) -> AbstractContextManager[DicomWeb]:
        """Open the image store."""
        return open_dicomweb(self.image_store)

    @contextmanager
    def open_fhir(self) -> Iterator[FhirServer]:
        """Open the FHIR server."""
        with HttpSession(self.stores.get(self.fhir, "fhir")) as session:
            yield FhirServer(session)

    def open_bucket(self) -> Bucket:
        """Open the bucket."""
        return open_bucket(self.stores.get(self.bucket))

    def tell(self, result: WorkflowResult) -> int:
        """Print `result` and return the exit code; see `tell`."""
        return tell(result, self.errors_file)


def between_stores(verb: Callable[..., int]) -> Callable[..., int]:
    """Give a verb the options that name its stores; it gets them as its first argument, an `Ends`."""

    @wraps(verb)
    def called(
        *,
        pacs: str,
        fhir: str,
        bucket: str,
        errors_file: Path | None,
        stores_file: Path | None,
        project: str,
        **others: Any,
    ) -> int:
        stores = load_stores(stores_file, project=project)
        return verb(Ends(stores, pacs, fhir, bucket, errors_file), **others)

    for option in (project_option, stores_option, errors_option, bucket_option, fhir_option, pacs_option):
        called = option(called)
    return called


def chosen_series(bucket: Bucket, series_uids: Sequence[str], dataset: str) -> list[str]:
    """Return the series that a person named, one by one or as those of a dataset.

    Raises
    ------
    ConfigurationError
        If the bucket has no such dataset.
    InvalidUidError
        If a UID is none.
    """
    chosen = [check_uid(uid) for uid in series_uids]
    if dataset:
        if not (of_dataset := read_dataset(bucket, dataset)):
            known = ", ".join(sorted(dataset_names(bucket))) or "none"
            raise ConfigurationError(f"no dataset {dataset!r} in the bucket; it has: {known}")
        chosen += of_dataset
    return chosen


def tell(result: WorkflowResult, errors_file: Path | None) -> int:
    """Print `result`, its issues to `errors_file` or else to standard error, and return the exit code.

    Only the file names Patient IDs.
    """
    if errors_file is not None:
        try:
            write_errors(result.issues, errors_file)
        except OSError as error:
            raise ConfigurationError(f"cannot write the issues: {error.strerror}", file=errors_file) from error
        return show(result, errors_csv=errors_file)
    for issue in map(without_patient_ids, result.issues):
        value = f" ({issue.value})" if issue.value else ""
        click.echo(f"{issue.code} {issue.record}: {issue.message}{value}", err=True)
    return show(result)
