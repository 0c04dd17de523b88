"""Whose scans the series of a run are: a Patient ID means what the store that each series lies in says it means."""

from __future__ import annotations

from multimodal.index.errors import IndexMissingError
from multimodal.index.origin import issuer_of, store_of
from multimodal.index.series_index import SeriesIndex
from multimodal.transport.stores import Stores
from multimodal.workflows.scanned_patients import ScannedPatients

INTERNAL, INDEX = "pacs", "search"


class SeriesPatients:
    """The patients of series of several stores.

    Parameters
    ----------
    stores : Stores
        Without a store of the name ``search`` every series is one of the internal archive.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._indexed = any(store.name == INDEX and store.kind == "opensearch" for store in stores)

    def of(self, *series_uids: str) -> ScannedPatients | None:
        """Return whose Patient IDs stand in images; None where their issuer has to be known and is not.

        Parameters
        ----------
        series_uids : str
            The images and what was drawn on them: the first that is referenced in another store decides.

        Raises
        ------
        UnknownStoreError
            If the stores file does not name that store.
        """
        for uid in series_uids if self._indexed else ():
            document = self._document(uid)
            if origin := store_of(document):
                return ScannedPatients.of(self._stores.get(origin, "dicomweb")).issued_by(issuer_of(document))
        return ScannedPatients.of(self._stores.get(INTERNAL, "dicomweb"))

    def _document(self, uid: str) -> dict[str, object]:
        with SeriesIndex(self._stores.get(INDEX, "opensearch")) as index:
            try:
                return index.get(uid) or {}
            except IndexMissingError:
                return {}
