"""Starts the task `store-measurements`."""

from __future__ import annotations

from typing import Any

from multimodal_operators.host import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, ContainerOperator, store_secrets


class StoreMeasurementsOperator(ContainerOperator):
    """Writes the measurements of the batch's Structured Reports as Observations.

    Parameters
    ----------
    dag : DAG
        The workflow.
    reports : operator
        The step that laid the reports into the batch.
    """

    def __init__(self, dag: Any, *, reports: Any, name: str = "store-measurements", **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/multimodal-radiomics:{KAAPANA_BUILD_VERSION}",
            input_operator=reports,
            secrets=store_secrets(),
            ram_mem_mb=500,
            ram_mem_mb_lmt=2000,
            **kwargs,
        )
