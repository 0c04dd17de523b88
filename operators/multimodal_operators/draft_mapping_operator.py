"""Starts the task `draft-mapping`."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator, store_secrets


class DraftMappingOperator(ContainerOperator):
    """Drafts a mapping for the picked tables, with a preview and a report."""

    def __init__(self, dag: Any, name: str = "draft-mapping", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            secrets=store_secrets(),
            ram_mem_mb=500,
            ram_mem_mb_lmt=2000,
            **kwargs,
        )
