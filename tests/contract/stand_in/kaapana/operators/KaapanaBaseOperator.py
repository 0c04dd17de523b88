"""The contract of KaapanaBaseOperator (Kaapana 0.6): its constructor, the pod's environment, its folders."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowException, AirflowSkipException
from airflow.models import BaseOperator
from kaapana.blueprints.kaapana_global_variables import BATCH_NAME, PROCESSING_WORKFLOW_DIR


class KaapanaBaseOperator(BaseOperator):
    def __init__(
        self,
        dag,
        name,
        image=None,
        input_operator=None,
        operator_in_dir=None,
        operator_out_dir=None,
        task_id=None,
        parallel_id=None,
        keep_parallel_id=True,
        trigger_rule="all_success",
        ram_mem_mb=500,
        ram_mem_mb_lmt=None,
        cpu_millicores=None,
        cpu_millicores_lmt=None,
        gpu_mem_mb=None,
        gpu_mem_mb_lmt=None,
        retries=1,
        retry_delay=timedelta(seconds=30),
        execution_timeout=timedelta(minutes=90),
        max_active_tis_per_dag=None,
        manage_cache=None,
        allow_federated_learning=False,
        whitelist_federated_learning=None,
        delete_input_on_success=False,
        delete_output_on_start=True,
        enable_proxy=False,
        no_proxy=None,
        batch_name=None,
        airflow_workflow_dir=None,
        cmds=None,
        arguments=None,
        env_vars=None,
        image_pull_secrets=None,
        priority_weight=1,
        priority_class_name="kaapana-low-priority",
        startup_timeout_seconds=3600,
        namespace=None,
        image_pull_policy="IfNotPresent",
        pod_resources=None,
        in_cluster=False,
        cluster_context=None,
        labels=None,
        get_logs=True,
        annotations=None,
        affinity=None,
        config_file=None,
        xcom_push=False,
        node_selectors=None,
        tolerations=None,
        secrets=None,
        kind="Pod",
        pool=None,
        pool_slots=None,
        api_version="v1",
        dev_server=None,
        display_name="-",
        launch_application_chart="",
        **kwargs,
    ):
        self.name = name
        self.image = image
        self.parallel_id = parallel_id
        if parallel_id is None and input_operator is not None and keep_parallel_id:
            self.parallel_id = input_operator.parallel_id
        task_id = task_id or name
        if self.parallel_id is not None:
            task_id = f"{task_id}-{self.parallel_id.lower().replace(' ', '-')}"
        self.operator_out_dir = operator_out_dir or task_id
        if input_operator is not None:
            operator_in_dir = input_operator.operator_out_dir
        self.ram_mem_mb = ram_mem_mb
        self.ram_mem_mb_lmt = ram_mem_mb_lmt
        self.batch_name = batch_name or BATCH_NAME
        self.secrets = secrets or []
        self.env_vars = {"SERVICES_NAMESPACE": "services", **(env_vars or {})}
        if operator_in_dir is not None:
            self.env_vars["OPERATOR_IN_DIR"] = operator_in_dir
        super().__init__(
            dag=dag,
            task_id=task_id,
            trigger_rule=trigger_rule,
            retries=retries,
            retry_delay=retry_delay,
            execution_timeout=execution_timeout,
            **kwargs,
        )
        self.operator_in_dir = operator_in_dir

    def execute(self, context: Any) -> None:
        run = context["dag_run"]
        folder = Path(PROCESSING_WORKFLOW_DIR) / run.run_id
        (folder / "conf").mkdir(parents=True, exist_ok=True)
        (folder / "conf" / "conf.json").write_text(json.dumps(run.conf or {}))
        variables = dict(self.env_vars)
        for key, value in ((run.conf or {}).get("workflow_form") or {}).items():
            variables[key.upper()] = str(value)
        variables |= {
            "RUN_ID": run.run_id,
            "DAG_ID": run.dag_id,
            "TASK_ID": context["task_instance"].task_id,
            "WORKFLOW_DIR": str(folder),
            "BATCH_NAME": self.batch_name,
            "OPERATOR_OUT_DIR": self.operator_out_dir,
            "BATCHES_INPUT_DIR": str(folder / self.batch_name),
        }
        image = str(self.image).rsplit("/", 1)[-1].split(":")[0]
        if not image.startswith("multimodal"):
            return  # a step of Kaapana's own
        # A pod starts with its own variables only; PATH and HOME are the image's, the Secret is the cluster's.
        injected = {key: os.environ[key] for key in ("PATH", "HOME", "MULTIMODAL_STORES_YAML") if key in os.environ}
        code = subprocess.run([os.environ["STAND_IN_PROGRAM"], "task"], env=variables | injected).returncode
        if code == 126:
            raise AirflowSkipException("skipped")
        if code:
            raise AirflowException("failed")
