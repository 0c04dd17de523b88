"""Kaapana's cleaner, whose own trouble is no trouble of the run."""

from __future__ import annotations

from typing import Any

from kaapana.operators.LocalWorkflowCleanerOperator import LocalWorkflowCleanerOperator
from urllib3.exceptions import HTTPError


class Cleaner(LocalWorkflowCleanerOperator):  # type: ignore[misc]  # Kaapana's code is there on Kaapana only
    """Removes a run's folder and ConfigMap after its last task.

    Notes
    -----
    From 0.6 on Kaapana's operator deletes the ConfigMap from within Airflow. When the cluster does not answer just
    then, the data of the run are long written: a run that did its work is not failed for a ConfigMap that stays.
    """

    def post_execute(self, context: Any, result: Any = None) -> None:
        """Delete the ConfigMap, or say that it stays."""
        try:
            super().post_execute(context, result)
        except HTTPError as error:
            self.log.warning("the ConfigMap of this run stays: %s", type(error).__name__)
