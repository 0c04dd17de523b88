"""Starts the task `get-ref-series`, our own step: on plain Airflow, and on Kaapana where series are only referenced."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import (
    DEFAULT_REGISTRY,
    KAAPANA_BUILD_VERSION,
    ContainerOperator,
    outside_access,
    store_secrets,
)


class PlainGetRefSeriesOperator(ContainerOperator):
    """Fetches the images each segmentation was drawn on into ``batch/<segmentation>/get-ref-series``."""

    def __init__(self, dag: Any, name: str = "get-ref-series", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            secrets=store_secrets(),
            ram_mem_mb=300,
            ram_mem_mb_lmt=1000,
            **outside_access(),
            **kwargs,
        )
