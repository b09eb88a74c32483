"""Small pictures of images: one frame, decoded by pydicom, scaled to a thumbnail, as PNG."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

EDGE = 96
"""Longest side in pixels."""
LARGEST = 64 * 1024 * 1024
"""Bytes: a larger uncompressed frame, or a larger compressed file, is not worth a thumbnail."""


class NoPicture(Exception):
    """The file holds no image that can be shown; the message says why."""


class Thumbnails:
    """Remembers the last pictures by a key that changes with the object. Who may see one is the caller's to check."""

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
    """A PNG of the middle frame. NoPicture for what is no image, tells who the person is in its pixels, or cannot be decoded."""
    import pydicom
    from pydicom.pixels.utils import pixel_array

    try:
        ds = pydicom.dcmread(file, stop_before_pixels=True)
        frames = int(ds.get("NumberOfFrames") or 1)
        if str(ds.get("BurnedInAnnotation", "NO")).upper() == "YES":
            raise NoPicture("text is burned into the image")
        if int(ds.get("Rows", 0)) * int(ds.get("Columns", 0)) * int(ds.get("BitsAllocated", 0)) // 8 > LARGEST:
            raise NoPicture("the image is too large")
        file.seek(0)
        pixels = pixel_array(file, index=frames // 2)
        return _png(_window(ds, pixels))
    except NoPicture:
        raise
    except Exception as error:  # decoders raise whatever a broken file makes them raise
        raise NoPicture(f"it cannot be decoded: {type(error).__name__}") from error


def _window(ds: Any, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:  # noqa: ANN401 - a pydicom dataset
    """Grey values from the darkest to the brightest but one in two hundred; colours as they are."""
    import numpy as np

    if pixels.ndim == 3:
        return pixels.astype(np.uint8)
    low, high = np.percentile(pixels, (0.5, 99.5))
    grey = np.clip((pixels.astype(float) - low) / max(float(high - low), 1e-9), 0, 1) * 255
    if ds.get("PhotometricInterpretation") == "MONOCHROME1":
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
