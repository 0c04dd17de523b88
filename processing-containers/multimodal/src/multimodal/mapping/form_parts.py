"""What turns the cells of one table into resources, made once before its first row."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Any

from multimodal.mapping.beside import beside
from multimodal.mapping.checkbox import checkbox
from multimodal.mapping.emitters import MOST_CELLS, Remembered, condition
from multimodal.mapping.headers import Headers
from multimodal.mapping.hiding import Hiding
from multimodal.mapping.observation import ObservationMaker
from multimodal.mapping.origin import Origin
from multimodal.mapping.patient import PatientMaker
from multimodal.mapping.plan import Column, Form, Mapping
from multimodal.mapping.readers import number_reader, outcome_reader, plain_reader
from multimodal.mapping.render import TemplateRenderer
from multimodal.mapping.row_maker import Emitter
from multimodal.mapping.row_state import FormCells

# Texts that are remembered by all columns of a mapping (about 400 bytes each), and by one at least.
_CELLS = 240_000
_FEWEST_CELLS = 500


@dataclass(frozen=True, slots=True)
class FormParts:
    """What makes the resources of a row.

    Parameters
    ----------
    cells : FormCells
        Reads cells for dates and expressions.
    emitters : list of Emitter
        Level 1: each makes at most one resource.
    templates : list of TemplateRenderer
        Level 2.
    patients : PatientMaker
        Makes the Patient.
    """

    cells: FormCells
    emitters: list[Emitter]
    templates: list[TemplateRenderer]
    patients: PatientMaker


def parts_of(
    mapping: Mapping, form: Form, headers: Headers, decimals: MappingOf[str, str], origin: Origin, hiding: Hiding
) -> FormParts:
    """Return the parts of a form for a table with these headers.

    Parameters
    ----------
    mapping, form
        The mapping, and its form for this table.
    headers : Headers
        What the form finds of its columns in the table.
    decimals : mapping of str to str
        Decimal sign (``.``, ``,`` or ``mixed``) of the columns that leave it open.
    origin : Origin
        What all resources of the form share.
    hiding : Hiding
        What is hidden before anything is written.
    """
    return _Builder(mapping, form, headers, decimals, origin, hiding).parts()


class _Builder:
    def __init__(
        self,
        mapping: Mapping,
        form: Form,
        headers: Headers,
        decimals: MappingOf[str, str],
        origin: Origin,
        hiding: Hiding,
    ) -> None:
        self.hiding = hiding
        self.mapping = mapping
        self.form = form
        self.headers = headers
        self.present = headers.present
        self.decimals = decimals
        self.origin = origin
        columns = sum(len(form.columns) for form in mapping.forms)
        self.most = min(MOST_CELLS, max(_FEWEST_CELLS, _CELLS // columns))
        self.readers: dict[str, Any] = {}
        self.emitters: list[Emitter] = []
        self.into: dict[str, list[tuple[Column, Remembered]]] = {}

    def parts(self) -> FormParts:
        for column in self.form.columns.values():
            self._column(column)
        form, present, origin = self.form, self.present, self.origin
        templates = [TemplateRenderer(t, self.into.get(t.name, ()), origin) for t in form.templates.values()]
        elements = [(column, present[column.header]) for column in form.patient_elements if column.header in present]
        patients = PatientMaker(self.mapping.subject, elements, origin, self.hiding)
        dated = (
            frozenset(h for h, column in form.columns.items() if column.type == "date")
            if self.hiding.moves
            else frozenset()
        )
        cells = FormCells(present, self.readers, origin.noted, dated, self.hiding.key)
        return FormParts(cells, self.emitters, templates, patients)

    def _column(self, column: Column) -> None:
        sign = self.decimals.get(column.header, ".") if column.decimal == "auto" else column.decimal
        numbers = number_reader(column, sign)
        self.readers[column.header] = plain_reader(column, numbers)
        if column.verb == "checkbox":
            options = self.headers.options.get(column.header, {})
            self.emitters += [Emitter(column.member_of, emit) for emit in checkbox(column, options, self.origin)]
        if column.header not in self.present or column.verb not in ("observation", "condition", "into"):
            return
        unit_header = self.present.get(column.unit_column, "")
        read = outcome_reader(column, numbers)
        outcomes = Remembered(column, self.present[column.header], unit_header, read, self.origin, self.most)
        if column.verb == "into":
            self.into.setdefault(column.resource, []).append((column, outcomes))
        elif column.verb == "condition":
            self.emitters.append(Emitter(column.member_of, condition(column, outcomes, self.origin)))
        else:
            moved = column.type == "date" and self.hiding.moves
            maker = ObservationMaker(column, outcomes, self.origin, beside(column, self.present), each=moved)
            self.emitters.append(Emitter(column.member_of, maker.emit(), maker.plain))
