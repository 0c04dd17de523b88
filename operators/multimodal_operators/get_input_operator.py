"""Starts the task `get-input`, our own step: on plain Airflow, and on Kaapana where series are only referenced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multimodal_operators.host import (
    DEFAULT_REGISTRY,
    KAAPANA_BUILD_VERSION,
    ContainerOperator,
    outside_access,
    store_secrets,
)


class PlainGetInputOperator(ContainerOperator):
    """Fetches the chosen series, or all of some modalities, into ``batch/<series>/get-input``."""

    def __init__(self, dag: Any, name: str = "get-input", modalities: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal:{KAAPANA_BUILD_VERSION}",
            env_vars={"MULTIMODAL_MODALITIES": ",".join(modalities)},
            secrets=store_secrets(),
            ram_mem_mb=300,
            ram_mem_mb_lmt=1000,
            **outside_access(),
            **kwargs,
        )
