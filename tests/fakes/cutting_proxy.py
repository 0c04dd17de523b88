"""A loopback proxy that passes bytes on and cuts one answer after so many of them."""

from __future__ import annotations

import socket
import threading
from typing import Self


class CuttingProxy:
    """Passes connections on to `port`; use it in a ``with`` statement.

    Parameters
    ----------
    port : int
        Of the real server on loopback.
    cut_at : int, optional
        Bytes after which an answer to a request for a whole series is cut, once; None for never.
    """

    def __init__(self, port: int, cut_at: int | None = None) -> None:
        self._target = port
        self._left = cut_at
        self._armed = cut_at is not None
        self.has_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            state = {"cut": False}
            upward = threading.Thread(target=self._requests, args=(client, server, state), daemon=True)
            upward.start()
            self._answers(server, client, state)
            for end in (client, server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other side was faster
            upward.join()

    def _requests(self, client: socket.socket, server: socket.socket, state: dict[str, bool]) -> None:
        try:
            while block := client.recv(1 << 16):
                first = block.split(b"\r\n", 1)[0]
                whole_series = first.startswith(b"GET") and b"/series/" in first and b"/instances" not in first
                if self._armed and whole_series and b"?" not in first:
                    self._armed, state["cut"] = False, True
                server.sendall(block)
        except OSError:
            return

    def _answers(self, server: socket.socket, client: socket.socket, state: dict[str, bool]) -> None:
        try:
            while block := server.recv(1 << 16):
                if state["cut"] and self._left is not None:
                    block = block[: self._left]
                    self._left -= len(block)
                client.sendall(block)
                if state["cut"] and self._left == 0:
                    self.has_cut = True
                    return
        except OSError:
            return
