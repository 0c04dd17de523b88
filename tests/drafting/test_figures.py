"""`suggest` on public dictionaries: precision 0.95 at recall 0.7, on those it was made from and on others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.suggest import DEVELOPMENT, HELD_OUT, SECOND, Score, score


@pytest.mark.parametrize("sets", [DEVELOPMENT, HELD_OUT, SECOND], ids=["development", "held-out", "second"])
def test_precision_and_recall(sets: dict[str, tuple[str, str]], public_data: Path) -> None:
    missing = [file for file, _ in sets.values() if not (public_data / file).is_file()]
    if missing:
        pytest.skip(f"public dictionaries are missing: {missing[0]}")
    total, wrong = Score(), []
    for name, (file, kind) in sets.items():
        total.add(score(name, public_data / file, kind, wrong))
    assert total.right / total.proposed >= 0.95, wrong
    assert total.right / total.wanted >= 0.7, wrong
