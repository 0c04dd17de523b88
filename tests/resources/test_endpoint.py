import pytest

from multimodal.resources.checks import check_resource
from multimodal.resources.endpoint import dicomweb_endpoint, endpoint_reference


def test_an_endpoint_says_how_and_where() -> None:
    endpoint = dicomweb_endpoint("hospital", "https://pacs.example/dicom-web/")
    assert check_resource(endpoint) == []
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs"
    assert endpoint["address"] == "https://pacs.example/dicom-web"
    reference = endpoint_reference("hospital", "https://pacs.example/dicom-web")
    assert reference == {"reference": f"Endpoint/{endpoint['id']}"}


def test_no_login_and_no_key_stand_in_an_address() -> None:
    endpoint = dicomweb_endpoint("hospital", "https://user:secret@pacs.example:8443/web?key=secret#secret")
    assert endpoint["address"] == "https://pacs.example:8443/web"
    assert "secret" not in str(endpoint)


def test_one_name_for_two_stores_makes_two_endpoints() -> None:
    here, there = (dicomweb_endpoint("pacs", f"https://{host}/web")["id"] for host in ("a", "b"))
    assert here != there


@pytest.mark.parametrize("element", ["status", "connectionType", "payloadType", "address"])
def test_what_r4_requires_is_checked(element: str) -> None:
    endpoint = dicomweb_endpoint("hospital", "https://pacs.example/dicom-web")
    del endpoint[element]
    assert check_resource(endpoint) == [f"{element} is required"]
