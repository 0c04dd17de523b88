"""Damaged workbooks are refused with a clear error, or read; nothing else is raised."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimodal.tables.errors import TableError
from multimodal.tables.read import read_table
from multimodal.tables.rows import SourceSpec


def parts_of(workbook: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def made() -> bytes:
    book = openpyxl.Workbook()
    for record in (["id", "x", "y"], ["a", 1.5, "#N/A"], ["b", "=1+1", "text"]):
        book.active.append(record)
    book.active.merge_cells("A5:B5")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


WORKBOOK = made()
PARTS = parts_of(WORKBOOK)
SCRAPS = st.binary(max_size=4) | st.sampled_from(
    [b"<", b'"', b"/>", b"&", b"r=", b't="e"', b"<f>", b"<c>", b'Id=""', b"\xff"]
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "t.xlsx"


def read(file: Path) -> None:
    refused = ""
    try:
        list(read_table(file, SourceSpec("xlsx")).rows)
    except TableError as error:
        refused = str(error)
    assert "\n" not in refused


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(PARTS)),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 6), SCRAPS), min_size=1, max_size=3),
)
def test_a_part_that_is_damaged(file: Path, part: str, damages: list[tuple[float, int, bytes]]) -> None:
    content = bytearray(PARTS[part])
    for where, length, scrap in damages:
        position = int(where * len(content))
        content[position : position + length] = scrap
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in {**PARTS, part: bytes(content)}.items():
            archive.writestr(name, text)
    read(file)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.999), st.binary(max_size=4), st.sampled_from([0, 1]))
def test_a_file_that_is_damaged(file: Path, where: float, scrap: bytes, kept: int) -> None:
    position = int(where * len(WORKBOOK))
    file.write_bytes(WORKBOOK[:position] + scrap + WORKBOOK[position + len(scrap) :] * kept)
    read(file)
