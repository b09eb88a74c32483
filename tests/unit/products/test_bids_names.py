"""Names of series in a BIDS dataset."""

import pytest

from products.bids_names import BadRule, Image, LeftOut, names

BOLD = {"RepetitionTime": 2, "EchoTime": 0.02, "ImageType": ["ORIGINAL", "PRIMARY", "M"]}


def image(stem: str = "x", volumes: int = 10, endings=(".json", ".nii.gz"), **sidecar) -> Image:
    return Image(stem, {**BOLD, **sidecar}, volumes, frozenset(endings))


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("ep2d_bold_task-faces_run1", "func/task-faces_bold"),
        ("resting_state_bold", "func/task-rest_bold"),
        ("cmrr_mbep2d_bold_p2", "func/task-cmrrmbep2dboldp2_bold"),
        ("cmrr_mbep2d_bold_p2_SBRef", "func/task-cmrrmbep2dboldp2_sbref"),
        ("bold_task-faces_SBRef", "func/task-faces_sbref"),
        ("t1_mprage_sag", "anat/T1w"),
        ("T2w_SPC_sag", "anat/T2w"),
        ("gre_3d_0.5mm", "anat/T2starw"),
        ("fmap_AP", None),
    ],
)
def test_built_in_rules(description, expected):
    found = names(description, [image()], {})["x"]
    if expected is None:
        assert isinstance(found, LeftOut)
        assert "PhaseEncodingDirection" in found.reason
    else:
        assert f"{found.data_type}/{found.text()}" == expected


@pytest.mark.parametrize("description", ["localizer", "AAHead_Scout_32ch", "ep2d_diff_TRACEW", "something else"])
def test_what_is_no_bids_is_left_out_with_a_reason(description):
    assert names(description, [image()], {})["x"].reason


def test_the_sites_rules_go_first_and_fill_groups():
    rules = {"func/task-{task}_acq-{res}_bold": [r"^lab_(?P<task>\w+?)_(?P<res>\d+mm)$"]}
    found = names("lab_Pain2_08mm", [image()], rules)["x"]
    assert found.text() == "task-Pain2_acq-08mm_bold"
    assert found.extra == {"TaskName": "Pain2"}


@pytest.mark.parametrize(
    "target", ["T1w", "anat/T1w_acq-x", "anat/acq-{nothing}_T1w", "anat/colour-red_T1w", "nowhere/T1w"]
)
def test_a_rule_that_is_none_is_an_error_that_names_it(target):
    with pytest.raises(BadRule, match=r"bids\.rules"):
        names("x", [image()], {target: ["x"]})


def test_echoes_and_phases_are_told_by_the_sidecars():
    echoes = [image(f"e{n}", 1, EchoTime=0.004 * n, EchoNumber=n) for n in (1, 2)]
    phase = image("p", 1, EchoTime=0.004, EchoNumber=1, ImageType=["ORIGINAL", "PRIMARY", "P", "PHASE"])
    found = names("gre_2echo", [*echoes, phase], {})
    assert [found[stem].text() for stem in ("e1", "e2", "p")] == [
        "echo-1_MEGRE",
        "echo-2_MEGRE",
        "echo-1_part-phase_MEGRE",
    ]
    assert found["p"].extra["Units"] == "arbitrary"
    field_map = names(
        "gre_field_mapping", [*echoes, image("p", 1, ImageType=["P"], EchoTime1=0.004, EchoTime2=0.005)], {}
    )
    assert [field_map[stem].text() for stem in ("e1", "e2", "p")] == ["magnitude1", "magnitude2", "phasediff"]


def test_what_cannot_be_valid_is_left_out():
    assert "several volumes" in names("bold", [image(volumes=1)], {})["x"].reason
    assert "b-values" in names("ep2d_diff", [image()], {})["x"].reason
    assert names("ep2d_diff", [image(endings=(".nii.gz", ".json", ".bval", ".bvec"))], {})["x"].text() == "dwi"
    assert "DERIVED" in names("t1w", [image(ImageType=["DERIVED", "SECONDARY", "MPR"])], {})["x"].reason
    assert "EchoTime2" in names("field_map", [image(ImageType=["P"], EchoTime1=0.004)], {})["x"].reason


def test_echoes_without_numbers_are_in_the_order_of_their_times():
    images = [image("b", 1, EchoTime=0.0127), image("c", 1, EchoTime=0.0204), image("a", 1, EchoTime=0.005)]
    found = names("gre_multi", images, {})
    assert {stem: name.entities["echo"] for stem, name in found.items()} == {"a": "1", "b": "2", "c": "3"}
    twice = [image("a", 1, EchoTime=0.005, EchoNumber=1), image("b", 1, EchoTime=0.0127, EchoNumber=1)]
    assert [name.entities["echo"] for name in names("gre_multi", twice, {}).values()] == ["1", "2"]
