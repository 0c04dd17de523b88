"""Which host runs this: Kaapana, where a task is a pod, or a plain Airflow, where it is a process.

Everything that differs between the two when a DAG file is read stands here and in `compat`; the operators
and the DAG files are the same on both.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

STORES_SECRET = "multimodal-stores"  # noqa: S105 - the name of the Kubernetes Secret, not its content
SECRET_KEYS = {"MULTIMODAL_STORES_YAML": "stores.yaml", "MULTIMODAL_SECRETS_YAML": "secrets.yaml"}

ON_KAAPANA = find_spec("kaapana") is not None
# Kaapana's own steps find series of its archive alone, and fail for a dataset in which one is only referenced. Set
# where the scheduler runs, this takes ours instead, which need a store `pacs` for the archive.
REFERENCED = os.environ.get("MULTIMODAL_REFERENCED_SERIES", "").lower() in {"1", "true", "yes"}

if TYPE_CHECKING or not ON_KAAPANA:
    from multimodal_operators.container_operator import PlainContainerOperator as ContainerOperator

    DEFAULT_REGISTRY = os.environ.get("DEFAULT_REGISTRY", "local")
    KAAPANA_BUILD_VERSION = os.environ.get("KAAPANA_BUILD_VERSION", "dev")
else:
    from kaapana.blueprints.kaapana_global_variables import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION
    from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator as ContainerOperator

__all__ = [
    "DEFAULT_REGISTRY",
    "KAAPANA_BUILD_VERSION",
    "ON_KAAPANA",
    "REFERENCED",
    "ContainerOperator",
    "outside_access",
    "store_secrets",
]


def store_secrets() -> list[Any]:
    """Return what gives a pod the stores file, in the form this Kaapana's operator takes; nothing on plain Airflow.

    Notes
    -----
    Kaapana logs `env_vars` but not `secrets`. Up to 0.5 it takes objects of its own Secret class, from 0.6
    on Kubernetes' ``V1EnvVar``. The Secret is optional: without it the pod starts and the task says in one
    line that no stores file is there, where Kubernetes would keep the pod waiting without a word. A new
    list each time, since the operator adds to it.
    """
    if not ON_KAAPANA:
        return []
    try:
        from kaapana.kubetools.secret import Secret
    except ImportError:
        return [_secret_variable(name, key) for name, key in SECRET_KEYS.items()]
    return [Secret("env", name, STORES_SECRET, key, optional=True) for name, key in SECRET_KEYS.items()]


def outside_access() -> dict[str, Any]:
    """Return what lets a pod of Kaapana reach stores outside the cluster; a plain Airflow ignores it.

    Notes
    -----
    The label opens the project's network policy. The proxy is the stores file's to name: calls do not read the pod's
    proxy variables. A new dict each time, since the operator adds to it.
    """
    return {"labels": {"network-access-external-ips": "true"}}


def _secret_variable(name: str, key: str) -> Any:
    from kubernetes import client

    selector = client.V1SecretKeySelector(name=STORES_SECRET, key=key, optional=True)
    return client.V1EnvVar(name=name, value_from=client.V1EnvVarSource(secret_key_ref=selector))
