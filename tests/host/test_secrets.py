from __future__ import annotations

import pytest

from multimodal.host.secrets import VARIABLE, use_secrets
from multimodal.model.errors import ConfigurationError


def test_each_line_becomes_a_variable_that_was_not_set() -> None:
    environment = {VARIABLE: 'FHIR_TOKEN: "abc"\nS3_KEY: "0123"', "S3_KEY": "own"}
    use_secrets(environment)
    assert (environment["FHIR_TOKEN"], environment["S3_KEY"]) == ("abc", "own")


def test_without_the_variable_nothing_happens() -> None:
    environment: dict[str, str] = {}
    use_secrets(environment)
    assert environment == {}


@pytest.mark.parametrize("text", ["hunter2", "- hunter2", "token: hunter2", "TOKEN: [hunter2]", "A: {b\nhunter2"])
def test_what_is_wrong_is_said_without_quoting_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        use_secrets({VARIABLE: text})
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
