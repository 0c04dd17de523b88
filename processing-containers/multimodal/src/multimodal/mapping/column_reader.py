"""Level 1 of a mapping: the lines of the section ``columns``."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Protocol

from multimodal.mapping.conversion import Conversion
from multimodal.mapping.dates import DateReader
from multimodal.mapping.document import Document, Place
from multimodal.mapping.errors import CellError
from multimodal.mapping.expressions import Expression, compile_condition
from multimodal.mapping.plan import DROP, PATH_STEP, Column, Effective
from multimodal.mapping.scope import ExpressionError, Scope
from multimodal.resources.rules import allowed_codes
from multimodal.terminology.concepts import Concept, ConceptError, codeable, parse_concept
from multimodal.terminology.translation import TranslationTable
from multimodal.terminology.units import Unit, UnknownUnitError, unit

_FIXED_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_NAMES_COLUMN = ("unit_column", "note_column", "low_column", "high_column")
_MEASURED = ("number", "integer")
_TIME_UNITS = ("a", "mo", "wk", "d", "h", "min")


class Shared(Protocol):
    """What columns share with the rest of the file."""

    systems: dict[str, str]
    tables: dict[str, TranslationTable]

    def inline(self, pairs: dict[str, Any], place: Place) -> TranslationTable:
        """Return the table of a map."""

    def dates(self, formats: list[str], place: Place) -> DateReader:
        """Return the reader of dates in these formats."""


class ColumnReader:
    """Reads the columns of one form."""

    def __init__(
        self, document: Document, shared: Shared, form: dict[str, Any], place: Place, resources: set[str]
    ) -> None:
        self.document = document
        self.shared = shared
        self.form = form
        self.place = place
        self.resources = resources
        self.defaults: dict[str, Any] = document.content.get("defaults", {})
        self.source: dict[str, Any] = document.content["source"]
        # One object for each place of the file: the cells of a row that share it look up their date once.
        self._effectives: dict[Place, Effective] = {}

    def read(self, header: str) -> Column:
        """Return a column; what names other columns is checked by `finish`."""
        spec: dict[str, Any] = self.form["columns"][header]
        place = (*self.place, header)
        verb = next(
            verb
            for verb in ("ignore", "patient", "observation", "condition", "checkbox", "into", "helper")
            if verb in spec
        )
        was = tuple(spec.get("was", ()))
        column = Column(
            header=header,
            aliases=was,
            identity=spec.get("name") or (was[0] if was else header),
            verb=verb,
            type=self._type(spec),
            table=self._table(spec.get("table"), (*place, "table")),
            unit=self._unit(spec, "unit", place),
            convert_to=self._unit(spec, "convert_to", place),
            limits=self._limits(spec, place),
            decimal=spec.get("decimal", self.source.get("decimal", "auto")),
            thousands=self._thousands(spec, place),
            dates=self._dates(spec, place),
            method=self._codeable(spec.get("method"), (*place, "method")),
            category=self._category(spec, place),
            profile=spec.get("profile", ""),
            focus=spec.get("focus", self.defaults.get("focus", "")) if verb == "observation" else "",
            member_of=spec.get("member_of", ""),
            system=spec.get("system", ""),
            assigner=self._assigner(header),
            missing={"": "drop", **self.source.get("missing", {}), **spec.get("missing", {})},
            reason=str(spec.get("ignore", spec.get("helper", ""))),
        )
        finish = getattr(self, f"_{verb}", None)
        return finish(column, spec, place) if finish else column

    def finish(self, columns: dict[str, Column], scope: Scope) -> dict[str, Column]:
        """Return the columns with everything that names another column or is an expression."""
        limits = {
            scope.columns.get(spec.get(key, ""), "")
            for spec in self.form.get("columns", {}).values()
            for key in ("low_column", "high_column")
        }
        columns = {header: self._limit(column) if header in limits else column for header, column in columns.items()}
        return {header: self._finished(column, columns, scope) for header, column in columns.items()}

    def _limit(self, column: Column) -> Column:
        """Return the column of a limit, which holds numbers though nobody said so."""
        spec = self.form["columns"].get(column.header, {})
        if column.verb != "helper" or spec.get("type", "number") not in _MEASURED:
            problem = "the limits of a reference range stand in a helper of type number"
            raise self.document.error((*self.place, column.header), problem, at_key=True)
        return dataclasses.replace(column, type=spec.get("type", "number"))

    def _finished(self, column: Column, columns: dict[str, Column], scope: Scope) -> Column:
        place = (*self.place, column.header)
        spec = self.form["columns"].get(column.header, {})  # an implied column has none
        for key in _NAMES_COLUMN:
            if key in spec and spec[key] not in scope.columns:
                raise self.document.error((*place, key), f"unknown column {spec[key]!r}; declare it, e.g. as a helper")
        if column.focus and column.focus not in self.resources:
            at = (*place, "focus") if "focus" in spec else ("defaults", "focus")
            raise self.document.error(at, f"unknown resource {column.focus!r}; it is not in the section resources")
        if column.member_of and column.member_of not in self.resources:
            raise self.document.error((*place, "member_of"), f"unknown resource {column.member_of!r}")
        linked: dict[str, Any] = {key: scope.columns[spec[key]] for key in _NAMES_COLUMN if key in spec}
        return dataclasses.replace(
            column,
            when=self._when(spec.get("when"), (*place, "when"), scope),
            effective=self._effective(column, spec, columns, scope),
            **linked,
        )

    def _observation(self, column: Column, spec: dict[str, Any], place: Place) -> Column:
        if column.type == "code" and column.table is None:
            raise self.document.error(place, "a column of type code needs a table", at_key=True)
        if column.type != "code" and column.table is not None:
            raise self.document.error((*place, "table"), f"a column of type {column.type} takes no table")
        if "unit" in spec and "unit_column" in spec:
            raise self.document.error((*place, "unit"), "give either unit or unit_column")
        if column.type not in _MEASURED:
            for key in ("unit", "unit_column", "convert_to", "factor", "low_column", "high_column"):
                if key in spec:
                    problem = f"a column of type {column.type} takes no {key}"
                    raise self.document.error((*place, key), problem, at_key=True)
        code = self._codeable(spec["observation"], (*place, "observation"))
        factor, factors = Conversion(self.document, spec, place).factors()
        return dataclasses.replace(column, code=code or {}, factor=factor, factors=factors)

    def _checkbox(self, column: Column, spec: dict[str, Any], place: Place) -> Column:
        makes = spec["checkbox"]
        if "code" in spec and makes != "observation":
            problem = f"a checkbox that makes a {makes} takes no code: its options are the codes"
            raise self.document.error((*place, "code"), problem, at_key=True)
        if "code" in spec and spec.get("unchecked") == "absent":
            problem = "with a `code` the ticked option is the value; one that is not ticked can only be dropped"
            raise self.document.error((*place, "unchecked"), problem)
        if "status" in spec:
            self._check_status(spec, place)
        options = {
            code: self._codeable(concept, (*place, "options", code)) or {} for code, concept in spec["options"].items()
        }
        return dataclasses.replace(
            column,
            type="boolean",
            makes=makes,
            code=self._codeable(spec.get("code"), (*place, "code")) or {},
            options=options,
            unchecked=spec.get("unchecked", DROP),
            status=spec.get("status", ""),
        )

    def _check_status(self, spec: dict[str, Any], place: Place) -> None:
        types = {"procedure": "Procedure", "medication": "MedicationStatement"}
        if spec["checkbox"] not in types:
            problem = f"a checkbox that makes a {spec['checkbox']} takes no status"
            raise self.document.error((*place, "status"), problem, at_key=True)
        allowed = allowed_codes(types[spec["checkbox"]], "status")
        if spec["status"] not in allowed:
            problem = f"{spec['status']!r} is no status of a {types[spec['checkbox']]}; known: {', '.join(allowed)}"
            raise self.document.error((*place, "status"), problem)

    def _condition(self, column: Column, spec: dict[str, Any], place: Place) -> Column:
        return dataclasses.replace(column, type="code", table=self._table(spec["condition"], (*place, "condition")))

    def _assigner(self, header: str) -> str:
        dicom: dict[str, Any] = self.document.content["subject"].get("dicom", {})
        return str(dicom.get("issuer", "")) if dicom.get("patient_id") == header else ""

    def _patient(self, column: Column, spec: dict[str, Any], place: Place) -> Column:
        element = spec["patient"]
        if element == "identifier" and not column.system:
            raise self.document.error(place, "a Patient identifier needs its `system`", at_key=True)
        if element in ("id", "identifier", "name", "birthDate") and column.table:
            raise self.document.error((*place, "table"), f"patient: {element} takes no table")
        allowed = {"gender": allowed_codes("Patient", "gender"), "deceased": ("true", "false")}.get(element, ())
        for source, translation in (column.table.entries if column.table else {}).items():
            if translation.text not in allowed or isinstance(translation.target, Concept):
                at: Place = (*place, "table", source) if isinstance(spec.get("table"), dict) else (*place, "table")
                raise self.document.error(at, f"{translation.text!r} is no {element}; known: {', '.join(allowed)}")
        return dataclasses.replace(column, element=element)

    def _into(self, column: Column, spec: dict[str, Any], place: Place) -> Column:
        resource, _, element = spec["into"].partition(".")
        if resource not in self.resources:
            known = ", ".join(sorted(self.resources)) or "none"
            raise self.document.error((*place, "into"), f"unknown resource {resource!r}; known: {known}")
        if not all(PATH_STEP.fullmatch(step) for step in element.split(".")):
            raise self.document.error(
                (*place, "into"), f"{element!r} is no element; write e.g. code or stage[0].summary"
            )
        if column.type == "age" and (column.unit is None or column.unit.code not in _TIME_UNITS):
            raise self.document.error(place, f"an age needs a unit of time: {', '.join(_TIME_UNITS)}", at_key=True)
        if column.type == "code" and column.table is None:
            raise self.document.error(place, "a column of type code needs a table", at_key=True)
        return dataclasses.replace(column, resource=resource, element=element)

    @staticmethod
    def _type(spec: dict[str, Any]) -> str:
        if "type" in spec:
            return str(spec["type"])
        if "table" in spec or "condition" in spec:
            return "code"
        return "number" if "unit" in spec or "unit_column" in spec else "text"

    def _table(self, ref: Any, place: Place) -> TranslationTable | None:
        if ref is None:
            return None
        if isinstance(ref, dict):
            return self.shared.inline(ref, place)
        if ref not in self.shared.tables:
            known = ", ".join(self.shared.tables) or "none"
            raise self.document.error(place, f"unknown table {ref!r}; known: {known}; declare it under `tables:`")
        return self.shared.tables[ref]

    def _unit(self, spec: dict[str, Any], key: str, place: Place) -> Unit | None:
        if key not in spec:
            return None
        try:
            return unit(spec[key])
        except UnknownUnitError as error:
            raise self.document.error((*place, key), str(error)) from error

    def _limits(self, spec: dict[str, Any], place: Place) -> tuple[float, float] | None:
        if "range" not in spec:
            return None
        low, high = spec["range"]
        if low > high:
            raise self.document.error((*place, "range"), "the range ends before it begins")
        return (low, high)

    def _thousands(self, spec: dict[str, Any], place: Place) -> str:
        thousands: str = spec.get("thousands", self.source.get("thousands", ""))
        if thousands and thousands == spec.get("decimal", self.source.get("decimal")):
            at = (*place, "thousands" if "thousands" in spec else "decimal")
            raise self.document.error(at, 'thousands and decimal are the same sign; `thousands: ""` declares none')
        return thousands

    def _dates(self, spec: dict[str, Any], place: Place) -> DateReader:
        if "format" in spec:
            return self.shared.dates([spec["format"]], (*place, "format"))
        return self.shared.dates(self.source.get("dates", []), ("source", "dates"))

    def _codeable(self, value: Any, place: Place) -> dict[str, Any] | None:
        """Return the CodeableConcept of a concept, of several codings, or of a text with a coding."""
        if value is None:
            return None
        text = ""
        if isinstance(value, dict):
            text, value = value["text"], value.get("coding", [])
        try:
            concepts = [
                parse_concept(one, self.shared.systems) for one in ([value] if isinstance(value, str) else value)
            ]
        except ConceptError as error:
            raise self.document.error(place, str(error)) from error
        return codeable(*concepts, text=text)

    def _category(self, spec: dict[str, Any], place: Place) -> dict[str, Any] | None:
        if "category" in spec:
            return self._codeable(spec["category"], (*place, "category"))
        if "observation" in spec or spec.get("checkbox") == "observation":
            return self._codeable(self.defaults.get("category"), ("defaults", "category"))
        return None

    def _when(self, text: str | None, place: Place, scope: Scope) -> Expression | None:
        if text is None:
            return None
        try:
            return compile_condition(text, scope)
        except ExpressionError as error:
            raise self.document.error(place, str(error)) from error

    def _effective(
        self, column: Column, spec: dict[str, Any], columns: dict[str, Column], scope: Scope
    ) -> Effective | None:
        """Return when the cell's statement was true: its own, its form's, or the mapping's declaration."""
        place = (*self.place, column.header)
        candidates: list[tuple[Place, Any]] = []
        if column.verb == "condition":
            candidates = [((*place, "onset"), spec.get("onset"))]
        elif column.makes == "procedure":  # the day of a visit is not the day of what was done before it
            candidates = [((*place, "effective"), spec.get("effective"))]
        elif column.verb in ("observation", "checkbox"):
            candidates = [
                ((*place, "effective"), spec.get("effective")),
                ((*self.place[:-1], "effective"), self.form.get("effective") if len(self.place) > 1 else None),
                (("defaults", "effective"), self.defaults.get("effective")),
            ]
        for where, value in candidates:
            if value is not None:
                if where not in self._effectives:
                    self._effectives[where] = self._read_effective(value, where, columns, scope)
                return self._effectives[where]
        return None

    def _read_effective(self, value: Any, place: Place, columns: dict[str, Column], scope: Scope) -> Effective:
        if isinstance(value, str):
            return self._column_or_date(value, place, columns, scope)
        ways = [key for key in ("column", "event", "from") if key in value]
        if len(ways) != 1 or ("from" in value) != ("offset_days" in value) or ("format" in value and "event" in value):
            problem = "give `column` (and `format`), or `event`, or `from` with `offset_days`"
            raise self.document.error(place, problem, at_key=True)
        if "event" in value:
            events = {
                event: self._column_or_date(where, (*place, "event", event), columns, scope)
                for event, where in value["event"].items()
            }
            return Effective(events=events)
        found = self._dated(value[ways[0]], (*place, ways[0]), columns, scope)
        if "format" in value:
            found = dataclasses.replace(found, reader=self.shared.dates([value["format"]], (*place, "format")))
        if ways == ["column"]:
            return found
        days = value["offset_days"]
        if isinstance(days, int):
            return dataclasses.replace(found, offset=days)
        if days not in scope.columns:
            raise self.document.error((*place, "offset_days"), f"{days!r} is neither a number of days nor a column")
        return dataclasses.replace(found, offset_column=scope.columns[days])

    def _column_or_date(self, value: str, place: Place, columns: dict[str, Column], scope: Scope) -> Effective:
        if value in scope.columns or not _FIXED_DATE.fullmatch(value):
            return self._dated(value, place, columns, scope)
        try:
            return Effective(fixed=DateReader(years=scope.years).read(value))
        except CellError as error:
            raise self.document.error(place, error.message) from error

    def _dated(self, name: str, place: Place, columns: dict[str, Column], scope: Scope) -> Effective:
        if name not in scope.columns:
            raise self.document.error(place, f"{name!r} is neither a column nor a date such as 2012-07")
        column = columns[scope.columns[name]]
        return Effective(column=column.header, reader=column.dates, missing=column.missing)
