"""The sign between groups of three digits: 1.234,5 in German, 1 234,5 in French, 1'234.5 in Switzerland."""

from __future__ import annotations

import re

# What programs write in place of the sign that a keyboard has.
_ALIKE = {" ": " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}", "'": "'\N{RIGHT SINGLE QUOTATION MARK}"}
_ANY = ".,'" + _ALIKE[" "] + _ALIKE["'"]
_GROUPED = re.compile(rf"[+-]?\d{{1,3}}([{_ANY}])\d{{3}}(?:\1\d{{3}})*(?:[.,]\d+)?", re.ASCII)


def signs_like(thousands: str) -> str:
    """Return the signs that a declared one stands for: a blank for all that look like one, likewise the apostrophe."""
    return next((alike for alike in _ALIKE.values() if thousands and thousands in alike), thousands)


def without_groups(text: str, thousands: str) -> str:
    """Return `text` without the signs that `thousands` stands for."""
    for sign in signs_like(thousands):
        text = text.replace(sign, "")
    return text


def grouped(thousands: str) -> re.Pattern[str]:
    """Return the pattern of a number with groups, the same sign between all of them."""
    signs = re.escape(signs_like(thousands))
    return re.compile(rf"[+-]?\d{{1,3}}([{signs}])\d{{3}}(?:\1\d{{3}})*([.,]\d+)?", re.ASCII)


def sign_between_groups(text: str) -> str:
    """Return the sign to declare so that `text` is a number with groups; empty where none makes it one."""
    match = _GROUPED.fullmatch(text)
    if match is None:
        return ""
    return next((plain for plain, alike in _ALIKE.items() if match[1] in alike), match[1])
