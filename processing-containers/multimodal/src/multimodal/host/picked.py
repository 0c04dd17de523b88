"""What the user picked or named, as files of this machine: tables of the bucket, mapping files, profiles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from multimodal.host.context import TaskContext
from multimodal.model.errors import ConfigurationError
from multimodal.model.schema_words import did_you_mean

IN_BUCKET = "fhir-mappings/"
PROFILES = "radiomics-profiles/"
REMEMBERED = "state/mappings/"
IN_IMAGE = Path("/opt/multimodal/mappings")
# src/multimodal/host -> the repository, where the package is installed from a checkout; else no such folder
IN_CHECKOUT = Path(__file__).parents[5] / "mappings"
_SUFFIXES = (".yaml", ".yml")
_MAPPING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def fetch_picked(context: TaskContext, folder: Path) -> tuple[list[Path], Path | None]:
    """Copy what was picked in the bucket into `folder`; return the tables, and the mapping if one was picked.

    A picked folder (a key that ends with a slash) stands for all that is in it.

    Raises
    ------
    NotInBucketError, UnsafeKeyError
        If a key is none of the bucket's.
    ConfigurationError
        If several mappings were picked.
    """
    keys = list(_keys(context))
    mappings = [key for key in keys if key.lower().endswith(_SUFFIXES)]
    if len(mappings) > 1:
        raise ConfigurationError(f"pick one mapping, not {len(mappings)}: {', '.join(mappings)}")
    tables = [_fetch(context, key, folder) for key in keys if key not in mappings]
    if not mappings:
        return tables, None
    if mappings[0].startswith(IN_BUCKET):  # it may refer to tables of codes beside it
        _fetch_all(context, IN_BUCKET, folder)
    return tables, _fetch(context, mappings[0], folder)


def find_mapping(context: TaskContext, name: str, folder: Path) -> Path:
    """Return the file of the mapping `name`: the project's own first, then the shipped ones.

    Parameters
    ----------
    folder : Path
        Where files of the bucket are copied to, with the tables of codes that lie beside the mapping.

    Raises
    ------
    ConfigurationError
        If `name` is no plain name, or nowhere.
    """
    stem = name.removesuffix(".yaml")
    if not _MAPPING_NAME.fullmatch(stem):
        raise ConfigurationError(f"mapping: expected the name of a mapping file, not {name[:80]!r}")
    key = f"{IN_BUCKET}{stem}.yaml"
    if context.bucket.exists(key):
        _fetch_all(context, IN_BUCKET, folder)
        return folder / key
    places = shipped_folders(context)
    for place in places:
        if (file := place / f"{stem}.yaml").is_file():
            return file
    known = sorted({file.stem for file in all_mappings(context, folder)})
    raise ConfigurationError(
        f"no mapping named {stem!r}; there are: {', '.join(known) or 'none'}{did_you_mean(stem, known)}; "
        f"looked in {', '.join(_looked_in(context))}; set MULTIMODAL_MAPPINGS to the folder of the mapping files"
    )


def find_profile(context: TaskContext, name: str, folder: Path) -> str | Path:
    """Return the file of the radiomics profile `name` if it is one of the project's own, else the name itself.

    Parameters
    ----------
    folder : Path
        Where a file of the bucket is copied to.

    Raises
    ------
    ConfigurationError
        If `name` is no plain name.
    """
    stem = name.removesuffix(".yaml")
    if not _MAPPING_NAME.fullmatch(stem):
        raise ConfigurationError(f"profile: expected a name, not {name[:80]!r}")
    key = f"{PROFILES}{stem}.yaml"
    return _fetch(context, key, folder) if context.bucket.exists(key) else stem


def remember_mapping(context: TaskContext, mapping: Path) -> None:
    """Keep a copy of a mapping that was picked outside of ``fhir-mappings/``, so that later joins know its columns."""
    context.bucket.write(f"{REMEMBERED}{mapping.name}", mapping.read_bytes())


def all_mappings(context: TaskContext, folder: Path) -> list[Path]:
    """Return the files of all mappings of the project: its own, remembered ones, shipped ones.

    In this order, and of files with one name only the first.
    """
    found: dict[str, Path] = {}
    for prefix in (IN_BUCKET, REMEMBERED):
        _fetch_all(context, prefix, folder)
    for place in (folder / IN_BUCKET, folder / REMEMBERED, *shipped_folders(context)):
        for file in sorted(place.glob("*.yaml")):
            found.setdefault(file.name, file)
    return list(found.values())


def shipped_folders(context: TaskContext) -> Sequence[Path]:
    """Return where mapping files lie on this machine.

    ``MULTIMODAL_MAPPINGS``, else the image's folder, and in a checkout the repository's ``mappings/``.
    """
    return [place for place in _candidates(context) if place.is_dir()]


def _candidates(context: TaskContext) -> list[Path]:
    named = context.settings.get("MULTIMODAL_MAPPINGS")
    return [Path(named)] if named else [IN_IMAGE, IN_CHECKOUT]


def _looked_in(context: TaskContext) -> Iterator[str]:
    yield f"{IN_BUCKET} of the bucket"
    for place in _candidates(context):
        yield f"{place}{'' if place.is_dir() else ' (no such folder)'}"


def _keys(context: TaskContext) -> Iterator[str]:
    for picked in context.conf.picked_files:
        if picked.endswith("/"):
            yield from context.bucket.list(picked)
        else:
            yield picked


def _fetch_all(context: TaskContext, prefix: str, folder: Path) -> None:
    for key in context.bucket.list(prefix):
        _fetch(context, key, folder)


def _fetch(context: TaskContext, key: str, folder: Path) -> Path:
    content = context.bucket.read(key)  # refuses a key that would lead out of the bucket, and so out of `folder`
    file = folder / key
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file
