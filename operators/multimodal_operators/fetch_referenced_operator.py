"""Starts the task `fetch-referenced`."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import (
    DEFAULT_REGISTRY,
    KAAPANA_BUILD_VERSION,
    ContainerOperator,
    outside_access,
    store_secrets,
)


class FetchReferencedOperator(ContainerOperator):
    """Fetches what the internal archive lacks of the dataset into ``batch/<series>/fetch-referenced``, to be copied."""

    def __init__(self, dag: Any, name: str = "fetch-referenced", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            secrets=store_secrets(),
            ram_mem_mb=500,
            ram_mem_mb_lmt=4000,
            **outside_access(),
            **kwargs,
        )
