"""Where the images of a series lie: in the platform's own archive, or by reference in a named store.

A reference is a document whose file meta attributes name the store: Source Application Entity Title (0002,0016), which
has room for 16 characters, and Source Presentation Address (0002,0026), the name as the stores file has it. Neither an
address nor a login stands in a document: whoever reads it needs the stores file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLE = "00020016 SourceApplicationEntityTitle_keyword"
ADDRESS = "00020026 SourcePresentationAddress_keyword"
LICENCE = "00000000 Licence_keyword"
ISSUER = "00100021 IssuerofPatientID_keyword"
# Of a series that a public index lists: to whose patients it belongs, what it was made for, and in which state it is.
COLLECTION = "00000000 Collection_keyword"
ANALYSIS_RESULT = "00000000 AnalysisResult_keyword"
SOURCE_DOI = "00000000 SourceDoi_keyword"
REVISION = "00000000 SeriesRevision_keyword"
# Only a document made of an instance names one.
_INSTANCE = "00080018 SOPInstanceUID_keyword"
_TITLE_LENGTH = 16


def origin_fields(store: str, licence: str = "") -> dict[str, str]:
    """Return what a document says of the store that its series lies in, and under which licence it may be used."""
    found = {TITLE: store[:_TITLE_LENGTH], ADDRESS: store}
    return {**found, LICENCE: licence} if licence else found


def listed_fields(*, collection: str, analysis_result: str, source_doi: str, revision: str) -> dict[str, str]:
    """Return what a document says of a series beyond its attributes, where a public index lists it."""
    told = {COLLECTION: collection, ANALYSIS_RESULT: analysis_result, SOURCE_DOI: source_doi, REVISION: revision}
    return {key: value for key, value in told.items() if value}


def store_of(document: Mapping[str, Any]) -> str:
    """Return the name of the store that a referenced series lies in; empty for one of the platform's own archive."""
    return str(document.get(ADDRESS) or "")


def issuer_of(document: Mapping[str, Any]) -> str:
    """Return who issued the Patient ID: the collection of a public index, else what the images say; empty if nobody."""
    return str(document.get(COLLECTION) or document.get(ISSUER) or "")


def is_complete(document: Mapping[str, Any]) -> bool:
    """Say whether a document was made of an instance, and not of what a search told of the series."""
    return _INSTANCE in document


ORIGIN_FIELDS = (ADDRESS, _INSTANCE, COLLECTION, REVISION)
