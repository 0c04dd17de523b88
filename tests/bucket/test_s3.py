from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multimodal.bucket import ChangedMeanwhileError, LockedError, LostLockError, NotInBucketError, open_bucket
from multimodal.bucket.s3 import S3Bucket
from multimodal.bucket.s3_lease import Terms
from multimodal.bucket.s3_objects import Objects
from multimodal.model.errors import ConfigurationError, RemoteError
from multimodal.transport.session import (
    CertificateError,
    LoginRefusedError,
    RequestRefusedError,
    StoreFailedError,
    UnreachableError,
)
from multimodal.transport.stores import Auth, Store
from multimodal.workflows.check_stores import check_store
from tests.fakes.http_server import HttpServer, answer
from tests.fakes.object_proxy import Fault, ObjectProxy
from tests.fakes.object_server import ObjectServer

LOCK = ".locks/m.json"
SHORT = Terms(lasts=2.0, renewed=0.2)


@pytest.fixture
def proxy(store: Store) -> Iterator[ObjectProxy]:
    with ObjectProxy(store) as proxy:
        yield proxy


def once(fault: Fault, method: str, part: str) -> Callable[[str, str], Fault]:
    """Do `fault` to the first request of `method` whose path has `part`."""
    left = [fault]

    def of(asked: str, path: str) -> Fault:
        return left.pop() if left and asked == method and part in path else ""

    return of


def change(bucket: S3Bucket, others: Callable[[], None]) -> None:
    with bucket.checkout("state/m.sqlite") as copy:
        copy.write_bytes(b"ours")
        others()


# Contents


