"""Translation tables: a ConceptMap (https://hl7.org/fhir/R4/conceptmap.html) that fits in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from multimodal.model.errors import ConfigurationError
from multimodal.terminology.concepts import (
    Concept,
    ConceptError,
    check_code,
    code_systems,
    codeable,
    is_concept,
    known_systems,
    parse_concept,
)

COLUMNS = ("source", "system", "code", "display", "equivalence", "comment")
EQUIVALENCES = (
    "equivalent",
    "equal",
    "wider",
    "narrower",
    "inexact",
    "unmatched",
    "relatedto",
    "subsumes",
    "specializes",
    "disjoint",
)
EXACT = ("equivalent", "equal")
# The source value is known, and the target system has nothing for it.
WITHOUT_TARGET = ("unmatched", "disjoint")

Otherwise = str | tuple[Concept, ...]


@dataclass(frozen=True, slots=True)
class Translation:
    """What one source value means.

    Parameters
    ----------
    target : Concept or str
        A concept, or a plain code where the element takes no concept.
    equivalence : str
        How well it fits (ConceptMapEquivalence of R4).
    comment : str
        What a person wrote about it.
    also : tuple of Translation
        The same meaning in further code systems.
    """

    target: Concept | str
    equivalence: str = "equivalent"
    comment: str = ""
    also: tuple[Translation, ...] = ()

    @property
    def text(self) -> str:
        """The plain code, or the concept's code."""
        return self.target if isinstance(self.target, str) else self.target.code

    @property
    def inexact(self) -> str:
        """The equivalence that is not exact, empty where all of them are."""
        return next((one.equivalence for one in (self, *self.also) if one.equivalence not in EXACT), "")

    @property
    def codeable(self) -> dict[str, Any]:
        """FHIR CodeableConcept with all codings; a plain text becomes its text."""
        concepts = [one.target for one in (self, *self.also) if isinstance(one.target, Concept)]
        return codeable(*concepts) if concepts else {"text": self.target}


@dataclass(frozen=True, slots=True)
class TranslationTable:
    """Source values with their meanings.

    Parameters
    ----------
    name : str
        Name in the mapping file; empty for a table inside a column.
    entries : mapping of str to Translation
        By source value.
    otherwise : {"error", "text", "drop"} or tuple of Concept
        What happens to a value without an entry.
    ignore_case : bool
        Whether upper and lower case are the same.
    unmatched : mapping of str to str
        Values of which it is known that nothing stands for them, with what a person wrote about it.
    source_system : str
        URI of the code system of the source values, where they have one.
    """

    name: str
    entries: Mapping[str, Translation]
    otherwise: Otherwise = "error"
    ignore_case: bool = False
    unmatched: Mapping[str, str] = field(default_factory=dict)
    source_system: str = ""
    _folded: dict[str, Translation] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_folded", {value.casefold(): entry for value, entry in self.entries.items()})

    def get(self, value: str) -> Translation | None:
        """Return what `value` means, or None where the table does not say."""
        found = self.entries.get(value)
        if found is None and self.ignore_case:
            found = self._folded.get(value.casefold())
        return found

    def same_but_case(self, value: str) -> str:
        """Return the one source value that differs from `value` in case and white space only, or ``""``.

        One that is merely similar is never named: C34.3 in place of C34.9 would be another diagnosis.
        """
        found = [source for source in self.entries if _folded(source) == _folded(value)]
        return found[0] if len(found) == 1 else ""


def _folded(value: str) -> str:
    return "".join(value.split()).casefold()


def inline_table(
    pairs: Iterable[tuple[str, str | Sequence[str]]],
    *,
    systems: Mapping[str, str] | None = None,
    name: str = "",
    otherwise: Otherwise = "error",
    ignore_case: bool = False,
) -> TranslationTable:
    """Return the table of a map in the mapping file; several targets of a value are codings of one meaning.

    Raises
    ------
    ConceptError
        If a target looks like a concept and its code system is unknown.
    """
    entries = {source: _inline(target, systems) for source, target in pairs}
    return TranslationTable(name, entries, otherwise, ignore_case)


