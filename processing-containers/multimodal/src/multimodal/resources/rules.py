"""The rules of FHIR R4 for the resource types we write, read from ``r4_rules.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Rules:
    """Required elements, choice elements, required bindings and reference targets of one resource type."""

    required: tuple[tuple[str, ...], ...]
    one_of: tuple[tuple[str, ...], ...]
    codes: dict[tuple[str, ...], tuple[str, ...]]
    systems: dict[tuple[str, ...], str]
    references: dict[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class DatatypeRule:
    """Required binding of an element of a data type, under parents of these names (none: under any)."""

    element: str
    parents: tuple[str, ...]
    codes: tuple[str, ...]


@cache
def _loaded() -> tuple[dict[str, Rules], tuple[DatatypeRule, ...]]:
    content = tomllib.loads(files("multimodal.resources").joinpath("r4_rules.toml").read_text(encoding="utf-8"))
    datatypes = tuple(
        DatatypeRule(rule["element"], tuple(rule["parents"]), tuple(rule["codes"])) for rule in content.pop("datatype")
    )
    rules = {
        name: Rules(
            required=tuple(tuple(path.split(".")) for path in entry.get("required", ())),
            one_of=tuple(tuple(path.split(".")) for path in entry.get("one_of", ())),
            codes={tuple(path.split(".")): tuple(codes) for path, codes in entry.get("codes", {}).items()},
            systems={tuple(path.split(".")): uri for path, uri in entry.get("systems", {}).items()},
            references={tuple(path.split(".")): tuple(to) for path, to in entry.get("references", {}).items()},
        )
        for name, entry in content.items()
    }
    return rules, datatypes


def rules_of(resource_type: str) -> Rules | None:
    """Return the rules of a resource type, None for one we do not write."""
    return _loaded()[0].get(resource_type)


def datatype_rules() -> tuple[DatatypeRule, ...]:
    """Return the rules of data types."""
    return _loaded()[1]


def resource_types() -> tuple[str, ...]:
    """Return the resource types that have rules."""
    return tuple(_loaded()[0])


def allowed_codes(resource_type: str, path: str) -> tuple[str, ...]:
    """Return the codes of a required binding, e.g. of ``Patient`` ``gender``."""
    return _loaded()[0][resource_type].codes[tuple(path.split("."))]


def patient_element(resource_type: str) -> str:
    """Return the element that refers to the Patient whom a resource is about, empty where there is none."""
    return _referring(resource_type, ("subject", "patient", "individual"), "Patient")


def encounter_element(resource_type: str) -> str:
    """Return the element that refers to the Encounter in which a resource was made, empty where there is none."""
    return _referring(resource_type, ("encounter", "context"), "Encounter")


def _referring(resource_type: str, names: tuple[str, ...], target: str) -> str:
    references = _loaded()[0][resource_type].references
    return next((name for name in names if target in references.get((name,), ())), "")
