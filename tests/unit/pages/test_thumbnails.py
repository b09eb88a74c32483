"""Thumbnails of real images, and of what is none."""

import io

import pytest

from tests.files import dicom

thumbnails = pytest.importorskip("forms.thumbnails")
pytest.importorskip("PIL", reason="pillow is not installed: pip install '.[web]'")


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm",
        "CT_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "rtdose.dcm",
        "MR_small_jp2klossless.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
    ],
)
def test_a_picture(name):
    from PIL import Image
    from pydicom.data import get_testdata_file

    with open(str(get_testdata_file(name)), "rb") as file:
        picture = Image.open(io.BytesIO(thumbnails.render(file)))
    assert picture.format == "PNG"
    assert max(picture.size) <= 2 * thumbnails.EDGE
    low, high = picture.convert("L").getextrema()
    assert high - low > 100, "it shows something"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be decoded"),
        (b"no DICOM file", "cannot be decoded"),
        (dicom("x")[:400], "cannot be decoded"),
        (dicom("x", pixels=b"\0\0"), "cannot be decoded"),
        (dicom("x", BurnedInAnnotation="YES"), "burned into"),
        (dicom("x", Rows=65535, Columns=65535), "too large"),
    ],
)
def test_no_picture(content, why):
    with pytest.raises(thumbnails.NoPicture, match=why):
        thumbnails.render(io.BytesIO(content))


def test_only_the_last_ones_are_kept():
    kept = thumbnails.Thumbnails(keep=2)
    for number in (1, 2):
        kept.keep(("path", number), b"%d" % number)
    assert kept.find(("path", 1)) == b"1"
    kept.keep(("path", 3), b"3")
    assert [kept.find(("path", number)) for number in (1, 2, 3)] == [b"1", None, b"3"]
