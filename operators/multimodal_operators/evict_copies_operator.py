"""Starts the task `evict-copies`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator, store_secrets


class EvictCopiesOperator(ContainerOperator):
    """Waits for the end of the started workflow and deletes the copies that were made for it, where that was asked."""

    def __init__(self, dag: Any, name: str = "evict-copies", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            secrets=store_secrets(),
            execution_timeout=timedelta(days=7),  # beyond what the form lets it wait
            ram_mem_mb=200,
            ram_mem_mb_lmt=1000,
            **kwargs,
        )
