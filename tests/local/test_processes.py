"""A pid file leads to exactly the process it was written for, and to nobody else's."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local import processes
from local.processes import ProcessRecord

PARENT_AND_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
DEAF = (
    "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
)


def start(folder: Path, script: str, *arguments: str) -> ProcessRecord:
    command = [sys.executable, "-c", script, *arguments]
    return processes.start(command, environment={}, log=folder / "log", pid_file=folder / "pid", port=1)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that we did not start through a pid file."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def members(group: int) -> list[int]:
    shown = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in shown.splitlines())
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and not state.startswith("Z")]


def until(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    record = start(tmp_path, "import time; time.sleep(600)")
    found = processes.read_record(tmp_path / "pid")
    assert found == record
    assert found.alive()
    assert processes.stop(found)
    assert not found.alive()


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is missing (Debian package procps)")
def test_stop_ends_the_whole_process_group(tmp_path: Path) -> None:
    record = start(tmp_path, PARENT_AND_CHILD)
    until(lambda: len(members(record.pid)) == 2)
    assert processes.stop(record)
    assert members(record.pid) == []


def test_a_pid_given_to_somebody_else_is_left_alone(stranger: subprocess.Popen[bytes]) -> None:
    started = processes.start_time(stranger.pid)
    assert started is not None
    stale = ProcessRecord(stranger.pid, started, 1)
    assert stale.alive()
    stale = replace(stale, started="the time of the process that had this pid before")
    assert not stale.alive()
    assert not processes.stop(stale)
    assert stranger.poll() is None


def test_a_process_deaf_to_sigterm_is_killed_after_the_wait(tmp_path: Path) -> None:
    record = start(tmp_path, DEAF, str(tmp_path / "deaf"))
    until((tmp_path / "deaf").exists)
    begun = time.monotonic()
    assert processes.stop(record, seconds=0.5)
    assert time.monotonic() - begun >= 0.5
    assert not record.alive()


def test_remains_of_a_process_count_as_ended(tmp_path: Path) -> None:
    record = start(tmp_path, "pass")  # its parent, this test, has not taken it off the process table
    until(lambda: not record.alive())
    assert not processes.stop(record)


@pytest.mark.parametrize("content", [b"", b"123", b'{"pid": 1}', b"\x00"])
def test_an_unreadable_pid_file_names_nobody(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pid"
    file.write_bytes(content)
    assert processes.read_record(file) is None


def test_the_log_keeps_what_earlier_starts_wrote(tmp_path: Path) -> None:
    for text in ("first", "second"):
        record = start(tmp_path, f"print({text!r})")
        until(lambda pid=record: not pid.alive())
    assert (tmp_path / "log").read_text().split() == ["first", "second"]


def test_what_is_written_whole_is_for_the_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    processes.write_whole(file, b"x")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
