"""`mrdata find`: ranges, units, numbers, names in any capitals; a sentence where nothing fits."""

from __future__ import annotations

import pytest

from mrdata.commands.attribute_search import BadCondition, find, parsed, why_nothing
from policy.zone import AVU
from tests.files import dicom


@pytest.fixture
def series(site) -> dict[str, str]:
    """Name -> path of two series and an experiment's collection, with AVUs of their own."""
    new = site.register()
    paths = {}
    for name, repetition, echo in (("short", "2", "0.003"), ("long", "3.5", "0.0041")):
        path = f"{site.settings.home}/studies/pain/experiments/{new}/DICOM/{name}"
        site.connect().make_collection(path)
        avus = [AVU("RepetitionTime", repetition, "s"), AVU("EchoTime", echo, "s"), AVU("ProtocolName", f"ep2d_{name}")]
        site.connect().annotate(path, add=[*avus, AVU("Volume", "2.50", "mm"), AVU("Code", "007")])
        paths[name] = path
    return paths


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ("RepetitionTime=2", "short"), ("RepetitionTime=2.0", "short"), ("RepetitionTime=2000ms", "short"), ("repetitiontime=2", "short"),
        ("RepetitionTime=1..3", "short"), ("RepetitionTime=1..3000 ms", "short"), ("RepetitionTime=1000..3500ms", "short long"),
        ("RepetitionTime=3%", "long"), ("RepetitionTime=3..", "long"), ("RepetitionTime=..2", "short"), ("EchoTime<0.0041", "short"), ("EchoTime<=4.1ms", "short long"),
        ("EchoTime>3ms", "long"), ("EchoTime >= 3 ms", "short long"), ("ProtocolName=ep2d%", "short long"), ("ProtocolName=EP2D_LONG", ""),
        ("RepetitionTime>1 EchoTime<4ms", "short"), ("volume=2.5", "short long"), ("Code=7", ""), ("Code=007", "short long"),
        ("State=registered", "experiment"), ("Registered>2001-01-01", "experiment"), ("Registered<2001-01-01", ""),
    ],
)  # fmt: skip
def test_conditions(site, series, conditions, names):
    texts = conditions.split(" ") if conditions.count("Time") > 1 else [conditions]
    found = [path.rpartition("/")[2] for path in find(site.connect("alice"), [parsed(text) for text in texts])]
    assert sorted(name if name in series else "experiment" for name in found) == sorted(names.split())


@pytest.mark.parametrize("wrong", ["EchoTime", "EchoTime<", "=2", "EchoTime=..", "EchoTime=2kg"])
def test_what_cannot_be_understood_is_refused(site, series, wrong):
    with pytest.raises(BadCondition):
        find(site.connect(), [parsed(wrong)])


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        (["EchoTime=0.5"], "no EchoTime fits 'EchoTime=0.5'. Its values here: 0.003 s, 0.0041 s."),
        (["EchoTimes=0.5"], "nothing that you may see has the attribute EchoTimes; similar names: EchoTime"),
        (["EchoTime=3ms", "RepetitionTime=3.5"], "all of them nowhere"),
    ],
)
def test_where_nothing_fits_a_sentence_says_why(site, series, texts, part):
    wanted = [parsed(text) for text in texts]
    assert find(site.connect(), wanted) == []
    assert part in why_nothing(site.connect(), wanted)


def test_the_command_finds_images_by_a_range(site, mrdata):
    path = site.land("94T/dicom/a", dicom(site.register()))
    assert mrdata("find", "EchoTime=4..4.2ms", "flipangle=90.0").strip() == path.rpartition("/")[0]
    assert mrdata("find", "EchoTime=1") == ""
    assert mrdata("find", "EchoTime=1", "--json") == "[]\n"
    assert "EchoTime is not measured in 'kg'" in mrdata("find", "EchoTime=1kg", status=2)
