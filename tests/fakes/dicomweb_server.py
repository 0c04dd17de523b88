"""A small DICOMweb server on loopback that serves a folder of DICOM files and has faults, each by its name.

A fault holds for the server's life, or for its first answers of that kind (``FAULTS`` says which). Several may be
given at once.
"""

from __future__ import annotations

import email.utils
import fnmatch
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import pydicom

from multimodal.transport.stores import Store
from tests.fakes import orthanc_api
from tests.fakes.dicomweb_faults import FAULTS

BOUNDARY = "the-boundary"

_SEARCHABLE = {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID", "PatientName", "Modality"}
_LEVEL_UID = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}


@dataclass
class _Stored:
    content: bytes
    dataset: pydicom.Dataset


class DicomWebServer:
    """Serves the files below `folder`; use it in a ``with`` statement.

    Parameters
    ----------
    folder : Path
        Its DICOM files are served; None for an empty server.
    faults : str
        Names out of ``FAULTS``.
    """

    def __init__(self, folder: Path | None, *faults: str) -> None:
        assert set(faults) <= set(FAULTS), set(faults) - set(FAULTS)
        self.faults = frozenset(faults)
        self.stored: dict[str, _Stored] = {}
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.held: dict[str, threading.Event | threading.Barrier] = {}  # series whose retrieval waits for it
        self._at_once = 0
        self._used: set[str] = set()
        self._lock = threading.Lock()
        for path in sorted(folder.rglob("*.dcm")) if folder else ():
            self.put(path.read_bytes())
        server = self

        class Handler(_Handler):
            fake = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that has had enough hangs up
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self._http.server_port}/dicom-web"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def put(self, content: bytes) -> str:
        """Keep one Part 10 file and return its SOP Instance UID."""
        dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content), stop_before_pixels=True)
        with self._lock:
            self.stored[dataset.SOPInstanceUID] = _Stored(content, dataset)
        return str(dataset.SOPInstanceUID)

    def store(self, **settings: Any) -> Store:
        """Return this server as a store; short waits unless `settings` say otherwise."""
        return Store(
            **{
                "name": "fake", "kind": "dicomweb", "url": self.url, "patient_system": "urn:test",
                "timeout": 5.0, "attempts": 3, "retry_seconds": 10.0, "answer_seconds": 5.0, **settings,
            }
        )  # fmt: skip

    def once(self, fault: str) -> bool:
        """Tell whether `fault` is on and has not been asked for before."""
        with self._lock:
            first = fault in self.faults and fault not in self._used
            self._used.add(fault)
            return first

    def count_call(self, change: int) -> None:
        """Count a call that begins (1) or ends (-1)."""
        with self._lock:
            self._at_once += change
            self.most_at_once = max(self.most_at_once, self._at_once)

    def retrievals(self) -> list[str]:
        """Return the paths of the retrievals so far."""
        return [r.split()[1] for r in self.requests if r.startswith("GET") and "?" not in r]


