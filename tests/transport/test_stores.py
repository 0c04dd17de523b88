"""The stores file: found in its order, checked, without secrets in any message."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.model.errors import ConfigurationError
from multimodal.transport.budget import DailyLimit
from multimodal.transport.stores import Auth, Stores, UnknownStoreError, load_stores

GOOD = """
stores:
  pacs: {kind: dicomweb, profile: orthanc, url: "http://pacs:8042/{project}/dicom-web/", patient_system: urn:p,
         auth: {basic: {user: demo, password_env: PACS_PASSWORD}}}
  clinical: {kind: fhir, url: http://fhir/fhir, auth: {bearer_file: /secrets/token}}
  search: {kind: opensearch, url: http://search:9200, index: "project_{project}"}
  bucket: {kind: folder, path: "/data/{project}"}
"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MULTIMODAL_STORES_YAML", "MULTIMODAL_STORES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def loaded(text: str, project: str = "default") -> Stores:
    file = Path("given.yaml")
    file.write_text(text, encoding="utf-8")
    return load_stores(file, project=project)


def test_a_good_file() -> None:
    stores = loaded(GOOD, project="demo-1")
    pacs = stores.get("pacs", "dicomweb")
    assert pacs.url == "http://pacs:8042/demo-1/dicom-web"
    assert stores.get("search").index == "project_demo-1"
    assert stores.get("bucket").path == "/data/demo-1"
    assert stores.get("clinical").auth == Auth("bearer", "/secrets/token", "file")
    assert [store.name for store in stores] == ["pacs", "clinical", "search", "bucket"]


def test_logins_and_budgets_of_clouds() -> None:
    text = """
stores:
  a: {kind: dicomweb, url: http://x, patient_system: urn:p, auth: {google: {key_file: /k.json}}, connections: 2}
  b: {kind: dicomweb, url: http://x, patient_system: urn:p, auth: {google: {workload_identity: true}}}
  c: {kind: dicomweb, url: http://x, patient_system: urn:p, budget: {bytes_per_day: 20GB, state_file: /s},
      auth: {client_credentials: {token_url: http://t/token, client_id: me, secret_env: S, scope: d}}}
  d: {kind: dicomweb, profile: google-folder, path: "/data/{project}", patient_system: urn:p}
"""
    stores = loaded(text)
    assert stores.get("a").auth == Auth("google-key", "/k.json", "file")
    assert stores.get("a").connections == 2
    assert stores.get("b").auth == Auth("google-metadata", "", "none")
    assert stores.get("c").auth == Auth("client-credentials", "S", "env", "me", "http://t/token", "d")
    assert stores.get("c").budget == DailyLimit(20_000_000_000, None, "/s")
    assert stores.get("d").path == "/data/default"


def test_it_is_looked_for_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        return [store.name for store in load_stores()]

    with pytest.raises(ConfigurationError, match=r"stores\.yaml: cannot read.*--stores"):
        load_stores()
    one = "stores: {%s: {kind: folder, path: /x}}"
    Path("stores.yaml").write_text(one % "here")
    assert names() == ["here"]
    Path("other.yaml").write_text(one % "path")
    monkeypatch.setenv("MULTIMODAL_STORES", "other.yaml")
    assert names() == ["path"]
    monkeypatch.setenv("MULTIMODAL_STORES_YAML", one % "text")
    assert names() == ["text"]
    assert [store.name for store in load_stores(Path("stores.yaml"))] == ["here"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    stores = loaded(GOOD)
    with pytest.raises(UnknownStoreError, match=r"no dicomweb store named 'clinical'.* it has: pacs$") as caught:
        stores.get("clinical", "dicomweb")
    assert caught.value.known == ["pacs"]


@pytest.mark.parametrize(
    "project",
    [
        "../other",
        "a/b",
        "a.evil.org",
        "a?x=",
        "a#",
        "a@host",
        "a:1",
        "a b",
        "",
        "-a",
        "a\n",
        "ä",
        "a" * 64,
        "{project}",
    ],
)
def test_a_project_that_would_change_an_address_is_refused(project: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be part of"):
        loaded(GOOD, project=project)


def test_a_project_is_not_looked_at_where_nothing_asks_for_it() -> None:
    assert loaded("stores: {a: {kind: folder, path: /x}}", project="../b").get("a").path == "/x"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stores: {a: {kind: fhir}}", '"url" is a required property'),
        ("stores: {a: {kind: dicomweb, url: http://x}}", '"patient_system" is a required'),
        ("stores: {a: {kind: opensearch, url: http://x}}", '"index" is a required'),
        ("stores: {a: {kind: folder}}", '"path" is a required'),
        ("stores: {a: {kind: fhir, url: http://x, budget: {bytes_per_day: 3 apples}}}", "bytes_per_day"),
        ("stores: {a: {kind: fhir, url: http://x, auth: {google: {}}}}", "google"),
        (
            "stores: {a: {kind: fihr, url: http://x}}",
            "stores/a/kind: the value is none of dicomweb, fhir, opensearch, redcap, folder, .*; did you mean 'fhir'",
        ),
        ("stores: {a: {kind: ftp, url: http://x}}", "stores/a/kind: .* redcap, folder, s3"),
        ("stores: {a: {kind: fhir, urll: http://x}}", "'urll' was unexpected.*did you mean 'url'"),
        (
            "stores: {a: {kind: fhir, url: http://x, auth: {basic: {user: u}}}}",
            'basic: "password_env" is a required property; or "password_file" is a required property$',
        ),
        (
            "stores: {a: {kind: fhir, url: http://x, auth: {basic: {user: u, password_env: A, password_file: b}}}}",
            "keys of several alternatives",
        ),
        ("stores: {a: {kind: fhir, url: ftp://x}}", "stores/a/url"),
        ("stores: {a: {kind: fhir, url: 'http://x/{user}'}}", "placeholder"),
        ("stores: {a: {kind: fhir, url: http://x, bogus: 1}}", "bogus"),
        ("stores: {A_b: {kind: fhir, url: http://x}}", 'stores: "A_b"'),
        ("stores: []", "not of type"),
        ("", "top level"),
        ("stores:\n  a: {kind: fhir\n  b", r"given\.yaml:3:\d+"),
        (
            "stores:\n  a: {kind: folder, path: /x}\n  a: {kind: folder, path: /y}",
            r"given\.yaml:3:3: the same key twice",
        ),
        ("stores: {a: {kind: folder, path: 2024-01-01}}", r"given\.yaml"),
        ("1: 2", r"given\.yaml"),
        ("stores: \x01", r"given\.yaml"),
    ],
)
def test_a_mistake_is_placed(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        loaded(text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text() -> None:
    Path("given.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_stores(Path("given.yaml"))


@pytest.mark.parametrize(
    "line",
    [
        "url: http://x, auth: {basic: {user: u, password: hunter2}}",
        "url: http://x, auth: {bearer: hunter2}",
        "url: http://x, auth: hunter2",
        "url: http://u:hunter2@x",
        "url: http://x, kind: hunter2",
        "url: http://x, proxy: http://u:hunter2@proxy",
        "url: http://x, auth: {bearer_env: {a: hunter2}}",
        "url: http://x, url: hunter2",
        "url: http://x?token=hunter2",
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(f"stores: {{a: {{{line if 'kind:' in line else 'kind: fhir, ' + line}}}}}")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_secret_comes_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN", "from-env\n")
    assert Auth("bearer", "TOKEN", "env").secret("s") == "from-env"
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert Auth("bearer", str(file), "file").secret("s") == "from-file"


@pytest.mark.parametrize("value", ["", "  ", "two\nlines", "nul\0", "b\x1bl"])
def test_a_secret_that_cannot_be_sent_is_refused_and_not_repeated(value: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(value)
    with pytest.raises(ConfigurationError, match="store s") as caught:
        Auth("basic", str(file), "file", "u").secret("s")
    assert not value.strip() or value not in str(caught.value)


@pytest.mark.parametrize("auth", [Auth("bearer", "NOT_SET_ANYWHERE", "env"), Auth("bearer", "/not/there", "file")])
def test_a_secret_that_is_missing_is_named(auth: Auth) -> None:
    with pytest.raises(ConfigurationError, match=auth.reference):
        auth.secret("s")


def test_the_login_does_not_show_in_repr() -> None:
    assert "PACS_PASSWORD" not in repr(loaded(GOOD).get("pacs"))


S3 = """
stores:
  keys: {kind: s3, url: http://minio:9000/, bucket: "project-{project}", auth: {keys_env: [KEY, SECRET]}}
  files: {kind: s3, url: http://minio:9000, bucket: b-1, region: garage, auth: {keys_file: [/s/key, /s/secret]}}
  token: {kind: s3, url: http://minio:9000, bucket: b-1, auth: {web_identity: {bearer_file: /s/token}}}
  kaapana: {kind: s3, url: http://minio:9000, bucket: b-1, auth: {web_identity: {password_grant: {
    token_url: http://k/token, client_id: kaapana, secret_env: C, user_env: U, password_env: P}}}}
"""


def test_logins_of_object_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = loaded(S3, project="demo")
    keys = stores.get("keys")
    assert (keys.url, keys.bucket, keys.region) == ("http://minio:9000", "project-demo", "")
    assert keys.auth == Auth("keys", "SECRET", "env", user_reference="KEY")
    monkeypatch.setenv("KEY", "me")
    assert keys.auth.user_of("keys") == "me"
    assert stores.get("files").auth == Auth("keys", "/s/secret", "file", user_reference="/s/key")
    assert stores.get("token").auth == Auth("web-identity", "", "none", inner=Auth("bearer", "/s/token", "file"))
    user = Auth("user", "P", "env", user_reference="U")
    grant = Auth("password-grant", "C", "env", "kaapana", "http://k/token", inner=user)
    assert stores.get("kaapana").auth == Auth("web-identity", "", "none", inner=grant)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{kind: s3, url: http://x, bucket: b-1}", "store a: kind s3 logs in with keys_env"),
        ("{kind: s3, url: http://x, bucket: b-1, auth: {bearer_env: T}}", "store a: kind s3 logs in with keys_env"),
        ("{kind: fhir, url: http://x, auth: {keys_env: [A, B]}}", "and only it"),
        ("{kind: s3, url: http://x, auth: {keys_env: [A, B]}}", "bucket"),
        ("{kind: s3, url: http://x, bucket: No_Bucket, auth: {keys_env: [A, B]}}", "'No_Bucket' is no name"),
        ("{kind: s3, url: http://x, bucket: b-1, auth: {keys_env: [A]}}", "keys_env"),
    ],
)
def test_object_stores_that_cannot_be(entry: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        loaded(f"stores: {{a: {entry}}}")
