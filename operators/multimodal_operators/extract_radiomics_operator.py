"""Starts the task `extract-radiomics`."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator, store_secrets


class ExtractRadiomicsOperator(ContainerOperator):
    """Computes the features of every ROI of the batch and writes them as Observations and files."""

    def __init__(self, dag: Any, name: str = "extract-radiomics", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal-radiomics:{KAAPANA_BUILD_VERSION}",
            secrets=store_secrets(),
            ram_mem_mb=4000,
            ram_mem_mb_lmt=12000,
            **kwargs,
        )
