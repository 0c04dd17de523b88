"""Every example of docs/stores.md is a stores file that can be loaded, and each store kind and profile has one."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import orjson
import pytest

from multimodal.dicomweb.profiles import profile_names, profile_of
from multimodal.transport.stores import Store, load_stores

PAGE = Path(__file__).parents[2] / "docs" / "stores.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def loaded(text: str, folder: Path) -> list[Store]:
    file = folder / "stores.yaml"
    file.write_text(text, encoding="utf-8")
    return list(load_stores(file))


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_can_be_loaded(number: int, tmp_path: Path) -> None:
    for store in loaded(EXAMPLES[number], tmp_path):
        if store.kind == "dicomweb":
            profile = profile_of(store)
            login = _key(store)
            assert login in profile.logins, (store.name, login)


def _key(store: Store) -> str:
    if store.auth is None:
        return "none"
    named = {"google-key": "google", "google-metadata": "google"}
    return named.get(store.auth.scheme, store.auth.scheme.replace("-", "_"))


def test_there_is_one_for_each_kind_and_profile(tmp_path: Path) -> None:
    stores = [store for text in EXAMPLES for store in loaded(text, tmp_path)]
    assert {store.profile for store in stores if store.kind == "dicomweb"} == set(profile_names())
    schema = orjson.loads(files("multimodal.transport").joinpath("stores.schema.json").read_bytes())
    assert {store.kind for store in stores} == set(schema["$defs"]["store"]["properties"]["kind"]["enum"])
