"""A small S3 server on loopback: public buckets, listed (ListObjectsV2) and read, with faults, each by its name."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from multimodal.transport.stores import Store

FAULTS = {
    # the list of objects
    "list-cut-once": "the first page of a list ends early, its connection closed",
    "list-cut": "every page of a list ends early",
    "list-500-once": "the first page of a list answers 500",
    "list-no-token": "a page says that there are more, and not where",
    "list-same-token": "each page leads to itself",
    "list-foreign-key": "the list names an object of another folder",
    "list-path-key": "the list names an object whose key climbs out of the folder",
    "list-html": "the list is a web page",
    "list-entities": "the list has a DTD whose entities grow",
    "list-endless": "the list never ends, each page with new keys",
    "list-huge-page": "one page has no end",
    "list-misses-one": "the last object is not listed",
    "list-one-more": "an object is listed that the index does not count",
    "list-markers": "the folder itself and a text file are listed too",
    "no-bucket": "there is no such bucket",
    "moved-bucket": "the bucket is in another region, and answers 301",
    # the objects; of the first of them where nothing else is said
    "cut": "the object's connection closes early, always",
    "cut-once": "the object's connection closes early, the first time",
    "cut-all-once": "each object's connection closes early, the first time",
    "longer": "the object is longer than the list says",
    "shorter": "the object is shorter than the list says, and well-formed as an answer",
    "gone": "the object answers 404",
    "denied": "the object answers 403",
    "slow-down-once": "the object answers 503 SlowDown, the first time",
    "slow-down": "the object answers 503 SlowDown, always",
    "not-dicom": "the object is a text of the same length",
    "foreign-series": "the object holds an instance of another series",
    "same-instance": "the object holds the instance of the last one",
    "short-pixels": "the pixels end early, in an object as long as the list says",
    "hangs-up-once": "the connection closes without an answer, the first time",
    "redirect": "the object redirects to another host",
}
_PAGE = 2


class BucketServer:
    """Serves `objects` by bucket and key; use it in a ``with`` statement.

    Parameters
    ----------
    objects : mapping of str to bytes
        ``<bucket>/<key>`` and content.
    faults : str
        Names out of ``FAULTS``.
    """

    def __init__(self, objects: Mapping[str, bytes], *faults: str) -> None:
        assert set(faults) <= set(FAULTS), set(faults) - set(FAULTS)
        self.objects = dict(sorted(objects.items()))
        self.faults = frozenset(faults)
        self.requests: list[str] = []
        self._used: set[str] = set()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"fake": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def store(self, **settings: Any) -> Store:
        """Return this server as a store of IDC; short waits unless `settings` say otherwise."""
        return Store(
            **{
                "name": "idc", "kind": "dicomweb", "url": self.url, "profile": "idc-s3",
                "patient_system": "urn:idc:{issuer}", "timeout": 5.0, "attempts": 3, "retry_seconds": 10.0,
                "answer_seconds": 5.0, **settings,
            }
        )  # fmt: skip

    def once(self, fault: str, of: str = "") -> bool:
        """Tell whether `fault` is on and has not been asked for before."""
        with self._lock:
            first = fault in self.faults and fault + of not in self._used
            self._used.add(fault + of)
            return first

    def fetched(self) -> list[str]:
        """Return the objects asked for so far, by bucket and key."""
        return [path for path in self.requests if "?" not in path]


class _Handler(BaseHTTPRequestHandler):
    fake: BucketServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path).lstrip("/")
        self.fake.requests.append(path + (f"?{address.query}" if address.query else ""))
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if query.get("list-type") == "2":
            self._list(path, query)
        else:
            self._object(path)

    def _answer(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if length is not None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        fake, faults = self.fake, self.fake.faults
        if "no-bucket" in faults:
            self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        elif "moved-bucket" in faults:
            self._answer(301, b"<Error><Code>PermanentRedirect</Code></Error>", Location="http://192.0.2.1/")
        elif fake.once("list-500-once"):
            self._answer(500)
        elif "list-html" in faults:
            self._answer(200, b"<html><body>maintenance</body></html>")
        elif "list-entities" in faults:
            bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
            self._answer(200, bomb + b"<ListBucketResult><Name>&b;</Name></ListBucketResult>")
        elif "list-huge-page" in faults:
            self._endless()
        else:
            body = self._page(bucket, query["prefix"], int(query.get("continuation-token", "0")))
            cut = "list-cut" in faults or fake.once("list-cut-once")
            self._answer(200, body[: len(body) // 2] if cut else body, len(body) if cut else None)

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        try:
            self.wfile.write(b"<ListBucketResult>")
            while True:
                self.wfile.write(b"<Contents><Key>x</Key></Contents>" * 1000)
        except OSError:
            return  # the client has had enough

    def _page(self, bucket: str, prefix: str, start: int) -> bytes:
        faults = self.fake.faults
        keys = {
            name.removeprefix(f"{bucket}/"): len(content)
            for name, content in self.fake.objects.items()
            if name.startswith(f"{bucket}/{prefix}")
        }
        if "list-misses-one" in faults and keys:
            keys.popitem()
        if "list-one-more" in faults:
            keys[f"{prefix}zzz.dcm"] = 9
        if "list-markers" in faults:
            keys = {prefix: 0, f"{prefix}readme.txt": 3, **keys}
        if "list-foreign-key" in faults:
            keys["other/1.dcm"] = 9
        if "list-path-key" in faults:
            keys["../../etc/passwd.dcm"] = 9
        if "list-endless" in faults:
            keys = {f"{prefix}{number:08d}.dcm": 9 for number in range(start, start + 10)}
        page = list(keys.items()) if "list-endless" in faults else list(keys.items())[start : start + _PAGE]
        more = "list-endless" in faults or start + _PAGE < len(keys) or "list-same-token" in faults
        token = start if "list-same-token" in faults else start + len(page)
        contents = "".join(
            f'<Contents><Key>{escape(key)}</Key><ETag>"x"</ETag><Size>{size}</Size></Contents>' for key, size in page
        )
        shown = (
            "" if not more or "list-no-token" in faults else f"<NextContinuationToken>{token}</NextContinuationToken>"
        )
        truncated = str(more or "list-no-token" in faults).lower()
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{truncated}</IsTruncated>{shown}{contents}</ListBucketResult>"
        ).encode()

    def _object(self, path: str) -> None:
        fake, faults = self.fake, self.fake.faults
        content = fake.objects.get(path)
        first = path == next(iter(fake.objects))
        if content is None or ("gone" in faults and first):
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif first and fake.once("hangs-up-once"):
            self.close_connection = True
        elif first and "denied" in faults:
            self._answer(403)
        elif first and "redirect" in faults:
            self._answer(307, Location="http://192.0.2.1/")
        elif first and ("slow-down" in faults or fake.once("slow-down-once")):
            self._answer(503, b"<Error><Code>SlowDown</Code></Error>")
        elif (first and ("cut" in faults or fake.once("cut-once"))) or fake.once("cut-all-once", path):
            self._answer(200, content[: len(content) // 2], len(content))
        else:
            self._answer(200, self._spoilt(content) if first else content)

    def _spoilt(self, content: bytes) -> bytes:
        faults = self.fake.faults
        if "longer" in faults:
            return content + b"\0" * 10
        if "shorter" in faults:
            return content[:-10]
        if "not-dicom" in faults:
            return b"x" * len(content)
        if "same-instance" in faults:
            return list(self.fake.objects.values())[-1]
        if "foreign-series" in faults:
            return _with_other_digits(content, b"\x20\x00\x0e\x00UI")
        if "short-pixels" in faults:  # declares ten bytes fewer of pixels, which a text then fills
            at = content.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
            length = int.from_bytes(content[at : at + 4], "little") - 20
            filling = b"\xfc\xff\xfc\xffOB\0\0" + (8).to_bytes(4, "little") + b"\0" * 8
            return content[:at] + length.to_bytes(4, "little") + content[at + 4 : -20] + filling
        return content


def _with_other_digits(content: bytes, element: bytes) -> bytes:
    """Return a file with another UID of the same length in an element of VR UI."""
    at = content.index(element) + len(element)
    end = at + 2 + int.from_bytes(content[at : at + 2], "little")
    uid = content[at + 2 : end]
    return content[: at + 2] + uid[:-3].replace(b"1", b"2") + uid[-3:] + content[end:]
