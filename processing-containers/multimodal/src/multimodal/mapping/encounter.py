"""The Encounter of a visit, to which the resources of its rows refer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multimodal.mapping.origin import Origin
    from multimodal.mapping.visits import Visit


def encounter(visit: Visit, origin: Origin) -> dict[str, Any]:
    """Return the Encounter of a visit (https://hl7.org/fhir/R4/encounter.html).

    Parameters
    ----------
    visit : Visit
        From all rows that were recorded in it.
    origin : Origin
        What the form's resources share.

    Returns
    -------
    dict
        Its status is ``finished``, since a table tells of visits that took place; its class is that of the form
        (``AMB`` where the mapping says no other); its type has the name of the event as text; its period is left out
        where no row has a date.
    """
    made: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": visit.id,
        "meta": origin.meta(""),
        "status": "finished",
        "class": dict(visit.encounter_class),
        "subject": {"reference": f"Patient/{visit.patient}"},
    }
    if visit.label:
        made["type"] = [{"text": visit.label}]
    period = {name: date for name, date in (("start", visit.start), ("end", visit.end)) if date}
    if period:
        made["period"] = period
    return made
