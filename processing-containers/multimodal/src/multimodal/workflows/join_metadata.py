"""Series documents, clinical columns and features -> one document for each series that has all three."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb
from multimodal.fhirstore import Target
from multimodal.index.choice import JoinChoice, load_choice
from multimodal.index.documents import age_in_years
from multimodal.index.keys import Area, Kind, area_of, is_own, own_key
from multimodal.index.origin import ADDRESS, COLLECTION, ISSUER, issuer_of, store_of
from multimodal.index.series_index import SERIES_KEY, Change, SeriesIndex, WriteReport
from multimodal.mapping.load import load_mapping
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.references import PatientRef
from multimodal.model.results import Status, WorkflowResult
from multimodal.resources.imaging_patient import dicom_gender
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.clinical_values import Clinical, Person, read_clinical
from multimodal.workflows.feature_values import Features, read_features
from multimodal.workflows.scanned_patients import ScannedPatients
from multimodal.workflows.series_documents import create_missing

_PATIENT = "00100020 PatientID_keyword"
_SEX = "00100040 PatientSex_keyword"
_AGE = "00101010 PatientAge_keyword"
_BORN = "00100030 PatientBirthDate_date"
_STUDY_DATE = "00080020 StudyDate_date"
_FIELDS = (
    SERIES_KEY, _PATIENT, ISSUER, _SEX, _AGE, _BORN, _STUDY_DATE, ADDRESS, COLLECTION,
    *(f"00000000 {area}*" for area in Area),
)  # fmt: skip
_FHIR_PATIENT = own_key(Area.FHIR, "Patient", Kind.KEYWORD)


def join_metadata(
    dicom: DicomWeb,
    *,
    fhir: Target,
    index: SeriesIndex,
    bucket: Bucket | None = None,
    stores: Stores | None = None,
    mappings: Sequence[Path] = (),
    choice: JoinChoice | None = None,
    settings: str = "",
    filters: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> WorkflowResult:
    """Write clinical columns and chosen features into the series documents they belong to.

    Parameters
    ----------
    dicom : DicomWeb
        The image store; its ``patient_system`` leads from a Patient ID to the FHIR Patient.
    fhir : Target
        Holds what `mappings` loaded.
    index : SeriesIndex
        The documents. Where the index is our own, series of the store without a document get one.
    bucket : Bucket, optional
        Holds the feature tables.
    stores : Stores, optional
        Where series are referenced that lie in other stores: each of these has a ``patient_system`` of its own. A
        series of a store that is not among them is nobody's.
    mappings : sequence of Path
        All mapping files of the project: their level-1 columns are joined, and a column that none of them has
        any more is taken out of the documents.
    choice : JoinChoice, optional
        Which features; those of ``index/join.yaml`` where not given.
    settings : str
        Hash of the radiomics settings to take, where there are several.
    filters : mapping of str to str, optional
        Which series of the store get a document, by DICOM keyword.

    Returns
    -------
    WorkflowResult
        ``partial`` with an issue for each patient without a series (J101), each Patient ID without a clinical
        row (J102) and each document that the index refused (J201, with the series UID).

    Raises
    ------
    IndexRefusedError
        If the index as a whole takes no writes.
    """
    chosen = choice or load_choice()
    columns = [load_mapping(path) for path in mappings]
    created = _ensure_documents(dicom, index, filters, progress)
    documents = {uid: _Document(uid, content) for uid, content in index.scan(_FIELDS)}
    if not documents and not created.refused:
        return WorkflowResult(Status.NOTHING, {"documents": 0})
    clinical = read_clinical(fhir, columns)
    features = read_features(bucket, chosen, settings) if bucket is not None else Features()
    # What this call knows nothing of is left as an earlier one wrote it.
    areas = ({Area.CLINICAL, Area.FHIR} if columns else set()) | ({Area.RADIOMICS} if bucket is not None else set())
    join = _Join(_Origins(dicom.store, stores), clinical, features, chosen.age_tolerance, frozenset(areas))
    report = index.update(join.changes(documents.values(), progress))
    join.compare(documents.values())
    return _result(documents, created, report, join, match_patients=bool(columns))


@dataclass(frozen=True, slots=True)
class _Document:
    """What the join reads of a series document."""

    series_uid: str
    content: Mapping[str, Any]

    @property
    def patient(self) -> str:
        """The DICOM Patient ID."""
        return str(self.content.get(_PATIENT, ""))

    @property
    def issuer(self) -> str:
        """Who issued the Patient ID."""
        return issuer_of(self.content)

    @property
    def origin(self) -> str:
        """The store that a referenced series lies in; empty for one of the image store's own."""
        return store_of(self.content)

    def own(self, areas: Collection[Area]) -> dict[str, Any]:
        """Return what earlier joins wrote in `areas`."""
        return {key: value for key, value in self.content.items() if is_own(key) and area_of(key) in areas}


