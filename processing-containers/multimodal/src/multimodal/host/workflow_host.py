"""Where a task can start other workflows: the platform's backend, else the Airflow that the stores file names."""

from __future__ import annotations

from collections.abc import Mapping

from multimodal.host.conf import Conf
from multimodal.transport.stores import Stores
from multimodal.workflows.airflow_api import AirflowApi
from multimodal.workflows.kaapana_backend import KaapanaBackend

STORE = "airflow"


def open_workflow_host(stores: Stores, settings: Mapping[str, str], conf: Conf) -> KaapanaBackend | AirflowApi:
    """Return the host of workflows; use it in a ``with`` statement.

    Parameters
    ----------
    settings : mapping
        The host's variables; Kaapana sets ``KAAPANA_BACKEND_URL``.

    Raises
    ------
    UnknownStoreError
        If there is neither a backend nor a store ``airflow``.
    """
    if address := settings.get("KAAPANA_BACKEND_URL"):
        return KaapanaBackend(address, conf.project_form, conf.username)
    return AirflowApi(stores.get(STORE, STORE))
