"""A REDCap on loopback: the export part of its API for one made-up project, with named faults.

A fault concerns a call for records by batch (not the call that lists their ids); the next fault the next such call.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl

import orjson

from tests.fakes.http_server import Answer, HttpServer, answer

TOKEN = "0123456789ABCDEF0123456789ABCDEF"


class RedcapServer(HttpServer):
    """Answers as REDCap 14 does; use it in a ``with`` statement.

    Parameters
    ----------
    settings : mapping
        Answers by ``content``: metadata, project, instrument, event, formEventMapping, repeatingFormsEvents.
    records : list of dict
        Rows of the flat export.
    faults : str
        ``none``; ``failing`` (500); ``cut`` (the connection ends within the body); ``short`` (a whole answer whose
        table ends within a row); ``web page``; ``slow`` (nothing until the server ends); ``deleted`` (a record
        vanishes); ``field`` (a column is added); ``again`` (the answer of the batch before); ``refused`` (400).
    """

    def __init__(self, settings: Mapping[str, Any], records: list[dict[str, str]], *faults: str) -> None:
        super().__init__(self._respond)
        self.url += "/api"
        self.settings = settings
        self.records = records
        self.columns = list(dict.fromkeys(name for row in records for name in row))
        self.faults = list(faults)
        self.calls: list[dict[str, str]] = []
        self._last = b""
        self._ended = threading.Event()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        super().__exit__()

    def _respond(self, request: BaseHTTPRequestHandler) -> None:
        form = dict(parse_qsl(self.requests[-1]["body"].decode(), keep_blank_values=True))
        self.calls.append({name: value for name, value in form.items() if name != "token"})
        content = form.get("content", "")
        if request.path != "/api/":
            answer(301, b"", Location="/api/")(request)
        elif form.get("token") != TOKEN:
            _json({"error": "You do not have permissions to use the API"}, 403)(request)
        elif content == "record":
            self._export(request, form)
        elif content in self.settings:
            _json(self.settings[content])(request)
        else:
            _json({"error": f"You cannot export {content} for classic projects"}, 400)(request)

    def _export(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        ids = {value for name, value in form.items() if name.startswith("records[")}
        if not ids:
            fields = [value for name, value in form.items() if name.startswith("fields[")]
            answer(200, _table(self.records, fields))(request)
            return
        fault = self.faults.pop(0) if self.faults else "none"
        if fault == "deleted":
            gone = max(ids)
            self.records = [row for row in self.records if row[self.columns[0]] != gone]
        elif fault == "field":
            self.columns.append("added")
        body = _table([row for row in self.records if row[self.columns[0]] in ids], self.columns)
        self._send(request, fault, body)
        self._last = body

    def _send(self, request: BaseHTTPRequestHandler, fault: str, body: bytes) -> None:
        if fault == "cut":
            request.send_response(200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[: len(body) // 2])
            request.close_connection = True
        elif fault == "slow":
            self._ended.wait(60)
            request.close_connection = True
        elif fault in _ANSWERS:
            _ANSWERS[fault](request)
        else:
            short = body.rstrip(b"\n").rpartition(b",")[0]
            answer(200, {"again": self._last, "short": short}.get(fault, body))(request)


def _json(content: Any, status: int = 200) -> Answer:
    return answer(status, orjson.dumps(content), Content_Type="application/json")


def _table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> bytes:
    """Return the rows as REDCap writes them: a project without records is one empty line."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode() if rows else b"\n"


_ANSWERS = {
    "failing": answer(500, b"Internal Server Error"),
    "refused": _json({"error": 'The value of the parameter "records" is not valid'}, 400),
    "web page": answer(200, b"<!DOCTYPE HTML><html><title>REDCap is offline</title></html>", Content_Type="text/html"),
}
