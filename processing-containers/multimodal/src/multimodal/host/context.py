"""One typed TaskContext made of what a host sets: variables, conf.json, folders."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from multimodal.bucket import Bucket, open_bucket
from multimodal.host.conf import Conf, read_conf
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import check_uid
from multimodal.model.progress import Progress, silent
from multimodal.transport.stores import Stores, load_stores

_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class SeriesFolder:
    """The folder of one series in the batch: ``batch/<Series Instance UID>``."""

    uid: str
    path: Path

    def of(self, step: str) -> Path:
        """Return the folder that the step `step` writes to."""
        return self.path / step


@dataclass(frozen=True)
class TaskContext:
    """All that a task knows of where it runs; the same on Kaapana, on plain Airflow and by hand.

    Parameters
    ----------
    task_id, run_id, dag_id : str
        As the host names them.
    workflow_dir : Path
        Folder of the run.
    batch_name : str
        Name of the folder of series in it.
    in_name, out_name : str
        Names of the folders to read and to write, in the run's folder and in each series' folder. Empty
        `in_name`: the task has no input folder.
    conf : Conf
        What the user asked for.
    settings : mapping
        The host's variables.
    progress : Progress
        Who listens.
    stores_file : Path, optional
        Where none is given the usual places are looked at when a store is first asked for.
    """

    task_id: str
    run_id: str
    dag_id: str
    workflow_dir: Path
    batch_name: str
    in_name: str
    out_name: str
    conf: Conf
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    progress: Progress = silent
    stores_file: Path | None = None

    @property
    def form(self) -> Mapping[str, Any]:
        """What the user filled in."""
        return self.conf.workflow_form

    @property
    def run_name(self) -> str:
        """Name of the run's folder, safe in a key of any bucket: Airflow's own run ids carry ``:`` and ``+``."""
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.workflow_dir.name).lstrip(".")

    @property
    def batch_dir(self) -> Path:
        """Folder of the series."""
        return self.workflow_dir / self.batch_name

    @property
    def out_dir(self) -> Path:
        """Folder for what concerns the batch as a whole; empty when the task starts."""
        return self.workflow_dir / self.out_name

    @cached_property
    def stores(self) -> Stores:
        """The named stores, with the run's project filled in."""
        return load_stores(self.stores_file, project=self.conf.project)

    @cached_property
    def bucket(self) -> Bucket:
        """The project's bucket."""
        return open_bucket(self.stores.get("bucket"))

    def series(self) -> list[SeriesFolder]:
        """Return the series of the batch, sorted.

        Raises
        ------
        InvalidUidError
            If a folder's name is no UID.
        """
        if not self.batch_dir.is_dir():
            return []
        folders = sorted(path for path in self.batch_dir.iterdir() if path.is_dir())
        return [SeriesFolder(check_uid(path.name), path) for path in folders]

    def series_folder(self, uid: str) -> Path:
        """Return the folder in which this task writes about the series `uid`."""
        return self.batch_dir / check_uid(uid) / self.out_name

    def say(self, text: str) -> None:
        """Tell the reader of the log one thing."""
        print(f"{datetime.now():%H:%M:%S} {self.task_id}: {text}", flush=True)


def make_context(
    task_id: str,
    settings: Mapping[str, str],
    *,
    conf_file: Path | None = None,
    stores_file: Path | None = None,
    progress: Progress = silent,
) -> TaskContext:
    """Read what the host set and return the context of the task `task_id`, its output folders wiped.

    Parameters
    ----------
    settings : mapping
        The variables: ``RUN_ID``, ``DAG_ID``, ``WORKFLOW_DIR``, ``BATCH_NAME``, ``OPERATOR_IN_DIR``,
        ``OPERATOR_OUT_DIR``. By hand none is needed: the run's folder is then ``multimodal-run`` here.
    conf_file : Path, optional
        Default ``$WORKFLOW_DIR/conf/conf.json``.

    Raises
    ------
    ConfigurationError
        If conf.json or a folder's name is wrong; nothing is wiped then.
    """
    workflow_dir = Path(settings.get("WORKFLOW_DIR") or "multimodal-run").absolute()
    dag_id = settings.get("DAG_ID") or task_id
    if conf_file is not None and not conf_file.is_file():
        raise ConfigurationError("no such file; give the conf.json of the run", file=conf_file)
    context = TaskContext(
        task_id=task_id,
        run_id=settings.get("RUN_ID") or workflow_dir.name,
        dag_id=dag_id,
        workflow_dir=workflow_dir,
        batch_name=_name(settings.get("BATCH_NAME") or "batch", "BATCH_NAME", ()),
        in_name=settings.get("OPERATOR_IN_DIR") or "",
        out_name=settings.get("OPERATOR_OUT_DIR") or task_id,
        conf=read_conf(conf_file or workflow_dir / "conf" / "conf.json", dag_id),
        settings=settings,
        progress=progress,
        stores_file=stores_file,
    )
    if context.in_name:
        _name(context.in_name, "OPERATOR_IN_DIR", ())
    # A task may wipe only what is its own.
    _name(context.out_name, "OPERATOR_OUT_DIR", ("conf", context.batch_name, context.in_name))
    wipe([context.out_dir, *(series.of(context.out_name) for series in context.series())])
    context.out_dir.mkdir(parents=True)
    return context


def wipe(folders: Iterable[Path]) -> None:
    """Remove `folders`; a link is removed, not what it leads to."""
    for folder in folders:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)


def _name(name: str, variable: str, taken: Iterable[str]) -> str:
    if not _FOLDER_NAME.fullmatch(name) or name in taken:
        raise ConfigurationError(f"{variable}: {name[:80]!r} cannot be the name of this task's folder")
    return name
