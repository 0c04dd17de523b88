"""Runs Kaapana's own converter, read out of a clone, over DICOM files: the peer that our documents are held to.

    python tests/index/kaapana_converter.py CLONE DICOM_FOLDER OUT_FOLDER

A program of its own, since it puts stand-ins of Kaapana's packages into the interpreter. It needs pydicom, pytz and
dateutil alone, so that it also runs under the pydicom of the platform: ``KAAPANA_PYTHON`` names such an interpreter.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

OPERATOR = "data-processing/kaapana-plugin/extension/docker/files/plugin/kaapana/operators/LocalDcm2JsonOperator.py"
DICTIONARY = "services/flow/airflow/docker/files/scripts/dicom_tag_dict.json"
ARRIVED = ("TimestampArrived_datetime", "TimestampArrived_date", "TimestampArrivedHour_integer")
PROJECT = "default"
SPONSOR = "00120010 ClinicalTrialSponsorName_keyword"
DATASET = "dataset"  # instead of the time of the run


def source(clone: str, path: str) -> str:
    """Return a file of the clone's last commit."""
    shown = subprocess.run(["git", "-C", clone, "show", f"HEAD:{path}"], capture_output=True, check=True)
    return shown.stdout.decode()


def convert(clone: str, files: Path, out: Path) -> None:
    """Write ``<name>.json`` for each file, as it goes into the index."""
    with tempfile.TemporaryDirectory() as scratch:
        dictionary = Path(scratch, "dictionary.json")
        dictionary.write_text(source(clone, DICTIONARY), encoding="utf-8")
        os.environ["DICT_PATH"] = str(dictionary)
        operator = _operator(source(clone, OPERATOR))
        for file in sorted(files.glob("*.dcm")):
            document = _document(operator, Path(scratch), file)
            (out / f"{file.stem}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def _document(operator: object, scratch: Path, file: Path) -> dict[str, object]:
    folder = scratch / "run" / "batch" / file.stem
    (folder / "in").mkdir(parents=True)
    (folder / "in" / file.name).symlink_to(file.resolve())
    operator.airflow_workflow_dir = str(scratch)
    operator.start(dag_run=types.SimpleNamespace(run_id="run", conf={"project_form": {"name": PROJECT}}))
    document = json.loads((folder / "out" / f"{file.stem}.json").read_text())
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() else path.rmdir()
    folder.rmdir()
    # What LocalJson2MetaOperator renames on the way into the index, and what tells the time of this run.
    document["00000000 PredictedBodypart_keyword"] = document.pop("predicted_bodypart_string")
    if re.fullmatch(r"\d\d-\d\d-\d\d-.*", document[SPONSOR]):
        document[SPONSOR] = DATASET
    return {key: value for key, value in document.items() if key.partition(" ")[2] not in ARRIVED}


def _operator(text: str) -> object:
    """Return the converter with stand-ins for the packages that it imports and does not need to convert."""
    import pydicom

    if not hasattr(pydicom, "read_file"):  # its name before pydicom 3
        pydicom.read_file = pydicom.dcmread

    class Base:
        def __init__(self, **_: object) -> None:
            pass

    modules = {
        "kaapana.operators.HelperCaching": {"cache_operator_output": lambda function: function},
        "kaapana.operators.KaapanaPythonBaseOperator": {"KaapanaPythonBaseOperator": Base},
        "kaapanapy.settings": {"KaapanaSettings": lambda: types.SimpleNamespace(timezone="Europe/Berlin")},
    }
    for name, content in modules.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
        sys.modules[name].__dict__.update(content)
    module = types.ModuleType("LocalDcm2JsonOperator")
    exec(compile(text, OPERATOR, "exec"), module.__dict__)  # noqa: S102 - the peer's code is what runs here
    operator = module.LocalDcm2JsonOperator(dag=None)
    operator.batch_name, operator.operator_in_dir, operator.operator_out_dir = "batch", "in", "out"
    return operator


if __name__ == "__main__":
    convert(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
