"""A water phantom as an MR scanner sees it: pictures and k-space of any plane through it.

The phantom is a cylinder in the manner of the ACR large phantom: tubes of different relaxation, a resolution grid, a
sphere, an air bubble. Lengths are millimetres in the patient coordinate system (x to the left, y to the back, z to the
head; PS3.3 C.7.6.2.1.1), times milliseconds, angles degrees. Equal arguments give equal bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

Vector = tuple[float, float, float]
Real = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex64]
Picture = npt.NDArray[np.uint16]

RADIUS = 95.0
HALF_LENGTH = 74.0
NOISE = 0.012
"""Standard deviation of the noise in each of the real and the imaginary part; water at equilibrium gives 1."""

# density, T1, T2*: about what doped water and gels have at 9.4 T
_WATER = (1.0, 1800.0, 45.0)
_TUBES = (
    (1.0, 600.0, 60.0),
    (0.9, 900.0, 30.0),
    (0.8, 1300.0, 18.0),
    (1.0, 2600.0, 90.0),
    (0.6, 1800.0, 40.0),
    (0.95, 350.0, 12.0),
)


@dataclass(frozen=True, slots=True)
class Plane:
    """A slice: its centre, the unit vectors along which columns and rows are counted, its matrix and its voxel size."""

    centre: Vector
    across: Vector = (1.0, 0.0, 0.0)
    """Direction in which the column index grows: the first three values of Image Orientation (Patient)."""
    down: Vector = (0.0, 1.0, 0.0)
    """Direction in which the row index grows."""
    rows: int = 128
    columns: int = 128
    spacing: float = 1.75

    @property
    def first_voxel(self) -> Vector:
        """Image Position (Patient): the centre of the first voxel."""
        x, y, z = (
            c - self.spacing * ((self.columns - 1) / 2 * a + (self.rows - 1) / 2 * d)
            for c, a, d in zip(self.centre, self.across, self.down, strict=True)
        )
        return x, y, z

    @property
    def normal(self) -> Vector:
        """The direction in which slices are stacked."""
        x, y, z = (float(v) for v in np.cross(self.across, self.down))
        return x, y, z

    def moved(self, distance: float) -> Plane:
        """The parallel plane `distance` mm along the normal."""
        x, y, z = (c + distance * n for c, n in zip(self.centre, self.normal, strict=True))
        return replace(self, centre=(x, y, z))

    def coordinates(self) -> tuple[Real, Real, Real]:
        """x, y and z of all voxels, each as (rows, columns)."""
        row, column = np.mgrid[0 : self.rows, 0 : self.columns].astype(np.float64) * self.spacing
        x, y, z = (f + column * a + row * d for f, a, d in zip(self.first_voxel, self.across, self.down, strict=True))
        return x, y, z


@dataclass(frozen=True, slots=True)
class Session:
    """One session at the pretend scanner: what the operator typed as Patient Name, and when the first scan began."""

    patient_name: str
    started: datetime
    seed: int = 0

    MODEL = "Magnetom 9.4T"
    SERIAL = "94001"
    FIELD = 9.4
    """Tesla."""
    FREQUENCY = 399.724817
    """MHz, of hydrogen."""
    ROOT = "1.2.826.0.1.3680043.8.498"
    """pydicom's UID root, so that no UID of a phantom can ever be that of a real scanner's object."""

    @property
    def frame_of_reference_uid(self) -> str:
        """Shared by all images and raw data of the session; built as Siemens does.

        Serial number, moment, three zeros.
        """
        return f"{self.ROOT}.{self.SERIAL}.1.{self.started:%Y%m%d%H%M%S}{self.started.microsecond // 1000:03d}.0.0.0"


@dataclass(frozen=True, slots=True)
class Contrast:
    """A spoiled gradient echo's settings."""

    repetition_time: float
    echo_time: float
    flip_angle: float


def signal(plane: Plane, contrast: Contrast) -> Real:
    """The magnitude without coils and noise: the FLASH equation, 1 for water at equilibrium.

    Edges are smoothed over a voxel.
    """
    fine = replace(plane, rows=2 * plane.rows, columns=2 * plane.columns, spacing=plane.spacing / 2)
    flash = _flash(*_tissue(*fine.coordinates()), contrast, contrast.echo_time)
    return np.asarray(flash.reshape(plane.rows, 2, plane.columns, 2).mean(axis=(1, 3)), dtype=np.float64)


def sensitivities(plane: Plane, channels: int) -> Complex:
    """(channels, rows, columns): smooth complex sensitivities of a ring of receive loops around the z axis."""
    x, y, z = plane.coordinates()
    angles = 2 * np.pi * np.arange(channels) / channels
    loops = []
    for angle in angles:
        away = ((x - 140 * np.cos(angle)) ** 2 + (y - 140 * np.sin(angle)) ** 2 + z**2) / 110**2
        turn = np.arctan2(y - 140 * np.sin(angle), x - 140 * np.cos(angle)) - angle
        loops.append(np.exp(1j * turn) / (1 + away) ** 1.5)
    return np.asarray(loops, dtype=np.complex64)