def _inline(target: str | Sequence[str], systems: Mapping[str, str] | None) -> Translation:
    if isinstance(target, str):
        return Translation(parse_concept(target, systems) if is_concept(target, systems) else target)
    first, *others = (Translation(parse_concept(one, systems)) for one in target)
    return replace(first, also=tuple(others))


def read_table_file(
    path: Path,
    *,
    name: str = "",
    otherwise: Otherwise = "error",
    systems: Mapping[str, str] | None = None,
    ignore_case: bool = False,
) -> TranslationTable:
    """Read a translation table from CSV with the columns source, system, code, display, equivalence, comment.

    Parameters
    ----------
    path : Path
        UTF-8; the column `system` holds a URI or a prefix, with ``|version`` where it matters.
    name, otherwise, systems, ignore_case
        See `TranslationTable` and `parse_concept`.

    Raises
    ------
    ConfigurationError
        If the file is missing or a line of it is wrong; it names file and line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ConfigurationError(f"the header must be {','.join(COLUMNS)}", file=path, line=1)
            entries: dict[str, Translation] = {}
            unmatched: dict[str, str] = {}
            for row in reader:
                _add(entries, unmatched, row, path, reader.line_num, {**code_systems(), **(systems or {})})
    except OSError as error:
        raise ConfigurationError(f"cannot read the translation table: {error.strerror}", file=path) from error
    except (csv.Error, UnicodeError) as error:
        raise ConfigurationError(f"is no CSV in UTF-8: {error}", file=path) from error
    return TranslationTable(name, entries, otherwise, ignore_case, unmatched)


def join(entries: dict[str, Translation], source: str, found: Translation) -> bool:
    """Add a translation of `source`; one into another code system joins the one that is there.

    Returns
    -------
    bool
        False where the value has a translation into that system already, or one of the two is a plain text.
    """
    present = entries.get(source)
    if present is None:
        entries[source] = found
        return True
    targets = [one.target for one in (present, *present.also, found)]
    if not all(isinstance(target, Concept) for target in targets):
        return False
    if len({target.system for target in targets if isinstance(target, Concept)}) < len(targets):
        return False
    entries[source] = replace(present, also=(*present.also, found))
    return True


def _add(
    entries: dict[str, Translation],
    unmatched: dict[str, str],
    row: Mapping[str, str],
    path: Path,
    line: int,
    systems: Mapping[str, str],
) -> None:
    if None in row or None in row.values():
        raise ConfigurationError(f"the line does not have {len(COLUMNS)} cells", file=path, line=line)
    source, equivalence = row["source"].strip(), row["equivalence"].strip() or "equivalent"
    if source in unmatched or (source in entries and equivalence in WITHOUT_TARGET):
        raise ConfigurationError(f"the source value {source!r} stands twice", file=path, line=line)
    if equivalence not in EQUIVALENCES:
        known = ", ".join(EQUIVALENCES)
        raise ConfigurationError(f"equivalence {equivalence!r} is none of {known}", file=path, line=line)
    comment = row["comment"].strip()
    if equivalence in WITHOUT_TARGET:
        unmatched[source] = comment
        return
    system, _, version = row["system"].strip().partition("|")
    code = row["code"].strip()
    uri = system if ":" in system else systems.get(system)
    if uri is None and system:
        raise ConfigurationError(
            f"unknown code system {system!r}{known_systems(system, systems)}", file=path, line=line
        )
    if not code:
        raise ConfigurationError("the code is missing", file=path, line=line)
    target: Concept | str = Concept(uri, code, row["display"].strip(), version) if uri else code
    if isinstance(target, Concept):
        try:
            check_code(target)
        except ConceptError as error:
            raise ConfigurationError(str(error), file=path, line=line) from error
    if not join(entries, source, Translation(target, equivalence, comment)):
        problem = f"the source value {source!r} stands twice; a second line of a value names another code system"
        raise ConfigurationError(problem, file=path, line=line)
