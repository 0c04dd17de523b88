"""Tasks run in their order, none after one that failed, and the failure comes to light."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from multimodal.dicomweb.behind import Behind


def test_tasks_run_in_their_order_in_another_thread() -> None:
    ran: list[int] = []
    threads: set[int] = set()
    with Behind() as behind:
        behind.put(lambda: threads.add(threading.get_ident()))
        for number in range(100):
            behind.put(partial(ran.append, number))
    assert ran == list(range(100))
    assert threads != {threading.get_ident()}


def put_all(*tasks: Callable[[], object], then: BaseException | None = None) -> None:
    with Behind() as behind:
        for task in tasks:
            behind.put(task)
        if then is not None:
            raise then


def test_a_failure_ends_them_and_is_raised() -> None:
    ran: list[int] = []
    with pytest.raises(ZeroDivisionError):
        put_all(lambda: 1 / 0, partial(ran.append, 1))
    assert not ran
    with pytest.raises(ZeroDivisionError):  # `put` raises, or it would wait for ever
        put_all(*[lambda: 1 / 0] * 1000)


def test_an_error_of_the_caller_is_the_one_that_is_raised() -> None:
    with pytest.raises(KeyError):
        put_all(lambda: 1 / 0, then=KeyError())
