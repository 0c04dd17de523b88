"""Connections on which no answer can trickle for ever: not in its headers, nor between the chunks of its body."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

SLOWEST_BYTES_PER_SECOND = 16_000


class PacedAdapter(HTTPAdapter):
    """Gives up an answer that is waited for longer than `seconds` and its bytes at 16 kB/s.

    Notes
    -----
    A time limit of a socket begins anew with each byte, and `http.client` reads lines: headers, those of ``100
    Continue``, the sizes of chunks and the trailers after them may be as many as the other side likes.
    """

    def __init__(self, seconds: float, **settings: Any) -> None:
        self._seconds = seconds
        super().__init__(**settings)  # makes the pool manager

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **settings)
        self._pace(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **settings: Any) -> Any:
        """Make the pools of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **settings)
        self._pace(manager)
        return manager

    def _pace(self, manager: PoolManager) -> None:
        seconds = self._seconds

        class Answer(http.client.HTTPResponse):
            def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:
                super().__init__(sock, *args, **settings)
                self.fp = io.BufferedReader(_Paced(self.fp.detach(), seconds))

        class Plain(HTTPConnection):
            response_class = Answer

        class Secure(HTTPSConnection):
            response_class = Answer

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


class _Paced(io.RawIOBase):
    """What comes in on a socket for one answer."""

    def __init__(self, raw: io.RawIOBase, seconds: float) -> None:
        self._raw = raw
        self._left = seconds  # grows with what comes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        started = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        self._left += (count or 0) / SLOWEST_BYTES_PER_SECOND - (time.monotonic() - started)
        if self._left < 0 and count:
            raise TimeoutError("an answer trickles")
        return count

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()
