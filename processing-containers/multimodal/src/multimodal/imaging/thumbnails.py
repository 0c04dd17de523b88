"""The picture of a series for a gallery: its middle slice by position, or its regions on the image they are drawn on.

Grey values become light by the VOI LUT or window that the image carries (PS3.3 C.11.2), else by its 1st and 99th
percentile. Every picture is 300 pixels wide and high, with the name of the store the series lies in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from multimodal.imaging.rois import Roi
from multimodal.imaging.volume import Volume
from multimodal.model.dicom_json import DicomJson, text, values, whole_number

SIZE = 300
_LARGEST = 50_000_000  # pixels that a store's picture may have
_COLOURS = ((230, 60, 60), (70, 190, 90), (70, 130, 240), (240, 190, 40), (190, 90, 220), (40, 200, 210))
_FILL = 0.35
_LINES = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Which picture of a series lies in its middle: an instance, and one of its frames counted from 1."""

    sop_uid: str
    frame: int = 1
    frames: int = 1


def middle_of(instances: Sequence[DicomJson]) -> Place | None:
    """Return the middle picture of a series by position along the slices' normal; None where nothing has pixels.

    Parameters
    ----------
    instances : sequence of mapping
        All instances in the DICOM JSON model. Without positions their Instance Numbers order them.
    """
    places: list[tuple[float, int, str, Place]] = []
    for instance in instances:
        if not values(instance, "Rows"):
            continue
        uid, number = text(instance, "SOPInstanceUID"), whole_number(instance, "InstanceNumber") or 0
        heights = list(_heights(instance))
        for frame, height in enumerate(heights, start=1):
            places.append((height, number + frame - 1, uid, Place(uid, frame, len(heights))))
    if not places:
        return None
    return sorted(places, key=lambda place: (*place[:3], place[3].frame))[(len(places) - 1) // 2][3]


def slice_picture(image: Dataset, frame: int = 1) -> Image.Image:
    """Return one frame of an image as light and dark, its pixels made square.

    Raises
    ------
    ValueError, AttributeError, NotImplementedError, RuntimeError
        If its pixels cannot be decoded.
    """
    several = int(image.get("NumberOfFrames") or 1) > 1
    stored = pixel_array(image, index=frame - 1) if several else pixel_array(image)
    kind = str(image.get("PhotometricInterpretation") or "MONOCHROME2")
    if kind == "PALETTE COLOR":
        colours = apply_color_lut(stored, image)
        return Image.fromarray((colours >> 8 if colours.dtype.itemsize == 2 else colours).astype(np.uint8))
    if stored.ndim == 3:
        return Image.fromarray(stored.astype(np.uint8))
    light = _light(apply_modality_lut(stored, image), image)
    return _square(Image.fromarray(255 - light if kind == "MONOCHROME1" else light), image.get("PixelSpacing"))


def overlay_picture(volume: Volume, rois: Sequence[Roi]) -> Image.Image | None:
    """Return the middle one of the slices on which something is drawn, with each region filled and outlined."""
    drawn = [roi for roi in rois if roi.mask.size]
    planes = sorted({z for roi in drawn for z in range(roi.box[0].start, roi.box[0].stop)})
    if not planes:
        return None
    z = planes[(len(planes) - 1) // 2]
    header = volume.headers[z] if volume.headers else Dataset()
    light = _light(volume.array[z], header)
    colours = np.repeat(light[:, :, None], 3, axis=2).astype(np.float32)
    for number, roi in enumerate(drawn):
        begin, rows, columns = roi.box
        if not begin.start <= z < begin.stop:
            continue
        mask = np.zeros(light.shape, dtype=bool)
        mask[rows, columns] = roi.mask[z - begin.start]
        colour = np.asarray(_COLOURS[number % len(_COLOURS)], dtype=np.float32)
        colours[mask] = colours[mask] * (1 - _FILL) + colour * _FILL
        colours[_outline(mask)] = colour
    return _square(Image.fromarray(colours.astype(np.uint8)), volume.spacing[1:])


def words_picture(lines: Sequence[str]) -> Image.Image:
    """Return a picture of words, for a series that has none of its own, e.g. a structured report."""
    picture = Image.new("RGB", (SIZE, SIZE), (24, 28, 34))
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines[:_LINES]):
        font = ImageFont.load_default(44 if number == 0 else 17)
        pen.text((18, 40 if number == 0 else 84 + 22 * number), _fitting(pen, line, font), fill="white", font=font)
    return picture


def stores_picture(content: bytes) -> Image.Image | None:
    """Return the picture that a store rendered; None where it is none, or larger than any slice."""
    try:
        picture = Image.open(BytesIO(content), formats=("PNG", "JPEG"))
        if picture.width * picture.height > _LARGEST:
            return None
        return picture.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None


def thumbnail(picture: Image.Image, store: str) -> bytes:
    """Return `picture` as a PNG of the gallery's size, with the store's name in its corner."""
    scale = SIZE / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    canvas = Image.new("RGB", (SIZE, SIZE))
    canvas.paste(
        picture.convert("RGB").resize(size, Image.Resampling.LANCZOS), ((SIZE - size[0]) // 2, (SIZE - size[1]) // 2)
    )
    pen = ImageDraw.Draw(canvas, "RGBA")
    font = ImageFont.load_default(14)
    name = _fitting(pen, store, font)
    left, top, right, bottom = pen.textbbox((8, 0), name, font=font)
    up = SIZE - 8 - bottom
    pen.rectangle((left - 4, top + up - 3, right + 4, bottom + up + 3), fill=(0, 0, 0, 170))
    pen.text((8, up), name, fill=(255, 255, 255, 255), font=font)
    written = BytesIO()
    canvas.save(written, "PNG", optimize=True)
    return written.getvalue()


def _heights(instance: DicomJson) -> Iterator[float]:
    """Yield where each frame lies along the normal; 0 where nothing says so."""
    shared = _first(instance, "SharedFunctionalGroupsSequence")
    groups = [one for one in values(instance, "PerFrameFunctionalGroupsSequence") if isinstance(one, Mapping)]
    if not groups:
        count = max(whole_number(instance, "NumberOfFrames") or 1, 1)
        yield from [_height(instance, instance)] * count
    for group in groups:
        plane = _first(group, "PlanePositionSequence") or _first(shared, "PlanePositionSequence")
        turned = _first(group, "PlaneOrientationSequence") or _first(shared, "PlaneOrientationSequence")
        yield _height(plane, turned)


def _height(plane: DicomJson, turned: DicomJson) -> float:
    try:
        position = np.asarray(values(plane, "ImagePositionPatient"), dtype=float)
        row, column = np.asarray(values(turned, "ImageOrientationPatient"), dtype=float).reshape(2, 3)
        return round(float(position @ np.cross(row, column)), 4)
    except ValueError:  # not there, or no numbers
        return 0.0


def _first(dataset: DicomJson, keyword: str) -> DicomJson:
    return next((one for one in values(dataset, keyword) if isinstance(one, Mapping)), {})


def _light(grey: NDArray[Any], image: Dataset) -> NDArray[np.uint8]:
    """Return modality values as 0 (dark) to 255, by the first view that the image recommends."""
    if image.get("VOILUTSequence"):
        table = image.VOILUTSequence[0]
        shown = apply_voi_lut(grey.astype(np.int64), image, prefer_lut=True) / (2.0 ** int(table.LUTDescriptor[2]) - 1)
    elif (window := _window(image)) is None:
        low, high = (float(one) for one in np.percentile(grey, (1, 99)))
        shown = (grey - low) / max(high - low, 1e-6)
    elif image.get("VOILUTFunction") == "SIGMOID":
        shown = 1 / (1 + np.exp(-4 * (grey - window[0]) / window[1]))
    else:
        shown = (grey - window[0]) / window[1] + 0.5
    light: NDArray[np.uint8] = (np.clip(shown, 0, 1) * 255).astype(np.uint8)
    return light


def _window(image: Dataset) -> tuple[float, float] | None:
    """Return centre and width of the first window (PS3.3 C.11.2.1.2); None where there is no usable one."""
    try:
        centre, width = (float(np.ravel(image.get(name))[0]) for name in ("WindowCenter", "WindowWidth"))
    except (TypeError, ValueError, IndexError):
        return None
    return (centre, width) if width > 0 and np.isfinite(centre) else None


def _square(picture: Image.Image, spacing: object) -> Image.Image:
    """Return the picture with square pixels, where the rows lie closer or further apart than the columns."""
    try:
        between_rows, between_columns = (float(one) for one in spacing)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return picture
    if between_rows <= 0 or between_columns <= 0 or abs(between_rows / between_columns - 1) < 0.01:
        return picture
    height = round(picture.height * between_rows / between_columns)
    return picture.resize((picture.width, min(max(height, 1), 8 * picture.width)))


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: NDArray[np.bool_] = mask & ~inner
    return edge


def _fitting(pen: ImageDraw.ImageDraw, line: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """Return as much of a line as the picture has room for; control characters are blanks."""
    shown = "".join(sign if sign.isprintable() else " " for sign in line)[:120]
    while shown and pen.textlength(shown, font=font) > SIZE - 30:
        shown = shown[:-1]
    return shown
