"""A dataset over two real stores: copied in, run, and the copies evicted; killed at each step and resumed."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb
from multimodal.index.documents import series_document
from multimodal.index.origin import origin_fields
from multimodal.index.series_index import Change, SeriesIndex
from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import hash_uid
from multimodal.model.references import SeriesRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.copies import ARRIVED, Copies, DatasetRun, instances_in
from multimodal.workflows.push_files import push_files
from multimodal.workflows.run_on_dataset import (
    DatasetIncompleteError,
    NotIndexedError,
    StartedRunError,
    await_copies,
    evict_copies,
    fetch_missing,
    new_run,
    start_workflow,
)
from multimodal.workflows.started_runs import RunState, Start
from multimodal.workflows.thumbnails import thumbnail_key
from tests.fakes.dicom_files import make_instance, write_series
from tests.workflows.line import archive_and_hospital, empty, own_index
from tests.workflows.test_stage_series import entry

COUNT = 2
SETTINGS = {"task": "total"}


@dataclass
class Host:
    """A host of workflows whose runs end as a test says."""

    name: str = "a host"
    states: list[RunState] = field(default_factory=lambda: [RunState.SUCCESS])
    starts: list[Start] = field(default_factory=list)

    def check(self, workflow: str) -> None:
        """Every workflow is there."""

    def start(self, start: Start) -> str:
        self.starts.append(start)
        return f"{start.workflow}-{start.number}"

    def state(self, run: str, workflow: str) -> RunState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


@dataclass
class Ends:
    """Two image stores, an index that says what lies where, a bucket, and a dataset over all of it."""

    pacs: DicomWeb
    hospital: DicomWeb
    index: SeriesIndex
    bucket: FolderBucket
    stores: Stores
    token: str
    folder: Path

    def series(self, number: str) -> str:
        return hash_uid("test", self.token, number)

    def ref(self, number: str) -> SeriesRef:
        return SeriesRef(hash_uid("test", self.token), self.series(number))

    def there(self, number: str) -> int:
        return len(instances_in(self.pacs, self.ref(number)))

    def fetch(self, run: DatasetRun, *numbers: str) -> WorkflowResult:
        return fetch_missing(self.stores, self.bucket, run, [self.series(n) for n in numbers], self.staged(run))

    def staged(self, run: DatasetRun) -> Any:
        return lambda uid: self.folder / run.name / uid

    def send(self, run: DatasetRun) -> None:
        if (folder := self.folder / run.name).is_dir():  # else there was nothing to copy
            push_files(self.pacs, folder)

    def start(self, run: DatasetRun, host: Host, *numbers: str) -> str:
        await_copies(self.stores, self.bucket, run, seconds=20)
        return start_workflow(host, self.bucket, run, [self.series(n) for n in numbers], SETTINGS, {})

    def evict(self, run: DatasetRun | None, host: Host, seconds: float = 5) -> WorkflowResult:
        return evict_copies(self.stores, self.bucket, run, host, seconds=seconds)

    def copied_in(self, name: str, *numbers: str, evict: bool = True) -> DatasetRun:
        """Return a run whose copies have arrived."""
        run = new_run(name, "total-segmentator", evict=evict)
        self.fetch(run, *numbers)
        self.send(run)
        return run


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DicomWeb]]:
    with archive_and_hospital(tmp_path_factory) as both:
        yield both


@pytest.fixture
def ends(servers: dict[str, DicomWeb], opensearch: Store, tmp_path: Path) -> Iterator[Ends]:
    """Series 1 in the archive, 2 and 3 in the hospital and referenced."""
    token = uuid.uuid4().hex
    empty(servers["pacs"])
    for number, name in (("1", "pacs"), ("2", "hospital"), ("3", "hospital")):
        assert not servers[name].push(write_series(tmp_path / "files" / number, token, COUNT, series=number)).failed
    with own_index(opensearch) as index:
        index.ensure()
        for number, store in (("1", ""), ("2", "hospital"), ("3", "hospital")):
            document = series_document(make_instance(token, 1, series=number).to_json_dict())
            index.create([(hash_uid("test", token, number), document | (origin_fields(store) if store else {}))])
        entries: dict[str, Any] = {name: entry(dicom.store) for name, dicom in servers.items()}
        entries["search"] = {"kind": "opensearch", "url": opensearch.url, "index": index.name}
        entries["bucket"] = {"kind": "folder", "path": str(tmp_path / "bucket")}
        bucket = FolderBucket(tmp_path / "bucket")
        yield Ends(servers["pacs"], servers["hospital"], index, bucket, Stores(entries), token, tmp_path / "staged")


def test_what_is_missing_is_copied_in_run_on_and_taken_out_again(ends: Ends) -> None:
    host = Host(states=[RunState.RUNNING, RunState.SUCCESS])
    run = new_run("r1", "total-segmentator", evict=True)
    result = ends.fetch(run, "1", "2", "3")
    assert (result.status, result.counts["series to copy"]) == (Status.DONE, 2)
    before = {number: ends.index.get(ends.series(number)) for number in "123"}
    pictures = {number: ends.bucket.read(thumbnail_key(ends.series(number))) for number in "23"}
    assert ends.there("2") == 0
    ends.send(run)
    assert ends.start(run, host, "1", "2", "3") == f"total-segmentator-{host.starts[0].number}"
    assert host.starts[0].conf["data_form"] == {"identifiers": [ends.series(number) for number in "123"]}
    assert host.starts[0].conf["workflow_form"] == SETTINGS
    # what a platform and the workflow do meanwhile
    uid = ends.series("2")
    arrival = {ARRIVED: "2025-01-01 00:00:00.000000", "00080060 Modality_keyword": "MR", "00111001 Ok_keyword": "x"}
    ends.index.update([Change(uid, {**arrival, "00000000 Tags_keyword": ["seen"]})])
    ends.bucket.write(thumbnail_key(uid), b"another")

    done = ends.evict(run, host)
    assert (done.status, done.counts["copies evicted"]) == (Status.DONE, 2)
    assert [ends.there(number) for number in "123"] == [COUNT, 0, 0]
    assert ends.index.get(ends.series("1")) == before["1"]
    assert ends.index.get(uid) == {**(before["2"] or {}), "00000000 Tags_keyword": ["seen"]}
    assert ends.bucket.read(thumbnail_key(uid)) == pictures["2"]
    assert list(ends.bucket.list("state/copies/")) == []
    assert len(instances_in(ends.hospital, ends.ref("2"))) == COUNT
    assert ends.evict(Copies(ends.bucket).run("r1"), host).status is Status.NOTHING


def test_without_the_request_copies_stay(ends: Ends) -> None:
    run, host = ends.copied_in("r1", "2", evict=False), Host()
    ends.start(run, host, "2")
    assert ends.evict(run, host).status is Status.NOTHING
    assert ends.there("2") == COUNT
    other = ends.copied_in("r2", "2")
    ends.start(other, host, "2")
    assert ends.evict(other, host).counts == {"copies evicted": 0, "copies that others need": 1}
    assert ends.there("2") == COUNT


def test_a_dataset_of_the_archive_alone_needs_no_copies(ends: Ends) -> None:
    run = new_run("r1", "w", evict=True)
    assert ends.fetch(run, "1").status is Status.NOTHING
    host = Host()
    ends.start(run, host, "1")
    assert ends.evict(run, host).counts["copies evicted"] == 0
    assert ends.there("1") == COUNT


def test_a_referenced_series_that_the_archive_has_already_is_no_copy(ends: Ends) -> None:
    assert not ends.pacs.push(write_series(ends.folder / "there", ends.token, COUNT, series="2")).failed
    run = ends.copied_in("r1", "2", "3")
    assert run.copied == [ends.series("3")]
    host = Host()
    ends.start(run, host, "2", "3")
    assert ends.evict(run, host).counts["copies evicted"] == 1
    assert (ends.there("2"), ends.there("3")) == (COUNT, 0)


def test_what_the_archive_has_a_part_of_is_made_whole_and_stays(ends: Ends) -> None:
    files = write_series(ends.folder / "there", ends.token, COUNT, series="2")
    assert not ends.pacs.push(files[:1]).failed
    run, host = ends.copied_in("r1", "2"), Host()
    ends.start(run, host, "2")
    assert ends.there("2") == COUNT
    assert ends.evict(run, host).counts == {"copies evicted": 0, "copies that others need": 1}
    assert ends.there("2") == COUNT


def test_a_copy_goes_with_the_last_run_that_needs_it(ends: Ends) -> None:
    host = Host()
    first, second = ends.copied_in("r1", "2"), ends.copied_in("r2", "2", "3")
    assert second.copied == sorted([ends.series("2"), ends.series("3")])
    ends.start(first, host, "2")
    assert ends.evict(first, host).counts["copies that others need"] == 1
    assert ends.there("2") == COUNT
    ends.start(second, host, "2", "3")
    assert ends.evict(second, host).counts["copies evicted"] == 2
    assert ends.there("2") == 0


def test_a_failure_is_told_by_its_own_run_though_another_evicted_the_copies(ends: Ends) -> None:
    first, second = ends.copied_in("r1", "2"), ends.copied_in("r2", "3")
    host = Host(states=[RunState.FAILED])
    ends.start(first, host, "2")
    ends.start(second, Host(), "3")
    assert ends.evict(None, host).counts["copies evicted"] == 2
    known = Copies(ends.bucket).run("r1")
    with pytest.raises(StartedRunError, match="failed"):
        ends.evict(known, Host())


def test_an_instance_that_was_not_copied_protects_the_whole_series(ends: Ends) -> None:
    run, host = ends.copied_in("r1", "2"), Host()
    ends.start(run, host, "2")
    assert not ends.pacs.push(write_series(ends.folder / "more", ends.token, COUNT + 1, series="2")).failed
    result = ends.evict(run, host)
    assert [(issue.code, issue.record) for issue in result.issues] == [("E911", ends.series("2"))]
    assert ends.there("2") == COUNT + 1
    assert [one.name for one in Copies(ends.bucket).unfinished()] == ["r1"]  # told again by the next run


def test_what_still_runs_keeps_its_copies_and_a_later_run_evicts_them(ends: Ends) -> None:
    run, host = ends.copied_in("r1", "2"), Host(states=[RunState.RUNNING])
    ends.start(run, host, "2")
    result = ends.evict(run, host, seconds=0)
    assert (result.status, ends.there("2")) == (Status.PARTIAL, COUNT)
    assert "1 copies of run r1" in result.warnings[0]
    assert "still runs" in result.warnings[0]
    later = ends.evict(None, Host())
    assert (later.counts["copies evicted"], ends.there("2")) == (1, 0)


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.GONE])
def test_copies_go_when_the_workflow_failed_and_that_is_told(ends: Ends, state: RunState) -> None:
    run, host = ends.copied_in("r1", "2"), Host(states=[state])
    ends.start(run, host, "2")
    if state is RunState.FAILED:
        with pytest.raises(StartedRunError, match="failed, see its own log; its copies are evicted"):
            ends.evict(run, host)
    else:
        assert ends.evict(run, host).status is Status.DONE
    assert ends.there("2") == 0


def test_copies_go_when_nothing_was_started(ends: Ends) -> None:
    run = ends.copied_in("r1", "2")
    with pytest.raises(StartedRunError, match="was not started"):
        ends.evict(run, Host())
    assert ends.there("2") == 0
    with pytest.raises(ConfigurationError, match="were evicted"):
        ends.start(run, Host(), "2")


def test_without_the_request_too_it_is_told_that_nothing_was_started(ends: Ends) -> None:
    run = ends.copied_in("r1", "2", evict=False)
    with pytest.raises(StartedRunError, match=r"not started, see the step before$"):
        ends.evict(run, Host())
    assert ends.there("2") == COUNT


def test_a_run_killed_before_it_started_anything_is_told_by_the_next(ends: Ends) -> None:
    ends.copied_in("r1", "2")
    result = ends.evict(None, Host())
    assert (result.status, ends.there("2")) == (Status.PARTIAL, COUNT)
    assert "r1" in result.warnings[0]
    assert "started nothing yet" in result.warnings[0]


def test_a_killed_run_goes_on_where_it_was(ends: Ends) -> None:
    host = Host()
    run = new_run("r1", "w", evict=True)
    ends.fetch(run, "1", "2", "3")
    one = ends.staged(run)(ends.series("2"))
    push_files(ends.pacs, one)  # killed after the first series was sent
    resumed = Copies(ends.bucket).run("r1")
    assert resumed is not None
    assert resumed.copied == sorted([ends.series("2"), ends.series("3")])
    assert ends.fetch(resumed, "1", "2", "3").counts["series to copy"] == 1
    ends.send(resumed)
    name = ends.start(resumed, host, "1", "2", "3")
    again = Copies(ends.bucket).run("r1")  # killed after the start
    assert again is not None
    assert ends.start(again, host, "1", "2", "3") == name
    assert len(host.starts) == 1
    assert ends.evict(again, host).counts["copies evicted"] == 2


class KilledError(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Deadly(FolderBucket):
    """Ends the run at its n-th change of the bucket, before or after it."""

    left = 0
    before = True

    def write(self, key: str, content: bytes) -> None:
        self._live(lambda: super(Deadly, self).write(key, content))

    def delete(self, key: str) -> None:
        self._live(lambda: super(Deadly, self).delete(key))

    def _live(self, change: Callable[[], None]) -> None:
        self.left -= 1
        if self.left == 0 and self.before:
            raise KilledError
        change()
        if self.left == 0:
            raise KilledError


def run_with_kills(ends: Ends, name: str, host: Host) -> int:
    """Do all steps, each again after it was killed, as a host would; return how often that was."""
    steps: list[Callable[[DatasetRun], object]] = [
        lambda run: ends.fetch(run, "2"),
        ends.send,
        lambda run: ends.start(run, host, "2"),
        lambda run: ends.evict(run, host),
    ]
    kills = 0
    for step in steps:
        try:
            step(Copies(ends.bucket).run(name) or new_run(name, "w", evict=True))
        except KilledError:
            kills += 1
            step(Copies(ends.bucket).run(name) or new_run(name, "w", evict=True))
    return kills


@pytest.mark.parametrize("before", [True, False])
def test_killed_at_any_change_of_its_state_it_goes_on(ends: Ends, before: bool) -> None:
    document = ends.index.get(ends.series("2")) or {}
    bucket = ends.bucket = Deadly(ends.bucket.root)
    bucket.write(thumbnail_key(ends.series("2")), b"a picture")
    bucket.before = before
    for number in itertools.count(1):
        host, bucket.left = Host(), number
        kills = run_with_kills(ends, f"r{number}", host)
        assert ends.there("2") == 0
        assert len({start.number for start in host.starts}) == 1
        assert [*bucket.list("state/copies/"), *Copies(bucket).unfinished()] == []
        assert ends.index.get(ends.series("2")) == document
        assert bucket.read(thumbnail_key(ends.series("2"))) == b"a picture"
        if not kills:
            break
    assert number > 8  # as many changes there are at least


def test_where_a_platform_fills_the_index_it_is_waited_for(ends: Ends) -> None:
    mapping = {"_meta": {"owner": "another"}}
    requests.put(f"{ends.index.store.url}/{ends.index.name}/_mapping", json=mapping, timeout=30).raise_for_status()
    run = ends.copied_in("r1", "2")
    with pytest.raises(NotIndexedError, match="1 copied series are not whole and indexed"):
        await_copies(ends.stores, ends.bucket, run, seconds=0.5)
    ends.index.update([Change(ends.series("2"), {ARRIVED: "2025-01-01 00:00:00.000000"})])
    assert await_copies(ends.stores, ends.bucket, run, seconds=0.5) == 1


def test_a_copy_that_is_not_whole_is_waited_for(ends: Ends) -> None:
    run = new_run("r1", "w", evict=True)
    ends.fetch(run, "2")
    next(ends.staged(run)(ends.series("2")).glob("*.dcm")).unlink()
    ends.send(run)
    with pytest.raises(NotIndexedError):
        await_copies(ends.stores, ends.bucket, run, seconds=0.5)


def test_a_dataset_with_a_series_that_is_nowhere_is_refused(ends: Ends) -> None:
    run = new_run("r1", "w", evict=True)
    with pytest.raises(DatasetIncompleteError, match="1 of 2 series cannot be had") as refused:
        ends.fetch(run, "2", "9")
    assert [issue.record for issue in refused.value.issues] == [ends.series("9")]
    ends.index.create([(ends.series("8"), {**(ends.index.get(ends.series("2")) or {})})])
    with pytest.raises(DatasetIncompleteError):
        ends.fetch(run, "2", "8")
    assert list(ends.bucket.list("state/copies/")) == []


def test_an_archive_that_cannot_delete_is_told_before_anything_is_copied(ends: Ends) -> None:
    archive = {**entry(ends.pacs.store), "profile": "generic"}
    search = {"kind": "opensearch", "url": ends.index.store.url, "index": ends.index.name}
    stores = Stores({"pacs": archive, "hospital": entry(ends.hospital.store), "search": search})
    run = new_run("r1", "w", evict=True)
    with pytest.raises(ConfigurationError, match="no way to delete"):
        fetch_missing(stores, ends.bucket, run, [ends.series("2")], ends.staged(run))
    assert Copies(ends.bucket).unfinished() == []
