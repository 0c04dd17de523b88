"""Profiles: read with their defaults, refused with file and line."""

from __future__ import annotations

from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest

from multimodal.model.errors import ConfigurationError
from multimodal.radiomics import load_profile, profile_names

OWN = """\
radiomics: 1
name: own
discretisation: {method: fixed-bin-count, count: 32}
images: [original]
classes: [shape, firstorder]
kurtosis: excess
resampling: {spacing: [3, 3, 3]}
"""


def test_the_shipped_profiles_load() -> None:
    assert "pyradiomics-compat" in profile_names()
    for name in profile_names():
        assert load_profile(name).name == name


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    profile = load_profile(tmp_path / "own.yaml")
    assert profile.settings["minimum"] == {"voxels": 2, "dimensions": 2}
    assert profile.settings["resampling"] == {"spacing": [3, 3, 3], "interpolator": "bspline"}
    assert profile.discretisation == "FBN 32"
    assert profile.discretisation_code == "K15C"


def test_the_hash_is_of_what_changes_values(tmp_path: Path) -> None:
    def hash_of(text: str) -> str:
        (tmp_path / "own.yaml").write_text(text)
        return load_profile(tmp_path / "own.yaml").sha256

    assert hash_of(OWN) == hash_of("# a remark\n" + OWN.replace("name: own", "name: other\ndescription: words"))
    assert hash_of(OWN) == hash_of(OWN + "texture: {distance: 1}\n")
    assert hash_of(OWN) != hash_of(OWN.replace("32", "64"))


@pytest.mark.parametrize(
    ("change", "problem", "line"),
    [
        (("kurtosis: excess", "kurtosis: maybe"), "kurtosis", 6),
        (("kurtosis: excess", "kurtosis: exces"), "none of excess, pyradiomics; did you mean 'excess'", 6),
        (("count: 32", "count: 1"), "discretisation.count: 1 is less than the minimum of 2$", 3),
        (
            ("{method: fixed-bin-count, count: 32}", "\n  method: fixed-bin-width\n  width: -5"),
            r"own\.yaml:5: discretisation\.width: -5 is less than or equal to the minimum of 0$",
            5,
        ),
        (("count: 32", "width: 25"), 'discretisation: "count" is a required property$', 3),
        (("-count, c", "-cuont, c"), "method: 'fixed-bin-cuont' is none of .*; did you mean 'fixed-bin-count'", 3),
        (("method: fixed-bin-count, ", ""), 'discretisation: "method" is a required property', 3),
        (("[3, 3, 3]", "[3, 3]"), r"resampling\.spacing: \[3,3\] has less than 3 items$", 7),
        (("kurtosis: excess", "kurtosis: excess\ntxture: {}"), "'txture' was unexpected.*did you mean 'texture'", 7),
        (("images: [original]", "images: [original]\nnoise: 1"), "noise", 5),
        (("classes: [shape, firstorder]", "classes: [shape, colour]"), "classes", 5),
        (("name: own", "name: [own"), "not valid YAML", 3),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, change: tuple[str, str], problem: str, line: int | None
) -> None:
    (tmp_path / "own.yaml").write_text(OWN.replace(*change))
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load_profile(tmp_path / "own.yaml")
    assert caught.value.line == line
    assert "own.yaml" in str(caught.value)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there are ibsi, .*pyradiomics-compat"):
        load_profile("ibsy")
    with pytest.raises(ConfigurationError, match="no such profile file"):
        load_profile(tmp_path / "none.yaml")


IBSI = """\
radiomics: 1
engine: ibsi
name: own
discretisation: {method: fixed-bin-size, width: 25}
aggregation: [3D-merged, 3D]
families: [morphology, glcm]
resampling: {spacing: [2, 2, 2]}
"""


def test_an_ibsi_profile_has_its_own_defaults(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(IBSI)
    profile = load_profile(tmp_path / "own.yaml")
    assert (profile.engine, profile.classes) == ("ibsi", ("morphology", "glcm"))
    assert profile.settings["resampling"] == {"spacing": [2, 2, 2], "image": "linear", "rounding": "as-stored"}
    assert profile.settings["resegmentation"] is None
    assert (profile.discretisation, profile.volume_histogram, profile.discretisation_code) == ("FBS 25", "", "Q3RU")
    (tmp_path / "same.yaml").write_text(IBSI + "resegmentation: null\nvolume_histogram: {method: none}\n")
    assert load_profile(tmp_path / "same.yaml").sha256 == profile.sha256


def test_filters_have_their_own_defaults(tmp_path: Path) -> None:
    images = "images: [{filter: wavelet, wavelet: db3, bands: [LLH, HH]}, {filter: log, sigma: [2]}]\n"
    (tmp_path / "own.yaml").write_text(IBSI + images)
    assert load_profile(tmp_path / "own.yaml").settings["images"] == [
        {"filter": "wavelet", "wavelet": "db3", "bands": ["LLH", "HH"], "level": 1, "rotation_invariant": True},
        {"filter": "log", "sigma": [2], "dimensions": 3, "truncate": 4},
    ]


@pytest.mark.parametrize("wrong", ["bands: [LLX]", "bands: [LLHH]", "bands: []", "wavelet: db99, bands: [LL]"])
def test_a_filter_that_there_is_not_is_refused(tmp_path: Path, wrong: str) -> None:
    wavelet = "" if "wavelet" in wrong else "wavelet: db3, "
    (tmp_path / "own.yaml").write_text(f"{IBSI}images: [{{filter: wavelet, {wavelet}{wrong}}}]\n")
    with pytest.raises(ConfigurationError, match="images") as caught:
        load_profile(tmp_path / "own.yaml")
    assert caught.value.line == 8


@pytest.mark.parametrize(
    ("change", "problem", "line"),
    [
        (("engine: ibsi", "engine: ibis"), "engine: 'ibis' is none of pyradiomics, ibsi", None),
        (("3D-merged", "3D-mergd"), "aggregation.0: .*did you mean '3D-merged'", 5),
        (("glcm", "gldm"), "families.1: 'gldm' is none of .*did you mean 'ngldm'", 6),
        (("size, width: 25", "number, count: 1"), "count: 1 is less than the minimum of 2", 4),
        (("families: [morphology, glcm]\n", ""), '"families" is a required property', None),
        (("engine: ibsi", "engine: ibsi\nkurtosis: excess"), "'kurtosis' was unexpected", 3),
    ],
)
def test_a_mistake_in_an_ibsi_profile_is_named(
    tmp_path: Path, change: tuple[str, str], problem: str, line: int | None
) -> None:
    (tmp_path / "own.yaml").write_text(IBSI.replace(*change))
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load_profile(tmp_path / "own.yaml")
    assert caught.value.line == line


def test_every_shipped_profile_gives_a_reason_beside_each_value() -> None:
    """In the files for patients each setting has a comment above it or behind it."""
    folder = resources.files("multimodal.radiomics").joinpath("profiles")
    for name in ("ibsi", "ibsi-ct", "ibsi-mr", "ibsi-pet", "pyradiomics-compat"):
        lines = folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        for before, line in pairwise(lines):
            key = line.partition(":")[0]
            if line[:1].isalpha() and key not in ("radiomics", "engine", "name", "description", "families", "texture"):
                assert before.startswith("#") or "#" in line, f"{name}: {key}"
