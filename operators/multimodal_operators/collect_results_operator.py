"""Starts the task `collect-results`."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator, store_secrets


class CollectResultsOperator(ContainerOperator):
    """Lays reports and segmentations out for the step that sends them; skipped where there are none to send."""

    def __init__(self, dag: Any, name: str = "collect-results", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            secrets=store_secrets(),
            ram_mem_mb=200,
            ram_mem_mb_lmt=1000,
            **kwargs,
        )
