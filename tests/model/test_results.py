from __future__ import annotations

import json

import pytest

from multimodal.model.errors import ConfigurationError, DataRefusedError, MultimodalError, RemoteError
from multimodal.model.exit_codes import ExitCode
from multimodal.model.issues import Issue
from multimodal.model.results import Status, WorkflowResult


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), ExitCode.CONFIGURATION),
        (DataRefusedError("x"), ExitCode.REFUSED),
        (RemoteError("pacs", "x"), ExitCode.REMOTE),
        (MultimodalError("x"), ExitCode.DEFECT),
    ],
)
def test_errors_know_their_exit_code(error: MultimodalError, code: ExitCode) -> None:
    assert error.exit_code == code


def test_a_configuration_error_says_where() -> None:
    error = ConfigurationError("unknown key 'x'", file="a.yaml", line=3, column=5)
    assert str(error) == "a.yaml:3:5: unknown key 'x'"


def test_nothing_to_do_exits_126_and_a_part_exits_0() -> None:
    assert WorkflowResult(Status.NOTHING).exit_code == 126
    assert WorkflowResult(Status.PARTIAL).exit_code == 0


def test_the_result_file_holds_no_cell_values() -> None:
    """result.json is read by hosts and logs; values of patients stand in the report alone."""
    result = WorkflowResult(Status.PARTIAL, {"rows": 2}, issues=[Issue("E101", "not a number", value="secret")])
    assert "secret" not in json.dumps(result.as_json())
    assert result.as_json()["issues"] == 1
