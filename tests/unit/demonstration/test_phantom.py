"""The phantom's geometry, contrast and k-space."""

from datetime import datetime

import numpy as np
import pytest

from mrdata.phantom.water_phantom import NOISE, Contrast, Plane, Session, kspace, picture, reconstruct, signal

AXIAL = Plane((0.0, 0.0, 0.0))
CONTRAST = Contrast(300.0, 4.1, 25.0)


def test_the_first_voxel_and_the_normal_follow_the_orientation():
    coronal = Plane((1.0, 2.0, 3.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), rows=4, columns=2, spacing=10.0)
    assert coronal.first_voxel == (-4.0, 2.0, 18.0)
    assert coronal.normal == (0.0, 1.0, 0.0)
    x, y, z = coronal.coordinates()
    assert (x[0, 0], y[0, 0], z[0, 0]) == coronal.first_voxel
    assert (x[3, 1], z[3, 1]) == (6.0, -12.0)
    assert coronal.moved(5.0).centre == (1.0, 7.0, 3.0)


def test_water_outside_the_cylinder_is_dark_and_the_bubble_is_in_front():
    magnitude = signal(AXIAL, CONTRAST)
    assert magnitude[0, 0] == 0
    middle = AXIAL.columns // 2
    front, back = magnitude[11, middle], magnitude[-12, middle]
    assert front == 0 < back


def test_tubes_decay_with_their_own_t2_star():
    early, late = (signal(AXIAL.moved(30.0), Contrast(300.0, echo, 25.0)) for echo in (2.0, 30.0))
    inside = early > 0.05
    ratio = late[inside] / early[inside]
    assert ratio.min() < np.exp(-28 / 13) < np.exp(-28 / 80) < ratio.max()
    assert len(np.unique(ratio.round(3))) >= 6


def test_a_longer_flip_angle_and_tr_change_the_picture_as_the_flash_equation_says():
    water = signal(AXIAL.moved(30.0), CONTRAST)[64, 64]
    angle, recovered = np.deg2rad(25.0), np.exp(-300.0 / 1800.0)
    assert water == pytest.approx(
        np.sin(angle) * (1 - recovered) / (1 - np.cos(angle) * recovered) * np.exp(-4.1 / 45.0)
    )


def test_pictures_are_12_bit_and_equal_for_equal_seeds():
    one, again, other = (picture(AXIAL, CONTRAST, seed=seed) for seed in (1, 1, 2))
    assert one.dtype == np.uint16
    assert 1000 < one.max() < 4096
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    corner = one[:10, :10]
    assert corner.std() > 0, "air must hold noise"


def test_an_epi_ghost_stands_half_a_picture_away():
    clean, ghosted = (picture(AXIAL, CONTRAST, seed=1, ghost=ghost).astype(int) for ghost in (0.0, 0.2))
    air = (signal(AXIAL, CONTRAST) == 0) & (np.roll(signal(AXIAL, CONTRAST), 64, axis=0) > 0.05)
    assert (ghosted - clean)[air].mean() > 50


def test_kspace_reconstructs_to_the_phantom():
    lines = kspace(AXIAL, CONTRAST, channels=4, seed=1)
    assert lines.shape == (128, 4, 256)
    assert lines.dtype == np.complex64
    peak = np.unravel_index(np.abs(lines).sum(axis=1).argmax(), (128, 256))
    assert peak == (64, 128), "the centre of k-space is in the middle"
    image, truth = reconstruct(lines), signal(AXIAL, CONTRAST)
    assert image[truth == 0].mean() < 4 * NOISE
    assert np.corrcoef(image.ravel(), truth.ravel())[0, 1] > 0.95


def test_a_frame_of_reference_is_a_valid_uid_that_tells_the_moment():
    session = Session("Z4KQ-STAS", datetime(2026, 3, 12, 9, 0, 5, 7000))
    uid = session.frame_of_reference_uid
    assert uid.endswith(".1.20260312090005007.0.0.0")
    assert len(uid) <= 64
    assert all(part == "0" or not part.startswith("0") for part in uid.split("."))
