"""Regular expressions of a mapping, matched in linear time so that no pattern can stall a task."""

from __future__ import annotations

from typing import Any

import jsonschema_rs


class PatternCheck:
    """Tells whether a text fits a pattern (found anywhere in it, unless the pattern has anchors).

    Parameters
    ----------
    pattern : str
        Empty: everything fits.

    Raises
    ------
    ValueError
        If it is no regular expression of the linear-time kind (no look-around, no back references).
    """

    def __init__(self, pattern: str) -> None:
        self._validator = _validator(pattern) if pattern else None

    def fits(self, text: str) -> bool:
        """Return whether `text` fits."""
        return self._validator is None or bool(self._validator.is_valid(text))


def _validator(pattern: str) -> Any:
    try:
        return jsonschema_rs.Draft202012Validator(
            {"type": "string", "pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        # Their text spans several lines and speaks of the schema around the pattern.
        raise ValueError("cannot be read (look-around and back references are not supported)") from error