class _Origins:
    """Whose scans the documents tell of: a Patient ID means another patient in another store."""

    def __init__(self, internal: Store, stores: Stores | None) -> None:
        self.system = internal.patient_system
        patients = ScannedPatients.of(internal)
        self._patients = {"": patients, internal.name: patients}
        self._stores = {} if stores is None else {store.name: store for store in stores if store.kind == "dicomweb"}

    def patients(self, origin: str) -> ScannedPatients | None:
        """Return the patients of a store; None for one that nobody named."""
        if origin not in self._patients and origin in self._stores:
            self._patients[origin] = ScannedPatients.of(self._stores[origin])
        return self._patients.get(origin)

    def ref(self, document: _Document) -> PatientRef | None:
        """Return the Patient of a document; None where it cannot be told."""
        patients = self.patients(document.origin)
        patients = patients.issued_by(document.issuer) if patients is not None else None
        return patients.ref(document.patient) if patients is not None and document.patient else None


@dataclass(slots=True)
class _Join:
    """Which values belong to which document, and what does not match."""

    patients: _Origins
    clinical: Clinical
    features: Features
    age_tolerance: float
    areas: frozenset[Area]
    unchanged: int = 0
    joined: int = 0
    warnings: list[str] = field(default_factory=list)

    def person(self, document: _Document) -> Person | None:
        """Return the clinical patient of a document."""
        ref = self.patients.ref(document)
        return None if ref is None else self.clinical.people.get(ref.id)

    def changes(self, documents: Iterable[_Document], progress: Progress) -> Iterator[Change]:
        """Yield what has to change; a document that is as it should be is not written again."""
        for done, document in enumerate(documents, start=1):
            wanted, there = self._wanted(document), document.own(self.areas)
            self.joined += bool(wanted)
            put = {key: value for key, value in wanted.items() if there.get(key) != value}
            gone = sorted(there.keys() - wanted.keys())
            if put or gone:
                yield Change(document.series_uid, put, gone)
            else:
                self.unchanged += 1
            progress("documents compared", done)

    def _wanted(self, document: _Document) -> dict[str, Any]:
        wanted = dict(self.features.of_series.get(document.series_uid, {}))
        ref = self.patients.ref(document)
        if ref is not None and (person := self.person(document)):
            wanted[_FHIR_PATIENT] = ref.reference
            wanted |= person.values
        return wanted

    def strangers(self, documents: Collection[_Document]) -> Iterator[str]:
        """Yield a warning for each store that nobody named, and where not one patient matches.

        Where none does, it is the identifier systems that differ.
        """
        origins = Counter(document.origin for document in documents)
        for origin, count in sorted(origins.items()):
            if self.patients.patients(origin) is None:
                yield f"{count} series lie in store {origin}, which the stores file does not name: whose is not known"
        scanned = [document for document in documents if document.patient]
        if scanned and self.clinical.people and not any(self.person(document) for document in scanned):
            yield (
                f"no patient of the tables has a series: is {self.patients.system} (patient_system of the image store) "
                "the identifier system of the mapping's subject?"
            )

    def compare(self, documents: Iterable[_Document]) -> None:
        """Warn of each patient whose sex or age differs between table and scan."""
        seen: set[tuple[str, str]] = set()
        for document in documents:
            person = self.person(document)
            ref = self.patients.ref(document)
            for what, line in _differences(document, person, self.age_tolerance) if person and ref else ():
                if ref and (ref.id, what) not in seen:
                    seen.add((ref.id, what))
                    self.warnings.append(f"{ref.reference}: {line}")  # logs name no Patient ID

    def unmatched(self, documents: Iterable[_Document]) -> Iterator[Issue]:
        """Yield what one side has and the other lacks."""
        scanned: dict[str, list[_Document]] = defaultdict(list)
        for document in documents:
            if not document.patient:
                message = "the series has no Patient ID; its document was not joined"
                yield _issue(IssueCode.DOCUMENT_WITHOUT_PATIENT, message, document.series_uid)
            elif (ref := self.patients.ref(document)) is not None:
                scanned[ref.id].append(document)
        for key, person in sorted(self.clinical.people.items(), key=lambda one: one[1].name):
            if key not in scanned:
                message = f"no series of Patient/{key} in the index"
                yield _issue(IssueCode.PATIENT_WITHOUT_SERIES, message, person.name)
        for key, series in sorted(scanned.items(), key=lambda one: one[1][0].patient):
            if key not in self.clinical.people:
                message = f"{len(series)} series of Patient/{key} without clinical data"
                yield _issue(IssueCode.SERIES_WITHOUT_CLINICAL, message, series[0].patient)


