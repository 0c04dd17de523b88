"""``multimodal radiomics``."""

from __future__ import annotations

from pathlib import Path

import click

from multimodal.cli.show import show
from multimodal.host.progress import ShownProgress
from multimodal.host.run import write_outcome
from multimodal.imaging import Reading
from multimodal.radiomics.profile import DEFAULT_PROFILE, load_profile
from multimodal.workflows.measure_rois import measure_rois, with_reading, write_measured


@click.command("radiomics")
@click.option(
    "--image",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder of one image series.",
)
@click.option(
    "--mask",
    "masks",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    multiple=True,
    help="A SEG or RTSTRUCT file, or a folder of them; may be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where to.")
@click.option(
    "--profile", default=DEFAULT_PROFILE, show_default=True, help="A profile that ships here, or a .yaml file."
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="Work on so many ROIs at once.")
@click.option(
    "--resample", is_flag=True, help="Lay an uneven or tilted series, and a SEG of another grid, on an even grid."
)
@click.option(
    "--suv/--no-suv", default=True, show_default=True, help="Measure PET as SUV by body weight, or as stored."
)
@click.option(
    "--fraction",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="A voxel of a fractional segment counts from this share on.",
)
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1, min_open=True),
    help="A voxel of an RTSTRUCT counts when so much of it lies inside; without this, when its centre does.",
)
def command(
    image: Path,
    masks: tuple[Path, ...],
    out: Path,
    profile: str,
    processes: int,
    resample: bool,
    suv: bool,
    fraction: float,
    coverage: float | None,
) -> int:
    """Compute radiomics features of a series and its masks; no server is needed.

    Writes into OUT features.csv, sr.dcm (TID 1500), seg.dcm (the voxels of an RTSTRUCT), result.json and errors.csv
    (regions and masks that could not be measured; without a line where nothing failed).
    """
    reading = Reading(resample=resample, suv=suv, fraction=fraction, coverage=coverage)
    settings = with_reading(load_profile(profile), reading)
    with ShownProgress() as progress:
        measured = measure_rois(image, masks, profile=settings, reading=reading, processes=processes, progress=progress)
    result = write_measured(measured, out, settings)
    write_outcome(result, out)
    for issue in result.issues:
        click.echo(f"{issue.code} {issue.value or issue.sheet}: {issue.message}", err=True)
    return show(result, errors_csv=out / "errors.csv")
