from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from multimodal.imaging.reader import read_volume
from multimodal.imaging.rtstruct import rtstruct_rois
from multimodal.imaging.segments import seg_rois
from multimodal.imaging.thumbnails import (
    SIZE,
    Place,
    middle_of,
    overlay_picture,
    slice_picture,
    stores_picture,
    thumbnail,
    words_picture,
)
from tests.imaging.made import ct_images, rtstruct, seg, write
from tests.index.kaapana_cases import enhanced_mr
from tests.index.kaapana_cases import rtstruct as structures

STORED = np.full((5, 16, 16), 1000, dtype=np.int16)  # 0 HU


def as_json(images: list[Dataset]) -> list[dict]:
    return [image.to_json_dict() for image in images]


def test_the_middle_is_found_by_position_not_by_number_or_order() -> None:
    images = ct_images(STORED)
    for image, number in zip(images, (9, 1, 2, 3, 4), strict=True):
        image.InstanceNumber = number
    shuffled = [images[i] for i in (3, 0, 4, 2, 1)]
    assert middle_of(as_json(shuffled)) == Place(images[2].SOPInstanceUID)


def test_without_positions_numbers_order() -> None:
    images = ct_images(STORED)
    for number, image in enumerate(images):
        del image.ImagePositionPatient
        image.InstanceNumber = number
    assert middle_of(as_json(images[::-1])) == Place(images[2].SOPInstanceUID)


def test_the_middle_frame_of_an_enhanced_image() -> None:
    image = enhanced_mr()
    assert middle_of([image.to_json_dict()]) == Place(image.SOPInstanceUID, 1, 2)


def test_what_has_no_pixels_has_no_middle() -> None:
    assert middle_of([structures().to_json_dict()]) is None


@pytest.mark.parametrize(
    ("attributes", "light"),
    [
        ({"WindowCenter": 0, "WindowWidth": 400}, 127),
        ({"WindowCenter": [200, 0], "WindowWidth": [400, 10]}, 0),
        ({"WindowCenter": 0, "WindowWidth": 400, "PhotometricInterpretation": "MONOCHROME1"}, 128),
        ({"WindowCenter": 100, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"}, 68),
        ({"WindowCenter": 0, "WindowWidth": 0}, 0),  # no window: by percentiles, here of one value
    ],
)
def test_the_image_says_how_light_a_value_is(attributes: dict, light: int) -> None:
    image = ct_images(STORED)[0]
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    assert slice_picture(image).getpixel((5, 5)) == light


def test_a_voi_lut_goes_before_a_window() -> None:
    image = ct_images(STORED)[0]
    table = Dataset()
    table.add_new(0x00283002, "SS", [3, -1, 8])
    table.add_new(0x00283006, "US", [0, 200, 255])
    image.VOILUTSequence = [table]
    image.WindowCenter, image.WindowWidth = 0, 400
    assert slice_picture(image).getpixel((5, 5)) == 200


def test_pixels_are_shown_square() -> None:
    image = ct_images(STORED, spacing=(3.0, 2.0, 1.0))[0]
    assert slice_picture(image).size == (16, 32)


def test_regions_of_both_kinds_lie_on_the_middle_of_their_slices(tmp_path) -> None:
    images = ct_images(STORED, spacing=(3.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0))
    volume = read_volume(write(tmp_path, images))
    masks = np.zeros(STORED.shape, dtype=np.uint8)
    masks[2:, 4:10, 4:10] = 1
    segments = overlay_picture(volume, seg_rois(seg(images, masks), tmp_path, volume))
    corners = [(3.5, 3.5), (9.5, 3.5), (9.5, 9.5), (3.5, 9.5)]
    contours = [np.array([(x, y, 3.0 * z) for x, y in corners]) for z in (2, 3, 4)]
    contoured = overlay_picture(volume, rtstruct_rois(rtstruct({"GTV": contours}), tmp_path, volume))
    assert segments is not None
    assert contoured is not None
    assert np.array_equal(np.asarray(segments), np.asarray(contoured))
    edge, inside, outside = (segments.getpixel(at) for at in ((4, 4), (6, 6), (1, 1)))
    assert edge == (230, 60, 60)
    assert inside[0] > inside[1]
    assert outside[0] == outside[1]
    assert overlay_picture(volume, []) is None


@pytest.mark.parametrize("size", [(512, 512), (16, 40), (40, 16), (1, 1)])
def test_a_thumbnail_is_square_and_names_its_store(size: tuple[int, int]) -> None:
    picture = Image.open(BytesIO(thumbnail(Image.new("L", size, 128), "hospital")))
    other = Image.open(BytesIO(thumbnail(Image.new("L", size, 128), "idc")))
    assert (picture.format, picture.size) == ("PNG", (SIZE, SIZE))
    difference = np.asarray(picture).astype(int) - np.asarray(other)
    rows, columns = np.nonzero(difference.any(axis=2))
    assert rows.min() > SIZE * 0.8
    assert columns.max() < SIZE * 0.4


def test_words_that_are_too_long_or_odd_do_no_harm() -> None:
    assert words_picture(["SR", "x" * 1000, "\x00\n\u202e", *["line"] * 50]).size == (SIZE, SIZE)


def test_a_stores_picture_is_taken_only_if_it_is_one() -> None:
    png = BytesIO()
    Image.new("L", (20, 10)).save(png, "PNG")
    picture = stores_picture(png.getvalue())
    assert picture is not None
    assert picture.size == (20, 10)
    bomb = BytesIO()
    Image.new("1", (8000, 8000)).save(bomb, "PNG")
    for content in (b"", b"<html>", png.getvalue()[:-30], bomb.getvalue()):
        assert stores_picture(content) is None
