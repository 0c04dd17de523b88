"""Choices in reading images and masks that change what is measured; the defaults change nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Reading:
    """How a series and its masks become voxels.

    Parameters
    ----------
    resample : bool
        Lay an uneven or tilted series on an even, straight grid, and a SEG of another grid on the image's. Without
        it, an uneven series is cut to its longest even run, and the others are refused.
    suv : bool
        Measure PET as SUV by body weight, and refuse a series that lacks what this takes; False: as stored.
    fraction : float
        A voxel belongs to a fractional segment from this share of its maximum on.
    coverage : float or None
        None: a voxel belongs to a contour when its centre lies inside (the IBSI reference masks). A share: when at
        least so much of its area does, for regions of few voxels.
    """

    resample: bool = False
    suv: bool = True
    fraction: float = 0.5
    coverage: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must lie in ]0, 1], not {self.fraction}")
        if self.coverage is not None and not 0 < self.coverage <= 1:
            raise ValueError(f"coverage must lie in ]0, 1], not {self.coverage}")

    def changed(self) -> dict[str, bool | float | None]:
        """Return what differs from the defaults: part of the identity of a measurement."""
        usual = Reading()
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if getattr(self, one.name) != getattr(usual, one.name)
        }
