"""Reading a workbook of 100,000 rows x 20 columns: ours beside python-calamine alone and openpyxl's read-only mode.

Ours yields rows of text with the place of each cell, error cells included; calamine alone (`to_python`) is the least
that any reader on top of it costs. Each runs in a process of its own. Columns: 3 texts, 2 dates, 8 whole and 7 decimal
numbers, 2 % of the cells empty.

    python -m bench.read_xlsx [rows]
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROWS = 100_000
TEXTS, DATES, WHOLE, DECIMAL = 3, 2, 8, 7
COLUMNS = TEXTS + DATES + WHOLE + DECIMAL
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KIND}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="visits" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts><font/></fonts><fills><fill><patternFill/></fill></fills>'
    "<borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs>"
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
}


def write_workbook(file: Path, rows: int) -> None:
    """Write the generated workbook; the same for the same number of rows.

    The XML is written by hand, since openpyxl would take longer than all that is measured.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in _PARTS.items():
            archive.writestr(name, content)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            part.write(f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for record in _records(rows):
                part.write(record.encode())
            part.write(b"</sheetData></worksheet>")


def _records(rows: int) -> Iterator[str]:
    chance = random.Random(1)
    letters = [chr(ord("A") + column) for column in range(COLUMNS)]
    head = "".join(f'<c r="{letter}1" t="inlineStr"><is><t>col {letter}</t></is></c>' for letter in letters)
    yield f'<row r="1">{head}</row>'
    for number in range(2, rows + 2):
        cells = []
        for column, letter in enumerate(letters):
            place = f'r="{letter}{number}"'
            if column and chance.random() < 0.02:
                continue
            if column < TEXTS:
                text = f"P{number:07}" if column == 0 else chance.choice(("never", "former", "current", "unknown"))
                cells.append(f'<c {place} t="inlineStr"><is><t>{text}</t></is></c>')
            elif column < TEXTS + DATES:
                cells.append(f'<c {place} s="1"><v>{chance.randint(36526, 45657)}</v></c>')
            elif column < TEXTS + DATES + WHOLE:
                cells.append(f"<c {place}><v>{chance.randint(0, 300)}</v></c>")
            else:
                cells.append(f"<c {place}><v>{chance.gauss(50, 15):.2f}</v></c>")
        yield f'<row r="{number}">{"".join(cells)}</row>'


def read_ours(file: Path) -> int:
    """Return the number of cells that `read_tables` yields."""
    from multimodal.tables.read import read_table
    from multimodal.tables.rows import SourceSpec

    return sum(len(row.values) for row in read_table(file, SourceSpec("xlsx")).rows)


def read_calamine(file: Path) -> int:
    """Return the number of cells that python-calamine gives."""
    import python_calamine

    sheet = python_calamine.CalamineWorkbook.from_path(str(file)).get_sheet_by_index(0)
    return sum(len(record) for record in sheet.to_python(skip_empty_area=False)[1:])


def read_openpyxl(file: Path) -> int:
    """Return the number of cells that openpyxl gives in its read-only mode."""
    import openpyxl

    sheet = openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets[0]
    return sum(len(record) for record in sheet.iter_rows(min_row=2, values_only=True))


READERS: dict[str, Callable[[Path], int]] = {
    "ours": read_ours,
    "calamine": read_calamine,
    "openpyxl": read_openpyxl,
}


def measure(name: str, file: Path) -> tuple[int, float, float]:
    """Return cells, CPU-seconds without the start of Python, and peak MB of a reader, in a process of its own."""
    command = [sys.executable, "-m", "bench.read_xlsx", "--reader", name, str(file)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(told[0]), float(told[1]), float(told[2])


def main() -> None:
    """Print the figures."""
    if sys.argv[1:2] == ["--reader"]:
        begun = time.process_time()
        cells = READERS[sys.argv[2]](Path(sys.argv[3]))
        used = time.process_time() - begun
        print(cells, used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.xlsx"
        write_workbook(file, rows)
        print(f"{rows:,} rows x {COLUMNS} columns, {file.stat().st_size / 1e6:.1f} MB")
        least = 0.0
        for name in ("calamine", "ours", "openpyxl"):
            cells, seconds, megabytes = measure(name, file)
            least = least or seconds
            print(f"{name:10} {cells:>12,} cells {seconds:>7.2f} CPU-s {megabytes:>7.0f} MB {seconds / least:>6.1f} x")


if __name__ == "__main__":
    main()
