"""Identifier and code systems of the imaging resources, named once."""

from __future__ import annotations

DICOM_UID = "urn:dicom:uid"
URI = "urn:ietf:rfc:3986"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
SCT = "http://snomed.info/sct"
UMLS = "http://www.nlm.nih.gov/research/umls"
UCUM = "http://unitsofmeasure.org"
# DICOM coding scheme designator (PS3.16 chapter 8) -> FHIR system
BY_SCHEME = {"SCT": SCT, "DCM": DCM, "UMLS": UMLS}

OWN = "https://kaapana-multimodal.github.io/fhir"
DICOM_STORE = f"{OWN}/sid/dicom-store"
RADIOMICS_CONFIGURATION = f"{OWN}/sid/radiomics-config"
RADIOMICS_SETTING = f"{OWN}/CodeSystem/radiomics-setting"
SEGMENT_NUMBER = f"{OWN}/StructureDefinition/dicom-segment-number"
AGGREGATION = f"{OWN}/StructureDefinition/radiomics-aggregation"
SOURCE_SERIES = f"{OWN}/StructureDefinition/dicom-source-series-uid"
# Extensions of the German Medical Informatics Initiative, module Imaging (R4): the mask's series and instance.
MASK_SERIES = (
    "https://www.medizininformatik-initiative.de/fhir/ext/modul-bildgebung/StructureDefinition/"
    "mii-ex-bildgebung-series-uid"
)
MASK_INSTANCE = (
    "https://www.medizininformatik-initiative.de/fhir/ext/modul-bildgebung/StructureDefinition/"
    "mii-ex-bildgebung-sop-instanz-uid"
)


def uid_identifier(uid: str) -> dict[str, str]:
    """Return the FHIR identifier of a DICOM UID: system ``urn:dicom:uid``, value ``urn:oid:<uid>``."""
    return {"system": DICOM_UID, "value": f"urn:oid:{uid}"}
