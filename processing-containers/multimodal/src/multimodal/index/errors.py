"""What can go wrong with the index of series documents."""

from __future__ import annotations

from collections.abc import Sequence

from multimodal.model.errors import ConfigurationError, RemoteError


class IndexMissingError(RemoteError):
    """The store has no such index."""

    def __init__(self, store: str, index: str) -> None:
        self.index = index
        super().__init__(store, f"there is no index {index}; check the store's index, or the project", status=404)


class IndexRefusedError(RemoteError):
    """The index as a whole takes no writes, e.g. it is read-only since the disk is full.

    Attributes
    ----------
    series_uids : tuple of str
        Series whose documents were refused when this showed.
    """

    def __init__(self, store: str, index: str, reason: str, series_uids: Sequence[str] = (), status: int = 403) -> None:
        self.index = index
        self.reason = reason
        self.series_uids = tuple(series_uids)
        first = f" (first series: {self.series_uids[0]})" if self.series_uids else ""
        super().__init__(
            store, f"index {index} refuses: {reason}{first}; lift the block or ask its administrator", status=status
        )


class KeyNameError(ConfigurationError):
    """A column name of which no key of a document can be made."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no document key can be made of {name[:80]!r}: it has no letter or digit; give it a name:")


class KeyCollisionError(ConfigurationError):
    """Two columns would be shown under the same name, so that one would hide the other."""

    def __init__(self, key: str, name: str, other: str) -> None:
        self.key = key
        self.name = name
        self.other = other
        super().__init__(f"{name!r} would be shown as {key.split(' ')[-1]}, as is {other!r}; give one another name:")
