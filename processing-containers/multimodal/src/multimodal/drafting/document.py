"""A draft as the YAML file that a person goes on with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from multimodal.drafting.draft import SAMPLE, Draft, DraftedTable
from multimodal.drafting.proposals import TODO, Proposal

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./%+-]*(?: [A-Za-z0-9_./%+-]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
_WIDTH = 118
_SHOWN = 20  # line numbers
_OPEN = re.compile(rf"""['"]{TODO}: """)


def draft_yaml(draft: Draft, *, id_: str, system: str = "") -> str:
    """Return the mapping file of a draft.

    Parameters
    ----------
    draft : Draft
        What is proposed.
    id_ : str
        Id of the mapping.
    system : str
        Identifier system of the patients; empty: the draft asks for it.
    """
    body = [
        "fhirmap: 1",
        f"id: {scalar(id_)}",
        *_source(draft),
        *_subject(draft, system),
        *_tables(draft),
        *_columns(draft),
        "unmapped: error",
    ]
    above = ["# yaml-language-server: $schema=./fhirmap.schema.json", *_head(draft, [])]
    open_ = [number + len(above) for number in open_lines("\n".join(body))]
    return "\n".join([above[0], *_head(draft, open_), *body]) + "\n"


def open_lines(text: str) -> list[int]:
    """Return the number of the line of each TODO that a draft leaves to a person; comments are free."""
    lines = enumerate(text.split("\n"), start=1)
    found = [(number, line) for number, line in lines if not line.lstrip().startswith("#")]
    return [number for number, line in found for _ in _OPEN.findall(line)]


def told_open(open_: Sequence[int]) -> str:
    """Return how many TODO are left, and their lines."""
    if not open_:
        return "no TODO left to decide"
    lines = list(dict.fromkeys(open_))
    shown = ", ".join(map(str, lines[:_SHOWN])) + (f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else "")
    return f"{len(open_)} TODO left to decide, in line{'s' if len(lines) > 1 else ''} {shown}"


def scalar(value: object) -> str:
    """Return a value as YAML writes it within one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key))}: {scalar(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(scalar, value)) + "]"
    if not isinstance(value, str):
        return str(value)
    if not value.isprintable():
        return _escaped(value)
    if _PLAIN.fullmatch(value) and value.casefold() not in _WORDS:
        return value
    return "'" + value.replace("'", "''") + "'"


def _escaped(text: str) -> str:
    safe = "".join(char if 0x20 <= ord(char) < 0x7F and char not in '"\\' else f"\\U{ord(char):08x}" for char in text)
    return f'"{safe}"'


def _head(draft: Draft, todos: Sequence[int]) -> Iterator[str]:
    total, open_ = len(draft.proposals), draft.undecided
    names = ", ".join(_comment(file.name) for file in draft.files)
    yield f"# Draft for {names}: {total - open_} of {total} columns proposed; {told_open(todos)}."
    yield "# Read every line. `multimodal mapping check` fails as long as a TODO is left."
    if any(table.rows == SAMPLE for table in draft.tables):
        yield f"# Only the first {SAMPLE:,} rows of each table were looked at."


def _source(draft: Draft) -> Iterator[str]:
    yield "source:"
    yield f"  type: {draft.source_type}"
    if draft.dictionary:
        yield f"  dictionary: {scalar(draft.dictionary)}"
    yield from (f"  {name}: {scalar(text)}" for name, text in draft.options.items())
    only = draft.tables[0] if len(draft.tables) == 1 else None
    if only is not None and only.key:
        yield from _key(only, "  ")
    if draft.source_type == "xlsx":
        yield from _sheets(draft)
    formats = _formats(draft)
    if formats:
        yield "  # of all dates in the table; ISO 8601 is always read"
        yield f"  dates: {scalar(formats)}"
    missing: dict[str, str] = {}
    for table in draft.tables:
        missing |= table.missing
    if missing:
        yield "  # texts that seem to stand for a missing value; drop: the cell is as good as empty"
        yield f"  missing: {scalar(missing)}"


def _sheets(draft: Draft) -> Iterator[str]:
    """Yield where the sheets have their header; of several only those that have it elsewhere than in the first row."""
    several = len(draft.tables) > 1
    tables = [table for table in draft.tables if table.name and (not several or _header_of(table) != 1)]
    if not tables:
        return
    yield from (f"  # {_comment(table.header_why)}" for table in tables if table.header_why)
    yield f"  sheets: {scalar({table.name: {'header_row': _header_of(table)} for table in tables})}"


def _header_of(table: DraftedTable) -> object:
    return f"{TODO}: {table.header_doubt}" if table.header_doubt else table.header_row


def _key(table: DraftedTable, indent: str) -> Iterator[str]:
    if table.key_certain:
        yield f"{indent}# several rows for a patient: these columns tell them apart in all {table.rows:,} rows"
        yield f"{indent}key: {scalar(table.key)}"
    else:
        yield f"{indent}# several rows for a patient, and no date or visit column tells them apart"
        yield f"{indent}key: {scalar([*table.key, f'{TODO}: which column tells the rows of a patient apart?'])}"


def _formats(draft: Draft) -> list[str]:
    """Return the date formats of all columns; where day and month could be exchanged, those of the others decide."""
    found = list(dict.fromkeys(proposal.format for proposal in draft.proposals if proposal.format))
    certain = [text for text in found if not text.startswith(TODO)]
    for text in found:
        if text.startswith(TODO):
            choices = text.removeprefix(f"{TODO}: ").split(" or ")
            if sum(choice in certain for choice in choices) != 1:
                certain.append(text)
    return certain


def _subject(draft: Draft, system: str) -> Iterator[str]:
    patient = next((table.patient for table in draft.tables if table.patient), "")
    yield "subject:"
    yield f"  id: {scalar(patient or f'{TODO}: the column that names the patient')}"
    yield f"  system: {scalar(system or f'{TODO}: identifier system of the patients, e.g. urn:my-hospital:pid')}"


def _tables(draft: Draft) -> Iterator[str]:
    tables = merged_tables(draft)
    if tables:
        yield "tables:"
    for name, table in tables.items():
        yield f"  {scalar(name)}: {scalar(table)}"


def merged_tables(draft: Draft) -> dict[str, Any]:
    """Return the translation tables of all columns; one that two columns share holds the values of both."""
    tables: dict[str, Any] = {}
    for proposal in draft.proposals:
        for name, table in proposal.tables.items():
            known = tables.setdefault(name, {"map": {}, "otherwise": table["otherwise"]})
            known["map"] |= table["map"]
    return tables


def _columns(draft: Draft) -> Iterator[str]:
    if len(draft.tables) == 1 and not (draft.tables[0].name and draft.source_type in {"redcap", "odm"}):
        table = draft.tables[0]
        if table.effective:
            yield f"# confidence 0.80: {_comment(table.effective)} is the only date that can be the date of the values"
            yield f"defaults: {{effective: {scalar(table.effective)}}}"
        yield "columns:"
        yield from _lines(table.proposals, "  ")
        return
    yield "forms:"
    for table in draft.tables:
        yield f"  {scalar(table.name or table_name(table, draft))}:"
        if table.key:
            yield from _key(table, "    ")
        if table.effective:
            yield f"    # confidence 0.80: {_comment(table.effective)} is the only date that can be theirs"
            yield f"    effective: {scalar(table.effective)}"
        yield "    columns:"
        yield from _lines(table.proposals, "      ")


def table_name(table: DraftedTable, draft: Draft) -> str:
    """Return the name of a form whose table has none: that of its file."""
    at = draft.tables.index(table)
    return draft.files[min(at, len(draft.files) - 1)].stem


def _lines(proposals: Sequence[Proposal], indent: str) -> Iterator[str]:
    for proposal in proposals:
        yield f"{indent}# {_said(proposal)}"[: _WIDTH + 40]
        yield from _entry(proposal, indent)


def _said(proposal: Proposal) -> str:
    why = ", ".join(_comment(reason) for reason in proposal.reasons if reason)
    if proposal.verb != "todo":
        return f"confidence {proposal.confidence:.2f}: {why}"
    guesses = "; ".join(f"{guess.confidence:.2f} {_comment(guess.text)}" for guess in proposal.guesses)
    return f"not sure: {guesses or 'nothing known is like it'}{f' ({why})' if why else ''}"


def _entry(proposal: Proposal, indent: str) -> Iterator[str]:
    one_line = f"{indent}{scalar(proposal.column)}: {scalar(proposal.line)}"
    if len(one_line) <= _WIDTH or proposal.verb == "todo":
        yield one_line
        return
    yield f"{indent}{scalar(proposal.column)}:"
    for key, value in proposal.line.items():
        yield f"{indent}  {key}: {scalar(value)}"


def _comment(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
