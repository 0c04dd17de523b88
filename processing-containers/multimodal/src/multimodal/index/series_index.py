"""The index of series documents: read, create where we own it, enrich everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from types import TracebackType
from typing import Any, Self

import orjson
from opensearchpy import NotFoundError as NoSuchIndexError
from opensearchpy import TransportError

from multimodal.index.connection import open_client
from multimodal.index.errors import IndexMissingError, IndexRefusedError
from multimodal.index.template import OWNER, index_template
from multimodal.transport.session import HttpSession, LoginRefusedError
from multimodal.transport.stores import Store

SERIES_KEY = "0020000E SeriesInstanceUID_keyword"
_PAGE = 1000
_BULK = 500
_REMOVE_AND_PUT = "for (key in params.remove) { ctx._source.remove(key) } ctx._source.putAll(params.put)"


@dataclass(frozen=True, slots=True)
class Change:
    """What shall be different in the document of one series.

    Parameters
    ----------
    series_uid : str
        The document's id.
    put : mapping
        Keys to set; all other keys stay as they are.
    remove : sequence of str
        Keys to take away.
    """

    series_uid: str
    put: Mapping[str, Any] = field(default_factory=dict)
    remove: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A document that the index did not take, with the index's own reason."""

    series_uid: str
    reason: str


@dataclass(slots=True)
class WriteReport:
    """What became of the documents that were sent."""

    written: int = 0
    unchanged: int = 0
    missing: list[str] = field(default_factory=list)
    refused: list[RefusedDocument] = field(default_factory=list)


