"""What the loader tells the sources and plans for the engine: sheets, forms, dictionaries, privacy, profiles."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from multimodal.mapping import Mapping, MappingError
from multimodal.mapping.plan import Effective, PrivacyPlan
from multimodal.mapping.schema import schema
from multimodal.resources.profiles import profile_sets
from multimodal.resources.rules import allowed_codes
from multimodal.tables.rows import LongLayout, SheetSpec
from tests.mapping.made import mapping_of

ID = "columns:\n  pid: {patient: id}\n"


def planned(folder: Path, source: str, text: str = ID, more: str = "") -> Mapping:
    return mapping_of(
        folder, text, f"fhirmap: 1\nid: made\nsource: {source}\nsubject: {{id: pid, system: urn:made}}\n{more}"
    )


def test_sheets_of_a_workbook(tmp_path: Path) -> None:
    source = """{type: xlsx, sheets: {
      Labor: {header_row: [2, 3], skip_rows: 1, key: [pid, Datum, Was],
              long: {name: Was, value: Wert, unit: Einheit}}}}"""
    forms = """\
      forms:
        Patienten:
          columns: {pid: {patient: id}}
        Labor:
          columns:
            Datum: {helper: day, type: date}
            Hb: {observation: 'LNC#718-7', unit_column: Einheit, convert_to: g/dL}
    """
    mapping = planned(tmp_path, source, forms)
    assert mapping.source.sheets == {
        "Patienten": SheetSpec(),
        "Labor": SheetSpec((2, 3), 1, LongLayout("Was", "Wert", "Einheit")),
    }
    assert mapping.source.forms == ()
    form = next(form for form in mapping.forms if form.name == "Labor")
    assert form.key == ("pid", "Datum", "Was")
    assert {header: column.verb for header, column in form.columns.items()} == {
        "Datum": "helper", "Hb": "observation", "pid": "patient", "Was": "helper",
        "Wert": "helper", "Einheit": "helper",
    }  # fmt: skip


def test_a_redcap_project(tmp_path: Path) -> None:
    source = "{type: redcap, dictionary: data/dictionary.csv, project_xml: p.xml, labels: true, form_status: complete}"
    forms = """\
      forms:
        base:
          columns: {sex: {patient: gender, table: {'1': male}}, born: {patient: birthDate}}
        labs:
          events: [v1, v2]
          repeat: true
          encounter: {class: 'ACTCODE#IMP'}
          status: preliminary
          effective: {event: {v1: '2012', v2: day}}
          columns:
            day: {helper: day, type: date}
            hb: {observation: 'LNC#718-7', unit: g/dL}
    """
    mapping = planned(tmp_path, source, forms)
    spec = mapping.source
    assert (spec.type, spec.forms, spec.labels, spec.dictionary) == (
        "redcap", ("base", "labs"), True, tmp_path / "data/dictionary.csv",
    )  # fmt: skip
    assert spec.options == {"project_xml": "p.xml", "repeating": "labs"}
    assert mapping.form_status == "complete"
    labs = next(form for form in mapping.forms if form.name == "labs")
    assert (labs.events, labs.repeat, labs.encounter, labs.status) == (("v1", "v2"), True, True, "preliminary")
    assert labs.encounter_class["code"] == "IMP"
    assert labs.columns["pid"].element == "id"
    effective = labs.columns["hb"].effective
    assert effective is not None
    assert effective.events["v1"] == Effective(fixed="2012")
    assert effective.events["v2"].column == "day"


def test_a_project_from_its_server_brings_its_dictionary(tmp_path: Path) -> None:
    spec = planned(tmp_path, "{type: redcap, api: {store: registry}}").source
    assert (spec.options, spec.dictionary) == ({"store": "registry"}, tmp_path / "dictionary.json")


def test_idc_and_odm(tmp_path: Path) -> None:
    spec = planned(tmp_path, "{type: idc, collection: c, table: t}").source
    assert spec.options == {"collection": "c", "table": "t"}
    forms = "forms: {IG.VS: {columns: {IT.W: {observation: 'DCM#1', unit: kg}}}}\n"
    spec = planned(tmp_path, "{type: odm, study: S.1}", forms).source
    assert (spec.forms, spec.options) == (("IG.VS",), {"study": "S.1"})


def test_what_a_wrong_cell_and_a_second_row_cost(tmp_path: Path) -> None:
    mapping = planned(tmp_path, "{type: csv, duplicate_key: last}", more="quality: {on_error: quarantine-row}\n")
    assert (mapping.duplicate_key, mapping.on_error) == ("last", "quarantine-row")
    assert mapping.subject.create == "always"


def test_privacy_and_profiles(tmp_path: Path) -> None:
    privacy = "{id: hmac, key_env: KEY, date_shift: {max_days: 30}, birth_date: year, drop_identifier_fields: true}"
    mapping = planned(tmp_path, "{type: csv}", more=f"privacy: {privacy}\nprofiles: [mcode-4]\n")
    assert mapping.privacy == PrivacyPlan("hmac", "KEY", 30, "KEY", "year", True)
    assert mapping.profiles == ("mcode-4",)
    assert planned(tmp_path, "{type: csv}").privacy == PrivacyPlan()


def test_free_text_that_names_nobody_may_stay(tmp_path: Path) -> None:
    columns = ID + "  x: {observation: 'DCM#1', as_text: true}\n"
    assert planned(tmp_path, "{type: csv}", columns, "privacy: {id: hmac, key_env: KEY}\n").columns["x"].type == "text"


def test_a_table_that_keeps_other_values_keeps_free_text(tmp_path: Path) -> None:
    text = "tables: {t: {map: {a: 'OPS#1'}, otherwise: text}}\n" + ID + "  x: {condition: t%s}\n"
    privacy = "privacy: {id: hmac, key_env: KEY}\n"
    with pytest.raises(MappingError, match="'x' is free text"):
        planned(tmp_path, "{type: csv}", text % "", privacy)
    assert planned(tmp_path, "{type: csv}", text % ", as_text: true", privacy).columns["x"].verb == "condition"


def test_a_template_that_reads_free_text_is_noted(tmp_path: Path) -> None:
    columns = ID + (
        "  x: {helper: remark}\n  n: {helper: number, type: number}\n"
        'resources:\n  r: {resourceType: Condition, note: [{text: \'{{ col("x") ~ col("n") }}\'}]}\n'
    )
    hidden = planned(tmp_path, "{type: csv}", columns, "privacy: {id: hmac, key_env: KEY}\n")
    assert hidden.notes == ("the resource 'r' reads the text column 'x': see that it names nobody",)
    assert planned(tmp_path, "{type: csv}", columns).notes == ()


def test_the_schema_explains_every_key() -> None:
    """An editor shows these texts while somebody types."""
    defs = schema()["$defs"]

    def walk(part: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        bare = []
        if isinstance(part, list):
            return [found for number, one in enumerate(part) for found in walk(one, (*path, str(number)))]
        if not isinstance(part, dict):
            return []
        keys = part.get("properties")
        for name, key in keys.items() if isinstance(keys, dict) and part.get("type", "object") == "object" else ():
            target = defs.get(key.get("$ref", "").rpartition("/")[2], {})
            if "description" not in {**target, **key}:
                bare.append((*path, name))
        return bare + [found for name, one in part.items() for found in walk(one, (*path, name))]

    assert walk(schema(), ()) == []


def test_the_schema_and_the_rest_know_the_same() -> None:
    content = orjson.dumps(schema()).decode()
    assert tuple(sorted(profile_sets())) == tuple(sorted(schema()["properties"]["profiles"]["items"]["enum"]))
    assert schema()["properties"]["defaults"]["properties"]["status"]["enum"] == list(
        allowed_codes("Observation", "status")
    )
    for dropped in ('"query"', '"join"', '"sql"', '"dicom-sr-1"'):
        assert dropped not in content


@pytest.mark.parametrize("key", ["sheets", "labels", "collection", "study", "api", "form_status"])
def test_a_key_of_another_source_is_refused(tmp_path: Path, key: str) -> None:
    values = {"sheets": "{}", "labels": "true", "api": "{store: s}", "form_status": "any"}
    type_ = "idc" if key == "sheets" else "csv"
    with pytest.raises(MappingError, match=f"source.{key} is for the source type"):
        planned(tmp_path, f"{{type: {type_}, {key}: {values.get(key, 'x')}}}")
