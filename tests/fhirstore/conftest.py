from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multimodal.fhirstore import FhirServer, Group, LoadReport, Target, load
from multimodal.model.ids import patient_id, resource_id
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from tests.fakes.counting_proxy import CountingProxy


class Study:
    """A source of its own: patients with a Condition and Observations that refer to each other."""

    def __init__(self) -> None:
        self.source = f"test-{uuid.uuid4().hex[:12]}"
        self.system = f"urn:{self.source}"

    def patient(self, number: int, **elements: Any) -> dict[str, Any]:
        value = f"P{number}"
        identifier = [{"system": self.system, "value": value}]
        return {
            "resourceType": "Patient",
            "id": patient_id(self.system, value),
            "identifier": identifier,
            **elements,
        }

    def condition(self, number: int) -> dict[str, Any]:
        stage = {"reference": f"Observation/{self.observation_id(number, 0)}"}
        return {
            "resourceType": "Condition",
            "id": resource_id("Condition", self.source, str(number)),
            "code": {"text": "cancer"},
            "subject": {"reference": f"Patient/{self.patient(number)['id']}"},
            "stage": [{"assessment": [stage]}],
        }

    def observation_id(self, number: int, part: int) -> str:
        return resource_id("Observation", self.source, str(number), str(part))

    def observation(self, number: int, part: int, value: float) -> dict[str, Any]:
        return {
            "resourceType": "Observation",
            "id": self.observation_id(number, part),
            "status": "final",
            "code": {"text": f"part {part}"},
            "subject": {"reference": f"Patient/{self.patient(number)['id']}"},
            "focus": [{"reference": f"Condition/{resource_id('Condition', self.source, str(number))}"}],
            "valueQuantity": {"value": value, "unit": "1", "system": "http://unitsofmeasure.org", "code": "1"},
        }

    def group(self, number: int, value: float = 1.5) -> Group:
        observations = [self.observation(number, part, value) for part in range(3)]
        resources = [self.patient(number, gender="female"), self.condition(number), *observations]
        return Group(resources, origin=f"P{number}", row=number + 2)

    def groups(self, count: int) -> list[Group]:
        return [self.group(number) for number in range(count)]

    def load(self, target: Target, manifest: Path, groups: list[Group], **options: Any) -> LoadReport:
        return load(groups, target, manifest, source=self.source, **options)


@pytest.fixture
def study() -> Study:
    return Study()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / "manifest.sqlite"


@pytest.fixture
def server(hapi: Store) -> Iterator[FhirServer]:
    with HttpSession(hapi) as session:
        yield FhirServer(session)


@pytest.fixture
def proxy(hapi: Store) -> Iterator[CountingProxy]:
    with CountingProxy(hapi) as proxy:
        yield proxy


@pytest.fixture
def proxied(proxy: CountingProxy) -> Iterator[FhirServer]:
    with HttpSession(proxy.store) as session:
        yield FhirServer(session)
