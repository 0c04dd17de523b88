"""Translation tables from and to FHIR R4 ConceptMap resources (https://hl7.org/fhir/R4/conceptmap.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from multimodal.model.errors import ConfigurationError
from multimodal.model.ids import resource_id
from multimodal.terminology.concepts import Concept, ConceptError, check_code, codeable
from multimodal.terminology.translation import (
    EQUIVALENCES,
    WITHOUT_TARGET,
    Otherwise,
    Translation,
    TranslationTable,
    join,
)

# What a table says and a ConceptMap has no element for.
_EXTENSIONS = "https://kaapana-multimodal.github.io/fhir/StructureDefinition/"
_OTHERWISE = _EXTENSIONS + "translation-table-otherwise"
_IGNORE_CASE = _EXTENSIONS + "translation-table-ignore-case"
# cmd-1 asks for a comment on what is narrower or inexact.
_NO_COMMENT = "(no comment in the table)"
_CODE = re.compile(r"[^\s]+(\s[^\s]+)*")

Json = dict[str, Any]


def concept_map_of(table: TranslationTable, *, mapping_id: str, name: str = "") -> Json:
    """Return a translation table as a FHIR R4 ConceptMap; the same table always gives the same resource.

    `read_concept_map` reads it back; the codings of one meaning may then stand in another order.

    Parameters
    ----------
    table : TranslationTable
        The table.
    mapping_id : str
        Id of its mapping: part of the resource's id and url.
    name : str
        For a table that stands in its column and has no name: the column's.

    Raises
    ------
    ConfigurationError
        If a source value cannot be a FHIR code: it is empty, or has blanks at its ends or several together.
    """
    name = table.name or name
    made: Json = {
        "resourceType": "ConceptMap",
        "id": resource_id("ConceptMap", mapping_id, name),
        "url": f"urn:multimodal:{mapping_id}:table:{name}",
        "name": "".join(word[:1].upper() + word[1:] for word in re.findall("[A-Za-z0-9]+", f"table {name}")),
        "title": f"{name} ({mapping_id})",
        "status": "active",
    }
    extensions: list[Json] = []
    if isinstance(table.otherwise, tuple):
        extensions.append({"url": _OTHERWISE, "valueCodeableConcept": codeable(*table.otherwise)})
    elif table.otherwise != "error":
        extensions.append({"url": _OTHERWISE, "valueCode": table.otherwise})
    if table.ignore_case:
        extensions.append({"url": _IGNORE_CASE, "valueBoolean": True})
    groups = _groups(table)
    return made | ({"extension": extensions} if extensions else {}) | ({"group": groups} if groups else {})


def _groups(table: TranslationTable) -> list[Json]:
    """Return one group for each target code system and version, in the order in which the table names them."""
    groups: dict[tuple[str, str], Json] = {}
    for source, into, target in _targets(table):
        group = groups.setdefault(into, {"element": {}})
        group["element"].setdefault(source, []).append(target)
    made = []
    for (system, version), group in groups.items():
        named = (("source", table.source_system), ("target", system), ("targetVersion", version))
        head = {name: text for name, text in named if text}
        elements = [{"code": source, "target": targets} for source, targets in group["element"].items()]
        made.append({**head, "element": elements, **_unmapped(table.otherwise, system, version)})
    return made


def _targets(table: TranslationTable) -> Iterator[tuple[str, tuple[str, str], Json]]:
    for source, entry in table.entries.items():
        _check_code(source)
        for one in (entry, *entry.also):
            yield source, _system(one), _target(one)
    first = next((_system(entry) for entry in table.entries.values()), ("", ""))
    for source, comment in table.unmatched.items():
        _check_code(source)
        yield source, first, {"equivalence": "unmatched", **({"comment": comment} if comment else {})}


def _system(entry: Translation) -> tuple[str, str]:
    target = entry.target
    return (target.system, target.version) if isinstance(target, Concept) else ("", "")


def _check_code(source: str) -> None:
    if _CODE.fullmatch(source) is None:
        raise ConfigurationError(f"the source value {source!r} cannot stand in a ConceptMap: it is no FHIR code")


def _target(one: Translation) -> Json:
    if isinstance(one.target, Concept):
        made = {"code": one.target.code} | ({"display": one.target.display} if one.target.display else {})
    else:
        made = {"code": one.target} if _CODE.fullmatch(one.target) else {"display": one.target}
    made["equivalence"] = one.equivalence
    comment = one.comment or (_NO_COMMENT if one.equivalence in ("narrower", "inexact") else "")
    return made | ({"comment": comment} if comment else {})


def _unmapped(otherwise: Otherwise, system: str, version: str) -> Json:
    """Return what the group says of other values in the terms of FHIR, as far as FHIR has them."""
    if otherwise == "text":
        return {"unmapped": {"mode": "provided"}}
    for concept in otherwise if isinstance(otherwise, tuple) else ():
        if (concept.system, concept.version) == (system, version):
            return {"unmapped": {"mode": "fixed", "code": concept.code} | _shown(concept)}
    return {}


def _shown(concept: Concept) -> Json:
    return {"display": concept.display} if concept.display else {}


def read_concept_map(
    path: Path, *, name: str = "", otherwise: Otherwise | None = None, ignore_case: bool | None = None
) -> TranslationTable:
    """Read a translation table from a FHIR R4 ConceptMap.

    Parameters
    ----------
    path : Path
        JSON.
    name : str
        Of the table; by default the resource's.
    otherwise, ignore_case
        See `TranslationTable`; by default what the resource says (``group.unmapped``).

    Raises
    ------
    ConfigurationError
        If it is none, or says what a table cannot: targets that depend on other values, two targets in one code
        system, or two meanings of one code.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read the ConceptMap: {error.strerror}", file=path) from error
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"is no JSON: {error.msg}", file=path, line=error.lineno) from error
    if not isinstance(content, dict) or content.get("resourceType") != "ConceptMap":
        raise ConfigurationError("is no FHIR ConceptMap", file=path)
    try:
        return _Reader(path).table(content, name, otherwise, ignore_case)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"is no ConceptMap of FHIR R4: {error}", file=path) from error


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Translation] = {}
        self.unmatched: dict[str, str] = {}
        self.otherwise: list[Otherwise] = []

    def table(
        self, content: Json, name: str, otherwise: Otherwise | None, ignore_case: bool | None
    ) -> TranslationTable:
        sources: set[str] = set()
        for group in content.get("group", []):
            sources.add(group.get("source", ""))
            self._group(group)
        said = {extension["url"]: extension for extension in content.get("extension", [])}
        return TranslationTable(
            name or content.get("name", ""),
            self.entries,
            otherwise if otherwise is not None else self._said_otherwise(said.get(_OTHERWISE)),
            bool(said.get(_IGNORE_CASE, {}).get("valueBoolean")) if ignore_case is None else ignore_case,
            {source: comment for source, comment in self.unmatched.items() if source not in self.entries},
            sources.pop() if len(sources) == 1 else "",
        )

    def _said_otherwise(self, extension: Json | None) -> Otherwise:
        if extension is not None and "valueCode" in extension:
            return str(extension["valueCode"])
        if extension is not None:
            codings = extension["valueCodeableConcept"]["coding"]
            return tuple(
                Concept(one["system"], one["code"], one.get("display", ""), one.get("version", "")) for one in codings
            )
        found = set(self.otherwise)
        if len(found) > 1:
            raise self._error("its groups treat unmapped values differently; declare `otherwise`")
        return found.pop() if found else "error"

    def _group(self, group: Json) -> None:
        system, version = group.get("target", ""), group.get("targetVersion", "")
        unmapped = group.get("unmapped", {})
        if unmapped.get("mode") == "other-map":
            raise self._error("refers to another map for unmapped values, which is not supported")
        if unmapped.get("mode") == "provided":
            self.otherwise.append("text")
        elif unmapped.get("mode") == "fixed":
            self.otherwise.append((Concept(system, unmapped["code"], unmapped.get("display", ""), version),))
        for element in group["element"]:
            for target in element.get("target", [{"equivalence": "unmatched"}]):
                self._add(str(element["code"]), system, version, target)

    def _add(self, source: str, system: str, version: str, target: Json) -> None:
        equivalence = target["equivalence"]
        comment = target.get("comment", "")
        if equivalence not in EQUIVALENCES:
            raise self._error(f"{source!r}: equivalence {equivalence!r} is none of {', '.join(EQUIVALENCES)}")
        if "dependsOn" in target or "product" in target:
            raise self._error(f"{source!r} depends on other values, which a translation table cannot say")
        if equivalence in WITHOUT_TARGET:
            self.unmatched[source] = comment
            return
        code, display = target.get("code", ""), target.get("display", "")
        if not code and (system or not display):
            raise self._error(f"{source!r}: a target has no code")
        meant: Concept | str = Concept(system, code, display, version) if system else code or display
        if isinstance(meant, Concept):
            try:
                check_code(meant)
            except ConceptError as error:
                raise self._error(f"{source!r}: {error}") from error
        if not join(self.entries, source, Translation(meant, equivalence, "" if comment == _NO_COMMENT else comment)):
            raise self._error(f"{source!r} has two targets in {system or 'one code system'}")

    def _error(self, problem: str) -> ConfigurationError:
        return ConfigurationError(problem, file=self.path)
