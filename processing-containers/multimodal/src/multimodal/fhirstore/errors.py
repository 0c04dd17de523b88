"""What can go wrong between us and a FHIR server, beyond what every HTTP call can suffer."""

from __future__ import annotations

from multimodal.model.errors import DataRefusedError, RemoteError
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
