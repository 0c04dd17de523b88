"""The units of a number column: whether the mapping's `convert_to` and `factor` can be right."""

from __future__ import annotations

from typing import Any

from multimodal.mapping.document import Document, Place
from multimodal.terminology.units import DimensionError, Unit, UnknownUnitError, converter, unit


class Conversion:
    """The keys unit, unit_column, convert_to and factor of one column.

    A factor says what no arithmetic on units can: how much substance a mass is (mmol/L to mg/dL), or what an
    arbitrary unit stands for. It is needed where the units measure different things, and refused where they do not.

    Parameters
    ----------
    document : Document
        The mapping file.
    spec : dict
        The column.
    place : tuple
        Where the column stands in the file.
    """

    def __init__(self, document: Document, spec: dict[str, Any], place: Place) -> None:
        self._document = document
        self._spec = spec
        self._place = place

    def factors(self) -> tuple[float, dict[str, float]]:
        """Return the factor of all rows (0: none), and those of single units by UCUM code.

        Raises
        ------
        MappingError
            If a factor is missing, not needed, or has nothing to convert.
        """
        spec, place = self._spec, self._place
        if "convert_to" not in spec:
            if "factor" in spec:
                raise self._document.error((*place, "factor"), "a factor needs convert_to", at_key=True)
            return 0.0, {}
        if "unit" not in spec and "unit_column" not in spec:
            problem = "convert_to needs a unit or unit_column to convert from"
            raise self._document.error((*place, "convert_to"), problem)
        factor, target = spec.get("factor"), unit(spec["convert_to"])
        if "unit" in spec:
            return self._of_one_unit(factor, unit(spec["unit"]), target), {}
        if factor is not None and not isinstance(factor, dict):
            problem = "with unit_column a factor is a map: the unit of a row -> its factor"
            raise self._document.error((*place, "factor"), problem)
        return 0.0, self._of_units(factor or {}, target)

    def _of_one_unit(self, factor: Any, source: Unit, target: Unit) -> float:
        if isinstance(factor, dict):
            problem = "a map of factors is for unit_column; with `unit` give the one number"
            raise self._document.error((*self._place, "factor"), problem)
        different = _different(source, target)
        if different is not None and factor is None:
            hint = "; keep the unit, or say with `factor:` what a number is multiplied with"
            raise self._document.error((*self._place, "convert_to"), f"{different}{hint}") from different
        if different is None and factor is not None:
            raise self._not_needed((*self._place, "factor"), source, target)
        return float(factor or 0)

    def _of_units(self, factors: dict[str, float], target: Unit) -> dict[str, float]:
        found: dict[str, float] = {}
        for text, factor in factors.items():
            place = (*self._place, "factor", text)
            try:
                source = unit(text)
            except UnknownUnitError as error:
                raise self._document.error(place, str(error), at_key=True) from error
            if _different(source, target) is None:
                raise self._not_needed(place, source, target)
            if found.setdefault(source.code, float(factor)) != factor:
                raise self._document.error(place, f"{source.code} has two factors", at_key=True)
        return found

    def _not_needed(self, place: Place, source: Unit, target: Unit) -> Exception:
        problem = f"{source.code} is converted to {target.code} without a factor; remove it"
        return self._document.error(place, problem)


def _different(source: Unit, target: Unit) -> DimensionError | None:
    """Return why `source` cannot be converted to `target` by itself, None where it can."""
    try:
        converter(source.code, target.code)
    except DimensionError as error:
        return error
    return None
