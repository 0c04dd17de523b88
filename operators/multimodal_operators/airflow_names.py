"""Airflow's own words, from where this version keeps them: ``airflow.sdk`` from 3 on, ``airflow.models`` before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow import models as sdk
else:
    try:
        from airflow import sdk
    except ImportError:  # Airflow 2
        from airflow import models as sdk

BaseOperator = sdk.BaseOperator
DAG = sdk.DAG  # noqa: AIR311 - from `airflow.sdk` where there is one, see above
Param = sdk.Param  # noqa: AIR311 - likewise
