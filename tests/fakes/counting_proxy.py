"""A loopback proxy before a real server: it counts requests, and does named things to some of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

import requests

from multimodal.transport.stores import Store

# method, path with query, body -> an answer of our own (status, headers, body), or None to pass the request on
Fault = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes] | None]


class CountingProxy:
    """Stands before `store`; use it in a ``with`` statement and call `self.store` instead.

    Attributes
    ----------
    requests : list of (str, str)
        Method and path of all requests.
    fault : Fault
        What to do instead of passing a request on.
    """

    def __init__(self, store: Store) -> None:
        self.requests: list[tuple[str, str]] = []
        self.fault: Fault = lambda method, path, body: None
        self._passing = threading.Condition()
        self._under_way = 0
        proxy = self
        parts = urlsplit(store.url)
        origin = f"{parts.scheme}://{parts.netloc}"

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with proxy._passing:
                    proxy.requests.append((self.command, self.path))
                    proxy._under_way += 1
                try:
                    answer = self.answer_to(body)
                finally:
                    with proxy._passing:
                        proxy._under_way -= 1
                        proxy._passing.notify_all()
                status, headers, content = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def answer_to(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
                answer = proxy.fault(self.command, self.path, body)
                if answer is None:
                    headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                    passed = requests.request(
                        self.command, origin + self.path, headers=headers, data=body, timeout=60, allow_redirects=False
                    )
                    kept = {"Content-Type": passed.headers.get("Content-Type", "text/plain")}
                    answer = passed.status_code, kept, passed.content
                return answer

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - names of http.server

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.store = replace(store, url=f"http://127.0.0.1:{self._server.server_port}{parts.path}")

    @property
    def bundles(self) -> int:
        """Number of bundles posted so far."""
        return sum(method == "POST" for method, _ in self.requests)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        with self._passing:  # what was passed on is answered before the test goes on
            self._passing.wait_for(lambda: self._under_way == 0, timeout=60)
        self._server.server_close()
