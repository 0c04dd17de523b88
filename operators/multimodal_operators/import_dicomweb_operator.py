"""Starts the task `import-dicomweb`."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import (
    DEFAULT_REGISTRY,
    KAAPANA_BUILD_VERSION,
    ContainerOperator,
    outside_access,
    store_secrets,
)


class ImportDicomwebOperator(ContainerOperator):
    """Registers the selected series of an external store by reference."""

    def __init__(self, dag: Any, name: str = "import-dicomweb", **kwargs: Any) -> None:
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
