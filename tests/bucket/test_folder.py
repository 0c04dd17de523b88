from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket, LockedError, NotInBucketError, UnsafeKeyError, open_bucket
from multimodal.model.errors import ConfigurationError
from multimodal.transport.stores import Store


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "bucket")


def write_and_fail(bucket: FolderBucket, key: str, content: bytes) -> None:
    with bucket.checkout(key) as copy:
        copy.write_bytes(content)
        raise ZeroDivisionError


def test_what_is_written_can_be_read_listed_and_deleted(bucket: FolderBucket) -> None:
    bucket.write("reports/r1/errors.csv", b"a")
    bucket.write("reports/r2/errors.csv", b"b")
    bucket.write("state/x", b"c")
    assert bucket.read("reports/r2/errors.csv") == b"b"
    assert list(bucket.list("reports/")) == ["reports/r1/errors.csv", "reports/r2/errors.csv"]
    assert list(bucket.list("reports/r1/err")) == ["reports/r1/errors.csv"]
    assert len(list(bucket.list())) == 3
    bucket.delete("state/x")
    bucket.delete("state/x")
    assert not bucket.exists("state/x")


def test_what_is_not_there_has_a_typed_error(bucket: FolderBucket) -> None:
    for key in ("nothing", "nothing/below"):
        with pytest.raises(NotInBucketError, match=key) as error:
            bucket.read(key)
        assert error.value.key == key
    assert list(bucket.list("nothing/")) == []


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../b", "a//b", ".locks/x", "a\\b", "a/", "a\n", "x" * 300]
)
def test_unsafe_keys_are_refused(bucket: FolderBucket, key: str) -> None:
    for call in (bucket.read, bucket.exists, bucket.delete, lambda k: bucket.write(k, b"")):
        with pytest.raises(UnsafeKeyError):
            call(key)


def test_a_link_that_leads_out_is_refused(bucket: FolderBucket, tmp_path: Path) -> None:
    bucket.write("a", b"")
    (bucket.root / "out").symlink_to(tmp_path)
    with pytest.raises(UnsafeKeyError):
        bucket.write("out/x", b"")


def test_a_working_copy_is_written_back_only_when_the_body_ends_well(bucket: FolderBucket) -> None:
    with bucket.checkout("state/m.sqlite") as copy:
        assert not copy.exists()
        copy.write_bytes(b"one")
    with bucket.checkout("state/m.sqlite") as copy:
        assert copy.read_bytes() == b"one"
        copy.write_bytes(b"two")
        assert bucket.read("state/m.sqlite") == b"one"
    assert bucket.read("state/m.sqlite") == b"two"
    with pytest.raises(ZeroDivisionError):
        write_and_fail(bucket, "state/m.sqlite", b"three")
    assert bucket.read("state/m.sqlite") == b"two"
    assert list((bucket.root / ".writing").iterdir()) == []


def test_a_held_lock_names_its_holder(bucket: FolderBucket) -> None:
    with bucket.lock("mapping-x", run="run-7"):
        with pytest.raises(LockedError, match="run-7") as error, bucket.lock("mapping-x"):
            pass
        assert error.value.exit_code == 4
        assert error.value.holder["pid"].isdigit()
        with bucket.lock("mapping-y"):
            pass
    with bucket.lock("mapping-x"):
        pass


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


def test_a_store_that_is_no_bucket_is_refused(tmp_path: Path) -> None:
    assert open_bucket(Store("bucket", "folder", path=str(tmp_path))).name == "bucket"
    with pytest.raises(ConfigurationError, match="clinical is of kind fhir"):
        open_bucket(Store("clinical", "fhir", url="http://127.0.0.1:1"))


def test_a_folder_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot write"):
        FolderBucket(tmp_path / "file").write("a", b"")


def test_files_go_in_and_out(bucket: FolderBucket, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"content")
    bucket.write_file("reports/r/errors.csv", tmp_path / "in")
    assert bucket.read("reports/r/errors.csv") == b"content"
    bucket.read_file("reports/r/errors.csv", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"content"
    assert list(bucket.list()) == ["reports/r/errors.csv"]
    with pytest.raises(NotInBucketError, match="there is no nothing"):
        bucket.read_file("nothing", tmp_path / "out")
