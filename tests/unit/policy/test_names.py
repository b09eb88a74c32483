"""Names of the landing zone: what is temporary, what is left over, what iRODS can hold."""

from __future__ import annotations

import os

import pytest

from landing.names import (
    LONGEST_PATH,
    another,
    escaped,
    fitted,
    folder_key,
    is_fit,
    is_leftover,
    is_temporary,
    is_too_long,
    shown,
)

LATIN1 = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    "name", [".a.dcm.X3d", ".partial-dir", "b.tmp", "c.PART", "d.partial", "e~", "f.filepart", "~$report.docx"]
)
def test_copying_programs_use_such_names_while_they_write(name):
    assert is_temporary(name)


@pytest.mark.parametrize("name", ["part.dat", "meas.dat", "1.3.12", "a.tmp.dcm", "partial"])
def test_ordinary_names_are_final(name):
    assert not is_temporary(name)


@pytest.mark.parametrize(
    "name",
    [
        ".nfs0000000002c1a3f500000001",
        ".smbdeleteAAA1b2c3",
        "~$table.xlsx",
        ".~lock.table.ods#",
        ".#notes.txt",
        "#notes.txt#",
        ".notes.swp",
        "notes.txt~",
        "a.part",
        "a.TMP",
        "odd\nname.part",
    ],
)
def test_leftovers_of_programs(name):
    assert is_leftover(name)


@pytest.mark.parametrize("name", [".bidsignore", ".git", "HEAD", ".nfs", ".nfstab", "a.swp", "FINISHED", "~home"])
def test_other_dot_files_are_data(name):
    assert not is_leftover(name)


@pytest.mark.parametrize(
    "name", ["o'clock", "100%", "a_b", "back\\slash", " blanks ", "é", '"quoted"', "日本", "*?[x]", "%0A"]
)
def test_names_that_irods_holds_stay(name):
    assert is_fit(name)
    assert fitted(name) == name


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("line\nfeed", "line%0Afeed"),
        ("\x1b[31m", "%1B[31m"),
        (LATIN1, "caf%E9"),
        ("it's || this", "it%27s %7C%7C this"),
        ("a\\x41b", "a%5Cx41b"),
        ("50%\n", "50%25%0A"),
    ],
)
def test_other_names_are_escaped_and_can_be_told(name, wanted):
    from urllib.parse import unquote_to_bytes

    assert fitted(name) == escaped(name) == wanted
    assert unquote_to_bytes(wanted) == os.fsencode(name)
    assert is_fit(wanted)


def test_a_further_name_is_in_the_same_folder():
    assert another("9.4T/expdata/it/a%0A", 2) == "9.4T/expdata/it/a%0A%2"
    assert another("9.4T/expdata/v1.0/a.tar.gz", 3) == "9.4T/expdata/v1.0/a.tar%3.gz"
    assert another("9.4T/expdata/.hidden", 2) == "9.4T/expdata/.hidden%2"


@pytest.mark.parametrize("letter", ["x", "é", "\n"])
def test_paths_as_long_as_they_may_be(letter):
    size = len(os.fsencode(fitted(letter)))
    path = "/".join(["d" * 199] * 5) + "/"
    room = (LONGEST_PATH - len(path)) // size
    assert not is_too_long(path + letter * room, LONGEST_PATH)
    assert is_too_long(path + letter * (room + 1), LONGEST_PATH)
    most = 255 // size
    assert not is_too_long(letter * most, LONGEST_PATH)
    assert is_too_long(letter * (most + 1), LONGEST_PATH)


def test_folder_keys_are_plain_and_tell_hosts_apart():
    assert folder_key("scanner-host") == "scanner-host"
    keys = {folder_key(host) for host in ("a.example.org", "a-example-org", "a" * 100, "a" * 99, "ä.example.org")}
    assert len(keys) == 5
    assert all(key.replace("-", "").isalnum() and key.isascii() for key in keys)


def test_a_terminal_obeys_nothing_that_is_shown():
    assert shown("a\\b\x1b[31m\udce9") == "a\\\\b\\x1b[31m\\udce9"
