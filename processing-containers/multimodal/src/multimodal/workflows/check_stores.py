"""Asks a named store whether it is there and lets us in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import requests

from multimodal.dicomweb import Finding, UnexpectedAnswerError, open_dicomweb
from multimodal.model.errors import ConfigurationError
from multimodal.tables.redcap_api import describe_project
from multimodal.transport.errors import NotFoundError, RequestRefusedError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from multimodal.workflows.airflow_api import describe_airflow


def check_store(store: Store) -> str:
    """Return what was found at `store` after real calls to it: one line, and for a DICOMweb store one for each ability.

    Raises
    ------
    ConfigurationError, RemoteError
        With the cause in one line.
    """
    checks = {
        "dicomweb": _dicomweb, "fhir": _fhir, "opensearch": _opensearch, "redcap": describe_project, "folder": _folder,
        "s3": _s3, "airflow": describe_airflow,
    }  # fmt: skip
    return checks[store.kind](store)


def _dicomweb(store: Store) -> str:
    with open_dicomweb(store) as dicom:
        try:
            found = dicom.has_studies()
        except (NotFoundError, RequestRefusedError) as error:
            problem = f"{error.problem}; is {store.url} the root of its DICOMweb service? Correct the url"
            raise UnexpectedAnswerError(store.name, problem, status=error.status) from error
        findings = dicom.probe() if found else []
    first = f"answers searches, profile {store.profile}; it has {'studies' if found else 'no study'}"
    lines = [first]
    for finding in findings:
        verdict = "unknown" if finding.found is None else "otherwise" if finding.differs else "as the profile says"
        note = f": {finding.note}" if finding.note else ""
        ability = f"{finding.section}.{finding.key}"
        lines.append(f"  {ability:20} {verdict}{note}")
    return "\n".join([*lines, *_settings(store.name, findings)])


def _settings(name: str, findings: list[Finding]) -> list[str]:
    """Return the lines of the stores file that tell what the profile does not."""
    sections: dict[str, dict[str, Any]] = {}
    for finding in findings:
        if finding.differs:
            sections.setdefault(finding.section, {})[finding.key] = finding.found
    if not sections:
        return []
    lines = [f"In the stores file, below {name}:", "    profile_settings:"]
    # JSON is YAML, and needs no rules of quoting.
    return lines + [f"      {section}: {orjson.dumps(found).decode()}" for section, found in sections.items()]


def _fhir(store: Store) -> str:
    with HttpSession(store) as session:
        statement = _json(store, session.request("GET", "metadata", headers={"Accept": "application/fhir+json"}))
    if statement.get("resourceType") != "CapabilityStatement":
        raise UnexpectedAnswerError(store.name, f"{store.url}/metadata is no CapabilityStatement; is it a FHIR server?")
    software = statement.get("software", {})
    return f"{software.get('name', 'a FHIR server')} {software.get('version', '')}, FHIR {statement.get('fhirVersion')}"


def _opensearch(store: Store) -> str:
    with HttpSession(store) as session:
        version = _json(store, session.request("GET", "")).get("version")
    if not isinstance(version, dict):
        raise UnexpectedAnswerError(store.name, f"{store.url} is no OpenSearch server")
    return f"{version.get('distribution', 'elasticsearch')} {version.get('number')}, index {store.index}"


def _folder(store: Store) -> str:
    path = Path(store.path)
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(f"store {store.name}: cannot write to {there}")
    return f"{path} is writable" if there == path else f"{path} can be made"


def _s3(store: Store) -> str:
    from multimodal.bucket.s3 import S3Bucket  # its client takes a third of a second to import

    bucket = S3Bucket(store)
    next(bucket.list("state/check"), None)
    with bucket.lock("check"):
        knows = bucket.has_conditional_writes()
    conditions = "" if knows else "; it knows no conditional writes, so start no two runs in the same second"
    return f"bucket {store.bucket} can be listed and written{conditions}"


def _json(store: Store, answer: requests.Response) -> dict[str, Any]:
    try:
        content = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise UnexpectedAnswerError(store.name, f"{store.url} answers with no JSON object")
    return content
