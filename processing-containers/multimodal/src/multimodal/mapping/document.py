"""A YAML 1.2 file as plain data that still knows where each part stands."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from multimodal.mapping.errors import MappingError
from multimodal.mapping.yaml_slips import explained, no_break_space, not_utf8

Place = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
# Aliases may repeat a part; a file that would unfold beyond this is not a mapping somebody wrote.
_MOST_NODES = 200_000


class Document:
    """A parsed YAML file.

    Keys are the text as written, so that ``1``, ``no`` and ``01`` stay what a data manager sees. Composed from
    the node tree, not from constructed objects: each node has its position, and no tag can create an object.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    MappingError
        If the file cannot be read or is no YAML.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: dict[Place, tuple[int, int]] = {}
        self._values: dict[Place, tuple[int, int]] = {}
        self._texts: dict[Place, str] = {}
        content, text = _read(path)
        if slip := no_break_space(text):
            raise MappingError(slip[0], file=path, line=slip[1], column=slip[2])
        try:
            node = YAML(pure=True).compose(text)
        except MarkedYAMLError as error:
            problem, line, column = explained(error, text)
            raise MappingError(problem, file=path, line=line, column=column) from error
        if not isinstance(node, MappingNode):
            raise MappingError("a mapping starts with `fhirmap: 1`", file=path, line=1, column=1)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.content: dict[str, Any] = self._plain(node, ())

    def text(self, place: Place) -> str:
        """Return the scalar at `place` as it is written in the file (without its quotation marks)."""
        return self._texts[place]

    def part(self, place: Place) -> dict[str, Any]:
        """Return the section at `place`, empty where the file has none."""
        found: Any = self.content
        for step in place:
            found = found.get(step, {})
        section: dict[str, Any] = found
        return section

    def error(self, place: Place, problem: str, *, at_key: bool = False) -> MappingError:
        """Return the error for `problem` of the part at `place`, or of its key."""
        positions = (self._keys, self._values) if at_key else (self._values, self._keys)
        while True:
            for known in positions:
                if place in known:
                    line, column = known[place]
                    return MappingError(problem, file=self.path, line=line, column=column)
            place = place[:-1]

    def position(self, place: Place) -> tuple[int, int]:
        """Return line and column of the part at `place`."""
        return self._values.get(place, (0, 0))

    def _plain(self, node: Node, place: Place) -> Any:
        self._values[place] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if len(self._values) > _MOST_NODES:
            raise self.error((), "the file unfolds to too many parts; remove its aliases")
        if not isinstance(node, ScalarNode) and node.tag not in (_TAG + "map", _TAG + "seq"):
            raise self.error(place, f"the tag {node.tag} is not supported")
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            return [self._plain(child, (*place, number)) for number, child in enumerate(node.value)]
        self._texts[place] = node.value
        return self._scalar(str(node.tag), node.value, place)

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            here = (key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, ScalarNode) or key.tag == _TAG + "merge":
                self._values[place] = here
                raise self.error(place, "a key must be plain text; merge keys (<<) are not supported")
            self._keys[(*place, key.value)] = here
            if key.value in found:
                raise self.error((*place, key.value), f"the key {key.value!r} stands twice", at_key=True)
            found[key.value] = self._plain(value, (*place, key.value))
        return found

    def _scalar(self, tag: str, text: str, place: Place) -> Any:
        kind = tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            if kind == "int":
                return int(text, 0) if text[:2].lower() in ("0o", "0x") else int(text)
            if kind == "float":
                return self._float(text, place)
        except ValueError as error:
            raise self.error(place, f"{text!r} is no number") from error
        if kind not in ("str", "timestamp", "value"):
            raise self.error(place, f"the tag {tag} is not supported")
        return text

    def _float(self, text: str, place: Place) -> float:
        if text.lower().lstrip("+-") in (".inf", ".nan"):
            raise self.error(place, f"{text} is no number a mapping can use")
        return float(text)


def _read(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a mapping, and their text."""
    if path.is_dir():
        raise MappingError("this is a folder; give the mapping file in it", file=path)
    try:
        content = path.read_bytes()
        return content, content.decode("utf-8-sig")
    except OSError as error:
        raise MappingError(f"cannot read the mapping: {error.strerror}", file=path) from error
    except UnicodeDecodeError as error:
        problem, line, column = not_utf8(content, error)
        raise MappingError(problem, file=path, line=line, column=column) from error
