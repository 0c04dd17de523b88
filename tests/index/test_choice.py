from pathlib import Path

import pytest

from multimodal.index.choice import load_choice
from multimodal.index.keys import Area, KeyRegister, Kind
from multimodal.model.errors import ConfigurationError
from multimodal.terminology.radiomics_codes import feature_codes


def test_the_shipped_choice_names_features_that_there_are() -> None:
    choice = load_choice()
    register = KeyRegister()
    assert 3 <= len(choice.features) <= 10  # the index shares its fields with DICOM
    for feature, name in choice.features.items():
        assert feature in feature_codes()
        assert register.key(Area.RADIOMICS, name, Kind.FLOAT)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("features: {}\n", "join"),
        ("join: 1\nfeatures: {a: 'b c'}\n", "features/a"),
        ("join: 1\nfeatures: {}\nfeature: {}\n", "feature"),
        ("join: 1\nfeatures: {a: [\n", ":"),
    ],
)
def test_a_wrong_choice_is_refused_with_its_place(tmp_path: Path, content: str, place: str) -> None:
    file = tmp_path / "join.yaml"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load_choice(file)
    assert "join.yaml" in str(caught.value)
    assert place in str(caught.value)


def test_a_missing_choice_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read it"):
        load_choice(tmp_path / "none.yaml")
