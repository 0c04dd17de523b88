"""What a DICOMweb store can do wrong, or not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multimodal.model.errors import DataRefusedError, RemoteError, first_few


class SeriesNotFoundError(DataRefusedError):
    """The store has no such series.

    Attributes
    ----------
    store : str
        Name of the store.
    series_uid : str
        The series asked for.
    """

    def __init__(self, store: str, series_uid: str) -> None:
        self.store = store
        self.series_uid = series_uid
        super().__init__(f"{store}: no series {series_uid}; check its UID, and whether this login may see it")


class IncompleteSeriesError(RemoteError):
    """A series did not come through as a whole; what came is kept, and the next pull fetches the rest.

    Attributes
    ----------
    series_uid : str
        The series asked for.
    missing : tuple of str
        SOP Instance UIDs that are missing.
    reason : str
        Why the last one of them did not come.
    reasons : mapping of str to str
        Why each of them did not come.
    """

    def __init__(
        self,
        store: str,
        series_uid: str,
        missing: Sequence[str],
        reason: str = "",
        reasons: Mapping[str, str] | None = None,
    ) -> None:
        self.series_uid = series_uid
        self.missing = tuple(missing)
        self.reason = reason
        self.reasons = {uid: (reasons or {}).get(uid, reason) for uid in self.missing}
        why = f" ({reason})" if reason else ""
        lacks = "1 instance is missing" if len(self.missing) == 1 else f"{len(self.missing)} instances are missing"
        super().__init__(
            store,
            f"series {series_uid} is not whole: {lacks}: {first_few(self.missing)}{why}; "
            "pull again, only these are fetched",
        )


class UnexpectedAnswerError(RemoteError):
    """The store answered with success, and with something else than was asked for."""


class QueryRefusedError(DataRefusedError):
    """A search that the store cannot answer completely; to leave a part out would look like "nothing there"."""

    def __init__(self, store: str, problem: str) -> None:
        self.store = store
        self.problem = problem
        super().__init__(f"{store}: {problem}")
