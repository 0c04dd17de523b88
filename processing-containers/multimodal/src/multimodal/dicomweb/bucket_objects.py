"""Objects of a public bucket: their list, page by page, and their bytes.

`ListObjectsV2 <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>`_ and GET over plain HTTP, in
path style (``<address>/<bucket>/<key>``), without a login.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote
from xml.etree import ElementTree

import requests

from multimodal.dicomweb.errors import UnexpectedAnswerError
from multimodal.transport.session import BrokenAnswerError, HttpSession

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}/")
_ADDRESS = re.compile(r"s3://([^/]+)/(.*/)\*?")
_PAGE_BYTES = 8_000_000  # a page has a thousand keys of at most a kilobyte


@dataclass(frozen=True, slots=True)
class BucketObject:
    """An object as the list tells of it."""

    key: str
    size: int

    @property
    def name(self) -> str:
        """The last part of its key, without ``.dcm``."""
        return object_name(self.key)


def object_name(key: str) -> str:
    """Return the last part of an object's key, without ``.dcm``."""
    return key.rsplit("/", 1)[-1].removesuffix(".dcm")


class PublicBucket:
    """One bucket.

    Parameters
    ----------
    session : HttpSession
        At the address that has the buckets.
    address : str
        ``s3://<bucket>/<prefix>/*``; only below this prefix is anything asked for.

    Raises
    ------
    UnexpectedAnswerError
        If the address is none: it comes from an index, and becomes part of a path.
    """

    def __init__(self, session: HttpSession, address: str) -> None:
        self._session = session
        self._store = session.store.name
        found = _ADDRESS.fullmatch(address)
        if found is None or not _BUCKET.fullmatch(found[1]) or not _PREFIX.fullmatch(found[2]):
            raise UnexpectedAnswerError(self._store, f"the index names no folder of a bucket: {address[:120]!r}")
        self.name, self.prefix = found.groups()

    def objects(self, most: int) -> list[BucketObject]:
        """Return the DICOM files below the prefix, in the order of the list.

        Parameters
        ----------
        most : int
            How many there may be.

        Raises
        ------
        UnexpectedAnswerError
            If the list is none, goes round in circles, names what was not asked for, or is longer.
        NotFoundError
            If there is no such bucket.
        """
        found: dict[str, BucketObject] = {}
        token: str | None = ""
        tokens = set()
        while token is not None:
            tokens.add(token)
            page = self._page(token)
            for one in _objects(page):
                if not one.key.startswith(self.prefix):
                    raise UnexpectedAnswerError(
                        self._store, f"the list of {self.name}/{self.prefix} has {one.key[:120]!r}"
                    )
                if one.key.endswith(".dcm"):
                    found[one.key] = one
            if len(found) > most:
                problem = f"{self.name}/{self.prefix} has more than the {most} instances that the index counts"
                raise UnexpectedAnswerError(self._store, problem)
            token = self._next(page, tokens)
        return list(found.values())

    def open(self, one: BucketObject) -> requests.Response:
        """Return the answer that brings the bytes of an object; read it with the session's ``chunks``."""
        return self._session.request(
            "GET", f"{self.name}/{quote(one.key)}", headers={"Accept-Encoding": "identity"}, stream=True
        )

    def _next(self, page: ElementTree.Element, tokens: set[str]) -> str | None:
        if _text(page, "IsTruncated") != "true":
            return None
        token = _text(page, "NextContinuationToken")
        if not token or token in tokens:
            raise UnexpectedAnswerError(
                self._store, f"the list of {self.name}/{self.prefix} does not end and does not go on"
            )
        return token

    def _page(self, token: str) -> ElementTree.Element:
        """Return a page of the list; one that is cut is asked for again."""
        query = f"list-type=2&prefix={quote(self.prefix, safe='')}"
        if token:
            query += f"&continuation-token={quote(token, safe='')}"
        attempts = self._session.store.attempts
        for attempt in range(1, attempts + 1):
            answer = self._session.request("GET", self.name, query=query, stream=True)
            try:
                return self._parsed(self._body(answer))
            except BrokenAnswerError:
                if attempt == attempts:
                    raise
        raise AssertionError("unreachable")

    def _body(self, answer: requests.Response) -> bytes:
        body = bytearray()
        for chunk in self._session.chunks(answer):
            body += chunk
            if len(body) > _PAGE_BYTES:
                answer.close()
                raise UnexpectedAnswerError(self._store, f"a page of the list of {self.name} is too long to be one")
        return bytes(body)

    def _parsed(self, body: bytes) -> ElementTree.Element:
        try:
            if b"<!" in body:  # a list has no DTD; one could name entities that grow without end
                raise ElementTree.ParseError
            page = ElementTree.fromstring(body)  # noqa: S314 - bounded, and without a DTD
        except ElementTree.ParseError as error:
            if not body.rstrip().endswith(b"</ListBucketResult>") and body.lstrip().startswith(b"<"):
                raise BrokenAnswerError(self._store, f"the list of {self.name} was cut") from error
            raise UnexpectedAnswerError(self._store, f"the answer to the list of {self.name} is none") from error
        if _plain(page.tag) != "ListBucketResult":
            raise UnexpectedAnswerError(self._store, f"the answer to the list of {self.name} is none")
        return page


def _objects(page: ElementTree.Element) -> Iterator[BucketObject]:
    for element in page:
        if _plain(element.tag) == "Contents":
            size = _text(element, "Size")
            yield BucketObject(_text(element, "Key"), int(size) if size.isdecimal() else -1)


def _text(element: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in element if _plain(child.tag) == name), "")


def _plain(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]
