"""One call: retried where that helps, ended in time, one clear error for each cause."""

from __future__ import annotations

import base64
import email.utils
import gzip
import logging
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from multimodal.model.errors import ConfigurationError, RemoteError
from multimodal.transport import session as session_module
from multimodal.transport.session import (
    BrokenAnswerError,
    CertificateError,
    HttpSession,
    LoginRefusedError,
    NotFoundError,
    RequestRefusedError,
    StoreFailedError,
    UnreachableError,
)
from multimodal.transport.stores import Auth, Store
from tests.fakes.http_server import HttpServer, answer, hang_up


def store(url: str, **settings: Any) -> Store:
    return Store(**{"name": "s", "kind": "fhir", "url": url, "timeout": 2.0, "attempts": 3, **settings})


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which then take no time."""
    waited: list[float] = []
    monkeypatch.setattr(session_module.time, "sleep", waited.append)
    return waited


def get(server: HttpServer, **settings: Any) -> bytes:
    with HttpSession(store(server.url, **settings)) as session:
        return session.request("GET", "x").content


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_retried(status: int, waits: list[float]) -> None:
    with HttpServer(answer(status), answer()) as server:
        assert get(server) == b"ok"
    assert len(waits) == 1


def test_waits_grow_and_differ(waits: list[float]) -> None:
    with (
        HttpServer(answer(503)) as server,
        pytest.raises(StoreFailedError, match="status 503 after all tries") as error,
    ):
        get(server, attempts=6)
    assert len(waits) == 5
    assert all(0.1 * 2**n <= wait <= 0.2 * 2**n for n, wait in enumerate(waits, 1))
    assert error.value.status == 503


def date_in(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("7", 7, 7),
        (" 0 ", 0, 0),
        (60, 50, 60),
        (-100, 0, 0),
        ("soon", 0.2, 0.4),
        ("²", 0.2, 0.4),
        ("-3", 0.2, 0.4),
        ("Fri, 21 Nov 2026 00:00:00 +99999999999999999999", 0.2, 0.4),
    ],
)
def test_retry_after_is_minded_in_both_forms(asked: str | int, least: float, most: float, waits: list[float]) -> None:
    text = date_in(asked) if isinstance(asked, int) else asked

    def busy(request: BaseHTTPRequestHandler) -> None:
        request.send_response(503)
        request.wfile.write(b"")
        request._headers_buffer.append(f"Retry-After: {text}\r\nContent-Length: 0\r\n".encode("latin-1"))  # type: ignore[attr-defined]
        request.end_headers()

    with HttpServer(busy, answer()) as server:
        assert get(server) == b"ok"
    assert least <= waits[0] <= most


@pytest.mark.parametrize("asked", ["3600", "9" * 400, "Wed, 01 Jan 2200 00:00:00 GMT"])
def test_a_wait_beyond_the_budget_is_not_begun(asked: str, waits: list[float]) -> None:
    with HttpServer(answer(503, Retry_After=asked)) as server, pytest.raises(StoreFailedError):
        get(server)
    assert waits == []


def test_no_attempt_after_the_total_budget() -> None:
    started = time.monotonic()
    with HttpServer(answer(503)) as server, pytest.raises(StoreFailedError):
        get(server, attempts=20, retry_seconds=0.5)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefusedError),
        (401, LoginRefusedError),
        (403, LoginRefusedError),
        (404, NotFoundError),
        (409, RequestRefusedError),
        (410, NotFoundError),
        (422, RequestRefusedError),
        (501, StoreFailedError),
    ],
)
def test_a_lasting_failure_is_not_retried(status: int, error: type[RemoteError]) -> None:
    with HttpServer(answer(status, b"the\nreason")) as server, pytest.raises(error) as caught:
        get(server)
    assert len(server.requests) == 1
    assert (caught.value.store, caught.value.status) == ("s", status)
    assert "\n" not in str(caught.value)
    if isinstance(caught.value, RequestRefusedError):
        assert caught.value.body == b"the\nreason"
        assert "the reason" in str(caught.value)


def test_the_caller_may_read_a_failure_itself() -> None:
    with HttpServer(answer(409, b"why")) as server, HttpSession(store(server.url)) as session:
        assert session.request("GET", "x", expect=frozenset({409})).content == b"why"


def test_redirects_are_not_followed() -> None:
    with HttpServer(answer()) as other, HttpServer(answer(302, Location=other.url)) as server:
        with pytest.raises(RequestRefusedError, match="redirects"):
            get(server)
        assert not other.requests


def test_a_store_that_is_down(waits: list[float]) -> None:
    with HttpServer(answer()) as server:
        url = server.url
    with HttpSession(store(url)) as session, pytest.raises(UnreachableError, match=r"refused\); is it running"):
        session.request("GET", "x")
    assert len(waits) == 2


def test_a_host_that_is_none() -> None:
    with (
        HttpSession(store("http://no-such-host.invalid", attempts=1)) as session,
        pytest.raises(UnreachableError, match=r"Name|name"),
    ):
        session.request("GET", "x")


def test_a_silent_store_ends_by_its_timeout() -> None:
    def silent(request: BaseHTTPRequestHandler) -> None:
        time.sleep(1)

    with HttpServer(silent) as server, pytest.raises(UnreachableError, match="nothing came in time"):
        get(server, timeout=0.2, attempts=1)


def test_a_connection_closed_without_an_answer_is_retried(waits: list[float]) -> None:
    with HttpServer(hang_up, answer()) as server:
        assert get(server) == b"ok"


def cut(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100")
    request.end_headers()
    request.wfile.write(b"not all")
    request.close_connection = True


def cut_chunked(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"20\r\nnot all")
    request.close_connection = True


def not_gzip(request: BaseHTTPRequestHandler) -> None:
    answer(200, b"no gzip at all", Content_Encoding="gzip")(request)


@pytest.mark.parametrize("broken", [cut, cut_chunked, not_gzip])
def test_an_answer_cut_short_is_retried_and_then_an_error(broken: Any, waits: list[float]) -> None:
    with HttpServer(broken, answer()) as server:
        assert get(server) == b"ok"
    with HttpServer(broken) as server, pytest.raises(BrokenAnswerError, match="cut after"):
        get(server)
    assert len(server.requests) == 3


def dribble(request: BaseHTTPRequestHandler, piece: bytes) -> None:
    """Send `piece` again and again, for some seconds or until the other side hangs up."""
    asleep = threading.Event()  # and not time.sleep, which other tests count
    try:
        for _ in range(300):
            request.wfile.write(piece)
            asleep.wait(0.02)
    except OSError:
        return


def trickle(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    dribble(request, b"x")


@pytest.mark.parametrize("location", ["/elsewhere", "http://[::", "\xff"])
def test_the_body_of_a_redirection_is_not_read(location: str) -> None:
    """It may be as long, and as slow, as the other side likes."""

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", location)
        request.end_headers()
        dribble(request, b"x")

    started = time.monotonic()
    with HttpServer(redirect) as server, HttpSession(store(server.url)) as session:
        with pytest.raises(RequestRefusedError, match="redirects"):
            session.request("GET", "x", stream=True)
        assert time.monotonic() - started < 2


def test_an_answer_of_two_lengths_is_broken(waits: list[float]) -> None:
    with (
        HttpServer(answer(200, b"hello", content_length="7")) as server,
        pytest.raises(BrokenAnswerError, match="cannot be read"),
    ):
        get(server)
    assert len(waits) == 2


def test_a_trickle_ends_by_its_budget() -> None:
    started = time.monotonic()
    with HttpServer(trickle) as server, pytest.raises(BrokenAnswerError, match="given up"):
        get(server, answer_seconds=0.3, attempts=1)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"X: y\r\n"),
    ],
    ids=["header", "continue", "size of a chunk", "trailers"],
)
def test_a_trickle_around_the_body_ends_too(begin: bytes, again: bytes) -> None:
    """Lines are read whole, and there each byte begins the socket's time limit anew."""

    def lines(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(begin)
        dribble(request, again)

    started = time.monotonic()
    with HttpServer(lines) as server, pytest.raises((UnreachableError, BrokenAnswerError), match="in time"):
        get(server, timeout=0.2, answer_seconds=0.3, attempts=1)
    assert time.monotonic() - started < 4


def test_an_answer_is_streamed_in_small_pieces() -> None:
    content = bytes(3_000_000)
    with HttpServer(answer(200, content)) as server, HttpSession(store(server.url)) as session:
        chunks = list(session.chunks(session.request("GET", "x", stream=True), 100_000))
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= 100_000


def test_compression_is_undone_and_can_be_declined() -> None:
    packed = answer(200, gzip.compress(b"text"), Content_Encoding="gzip")
    with HttpServer(packed) as server, HttpSession(store(server.url)) as session:
        assert session.request("GET", "x").content == b"text"
        session.request("GET", "x", headers={"Accept-Encoding": "identity"})
        assert "gzip" in server.requests[0]["headers"]["Accept-Encoding"]
        assert server.requests[1]["headers"]["Accept-Encoding"] == "identity"


def test_the_query_is_sent_as_it_is() -> None:
    with HttpServer(answer()) as server, HttpSession(store(f"{server.url}/base")) as session:
        session.request("GET", "/x", query="a=1*?,2&b=%20")
        session.request("GET", "")
    assert [request["line"] for request in server.requests] == [
        "GET /base/x?a=1*?,2&b=%20 HTTP/1.1",
        "GET /base HTTP/1.1",
    ]


def test_a_body_from_a_function_is_sent_again(waits: list[float]) -> None:
    def body() -> Iterator[bytes]:
        yield b"one"
        yield b"two"

    with HttpServer(answer(503), answer()) as server, HttpSession(store(server.url)) as session:
        session.request("POST", "x", data=body)
    assert [request["body"] for request in server.requests] == [b"onetwo"] * 2


def test_a_bare_iterator_is_sent_once() -> None:
    with HttpServer(answer(503)) as server, HttpSession(store(server.url)) as session:
        with pytest.raises(StoreFailedError):
            session.request("POST", "x", data=iter([b"one"]))
        assert len(server.requests) == 1


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_the_login_is_sent_and_shown_nowhere(
    scheme: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2-ä" if scheme == "basic" else "hunter2"
    monkeypatch.setenv("SECRET", secret)
    auth = Auth(scheme, "SECRET", "env", "me")
    coded = base64.b64encode(f"me:{secret}".encode()).decode()
    with (
        caplog.at_level(logging.DEBUG),
        HttpServer(answer(), answer(401)) as server,
        HttpSession(store(server.url, auth=auth)) as session,
    ):
        session.request("GET", "x")
        with pytest.raises(LoginRefusedError) as caught:
            session.request("GET", "x")
        shown = [repr(session), repr(session.store), "".join(traceback.format_exception(caught.value)), caplog.text]
    sent = server.requests[0]["headers"]["Authorization"]
    assert sent == (f"Basic {coded}" if scheme == "basic" else f"Bearer {secret}")
    assert not any(secret in text or coded in text for text in shown)


def test_the_environment_gives_neither_proxy_nor_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with HttpServer(answer()) as server:
        assert get(server) == b"ok"
    assert "Authorization" not in server.requests[0]["headers"]


def test_the_proxy_of_the_stores_file_is_used() -> None:
    with HttpServer(answer()) as proxy, HttpSession(store("http://far.invalid/x", proxy=proxy.url)) as session:
        session.request("GET", "y")
    assert proxy.requests[0]["line"] == "GET http://far.invalid/x/y HTTP/1.1"


def test_a_proxy_that_is_down_is_named() -> None:
    with HttpServer(answer()) as proxy:
        url = proxy.url
    with (
        HttpSession(store("http://far.invalid", proxy=url, attempts=1)) as session,
        pytest.raises(UnreachableError, match=f"through the proxy {url}"),
    ):
        session.request("GET", "x")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    files = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]),
        ],
        check=True,
        capture_output=True,
    )
    return files


def test_a_certificate_of_our_own_authority_is_trusted(certificate: tuple[str, str]) -> None:
    with HttpServer(answer(), certificate=certificate) as server:
        assert get(server, ca_file=certificate[0]) == b"ok"


def test_a_certificate_of_nobody_is_not_and_not_retried(certificate: tuple[str, str], waits: list[float]) -> None:
    with HttpServer(answer(), certificate=certificate) as server, pytest.raises(CertificateError, match="ca_file"):
        get(server)
    assert waits == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_is_none(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"store s: cannot use its ca_file"):
        HttpSession(store("https://x", ca_file=str(file)))


@pytest.mark.parametrize("url", ["", "http://", "ftp://x", "http://[::1", "http://x:99999", "http://x:port"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not an http"):
        HttpSession(store(url))
