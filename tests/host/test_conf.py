from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from multimodal.host.conf import KAAPANA_KEYS, read_conf
from multimodal.model.errors import ConfigurationError


@pytest.fixture
def conf(tmp_path: Path) -> Any:
    """Reads a conf.json with the given content as one of the workflow import-clinical."""

    def read(dag_id: str = "import-clinical", **content: Any) -> Any:
        file = tmp_path / "conf.json"
        file.write_text(json.dumps(content))
        return read_conf(file, dag_id)

    return read


def test_texts_are_unescaped_once_and_everywhere(conf: Any) -> None:
    found = conf(
        workflow_form={"mapping": "a &amp;amp; b"},
        backend_form={"selectedFilesAndFolders": ["tables/T &amp; N.csv", "&lt;x&gt;/"]},
        project_form={"name": "demo", "description": "&quot;first&quot;"},
    )
    assert found.workflow_form["mapping"] == "a &amp; b"
    assert found.picked_files == ["tables/T & N.csv", "<x>/"]
    assert found.project_form["description"] == '"first"'
    assert found.project == "demo"


DEFAULTS = {"dry_run": False, "force_deletes": False, "validate_every": False, "verify": False}


def test_defaults_of_the_form_and_of_a_missing_file(conf: Any, tmp_path: Path) -> None:
    assert conf(workflow_form={"mapping": None}).workflow_form == DEFAULTS
    empty = read_conf(tmp_path / "none.json", "import-clinical")
    assert (empty.workflow_form, empty.project, empty.picked_files) == (DEFAULTS, "default", [])


def test_keys_that_kaapana_adds_are_no_fault_and_no_answer(conf: Any) -> None:
    form = dict.fromkeys(KAAPANA_KEYS, "x") | {"mapping": "registry"}
    assert conf(workflow_form=form).workflow_form == {"mapping": "registry", **DEFAULTS}


@pytest.mark.parametrize("key", ["path", "operator_in_dir", "http_proxy", "maping"])
def test_a_key_outside_the_form_is_refused(conf: Any, key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{key}' is refused.*mapping, dry_run"):
        conf(workflow_form={key: "x"})


def test_a_refused_key_is_told_what_is_accepted_pickers_too(conf: Any) -> None:
    with pytest.raises(ConfigurationError) as raised:
        conf(workflow_form={"fles": ["tables/a.csv"]})
    assert raised.value.problem == (
        "form key 'fles' is refused: the form of import-clinical has mapping, dry_run, force_deletes, "
        "validate_every, verify, undo_run; plain Airflow also has files "
        "(in conf.json backend_form.selectedFilesAndFolders); did you mean 'files'?"
    )
    with pytest.raises(ConfigurationError, match=r"profile, .*; plain Airflow also has identifiers .*; did you mean"):
        conf("extract-radiomics", workflow_form={"identifier": "1.2"})
    with pytest.raises(ConfigurationError, match=r"the form of join-metadata has no keys$"):
        conf("join-metadata", workflow_form={"files": "x"})


@pytest.mark.parametrize("dag_id", ["import-clinical", "somebody-elses-dag"])
@pytest.mark.parametrize("key", ["multimodal_stores", "MULTIMODAL_STORES_YAML", "Multimodal_Mappings"])
def test_a_key_that_names_a_setting_is_refused_everywhere(conf: Any, dag_id: str, key: str) -> None:
    with pytest.raises(ConfigurationError, match="is refused"):
        conf(dag_id, workflow_form={key: "x"})


def test_values_are_held_to_the_schema(conf: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"conf\.json: form: dry_run: .*boolean"):
        conf(workflow_form={"dry_run": "yes"})
    with pytest.raises(ConfigurationError, match="form: profile"):
        conf("extract-radiomics", workflow_form={"profile": "../../etc/passwd"})


def test_a_workflow_that_is_not_ours_keeps_its_own_keys(conf: Any) -> None:
    assert conf("somebody-elses-dag", workflow_form={"theirs": 1}).workflow_form == {"theirs": 1}
    assert conf("../import-clinical", workflow_form={"theirs": 1}).workflow_form == {"theirs": 1}


def test_the_form_by_its_name_up_to_kaapana_0_4(conf: Any) -> None:
    assert conf(form_data={"mapping": "registry"}).workflow_form["mapping"] == "registry"


def test_picked_series_and_their_limit(conf: Any) -> None:
    assert conf(data_form={"identifiers": ["1.2", "1.3"]}).picked_series == ["1.2", "1.3"]
    assert conf(data_form={"identifiers": ["1.2", "1.3"], "dataset_limit": 1}).picked_series == ["1.2"]
    with pytest.raises(ConfigurationError, match="list of texts"):
        _ = conf(data_form={"identifiers": "1.2"}).picked_series


def test_what_is_no_json_is_named_by_line(tmp_path: Path) -> None:
    file = tmp_path / "conf.json"
    file.write_text('{\n  "workflow_form": oops\n}')
    with pytest.raises(ConfigurationError) as raised:
        read_conf(file, "import-clinical")
    assert (raised.value.file, raised.value.line) == (file, 2)
    file.write_text("[]")
    with pytest.raises(ConfigurationError, match="expected an object"):
        read_conf(file, "import-clinical")
    file.write_text('{"workflow_form": "text"}')
    with pytest.raises(ConfigurationError, match="workflow_form: expected an object"):
        read_conf(file, "import-clinical")
