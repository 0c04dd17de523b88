"""XML from elsewhere: what is refused, and that a broken file says where."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.tables.errors import EmptyTableError, TableError, WrongFormatError
from multimodal.tables.guarded_xml import Element, TreeBuilder, attribute, fed, guarded_parser

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]>
<ODM>&lol2;</ODM>"""
OUTSIDE = '<!DOCTYPE ODM SYSTEM "http://127.0.0.1:9/odm.dtd"><ODM/>'
FILE_ENTITY = '<!DOCTYPE ODM [<!ENTITY x SYSTEM "file:///etc/passwd">]><ODM>&x;</ODM>'


def whole(path: Path) -> Element:
    """Return a document as a tree."""
    parser = guarded_parser(path)
    found: list[Element] = []

    def root(name: str, attributes: dict[str, str]) -> None:
        tree = TreeBuilder(path, parser, name, attributes)
        parser.StartElementHandler, parser.CharacterDataHandler = tree.start, tree.text

        def end(_: str) -> None:
            element = tree.end()
            found.extend([element] if element else [])

        parser.EndElementHandler = end

    parser.StartElementHandler = root
    for _ in fed(path, parser):
        pass
    return found[0]


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, FILE_ENTITY])
def test_document_types_and_entities_are_refused_before_they_act(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bomb.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=r"line [12]: .*remove the <!DOCTYPE"):
        whole(path)


BROKEN = {
    "empty": (b"", EmptyTableError, "empty"),
    "blank": (b" \n\n", EmptyTableError, "empty"),
    "cut in a tag": (b"<ODM>\n<Study\n", WrongFormatError, "ends in line 2.*cut short"),
    "cut after a tag": (b"<ODM>\n<Study>\n", WrongFormatError, "ends in line 3.*cut short"),
    "wrong end tag": (b"<ODM>\n</Study>", WrongFormatError, "line 2.*mismatched tag"),
    "a workbook": (b"PK\x03\x04....", WrongFormatError, "does not begin with <"),
    "a CSV file": (b"a,b\n1,2\n", WrongFormatError, "does not begin with <"),
    "undeclared entity": (b"<ODM>\n&copy;</ODM>", WrongFormatError, "line 2.*undefined entity"),
    "undeclared prefix": (b"<ODM>\n<x:a/></ODM>", WrongFormatError, "line 2.*unbound prefix"),
    "latin 1 called UTF-8": ("<ODM>\n\n<a b='Müller'/></ODM>".encode("latin-1"), WrongFormatError, "line 3.*encoding"),
    "unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><ODM/>', WrongFormatError, "klingon"),
    "bytes that are no text": (b'<?xml version="1.0" encoding="base64"?><ODM/>', WrongFormatError, "base64"),
    "wrong multi-byte": (
        b'<?xml version="1.0" encoding="Shift_JIS"?>\n<ODM a="\x81\x01"/>',
        WrongFormatError,
        "shift_jis",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_says_what_is_wrong_and_where(tmp_path: Path, name: str) -> None:
    content, error, pattern = BROKEN[name]
    path = tmp_path / "broken.xml"
    path.write_bytes(content)
    with pytest.raises(error, match=f"(?i){pattern}"):
        whole(path)


def test_elements_deep_within_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.xml"
    path.write_text("<a>" * 5000 + "</a>" * 5000, encoding="utf-8")
    with pytest.raises(WrongFormatError, match="within each other"):
        whole(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "shift_jis"])
def test_declared_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    text = "日本" if encoding == "shift_jis" else "Größe"
    path = tmp_path / "encoded.xml"
    declared = encoding.removesuffix("-sig")
    path.write_bytes(f'<?xml version="1.0" encoding="{declared}"?>\n<ODM a="{text}"/>'.encode(encoding))
    assert whole(path).get("a") == text


def test_attributes_are_found_whatever_their_prefix(tmp_path: Path) -> None:
    path = tmp_path / "vendor.xml"
    path.write_text('<a xmlns:v="urn:v" xmlns:w="urn:w" v:Key="1" w:Key="2" Other="3"/>', encoding="utf-8")
    attributes = whole(path).attributes
    assert [attribute(attributes, "Key", "urn:w"), attribute(attributes, "Key", "urn:v")] == ["2", "1"]
    assert attribute(attributes, "Key") == "1"
    assert attribute(attributes, "Other") == "3"
    assert attribute(attributes, "None") == ""


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any.xml"
    path.write_bytes(b"<" + content)
    parser = guarded_parser(path)
    refused = ""
    try:
        for _ in fed(path, parser):
            pass
    except TableError as error:
        refused = str(error)
    assert "\n" not in refused