def _ensure_documents(
    dicom: DicomWeb, index: SeriesIndex, filters: Mapping[str, str] | None, progress: Progress
) -> WriteReport:
    index.ensure()
    if not index.owned:
        return WriteReport()
    return create_missing(dicom, index, {uid for uid, _ in index.scan([SERIES_KEY])}, filters, progress)


def _differences(document: _Document, person: Person, tolerance: float) -> Iterator[tuple[str, str]]:
    sex = str(document.content.get(_SEX, ""))
    if person.gender and (gender := dicom_gender(sex)) and gender != person.gender:
        yield "sex", f"sex is {person.gender} in the table and {sex} in the scan"
    scanned, told = _age_at_scan(document), _clinical_age(document, person)
    if scanned is not None and told is not None and abs(scanned - told) > tolerance:
        yield "age", f"age is {told:.1f} in the table and {scanned:.0f} in the scan"


def _age_at_scan(document: _Document) -> float | None:
    return age_in_years(str(document.content.get(_AGE, "")))


def _clinical_age(document: _Document, person: Person) -> float | None:
    """Return the age by the table's birth date on the day of the study, else the age the table gives."""
    day = str(document.content.get(_STUDY_DATE, ""))
    if len(person.birth_date) == len(day) == len("2000-01-01"):
        return (date.fromisoformat(day) - date.fromisoformat(person.birth_date)).days / 365.25
    return person.age


def _result(
    documents: Mapping[str, _Document], created: WriteReport, report: WriteReport, join: _Join, *, match_patients: bool
) -> WorkflowResult:
    issues = list(join.clinical.issues)
    issues += join.unmatched(documents.values()) if match_patients else ()
    for refused in (*created.refused, *report.refused):
        issues.append(_issue(IssueCode.DOCUMENT_REFUSED, refused.reason, refused.series_uid))
    for uid in report.missing:
        issues.append(_issue(IssueCode.DOCUMENT_MISSING, "the document vanished while it was joined", uid))
    kinds = Counter(issue.code for issue in issues)
    repeated = [
        f"{name}: {count} earlier values stay out, each patient's last one was joined"
        for name, count in _several(join.clinical)
    ]
    return WorkflowResult(
        Status.PARTIAL if issues else Status.DONE,
        {
            "documents": len(documents),
            "documents created": created.written,
            "documents joined": join.joined,
            "documents updated": report.written,
            "documents unchanged": join.unchanged + report.unchanged,
            "documents refused": kinds[IssueCode.DOCUMENT_REFUSED.code],
            "patients in the tables": len(join.clinical.people),
            "patients without a series": kinds[IssueCode.PATIENT_WITHOUT_SERIES.code],
            "patients without clinical data": kinds[IssueCode.SERIES_WITHOUT_CLINICAL.code],
        },
        warnings=[*join.strangers(documents.values()), *join.features.warnings, *repeated, *join.warnings],
        issues=issues,
    )


def _several(clinical: Clinical) -> Iterator[tuple[str, int]]:
    return ((name, count) for name, count in sorted(clinical.repeated.items()) if count)


def _issue(code: IssueCode, message: str, record: str) -> Issue:
    return Issue(code.code, message, record=record, suggestion=code.suggestion)
