"""The allow-list: every remote system has one name, and only names travel through forms and mappings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from multimodal.model.errors import ConfigurationError
from multimodal.model.schema_words import worded
from multimodal.transport.budget import DailyLimit, size_in_bytes
from multimodal.transport.errors import UnknownStoreError

__all__ = ["Auth", "Store", "Stores", "UnknownStoreError", "load_stores"]

_SCHEMA = orjson.loads(files("multimodal.transport").joinpath("stores.schema.json").read_bytes())
_MASK = "the value"
_WITH_PROJECT = ("url", "path", "index", "bucket")
# What may replace {project}: nothing that could end a host name, a path segment or an index name early.
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_S3_LOGINS = frozenset({"keys", "web-identity"})
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")  # as S3 names buckets


@dataclass(frozen=True, slots=True)
class Auth:
    """How to log in: a user and a reference to the secret, resolved only when a call is made.

    Attributes
    ----------
    scheme, reference, source : str
        The kind of login; the variable or file that holds its secret; ``env``, ``file`` or ``none``.
    user : str
        User or client id.
    token_url, scope : str
        Of the service that gives out tokens.
    user_reference : str
        The variable or file that holds the user, where the stores file does not name it.
    inner : Auth, optional
        The login that another one begins with: the token of ``web_identity``, the user of ``password_grant``.
    """

    scheme: str
    reference: str
    source: str
    user: str = ""
    token_url: str = ""
    scope: str = ""
    user_reference: str = ""
    inner: Auth | None = None

    def user_of(self, store: str) -> str:
        """Return the user, read where `user_reference` says, as `secret` is."""
        return replace(self, reference=self.user_reference).secret(store) if self.user_reference else self.user

    def secret(self, store: str) -> str:
        """Return the secret that `reference` names.

        Raises
        ------
        ConfigurationError
            If the environment variable is unset, the file is unreadable, or what is there cannot be sent.
        """
        if self.source == "env":
            value = os.environ.get(self.reference, "").strip()
            if not value:
                raise ConfigurationError(f"store {store}: set the environment variable {self.reference} to its secret")
        else:
            value = _read_secret(store, self.reference)
        # Checked here, since the HTTP library would quote the secret in its own complaint.
        if not value.isprintable() or (self.scheme == "bearer" and not value.isascii()):
            raise ConfigurationError(f"store {store}: the secret in {self.reference} holds characters that none has")
        return value


@dataclass(frozen=True, slots=True)
class Store:
    """One remote system (or folder) of the stores file, with `{project}` already filled in."""

    name: str
    kind: str
    url: str = ""
    path: str = ""
    index: str = ""
    bucket: str = ""
    region: str = ""
    profile: str = "generic"
    profile_settings: Mapping[str, Mapping[str, Any]] | None = field(default=None, hash=False)
    index_file: str = ""
    patient_system: str = ""
    pseudonym_key_env: str = ""
    date_shift_days: int = 0
    ca_file: str | None = None
    proxy: str | None = None
    timeout: float = 60.0
    attempts: int = 5
    retry_seconds: float = 120.0
    answer_seconds: float = 300.0
    connections: int = 8
    budget: DailyLimit | None = None
    auth: Auth | None = field(default=None, repr=False)


class Stores:
    """The stores of one stores file.

    Parameters
    ----------
    entries : mapping
        The ``stores`` object of the file.
    project : str
        Fills ``{project}`` in addresses, paths, index names and bucket names.
    """

    def __init__(self, entries: Mapping[str, Any], project: str = "default") -> None:
        self._stores = {name: _store(name, entry, project) for name, entry in entries.items()}

    def __iter__(self) -> Iterator[Store]:
        return iter(self._stores.values())

    def get(self, name: str, kind: str | None = None) -> Store:
        """Return the store `name`, which must be of `kind` where one is given.

        Raises
        ------
        UnknownStoreError
            If the file has no such store.
        """
        store = self._stores.get(name)
        if store is None or (kind is not None and store.kind != kind):
            known = [s.name for s in self if kind is None or s.kind == kind]
            raise UnknownStoreError(name, kind, known)
        return store


def load_stores(file: Path | None = None, *, project: str = "default") -> Stores:
    """Read the stores file.

    Parameters
    ----------
    file : Path, optional
        Where none is given: ``MULTIMODAL_STORES_YAML`` (the text itself), ``MULTIMODAL_STORES`` (a path),
        ``stores.yaml`` in the working directory.
    project : str
        Fills ``{project}``.

    Raises
    ------
    ConfigurationError
        If there is no such file, or it is not as its schema says.
    """
    text, origin = _read(file)
    content = _parse(text, origin)
    # Values are masked: somebody may have put the secret itself where its name belongs.
    validator = jsonschema_rs.validator_for(_SCHEMA, mask=_MASK)
    try:
        problem = next(iter(validator.iter_errors(content)), None)
    except ValueError as error:  # a key that is no text, or a value that JSON does not know
        raise ConfigurationError("keys and values must be plain texts, numbers and lists", file=origin) from error
    if problem is not None:
        finding = worded(problem, _SCHEMA, mask=_MASK)
        where = "/".join(str(part) for part in finding.place) or "top level"
        raise ConfigurationError(f"{where}: {finding.text}", file=origin)
    return Stores(content["stores"], project)


def _parse(text: str, origin: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = "the same key twice" if isinstance(error, DuplicateKeyError) else str(error.problem)
        # No `from`: the cause quotes the file's lines, which may hold what should not be shown.
        raise ConfigurationError(problem, file=origin, line=line, column=column) from None
    except YAMLError:
        raise ConfigurationError("holds characters that YAML does not allow", file=origin) from None


def _read(file: Path | None) -> tuple[str, str]:
    text = os.environ.get("MULTIMODAL_STORES_YAML")
    if file is None and text:
        return text, "MULTIMODAL_STORES_YAML"
    path = file or Path(os.environ.get("MULTIMODAL_STORES") or "stores.yaml")
    try:
        return path.read_text(encoding="utf-8-sig"), str(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the stores file ({error.strerror}); name it with --stores or MULTIMODAL_STORES", file=path
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8 text", file=path) from error


def _read_secret(store: str, file: str) -> str:
    try:
        value = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"store {store}: cannot read its secret file {file}: {reason}") from None
    if not value:
        raise ConfigurationError(f"store {store}: its secret file {file} is empty")
    return value


def _store(name: str, entry: Mapping[str, Any], project: str) -> Store:
    filled = dict(entry)
    for key in _WITH_PROJECT:
        if key in filled:
            filled[key] = _with_project(name, key, filled[key], project)
    filled["auth"] = auth = _auth(entry.get("auth"))
    if (entry["kind"] == "s3") != (auth is not None and auth.scheme in _S3_LOGINS):
        raise ConfigurationError(f"store {name}: kind s3 logs in with keys_env, keys_file or web_identity, and only it")
    if "url" in filled:
        filled["url"] = filled["url"].rstrip("/")
    if budget := entry.get("budget"):
        most = budget.get("bytes_per_day")
        filled["budget"] = DailyLimit(
            None if most is None else size_in_bytes(most), budget.get("requests_per_day"), budget.get("state_file")
        )
    pseudonyms = filled.pop("pseudonyms", {})
    filled["pseudonym_key_env"] = pseudonyms.get("key_env", "")
    filled["date_shift_days"] = pseudonyms.get("date_shift_days", 0)
    return Store(name=name, **filled)


def _with_project(store: str, key: str, text: str, project: str) -> str:
    if "{project}" in text and not _PROJECT.fullmatch(project):
        raise ConfigurationError(
            f"project {project[:80]!r} cannot be part of the {key} of store {store}: "
            "only letters, digits, - and _, at most 63, the first a letter or digit"
        )
    filled = text.replace("{project}", project)
    if key == "bucket" and not _BUCKET.fullmatch(filled):
        raise ConfigurationError(
            f"store {store}: {filled[:80]!r} is no name of a bucket: 3 to 63 small letters, digits and -"
        )
    if key == "url" and set("{}") & set(filled):
        raise ConfigurationError(f"store {store}: its url has a placeholder other than {{project}}")
    return filled


def _auth(entry: Mapping[str, Any] | None) -> Auth | None:
    if entry is None:
        return None
    if basic := entry.get("basic"):
        source = "env" if "password_env" in basic else "file"
        return Auth("basic", basic[f"password_{source}"], source, basic["user"])
    if google := entry.get("google"):
        if "key_file" in google:
            return Auth("google-key", google["key_file"], "file")
        return Auth("google-metadata", "", "none")
    if client := entry.get("client_credentials"):
        return _client("client-credentials", client)
    if grant := entry.get("password_grant"):
        source = "env" if "password_env" in grant else "file"
        user = Auth(
            "user", grant[f"password_{source}"], source, grant.get("user", ""),
            user_reference=grant.get(f"user_{source}", ""),
        )  # fmt: skip
        return replace(_client("password-grant", grant), inner=user)
    if identity := entry.get("web_identity"):
        return Auth("web-identity", "", "none", inner=_auth(identity))
    if "keys_env" in entry or "keys_file" in entry:
        source = "env" if "keys_env" in entry else "file"
        user, secret = entry[f"keys_{source}"]
        return Auth("keys", secret, source, user_reference=user)
    scheme = "token" if "token_env" in entry or "token_file" in entry else "bearer"
    source = "env" if f"{scheme}_env" in entry else "file"
    return Auth(scheme, entry[f"{scheme}_{source}"], source)


def _client(scheme: str, entry: Mapping[str, Any]) -> Auth:
    """Return the login of an OAuth2 client."""
    source = "env" if "secret_env" in entry else "file" if "secret_file" in entry else "none"
    secret = entry.get(f"secret_{source}", "")
    return Auth(scheme, secret, source, entry["client_id"], entry["token_url"], entry.get("scope", ""))
