"""How often `multimodal mapping suggest` is right: precision and recall of the target that it proposes for a column.

Gold labels stand in ``bench/suggest_gold/<set>.csv``: column and the id of the lexicon's entry that it is, `unit` for
the unit of another column, `ignore` for what is left out, `other` for what the lexicon has no entry for. They were
written from the dictionaries' own labels. Right is a proposal with that very target; one for `other` is wrong, and
leaving it to a person is right.

*Development*: the dictionaries that were looked at while the lexicon was written. *Held out*: chosen before, and
opened only after the lexicon was finished (the figures ``FIRST`` are those of that first look; whatever was changed
afterwards has seen them). Of the three ISARIC sets a random sample was labelled.

    python -m bench.suggest [set...]          # MULTIMODAL_TEST_DATA: the folder of the public data
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from multimodal.drafting.draft import SAMPLE, THRESHOLD, propose
from multimodal.drafting.facts import Facts, facts_of
from multimodal.drafting.proposals import Proposal
from multimodal.tables.dictionary import Field
from multimodal.tables.read import read_table
from multimodal.tables.redcap_fields import column_names, field_of, parse_choices
from multimodal.tables.redcap_units import unit_in
from multimodal.tables.rows import SourceSpec

ROOT = Path(__file__).parents[1]
GOLD = ROOT / "bench" / "suggest_gold"
LUNG1 = "nsclc-radiomics-lung1/NSCLC Radiomics Lung1.clinical-version3-Oct 2019.csv"
# set -> (file below the public data, how it is read)
DEVELOPMENT = {
    "gecco": ("gecco/datadictionary.csv", "redcap"),
    "redcapr-longitudinal": ("redcapr/longitudinal/dictionary.csv", "redcap"),
    "redcapr-simple": ("redcapr/simple/dictionary.csv", "redcap"),
    "lung1": (LUNG1, "table"),
}
HELD_OUT = {
    "arc-en": ("dictionaries/arc-en.csv", "arc"),
    "arc-fr": ("dictionaries/arc-fr.csv", "arc"),
    "arc-es": ("dictionaries/arc-es.csv", "arc"),
    "genomics-thailand": ("dictionaries/genomics-thailand.csv", "redcap"),
    "rarelink": ("dictionaries/rarelink.csv", "redcap"),
}
FIRST = "before anything was mended, the held-out sets together: precision 0.954 (103 of 108) at recall 0.656 (of 157)"
# Chosen and labelled after the first look at the held-out sets, and not looked at when that was mended.
SECOND = {
    "arc-en-second": ("dictionaries/arc-en.csv", "arc"),
    "arc-fr-second": ("dictionaries/arc-fr.csv", "arc"),
    "arc-es-second": ("dictionaries/arc-es.csv", "arc"),
    "cassandra-labs": ("dictionaries/cassandra-labs.csv", "names"),
}
_ARC_TYPES = {
    "radio": "code", "dropdown": "code", "list": "code", "user_list": "code", "multi_list": "checkbox",
    "checkbox": "checkbox", "number": "number", "date_dmy": "date", "datetime_dmy": "datetime", "notes": "text",
    "time": "time", "file": "file", "calc": "calc", "descriptive": "descriptive", "text": "text",
}  # fmt: skip


@dataclass
class Score:
    """Columns of one set by how they ended."""

    columns: int = 0
    proposed: int = 0
    right: int = 0
    wanted: int = 0

    def add(self, other: Score) -> None:
        for name in ("columns", "proposed", "right", "wanted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def line(self, name: str) -> str:
        precision = self.right / self.proposed if self.proposed else 1.0
        recall = self.right / self.wanted if self.wanted else 1.0
        return (
            f"{name:22} {self.columns:>8} {self.wanted:>8} {self.proposed:>9} {self.right:>7}"
            f" {precision:>10.3f} {recall:>7.3f} {self.right / max(self.columns, 1):>8.3f}"
        )


def read_fields(path: Path, kind: str) -> tuple[list[Field], dict[str, Facts]]:
    """Return the columns of a dictionary, or of a table with statistics of its values."""
    if kind == "table":
        table = read_table(path, SourceSpec())
        rows = list(islice(table.rows, SAMPLE))
        facts = {name: facts_of([row.values.get(name, "") for row in rows]) for name in table.headers}
        return [Field(name) for name in table.headers], facts
    with path.open(encoding="utf-8-sig", newline="") as file:
        if kind == "arc":
            return [_arc_field(line) for line in csv.DictReader(file)], {}
        if kind == "names":
            lines = csv.DictReader(file)
            return [Field(line["name"], line["label"], "number", unit=line["unit"]) for line in lines], {}
        rows = csv.reader(file)
        names = column_names(next(rows))
        return [field_of(dict(zip(names, row, strict=False))) for row in rows if row and row[0].strip()], {}


def _arc_field(line: dict[str, str]) -> Field:
    type_ = _ARC_TYPES.get(line["Type"], "")
    label = " ".join(line["Question"].split())
    choices = parse_choices(line["Answer Options"]) if type_ in {"code", "checkbox"} else {}
    return Field(line["Variable"], label, type_, line["Form"], choices, unit_in(label, "", type_))


def judged(proposal: Proposal, target: str) -> bool:
    """Whether a proposal is the right one."""
    if target == "ignore":
        return proposal.verb == "ignore"
    return proposal.id == target and proposal.verb != "todo"


def score(name: str, path: Path, kind: str, wrong: list[str]) -> Score:
    """Return how often the proposals of one set are right; `wrong` gets the others."""
    with (GOLD / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        gold = {line["column"]: line["target"] for line in csv.DictReader(file)}
    fields, facts = read_fields(path, kind)
    record_id = fields[0].name if kind == "redcap" else ""
    found = Score()
    for proposal in propose(fields, facts, record_id=record_id):
        target = gold.get(proposal.column)
        if target is None:
            continue
        right = judged(proposal, target)
        made = proposal.verb != "todo"
        found.add(Score(1, int(made), int(right), int(target != "other")))
        if made != (target != "other") or (made and not right):
            guess = proposal.guesses[0].id if proposal.guesses else ""
            said = f"{proposal.verb} {proposal.id} {proposal.confidence:.2f}" if made else f"to decide ({guess})"
            wrong.append(f"{name}: {proposal.column}: {said}, gold {target}")
    return found


def run(sets: dict[str, tuple[str, str]], data: Path, chosen: list[str], wrong: list[str]) -> Iterator[str]:
    total = Score()
    for name, (file, kind) in sets.items():
        if chosen and name not in chosen:
            continue
        if not (data / file).is_file():
            yield f"{name:22} skipped: {data / file} is not there"
            continue
        found = score(name, data / file, kind, wrong)
        total.add(found)
        yield found.line(name)
    yield total.line("all of them")


def main() -> int:
    """Print precision and recall of each set."""
    verbose, chosen = "-v" in sys.argv, [name for name in sys.argv[1:] if not name.startswith("-")]
    data = Path(os.environ.get("MULTIMODAL_TEST_DATA") or ROOT.parent / "shared" / "data")
    print(f"threshold {THRESHOLD}; recall: of columns with a target; decided: right of all columns")
    head = f"{'':22}  columns   target  proposed   right  precision  recall  decided"
    for title, sets in (("development", DEVELOPMENT), ("held out", HELD_OUT), ("held out, second", SECOND)):
        wrong: list[str] = []
        print(f"\n{title}\n{head}")
        for line in run(sets, data, chosen, wrong):
            print(line)
        if verbose:
            print("\n".join(wrong))
        print(f"{len(wrong)} columns differ from the gold")
        if sets is HELD_OUT:
            print(FIRST)
    return 0


if __name__ == "__main__":
    sys.exit(main())
