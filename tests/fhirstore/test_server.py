from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from multimodal.fhirstore import ConflictError, EndlessPagesError, FhirRefusedError, FhirServer
from multimodal.fhirstore import server as server_module
from multimodal.model.errors import RemoteError
from multimodal.transport.session import HttpSession, LoginRefusedError, StoreFailedError, UnreachableError
from multimodal.transport.stores import Store
from tests.fakes.counting_proxy import CountingProxy
from tests.fhirstore.conftest import Study


def put(resource: dict[str, object], **more: str) -> dict[str, object]:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url, **more}}


def test_what_is_stored_can_be_read_counted_and_is_none_where_it_is_not(server: FhirServer, study: Study) -> None:
    patients = [study.patient(number) for number in range(3)]
    answers = server.transaction([put(patient) for patient in patients])
    assert [answer["response"]["status"] for answer in answers] == ["201 Created"] * 3
    read = server.read("Patient", patients[0]["id"])
    assert read is not None
    assert read["identifier"] == patients[0]["identifier"]
    assert server.read("Patient", "there-is-none") is None
    references = [("Patient", patients[1]["id"]), ("Patient", "there-is-none")]
    assert list(server.read_many(references)) == references[:1]
    assert server.count("Patient", {"identifier": f"{study.system}|"}) == 3


def test_all_pages_come_through_the_configured_address(
    proxy: CountingProxy, proxied: FhirServer, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAPI names itself, not the proxy, in its links: following them would go past the proxy."""
    proxied.transaction([put(study.patient(number)) for number in range(25)])
    monkeypatch.setattr(server_module, "PAGE", 10)
    proxy.requests.clear()
    found = list(proxied.search("Patient", {"identifier": f"{study.system}|"}))
    assert len({patient["id"] for patient in found}) == 25
    assert len(proxy.requests) == 3


def test_pages_in_a_circle_end(proxy: CountingProxy, proxied: FhirServer) -> None:
    link = {"relation": "next", "url": "http://elsewhere.invalid/fhir/Patient?page=2"}
    page = orjson.dumps({"resourceType": "Bundle", "entry": [], "link": [link]})
    proxy.fault = lambda method, path, body: (200, {"Content-Type": "application/fhir+json"}, page)
    with pytest.raises(EndlessPagesError, match="circle"):
        list(proxied.search("Patient"))
    assert [path for _, path in proxy.requests][1:] == ["/fhir/Patient?page=2"]


def test_a_refused_bundle_says_why(server: FhirServer, study: Study) -> None:
    condition = study.condition(1)
    del condition["stage"]  # of several missing references the server names any
    with pytest.raises(FhirRefusedError, match="not found") as error:
        server.transaction([put(condition)])
    assert error.value.status == 400
    assert study.patient(1)["id"] in error.value.diagnostics


def test_a_version_that_is_not_current_is_a_conflict(server: FhirServer, study: Study) -> None:
    server.transaction([put(study.patient(1))])
    with pytest.raises(ConflictError):
        server.transaction([put(study.patient(1, gender="male"), ifMatch='W/"7"')])


def test_a_search_the_server_does_not_know_is_refused(server: FhirServer) -> None:
    with pytest.raises(FhirRefusedError, match="search for Patient refused"):
        list(server.search("Patient", {"no-such-parameter": "1"}))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_is_said_at_once(proxy: CountingProxy, proxied: FhirServer, status: int) -> None:
    proxy.fault = lambda method, path, body: (status, {}, b"")
    with pytest.raises(LoginRefusedError, match="clinical"):
        proxied.transaction([])
    assert len(proxy.requests) == 1


def test_a_busy_server_is_asked_again(proxy: CountingProxy, proxied: FhirServer, study: Study) -> None:
    busy = [(503, {"Retry-After": "0"}, b""), (429, {"Retry-After": "0"}, b"")]
    proxy.fault = lambda method, path, body: busy.pop() if busy else None
    proxied.transaction([put(study.patient(1))])
    assert len(proxy.requests) == 3


def test_a_server_that_stays_busy_is_an_error(proxy: CountingProxy, study: Study) -> None:
    proxy.fault = lambda method, path, body: (503, {"Retry-After": "0"}, b"")
    with HttpSession(replace(proxy.store, attempts=2)) as session, pytest.raises(StoreFailedError, match="503"):
        FhirServer(session).read("Patient", "x")
    assert len(proxy.requests) == 2


def test_a_server_that_is_down_is_an_error() -> None:
    store = Store("clinical", "fhir", url="http://127.0.0.1:9/fhir", attempts=1)
    with HttpSession(store) as session, pytest.raises(UnreachableError, match="is it running"):
        FhirServer(session).read("Patient", "x")


def test_an_address_that_is_no_fhir_server_is_an_error(proxy: CountingProxy, proxied: FhirServer) -> None:
    proxy.fault = lambda method, path, body: (200, {"Content-Type": "text/html"}, b"<html>Welcome</html>")
    with pytest.raises(RemoteError, match="FHIR server"):
        proxied.read("Patient", "x")
