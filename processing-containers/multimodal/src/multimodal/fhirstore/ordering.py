"""A patient with more resources than one transaction should hold: parts in an order that a server accepts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from multimodal.fhirstore.writes import Write

_REFERENCE = re.compile(rb'"reference":\s*"([A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})"')


def split(group: Sequence[Write], most: int) -> Iterator[list[Write]]:
    """Yield `group` in parts of at most `most`, so that no part refers to a later one.

    Resources that refer to each other in a circle (a Condition and the Observation of its stage) stay in one part,
    however large.
    """
    if len(group) <= most:
        yield list(group)
        return
    part: list[Write] = []
    for circle in _circles(group):
        if part and len(part) + len(circle) > most:
            yield part
            part = []
        part.extend(circle)
    if part:
        yield part


def _circles(group: Sequence[Write]) -> Iterator[list[Write]]:
    """Yield the strongly connected components of the references, those referred to first (Tarjan 1972)."""
    at = {write.reference: place for place, write in enumerate(group)}
    targets = [
        [at[name] for name in dict.fromkeys(map(bytes.decode, _REFERENCE.findall(write.body or b""))) if name in at]
        for write in group
    ]
    met: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    for start in range(len(group)):
        if start in met:
            continue
        open_ = [(start, iter(targets[start]))]
        met[start] = lowest[start] = len(met)
        path.append(start)
        on_path.add(start)
        while open_:
            place, rest = open_[-1]
            following = next((other for other in rest if other not in met or other in on_path), None)
            if following is not None and following not in met:
                met[following] = lowest[following] = len(met)
                path.append(following)
                on_path.add(following)
                open_.append((following, iter(targets[following])))
                continue
            if following is not None:
                lowest[place] = min(lowest[place], met[following])
                continue
            open_.pop()
            if open_:
                lowest[open_[-1][0]] = min(lowest[open_[-1][0]], lowest[place])
            if lowest[place] == met[place]:
                cut = path.index(place)
                circle = path[cut:]
                del path[cut:]
                on_path.difference_update(circle)
                yield [group[other] for other in sorted(circle)]
