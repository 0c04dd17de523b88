"""Named datasets, lists of series: in the bucket as ``datasets/<name>.json``, and with Kaapana's backend."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from multimodal.bucket import Bucket
from multimodal.model.errors import ConfigurationError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store

FOLDER = "datasets"
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class PlatformDatasets:
    """The datasets of a Kaapana project, as its pages and workflows know them.

    Parameters
    ----------
    address : str
        Of the platform's backend, as it tells each pod (``KAAPANA_BACKEND_URL``).
    project : mapping
        The run's ``project_form``, by which the backend knows the project.
    """

    address: str
    project: Mapping[str, Any]

    def add(self, name: str, series_uids: Iterable[str]) -> None:
        """Add series to the dataset `name`, which the backend makes where it is not there.

        Raises
        ------
        RemoteError
            If the backend does not answer, or refuses.
        """
        store = Store("kaapana-backend", "http", url=self.address.rstrip("/"))
        # ASCII alone, whatever the project is called: it goes into a header.
        headers = {"Project": json.dumps(dict(self.project)), "Content-Type": "application/json"}
        remaining = iter(series_uids)
        with HttpSession(store) as session:
            while batch := list(islice(remaining, _BATCH)):
                body = orjson.dumps({"action": "ADD", "name": name, "identifiers": batch})
                session.request("PUT", "client/dataset", headers=headers, data=body)


def dataset_names(bucket: Bucket) -> Iterator[str]:
    """Yield the names of the datasets in `bucket`."""
    for key in bucket.list(f"{FOLDER}/"):
        if key.endswith(".json"):
            yield key.removeprefix(f"{FOLDER}/").removesuffix(".json")


def read_dataset(bucket: Bucket, name: str) -> list[str]:
    """Return the Series Instance UIDs of the dataset `name`, sorted; none where there is no such dataset.

    Raises
    ------
    ConfigurationError
        If what the bucket holds under this name is no dataset.
    """
    key = f"{FOLDER}/{name}.json"
    if not bucket.exists(key):
        return []
    try:
        content = orjson.loads(bucket.read(key))
        return sorted(str(uid) for uid in content["identifiers"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ConfigurationError("is no dataset: expected an object with identifiers", file=key) from error


def add_to_dataset(bucket: Bucket, name: str, series_uids: Iterable[str]) -> int:
    """Add series to the dataset `name`, which is made where it is not there; return how many were new."""
    with bucket.lock(f"dataset {name}"):
        there = read_dataset(bucket, name)
        all_of_them = sorted({*there, *series_uids})
        if all_of_them != there:
            content = {"name": name, "identifiers": all_of_them}
            bucket.write(f"{FOLDER}/{name}.json", orjson.dumps(content, option=orjson.OPT_INDENT_2))
        return len(all_of_them) - len(there)
