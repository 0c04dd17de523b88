from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.bucket import Bucket, LockedError, NotInBucketError, UnsafeKeyError, open_bucket
from multimodal.model.errors import ConfigurationError
from multimodal.transport.stores import Store


def write_and_fail(bucket: Bucket, key: str, content: bytes) -> None:
    with bucket.checkout(key) as copy:
        copy.write_bytes(content)
        raise ZeroDivisionError


def test_what_is_written_can_be_read_listed_and_deleted(bucket: Bucket) -> None:
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


def test_what_is_not_there_has_a_typed_error(bucket: Bucket) -> None:
    for key in ("nothing", "nothing/below"):
        with pytest.raises(NotInBucketError, match=key) as error:
            bucket.read(key)
        assert error.value.key == key
    assert list(bucket.list("nothing/")) == []


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", ".locks/x", "a\\b", "a/", "a\n", "x" * 300, "ü" * 150, "\ud800"],
)
def test_unsafe_keys_are_refused(bucket: Bucket, key: str) -> None:
    for call in (bucket.read, bucket.exists, bucket.delete, lambda k: bucket.write(k, b"")):
        with pytest.raises(UnsafeKeyError):
            call(key)


def test_a_working_copy_is_written_back_only_when_the_body_ends_well(bucket: Bucket) -> None:
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
    assert list(bucket.list()) == ["state/m.sqlite"]


def test_keys_are_names_as_people_write_them(bucket: Bucket) -> None:
    keys = sorted(["tables/Größe & Gewicht (2024) +%20.csv", "tables/a=b?c#d.csv", "tables/~x*.csv", "tables/a.csv"])
    for key in keys:
        bucket.write(key, key.encode())
    assert list(bucket.list("tables/")) == keys
    for key in keys:
        assert bucket.exists(key)
        assert bucket.read(key) == key.encode()
        bucket.delete(key)
    assert list(bucket.list()) == []


def test_an_empty_content_is_one(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    bucket.write("a", b"")
    bucket.write_file("b", tmp_path / "empty")
    with bucket.checkout("c") as copy:
        copy.touch()
    assert [bucket.read(key) for key in "abc"] == [b""] * 3


def test_a_working_copy_that_is_gone_is_not_written_back(bucket: Bucket) -> None:
    bucket.write("state/m.sqlite", b"one")
    with bucket.checkout("state/m.sqlite") as copy:
        copy.unlink()
    assert bucket.read("state/m.sqlite") == b"one"


def test_a_held_lock_names_its_holder(bucket: Bucket) -> None:
    with bucket.lock("mapping-x", run="run-7"):
        with pytest.raises(LockedError, match="run-7") as error, bucket.lock("mapping-x"):
            pass
        assert error.value.exit_code == 4
        assert error.value.holder["pid"].isdigit()
        with bucket.lock("mapping-y"):
            pass
    with bucket.lock("mapping-x"):
        pass


def test_a_store_that_is_no_bucket_is_refused(tmp_path: Path) -> None:
    assert open_bucket(Store("bucket", "folder", path=str(tmp_path))).name == "bucket"
    with pytest.raises(ConfigurationError, match=r"clinical is of kind fhir.*use kind folder or s3"):
        open_bucket(Store("clinical", "fhir", url="http://127.0.0.1:1"))


def test_files_go_in_and_out(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"content")
    bucket.write_file("reports/r/errors.csv", tmp_path / "in")
    assert bucket.read("reports/r/errors.csv") == b"content"
    bucket.read_file("reports/r/errors.csv", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"content"
    assert list(bucket.list()) == ["reports/r/errors.csv"]
    with pytest.raises(NotInBucketError, match="there is no nothing"):
        bucket.read_file("nothing", tmp_path / "out")
