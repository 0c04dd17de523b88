"""One form definition, read by Kaapana and by plain Airflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.airflow import ROOT
from multimodal.host.conf import form_schema
from multimodal_operators import forms

DAG_IDS = sorted(file.stem.replace("_", "-") for file in (ROOT / "dags").glob("*.py"))
# What a pod must not get from a form: Kaapana turns each key into a variable of the pod, in capitals.
RESERVED = {"PATH", "HOME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PYTHONPATH", "LD_PRELOAD", "OPERATOR_IN_DIR"}


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_one_definition_for_both_hosts(dag_id: str) -> None:
    shown = forms.kaapana_forms(dag_id)
    fields = shown["workflow_form"]["properties"]
    params = forms.plain_params(dag_id)
    assert set(params) - set(forms.PICKERS) == set(fields) - {"single_execution"}
    assert set(form_schema(dag_id)["properties"]) == set(fields)
    assert not [key for field in fields.values() for key in field if key.startswith("x-")]
    json.dumps(shown)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_params_are_valid_without_any_conf(dag_id: str) -> None:
    for param in forms.plain_params(dag_id).values():
        param.resolve()


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_no_key_becomes_a_variable_that_matters(dag_id: str) -> None:
    keys = {key.upper() for key in form_schema(dag_id)["properties"]}
    assert not keys & RESERVED
    assert not [key for key in keys if key.startswith(("MULTIMODAL_", "KAAPANA_", "OPERATOR_"))]


def test_shipped_mappings_are_suggested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "registry.yaml").touch()
    (tmp_path / "fhirmap.schema.json").touch()
    monkeypatch.setenv("MULTIMODAL_MAPPINGS", str(tmp_path))
    assert forms.kaapana_forms("import-clinical")["workflow_form"]["properties"]["mapping"]["examples"] == ["registry"]
    assert forms.plain_params("import-clinical")["mapping"].schema["examples"] == ["registry"]


def test_pickers_exist_where_kaapana_shows_them() -> None:
    assert "files" in forms.plain_params("import-clinical")
    assert "identifiers" not in forms.plain_params("import-clinical")
    assert "identifiers" in forms.plain_params("extract-radiomics")
