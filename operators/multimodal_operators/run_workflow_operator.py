"""Starts the task `run-workflow`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator, store_secrets


class RunWorkflowOperator(ContainerOperator):
    """Starts the chosen workflow once the archive and the index have the whole dataset."""

    def __init__(self, dag: Any, name: str = "run-workflow", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            secrets=store_secrets(),
            execution_timeout=timedelta(hours=25),  # beyond what the form lets it wait
            ram_mem_mb=200,
            ram_mem_mb_lmt=1000,
            **kwargs,
        )
