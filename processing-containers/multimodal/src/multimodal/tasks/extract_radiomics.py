"""Task ``extract-radiomics``: the segmentations of the batch and their images to features, everywhere they belong."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.host.context import TaskContext
from multimodal.host.picked import find_profile
from multimodal.imaging import Reading
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.results import Status, WorkflowResult
from multimodal.radiomics import DEFAULT_PROFILE, Profile, load_profile
from multimodal.transport.session import HttpSession
from multimodal.workflows.extract_radiomics import SeriesFolders, extract_radiomics
from multimodal.workflows.scanned_patients import ScannedPatients
from multimodal.workflows.series_patients import SeriesPatients

_MOST_PROCESSES = 4  # each holds the volume: the pod's memory is stated for so many


def run(context: TaskContext) -> WorkflowResult:
    """Measure every segmentation of the batch whose images the step before has fetched."""
    images_dir = context.settings.get("MULTIMODAL_IMAGES_DIR") or "get-ref-series"
    masks = [series for series in context.series() if any(series.of(context.in_name).glob("*.dcm"))]
    lost = [series.uid for series in masks if not series.of(images_dir).is_dir()]
    pairs = [SeriesFolders(series.of(images_dir), series.of(context.in_name)) for series in masks]
    pacs = context.stores.get("pacs", "dicomweb")
    with ExitStack() as closing:
        archive = closing.enter_context(open_dicomweb(pacs))
        # Into an archive that takes nothing by STOW-RS the results are sent by the steps behind this one.
        stored = bool(context.form.get("send_results")) and archive.profile.accepts_instances
        session = closing.enter_context(HttpSession(context.stores.get("clinical", "fhir")))
        result = extract_radiomics(
            [pair for pair in pairs if pair.image.is_dir()],
            profile=_profile(context),
            out_dir=context.out_dir,
            fhir=FhirServer(session),
            bucket=context.bucket,
            dicom=archive if stored else None,
            patients=ScannedPatients.of(pacs),
            origins=SeriesPatients(context.stores),
            reading=Reading(resample=bool(context.form.get("resample")), suv=bool(context.form.get("suv", True))),
            layout="components" if context.form.get("layout") == "components" else "members",
            processes=min(_MOST_PROCESSES, len(os.sched_getaffinity(0))),
            progress=context.progress,
        )
    if not lost:
        return result
    issues = [_without_images(uid) for uid in lost]
    return replace(result, status=Status.PARTIAL, issues=[*result.issues, *issues])


def _profile(context: TaskContext) -> Profile:
    """Return the settings that the form names: a file of the project's own, or one that is shipped."""
    name = str(context.form.get("profile") or DEFAULT_PROFILE)
    with tempfile.TemporaryDirectory() as folder:
        return load_profile(find_profile(context, name, Path(folder)))


def _without_images(series_uid: str) -> Issue:
    code = IssueCode.SERIES_UNUSABLE
    message = "the images this series was drawn on are not in the store, or it is no segmentation"
    return Issue(code.code, message, record=series_uid, suggestion=code.suggestion)