class SeriesIndex:
    """The documents of one project, one for each series, the id being the Series Instance UID.

    Parameters
    ----------
    store : Store
        Of the kind ``opensearch``; its ``index`` names the index.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.name = store.index
        self._session = HttpSession(store)
        self._client = open_client(self._session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def ensure(self) -> bool:
        """Create the index where there is none, and say whether that was so.

        Notes
        -----
        On Kaapana the index is there, and a project's login may not create one; only its mapping is read,
        which such a login may.
        """
        try:
            self._mapping()
        except IndexMissingError:
            with self._translated():
                self._client.indices.put_index_template(name=f"{OWNER}-{self.name}", body=index_template(self.name))
                self._client.indices.create(index=self.name)
            self.__dict__.pop("owned", None)
            return True
        return False

    @cached_property
    def owned(self) -> bool:
        """Whether this index was made by `ensure`, and no platform fills it."""
        return bool(self._mapping().get("_meta", {}).get("owner") == OWNER)

    def scan(self, fields: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield id and content of every series document, in the order of their UIDs.

        Parameters
        ----------
        fields : sequence of str
            Keys to read, ``*`` standing for anything; all where none is given.
        """
        # By the value after the last one: from + size ends at 10,000, and a scroll holds memory on the server.
        body: dict[str, Any] = {
            "size": _PAGE,
            "sort": [{f"{SERIES_KEY}.keyword": {"order": "asc", "unmapped_type": "keyword"}}],
            "query": {"exists": {"field": SERIES_KEY}},
            "_source": list(fields) or True,
        }
        while True:
            with self._translated():
                hits = self._client.search(index=self.name, body=body)["hits"]["hits"]
            yield from ((hit["_id"], hit["_source"]) for hit in hits)
            if len(hits) < _PAGE:
                return
            body["search_after"] = hits[-1]["sort"]

    def get(self, series_uid: str) -> dict[str, Any] | None:
        """Return the document of one series; None where there is none."""
        with self._translated():
            answer = self._client.mget(index=self.name, body={"ids": [series_uid]})["docs"][0]
        self._check_missing(answer)
        return dict(answer["_source"]) if answer.get("found") else None

    def get_many(self, series_uids: Iterable[str], fields: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """Return the documents of those series that have one, a thousand with each call.

        Parameters
        ----------
        fields : sequence of str
            Keys to read; all where none is given.
        """
        found: dict[str, dict[str, Any]] = {}
        remaining = iter(series_uids)
        while ids := list(islice(remaining, _PAGE)):
            body = {"docs": [{"_id": uid, "_source": list(fields) or True} for uid in ids]}
            with self._translated():
                answers = self._client.mget(index=self.name, body=body)["docs"]
            for answer in answers:
                self._check_missing(answer)
                if answer.get("found"):
                    found[answer["_id"]] = dict(answer["_source"])
        return found

    def create(self, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> WriteReport:
        """Write documents that are not there yet; one that is there stays as it is."""
        return self._bulk([{"create": {"_id": uid}}, document] for uid, document in documents)

    def update(self, changes: Iterable[Change]) -> WriteReport:
        """Change single keys of documents that are there; a document that is not is reported, never made.

        Raises
        ------
        IndexRefusedError
            If the index as a whole takes no writes.
        """
        return self._bulk(_update(change) for change in changes)

    def _bulk(self, operations: Iterable[list[Any]]) -> WriteReport:
        report = WriteReport()
        remaining = iter(operations)
        while batch := list(islice(remaining, _BULK)):
            body = b"".join(orjson.dumps(line) + b"\n" for operation in batch for line in operation)
            with self._translated():
                answer = self._client.bulk(body=body, index=self.name, params={"refresh": "true"})
            self._count(report, [next(iter(entry.values())) for entry in answer["items"]])
        return report

    def _count(self, report: WriteReport, answers: Sequence[Mapping[str, Any]]) -> None:
        blocked = [one for one in answers if one.get("error", {}).get("type") == "cluster_block_exception"]
        if blocked:
            uids = [one["_id"] for one in blocked]
            raise IndexRefusedError(self.store.name, self.name, _reason(blocked[0]["error"]), uids)
        for one in answers:
            if error := one.get("error"):
                if error["type"] == "document_missing_exception":
                    report.missing.append(one["_id"])
                elif error["type"] == "version_conflict_engine_exception" and "already exists" in error["reason"]:
                    report.unchanged += 1
                else:
                    report.refused.append(RefusedDocument(one["_id"], _reason(error)))
            elif one.get("result") == "noop":
                report.unchanged += 1
            else:
                report.written += 1

    def _mapping(self) -> dict[str, Any]:
        with self._translated():
            answer = self._client.indices.get_mapping(index=self.name)
        return dict(next(iter(answer.values()))["mappings"]) if answer else {}

    def _check_missing(self, answer: Mapping[str, Any]) -> None:
        if answer.get("error", {}).get("type") == "index_not_found_exception":
            raise IndexMissingError(self.store.name, self.name)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the client raises into our own errors, which name the store."""
        try:
            yield
        except NoSuchIndexError as error:
            raise IndexMissingError(self.store.name, self.name) from error
        except TransportError as error:
            status = error.status_code if isinstance(error.status_code, int) else 0
            if status == 403 and error.error == "security_exception":
                raise LoginRefusedError(
                    self.store.name, f"this login may not use index {self.name} so (403)", status=403
                ) from error
            raise IndexRefusedError(self.store.name, self.name, _summary(error), status=status) from error


def _update(change: Change) -> list[Any]:
    action = {"update": {"_id": change.series_uid, "retry_on_conflict": 5}}
    if not change.remove:
        return [action, {"doc": dict(change.put), "doc_as_upsert": False}]
    params = {"remove": list(change.remove), "put": dict(change.put)}
    return [action, {"script": {"lang": "painless", "source": _REMOVE_AND_PUT, "params": params}}]


def _reason(error: Mapping[str, Any]) -> str:
    """Return the innermost reason in one line: the outer ones only say that parsing failed."""
    while isinstance(error.get("caused_by"), Mapping) and error["caused_by"].get("reason"):
        error = error["caused_by"]
    return " ".join(str(error.get("reason", error.get("type", "no reason given"))).split())[:300]


def _summary(error: TransportError) -> str:
    details = error.info.get("error") if isinstance(error.info, Mapping) else None
    return _reason(details) if isinstance(details, Mapping) else str(error.error)[:300]
