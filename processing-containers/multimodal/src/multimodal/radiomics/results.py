"""What an extraction gives back."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from multimodal.imaging import Roi, RoiFailure
from multimodal.model.features import Feature
from multimodal.radiomics.profile import Profile

ORIGINAL = "original"  # the unfiltered image, in the names of its features


@dataclass(frozen=True)
class RoiResult:
    """The features of one region, or why it has none.

    Parameters
    ----------
    roi : Roi
        The region.
    features : tuple of Feature
        Finite values only; empty when there is a failure.
    failure : RoiFailure or None
        Why nothing was computed.
    flags : tuple of str
        What a reader of the numbers should know: the region's own flags, and features without a value.
    missing : tuple of str
        Names of features that have no value for this region (e.g. a division by zero in a flat region).
    """

    roi: Roi
    features: tuple[Feature, ...] = ()
    failure: RoiFailure | None = None
    flags: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def reported(self) -> tuple[Feature, ...]:
        """Features of the original image: those of filtered ones share its codes and stay in the tables."""
        return tuple(feature for feature in self.features if feature.name.startswith(f"{ORIGINAL}_"))


def engine_version(profile: Profile | None = None) -> str:
    """Return name and version of the engine that computes the values of `profile`, e.g. ``pyradiomics 3.0.1``."""
    if profile is not None and profile.engine == "ibsi":
        return f"multimodal-ibsi {version('kaapana-multimodal')}"
    return f"pyradiomics {version('pyradiomics')}"
