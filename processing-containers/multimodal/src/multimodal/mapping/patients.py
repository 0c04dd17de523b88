"""The Patients of which several rows speak: what they say is united, whatever their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from multimodal.mapping.patient import IDENTIFIER, PatientMaker, Said
from multimodal.resources.serialised import Serialised
from multimodal.tables.rows import Row

Rank = tuple[int, str]


class _Source(NamedTuple):
    """The row that said something first, in the order of forms and keys."""

    rank: Rank
    row: int
    said: Said


@dataclass(slots=True)
class _Patient:
    value: str
    rank: Rank
    row: Row
    elements: dict[str, dict[bytes, _Source]] = field(default_factory=dict)


class Patients:
    """Unites what the rows of a run say of each Patient.

    Rows that disagree are reported; the value that is used is the one of the row whose form and key come first, so that
    the order of the rows does not matter. ``1950`` and ``1950-02`` do not disagree: the exact one is used.

    Parameters
    ----------
    maker : PatientMaker
        Makes the resources.
    """

    def __init__(self, maker: PatientMaker) -> None:
        self._maker = maker
        self._known: dict[str, _Patient] = {}

    def add(self, row: Row, rank: Rank, patient: str, value: str, said: Sequence[Said]) -> list[str]:
        """Add what a row says; return where it disagrees with earlier ones.

        Parameters
        ----------
        row : Row
            The row.
        rank : tuple
            Position of its form, and its key.
        patient, value : str
            Id and identifier of the Patient.
        said : sequence of Said
            The elements.
        """
        known = self._known.get(patient)
        short = Row(row.number, {}, row.sheet, row.record, row.event, row.instance)
        if known is None:
            known = self._known[patient] = _Patient(value, rank, short)
        elif rank < known.rank:
            known.rank, known.row = rank, short
        told = []
        for one in said:
            sources = known.elements.setdefault(_name(one), {})
            others = [other for other in sources.values() if not _agree(one.value, other.said.value)]
            if others:
                first = min(others, key=lambda other: other.rank)
                where = f"row {first.row} says otherwise of this patient's {one.element}"
                told.append(f"{where}; of such rows the first by key is used")
            source = _Source(rank, row.number, one)
            sources[one.json] = min(source, sources.get(one.json, source), key=lambda found: found.rank)
        return told

    def made(self) -> Iterator[tuple[Row, str, str, Serialised | str]]:
        """Yield each Patient, or what is wrong with it, with the row that speaks of it first, its id and identifier."""
        for patient, known in self._known.items():
            said = [_chosen(sources) for _, sources in sorted(known.elements.items())]
            yield known.row, patient, known.value, self._maker.make(patient, known.value, said)


def _name(said: Said) -> str:
    if said.element == IDENTIFIER:
        return f"{IDENTIFIER} {said.value['system']}"
    return "deceased" if said.element.startswith("deceased") else said.element


def _agree(one: Any, other: Any) -> bool:
    """Return whether two values may both be true; a date of death agrees with being dead."""
    if isinstance(one, bool) != isinstance(other, bool):
        return bool(one) and bool(other)
    if isinstance(one, str) and isinstance(other, str) and one[:1].isdigit():
        return one.startswith(other) or other.startswith(one)
    return bool(one == other)


def _chosen(sources: dict[bytes, _Source]) -> Said:
    exact = [
        source
        for source in sources.values()
        if not any(_refines(other.said.value, source.said.value) for other in sources.values())
    ]
    return min(exact, key=lambda source: source.rank).said


def _refines(one: Any, other: Any) -> bool:
    if isinstance(other, bool):
        return other and isinstance(one, str)
    return isinstance(one, str) and isinstance(other, str) and one != other and one.startswith(other)
