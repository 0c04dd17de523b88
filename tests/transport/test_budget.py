"""A store's daily budget holds over calls, runs and processes, and starts anew at midnight UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from multimodal.model.errors import ConfigurationError
from multimodal.transport.budget import Budget, DailyLimit, size_in_bytes
from multimodal.transport.errors import BudgetSpentError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from tests.fakes.http_server import HttpServer, answer

NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "size"), [(7, 7), ("7", 7), ("7B", 7), ("20GB", 20 * 10**9), ("1.5MB", 1_500_000), ("3kB", 3000)]
)
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert size_in_bytes(text) == size


def test_bytes_of_several_runs_add_up(tmp_path: Path) -> None:
    limit, state = DailyLimit(bytes=100), tmp_path / "new" / "budget.json"
    first = Budget("idc", limit, state, lambda: NOON)
    first.begin_call()
    first.received(60)
    first.close()
    second = Budget("idc", limit, state, lambda: NOON)
    second.begin_call()
    with pytest.raises(BudgetSpentError, match=r"budget of 100 bytes a day is spent.*after 2024-03-16 00:00") as caught:
        second.received(41)
    assert (caught.value.what, caught.value.limit, caught.value.resets) == (
        "bytes",
        100,
        datetime(2024, 3, 16, tzinfo=UTC),
    )
    with pytest.raises(BudgetSpentError):
        Budget("idc", limit, state, lambda: NOON).begin_call()
    Budget("other", limit, state, lambda: NOON).begin_call()
    assert orjson.loads(state.read_bytes())["idc"] == {"day": "2024-03-15", "bytes": 101, "requests": 2}


@pytest.mark.parametrize("kept", [True, False])
def test_a_new_day_starts_at_midnight_utc(kept: bool, tmp_path: Path) -> None:
    now = [NOON]
    budget = Budget("idc", DailyLimit(requests=1), tmp_path / "b" if kept else None, lambda: now[0])
    budget.begin_call()
    with pytest.raises(BudgetSpentError, match="1 requests"):
        budget.begin_call()
    now[0] += timedelta(hours=12)
    budget.begin_call()


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"idc": 1}', b'{"idc": {"day": "2024-03-15", "bytes": "x"}}'])
def test_a_state_that_is_spoilt_starts_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(content)
    budget = Budget("idc", DailyLimit(requests=1), tmp_path / "b", lambda: NOON)
    budget.begin_call()
    with pytest.raises(BudgetSpentError):
        budget.begin_call()


def test_a_state_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="store idc: cannot keep its budget"):
        Budget("idc", DailyLimit(requests=1), tmp_path)


def test_calls_and_answers_of_a_session_count(tmp_path: Path) -> None:
    limit = DailyLimit(bytes=5, state_file=str(tmp_path / "state.json"))
    with HttpServer(answer(200, b"abc")) as server:
        store = Store(name="s", kind="dicomweb", url=server.url, attempts=3, budget=limit)
        with HttpSession(store) as session:
            session.request("GET", "x")
            with pytest.raises(BudgetSpentError):
                session.request("GET", "x")
        assert len(server.requests) == 2  # a spent budget is not tried again
        with HttpSession(store) as session, pytest.raises(BudgetSpentError):
            session.request("GET", "x")
        assert len(server.requests) == 2
        with HttpSession(store, budget_state=tmp_path / "other.json") as session:
            session.request("GET", "x")
