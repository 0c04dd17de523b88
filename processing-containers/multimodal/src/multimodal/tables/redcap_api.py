"""Records and project settings from REDCap's API, as files that `redcap_source` reads.

Each REDCap describes its API under ``/api/help/``; a token belongs to one user in one project, and what it may export
are that user's rights.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from multimodal.model.errors import ConfigurationError, RemoteError
from multimodal.model.progress import Progress, silent
from multimodal.transport.errors import BrokenAnswerError, LoginRefusedError, RequestRefusedError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store

DICTIONARY = "dictionary.json"
RECORDS = "records.csv"

_BATCH = 200
_EXPORTS = 2  # a project that people write into is exported once more before we give up
_READ_ALOUD = frozenset({400, 401, 403, 501})  # statuses whose body is REDCap's own message
# Codes as they are stored; a form that nobody opened has an empty status, not 0.
_RAW = {
    "type": "flat",
    "csvDelimiter": ",",
    "rawOrLabel": "raw",
    "rawOrLabelHeaders": "raw",
    "exportCheckboxLabel": "false",
    "exportSurveyFields": "false",
    "exportDataAccessGroups": "false",
    "exportBlankForGrayFormStatus": "true",
}


class ExportChangedError(RemoteError):
    """The project changed while it was exported, again and again."""


def fetch_export(store: Store, folder: Path, *, progress: Progress = silent, batch: int = _BATCH) -> list[Path]:
    """Export a whole project into a folder.

    Parameters
    ----------
    store : Store
        Of kind ``redcap``: the API's address (``.../api/``) and a token.
    folder : Path
        Gets ``records.csv`` (raw codes) and ``dictionary.json`` (fields, forms, events, what repeats, missing data
        codes); made if need be, files of the same name are replaced.
    progress : Progress
        Told of ``records``.
    batch : int
        Records asked for at once.

    Returns
    -------
    list of Path
        The two files, the records first.

    Raises
    ------
    ConfigurationError
        If the store has no token.
    LoginRefusedError
        If REDCap refuses the token.
    RequestRefusedError
        If REDCap refuses a call, with its own words.
    BrokenAnswerError
        If an answer is cut short, or no answer of the API (a web page).
    ExportChangedError
        If records or fields changed during the export, twice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _Api(store) as api:
        settings = api.settings()
        metadata = settings["metadata"]
        if not metadata:
            raise RequestRefusedError(store.name, "the project has no field, or the token may not see one", status=200)
        record = str(metadata[0].get("field_name", ""))
        for left in reversed(range(_EXPORTS)):
            try:
                _records(api, folder / RECORDS, record, batch, progress)
                break
            except ExportChangedError:
                if not left:
                    raise
    (folder / DICTIONARY).write_bytes(orjson.dumps(settings, option=orjson.OPT_INDENT_2))
    return [folder / RECORDS, folder / DICTIONARY]


def describe_project(store: Store) -> str:
    """Return one line on the project behind a store, after a real call to it.

    Raises
    ------
    ConfigurationError, RemoteError
        See `fetch_export`.
    """
    with _Api(store) as api:
        project = api.project()
    events = "with events" if str(project.get("is_longitudinal", "")) == "1" else "without events"
    return f"REDCap project {project.get('project_title', '')!r}, {events}"


def _records(api: _Api, file: Path, record: str, batch: int, progress: Progress) -> None:
    """Write all records: first their ids, then batch after batch, each compared with what was asked for."""
    ids = list(dict.fromkeys(row[0] for row in api.rows({"fields[0]": record}, record)[1]))
    part = file.with_suffix(".part")
    header: list[str] = []
    with part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        for start in range(0, len(ids), batch):
            asked = ids[start : start + batch]
            names, rows = api.batch(asked, record)
            if names != (header or names):
                raise ExportChangedError(
                    api.store.name, "the project's fields changed during the export; try again later"
                )
            if not header:
                writer.writerow(names)
                header = names
            writer.writerows(rows)
            progress("records", min(start + batch, len(ids)), len(ids))
    part.replace(file)


