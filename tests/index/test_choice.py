from pathlib import Path

import pytest

from multimodal.index.choice import load_choice
from multimodal.index.keys import Area, KeyRegister, Kind
from multimodal.model.errors import ConfigurationError
from multimodal.terminology.radiomics_codes import feature_codes, ibsi_feature_codes


def test_the_shipped_choice_names_features_that_there_are() -> None:
    choice, known = load_choice(), (feature_codes(), ibsi_feature_codes())
    register = KeyRegister()
    assert 3 <= len(set(choice.features.values())) <= 10  # the index shares its fields with DICOM
    engines = [{name for feature, name in choice.features.items() if feature in codes} for codes in known]
    assert engines[0] == engines[1]  # what a document holds does not depend on the profile
    for feature, name in choice.features.items():
        assert any(feature in codes for codes in known)
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
