"""Makes thumbnails of images: one frame, decoded by pydicom, scaled, as PNG."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, BinaryIO

from microservices.budget import MAX_BYTES, Budget
from microservices.dicom.dicom_scan import read_elements

if TYPE_CHECKING:
    import numpy as np

EDGE = 96
"""Longest side in pixels."""
LARGEST = 64 * 1024 * 1024
"""Bytes: a larger uncompressed frame, or a larger compressed file, is not worth a thumbnail."""


MOST_ELEMENTS = 50_000
"""Elements of a header: pydicom takes ten times as long for each as MrData's own reader."""
_BURNED_IN, _FRAMES, _ROWS, _COLUMNS, _BITS, _PHOTOMETRIC = (
    0x00280301,
    0x00280008,
    0x00280010,
    0x00280011,
    0x00280100,
    0x00280004,
)


class NoPicture(Exception):
    """The file holds no image that can be shown; the message says why."""


class Thumbnails:
    """Remembers the last pictures by a key that changes with the object. The caller checks who may see one."""

    def __init__(self, keep: int = 500) -> None:
        self._keep = keep
        self._pictures: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: tuple[str, int]) -> bytes | None:
        """The PNG made for this key."""
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def keep(self, key: tuple[str, int], picture: bytes) -> None:
        """Remembers a PNG."""
        with self._lock:
            self._pictures[key] = picture
            while len(self._pictures) > self._keep:
                self._pictures.popitem(last=False)


def render(file: BinaryIO) -> bytes:
    """Makes a PNG of the middle frame.

    NoPicture for a file that is not an image, has personal data in its pixels, or cannot be decoded. MrData's own
    reader checks the header first, within a budget, so that no file makes pydicom fill the memory.
    """
    from pydicom.pixels.utils import pixel_array

    try:
        found = read_elements(file, file.seek(0, io.SEEK_END), Budget(elements=MOST_ELEMENTS))
        if found.over_budget or (found.size > MAX_BYTES and found.stream is not file):
            raise NoPicture(found.problem or "the image is too large")
        if found.text(_BURNED_IN).strip().upper() == "YES":
            raise NoPicture("text is burned into the image")
        frames = int(found.text(_FRAMES) or 1)
        if int(found.text(_ROWS) or 0) * int(found.text(_COLUMNS) or 0) * int(found.text(_BITS) or 0) // 8 > LARGEST:
            raise NoPicture("the image is too large")
        file.seek(0)
        pixels = pixel_array(file, index=frames // 2)
        return _png(_window(found.text(_PHOTOMETRIC), pixels))
    except NoPicture:
        raise
    except Exception as error:  # decoders raise whatever a broken file makes them raise
        raise NoPicture(f"it cannot be decoded: {type(error).__name__}") from error


def _window(photometric: str, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Grey values from the darkest to the brightest but one in two hundred; colours as they are."""
    import numpy as np

    if pixels.ndim == 3:
        return pixels.astype(np.uint8)
    low, high = np.percentile(pixels, (0.5, 99.5))
    grey = np.clip((pixels.astype(float) - low) / max(float(high - low), 1e-9), 0, 1) * 255
    if photometric == "MONOCHROME1":
        grey = 255 - grey
    scaled: np.ndarray[Any, Any] = grey.astype(np.uint8)
    return scaled


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((EDGE * 2, EDGE * 2))
    made = io.BytesIO()
    image.save(made, "PNG", optimize=True)
    return made.getvalue()
