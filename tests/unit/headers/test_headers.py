"""What `read_header` promises for every file: a kind, a Header, no exception but the file's own, few reads."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microservices.headers.header_reader import Source, kind_of, read_header
from policy.zone.header import Kind
from tests.files import dicom

ROOT = Path(__file__).parents[3]
CORPUS = ROOT.parent / "shared" / "corpus"
needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the corpus of real scanner files is not beside the project"
)


def read(content: bytes):
    return read_header(io.BytesIO(content), len(content))


@needs_corpus
def test_every_real_and_every_broken_file_has_a_header():
    kinds = {}
    for file in sorted(path for path in CORPUS.rglob("*") if path.is_file()):
        with open(file, "rb") as stream:
            header = read_header(stream, file.stat().st_size)
        assert header.size == file.stat().st_size
        assert not header.incomplete or header.problem, file
        kinds[str(file.relative_to(CORPUS))] = header
    assert len(kinds) >= 391
    scanners = [
        header
        for name, header in kinds.items()
        if name.startswith(("dicom/dcm_qa", "twix/twixtools/", "twix/pulseq")) and header.kind is not Kind.OTHER
    ]
    assert len(scanners) >= 136
    wrong = {header.problem for header in scanners} - {"", "a DICOMDIR: the directory of a medium, no image"}
    assert not wrong


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"\0" * 4096, b"plain text, longer than a few words\n" * 40, b"\x89PNG\r\n\x1a\n" + bytes(200),
     b"{" + b'"a": 1,' * 200, b"\x1f\x8b" + bytes(range(256)), b"PK\x03\x04" + bytes(300), bytes(range(256)) * 8,
     b"\x08\0\x05\0CS" + b"x" * 300,
     b"\x02\0\0\0\x01\0\0\0" + bytes(400)],
)  # fmt: skip
def test_other_files_are_other_and_no_problem(content):
    header = read(content)
    assert (header.kind, header.incomplete, header.personal, header.carried) == (Kind.OTHER, False, {}, {})
    assert header.problem.startswith("a packed file") is content.startswith((b"\x1f\x8b", b"PK"))


def test_content_tells_not_the_extension(tmp_path):
    file = tmp_path / "protocol.txt"
    file.write_bytes(dicom("EXP1"))
    with open(file, "rb") as stream:
        assert read_header(stream, file.stat().st_size).kind is Kind.DICOM


class Failing(io.BytesIO):
    def read(self, size=-1):
        if self.tell() >= 500:
            raise OSError(5, "Input/output error")
        return super().read(250)


def test_what_the_file_itself_raises_passes():
    content = dicom("EXP1")
    with pytest.raises(OSError, match="Input/output"):
        read_header(Failing(content), len(content))


class Gone(Exception):
    pass


def test_an_error_of_the_zone_passes():
    class Remote(io.BytesIO):
        def read(self, size=-1):
            raise Gone

    with pytest.raises(Gone):
        read_header(Remote(b"x" * 500), 500)


def test_a_file_that_shrank_is_incomplete():
    content = dicom("EXP1")
    header = read_header(io.BytesIO(content[:500]), len(content))
    assert (header.kind, header.incomplete) == (Kind.DICOM, True)
    assert header.problem == f"has fewer than its {len(content)} bytes"


def test_the_file_need_not_stand_at_its_beginning():
    content = dicom("EXP1")
    stream = io.BytesIO(content)
    stream.seek(77)
    assert read_header(stream, len(content)).patient_name == "EXP1"


def test_a_source_never_reads_beyond_the_size_and_counts():
    source = Source(io.BytesIO(b"0123456789"), 6)
    assert source.read(100) == b"012345"
    assert source.read(1) == b""
    assert (source.reads, source.bytes_read) == (1, 6)
    assert source.seek(-2, os.SEEK_END) == 4
    assert source.read() == b"45"


def test_repr_shows_nothing_personal():
    header = read(dicom("Secret^Name", PatientBirthDate="19800707", OperatorsName="Op^Erator"))
    assert header.personal == {"PatientBirthDate": "19800707", "OperatorsName": "Op^Erator"}
    assert not any(secret in repr(header) for secret in ("Secret", "19800707", "Erator"))


def test_importing_costs_nothing_and_raw_data_need_no_pydicom(tmp_path):
    code = (
        "import sys, io; import microservices.headers.header_reader as h; heavy = {'pydicom', 'numpy', 'twixtools'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "b = sys.stdin.buffer.read(); k = h.read_header(io.BytesIO(b), len(b)).kind; assert k == 'TWIX', k;"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    from tests.unit.twix.test_twix import vd_file

    subprocess.run([sys.executable, "-c", code], input=vd_file(), check=True, cwd=ROOT)


@given(st.binary(max_size=3000))
@settings(max_examples=300)
def test_no_bytes_raise(content):
    read(content)
    for start in (b"\0" * 128 + b"DICM", b"\x08\0\x05\0CS\x04\0ABCD\x08\0\x16\0UI", b"\0\0\0\0\x01\0\0\0"):
        read(start + content)


def test_kind_of_is_by_the_first_kilobyte():
    assert kind_of(dicom("EXP1")[:1024]) is Kind.DICOM
    assert kind_of(b"") is Kind.OTHER
