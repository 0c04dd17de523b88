"""Starts the task `fetch-external`."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import (
    DEFAULT_REGISTRY,
    KAAPANA_BUILD_VERSION,
    ContainerOperator,
    outside_access,
    store_secrets,
)


class FetchExternalOperator(ContainerOperator):
    """Fetches the selected series of an external store into ``batch/<series>/fetch-external``, to be copied."""

    def __init__(self, dag: Any, name: str = "fetch-external", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            secrets=store_secrets(),
            ram_mem_mb=500,
            ram_mem_mb_lmt=2000,
            **outside_access(),
            **kwargs,
        )
