"""The allow-list: every remote system has one name, and only names travel through forms and mappings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from multimodal.model.errors import ConfigurationError

_SCHEMA = orjson.loads(files("multimodal.transport").joinpath("stores.schema.json").read_bytes())


class UnknownStoreError(ConfigurationError):
    """A name that the stores file does not list, or lists as another kind."""

    def __init__(self, name: str, kind: str | None, known: list[str]) -> None:
        self.name = name
        self.kind = kind
        self.known = known
        wanted = f"{kind} store" if kind else "store"
        super().__init__(f"no {wanted} named {name!r} in the stores file; it has: {', '.join(known) or 'none'}")


@dataclass(frozen=True, slots=True)
class Auth:
    """How to log in: a user and a reference to the secret, resolved only when a call is made."""

    scheme: str
    reference: str
    source: str
    user: str = ""

    def secret(self, store: str) -> str:
        """Return the secret that `reference` names.

        Raises
        ------
        ConfigurationError
            If the environment variable is unset or the file is unreadable.
        """
        if self.source == "env":
            value = os.environ.get(self.reference)
            if not value:
                raise ConfigurationError(f"store {store}: set the environment variable {self.reference} to its secret")
            return value
        try:
            return Path(self.reference).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(
                f"store {store}: cannot read its secret file {self.reference}: {error.strerror}"
            ) from error


@dataclass(frozen=True, slots=True)
class Store:
    """One remote system (or folder) of the stores file, with `{project}` already filled in."""

    name: str
    kind: str
    url: str = ""
    path: str = ""
    index: str = ""
    profile: str = "generic"
    patient_system: str = ""
    ca_file: str | None = None
    proxy: str | None = None
    timeout: float = 60.0
    attempts: int = 5
    retry_seconds: float = 120.0
    auth: Auth | None = field(default=None, repr=False)


class Stores:
    """The stores of one stores file.

    Parameters
    ----------
    entries : mapping
        The ``stores`` object of the file.
    project : str
        Fills ``{project}`` in addresses, paths and index names.
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
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigurationError(
            str(error.problem),
            file=origin,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from error
    for problem in jsonschema_rs.validator_for(_SCHEMA).iter_errors(content):
        where = "/".join(str(part) for part in problem.instance_path) or "top level"
        raise ConfigurationError(f"{where}: {problem.message}", file=origin)
    return Stores(content["stores"], project)


def _read(file: Path | None) -> tuple[str, str]:
    text = os.environ.get("MULTIMODAL_STORES_YAML")
    if file is None and text:
        return text, "MULTIMODAL_STORES_YAML"
    path = file or Path(os.environ.get("MULTIMODAL_STORES") or "stores.yaml")
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the stores file ({error.strerror}); name it with --stores or MULTIMODAL_STORES", file=path
        ) from error


def _store(name: str, entry: Mapping[str, Any], project: str) -> Store:
    filled: dict[str, Any] = {
        key: value.replace("{project}", project) if isinstance(value, str) else value for key, value in entry.items()
    }
    filled["auth"] = _auth(entry.get("auth"))
    if "url" in filled:
        filled["url"] = filled["url"].rstrip("/")
    return Store(name=name, **filled)


def _auth(entry: Mapping[str, Any] | None) -> Auth | None:
    if entry is None:
        return None
    if basic := entry.get("basic"):
        source = "env" if "password_env" in basic else "file"
        return Auth("basic", basic[f"password_{source}"], source, basic["user"])
    source = "env" if "bearer_env" in entry else "file"
    return Auth("bearer", entry[f"bearer_{source}"], source)
