"""Profiles: the settings of an extraction, as data files that a person can read and change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import jsonschema_rs
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from multimodal.model.errors import ConfigurationError
from multimodal.model.schema_words import Finding, worded

DEFAULT_PROFILE = "ibsi"
_SCHEMAS = {"pyradiomics": "profile.schema.json", "ibsi": "ibsi_profile.schema.json"}
_MINIMUM = {"voxels": 2, "dimensions": 2}
_TEXTURE = {"distance": 1, "symmetrical": True, "dependence_tolerance": 0}


@dataclass(frozen=True)
class Profile:
    """Settings of one extraction.

    Parameters
    ----------
    name : str
        Name, for people.
    settings : mapping
        All settings, defaults filled in; the schema is ``profile.schema.json``, and ``ibsi_profile.schema.json``
        for those with ``engine: ibsi``.
    sha256 : str
        Hash of what changes the values (not of name and description): the identity of the configuration.
    """

    name: str
    settings: Mapping[str, Any]
    sha256: str

    @property
    def engine(self) -> str:
        """Who computes: ``ibsi`` or ``pyradiomics``."""
        return str(self.settings.get("engine", "pyradiomics"))

    @property
    def classes(self) -> tuple[str, ...]:
        """Feature classes or IBSI families, in the order in which they are computed."""
        return tuple(self.settings["families" if self.engine == "ibsi" else "classes"])

    @property
    def discretisation(self) -> str:
        """How intensities become grey levels, in the shortest words: ``FBS 25`` (width) or ``FBN 32`` (count)."""
        return _in_words(self.settings["discretisation"])

    @property
    def volume_histogram(self) -> str:
        """How intensities are discretised for the intensity-volume histogram, in the words of `discretisation`."""
        return _in_words(self.settings.get("volume_histogram", {}))

    @property
    def discretisation_code(self) -> str:
        """IBSI code of the discretisation: Q3RU fixed bin size, K15C fixed bin number; empty where there is none."""
        chosen = self.settings["discretisation"]
        return "Q3RU" if "width" in chosen else "K15C" if "count" in chosen else ""


def load_profile(name_or_path: str | Path) -> Profile:
    """Load a profile by the name of one that ships here, or from a file.

    Raises
    ------
    ConfigurationError
        There is no such profile, or it is not valid; the error names file and place.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigurationError("there is no such profile file", file=path)
        return _parse(path.read_text(encoding="utf-8"), path)
    known = profile_names()
    if str(name_or_path) not in known:
        raise ConfigurationError(
            f"no profile {str(name_or_path)!r}; there are {', '.join(known)}, or give a .yaml file"
        )
    file = resources.files(__package__).joinpath("profiles", f"{name_or_path}.yaml")
    return _parse(file.read_text(encoding="utf-8"), Path(f"{name_or_path}.yaml"))


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that ship here."""
    folder = resources.files(__package__).joinpath("profiles")
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def _parse(text: str, file: Path) -> Profile:
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigurationError(
            f"not valid YAML: {error.problem}",
            file=file,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from error
    plain = json.loads(json.dumps(document, default=str))
    engine = plain.get("engine", "pyradiomics") if isinstance(plain, dict) else "pyradiomics"
    schema = _SCHEMAS.get(engine, "") if isinstance(engine, str) else ""
    if not schema:
        raise ConfigurationError(f"engine: {engine!r} is none of {', '.join(_SCHEMAS)}", file=file)
    wrong = next(iter(_validator(schema).iter_errors(plain)), None)
    if wrong is not None:
        _refuse(document, worded(wrong, _schema(schema)), file)
    settings = {**plain, **(_ibsi_defaults(plain) if engine == "ibsi" else _defaults(plain))}
    hashed = {key: value for key, value in settings.items() if key not in ("name", "description")}
    sha256 = hashlib.sha256(json.dumps(hashed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return Profile(str(settings["name"]), settings, sha256)


def _in_words(chosen: Mapping[str, Any]) -> str:
    if "width" in chosen:
        return f"FBS {chosen['width']:g}"
    return f"FBN {chosen['count']}" if "count" in chosen else ""


def _defaults(plain: Mapping[str, Any]) -> dict[str, Any]:
    resampling = plain.get("resampling")
    return {
        "minimum": _MINIMUM | plain.get("minimum", {}),
        "texture": _TEXTURE | plain.get("texture", {}),
        "resampling": None if resampling is None else {"interpolator": "bspline", **resampling},
    }


def _ibsi_defaults(plain: Mapping[str, Any]) -> dict[str, Any]:
    resampling, resegmentation = plain.get("resampling"), plain.get("resegmentation")
    return {
        "minimum": _MINIMUM | plain.get("minimum", {}),
        "resampling": None if resampling is None else {"image": "linear", "rounding": "as-stored", **resampling},
        "resegmentation": None if resegmentation is None else {"range": None, "outliers": None, **resegmentation},
        "volume_histogram": plain.get("volume_histogram", {"method": "none"}),
        "images": [_image(image) for image in plain.get("images", ["original"])],
    }


def _image(chosen: str | Mapping[str, Any]) -> str | dict[str, Any]:
    if isinstance(chosen, str):
        return chosen
    defaults: dict[str, dict[str, Any]] = {
        "mean": {"dimensions": 3},
        "log": {"dimensions": 3, "truncate": 4},
        "wavelet": {"level": 1, "rotation_invariant": True},
    }
    return {**defaults[chosen["filter"]], **chosen}


@cache
def _schema(name: str) -> dict[str, Any]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for(_schema(name))


def _refuse(document: Any, finding: Finding, file: Path) -> NoReturn:
    """Raise with the line of the innermost key that has one."""
    line: int | None = None
    here = document
    for key in (*finding.place, *([finding.unknown_key] if finding.unknown_key is not None else [])):
        if not hasattr(here, "lc"):
            break
        place = here.lc.key(key) if isinstance(key, str) else here.lc.item(key)
        line = place[0] + 1
        here = here[key]
    at = ".".join(str(key) for key in finding.place)
    raise ConfigurationError(f"{at}: {finding.text}" if at else finding.text, file=file, line=line)
