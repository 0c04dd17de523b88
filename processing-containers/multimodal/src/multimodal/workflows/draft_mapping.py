"""A draft mapping in the bucket, with a preview and a report, for people who have only a platform's browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from multimodal.bucket import Bucket
from multimodal.drafting import Draft, decided, draft_yaml, open_lines, told_open
from multimodal.model.errors import ConfigurationError, MultimodalError
from multimodal.model.results import Status, WorkflowResult
from multimodal.workflows.draft_page import draft_page
from multimodal.workflows.preview_mapping import preview_mapping
from multimodal.workflows.preview_page import preview_page
from multimodal.workflows.suggest_mapping import Suggestion, mapping_id, suggest_mapping

FOLDER = "fhir-mappings/drafts"
_ROWS = 5
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,40}")
_PLACEHOLDER = "urn:draft:patient-id"


def draft_mapping(
    files: Sequence[Path],
    *,
    bucket: Bucket,
    report_dir: Path | None,
    run_id: str,
    name: str = "",
    system: str = "",
) -> WorkflowResult:
    """Draft a mapping for `files`, into ``fhir-mappings/drafts/<name>.yaml`` of the bucket.

    A draft that is there already is never overwritten: somebody may have worked on it. The new one is then called
    ``<name>-2.yaml``.

    Parameters
    ----------
    files : sequence of Path
        The tables of one study; a REDCap data dictionary among them describes their columns.
    bucket : Bucket
        Gets the draft, and under ``reports/<run_id>/`` preview.html, report.html, report.json and draft.yaml.
    report_dir : Path, optional
        A folder that gets the reports too.
    run_id : str
        Id of the run.
    name : str
        Of the mapping; by default that of the first file.
    system : str
        Identifier system of the patients; empty: the draft asks for it.

    Raises
    ------
    ConfigurationError
        If the name cannot be that of a mapping.
    DataRefusedError
        If a file cannot be read.
    """
    if name and not _NAME.fullmatch(name):
        raise ConfigurationError(f"name: {name[:60]!r} is no name of a mapping; use small letters, digits and -")
    id_ = name or mapping_id(files)
    suggestion = suggest_mapping(files, id_=id_, system=system)
    key = _free_key(bucket, id_, suggestion.text)
    bucket.write(key, suggestion.text.encode())
    result = _result(suggestion, key)
    preview, problem = _preview(suggestion, id_, system)
    if problem:
        result = replace(result, warnings=[*result.warnings, f"no preview: {problem}"])
    reports = {
        "draft.yaml": suggestion.text,
        "preview.html": preview,
        "report.html": draft_page(suggestion.draft, key, result.warnings),
        "report.json": orjson.dumps(_as_json(suggestion.draft, key), option=orjson.OPT_INDENT_2).decode() + "\n",
    }
    for file, text in reports.items():
        if not text:
            continue
        bucket.write(f"reports/{run_id}/{file}", text.encode())
        if report_dir is not None:
            (report_dir / file).write_text(text, encoding="utf-8", newline="")
    return result


def _free_key(bucket: Bucket, name: str, text: str) -> str:
    """Return a key that is free, or holds this very draft."""
    number = 1
    while True:
        key = f"{FOLDER}/{name}.yaml" if number == 1 else f"{FOLDER}/{name}-{number}.yaml"
        if not bucket.exists(key) or bucket.read(key) == text.encode():
            return key
        number += 1


def _result(suggestion: Suggestion, key: str) -> WorkflowResult:
    draft = suggestion.draft
    counts = {
        "columns": len(draft.proposals),
        "columns proposed": len(draft.proposals) - draft.undecided,
        "columns to decide": draft.undecided,
        "rows looked at": sum(table.rows for table in draft.tables),
    }
    left = told_open(open_lines(suggestion.text))
    told = f"the draft is in the bucket: {key}; {left}; decide them, then pick it in import-clinical"
    return WorkflowResult(
        Status.DONE,
        counts=counts,
        warnings=[told, *draft.notes],
        versions={"kaapana-multimodal": version("kaapana-multimodal")},
    )


def _preview(suggestion: Suggestion, id_: str, system: str) -> tuple[str, str]:
    """Return the preview of what is decided so far, or why there is none."""
    draft = decided(suggestion.draft)
    if not any(table.patient for table in draft.tables):
        return "", "no column was recognised as the patient's id"
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / f"{id_}.yaml"
        text = draft_yaml(draft, id_=id_, system=system or _PLACEHOLDER)
        file.write_text(text, encoding="utf-8")
        files = [*draft.files, *([suggestion.dictionary] if suggestion.dictionary else [])]
        try:
            preview = preview_mapping(file, files, rows=_ROWS)
        except MultimodalError as error:  # the draft itself is of use without it
            return "", str(error).replace(f"{scratch}/", "")
    note = f"Draft; columns that are still to decide ({draft.undecided}) are left out here. Nothing was stored."
    return preview_page(preview, note), ""


def _as_json(draft: Draft, key: str) -> dict[str, object]:
    return {
        "draft": key,
        "columns": [
            {
                "form": table.name,
                "column": proposal.column,
                "verb": proposal.verb,
                "concept": proposal.id,
                "confidence": round(proposal.confidence, 2),
                "reasons": [reason for reason in proposal.reasons if reason],
                "guesses": [[guess.text, round(guess.confidence, 2)] for guess in proposal.guesses],
            }
            for table in draft.tables
            for proposal in table.proposals
        ],
    }
