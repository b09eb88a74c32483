"""Mixed-use metadata as files: one way to write each, and nothing that tells who somebody is."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from policy.castellum.mixed_use import (
    StudyFile,
    SubjectFile,
    exported,
    parts,
    study_from,
    study_path,
    subject_from,
    subject_path,
    taken,
    wrong_names,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Co", "Cn", "Cf"]), min_size=1, max_size=30)


@given(
    st.dictionaries(
        TEXTS, st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(lambda v: tuple(sorted(v))), max_size=5
    )
)
def test_a_subject_comes_back_as_it_was_written(attributes):
    file = SubjectFile("pain", "P1", attributes, "d1")
    assert subject_from(file.content()) == file
    shuffled = SubjectFile("pain", "P1", dict(reversed(attributes.items())), "d1")
    assert shuffled.content() == file.content()
    assert yaml.safe_load(file.content())["pseudonym"] == "P1"


@given(TEXTS, st.lists(TEXTS), st.booleans(), st.none() | st.lists(TEXTS))
def test_a_study_comes_back_as_it_was_written(title, members, active, exported):
    names = None if exported is None else tuple(sorted(set(exported)))
    file = StudyFile("pain", "17", title, tuple(sorted(set(members))), active, "d1", names)
    assert study_from(file.content()) == file
    assert StudyFile("pain", "17", title, tuple(reversed(members)), active, "d1", names).content() == file.content()


def test_what_is_exported_is_what_may_come_in_with_a_value_or_without():
    assert exported([{"b": None, "secret": 1}, {"a": "Anna Mueller"}, {}], {"a": [], "b": [], "c": []}) == ("a", "b")
    assert exported([], {"a": []}) == ()


def test_the_bytes_are_these():
    file = SubjectFile("pain", "P1", {"sex": ("f",), "drugs": ("a", "b")}, "d1", "2026-01-02T03:04:05Z")
    assert (
        file.content()
        == b'attributes:\n  "drugs": ["a", "b"]\n  "sex": "f"\npseudonym: "P1"\npseudonym_list: "d1"\nstudy: "pain"\n'
        b'vanished: "2026-01-02T03:04:05Z"\n'
    )


def test_paths():
    assert parts(subject_path("pain", "P1")) == ("pain", "P1")
    assert parts(study_path("pain")) == ("pain", "")
    assert parts("README.md") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("left", "left"),
        (3, "3"),
        (3.0, "3"),
        (0.5, "0.5"),
        (True, "true"),
        (False, "false"),
        (" x ", "x"),
        ({"b": 1, "a": 2}, '{"a": 2, "b": 1}'),
    ],
)
def test_one_way_to_write_a_value(value, text):
    assert taken("s", "p", {"a": value}, {"a": []}) == ({"a": (text,)}, [])


@pytest.mark.parametrize("value", [None, "", "n/a", [], [None]])
def test_no_value(value):
    assert taken("s", "p", {"a": value}, {"a": []}) == ({}, [])


def test_several_values_are_sorted():
    assert taken("s", "p", {"a": ["y", "x", "y"]}, {"a": []})[0] == {"a": ("x", "y")}


@pytest.mark.parametrize(
    "value",
    [
        "Anna Müller", "Müller, Anna", "Müller, Anna K.", "Frau Müller", "anna@example.org", "3.4.1980", "1980-04-03", "19800403",
        "+49 7071 601-0", "0176 1234567", "Hauptstraße 12", "born in spring", "a\x00b", "x" * 1001, ["left", "a@b.de"],
    ],
)  # fmt: skip
def test_what_looks_like_personal_data_is_refused_and_not_repeated(value):
    attributes, (refusal,) = taken("pain", "P1", {"remark": value}, {"remark": []})
    assert attributes == {}
    assert (refusal.study, refusal.pseudonym, refusal.attribute) == ("pain", "P1", "remark")
    for text in value if isinstance(value, list) else [value]:
        assert text not in refusal.reason


@pytest.mark.parametrize(
    "value", ["left", "20-29", "right-handed", "higher education", "7", "0.83", "yes", "german", "Müller"]
)
def test_what_does_not_is_taken(value):
    assert taken("s", "p", {"a": value}, {"a": []})[0] == {"a": (value,)}


def test_expressions_decide_alone():
    allowed = {"hand": ["left|right", "Both Hands"]}
    assert taken("s", "p", {"hand": "Both Hands"}, allowed)[0] == {"hand": ("Both Hands",)}
    attributes, (refusal,) = taken("s", "p", {"hand": "left or so"}, allowed)
    assert attributes == {}
    assert refusal.reason == "is none of the values that are allowed"


def test_only_what_is_allowed():
    assert taken("s", "p", {"a": "x", "b": "y"}, {"a": []}) == ({"a": ("x",)}, [])


@pytest.mark.parametrize(
    "name", ["first_name", "Nachname", "date of birth", "e-mail", "Telefon", "address", "ZIP", "name"]
)
def test_names_of_attributes_that_sound_like_a_person(name):
    assert wrong_names({name: []})
    assert not wrong_names({name: ["[0-9]{2}"]})


@pytest.mark.parametrize("name", ["ExperimentID", "State", "AtScan.hand", "", "1", "a/b"])
def test_names_that_mrdata_needs_itself(name):
    assert wrong_names({name: ["x"]})


def test_good_names():
    assert not wrong_names({"handedness": [], "Age group": [], "first language": []})
