"""Why a text is no YAML, in words for somebody who has never heard of blocks and scalars."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError

# What looks like a blank and is none: no-break, figure and narrow no-break space.
_NO_BREAK = "\u00a0\u2007\u202f"
_HIDDEN = re.compile(rf"^[ ]*[{_NO_BREAK}]|[:,{{\[-][ ]*[{_NO_BREAK}]")
_EXAMPLES = {"%": '"%"', "@": '"@name"', "`": '"`name"'}

Slip = tuple[str, int | None, int | None]
"""What is wrong, and the line and column where it is."""


def no_break_space(text: str) -> Slip | None:
    """Return the first no-break space of `text` that takes the place of a blank; inside a text it may stand."""
    if not any(sign in text for sign in _NO_BREAK):
        return None
    for number, line in enumerate(text.splitlines(), start=1):
        match = _HIDDEN.search(line)
        before = line[: match.start()] if match else ""
        if match and "#" not in before and before.count('"') % 2 == before.count("'") % 2 == 0:
            return "a no-break space stands where a blank is needed; type the blank anew", number, match.end()
    return None


def explained(error: MarkedYAMLError, text: str) -> Slip:
    """Return what is wrong with `text`, which `error` says in the words of YAML."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    begun = error.context_mark.line + 1 if error.context_mark else line
    problem = str(error.problem)
    lines = text.splitlines()
    written = lines[line - 1] if line and line <= len(lines) else ""
    if "'\\t'" in problem or "\t" in written[: len(written) - len(written.lstrip())]:
        why = "a tab stands in it; indent with blanks"
    elif "end of stream" in problem and "quoted" in str(error.context):
        why, line, column = f"the quotation mark of line {begun} is not closed", begun, _column(error)
    elif problem.startswith(("expected ',' or", "did not find expected ',' or")):
        opened = "{" if "mapping" in str(error.context) or "}" in problem else "["
        why = f"the {opened} of line {begun} is not closed before this, or a comma is missing"
    elif "expected <block end>" in problem or "could not find expected ':'" in problem:
        why = "the indentation is wrong: entries of a section begin in one column, with `name: ` before each value"
    elif "mapping values are not allowed" in problem:
        why = "a colon where none can be: put a text that holds `: ` into quotation marks, or correct the indentation"
    elif match := re.search(r"character '([@%`])'", problem):
        why = f"a text cannot begin with {match[1]}; put it into quotation marks, e.g. {_EXAMPLES[match[1]]}"
    else:
        why = problem
    return f"not YAML: {why}", line, column


def _column(error: MarkedYAMLError) -> int | None:
    return error.context_mark.column + 1 if error.context_mark else None


def not_utf8(content: bytes, error: UnicodeDecodeError) -> Slip:
    """Return in which line `content` stops to be UTF-8."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "the mapping is not UTF-8 but UTF-16; save it as UTF-8", None, None
    line = content.count(b"\n", 0, error.start) + 1
    shown = content.splitlines()[line - 1].decode("cp1252", "replace").strip()
    return f"the mapping is not UTF-8 in this line ({shown}); save it as UTF-8", line, None
