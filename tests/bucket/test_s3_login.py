"""Keys of an hour for the project's token (AssumeRoleWithWebIdentity), as Kaapana's MinIO gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from minio import Minio
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin

from multimodal.bucket import open_bucket
from multimodal.transport.session import LoginRefusedError, StoreFailedError
from multimodal.transport.stores import Auth, Store, Stores
from tests.fakes.http_server import Answer, HttpServer, answer
from tests.fakes.object_proxy import ObjectProxy
from tests.fakes.object_server import KEY, SECRET, ObjectServer, minio_program
from tests.fakes.token_issuer import TokenIssuer

# What Kaapana grants a project's own user in the project's bucket.
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [f"s3:{name}" for name in (
                "ListBucket", "PutObject", "DeleteObject", "GetBucketLocation", "GetObject",
            )],
            "Resource": ["arn:aws:s3:::project-demo/*"],
        }
    ],
}  # fmt: skip


def keys(number: int, lasts: timedelta = timedelta(hours=1)) -> Answer:
    """An answer of MinIO's STS."""
    end = f"{datetime.now(UTC) + lasts:%Y-%m-%dT%H:%M:%SZ}"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn></Arn></AssumedRoleUser><Credentials>"
        f"<AccessKeyId>KEY{number}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
        f"<SessionToken>session{number}</SessionToken><Expiration>{end}</Expiration></Credentials>"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
    return answer(200, body.encode(), Content_Type="application/xml")


def store_at(url: str, file: Path) -> Store:
    inner = Auth("bearer", str(file), "file")
    auth = Auth("web-identity", "", "none", inner=inner)
    return Store("bucket", "s3", url=url, bucket="project-demo", region="us-east-1", auth=auth, attempts=1)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("the-token")
    return tmp_path / "token"


def test_a_token_is_exchanged_once_and_stands_in_no_address(token: Path) -> None:
    with HttpServer(keys(1), answer()) as server:
        bucket = open_bucket(store_at(server.url, token))
        assert [bucket.read("a"), bucket.read("b")] == [b"ok", b"ok"]
        asked, *reads = server.requests
    assert asked["line"] == "POST / HTTP/1.1"
    assert parse_qs(asked["body"].decode()) == {
        "Action": ["AssumeRoleWithWebIdentity"], "Version": ["2011-06-15"], "WebIdentityToken": ["the-token"],
    }  # fmt: skip
    for read in reads:
        assert read["headers"]["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=KEY1/")
        assert read["headers"]["X-Amz-Security-Token"] == "session1"


def test_keys_are_renewed_before_their_end(token: Path) -> None:
    with HttpServer(keys(1, timedelta(seconds=-5)), answer(), keys(2), answer()) as server:
        bucket = open_bucket(store_at(server.url, token))
        bucket.read("a")
        token.write_text("the-next-token")
        bucket.read("a")
        bucket.read("a")
        assert [request["headers"].get("X-Amz-Security-Token") for request in server.requests] == [
            None, "session1", None, "session2", "session2",
        ]  # fmt: skip


def test_a_token_that_ended_early_is_renewed_once(token: Path) -> None:
    def refuse(request: object) -> None:
        token.write_text("renewed")
        answer(400, b"<ErrorResponse/>")(request)  # type: ignore[arg-type]

    with HttpServer(refuse, keys(1), answer()) as server:
        assert open_bucket(store_at(server.url, token)).read("a") == b"ok"
        bodies = [request["body"].decode() for request in server.requests]
    assert ["the-token" in bodies[0], "renewed" in bodies[1]] == [True, True]


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (answer(400, b"<ErrorResponse>the-token</ErrorResponse>"), r"gives no keys for this token \(400\)"),
        (answer(403, b""), r"gives no keys for this token \(403\)"),
        (answer(200, b"<html></html>"), "holds no keys; is it an object store"),
        (answer(200, b"no xml"), "holds no keys; is it an object store"),
    ],
)
def test_a_refused_token_says_so(token: Path, refusal: Answer, said: str) -> None:
    with HttpServer(refusal) as server, pytest.raises(LoginRefusedError, match=said) as error:
        open_bucket(store_at(server.url, token)).read("a")
    assert "the-token" not in str(error.value)


