"""Any sequence of transactions against a model of a few lines: what holds at the end of the file."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimodal.tables.read import read_tables
from multimodal.tables.rows import SourceSpec

TYPES = st.sampled_from(["", "Update", "Upsert", "Remove", "Context"])
STEP = st.tuples(
    st.sampled_from("12"),  # subject
    st.sampled_from(["", "", "", "Remove"]),  # its transaction
    st.sampled_from(["IG.A", "IG.B"]),
    st.sampled_from(["", "1", "2"]),  # repeat key of the group
    st.sampled_from(["", "Update", "Upsert", "Remove"]),
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("abc"), TYPES), max_size=3),
)
Step = tuple[str, str, str, str, str, list[tuple[str, str, str]]]
Rows = dict[tuple[str, str, str], dict[str, str] | None]


def written(steps: list[Step]) -> str:
    def attribute(name: str, value: str) -> str:
        return f' {name}="{value}"' if value else ""

    body = ""
    for subject, above, form, repeat, own, items in steps:
        values = "".join(
            f'<ItemData ItemOID="{oid}" Value="{value}"{attribute("TransactionType", type_)}/>'
            for oid, value, type_ in items
        )
        group = attribute("ItemGroupRepeatKey", repeat) + attribute("TransactionType", own)
        body += f'<SubjectData SubjectKey="{subject}"{attribute("TransactionType", above)}>'
        body += f'<ItemGroupData ItemGroupOID="{form}"{group}>{values}</ItemGroupData></SubjectData>'
    return f'<ODM FileType="Transactional"><ClinicalData>{body}</ClinicalData></ODM>'


def model(steps: list[Step]) -> Rows:
    """Return the items of each row; None for one that was removed."""
    rows: Rows = {}
    for subject, above, form, repeat, own, items in steps:
        place = (form, subject, repeat)
        if "Remove" in (above, own):
            rows[place] = None
        else:
            found = rows[place] = dict(rows.get(place) or {})
            for oid, value, type_ in items:
                if type_ == "Remove":
                    found.pop(oid, None)
                elif type_ != "Context":
                    found[oid] = value
        if above == "Remove":
            rows.update({other: None for other in rows if other[1] == subject})
    return {place: items for place, items in rows.items() if items != {}}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=1, max_size=12))
def test_transactions_are_as_the_model_has_them(tmp_path: Path, steps: list[Step]) -> None:
    path = tmp_path / "transactions.xml"
    path.write_text(written(steps), encoding="utf-8")
    found: Rows = {}
    for table in read_tables(path, SourceSpec("odm")):
        for row in table.rows:
            items = {oid: row.values[oid] for oid in "xyz" if row.values.get(oid)}
            found[table.sheet, row.key[0], row.key[-1]] = None if row.removed else items
    assert found == model(steps)
