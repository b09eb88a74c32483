"""What a metadata.yaml gives."""

import pytest

from policy.ingest.expanded_data import LARGEST, MOST, parse
from policy.zone import AVU
from policy.zone.settings import Expanded

ANY = Expanded()


def test_values_stay_as_they_are_written():
    found = parse(b"Task: faces\nRuns: [1, 2.50, on]\nDose: {value: 3e2, unit: mg}\n", ANY)
    expected = (
        AVU("Task", "faces"),
        AVU("Runs", "1"),
        AVU("Runs", "2.50"),
        AVU("Runs", "on"),
        AVU("Dose", "3e2", "mg"),
    )
    assert (found.avus, found.faults) == (expected, ())


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (b"Note: anna@example.org", "a mail address"),
        (b"Person: Anna Mueller", "a name"),
        (b"Call: +49 7071 123456", "a telephone number"),
        (b"PatientName: x", "personal data"),
        (b"last name: x", "personal data"),
        (b"EchoTime: 0.1", "uses itself"),
        (b"LandingPath: x", "uses itself"),
        (b"ExperimentID: x", "uses itself"),
        (b"RetentionEnd: x", "uses itself"),
        (b"1st: x", "beginning with a letter"),
        (b"a/b: x", "beginning with a letter"),
        (b"Deep: {a: {b: 1}}", "must be a text"),
        (b"List: [[1]]", "must be a text"),
        (b"Unit: {value: 1, unit: [s]}", "must be a text"),
        (b"Unit: {value: 1, unit: Mr. Smith}", "a title with a name"),
        (b"Nothing:", "no value"),
        (b"Long: " + b"x" * 1001, "longer than 1000"),
    ],
)
def test_one_wrong_entry_does_not_keep_the_others_out(entry, fault):
    found = parse(b"Task: faces\n" + entry + b"\nRun: 1\n", ANY)
    assert found.avus == (AVU("Task", "faces"), AVU("Run", "1"))
    (told,) = found.faults
    assert told.startswith("entry 2: ")
    assert fault in told


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"a: [", "not YAML: line 1"),
        (b"[" * 5000, "not YAML"),
        (b"a: \x00", "not YAML"),
        (b"a: &x [1]\nb: *x", "aliases"),
        (b"- 1", "no names"),
        (b"", "no names"),
        (b"a: " + b"x" * LARGEST, "larger"),
        (b"".join(b"a%d: 1\n" % n for n in range(MOST + 1)), "entries"),
    ],
)
def test_a_file_that_is_none_gives_nothing_but_the_reason(content, fault):
    found = parse(content, ANY)
    assert found.avus == ()
    assert fault in found.faults[0]


def test_python_objects_are_texts():
    assert parse(b"a: !!python/object/apply:os.system [echo]", ANY).avus == (AVU("a", "echo"),)
