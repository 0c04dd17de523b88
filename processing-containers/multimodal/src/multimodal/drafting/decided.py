"""The part of a draft that is decided: what a preview can show before a person has looked at the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from multimodal.drafting.draft import Draft, DraftedTable
from multimodal.drafting.proposals import TODO, Proposal


def decided(draft: Draft) -> Draft:
    """Return the draft without its TODO: open columns are ignored, open units and date formats left out."""
    return dataclasses.replace(draft, tables=[_table(table) for table in draft.tables])


def _table(table: DraftedTable) -> DraftedTable:
    key = table.key if table.key_certain else ()
    return dataclasses.replace(
        table, proposals=[_proposal(one) for one in table.proposals], key=key, key_certain=True,
        header_doubt="",
    )  # fmt: skip


def _proposal(proposal: Proposal) -> Proposal:
    format_ = "" if proposal.format.startswith(TODO) else proposal.format
    if proposal.verb == "todo":
        return dataclasses.replace(proposal, line={"ignore": "not decided yet"})
    line = {key: _value(value) for key, value in proposal.line.items() if not _open(value)}
    if line.keys() != proposal.line.keys() and "unit" not in proposal.line:
        line = {"ignore": "not decided yet"}
    return dataclasses.replace(proposal, line=line, format=format_)


def _open(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(str(key).startswith(TODO) for key in value)
    return isinstance(value, str) and value.startswith(TODO)


def _value(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if str(value.get("text", "")).startswith(TODO):
        return {**value, "text": str(value["text"]).removeprefix(f"{TODO}: code of ")}
    return {key: one for key, one in value.items() if not _open(one)}