def picture(plane: Plane, contrast: Contrast, *, seed: int, ghost: float = 0.0) -> Picture:
    """What the scanner reconstructs: 12 bits, shaded by the coils, with Rician noise;

    `ghost` is the share of an EPI N/2 ghost.
    """
    # at 400 MHz the wave is as long as the head is wide: bright in the middle of the picture
    x, y, _ = plane.coordinates()
    shading = 0.75 + 0.35 * np.exp(-(x**2 + y**2) / 70.0**2) + 0.0006 * y
    magnitude = signal(plane, contrast) * shading
    magnitude = (1 - ghost) * magnitude + ghost * np.roll(magnitude, plane.rows // 2, axis=0)
    noise = np.random.default_rng(seed).normal(0.0, NOISE * 0.3, (2, plane.rows, plane.columns))
    rician = np.hypot(magnitude + noise[0], noise[1])
    # the same scale for all echoes and slices of a series, so that decay shows
    water = [np.asarray(value) for value in _WATER]
    full = float(_flash(water[0], water[1], water[2], contrast, 0.0))
    return np.asarray(np.clip(rician / full * 1800, 0, 4095), dtype=np.uint16)


def kspace(plane: Plane, contrast: Contrast, *, channels: int, seed: int, oversampling: int = 2) -> Complex:
    """(lines, channels, samples): what the receivers sample of a Cartesian scan, readout along the columns, centre in
    the middle.

    The readout is oversampled as on the scanner, so there are `oversampling * plane.columns` samples.
    """
    wide = replace(plane, columns=oversampling * plane.columns)
    views = sensitivities(wide, channels) * signal(wide, contrast)
    shifted = np.fft.ifftshift(views, axes=(1, 2))
    lines = np.fft.fftshift(np.fft.fft2(shifted, axes=(1, 2), norm="ortho"), axes=(1, 2))
    noise = np.random.default_rng(seed).normal(0.0, NOISE * 0.2, (2, *lines.shape))
    return np.ascontiguousarray((lines + noise[0] + 1j * noise[1]).transpose(1, 0, 2), dtype=np.complex64)


def reconstruct(lines: Complex, oversampling: int = 2) -> Real:
    """The picture (rows, columns) that a root-sum-of-squares reconstruction makes of `kspace`."""
    views = np.fft.fftshift(
        np.fft.ifft2(np.fft.ifftshift(lines.transpose(1, 0, 2), axes=(1, 2)), norm="ortho"), axes=(1, 2)
    )
    columns = lines.shape[2] // oversampling
    first = (lines.shape[2] - columns) // 2
    return np.asarray(np.sqrt((np.abs(views[:, :, first : first + columns]) ** 2).sum(axis=0)), dtype=np.float64)


def _flash(density: Real, t1: Real, t2_star: Real, contrast: Contrast, echo_time: float) -> Real:
    """The steady state of a spoiled gradient echo (Ernst)."""
    angle, recovered = np.deg2rad(contrast.flip_angle), np.exp(-contrast.repetition_time / t1)
    flash = density * np.sin(angle) * (1 - recovered) / (1 - np.cos(angle) * recovered) * np.exp(-echo_time / t2_star)
    return np.asarray(flash, dtype=np.float64)


def _tissue(x: Real, y: Real, z: Real) -> tuple[Real, Real, Real]:
    """Density, T1 and T2* at the given places."""
    density, t1, t2_star = (np.full(x.shape, value) for value in _WATER)
    inside = (np.hypot(x, y) < RADIUS) & (np.abs(z) < HALF_LENGTH)
    for number, values in enumerate(_TUBES):
        angle = 2 * np.pi * number / len(_TUBES) + np.pi / 6
        tube = (np.hypot(x - 62 * np.cos(angle), y - 62 * np.sin(angle)) < 14 - number) & (np.abs(z) < 50)
        for field, value in zip((density, t1, t2_star), values, strict=True):
            field[tube] = value
    # the resolution grid: a plastic block in the middle with rows of holes of 8, 5 and 3 mm, full of water
    block = (np.abs(x) < 30) & (np.abs(y) < 34) & (np.abs(z) < 22)
    holes = np.zeros_like(block)
    for hole, centre in ((8.0, -20.0), (5.0, 2.0), (3.0, 18.0)):
        band = np.abs(y - centre) < (10 if hole > 5 else 7)
        holes |= (
            band
            & (np.abs(x) < 27)
            & (np.mod(x + 27, 2 * hole) < hole)
            & (np.mod(y - centre + hole / 2, 2 * hole) < hole)
        )
    density[block & ~holes] = 0.04
    sphere = x**2 + y**2 + (z - 50) ** 2 < 18**2
    density[sphere], t1[sphere], t2_star[sphere] = 0.85, 500.0, 25.0
    density[(y < -88) & (np.abs(z) < HALF_LENGTH)] = 0.0
    density[~inside] = 0.0
    return density, t1, t2_star
