"""Links in answers (RetrieveURL, BulkDataURI) as paths below the store's own address, or refused.

Behind a proxy, or after a Host header without a port, a store names addresses that lead nowhere; a hostile answer
could name any. So only the part from ``studies/`` on is believed, and asked for at the configured address.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from multimodal.dicomweb.errors import UnexpectedAnswerError
from multimodal.model.errors import InvalidUidError
from multimodal.model.ids import check_uid

_RESOURCE = re.compile(
    r"(?:^|/)(studies/(?P<study>[^/]+)(?:/series/(?P<series>[^/]+)(?:/instances/(?P<instance>[^/]+))?)?"
    r"(?:/[A-Za-z0-9_~][A-Za-z0-9._~-]*)*)$"  # bulkdata/00420011, frames/1; no segment begins with a dot
)
_QUERY = re.compile(r"[A-Za-z0-9=&._~-]*")


def path_of(store: str, link: str) -> tuple[str, str]:
    """Return path and query of a resource of `store` that an answer links to (PS3.18 8.7.3, F.2.6).

    Raises
    ------
    UnexpectedAnswerError
        If it is no resource of a study.
    """
    try:
        parts = urlsplit(link)
    except ValueError:
        parts = urlsplit("")
    found = _RESOURCE.search(parts.path)
    if found is None or not _QUERY.fullmatch(parts.query) or parts.scheme not in {"", "http", "https"}:
        raise UnexpectedAnswerError(store, f"an answer links to {link[:120]!r}, which is no resource of a study")
    try:
        for uid in found.group("study", "series", "instance"):
            if uid is not None:
                check_uid(uid)
    except InvalidUidError as error:
        raise UnexpectedAnswerError(store, f"an answer links to {link[:120]!r}: {error}") from error
    return found.group(1), parts.query