# A real MinIO, set up as Kaapana sets up its own


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    login = {
        "grant_type": "password", "client_id": "kaapana", "client_secret": "client-secret",
        "username": "project-demo-system-user", "password": "user-password",
    }  # fmt: skip
    claims = {"aud": "kaapana", "azp": "kaapana", "sub": "1234", "policy": ["admin_project_demo"]}
    with TokenIssuer(login, claims) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def kaapanas_minio(issuer: TokenIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    if not minio_program():
        pytest.skip("needs MinIO: put `minio` on PATH, or name it with MULTIMODAL_MINIO")
    folder = tmp_path_factory.mktemp("minio")
    settings = {
        "CONFIG_URL": f"{issuer.url}/.well-known/openid-configuration", "CLIENT_ID": "kaapana",
        "CLIENT_SECRET": "client-secret", "CLAIM_NAME": "policy", "SCOPES": "openid,profile,email,roles",
    }  # fmt: skip
    with ObjectServer(folder, **{f"MINIO_IDENTITY_OPENID_{name}": text for name, text in settings.items()}) as server:
        place = server.url.removeprefix("http://")
        for name in ("project-demo", "project-other"):
            Minio(place, KEY, SECRET, secure=False).make_bucket(name)
        admin = MinioAdmin(endpoint=place, credentials=StaticProvider(KEY, SECRET), secure=False)
        admin.policy_add("admin_project_demo", policy=POLICY)
        yield server


@pytest.fixture
def as_on_kaapana(
    kaapanas_minio: ObjectServer, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Store]:
    """The store as docs/stores.md has it for Kaapana, for the own project and for another one."""
    for name, value in {
        "KAAPANA_PROJECT_USER_NAME": "project-demo-system-user", "KAAPANA_PROJECT_USER_PASSWORD": "user-password",
        "KAAPANA_CLIENT_SECRET": "client-secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    grant = {
        "token_url": f"{issuer.url}/token", "client_id": "kaapana", "secret_env": "KAAPANA_CLIENT_SECRET",
        "user_env": "KAAPANA_PROJECT_USER_NAME", "password_env": "KAAPANA_PROJECT_USER_PASSWORD",
    }  # fmt: skip
    entry = {
        "kind": "s3", "url": kaapanas_minio.url, "bucket": "project-{project}",
        "auth": {"web_identity": {"password_grant": grant}},
    }  # fmt: skip
    return {project: Stores({"bucket": entry}, project).get("bucket") for project in ("demo", "other")}


def test_a_projects_user_has_all_it_needs_in_its_own_bucket(as_on_kaapana: dict[str, Store], tmp_path: Path) -> None:
    bucket = open_bucket(as_on_kaapana["demo"])
    (tmp_path / "large").write_bytes(bytes(17 << 20))
    bucket.write_file("features/a.parquet", tmp_path / "large")
    with bucket.lock("m"), bucket.checkout("state/m.sqlite") as copy:
        copy.write_bytes(b"manifest")
    assert bucket.exists("state/m.sqlite")
    assert not bucket.exists("state/other.sqlite")
    assert list(bucket.list()) == ["features/a.parquet", "state/m.sqlite"]
    bucket.delete("features/a.parquet")
    assert bucket.read("state/m.sqlite") == b"manifest"


def test_a_part_that_fails_is_told_though_the_others_may_not_be_cleared_away(
    as_on_kaapana: dict[str, Store], tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(bytes(17 << 20))
    with ObjectProxy(replace(as_on_kaapana["demo"], attempts=1)) as proxy:
        proxy.fault = lambda method, path: "busy" if "partNumber=2" in path else ""
        with pytest.raises(StoreFailedError, match="status 503"):
            open_bucket(proxy.store).write_file("features/b.parquet", tmp_path / "large")


def test_another_projects_bucket_is_closed(as_on_kaapana: dict[str, Store]) -> None:
    bucket = open_bucket(as_on_kaapana["other"])
    for call in (lambda: bucket.read("a"), lambda: bucket.write("a", b""), lambda: list(bucket.list())):
        with pytest.raises(LoginRefusedError, match="AccessDenied"):
            call()


def test_a_user_without_rights_gets_no_keys(as_on_kaapana: dict[str, Store], issuer: TokenIssuer) -> None:
    granted = issuer.claims["policy"]
    issuer.claims["policy"] = ["no_such_policy"]
    try:
        with pytest.raises(LoginRefusedError, match="gives no keys for this token"):
            open_bucket(as_on_kaapana["demo"]).read("a")
    finally:
        issuer.claims["policy"] = granted


def test_a_wrong_password_is_told_without_it(as_on_kaapana: dict[str, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAAPANA_PROJECT_USER_PASSWORD", "wrong-one")
    with pytest.raises(LoginRefusedError) as error:
        open_bucket(as_on_kaapana["demo"]).read("a")
    assert "wrong-one" not in str(error.value)
