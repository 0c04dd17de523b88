"""Resources with several writers: our part is united with what is there, and written under its version."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import orjson

from multimodal.fhirstore.bodies import SOURCE, WRITER, marked_meta, source_of, unversioned
from multimodal.fhirstore.merge import merge
from multimodal.fhirstore.writes import Merge, Merged, Write

_UNITED = ("profile", "security", "tag")


def merger(source: str) -> Merge:
    """Return the function that unites a contribution of `source` with the resource as it is."""

    def unite(write: Write, here: Mapping[str, Any] | None) -> Merged:
        ours = write.contribution()
        if here is None:
            return Merged(_sent(write, {**ours, "meta": _first_meta(write, ours, source)}, ""))
        before = None if write.before is None else orjson.loads(write.before)
        merged, kept = merge(here, ours, before)
        merged["meta"] = merged_meta(here.get("meta", {}), ours.get("meta", {}), source)
        warnings = [f"{write.reference}: {place} of another writer was kept" for place in kept]
        if _comparable(merged) == _comparable(here):
            return Merged(None, warnings)
        return Merged(_sent(write, merged, str(here.get("meta", {}).get("versionId", ""))), warnings)

    return unite


def remover(source: str, leaving: Container[str]) -> Merge:
    """Return a `merger` by which `source` is no writer any more of what is in `leaving` (references)."""
    unite = merger(source)

    def take_out(write: Write, here: Mapping[str, Any] | None) -> Merged:
        if write.reference not in leaving or here is None:
            return unite(write, here)
        merged, _ = merge(here, write.contribution(), orjson.loads(write.before or b"{}"))
        meta = unversioned(here)["meta"]
        meta["tag"] = [tag for tag in meta.get("tag", ()) if (tag.get("system"), tag.get("code")) != (WRITER, source)]
        merged["meta"] = {name: value for name, value in meta.items() if value}
        return Merged(_sent(write, merged, str(here.get("meta", {}).get("versionId", ""))))

    return take_out


def _first_meta(write: Write, ours: Mapping[str, Any], source: str) -> dict[str, Any]:
    return marked_meta(ours.get("meta", {}), write.resource_type, source)


def _sent(write: Write, resource: Mapping[str, Any], version: str) -> Write:
    return write._replace(body=orjson.dumps(resource), version=version)


def merged_meta(here: Mapping[str, Any], ours: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the union of both; the source stays that of the first writer, tags name all of them."""
    meta = unversioned({"meta": here})["meta"]
    for key in _UNITED:
        united = [*here.get(key, ()), *(value for value in ours.get(key, ()) if value not in here.get(key, ()))]
        if united:
            meta[key] = united
    made = marked_meta(meta, "Patient", source)
    first = source_of({"meta": here})
    made["source"] = SOURCE + first if first else here.get("source", "").partition("#")[0] or SOURCE + source
    return made


def _comparable(resource: Mapping[str, Any]) -> bytes:
    """Return the content that matters of `resource`, in one order; tags are a set."""
    meta = resource.get("meta", {})
    united = {
        key: sorted(orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in meta.get(key, ())) for key in _UNITED
    }
    body = {key: value for key, value in resource.items() if key != "meta"}
    flat = {key: [value.decode() for value in values] for key, values in united.items()}
    return orjson.dumps([body, flat], option=orjson.OPT_SORT_KEYS)
