from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket, LockedError, UnsafeKeyError
from multimodal.model.errors import ConfigurationError


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "bucket")


def test_a_link_that_leads_out_is_refused(bucket: FolderBucket, tmp_path: Path) -> None:
    bucket.write("a", b"")
    (bucket.root / "out").symlink_to(tmp_path)
    with pytest.raises(UnsafeKeyError):
        bucket.write("out/x", b"")


def test_the_lock_of_a_killed_process_is_free(bucket: FolderBucket) -> None:
    code = (
        "import sys, pathlib; from multimodal.bucket import FolderBucket\n"
        "with FolderBucket(pathlib.Path(sys.argv[1])).lock('m', run='dying'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(bucket.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match="dying") as error, bucket.lock("m"):
            pass
        assert error.value.holder["pid"] == str(holder.pid)
        holder.kill()
        holder.wait()
        with bucket.lock("m"):
            pass


def test_a_folder_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot write"):
        FolderBucket(tmp_path / "file").write("a", b"")


def test_nothing_is_left_of_a_working_copy(bucket: FolderBucket) -> None:
    with bucket.checkout("state/m.sqlite") as copy:
        copy.write_bytes(b"one")
    assert list((bucket.root / ".writing").iterdir()) == []
