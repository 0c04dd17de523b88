"""The software that measured, with its settings, as a FHIR Device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from multimodal.model.ids import resource_id
from multimodal.resources.systems import RADIOMICS_CONFIGURATION, RADIOMICS_SETTING, UCUM
from multimodal.terminology.radiomics_codes import IBSI_SYSTEM

# Settings that IBSI has a code for (reference manual 2.7), by their names in a profile.
_IBSI_SETTINGS = {
    "discretisation.width": ("Q3RU", "Fixed bin size"),
    "discretisation.count": ("K15C", "Fixed bin number"),
}


def device_id(engine: str, version: str, settings_sha256: str) -> str:
    """Return the id of the Device that stands for one engine version with one set of settings."""
    return resource_id("Device", engine, version, settings_sha256)


def device(
    engine: str, version: str, settings_sha256: str, settings: Mapping[str, Any], *, profile: str = ""
) -> dict[str, Any]:
    """Return the `Device <https://hl7.org/fhir/R4/device.html>`_ of a radiomics engine and its settings.

    Parameters
    ----------
    engine, version : str
        E.g. ``pyradiomics``, ``3.0.1``.
    settings_sha256 : str
        Hash of the settings: the Device's identifier, and part of the identity of each measurement.
    settings : mapping
        Each becomes a property; nested ones are named ``outer.inner``.
    profile : str
        Name of the settings file, for people.
    """
    names = [{"name": engine, "type": "model-name"}]
    if profile:
        names.append({"name": f"{engine} with {profile}", "type": "user-friendly-name"})
    properties = [_property(name, value) for name, value in sorted(_flat(settings))]
    return {
        "resourceType": "Device",
        "id": device_id(engine, version, settings_sha256),
        "identifier": [{"system": RADIOMICS_CONFIGURATION, "value": f"sha256:{settings_sha256}"}],
        "deviceName": names,
        "type": {"text": "Radiomics feature extractor"},
        "version": [{"value": version}],
        **({"property": properties} if properties else {}),  # a FHIR list is never empty
    }


def _flat(settings: Mapping[str, Any], outer: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in settings.items():
        name = f"{outer}.{key}" if outer else str(key)
        if isinstance(value, Mapping) and value:
            found += _flat(value, name)
        else:
            found.append((name, value))
    return found


def _property(name: str, value: Any) -> dict[str, Any]:
    coding = [{"system": RADIOMICS_SETTING, "code": name}]
    if ibsi := _IBSI_SETTINGS.get(name):
        coding.insert(0, {"system": IBSI_SYSTEM, "code": ibsi[0], "display": ibsi[1]})
    found: dict[str, Any] = {"type": {"coding": coding}}
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        found["valueQuantity"] = [{"value": value, "system": UCUM, "code": "1"}]
    else:
        found["valueCode"] = [{"text": _words(value)}]
    return found


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "default"
    if isinstance(value, list | tuple):
        return ", ".join(_words(one) for one in value) or "none"
    return "none" if value is None or value == "" else str(value)
