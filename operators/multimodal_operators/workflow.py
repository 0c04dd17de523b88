"""What every workflow of the bundle says to Airflow in the same way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from multimodal_operators import forms
from multimodal_operators.airflow_names import DAG

__all__ = ["DAG", "START", "arguments"]

START = datetime(2024, 1, 1, tzinfo=UTC)


def arguments(dag_id: str) -> dict[str, Any]:
    """Return the arguments that all DAGs share, with the form of this one for both hosts.

    Notes
    -----
    Kaapana exports every default argument that starts with ``ui_`` to its pages; Airflow ignores them.
    """
    return {
        "dag_id": dag_id,
        "start_date": START,
        "catchup": False,
        "tags": ["multimodal"],
        "params": forms.plain_params(dag_id),
        "default_args": {
            "owner": "kaapana-multimodal",
            "ui_visible": True,
            "ui_forms": forms.kaapana_forms(dag_id),
            "retry_delay": timedelta(seconds=30),
            "send_notification_on_workflow_failure": True,
            "send_email_on_workflow_failure": False,
        },
    }
