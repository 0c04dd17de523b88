"""Store profiles: what one kind of server can do and wants, as commented data files beside this module."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson
from ruamel.yaml import YAML

from multimodal.model.errors import ConfigurationError
from multimodal.transport.stores import Store
from multimodal.transport.tokens import TokenServices

_FOLDER = files("multimodal.dicomweb.profiles")


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of DICOMweb server; the fields are described in ``profile.schema.json``.

    Parameters
    ----------
    searchable : frozenset of str or None
        Keywords of the attributes that the server searches by; None for all.
    """

    name: str
    limit: int
    short_page_ends: bool
    empty_status: frozenset[int]
    encoding: str
    searchable: frozenset[str] | None
    accept: tuple[str, ...]
    accepts_instances: bool
    batch_bytes: int
    batch_instances: int
    rendered: bool = False
    thumbnail: bool = False
    delete: str = "none"
    max_offset: int | None = None
    idc: bool = False
    orthanc: bool = False
    logins: tuple[str, ...] = ()
    token_headers: tuple[str, ...] = ()
    services: TokenServices = field(default_factory=TokenServices)


def profile_names() -> list[str]:
    """Return the names of the profiles that exist."""
    return sorted(file.name.removesuffix(".yaml") for file in _FOLDER.iterdir() if file.name.endswith(".yaml"))


@cache
def load_profile(name: str) -> Profile:
    """Return the profile `name`.

    Raises
    ------
    ConfigurationError
        If there is none of that name, or it is not as its schema says.
    """
    return _profile(_content(name), f"{name}.yaml")


def profile_of(store: Store) -> Profile:
    """Return the profile of a store, with what its ``profile_settings`` say instead.

    Raises
    ------
    ConfigurationError
        If there is no such profile, or the settings are none of a profile.
    """
    if not store.profile_settings:
        return load_profile(store.profile)
    content = _content(store.profile)
    for section, settings in store.profile_settings.items():
        content[section] = {**content.get(section, {}), **settings}
    return _profile(content, f"profile_settings of the store {store.name}")


def _content(name: str) -> dict[str, Any]:
    if name not in profile_names():
        raise ConfigurationError(f"no store profile named {name!r}; there are: {', '.join(profile_names())}")
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(_FOLDER.joinpath(f"{name}.yaml").read_text("utf-8"))
    return content


def _profile(content: dict[str, Any], origin: str) -> Profile:
    schema = orjson.loads(_FOLDER.joinpath("profile.schema.json").read_bytes())
    for problem in jsonschema_rs.validator_for(schema).iter_errors(content):
        where = "/".join(str(part) for part in problem.instance_path) or "top level"
        raise ConfigurationError(f"{where}: {problem.message}", file=origin)
    query, login = content["query"], content["login"]
    return Profile(
        name=content["profile"],
        limit=query["limit"],
        short_page_ends=query["short_page_ends"],
        empty_status=frozenset(query["empty_status"]),
        encoding=query["encoding"],
        searchable=None if query["searchable"] == "any" else frozenset(query["searchable"]),
        accept=tuple(content["retrieve"]["accept"]),
        accepts_instances=content["store"]["accepts"],
        batch_bytes=content["store"]["batch_bytes"],
        batch_instances=content["store"]["batch_instances"],
        rendered=content["retrieve"]["rendered"],
        thumbnail=content["retrieve"]["thumbnail"],
        delete=content["store"].get("delete", "none"),
        max_offset=query.get("max_offset"),
        idc=query.get("index") == "idc",
        orthanc=query.get("index") == "orthanc",
        logins=tuple(login["kinds"]),
        token_headers=tuple(login.get("token_headers", ())),
        services=TokenServices(login.get("token_url", ""), login.get("metadata_url", ""), login.get("scope", "")),
    )
