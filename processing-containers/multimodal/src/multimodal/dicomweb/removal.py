"""Takes one series out of a store, in the way that the store's profile names: the standard has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from multimodal.dicomweb.errors import UnexpectedAnswerError
from multimodal.dicomweb.profiles import Profile, profile_of
from multimodal.model.errors import ConfigurationError
from multimodal.model.references import SeriesRef
from multimodal.transport.session import HttpSession, LoginRefusedError
from multimodal.transport.stores import Store

_GONE = frozenset({404, 410})
_REJECTED = "reject/113001%5EDCM"  # Rejected for Quality Reasons (PS3.16 CID 7011), after which dcm4chee deletes


def remove_series(store: Store, ref: SeriesRef, *, project: str = "") -> None:
    """Delete a series; nothing happens where the store has none such.

    Parameters
    ----------
    store : Store
        Of the kind ``dicomweb``.
    project : str
        Id of the Kaapana project whose copy is meant; the archive keeps a series that another project has too.

    Raises
    ------
    ConfigurationError
        If the store's profile names no way, or its address is not one that it works with.
    RemoteError
        If the store refuses or does not answer.
    """
    profile = profile_of(store)
    if profile.delete == "none":
        raise ConfigurationError(
            f"{store.name}: the profile {profile.name} knows no way to delete a series; remove it in the archive itself"
        )
    {"dicomweb": _by_dicomweb, "orthanc": _in_orthanc, "kaapana": _in_kaapana, "dcm4chee": _in_dcm4chee}[
        profile.delete
    ](store, profile, ref, project)


def _by_dicomweb(store: Store, profile: Profile, ref: SeriesRef, _: str) -> None:
    with _session(store, profile) as session:
        session.request("DELETE", _path(ref), expect=_GONE)


def _in_orthanc(store: Store, profile: Profile, ref: SeriesRef, _: str) -> None:
    """Delete by Orthanc's own REST API, which lies beside its DICOMweb plugin."""
    with _session(_above(store, "/dicom-web"), profile) as session:
        answer = session.request("POST", "tools/lookup", data=ref.series_uid.encode())
        for found in _json(store, answer.content):
            if found.get("Type") != "Series":
                continue
            path = f"series/{found['ID']}"
            study = _json(store, session.request("GET", f"{path}/study").content)
            if study["MainDicomTags"].get("StudyInstanceUID") == ref.study_uid:
                session.request("DELETE", path, expect=_GONE)


def _in_kaapana(store: Store, profile: Profile, ref: SeriesRef, project: str) -> None:
    """Take the series from one project; the filter deletes it from the archive where no other project has it."""
    if not project:
        raise ConfigurationError(f"{store.name}: a series is deleted for one project of Kaapana; the run names none")
    with _session(store, profile) as session:
        answer = session.request("DELETE", f"projects/{project}/{_path(ref)}", expect=_GONE | {403})
    if answer.status_code == 403 and b"not mapped" not in answer.content:
        raise LoginRefusedError(store.name, "this login may not delete series of the project (403)", status=403)


def _in_dcm4chee(store: Store, profile: Profile, ref: SeriesRef, _: str) -> None:
    """Reject the series, then delete what is rejected."""
    with _session(store, profile) as session:
        session.request("POST", f"{_path(ref)}/{_REJECTED}", expect=_GONE)
    with _session(_above(store, "/aets/"), profile) as session:
        session.request("DELETE", _REJECTED, expect=_GONE)


def _session(store: Store, profile: Profile) -> HttpSession:
    return HttpSession(store, services=profile.services, token_headers=profile.token_headers)


def _path(ref: SeriesRef) -> str:
    return f"studies/{ref.study_uid}/series/{ref.series_uid}"


def _above(store: Store, end: str) -> Store:
    """Return `store` with the part of its address before `end`, where its own API lies."""
    base, found, _ = store.url.rpartition(end)
    if not found:
        raise ConfigurationError(f"store {store.name}: its url has no {end}, so that series cannot be deleted there")
    return replace(store, url=base)


def _json(store: Store, content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise UnexpectedAnswerError(store.name, "the answer about a series to delete is no JSON") from None