@pytest.mark.parametrize("size", [5 << 20, 11_000_001])
def test_a_large_file_goes_in_parts_and_memory_stays(
    store: Store, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multimodal.bucket.s3_objects.PART_BYTES", 5 << 20)
    block = os.urandom(1 << 16)
    with (tmp_path / "in").open("wb") as file:
        for start in range(0, size, len(block)):
            file.write(block[: size - start])
    with ObjectProxy(store) as proxy:
        open_bucket(proxy.store).write_file("features/x.parquet", tmp_path / "in")
        parts = sum("partNumber" in path for _, path in proxy.requests)
    assert parts == (3 if size > 5 << 20 else 0)
    tracemalloc.start()
    open_bucket(store).read_file("features/x.parquet", tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_a_refused_part_leaves_the_old_content(proxy: ObjectProxy, tmp_path: Path) -> None:
    bucket = open_bucket(proxy.store)
    bucket.write("a", b"old")
    (tmp_path / "in").write_bytes(bytes(17 << 20))
    proxy.fault = lambda method, path: "busy" if "partNumber=2" in path else ""
    with pytest.raises(StoreFailedError, match="status 503 after all tries"):
        bucket.write_file("a", tmp_path / "in")
    assert bucket.read("a") == b"old"


def test_parts_that_were_put_together_though_the_answer_was_lost(proxy: ObjectProxy, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(17 << 20))
    proxy.fault = once("lost", "POST", "uploadId=")
    bucket = open_bucket(proxy.store)
    bucket.write_file("a", tmp_path / "in")
    bucket.read_file("a", tmp_path / "out")
    assert (tmp_path / "out").stat().st_size == 17 << 20


@pytest.mark.parametrize(("fault", "method"), [("busy", "PUT"), ("lost", "PUT"), ("busy", "GET"), ("lost", "GET")])
def test_a_passing_failure_is_tried_again(proxy: ObjectProxy, fault: Fault, method: str) -> None:
    proxy.fault = once(fault, method, "/a")
    bucket = open_bucket(proxy.store)
    bucket.write("a", b"content")
    assert bucket.read("a") == b"content"


def test_a_cut_content_is_fetched_anew(proxy: ObjectProxy, tmp_path: Path) -> None:
    bucket = open_bucket(proxy.store)
    bucket.write("a", b"content")
    proxy.fault = once("cut", "GET", "/a")
    bucket.read_file("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"content"
    proxy.fault = lambda method, path: "cut" if method == "GET" else ""
    with pytest.raises(RemoteError, match="cut after 3 bytes"):
        bucket.read_file("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"content"


def test_what_others_put_there_is_not_listed(store: Store) -> None:
    client = Objects(store).client
    for key in ("a/", ".hidden", "a/b"):
        client.put_object(store.bucket, key, io.BytesIO(), 0)
    assert list(open_bucket(store).list()) == ["a/b"]


# Refusals


def test_a_missing_bucket_is_a_configuration_error(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="store bucket: there is no bucket not-there; create it"):
        open_bucket(replace(store, bucket="not-there")).read("a")


def test_no_server_is_unreachable(store: Store) -> None:
    with pytest.raises(UnreachableError, match="is it running and reachable"):
        open_bucket(replace(store, url="http://127.0.0.1:9", attempts=1)).read("a")


@pytest.mark.parametrize(
    ("code", "status"), [("SignatureDoesNotMatch", 403), ("InvalidAccessKeyId", 403), ("AccessDenied", 403)]
)
def test_a_refused_login_says_so(store: Store, code: str, status: int) -> None:
    body = f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
    with HttpServer(answer(status, body, Content_Type="application/xml")) as server:
        refused = open_bucket(replace(store, url=server.url, region="us-east-1"))
        calls: list[Callable[[], Any]] = [
            lambda: refused.read("a"), lambda: refused.write("a", b""), lambda: list(refused.list()),
            lambda: refused.delete("a"), lambda: refused.lock("m").__enter__(),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(LoginRefusedError, match=code) as error:
                call()
            assert error.value.exit_code == 4
            assert os.environ["S3_SECRET"] not in str(error.value)


def test_another_refusal_says_in_one_line_what_the_server_says(store: Store) -> None:
    body = b"<Error><Code>EntityTooLarge</Code><Message>Your\n proposed upload is too large.</Message></Error>"
    with HttpServer(answer(400, body, Content_Type="application/xml")) as server:
        refused = open_bucket(replace(store, url=server.url, region="us-east-1"))
        with pytest.raises(RequestRefusedError, match=r"/a refused: EntityTooLarge Your proposed upload") as error:
            refused.write("a", b"content")
    assert error.value.status == 400


@pytest.mark.parametrize("kind", ["text/html", "application/xml", "text/plain"])
def test_another_kind_of_server_is_told(store: Store, kind: str) -> None:
    with HttpServer(answer(404, b"<html>no such page</html>", Content_Type=kind)) as server:
        other = replace(store, url=server.url, region="us-east-1")
        with pytest.raises(RemoteError, match="as no object store does"):
            open_bucket(other).read("a")
        with pytest.raises(RemoteError, match="as no object store does"):
            Objects(other).put_if("a", b"", "")
    page = answer(200, b"<html>please <br> log in</html>", Content_Type="text/html")
    with HttpServer(page) as server, pytest.raises(RemoteError, match="as no object store does"):
        list(open_bucket(replace(store, url=server.url)).list())


def test_an_address_with_a_path_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="has no path"):
        open_bucket(replace(store, url="http://127.0.0.1:9000/bucket"))


def test_a_missing_secret_is_named(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="set the environment variable NO_SUCH"):
        open_bucket(replace(store, auth=Auth("keys", "S3_SECRET", "env", user_reference="NO_SUCH")))


def test_the_check_of_a_store_lists_and_writes(store: Store) -> None:
    assert check_store(store) == f"bucket {store.bucket} can be listed and written"


def test_over_tls_with_a_certificate_of_our_own_authority(store: Store, tmp_path: Path) -> None:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-out", str(files[0]), "-keyout", str(files[1])),
        ],
        check=True,
        capture_output=True,
    )
    with ObjectServer(tmp_path, certificate=files) as server:
        secure = replace(store, url=server.url, bucket=server.new_bucket())
        with pytest.raises(CertificateError, match="ca_file"):
            open_bucket(secure).read("a")
        bucket = open_bucket(replace(secure, ca_file=str(files[0])))
        (tmp_path / "in").write_bytes(bytes(17 << 20))
        bucket.write_file("a", tmp_path / "in")
        with bucket.lock("m"), bucket.checkout("b") as copy:
            copy.write_bytes(b"content")
        assert (len(bucket.read("a")), bucket.read("b")) == (17 << 20, b"content")


# Working copies


@pytest.mark.usefixtures("terms")
def test_a_working_copy_does_not_go_over_anothers_change(store: Store) -> None:
    bucket, other = S3Bucket(store), S3Bucket(store)
    with pytest.raises(ChangedMeanwhileError, match=r"another run changed state/m.sqlite meanwhile"):
        change(bucket, lambda: other.write("state/m.sqlite", b"theirs"))
    assert bucket.read("state/m.sqlite") == b"theirs"
    with pytest.raises(ChangedMeanwhileError):
        change(bucket, lambda: other.write("state/m.sqlite", b"again"))
    with pytest.raises(ChangedMeanwhileError):
        change(bucket, lambda: other.delete("state/m.sqlite"))
    assert list(bucket.list()) == []


def test_a_working_copy_whose_answer_was_lost_is_there(proxy: ObjectProxy) -> None:
    bucket = S3Bucket(proxy.store)
    for content in (b"one", b"two"):
        proxy.fault = once("lost", "PUT", "/state/m.sqlite")
        with bucket.checkout("state/m.sqlite") as copy:
            copy.write_bytes(content)
        assert bucket.read("state/m.sqlite") == content


# Locks


@pytest.fixture(params=["conditions", "none"])
def terms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Terms:
    """Terms of tests, on a server that knows conditional writes and on one that does not."""
    if request.param == "none":
        monkeypatch.setattr("multimodal.bucket.s3_objects._SETTLE_SECONDS", 0.1)
        monkeypatch.setattr(Objects, "knows_conditions", lambda self: False)
    return SHORT


def elsewhere(store: Store, **said: str) -> None:
    """Write the lock of a run on another machine."""
    holder = {"host": "pod-1", "pid": "1", "run": "run-7", "since": "2024-01-01", "system": "another", **said}
    said = json.dumps(holder).encode()
    Objects(store).client.put_object(store.bucket, LOCK, io.BytesIO(said), len(said))


def test_a_lock_is_renewed_while_the_body_runs(store: Store, terms: Terms) -> None:
    objects, seen = Objects(store), set()
    with S3Bucket(store, terms=terms).lock("m"):
        deadline = time.monotonic() + 20
        while len(seen) < 3 and time.monotonic() < deadline:
            seen.add(objects.find(LOCK).etag)
    assert len(seen) >= 3
    assert b"free" in objects.find(LOCK).content


def test_of_two_runs_one_gets_the_lock(store: Store, terms: Terms) -> None:
    held, refused, tried = [], [], threading.Barrier(4)

    def run() -> None:
        bucket = S3Bucket(store, terms=terms)
        tried.wait()
        try:
            with bucket.lock("m"):
                held.append(threading.get_ident())
                done.wait(20)
        except LockedError as error:
            refused.append(error)
            if len(refused) == 3:
                done.set()

    done = threading.Event()
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(held), len(refused)) == (1, 3)


def test_a_run_elsewhere_that_lives_is_told(store: Store, terms: Terms) -> None:
    elsewhere(store)
    ended = threading.Event()

    def renew() -> None:
        number = 0
        while not ended.wait(0.3):
            number += 1
            elsewhere(store, renewals=str(number))

    thread = threading.Thread(target=renew)
    thread.start()
    with pytest.raises(LockedError, match="run run-7, process 1 on pod-1") as error, S3Bucket(store).lock("m"):
        pass
    ended.set()
    thread.join()
    assert set(error.value.holder) == {"host", "pid", "run", "since"}


def test_the_lock_of_a_run_elsewhere_that_is_gone_is_taken_over(store: Store, terms: Terms) -> None:
    elsewhere(store)
    started = time.monotonic()
    with S3Bucket(store, terms=terms).lock("m"):
        pass
    assert time.monotonic() - started > 1.0, "it might have lived"


def test_an_old_lock_is_taken_over_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(store)
    objects = Objects(store)
    while objects.find(LOCK).age.total_seconds() <= 1.0:  # by the server's clock, which has seconds
        pass
    monkeypatch.setattr("multimodal.bucket.s3_lease.time.sleep", lambda seconds: pytest.fail("waited"))
    with S3Bucket(store, terms=Terms(lasts=1.0)).lock("m"):
        pass


def test_the_lock_of_a_killed_process_is_free(store: Store) -> None:
    code = (
        "import json, sys; from multimodal.bucket import open_bucket\n"
        "from multimodal.transport.stores import Auth, Store\n"
        "auth = Auth('keys', 'S3_SECRET', 'env', user_reference='S3_KEY')\n"
        "store = Store('bucket', 's3', url=sys.argv[1], bucket=sys.argv[2], auth=auth)\n"
        "with open_bucket(store).lock('m', run='dying'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    bucket = open_bucket(store)
    with subprocess.Popen(
        [sys.executable, "-c", code, store.url, store.bucket], stdin=subprocess.PIPE, stdout=subprocess.PIPE
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


def test_a_run_that_was_taken_for_dead_is_told(store: Store, terms: Terms) -> None:
    def hold() -> None:
        with S3Bucket(store, terms=terms).lock("m"):
            elsewhere(store)

    with pytest.raises(LostLockError, match="another run took m over"):
        hold()
    assert b"run-7" in Objects(store).find(LOCK).content, "the other one's lock is left alone"


@pytest.mark.parametrize("fault", ["lost", "busy"])
def test_a_lock_is_taken_and_let_go_though_an_answer_is_lost(proxy: ObjectProxy, fault: Fault) -> None:
    bucket = S3Bucket(proxy.store)
    proxy.fault = once(fault, "PUT", "/.locks/m.json")
    with bucket.lock("m"):
        proxy.fault = once(fault, "PUT", "/.locks/m.json")
    with bucket.lock("m"):
        pass


def test_a_server_that_is_away_for_a_while_costs_no_lock(proxy: ObjectProxy) -> None:
    with S3Bucket(replace(proxy.store, attempts=1), terms=SHORT).lock("m"):
        proxy.fault = lambda method, path: "busy"
        seen = len(proxy.requests)
        deadline = time.monotonic() + 20
        while len(proxy.requests) < seen + 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        proxy.fault = lambda method, path: ""
    assert b"free" in Objects(proxy.store).find(LOCK).content


def test_a_server_without_conditional_writes_is_found_out(store: Store) -> None:
    created = answer(200, b"", ETag='"1"')
    with HttpServer(created) as server:
        assert not S3Bucket(replace(store, url=server.url, region="x")).has_conditional_writes()
    with HttpServer(created, answer(501)) as server:
        assert not S3Bucket(replace(store, url=server.url, region="x")).has_conditional_writes()
    with HttpServer(created, answer(412)) as server:
        assert S3Bucket(replace(store, url=server.url, region="x")).has_conditional_writes()


def test_what_is_not_there_is_told_of_a_lock_too(store: Store) -> None:
    with pytest.raises(NotInBucketError):
        S3Bucket(store).read("nothing")
