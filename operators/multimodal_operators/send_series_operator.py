"""Starts the task `dcmsend`, which stands in for Kaapana's step of that name on plain Airflow."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator


class PlainDcmSendOperator(ContainerOperator):
    """Sends the series that an earlier step laid into the batch to the internal archive, by STOW-RS."""

    def __init__(self, dag: Any, name: str = "dcmsend", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            ram_mem_mb=300,
            ram_mem_mb_lmt=1000,
            **kwargs,
        )
