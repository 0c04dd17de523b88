"""Regular expressions of a mapping, matched in linear time so that no pattern can stall a task.

Python's `re` backtracks: a pattern such as ``(a+)+$`` takes time exponential in the text. RE2
(https://github.com/google/re2/wiki/Syntax) runs all alternatives at once, in time proportional to the text; it has no
look-around and no back references, which are what cannot be done so.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import re2

_LONGEST = 500
_MOST_MEMORY = 1 << 20


class PatternError(ValueError):
    """A text that is no regular expression of the linear-time kind."""


class PatternCheck:
    """Tells whether a text fits a pattern (found anywhere in it, unless the pattern has anchors).

    Parameters
    ----------
    pattern : str
        Empty: everything fits.

    Raises
    ------
    PatternError
        If it is no regular expression of the linear-time kind (no look-around, no back references).
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = _compiled(pattern) if pattern else None

    def fits(self, text: str) -> bool:
        """Return whether `text` fits."""
        return self._pattern is None or _search(self._pattern, text) is not None


class Capture:
    """Takes a part of a text: what a group of a pattern holds.

    Parameters
    ----------
    pattern : str
        Found anywhere in the text, unless it has anchors.
    group : int, optional
        Number of the group; by default the first, or the whole match where the pattern has none.

    Raises
    ------
    PatternError
        If the pattern is none, or has no such group.
    """

    def __init__(self, pattern: str, group: int | None = None) -> None:
        self._pattern = _compiled(pattern)
        groups: int = self._pattern.groups
        self._group = min(1, groups) if group is None else group
        if not 0 <= self._group <= groups:
            raise PatternError(f"the pattern {pattern!r} has {groups} groups, not {self._group}")

    def of(self, text: str) -> str | None:
        """Return the part of `text`, None where the pattern does not fit or the group took no part in it."""
        match = _search(self._pattern, text)
        found: str | None = match.group(self._group) if match else None
        return found


@cache
def _compiled(pattern: str) -> Any:
    if len(pattern) > _LONGEST:
        raise PatternError(f"is longer than {_LONGEST} characters")
    options = re2.Options()
    options.max_mem = _MOST_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise PatternError("cannot be read (look-around and back references are not supported)") from error


def _search(pattern: Any, text: str) -> Any:
    try:
        return pattern.search(text)
    except UnicodeEncodeError:  # half of a character: no text that a file could hold, and none that fits
        return None
