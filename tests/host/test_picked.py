from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from multimodal.bucket import NotInBucketError, UnsafeKeyError
from multimodal.host.context import TaskContext, make_context
from multimodal.host.picked import all_mappings, fetch_picked, find_mapping, find_profile, remember_mapping
from multimodal.model.errors import ConfigurationError

Picks = Callable[..., TaskContext]


@pytest.fixture
def picks(tmp_path: Path) -> Picks:
    """A run in which the given keys were picked, with a bucket and shipped mappings."""
    bucket, shipped = tmp_path / "bucket", tmp_path / "shipped"
    for file in (
        bucket / "tables/a.csv",
        bucket / "tables/more/b.xlsx",
        bucket / "tables/own.yaml",
        bucket / "fhir-mappings/registry.yaml",
        bucket / "fhir-mappings/tables/codes.csv",
        shipped / "registry.yaml",
        shipped / "lung.yaml",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(file.relative_to(tmp_path)))
    stores = tmp_path / "stores.yaml"
    stores.write_text(f"stores:\n  bucket: {{kind: folder, path: '{bucket}'}}\n")

    def run(*keys: str) -> TaskContext:
        conf = tmp_path / "conf.json"
        conf.write_text(json.dumps({"backend_form": {"selectedFilesAndFolders": list(keys)}}))
        settings = {"WORKFLOW_DIR": str(tmp_path / "run"), "MULTIMODAL_MAPPINGS": str(shipped)}
        return make_context("import-clinical", settings, conf_file=conf, stores_file=stores)

    return run


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_picked_folder_is_all_that_is_in_it_and_a_yaml_is_the_mapping(picks: Picks, scratch: Path) -> None:
    tables, mapping = fetch_picked(picks("tables/"), scratch)
    assert [str(file.relative_to(scratch)) for file in tables] == ["tables/a.csv", "tables/more/b.xlsx"]
    assert mapping == scratch / "tables/own.yaml"
    assert mapping.read_text() == "bucket/tables/own.yaml"


def test_a_mapping_of_the_project_comes_with_its_tables_of_codes(picks: Picks, scratch: Path) -> None:
    tables, mapping = fetch_picked(picks("tables/a.csv", "fhir-mappings/registry.yaml"), scratch)
    assert len(tables) == 1
    assert mapping == scratch / "fhir-mappings/registry.yaml"
    assert (scratch / "fhir-mappings/tables/codes.csv").exists()


def test_two_picked_mappings_are_refused(picks: Picks, scratch: Path) -> None:
    with pytest.raises(ConfigurationError, match="pick one mapping, not 2"):
        fetch_picked(picks("tables/own.yaml", "fhir-mappings/registry.yaml"), scratch)


@pytest.mark.parametrize("key", ["../secrets", "/etc/passwd", "tables/../../x"])
def test_a_key_that_leads_out_of_the_bucket_is_refused(picks: Picks, scratch: Path, key: str) -> None:
    with pytest.raises(UnsafeKeyError):
        fetch_picked(picks(key), scratch)
    assert not any(scratch.iterdir())


def test_a_picked_file_that_is_gone_is_named(picks: Picks, scratch: Path) -> None:
    with pytest.raises(NotInBucketError, match=r"tables/gone\.csv"):
        fetch_picked(picks("tables/gone.csv"), scratch)


def test_the_project_s_mapping_wins_over_a_shipped_one(picks: Picks, scratch: Path) -> None:
    assert find_mapping(picks(), "registry", scratch).read_text() == "bucket/fhir-mappings/registry.yaml"
    assert find_mapping(picks(), "lung.yaml", scratch).read_text() == "shipped/lung.yaml"


def test_an_unknown_mapping_names_the_known_ones(picks: Picks, scratch: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="no mapping named 'lang'; there are: lung, registry; did you mean 'lung'"
    ) as raised:
        find_mapping(picks(), "lang", scratch)
    assert f"; looked in fhir-mappings/ of the bucket, {scratch.parent / 'shipped'}; " in str(raised.value)
    assert str(raised.value).endswith("set MULTIMODAL_MAPPINGS to the folder of the mapping files")


def test_a_folder_of_mappings_that_is_not_there_is_said(picks: Picks, scratch: Path) -> None:
    context = picks()
    elsewhere = replace(context, settings={**context.settings, "MULTIMODAL_MAPPINGS": str(scratch / "none")})
    with pytest.raises(ConfigurationError, match=r"none \(no such folder\); set MULTIMODAL_MAPPINGS"):
        find_mapping(elsewhere, "lang", scratch)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "", ".hidden"])
def test_a_mapping_is_a_name_and_no_path(picks: Picks, scratch: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="expected the name"):
        find_mapping(picks(), name, scratch)


def test_a_mapping_picked_elsewhere_is_remembered(picks: Picks, scratch: Path, tmp_path: Path) -> None:
    context = picks("tables/own.yaml")
    _, mapping = fetch_picked(context, scratch)
    assert mapping is not None
    remember_mapping(context, mapping)
    later = tmp_path / "later"
    assert [file.name for file in all_mappings(picks(), later)] == ["registry.yaml", "own.yaml", "lung.yaml"]


def test_a_profile_of_the_project_comes_first_and_another_is_a_shipped_ones_name(picks: Picks, scratch: Path) -> None:
    context = picks()
    context.bucket.write("radiomics-profiles/ours.yaml", b"radiomics: 1")
    for name in ("ours", "ours.yaml"):
        assert find_profile(context, name, scratch) == scratch / "radiomics-profiles/ours.yaml"
    assert (scratch / "radiomics-profiles/ours.yaml").read_bytes() == b"radiomics: 1"
    assert find_profile(context, "ibsi-ct", scratch) == "ibsi-ct"
    with pytest.raises(ConfigurationError, match="expected a name"):
        find_profile(context, "../secrets", scratch)
