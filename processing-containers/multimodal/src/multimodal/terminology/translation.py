"""Translation tables: a ConceptMap (https://hl7.org/fhir/R4/conceptmap.html) that fits in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from multimodal.model.errors import ConfigurationError
from multimodal.terminology.concepts import Concept, code_systems, is_concept, known_systems, parse_concept

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
)
EXACT = ("equivalent", "equal")


@dataclass(frozen=True, slots=True)
class Translation:
    """What one source value means.

    Parameters
    ----------
    target : Concept or str
        A concept, or a plain code where the element takes no concept.
    equivalence : str
        How well it fits (ConceptMapEquivalence of R4).
    """

    target: Concept | str
    equivalence: str = "equivalent"

    @property
    def text(self) -> str:
        """The plain code, or the concept's code."""
        return self.target if isinstance(self.target, str) else self.target.code


@dataclass(frozen=True, slots=True)
class TranslationTable:
    """Source values with their meanings.

    Parameters
    ----------
    name : str
        Name in the mapping file; empty for a table inside a column.
    entries : mapping of str to Translation
        By source value.
    otherwise : {"error", "text", "drop"} or Concept
        What happens to a value without an entry.
    ignore_case : bool
        Whether upper and lower case are the same.
    """

    name: str
    entries: Mapping[str, Translation]
    otherwise: str | Concept = "error"
    ignore_case: bool = False
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
    pairs: Iterable[tuple[str, str]],
    *,
    systems: Mapping[str, str] | None = None,
    name: str = "",
    otherwise: str | Concept = "error",
    ignore_case: bool = False,
) -> TranslationTable:
    """Return the table of a map in the mapping file.

    Raises
    ------
    ConceptError
        If a target looks like a concept and its code system is unknown.
    """
    entries = {
        source: Translation(parse_concept(target, systems) if is_concept(target) else target)
        for source, target in pairs
    }
    return TranslationTable(name, entries, otherwise, ignore_case)


def read_table_file(
    path: Path,
    *,
    name: str = "",
    otherwise: str | Concept = "error",
    systems: Mapping[str, str] | None = None,
    ignore_case: bool = False,
) -> TranslationTable:
    """Read a translation table from CSV with the columns source, system, code, display, equivalence, comment.

    Parameters
    ----------
    path : Path
        UTF-8; the column `system` holds a URI or a prefix.
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
            for row in reader:
                _add(entries, row, path, reader.line_num, {**code_systems(), **(systems or {})})
    except OSError as error:
        raise ConfigurationError(f"cannot read the translation table: {error.strerror}", file=path) from error
    except (csv.Error, UnicodeError) as error:
        raise ConfigurationError(f"is no CSV in UTF-8: {error}", file=path) from error
    return TranslationTable(name, entries, otherwise, ignore_case)


def _add(
    entries: dict[str, Translation], row: Mapping[str, str], path: Path, line: int, systems: Mapping[str, str]
) -> None:
    if None in row or None in row.values():
        raise ConfigurationError(f"the line does not have {len(COLUMNS)} cells", file=path, line=line)
    source, equivalence = row["source"].strip(), row["equivalence"].strip() or "equivalent"
    if source in entries:
        raise ConfigurationError(f"the source value {source!r} stands twice", file=path, line=line)
    if equivalence not in EQUIVALENCES:
        known = ", ".join(EQUIVALENCES)
        raise ConfigurationError(f"equivalence {equivalence!r} is none of {known}", file=path, line=line)
    if equivalence == "unmatched":
        return
    system, code = row["system"].strip(), row["code"].strip()
    uri = system if ":" in system else systems.get(system)
    if uri is None and system:
        raise ConfigurationError(
            f"unknown code system {system!r}{known_systems(system, systems)}", file=path, line=line
        )
    if not code:
        raise ConfigurationError("the code is missing", file=path, line=line)
    target: Concept | str = Concept(uri, code, row["display"].strip()) if uri else code
    entries[source] = Translation(target, equivalence)
