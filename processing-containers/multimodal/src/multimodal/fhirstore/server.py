"""A FHIR R4 server: read, search, and transactions of updates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit

import orjson
import requests

from multimodal.fhirstore.bodies import SHARED, SOURCE, WRITER, source_of, writers_of
from multimodal.fhirstore.errors import ConflictError, EndlessPagesError, FhirRefusedError
from multimodal.fhirstore.sending import Sender
from multimodal.fhirstore.writes import Is, Merge, Outcome, Write
from multimodal.model.errors import RemoteError
from multimodal.resources.rules import resource_types
from multimodal.transport.session import HttpSession, NotFoundError

PAGE = 1000
_READ_AT_ONCE = 100
# Whatever ends well has written one of these, so that a first load need not ask for all types. Shared ones are asked
# for by tag: a search for Observations by source makes HAPI on H2 read all versions of all of them.
_TELLING = (*SHARED, "Provenance")
_REFUSALS = frozenset({400, 409, 412, 413, 422})
_HEADERS = {
    "Accept": "application/fhir+json",
    "Content-Type": "application/fhir+json; charset=utf-8",
}
# HAPI (where its interceptor for this is on) repeats a transaction itself that collides with another one; where a
# version must match, that would not help. Whatever is left, `sending` repeats.
_REPEATED = {**_HEADERS, "X-Retry-On-Version-Conflict": "retry; max-retries=5"}
# HAPI carries tags of earlier versions over to the next one, unless it is told not to.
_EXACT = {"X-Meta-Snapshot-Mode": "TAG, PROFILE, SECURITY_LABEL"}


class FhirServer:
    """The server behind `session`, spoken to by the `RESTful API <https://hl7.org/fhir/R4/http.html>`_.

    Parameters
    ----------
    session : HttpSession
        Session of a store of kind fhir.
    """

    order: Literal["patient", "name"] = "patient"

    def __init__(self, session: HttpSession) -> None:
        self._session = session

    @property
    def name(self) -> str:
        """Name of the store."""
        return self._session.store.name

    @property
    def address(self) -> str:
        """Base address of the server."""
        return self._session.store.url

    def read(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Return the current version of a resource, or None where there is none or it was deleted."""
        return self._get(f"{resource_type}/{quote(resource_id, safe='')}")

    def previous(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Return the version before the current one, or None where there is none."""
        current = self.read(resource_type, resource_id)
        version = str((current or {}).get("meta", {}).get("versionId", ""))
        if not version.isdigit() or int(version) < 2:
            return None
        return self._get(f"{resource_type}/{quote(resource_id, safe='')}/_history/{int(version) - 1}")

    def read_many(self, references: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the current versions of those of `references` (type, id) that there are.

        Notes
        -----
        By batches of reads, not by a search: a server's index may lag behind its store.
        """
        found = {}
        for start in range(0, len(references), _READ_AT_ONCE):
            chunk = references[start : start + _READ_AT_ONCE]
            answers = self._batch([f"{kind}/{key}" for kind, key in chunk])
            for reference, answer in zip(chunk, answers, strict=True):
                status = str(answer.get("response", {}).get("status", ""))
                if status.startswith("200") and "resource" in answer:
                    found[reference] = answer["resource"]
                elif not status.startswith(("404", "410")):
                    raise RemoteError(self.name, f"cannot read {'/'.join(reference)} ({status or 'no status'})")
        return found

    def search(
        self, resource_type: str, params: Mapping[str, str | Sequence[str]] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield every match of a `search <https://hl7.org/fhir/R4/search.html>`_, page by page.

        Parameters
        ----------
        resource_type : str
            Type to search in.
        params : mapping, optional
            Search parameters; a sequence repeats the parameter (all of its values must match).

        Notes
        -----
        The next page is asked for at the configured address whatever address its link names: behind a proxy
        a server often names itself wrongly, and our login must not follow a link elsewhere.
        """
        query = urlencode([("_count", str(PAGE)), *(params or {}).items()], doseq=True, quote_via=quote)
        path, seen = resource_type, set[str]()
        while True:
            bundle = self._searched(path, query, resource_type)
            for entry in bundle.get("entry", ()):
                if entry.get("search", {}).get("mode", "match") != "outcome":
                    yield entry["resource"]
            link = next((link["url"] for link in bundle.get("link", ()) if link.get("relation") == "next"), None)
            if link is None:
                return
            seen.add(query)
            path, query = _within_base(link, resource_type)
            if query in seen:
                raise EndlessPagesError(self.name, resource_type)

    def count(self, resource_type: str, params: Mapping[str, str | Sequence[str]] | None = None) -> int:
        """Return how many resources a search would give."""
        query = urlencode([("_summary", "count"), *(params or {}).items()], doseq=True, quote_via=quote)
        return int(self._searched(resource_type, query, resource_type)["total"])

    def of_source(self, source: str) -> Iterator[dict[str, Any]]:
        """Yield the resources that `source` wrote (``meta.source``) or contributed to (our tag)."""
        if not self._counts(source, _TELLING):
            return
        for kind, query in self._counts(source, resource_types()).items():  # we write no others
            for resource in self.search(kind, query):
                # HAPI finds a resource by the source of its earlier versions too.
                if source == source_of(resource) or source in writers_of(resource):
                    yield resource

    def _counts(self, source: str, kinds: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return those of `kinds` of which `source` has any, each with the query that finds them."""
        queries = {
            kind: {"_tag": f"{WRITER}|{source}"} if kind in SHARED else {"_source": SOURCE + source} for kind in kinds
        }
        urls = [f"{kind}?_summary=count&{urlencode(query, quote_via=quote)}" for kind, query in queries.items()]
        counts = [answer.get("resource", {}).get("total") for answer in self._batch(urls)]
        if all(count is None for count in counts):
            raise RemoteError(self.name, "cannot search by _source, so nobody can tell what was loaded before")
        return {kind: query for (kind, query), count in zip(queries.items(), counts, strict=True) if count}

    def transaction(self, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Post a transaction Bundle of `entries` (each ``resource`` and ``request``): all of it or nothing.

        Returns
        -------
        list of dict
            The entries of the answer, in the order of `entries`.

        Raises
        ------
        ConflictError
            If other writers are in the way (409, 412).
        FhirRefusedError
            If the server refuses the bundle for what is in it.
        """
        return self.post_entries([orjson.dumps(entry) for entry in entries])

    def post_entries(
        self, entries: Sequence[bytes], *, versioned: bool = False, exact: bool = False
    ) -> list[dict[str, Any]]:
        """Post a transaction of entries that are JSON already; see `transaction`.

        Where it is `versioned`, a conflict is told at once instead of being tried again by the server; where it is
        `exact`, tags of earlier versions go.
        """
        bundle = b'{"resourceType":"Bundle","type":"transaction","entry":[' + b",".join(entries) + b"]}"
        headers = _HEADERS if versioned else _REPEATED
        return self._post(bundle, {**headers, **_EXACT} if exact else headers)

    def write(self, groups: Iterable[Sequence[Write]], merge: Merge, *, exact: bool = False) -> Iterator[Outcome]:
        """Write `groups`, each in one transaction, and yield what became of them as it is acknowledged."""
        return Sender(self, merge, exact=exact).send(groups)

    def earlier(self, wanted: Mapping[tuple[str, str], Is]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the last version of each that is what is wanted, from the server's history."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        names = list(wanted)
        for start in range(0, len(names), _READ_AT_ONCE):
            chunk = names[start : start + _READ_AT_ONCE]
            answers = self._batch([f"{kind}/{key}/_history" for kind, key in chunk])
            for name, answer in zip(chunk, answers, strict=True):
                for entry in answer.get("resource", {}).get("entry", ()):
                    if "resource" in entry and wanted[name](entry["resource"]):
                        found[name] = entry["resource"]
                        break
        return found

    def lacks(self, references: Sequence[tuple[str, str]]) -> bool:
        """Say whether any of `references` is not there: the server was emptied, or set back."""
        return len(self.read_many(references)) < len(references)

    def is_named(self, reference: str) -> bool:
        """Say no: a server that guards references refuses to delete what is named."""
        return False

    def _batch(self, urls: Sequence[str]) -> list[dict[str, Any]]:
        entries = [{"request": {"method": "GET", "url": url}} for url in urls]
        return self._post(orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}))

    def _post(self, bundle: bytes, headers: Mapping[str, str] = _REPEATED) -> list[dict[str, Any]]:
        answer = self._session.request("POST", "", headers=headers, data=bundle, expect=_REFUSALS)
        self._check(answer, "bundle")
        entries: list[dict[str, Any]] = self._json(answer).get("entry", [])
        return entries

    def _get(self, path: str) -> dict[str, Any] | None:
        try:
            return self._json(self._session.request("GET", path, headers=_HEADERS))
        except NotFoundError:
            return None

    def _searched(self, path: str, query: str, resource_type: str) -> dict[str, Any]:
        answer = self._session.request("GET", path, query=query, headers=_HEADERS, expect=_REFUSALS)
        self._check(answer, f"search for {resource_type}")
        return self._json(answer)

    def _check(self, answer: requests.Response, what: str) -> None:
        if answer.status_code < 300:
            return
        kind = ConflictError if answer.status_code in {409, 412} else FhirRefusedError
        raise kind(self.name, what, diagnostics(answer.content), status=answer.status_code)

    def _json(self, answer: requests.Response) -> dict[str, Any]:
        try:
            content = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            raise RemoteError(self.name, "does not answer with FHIR JSON; is the address that of a FHIR server?")
        return content


def diagnostics(answer: bytes) -> str:
    """Return in one line what an OperationOutcome says is wrong (or the start of any other answer)."""
    try:
        issues = orjson.loads(answer)["issue"]
        texts = [issue.get("diagnostics") or issue.get("details", {}).get("text") or issue["code"] for issue in issues]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        texts = [answer[:300].decode("utf-8", "replace")]
    return " ".join("; ".join(texts).split())[:1000]


def _within_base(link: str, resource_type: str) -> tuple[str, str]:
    """Return path and query of a paging link, relative to the server's base address."""
    parts = urlsplit(link)
    segments = parts.path.strip("/").split("/")
    if resource_type not in segments:
        return "", parts.query  # as HAPI does: <base>?_getpages=...
    last = len(segments) - 1 - segments[::-1].index(resource_type)
    return "/".join(segments[last:]), parts.query
