"""The objects of one bucket, as they are found, written under a condition, and refused."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from xml.etree import ElementTree

from minio.credentials.providers import Provider
from minio.error import MinioException, S3Error

from multimodal.bucket.base import NotInBucketError
from multimodal.bucket.s3_connection import ANSWERS, Answer, open_client
from multimodal.bucket.s3_lease import Found
from multimodal.bucket.s3_login import provider_of
from multimodal.model.errors import ConfigurationError, MultimodalError, RemoteError
from multimodal.transport.errors import BrokenAnswerError, LoginRefusedError, RequestRefusedError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store

_LOGIN_CODES = frozenset(
    {
        "AccessDenied", "AuthorizationHeaderMalformed", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken",
        "InvalidTokenId", "RequestTimeTooSkewed", "SignatureDoesNotMatch",
    }
)  # fmt: skip
_OTHERWISE = frozenset({409, 412})  # the condition does not hold, or two writers met
PART_BYTES = 16 << 20  # of a large object; one part is in memory at a time
_BLOCK = 1 << 20
_MARK = "multimodal-put"
_PROBE = ".locks/conditions"
_NO_ETAG = "0" * 32
_SETTLE_SECONDS = 1.0
_LINK_LASTS = timedelta(minutes=15)


class StrangeAnswerError(RemoteError):
    """An answer that no object store gives."""

    def __init__(self, store: Store, key: str) -> None:
        self.key = key
        super().__init__(store.name, f"{store.bucket}/{key} is answered as no object store does; check the url")


class Objects:
    """The objects of the bucket of `store`.

    Parameters
    ----------
    store : Store
        Of kind ``s3``.
    provider : Provider, optional
        Gives the keys, where not the store's own login does.

    Attributes
    ----------
    client : Minio
        Does what needs no condition.
    """

    def __init__(self, store: Store, *, provider: Provider | None = None) -> None:
        self.store = store
        self._provider = provider or provider_of(store)
        self._session = HttpSession(replace(store, auth=None))  # each request is signed instead
        self.client = open_client(store, self._session, self._provider)
        self._conditions: bool | None = None

    def apart(self, **settings: Any) -> Objects:
        """Return the same objects over connections of their own, with other `settings` of the store."""
        other = Objects(replace(self.store, **settings), provider=self._provider)
        other._conditions = self.knows_conditions()
        return other

    @contextmanager
    def errors(self, key: str = "") -> Iterator[None]:
        """Make the client's errors ours.

        Raises
        ------
        NotInBucketError, ConfigurationError, LoginRefusedError, RequestRefusedError, StrangeAnswerError
            By what the server said.
        """
        try:
            yield
        except MinioException as error:
            raise self._refusal(error, key) from error
        except ElementTree.ParseError as error:  # a page, say of a login
            raise StrangeAnswerError(self.store, key) from error

    def _refusal(self, error: MinioException, key: str) -> MultimodalError:
        name, bucket = self.store.name, self.store.bucket
        if isinstance(error, S3Error) and error.code:
            status = int(error.response.status)
            if error.code == "NoSuchKey":
                return NotInBucketError(name, key)
            if error.code == "NoSuchBucket":
                return ConfigurationError(f"store {name}: there is no bucket {bucket}; create it, or correct its name")
            if error.code in _LOGIN_CODES:
                said = f"this login may not use {bucket}/{key} ({error.code}); check its keys, its rights and the clock"
                return LoginRefusedError(name, said, status=status)
            said = " ".join(f"{error.code} {error.message or ''}".split())[:300]
            return RequestRefusedError(name, f"{bucket}/{key} refused: {said}", status=status)
        return StrangeAnswerError(self.store, key)

    def fetch(self, key: str, file: BinaryIO) -> str:
        """Write the content of `key` to `file`, and return its ETag.

        Raises
        ------
        NotInBucketError
            If the bucket has no such key.
        """
        return _etag(self._fetched(key, file))

    def _fetched(self, key: str, file: BinaryIO) -> Mapping[str, str]:
        """Return the headers; begin anew where the answer is cut."""
        for attempt in range(1, self.store.attempts + 1):
            file.seek(0)
            file.truncate()
            try:
                with self.errors(key):
                    answer = self.client.get_object(self.store.bucket, key)
                    for chunk in answer.stream(_BLOCK):
                        file.write(chunk)
                    return answer.headers
            except BrokenAnswerError:
                if attempt == self.store.attempts:
                    raise
        raise AssertionError("unreachable")

    def find(self, key: str) -> Found:
        """Return a small object; an empty one where there is none."""
        content = io.BytesIO()
        try:
            headers = self._fetched(key, content)
        except NotInBucketError:
            return Found()
        return Found(content.getvalue(), _etag(headers), _age(headers))

    def put(self, key: str, content: BinaryIO, length: int, kind: str) -> None:
        """Write `content` of the media type `kind`; what is longer than a part goes in parts, one at a time."""
        mark = secrets.token_hex(8)
        with self.errors(key):
            try:
                self.client.put_object(
                    self.store.bucket, key, content, length, kind, metadata={_MARK: mark},
                    part_size=PART_BYTES, num_parallel_uploads=1,
                )  # fmt: skip
            except S3Error as error:
                first = self._before_the_abort(error)
                if not isinstance(first, S3Error) or first.code != "NoSuchUpload" or self._mark_of(key) != mark:
                    raise first from error
                # Else the parts were put together before, and the answer was lost.

    @staticmethod
    def _before_the_abort(error: S3Error) -> BaseException:
        """What made the client clear the parts away, which is a right that not every login has."""
        first: BaseException = error
        while isinstance(first.__context__, (MinioException, RemoteError)):
            first = first.__context__
        return first

    def _mark_of(self, key: str) -> str:
        found = self.client.stat_object(self.store.bucket, key).metadata or {}
        return str(found.get(f"x-amz-meta-{_MARK}", ""))

    def put_if(self, key: str, content: bytes, etag: str) -> str:
        """Write `content` where `key` still has `etag`, or is not there where that is empty; return the new one.

        Empty where it had changed.
        """
        if self.knows_conditions():
            return self._put(key, lambda: content, _md5(content), etag)
        if self.find(key).etag != etag:
            return ""
        self._put(key, lambda: content, _md5(content))
        # Two may have read the same: after a while, one of them reads the other's.
        time.sleep(_SETTLE_SECONDS)
        found = self.find(key)
        return found.etag if found.content == content else ""

    def put_file_if(self, key: str, path: Path, etag: str) -> bool:
        """Write the file `path` where `key` still has `etag`; say whether it did."""
        with path.open("rb") as file:
            md5 = base64.b64encode(hashlib.file_digest(file, _new_md5).digest()).decode()

            def body() -> Any:
                file.seek(0)
                return file if path.stat().st_size else b""  # an empty file would go in chunks, which S3 refuses

            if self.knows_conditions():
                return bool(self._put(key, body, md5, etag))
            if self._etag_of(key) != etag:
                return False
            return bool(self._put(key, body, md5))

    def _etag_of(self, key: str) -> str:
        try:
            with self.errors(key):
                return self.client.stat_object(self.store.bucket, key).etag or _NO_ETAG
        except NotInBucketError:
            return ""

    def knows_conditions(self) -> bool:
        """Ask the server, once, for two writes that it has to refuse; what it does not know it would carry out."""
        if self._conditions is None:
            empty = _md5(b"")
            self._put(_PROBE, bytes, empty)
            written = [self._put(_PROBE, bytes, empty, etag) for etag in ("", _NO_ETAG)]
            self._conditions = not any(written)
        return self._conditions

    def _put(self, key: str, body: Callable[[], Any], md5: str, etag: str | None = None) -> str:
        """Send one PUT by a signed link, since the client sends no conditions; return the ETag of what was written."""
        with self.errors(key):
            link = urlsplit(self.client.get_presigned_url("PUT", self.store.bucket, key, expires=_LINK_LASTS))
        headers = {"Content-MD5": md5, "Content-Type": "application/octet-stream"}
        if etag is not None:
            headers |= {"If-Match": f'"{etag}"'} if etag else {"If-None-Match": "*"}
        answer = self._session.request("PUT", link.path, query=link.query, headers=headers, data=body, expect=ANSWERS)
        if answer.status_code < 300:
            return _etag(answer.headers) or _NO_ETAG
        if etag is not None and answer.status_code in _OTHERWISE:
            return ""
        if etag is not None and answer.status_code == 501:  # no such conditions here
            return _NO_ETAG
        try:
            with self.errors(key):
                raise S3Error.fromxml(Answer(self._session, answer, streamed=False))  # type: ignore[arg-type]
        except NotInBucketError:
            return ""  # it was to replace one that is gone


def _etag(headers: Mapping[str, str]) -> str:
    return headers.get("ETag", "").strip('"')


def _age(headers: Mapping[str, str]) -> timedelta:
    """Return how long ago an object was written, by the server's clock alone."""
    try:
        written, now = (parsedate_to_datetime(headers[name]) for name in ("Last-Modified", "Date"))
    except (KeyError, ValueError, TypeError):
        return timedelta()
    return _plain(now) - _plain(written)


def _plain(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)  # both are GMT


def _new_md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
