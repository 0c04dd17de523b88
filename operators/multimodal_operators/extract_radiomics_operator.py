"""Starts the task `extract-radiomics`."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator, store_secrets


class ExtractRadiomicsOperator(ContainerOperator):
    """Computes the features of every ROI of the batch and writes them as Observations and files.

    Parameters
    ----------
    dag : DAG
        The workflow.
    masks, images : operator
        The steps that laid the segmentations and the images they were drawn on into the batch.
    """

    def __init__(self, dag: Any, *, masks: Any, images: Any, name: str = "extract-radiomics", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal-radiomics:{KAAPANA_BUILD_VERSION}",
            input_operator=masks,
            env_vars={"MULTIMODAL_IMAGES_DIR": images.operator_out_dir},
            secrets=store_secrets(),
            ram_mem_mb=4000,
            ram_mem_mb_lmt=12000,
            **kwargs,
        )
