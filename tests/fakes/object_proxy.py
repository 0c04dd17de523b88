"""A loopback proxy before an S3 server that keeps signatures whole and does named things to some requests."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import urlsplit

from multimodal.transport.stores import Store

# busy: 503 instead; lost: done, but nobody hears the answer; cut: half of the answer's body
Fault = Literal["", "busy", "lost", "cut"]


class ObjectProxy:
    """Stands before `store`; use it in a ``with`` statement and call `self.store` instead.

    Attributes
    ----------
    requests : list of (str, str)
        Method and path with query of all requests.
    fault : callable
        What to do with a request.
    """

    def __init__(self, store: Store) -> None:
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], Fault] = lambda method, path: ""
        proxy, origin = self, urlsplit(store.url).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.requests.append((self.command, self.path))
                fault = proxy.fault(self.command, self.path)
                if fault == "busy":
                    return self.answer(503, {}, b"")
                server = http.client.HTTPConnection(origin, timeout=30)
                server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    server.putheader(name, value)
                server.endheaders(body)
                answer = server.getresponse()
                content = answer.read()
                server.close()
                if fault == "lost":
                    self.close_connection = True
                    return None
                if fault == "cut":
                    self.close_connection = True
                    return self.answer(answer.status, dict(answer.getheaders()), content, content[: len(content) // 2])
                return self.answer(answer.status, dict(answer.getheaders()), content)

            def answer(self, status: int, headers: dict[str, str], content: bytes, sent: bytes | None = None) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                length = headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(content if sent is None else sent)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815 - names of http.server

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.store = replace(store, url=f"http://127.0.0.1:{self._server.server_port}")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
