"""XML of unknown origin, read in pieces: no document type, no entities, no network (OWASP: XML external entities).

The parser is expat with every door shut that a document could open: a document type declaration, and with it every
entity, is refused before it has any effect. What remains (the five predefined entities and character references) cannot
grow.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Every way out of the document is closed in `guarded_parser`.
from xml.parsers import expat

from multimodal.tables.errors import EmptyTableError, TableError, WrongFormatError

_CHUNK = 1 << 16
_NATIVE = ("utf-8", "utf-16", "iso8859-1", "ascii")
_DECLARATION = re.compile(rb'<\?xml[^>]*?\sencoding\s*=\s*["\']([A-Za-z0-9._-]+)["\']')
_ENDS_EARLY = {
    expat.errors.XML_ERROR_NO_ELEMENTS,
    expat.errors.XML_ERROR_UNCLOSED_TOKEN,
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    expat.errors.XML_ERROR_PARTIAL_CHAR,
}
_MOST_LEVELS = 200


def attribute(attributes: Mapping[str, str], name: str, uri: str = "") -> str:
    """Return an attribute by its local name, whatever its prefix; ``""`` where there is none.

    Parameters
    ----------
    attributes : mapping of str to str
        Keys are local names, for attributes with a prefix ``<namespace URI> <local name>``.
    name : str
        Local name.
    uri : str
        Namespace; empty for any, of which one without prefix is preferred.
    """
    if uri:
        return attributes.get(f"{uri} {name}", "")
    if name in attributes:
        return attributes[name]
    ending = f" {name}"
    for key in attributes:
        if key.endswith(ending):
            return attributes[key]
    return ""


@dataclass(slots=True)
class Element:
    """One element with all below it; for the small parts of a document that are wanted as a whole.

    Parameters
    ----------
    name, uri : str
        Local name and namespace (empty for none).
    line : int
        Where its start tag begins.
    attributes : dict of str to str
        As `attribute` reads them.
    children : list of Element
        In the order of the document.
    text : str
        Character data directly in this element.
    """

    name: str
    uri: str
    line: int
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def get(self, name: str, uri: str = "") -> str:
        """Return an attribute; see `attribute`."""
        return attribute(self.attributes, name, uri)

    def all(self, name: str) -> Iterator[Element]:
        """Yield the children of this local name, in any namespace."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Element | None:
        """Return the first child of this local name, or None."""
        return next(self.all(name), None)


class TreeBuilder:
    """Builds one `Element` from the events of a parser; `done` is called with it at its end."""

    def __init__(self, path: Path, parser: Any, name: str, attributes: dict[str, str]) -> None:
        self._path = path
        self._parser = parser
        self._open = [self._element(name, attributes)]
        self._texts: list[list[str]] = [[]]

    def _element(self, name: str, attributes: dict[str, str]) -> Element:
        uri, _, local = name.rpartition(" ")
        return Element(local, uri, self._parser.CurrentLineNumber, attributes)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take a start tag."""
        if len(self._open) >= _MOST_LEVELS:
            problem = f"line {self._parser.CurrentLineNumber}: more than {_MOST_LEVELS} elements within each other"
            raise WrongFormatError(self._path, f"{problem}; this is no ODM file")
        element = self._element(name, attributes)
        self._open[-1].children.append(element)
        self._open.append(element)
        self._texts.append([])

    def text(self, text: str) -> None:
        """Take character data."""
        self._texts[-1].append(text)

    def end(self) -> Element | None:
        """Take an end tag; return the whole element at its own, else None."""
        element = self._open.pop()
        element.text = "".join(self._texts.pop()).strip()
        return None if self._open else element


def guarded_parser(path: Path) -> Any:
    """Return an expat parser that refuses document types, entities and references to other files.

    Names come as ``<namespace URI> <local name>``, or the local name alone where there is no namespace.

    Raises
    ------
    TableError
        While parsing, at the first such declaration.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def refuse(*_: object) -> int:
        where = f"line {parser.CurrentLineNumber}"
        what = "has a document type or entity declaration, which no ODM file needs and which can do harm"
        raise TableError(path, f"{where}: {what}; remove the <!DOCTYPE ...> part")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    return parser


def fed(path: Path, parser: Any) -> Iterator[None]:
    """Feed a file to a parser, piece by piece; yields after each, so that its events can be taken.

    Raises
    ------
    EmptyTableError
        If the file has no content.
    WrongFormatError
        If it is no XML, is cut short, or is not in the encoding that it declares; with the line.
    """
    with path.open("rb") as file:
        chunk = file.read(_CHUNK)
        decode = _decoder(path, chunk)
        try:
            while chunk:
                parser.Parse(decode(chunk), False)
                yield
                chunk = file.read(_CHUNK)
            parser.Parse(b"", True)
            yield
        except expat.ExpatError as error:
            raise WrongFormatError(path, _problem(path, parser, error, ended=not chunk)) from error
        except UnicodeDecodeError as error:
            line = parser.CurrentLineNumber
            problem = f"near line {line}: holds bytes that are not text in its declared encoding {error.encoding}"
            raise WrongFormatError(path, f"{problem}; correct the encoding in the first line") from error


def _decoder(path: Path, head: bytes) -> Callable[[bytes], bytes | str]:
    """Return what turns bytes into something expat reads; most encodings it knows by itself."""
    if not head.strip():
        raise EmptyTableError(path, "is empty: the file has no content")
    if head.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:1] != b"<" and head[:2] not in (b"\xff\xfe", b"\xfe\xff", b"\0<"):
        raise WrongFormatError(path, "is named like an XML file but does not begin with <; it is something else")
    declared = _DECLARATION.match(head.lstrip(codecs.BOM_UTF8))
    if declared is None:
        return bytes
    name = declared[1].decode("ascii")
    try:
        "".encode(name)
    except LookupError as error:
        raise WrongFormatError(path, f"declares an unknown encoding {name!r} in its first line") from error
    if codecs.lookup(name).name in _NATIVE:
        return bytes
    return codecs.getincrementaldecoder(name)().decode


def _problem(path: Path, parser: Any, error: expat.ExpatError, *, ended: bool) -> str:
    reason = expat.errors.messages[error.code]
    if ended and reason in _ENDS_EARLY:
        return f"ends in line {error.lineno} before its last element is closed: the file is cut short; export it again"
    if reason == expat.errors.XML_ERROR_INVALID_TOKEN and _byte_at(path, parser.ErrorByteIndex) >= 0x80:
        hint = "holds bytes that are not text in its declared encoding; correct the encoding in the first line"
        return f"line {error.lineno}: {hint}"
    return f"line {error.lineno}, column {error.offset + 1}: is not XML ({reason}); export the file again"


def _byte_at(path: Path, position: int) -> int:
    with path.open("rb") as file:
        file.seek(max(position, 0))
        return (file.read(1) or b"\0")[0]
