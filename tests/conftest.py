"""Session fixtures: real servers of the tests' own, public data, the generated cohort.

A server that any collected test asks for starts in the background as soon as the first test runs, so the
others' start-up passes while tests run. With MULTIMODAL_TEST_STACK=FOLDER the servers of that folder are
used (started if need be) and left running: tests isolate themselves by their own identifiers. That is also how
several processes of pytest (`-n`) share one stack: the process that asks for them starts it and names its folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.guard import guard
from local.install import MissingProgramError
from local.stack import Stack
from multimodal.transport.stores import Auth, Store, Stores
from tests.fakes.object_server import KEY, SECRET, ObjectServer

ROOT = Path(__file__).parents[1]
SHARED = "MULTIMODAL_TEST_STACK"
STORE_OF = {"orthanc": "pacs", "hapi": "clinical", "opensearch": "search"}
FIXTURES = {*STORE_OF, "stores_file"}
FIRST_USE_SECONDS = 900  # beyond the bounds of the build and of each start, so that their own errors show


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers, so that ``-m "not servers"`` leaves them out."""
    for item in items:
        if servers_of(item):
            item.add_marker(pytest.mark.servers)


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers here, once, when several processes run the tests."""
    if SHARED in os.environ or os.environ.get("PYTEST_XDIST_WORKER") or not config.getoption("numprocesses", None):
        return
    folder = tempfile.mkdtemp(prefix="multimodal-stack-")
    stack = Stack(Path(folder))
    os.environ[SHARED] = folder
    os.environ["ORTHANC_PASSWORD"] = stack.password  # drawn before several ask for it
    watch = guard(stack.folder)
    running = RunningServers(stack, set(STORE_OF.values()))

    def end() -> None:
        running.stop()
        watch.communicate()
        shutil.rmtree(folder)

    config.add_cleanup(end)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Give the first user of each server the time for a build and a start."""
    waited_for: set[str] = set()
    for item in session.items:
        # Of several processes each has a first user of its own, which the collection does not show.
        if servers_of(item) - waited_for or "PYTEST_XDIST_WORKER" in os.environ:
            item.add_marker(pytest.mark.timeout(FIRST_USE_SECONDS))
        waited_for |= servers_of(item)


def servers_of(item: pytest.Item) -> set[str]:
    """Return the server fixtures that `item` asks for, also by way of other fixtures."""
    return FIXTURES & set(getattr(item, "fixturenames", ()))


class RunningServers:
    """The servers of this session, each waited for at its first use."""

    def __init__(self, stack: Stack, names: set[str]) -> None:
        self.stack = stack
        self._starts = stack.start(names)

    def store(self, name: str) -> Store:
        """Return the store `name`, once its server answers."""
        if name not in self._starts:  # asked for in a way that the collection does not show
            self._starts |= self.stack.start({name})
        try:
            self._starts[name].result()
        except MissingProgramError as error:
            pytest.skip(str(error))
        self.stack.servers[name].wait()
        return Stores(self.stack.stores()).get(name)

    def stop(self) -> None:
        for start in self._starts.values():
            start.exception()  # a start still under way would leave its process behind
        self.stack.stop()


@pytest.fixture(scope="session", autouse=True)
def running_servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServers]:
    shared = os.environ.get(SHARED)
    stack = Stack(Path(shared) if shared else tmp_path_factory.mktemp("stack"))
    asked = {fixture for item in request.session.items for fixture in servers_of(item)}
    wanted = set(STORE_OF) if "stores_file" in asked else asked
    watch = None if shared or not wanted else guard(stack.folder)
    running = RunningServers(stack, {STORE_OF[fixture] for fixture in wanted})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORTHANC_PASSWORD", stack.password)
        yield running
    if shared:
        return
    running.stop()
    if watch is not None:
        watch.communicate()


@pytest.fixture(scope="session")
def orthanc(running_servers: RunningServers) -> Store:
    """A real Orthanc with DICOMweb, as the store `pacs` (patient_system urn:demo:pacs)."""
    return running_servers.store("pacs")


@pytest.fixture(scope="session")
def hapi(running_servers: RunningServers) -> Store:
    """A real HAPI FHIR R4 server on a database file, as the store `clinical`."""
    return running_servers.store("clinical")


@pytest.fixture(scope="session")
def opensearch(running_servers: RunningServers) -> Store:
    """A real OpenSearch node, as the store `search`."""
    return running_servers.store("search")


@pytest.fixture(scope="session")
def stores_file(running_servers: RunningServers, orthanc: Store, hapi: Store, opensearch: Store) -> Path:
    """The stores file of all three servers and a bucket folder: pacs, clinical, search, bucket."""
    return running_servers.stack.write_stores()


@pytest.fixture(scope="session")
def object_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """An S3 server: MinIO where it is installed, else moto."""
    with ObjectServer(tmp_path_factory.mktemp("objects")) as server:
        yield server


@pytest.fixture
def s3_store(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store `bucket`, of kind s3, with a new and empty bucket."""
    monkeypatch.setenv("S3_KEY", KEY)
    monkeypatch.setenv("S3_SECRET", SECRET)
    auth = Auth("keys", "S3_SECRET", "env", user_reference="S3_KEY")
    name = object_server.new_bucket()
    return Store("bucket", "s3", url=object_server.url, bucket=name, auth=auth, attempts=2, timeout=10.0)


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Folder of public data sets: MULTIMODAL_TEST_DATA, or ``shared/data`` beside the repository."""
    folder = Path(os.environ.get("MULTIMODAL_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"public data sets are missing: set MULTIMODAL_TEST_DATA (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated cohort: dicom/, clinical.csv, clinical.xlsx, planted.json (read only)."""
    from local.cohort import generate  # its imports take a second that most test runs do not need

    folder = tmp_path_factory.mktemp("cohort")
    generate(folder)
    return folder
