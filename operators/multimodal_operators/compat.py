"""The steps Kaapana already has: its own operators there, ours or none elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multimodal_operators.host import ON_KAAPANA, REFERENCED


def get_input(dag: Any, *, modalities: Sequence[str] = ()) -> Any:
    """Return the step that lays the chosen series into the batch folder.

    Parameters
    ----------
    dag : DAG
        The workflow.
    modalities : sequence of str
        On plain Airflow, what is fetched where no series are named. Kaapana's users choose a dataset.
    """
    if ON_KAAPANA and not REFERENCED:
        from kaapana.operators.GetInputOperator import GetInputOperator

        return GetInputOperator(dag=dag, name="get-input")
    from multimodal_operators.get_input_operator import PlainGetInputOperator

    return PlainGetInputOperator(dag=dag, modalities=modalities)


def get_ref_series(dag: Any, *, input_operator: Any) -> Any:
    """Return the step that fetches, for each segmentation of the batch, the series it was drawn on."""
    if ON_KAAPANA and not REFERENCED:
        from kaapana.operators.GetRefSeriesOperator import GetRefSeriesOperator

        return GetRefSeriesOperator(
            dag=dag, name="get-ref-series", input_operator=input_operator, trigger_rule="none_failed"
        )
    from multimodal_operators.get_ref_series_operator import PlainGetRefSeriesOperator

    return PlainGetRefSeriesOperator(dag=dag, input_operator=input_operator, trigger_rule="none_failed")


def send_series(dag: Any, *, input_operator: Any, ae_title: str = "NONE") -> Any:
    """Return the step that sends the series of the batch to the internal archive; skipped where none were laid there.

    The platform's own step fails where it finds no image, so it must not run after a step that had nothing to do.

    Parameters
    ----------
    ae_title : str
        Calling AE title on Kaapana, and dataset of what arrives, where the form has no key ``aetitle``; without either
        the platform would take the run's name, which is too long for one.
    """
    if ON_KAAPANA:
        from kaapana.operators.DcmSendOperator import DcmSendOperator

        return DcmSendOperator(
            dag=dag, name="dcmsend", input_operator=input_operator, level="element", ae_title=ae_title
        )
    from multimodal_operators.send_series_operator import PlainDcmSendOperator

    return PlainDcmSendOperator(dag=dag, input_operator=input_operator)


def clean(dag: Any) -> list[Any]:
    """Return the step that removes a run's folder, in a list; elsewhere the list is empty and the folder stays."""
    if not ON_KAAPANA:
        return []
    from multimodal_operators.cleaner import Cleaner

    return [Cleaner(dag=dag, clean_workflow_dir=True, trigger_rule="none_failed")]
