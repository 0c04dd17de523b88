"""Which rows of a table are used; the others are counted, so that none vanishes in silence."""

from __future__ import annotations

from multimodal.mapping.plan import Form, Mapping
from multimodal.tables.rows import Row

_FORM_STATUS = {
    "any": frozenset({"", "incomplete", "unverified", "complete"}),
    "unverified-or-complete": frozenset({"unverified", "complete"}),
    "complete": frozenset({"complete"}),
}
_PRELIMINARY = frozenset({"incomplete", "unverified"})


class RowsUsed:
    """What a mapping says of the rows of one form.

    Parameters
    ----------
    mapping : Mapping
        Says which form status is used.
    form : Form
        Says which events, and whether repeated rows.
    """

    def __init__(self, mapping: Mapping, form: Form) -> None:
        self._form = form
        self._status = _FORM_STATUS[mapping.form_status]
        self._wanted = mapping.form_status
        self._default = mapping.status

    def why_not(self, row: Row) -> str:
        """Return why a row is not used, an empty text where it is."""
        if row.removed:
            return "marked as removed in the source"
        events = self._form.events
        if events and event_of(row) not in events and row.event not in events:
            return f"of other events than {', '.join(events)}"
        if self._form.repeat is not None and self._form.repeat != bool(row.instance):
            return "not repeated, as `repeat: true` asks" if self._form.repeat else "repeated, unlike `repeat: false`"
        if row.status not in self._status:
            return f"of a form status that `form_status: {self._wanted}` leaves out"
        return ""

    def status(self, row: Row) -> str:
        """Return the status of a row's Observations: of a form that is not complete they are preliminary."""
        return self._form.status or ("preliminary" if row.status in _PRELIMINARY else self._default)


def event_of(row: Row) -> str:
    """Return the event in which a row was recorded, as its source names it."""
    return row.visit[1] if len(row.visit) > 1 else row.event
