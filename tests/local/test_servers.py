"""Starting, waiting with a bound, finding again and stopping: on a small stand-in and on the real servers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.install import JAVA, LOCAL, ORTHANC, MissingProgramError, build, ensure
from local.servers import HOST, Orthanc, Server, ServerDownError, free_port
from local.stack import Stack

ANSWERING = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[2])); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Fake(Server):
    """A server of a few lines of Python, given by its script."""

    name = "Fake"
    wait_seconds = 10.0
    script = ANSWERING
    status = "200"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def _prepare(self, port: int) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-u", "-c", self.script, str(port), self.status], {}

    def _probe_url(self) -> str:
        return self.url


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    server = Fake(tmp_path / "fake")
    yield server
    server.stop()


@pytest.fixture
def installed_orthanc() -> str:
    try:
        return ensure(ORTHANC)
    except MissingProgramError as error:
        pytest.skip(str(error))


def test_a_server_is_found_again_and_used_again(fake: Fake) -> None:
    assert fake.start()
    fake.wait()
    assert not fake.start()
    again = Fake(fake.folder)
    assert again.answers()
    assert again.url == fake.url
    assert not again.start()
    assert again.stop()
    assert fake.running() is None
    assert not fake.stop()


def test_a_server_that_never_answers_names_its_log(fake: Fake) -> None:
    fake.script = "print('waiting for a disk'); import time; time.sleep(600)"
    fake.start()
    with pytest.raises(ServerDownError, match=r"no answer from http://127\.0\.0\.1:\d+ after 1 s") as caught:
        fake.wait(1.0)
    assert caught.value.log == fake.log
    assert f"read {fake.log} (last line: waiting for a disk)" in str(caught.value)


def test_a_server_that_answers_errors_is_not_up(fake: Fake) -> None:
    fake.status = "503"
    fake.start()
    with pytest.raises(ServerDownError, match="no answer"):
        fake.wait(1.0)


def test_a_server_that_ends_is_not_waited_for(fake: Fake) -> None:
    fake.script = "raise SystemExit('the port is taken')"
    fake.start()
    with pytest.raises(
        ServerDownError, match=r"ended while starting; read .*server\.log \(last line: the port is taken"
    ):
        fake.wait(60.0)


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_the_pid_file_of_a_gone_server_stops_nobody(fake: Fake) -> None:
    fake.start()
    record = fake.running()
    assert record is not None
    fake.stop()
    fake.pid_file.write_text(f'{{"pid": {os.getpid()}, "started": "{record.started}", "port": {record.port}}}')
    assert Fake(fake.folder).running() is None
    assert not Fake(fake.folder).stop()  # or this very test would end here


def test_orthanc_asks_for_the_password_and_keeps_none(installed_orthanc: str, tmp_path: Path) -> None:
    server = Orthanc(tmp_path / "orthanc", password="opening-time")
    server.start()
    try:
        server.wait()
        studies = f"{server.url}/studies"
        assert requests.get(studies, timeout=5).status_code == 401
        assert requests.get(studies, auth=("demo", "closing-time"), timeout=5).status_code == 401
        answer = requests.get(studies, auth=("demo", "opening-time"), headers={"Accept-Encoding": "gzip"}, timeout=5)
        assert answer.status_code == 200
        assert "Content-Encoding" not in answer.headers
        port = server.port
    finally:
        server.stop()
    assert free_port(port) == port
    written = [file.read_bytes() for file in server.folder.rglob("*") if file.is_file()]
    assert written
    assert not any(b"opening-time" in content for content in written)


def test_hapi_refuses_to_start_without_a_database(tmp_path: Path) -> None:
    try:
        java, target = ensure(JAVA), build(LOCAL / "fhir-server")
    except MissingProgramError as error:
        pytest.skip(str(error))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    ended = subprocess.run(
        [java, "-jar", str(target / "fhir-server.jar")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "FHIR_DB_URL is not set" in ended.stderr


def test_a_guarded_stack_ends_with_its_process(installed_orthanc: str, tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from local.guard import guard\n"
        "from local.stack import Stack\n"
        "stack = Stack(pathlib.Path(sys.argv[1])); stack.orthanc.start(); watch = guard(stack.folder)\n"
        "print(watch.pid, flush=True); time.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=LOCAL.parent, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    owner.stdout.readline()
    server = Stack(tmp_path).orthanc
    record = server.running()
    assert record is not None
    owner.send_signal(signal.SIGKILL)
    owner.stdout.read()  # ends when the guard, which inherited it, has ended
    owner.wait()
    assert not record.alive()
