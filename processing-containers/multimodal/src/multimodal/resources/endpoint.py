"""Where the images of a study can be fetched: an image store as a FHIR Endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from multimodal.model.ids import resource_id
from multimodal.resources.systems import DICOM_STORE

_CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_PAYLOAD = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"


def endpoint_reference(store: str, address: str) -> dict[str, str]:
    """Return the reference to the Endpoint of a store."""
    return {"reference": f"Endpoint/{_id(store, _bare(address))}"}


def dicomweb_endpoint(store: str, address: str) -> dict[str, Any]:
    """Return the `Endpoint <https://hl7.org/fhir/R4/endpoint.html>`_ of a DICOMweb store.

    Parameters
    ----------
    store : str
        Its name in the stores file.
    address : str
        Its base address; a login, a query or a fragment in it is left out.

    Notes
    -----
    The id is made of name and address: two projects that call different stores by one name write two Endpoints.
    """
    bare = _bare(address)
    return {
        "resourceType": "Endpoint",
        "id": _id(store, bare),
        "identifier": [{"system": DICOM_STORE, "value": store}],
        "status": "active",
        "connectionType": {"system": _CONNECTION, "code": "dicom-wado-rs", "display": "DICOM WADO-RS"},
        "name": store,
        "payloadType": [{"coding": [{"system": _PAYLOAD, "code": "none"}], "text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": bare,
    }


def _id(store: str, bare: str) -> str:
    return resource_id("Endpoint", store, bare)


def _bare(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
