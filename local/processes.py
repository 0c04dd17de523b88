"""Background processes that are found again by a pid file and stopped only when they are still ours."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from multimodal.model.errors import MultimodalError

_PROC = Path("/proc")
POLL_SECONDS = 0.1


class NotStoppedError(MultimodalError):
    """A process survived SIGKILL: it waits in the kernel, e.g. for a disk."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        super().__init__(f"process {pid} does not end, not even by SIGKILL")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What a pid file says: enough to know the process again and to never mistake another one for it.

    Parameters
    ----------
    pid : int
        Process id; also the id of its process group and session.
    started : str
        When the process started, in the system's own notation. A pid is given away again, a pid with its
        start time is not.
    port : int
        Port the process serves.
    """

    pid: int
    started: str
    port: int

    def alive(self) -> bool:
        """Return whether exactly this process still runs."""
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """Return the start time of the running process `pid`; None when there is none (or only its remains)."""
    if _PROC.joinpath("self/stat").exists():
        stat = _stat(pid)
        return None if stat is None or stat[0] == "Z" else stat[19]
    shown = subprocess.run(  # systems without /proc
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = shown.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def start(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path, pid_file: Path, port: int
) -> ProcessRecord:
    """Start `command` in a session of its own, which outlives this process, and write its pid file.

    Parameters
    ----------
    environment : mapping
        Added to this process's environment.
    log : Path
        Receives standard output and error, after what earlier starts wrote.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = start_time(process.pid)
    process.returncode = 0  # deliberately left running: Popen must not warn about it
    record = ProcessRecord(process.pid, started or "ended at once", port)
    write_whole(pid_file, orjson.dumps(asdict(record)))
    return record


def read_record(pid_file: Path) -> ProcessRecord | None:
    """Return what `pid_file` says; None when it is missing or unreadable (nothing is then ever stopped)."""
    try:
        return ProcessRecord(**orjson.loads(pid_file.read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None


def stop(record: ProcessRecord, *, seconds: float = 30.0) -> bool:
    """End `record`'s process group: SIGTERM, wait at most `seconds`, SIGKILL for what is left.

    Returns
    -------
    bool
        False when the process was not running any more, or its pid belongs to somebody else now; nothing
        is signalled then.
    """
    if not record.alive():
        _reap(record.pid)
        return False
    for sign, limit in ((signal.SIGTERM, seconds), (signal.SIGKILL, seconds)):
        with suppress(ProcessLookupError):  # it ended just now
            os.killpg(record.pid, sign)
        if _ended(record, limit):
            return True
    raise NotStoppedError(record.pid)


def write_whole(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `file` so that a reader sees all of `content` or nothing; readable by `mode` from the start."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    part.replace(file)


def _ended(record: ProcessRecord, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _group_alive(record):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _group_alive(record: ProcessRecord) -> bool:
    _reap(record.pid)
    if record.alive():
        return True
    return any(group == record.pid for group in _groups())


def _groups() -> Iterator[int]:
    """Yield the process group of each running process (nothing on systems without /proc)."""
    for folder in _PROC.glob("[0-9]*"):
        stat = _stat(int(folder.name))
        if stat is not None and stat[0] != "Z":
            yield int(stat[2])


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the state on: proc(5), where the state is field 3."""
    try:
        text = _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _reap(pid: int) -> None:
    """Take the remains of `pid` off the process table, if it was a child of this process."""
    with suppress(ChildProcessError):  # started by an earlier command: the system reaps it
        os.waitpid(pid, os.WNOHANG)