class _Handler(BaseHTTPRequestHandler):
    fake: DicomWebServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.fake.count_call(1)
        try:
            self._get()
        finally:
            self.fake.count_call(-1)

    def _get(self) -> None:
        fake, address = self.fake, urlsplit(self.path)
        fake.requests.append(f"GET {self.path}")
        fake.headers.append(dict(self.headers))
        if self._general_fault():
            return
        parts = address.path.removeprefix("/dicom-web/").split("/")
        if len(parts) in {4, 6} and parts[-2] in {"series", "instances"}:
            self._retrieve(dict(zip(parts[::2], parts[1::2], strict=True)))
        elif parts[-1] in _LEVEL_UID:
            self._search(parts, address.query)
        else:
            self._answer(404)  # neither metadata nor rendered images

    def do_POST(self) -> None:
        self.fake.requests.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._general_fault():
            return
        if self.path.startswith("/dicom-web/"):
            self._store(body)
        else:
            self._own_api(json.loads(body))

    def _own_api(self, query: dict[str, Any]) -> None:
        faults = self.fake.faults
        there = any(fault.startswith("orthanc-api") for fault in faults)
        stored = [one.dataset for one in self.fake.stored.values()]
        content = orthanc_api.answer(self.path, query, stored, faults) if there else None
        if "orthanc-api-redirects" in faults:
            self._answer(302, headers={"Location": "/app/explorer.html"})
        elif "orthanc-api-500" in faults or content is None:
            self._answer(500 if there else 404)
        else:
            self._answer(200, json.dumps(content).encode(), "application/json")

    def _general_fault(self) -> bool:
        fake = self.fake
        if fake.once("503-retry-after"):
            self._answer(503, headers={"Retry-After": "1"})
        elif fake.once("503-retry-after-date"):
            self._answer(503, headers={"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)})
        elif "daily-cap" in fake.faults and len(fake.requests) > 2:
            self._answer(429, headers={"Retry-After": "86400"})
        elif "503-for-ever" in fake.faults:
            self._answer(503)
        elif fake.once("500-once"):
            self._answer(500)
        elif fake.once("429-once"):
            self._answer(429)
        elif fake.once("hangs-up-once"):
            self.close_connection = True
        elif "401" in fake.faults:
            self._answer(401, b"no")
        elif "redirect" in fake.faults:
            self._answer(302, headers={"Location": "http://192.0.2.1/"})
        else:
            return False
        return True

    def _answer(
        self, status: int, body: bytes = b"", kind: str = "text/plain", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # searches

    def _search(self, parts: list[str], query: str) -> None:
        faults, level = self.fake.faults, parts[-1]
        decode = (lambda text: text) if "no-decode" in faults else unquote
        pairs = [tuple(decode(text) for text in pair.split("=", 1)) for pair in query.split("&") if pair]
        if "no-decode" not in faults:
            pairs = parse_qsl(query, keep_blank_values=True)
        limit, offset = (int(dict(pairs).get(key, default)) for key, default in (("limit", "100"), ("offset", "0")))
        filters = {
            key: value for key, value in pairs if key not in {"limit", "offset", "includefield", "fuzzymatching"}
        }
        if "instances-500" in faults and level == "instances":
            self._answer(500)
            return
        if "unknown-filter-400" in faults and not set(filters) <= _SEARCHABLE:
            self._answer(400, b"unknown filter")
            return
        if ("any-filter-400" in faults and {"Modality", "PatientName"} & set(filters)) or (
            "field-400" in faults and "includefield=" in query
        ):
            self._answer(400, b"invalid query parameter")
            return
        for parent, uid in zip(parts[:-1:2], parts[1::2], strict=False):
            filters[_LEVEL_UID[parent]] = uid
        found = self._found(level, filters)
        offset = 0 if faults & {"offset-ignored", "limit-ignored"} else offset
        limit = 10**9 if "limit-ignored" in faults else min(limit, 2) if "default-limit" in faults else limit
        page = found[offset : offset + limit]
        if "object-body" in faults:
            self._answer(200, b'{"Message": "Parameter out of range"}', "application/dicom+json")
        elif not found and "empty-404" in faults and len(parts) > 1:
            self._answer(404)
        elif not page and "empty-204" in faults:
            self._answer(204)
        elif not page and "empty-200" in faults:
            self._answer(200)
        else:
            self._answer(200, json.dumps(page).encode(), "application/dicom+json")

    def _found(self, level: str, filters: dict[str, str]) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        counts: Counter[str] = Counter()
        for stored in self.fake.stored.values():
            dataset = stored.dataset
            if all(_matches(dataset, keyword, value) for keyword, value in filters.items()):
                uid = str(dataset[_LEVEL_UID[level]].value)
                counts[uid] += 1
                if uid in found:
                    continue
                found[uid] = dataset.to_json_dict()
                if "bare-matches" in self.fake.faults:
                    found[uid] = {tag: element for tag, element in found[uid].items() if element["vr"] == "UI"}
        if "mixed-patients" in self.fake.faults and found:
            next(iter(found.values()))["00100020"] = {"vr": "LO", "Value": ["OTHER"]}
        for uid, match in found.items():
            count = counts[uid] + ("wrong-count" in self.fake.faults)
            match["00201209"] = {"vr": "IS", "Value": [count]}
            host = "http://192.0.2.1/away" if "wrong-links" in self.fake.faults else self.fake.url
            match["00081190"] = {"vr": "UR", "Value": [f"{host}/{uid}"]}
        return list(found.values())

    # retrieval

    def _retrieve(self, uids: dict[str, str]) -> None:
        fake, faults, accept = self.fake, self.fake.faults, self.headers["Accept"]
        if hold := fake.held.get(uids["series"]):
            hold.wait(30.0)
        single = "instances" in uids
        first = min(fake.stored, default="")
        only_listed = faults & {"missing-instance", "instance-500"} or ("omitted-instance" in faults and not single)
        skipped = {first} if only_listed else set()
        chosen = [
            stored.content
            for uid, stored in sorted(fake.stored.items())
            if uid not in skipped
            and uids["series"] == stored.dataset.SeriesInstanceUID
            and uids["studies"] == stored.dataset.StudyInstanceUID
            and uids.get("instances", uid) == uid
        ]
        star = "transfer-syntax=*" in accept
        if ("406-without-star" in faults and not star) or ("406-with-star" in faults and star):
            self._answer(406)
        elif not single and faults & {"series-400", "series-500"}:
            self._answer(400 if "series-400" in faults else 500)
        elif "instance-500" in faults and uids.get("instances") == first:
            self._answer(500)
        elif "html" in faults:
            self._answer(200, b"<html>login</html>", "text/html")
        elif not chosen:
            self._answer(404)
        elif single and faults & {"single-part", "single-part-cut"}:
            self._single_part(chosen[0])
        else:
            self._multipart(self._spoilt(chosen, single), single)

    def _single_part(self, content: bytes) -> None:
        if "single-part-cut" in self.fake.faults:
            self._close_delimited("application/dicom", [content[:-9]])
        else:
            self._answer(200, content, "application/dicom")

    def _spoilt(self, contents: list[bytes], single: bool) -> list[bytes]:
        """Return the instances with one spoilt, in a series answer as in a single one."""
        faults, first = self.fake.faults, contents[0]
        if "duplicate-instance" in faults and not single:
            return [first, *contents]
        if "not-dicom" in faults:
            return [b"no DICOM at all", *contents[1:]]
        if "short-pixels" in faults:
            return [_changed(first, pixels=-16), *contents[1:]]
        if "wrong-uid" in faults:
            return [_changed(first, SOPInstanceUID="1.2.3"), *contents[1:]]
        if "other-study" in faults and not single:
            return [_changed(first, StudyInstanceUID="1.2.3", SOPInstanceUID="1.2.4"), *contents[1:]]
        if "foreign-instance" in faults:
            return [_changed(first, SeriesInstanceUID="1.2.3"), *contents[1:]]
        return contents

    def _multipart(self, contents: list[bytes], single: bool) -> None:
        faults = self.fake.faults
        blocks = list(self._blocks(contents))
        whole = b"".join(blocks)
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        if "quoted-type" in faults:
            kind = kind.replace('dicom"', 'dicom; transfer-syntax=1.2.840.10008.1.2.1"')
        if "trickle" in faults and not single:
            self._trickle(kind, whole)
        elif "cut-with-length" in faults and not single:
            self._close_delimited(kind, [whole[: len(whole) // 2]], {"Content-Length": str(len(whole))})
        elif "cut-chunked" in faults and not single:
            half = whole[: len(whole) // 2]
            chunk = b"%x\r\n%s\r\n" % (len(half), half)
            self._close_delimited(kind, [chunk], {"Transfer-Encoding": "chunked"})
        elif "gzip-lie" in faults and not single:
            self._close_delimited(kind, [whole], {"Content-Encoding": "gzip"})
        else:
            self._close_delimited(kind, [whole[: self._end(blocks, single)]])

    def _end(self, blocks: list[bytes], single: bool) -> int:
        """Return where the answer ends. A block is a boundary line with headers, or an instance."""
        faults = self.fake.faults
        middle = len(blocks) // 4 * 2  # a boundary line with headers
        if single:
            cut = "cut-singles" in faults or self.fake.once("cut-singles-once")
            return len(blocks[0]) + len(blocks[1]) // 2 if cut else sum(map(len, blocks))
        before = sum(map(len, blocks[:middle]))
        if "cut-in-part" in faults:
            return before + len(blocks[middle]) + len(blocks[middle + 1]) // 2
        if "cut-between-parts" in faults:
            return before
        if "cut-in-headers" in faults:
            return before + len(blocks[middle]) - 9
        return sum(map(len, blocks))

    def _blocks(self, contents: list[bytes]) -> Iterator[bytes]:
        faults = self.fake.faults
        for number, content in enumerate(contents):
            length = str(len(content))
            if number == 0:
                length = "5000000000" if "huge-length" in faults else length
                length = str(len(content) + 10) if "wrong-length" in faults else length
                length = "many" if "bad-length" in faults else length
            header = "" if "no-length" in faults else f"Content-Length: {length}\r\n"
            start = "" if number == 0 else "\r\n"
            yield f"{start}--{BOUNDARY}\r\nContent-Type: application/dicom\r\n{header}\r\n".encode()
            yield content
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    def _close_delimited(self, kind: str, blocks: list[bytes], headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        step = 37 if "chunk-split-boundary" in self.fake.faults else 1 << 20
        for block in blocks:
            for at in range(0, len(block), step):
                self.wfile.write(block[at : at + step])

    def _trickle(self, kind: str, whole: bytes) -> None:
        self._close_delimited(kind, [])
        for at in range(len(whole)):
            if self.fake.closing.wait(0.01):
                return
            try:
                self.wfile.write(whole[at : at + 1])
            except OSError:
                return  # the client has had enough

    # storage

    def _store(self, body: bytes) -> None:
        faults = self.fake.faults
        boundary = self.headers["Content-Type"].split("boundary=")[1].strip('"').encode()
        contents = [part.split(b"\r\n\r\n", 1)[1] for part in body.split(b"\r\n--" + boundary)[1:-1]]
        if "store-413" in faults and len(contents) > 1:
            self._answer(413)
            return
        stored, failed = [], []
        for number, content in enumerate(contents):
            assert content[128:132] == b"DICM"
            uid = str(pydicom.dcmread(pydicom.filebase.DicomBytesIO(content), stop_before_pixels=True).SOPInstanceUID)
            spoilt = number == 0 and len(contents) > 1 and faults & {"store-202", "store-400"}
            if "store-409" in faults and uid in self.fake.stored:
                failed.append(_reference(uid, 0x0111))
            elif spoilt or "store-refuses" in faults:
                failed.append(_reference(uid, 0xA900))
            else:
                self.fake.put(content)
                stored.append(_reference(uid))
        if "store-silent" in faults:
            self._answer(200)
            return
        status = 200 if not failed else 400 if "store-400" in faults else 202 if stored else 409
        answer = {"00081199": {"vr": "SQ", "Value": stored}, "00081198": {"vr": "SQ", "Value": failed}}
        self._answer(status, json.dumps(answer).encode(), "application/dicom+json")


def _matches(dataset: pydicom.Dataset, keyword: str, wanted: str) -> bool:
    if keyword not in dataset:
        return keyword not in _SEARCHABLE  # as many servers do: what is unknown is ignored
    return any(fnmatch.fnmatchcase(str(dataset[keyword].value), one) for one in wanted.split(","))


def _changed(content: bytes, pixels: int = 0, **values: str) -> bytes:
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content))
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    if pixels:
        dataset.PixelData = dataset.PixelData[:pixels]
    out = pydicom.filebase.DicomBytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _reference(uid: str, reason: int | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"00081155": {"vr": "UI", "Value": [uid]}}
    if reason is not None:
        entry["00081197"] = {"vr": "US", "Value": [reason]}
    return entry
