"""Named datasets, lists of series, in the bucket: ``datasets/<name>.json``."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from multimodal.bucket import Bucket
from multimodal.model.errors import ConfigurationError

FOLDER = "datasets"


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
