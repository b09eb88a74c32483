"""A replica's file is read where it lies only if it is this host's and as long as the catalog says."""

import pytest

from microservices.zones import vault_replicas

CONTENT = bytes(range(100))


@pytest.fixture
def file(tmp_path):
    (tmp_path / "replica").write_bytes(CONTENT)
    return tmp_path / "replica"


def read(*rows, offset=0, length=100):
    return vault_replicas.read(lambda *_: list(rows), "/zone/home/object", offset, length)


@pytest.mark.parametrize(("offset", "length"), [(0, 100), (10, 5), (90, 50), (100, 5)])
def test_a_piece_of_a_replica(file, offset, length):
    assert read((str(file), "100", "localhost"), offset=offset, length=length) == CONTENT[offset : offset + length]


def test_the_first_that_is_here_and_whole(file):
    short = file.with_name("short")
    short.write_bytes(b"short")
    others = [
        (str(short), "100", "localhost"),
        (str(file) + "gone", "100", "localhost"),
        ("bucket/object", "100", "localhost"),
    ]
    assert read(*others) is None
    assert read(*others, (str(file), "100", "localhost")) == CONTENT


def test_another_host_has_the_same_path(file):
    assert read((str(file), "100", "store2.example.org")) is None
