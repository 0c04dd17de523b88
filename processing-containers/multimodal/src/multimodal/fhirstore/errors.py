"""What can go wrong between us and a FHIR server, beyond what every HTTP call can suffer."""

from __future__ import annotations

from collections.abc import Sequence

from multimodal.model.errors import ConfigurationError, DataRefusedError, RemoteError
from multimodal.transport.errors import RequestRefusedError


class FhirRefusedError(RequestRefusedError):
    """The server refused a bundle or a search; `diagnostics` is what it says is wrong with it."""

    def __init__(self, store: str, what: str, diagnostics: str, *, status: int) -> None:
        self.diagnostics = diagnostics
        super().__init__(store, f"{what} refused ({status}): {diagnostics}", status=status)


class ConflictError(FhirRefusedError):
    """Somebody else writes the same resources (409, 412), or still refers to what should be deleted."""


class EndlessPagesError(RemoteError):
    """A search whose pages lead in a circle."""

    def __init__(self, store: str, resource_type: str) -> None:
        self.resource_type = resource_type
        super().__init__(store, f"the pages of the search for {resource_type} lead in a circle; tell its operator")


class TooManyDeletesError(DataRefusedError):
    """More resources would vanish than a correct table explains; nothing was sent.

    Attributes
    ----------
    absent, known : int
        Resources of earlier loads that the input no longer has, of how many there were.
    """

    def __init__(self, absent: int, known: int) -> None:
        self.absent = absent
        self.known = known
        super().__init__(
            f"{absent} of {known} resources of earlier loads are not in this input; is the export cut short? "
            "nothing was sent (set `deletes: keep` to load the rest)"
        )


class NotUndoableError(ConfigurationError):
    """A run that cannot be taken back; nothing was changed.

    Attributes
    ----------
    run : str
        Its id.
    known : sequence of str
        The runs that can be, the latest first.
    later : sequence of str
        Runs that wrote on top of it, the latest first.
    completed_by : str
        The run that completed it, where it did not end.
    """

    def __init__(
        self, run: str, *, known: Sequence[str] = (), later: Sequence[str] = (), completed_by: str = ""
    ) -> None:
        self.run = run
        self.known = known
        self.later = later
        self.completed_by = completed_by
        if later:
            problem = f"later imports wrote on top of it; undo these first, in this order: {', '.join(later)}"
        elif completed_by:
            problem = f"it did not end and was completed by {completed_by}; undo that one"
        else:
            which = f"these are: {', '.join(known[:12])}" if known else "none is"
            problem = f"it is not known here as a run that can be undone; {which}"
        super().__init__(f"cannot undo {run}: {problem}")
