"""Tokens are fetched once, renewed before their end and once after a 401, and shown nowhere."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from multimodal.model.errors import ConfigurationError
from multimodal.transport import tokens
from multimodal.transport.session import HttpSession, LoginRefusedError
from multimodal.transport.stores import Auth, Store
from multimodal.transport.tokens import TokenServices
from tests.fakes.http_server import Answer, HttpServer, answer


def token(value: str, seconds: Any = 3600) -> Answer:
    return answer(200, json.dumps({"access_token": value, "expires_in": seconds}).encode())


def store(url: str, auth: Auth) -> Store:
    return Store(name="s", kind="dicomweb", url=url, timeout=2.0, attempts=2, auth=auth)


def logins(server: HttpServer) -> list[str]:
    return [request["headers"].get("Authorization", "") for request in server.requests]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Auth:
    monkeypatch.setenv("CLIENT_SECRET", "hunter2")
    return Auth("client-credentials", "CLIENT_SECRET", "env", "me", "", "dicom")


def at(auth: Auth, issuer: HttpServer) -> Auth:
    return Auth(auth.scheme, auth.reference, auth.source, auth.user, f"{issuer.url}/token", auth.scope)


def test_client_credentials_are_asked_for_once(client: Auth) -> None:
    with HttpServer(token("one")) as issuer, HttpServer(answer()) as server:
        with HttpSession(store(server.url, at(client, issuer))) as session:
            session.request("GET", "a")
            session.request("GET", "b")
        assert logins(server) == ["Bearer one"] * 2
        (asked,) = issuer.requests
    assert parse_qs(asked["body"].decode()) == {
        "grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": ["hunter2"], "scope": ["dicom"],
    }  # fmt: skip
    assert "Authorization" not in asked["headers"]


def test_a_token_is_renewed_before_its_end(client: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(tokens.time, "monotonic", lambda: clock[0])
    with HttpServer(token("one", 600), token("two", 600)) as issuer, HttpServer(answer()) as server:
        with HttpSession(store(server.url, at(client, issuer))) as session:
            session.request("GET", "a")
            clock[0] += 500
            session.request("GET", "b")
            clock[0] += 50
            session.request("GET", "c")
        assert logins(server) == ["Bearer one", "Bearer one", "Bearer two"]


def test_a_refused_token_is_renewed_once(client: Auth) -> None:
    with HttpServer(token("one"), token("two")) as issuer, HttpServer(answer(401), answer()) as server:
        with HttpSession(store(server.url, at(client, issuer))) as session:
            assert session.request("POST", "a", data=b"body").content == b"ok"
        assert logins(server) == ["Bearer one", "Bearer two"]
        assert [request["body"] for request in server.requests] == [b"body"] * 2
    with HttpServer(token("one"), token("two")) as issuer, HttpServer(answer(401)) as server:
        with HttpSession(store(server.url, at(client, issuer))) as session, pytest.raises(LoginRefusedError):
            session.request("GET", "a")
        assert len(server.requests) == 2


def test_a_token_file_is_read_again_after_a_401(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    login = Auth("bearer", str(file), "file")
    with (
        HttpServer(answer(), answer(401), answer(), answer(401)) as server,
        HttpSession(store(server.url, login)) as session,
    ):
        session.request("GET", "a")
        file.write_text("new")
        session.request("GET", "a")
        assert logins(server) == ["Bearer old", "Bearer old", "Bearer new"]
        with pytest.raises(LoginRefusedError):  # the same token again would be refused again
            session.request("GET", "a")
        assert len(server.requests) == 4


def test_the_token_stands_in_a_second_header_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    with HttpServer(answer()) as server:
        login = store(server.url, Auth("bearer", str(tmp_path / "token"), "file"))
        with HttpSession(login, token_headers=["x-forwarded-access-token"]) as session:
            session.request("GET", "a")
        assert server.requests[0]["headers"]["x-forwarded-access-token"] == "t0ken"
        assert logins(server) == ["Bearer t0ken"]


def test_a_service_account_signs_its_request(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "key.json"
    content = {
        "type": "service_account", "client_email": "me@x", "private_key_id": "k1", "private_key": pem.decode(),
        "token_uri": "http://192.0.2.1/elsewhere",
    }  # fmt: skip
    file.write_text(json.dumps(content))
    with HttpServer(token("one")) as issuer, HttpServer(answer()) as server:
        services = TokenServices(token_url=f"{issuer.url}/token", scope="cloud")
        with HttpSession(store(server.url, Auth("google-key", str(file), "file")), services=services) as session:
            session.request("GET", "a")
        assert logins(server) == ["Bearer one"]
        fields = parse_qs(issuer.requests[0]["body"].decode())
    assert fields["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    signed, _, signature = fields["assertion"][0].rpartition(".")
    key.public_key().verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    header, claims = (json.loads(decoded(part)) for part in signed.split("."))
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert claims.items() >= {"iss": "me@x", "scope": "cloud", "aud": f"{issuer.url}/token"}.items()
    assert claims["exp"] - claims["iat"] == 3600


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_workload_identity_asks_the_metadata_server() -> None:
    with HttpServer(token("one")) as metadata, HttpServer(answer()) as server:
        services = TokenServices(metadata_url=f"{metadata.url}/token")
        with HttpSession(store(server.url, Auth("google-metadata", "", "none")), services=services) as session:
            session.request("GET", "a")
        assert logins(server) == ["Bearer one"]
        assert metadata.requests[0]["headers"]["Metadata-Flavor"] == "Google"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"client_email": "me@x", "private_key": 1}'])
def test_a_key_file_that_is_none(content: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match="no key file of a service account"):
        HttpSession(store("http://x", Auth("google-key", str(file), "file")), services=TokenServices("http://y"))


def test_a_key_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text('{"client_email": "me@x", "private_key": "hunter2"}')
    login = store("http://127.0.0.1:1", Auth("google-key", str(file), "file"))
    with (
        HttpSession(login, services=TokenServices("http://127.0.0.1:1")) as session,
        pytest.raises(ConfigurationError, match="no RSA key") as caught,
    ):
        session.request("GET", "a")
    assert "hunter2" not in str(caught.value)


def test_a_login_that_the_profile_does_not_know() -> None:
    with pytest.raises(ConfigurationError, match="use the profile google"):
        HttpSession(store("http://x", Auth("google-metadata", "", "none")))


@pytest.mark.parametrize(
    "given", [answer(200, b"{}"), answer(200, b"no"), answer(200, b'{"access_token": 1}'), answer(400, b"hunter2")]
)
def test_an_issuer_that_gives_no_token(given: Answer, client: Auth) -> None:
    with HttpServer(given) as issuer, HttpServer(answer()) as server:
        login = store(server.url, at(client, issuer))
        with HttpSession(login) as session, pytest.raises(LoginRefusedError, match="token") as caught:
            session.request("GET", "a")
        assert not server.requests
    assert "hunter2" not in str(caught.value)


def test_a_user_logs_in_by_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"P_USER": "project-user", "P_PASSWORD": "hunter2", "P_CLIENT": "s3cret"}.items():
        monkeypatch.setenv(name, value)
    user = Auth("user", "P_PASSWORD", "env", user_reference="P_USER")
    with HttpServer(token("one")) as issuer, HttpServer(answer()) as server:
        grant = Auth("password-grant", "P_CLIENT", "env", "kaapana", f"{issuer.url}/token", inner=user)
        with HttpSession(store(server.url, grant)) as session:
            session.request("GET", "a")
        assert logins(server) == ["Bearer one"]
        (asked,) = issuer.requests
    assert parse_qs(asked["body"].decode()) == {
        "grant_type": ["password"], "client_id": ["kaapana"], "client_secret": ["s3cret"],
        "username": ["project-user"], "password": ["hunter2"],
    }  # fmt: skip
