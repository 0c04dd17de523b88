"""The plain twin of Kaapana's operator: the same constructor, environment, folders and exit codes, in a process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from multimodal_operators import plain_run
from multimodal_operators.airflow_names import BaseOperator

if TYPE_CHECKING:
    from airflow.utils.context import Context

# What only a cluster can honour; a process on a plain Airflow runs without it.
KAAPANA_ONLY = frozenset({
    "affinity", "airflow_workflow_dir", "allow_federated_learning", "annotations", "api_version", "arguments",
    "cluster_context", "cmds", "config_file", "cpu_millicores", "cpu_millicores_lmt", "delete_input_on_success",
    "delete_output_on_start", "dev_server", "display_name", "enable_proxy", "get_logs", "gpu_mem_mb",
    "gpu_mem_mb_lmt", "image_pull_policy", "image_pull_secrets", "in_cluster", "kind", "labels",
    "launch_application_chart", "manage_cache", "namespace", "no_proxy", "node_selectors", "pod_resources",
    "priority_class_name", "ram_mem_mb", "ram_mem_mb_lmt", "secrets", "startup_timeout_seconds", "tolerations",
    "whitelist_federated_learning", "xcom_push",
})  # fmt: skip
SKIPPED = 126
REMOTE_FAILED = 4
_SECONDS_TO_STOP = 10.0


class PlainContainerOperator(BaseOperator):
    """Runs one task of the package as a process of the Airflow worker.

    Parameters
    ----------
    name : str
        Name of the task; its id too, where `task_id` is not given.
    image : str, optional
        Which image holds the task; here the installed program does.
    input_operator : operator, optional
        Whose output folder is the input; or name the folder as `operator_in_dir`.
    operator_out_dir : str, optional
        Name of the folder it writes to; default the task id.
    batch_name : str, optional
        Name of the folder of series; default ``batch``.
    env_vars : dict, optional
        More environment for the task.
    **kwargs
        Airflow's own arguments; those of Kaapana that need a cluster are accepted and ignored.

    Notes
    -----
    A form's keys become variables of the pod on Kaapana. Here they do not: no task reads them there, and a
    process of the worker must not take its ``PATH`` from a form.
    """

    ui_color = "#d5e8d4"
    parallel_id: str | None
    operator_in_dir: str | None
    operator_out_dir: str

    def __init__(
        self,
        *,
        name: str,
        image: str | None = None,
        input_operator: PlainContainerOperator | None = None,
        operator_in_dir: str | None = None,
        operator_out_dir: str | None = None,
        task_id: str | None = None,
        parallel_id: str | None = None,
        keep_parallel_id: bool = True,
        batch_name: str | None = None,
        env_vars: dict[str, str] | None = None,
        retries: int = 1,
        retry_delay: timedelta = timedelta(seconds=30),
        execution_timeout: timedelta | None = timedelta(minutes=90),
        **kwargs: Any,
    ) -> None:
        if input_operator is not None and operator_in_dir is not None:
            raise AirflowException(f"{name}: give either input_operator or operator_in_dir")
        if parallel_id is None and input_operator is not None and keep_parallel_id:
            parallel_id = input_operator.parallel_id
        task_id = task_id or name
        if parallel_id is not None:
            task_id = f"{task_id}-{parallel_id.lower().replace(' ', '-')}"
        super().__init__(
            task_id=task_id,
            retries=retries,
            retry_delay=retry_delay,
            execution_timeout=execution_timeout,
            **{key: value for key, value in kwargs.items() if key not in KAAPANA_ONLY},
        )
        self.name = name
        self.image = image
        self.parallel_id = parallel_id
        self.operator_in_dir = input_operator.operator_out_dir if input_operator is not None else operator_in_dir
        self.operator_out_dir = operator_out_dir or task_id
        self.batch_name = batch_name or "batch"
        self.env_vars = dict(env_vars or {})

    def execute(self, context: Context) -> None:
        """Run the task; its exit code decides between done, skipped, to be tried again, and failed."""
        run = context["dag_run"]
        folder = plain_run.run_folder(self.dag_id, str(run.run_id))
        plain_run.write_conf(folder, plain_run.run_conf(run.conf, dict(context["params"])))
        try:
            program = plain_run.find_program()
        except FileNotFoundError as error:
            raise AirflowFailException(str(error)) from error
        code, last_lines = self._run([program, "task"], self._environment(str(run.run_id), folder))
        self._judge(code, last_lines)

    def on_kill(self) -> None:
        """Stop the process and all that it started."""
        process: subprocess.Popen[str] | None = getattr(self, "_process", None)
        if process is not None and process.poll() is None:
            _stop(process)

    def _environment(self, run_id: str, folder: Path) -> dict[str, str]:
        reserved = {
            "RUN_ID": run_id,
            "DAG_ID": self.dag_id,
            "TASK_ID": self.task_id,
            "WORKFLOW_DIR": str(folder),
            "BATCH_NAME": self.batch_name,
            "BATCHES_INPUT_DIR": str(folder / self.batch_name),
            "OPERATOR_IN_DIR": self.operator_in_dir or "",
            "OPERATOR_OUT_DIR": self.operator_out_dir,
        }
        return {**plain_run.inherited_environment(), **self.env_vars, **reserved}

    def _run(self, command: Sequence[str], environment: dict[str, str]) -> tuple[int, list[str]]:
        """Return the exit code and the last lines; every line goes to the task's log as it comes."""
        last: deque[str] = deque(maxlen=3)
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
            start_new_session=True,  # so that stopping it stops its children too
        )
        try:
            for line in self._process.stdout or ():
                if text := line.rstrip():
                    self.log.info("%s", text)
                    last.append(text)
            return self._process.wait(), list(last)
        finally:  # a timeout of Airflow's is raised in the loop above
            self.on_kill()

    def _judge(self, code: int, last_lines: Sequence[str]) -> None:
        if code == 0:
            return
        said = last_lines[-1] if last_lines else "it said nothing"
        if code == SKIPPED:
            raise AirflowSkipException(f"{self.task_id}: nothing to do")
        if code == REMOTE_FAILED:
            raise AirflowException(f"{self.task_id}: a remote system failed: {said}")
        if code < 0:
            raise AirflowFailException(f"{self.task_id} was ended by {signal.Signals(-code).name}; out of memory?")
        raise AirflowFailException(f"{self.task_id} ended with exit code {code}: {said}")


def _stop(process: subprocess.Popen[str]) -> None:
    """End the whole process group, first politely."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            continue