class _Api:
    """Calls of one project's API; the token is in the body of each call and nowhere else."""

    def __init__(self, store: Store) -> None:
        if store.auth is None or store.auth.scheme != "token":
            raise ConfigurationError(
                f"store {store.name}: name the environment variable of its token as auth: token_env"
            )
        self.store = store
        self._token = store.auth.secret(store.name)
        self._session = HttpSession(store)

    def __enter__(self) -> _Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def settings(self) -> dict[str, Any]:
        """Return the answers on fields, forms, events, what repeats, and the project itself.

        Raises
        ------
        RemoteError
            See `fetch_export`.
        """
        project = self.project()
        found = {"metadata": self._json("metadata"), "instrument": self._json("instrument"), "project": project}
        # REDCap refuses (400) to list what a project cannot have, so it is asked only for what there is.
        longitudinal = str(project.get("is_longitudinal", "")) == "1"
        repeating = str(project.get("has_repeating_instruments_or_events", "")) == "1"
        found["events"] = self._json("event") if longitudinal else []
        found["formEventMapping"] = self._json("formEventMapping") if longitudinal else []
        found["repeatingFormsEvents"] = self._json("repeatingFormsEvents") if repeating else []
        return found

    def project(self) -> dict[str, Any]:
        """Return title and settings of the project.

        Raises
        ------
        RemoteError
            See `fetch_export`.
        """
        project = self._json("project")
        if not isinstance(project, dict):
            raise BrokenAnswerError(self.store.name, "answers with no project; is its url that of REDCap's API?")
        return project

    def batch(self, ids: Sequence[str], record: str) -> tuple[list[str], list[list[str]]]:
        """Return header and rows of exactly these records.

        Raises
        ------
        ExportChangedError
            If others came back: records were deleted meanwhile, or an answer belongs to another question.
        """
        names, rows = self.rows({f"records[{place}]": id_ for place, id_ in enumerate(ids)}, record)
        missing = len(set(ids) - {row[0] for row in rows})
        strange = len({row[0] for row in rows} - set(ids))
        if missing or strange:
            problem = f"of {len(ids)} records asked for {missing} did not come, and {strange} others did"
            raise ExportChangedError(self.store.name, f"{problem}; try again when nobody writes into the project")
        return names, rows

    def rows(self, asked: dict[str, str], record: str) -> tuple[list[str], list[list[str]]]:
        """Return header and rows of some records.

        Raises
        ------
        BrokenAnswerError
            If the table is cut short, or none.
        """
        for left in reversed(range(self.store.attempts)):
            text = self._call("record", "csv", {**_RAW, **asked}).decode("utf-8", "replace").removeprefix("\ufeff")
            try:
                return self._table(text, record)
            except BrokenAnswerError:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _table(self, text: str, record: str) -> tuple[list[str], list[list[str]]]:
        if not text.strip():
            return [], []
        try:
            lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
        except csv.Error as error:
            raise BrokenAnswerError(
                self.store.name, f"the table of records is cut short or damaged ({error})"
            ) from error
        names, rows = lines[0], lines[1:]
        if names[0] != record:
            raise BrokenAnswerError(self.store.name, f"the table of records does not begin with the column {record!r}")
        if not text.endswith(("\n", "\r")) and (not rows or len(rows[-1]) < len(names)):
            raise BrokenAnswerError(self.store.name, f"the table of records is cut short after {len(rows)} rows")
        wrong = next((row for row in rows if len(row) != len(names)), None)
        if wrong is not None:
            problem = f"a row of the table of records has {len(wrong)} cells, its header {len(names)}"
            raise BrokenAnswerError(self.store.name, problem)
        return names, rows

    def _json(self, content: str) -> Any:
        answer = b""
        for _ in range(self.store.attempts):
            answer = self._call(content, "json", {})
            try:
                return orjson.loads(answer)
            except orjson.JSONDecodeError:
                continue  # cut short: nothing else of REDCap's is no JSON
        raise BrokenAnswerError(self.store.name, f"the answer on {content} is cut short after {len(answer)} bytes")

    def _call(self, content: str, format_: str, asked: dict[str, str]) -> bytes:
        """Return the body of an answer that is neither an error nor a web page."""
        form = {"token": self._token, "content": content, "format": format_, "returnFormat": "json", **asked}
        # The API's address ends with a slash; without it many servers redirect, which loses the form.
        answer = self._session.request(
            "POST",
            "/",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json, text/csv"},
            data=urlencode(form),
            expect=_READ_ALOUD,
        )
        body = answer.content
        said = _error(body)
        name, status = self.store.name, answer.status_code
        if status in (401, 403):
            problem = f"REDCap refuses the token ({status}: {said or 'no reason given'})"
            raise LoginRefusedError(name, f"{problem}; give the store a token of this project", status=status)
        if said or status >= 400:
            problem = f"REDCap refuses to export {content} ({status}): {said or 'no reason given'}"
            raise RequestRefusedError(name, problem, status=status)
        if body.lstrip()[:1] == b"<":
            hint = "is its url that of the API (https://.../api/), and is REDCap not in maintenance?"
            raise BrokenAnswerError(name, f"answers with a web page in place of {content}; {hint}")
        return body


def _error(body: bytes) -> str:
    """Return REDCap's message, if the answer is one: JSON as asked for, else the XML or text of older versions."""
    head = body.lstrip()[:4096]
    if head.startswith(b"{"):
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            return ""
        return str(content["error"])[:300] if set(content) == {"error"} else ""
    _, opening, rest = head.partition(b"<error>")
    if opening:
        return rest.partition(b"</error>")[0].decode("utf-8", "replace")[:300]
    return head[7:300].decode("utf-8", "replace").strip() if head[:6].lower() == b"error:" else ""
