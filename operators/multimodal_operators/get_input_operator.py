"""Starts the task `get-input`, which stands in for Kaapana's step of that name on plain Airflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator


class PlainGetInputOperator(ContainerOperator):
    """Fetches the chosen series, or all of some modalities, into ``batch/<series>/get-input``."""

    def __init__(self, dag: Any, name: str = "get-input", modalities: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            env_vars={"MULTIMODAL_MODALITIES": ",".join(modalities)},
            ram_mem_mb=300,
            ram_mem_mb_lmt=1000,
            **kwargs,
        )
