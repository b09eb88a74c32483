"""Walks that go on where they were interrupted."""

import os

from hypothesis import given
from hypothesis import strategies as st

from microservices.zones.host_folders import position, shown, walk

NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..")
)


@given(st.lists(st.lists(NAMES, min_size=1, max_size=4), max_size=12), st.data())
def test_a_walk_goes_on_after_any_folder(tmp_path_factory, paths, data):
    root = tmp_path_factory.mktemp("walk")
    for path in paths:
        os.makedirs(os.path.join(root, *path), exist_ok=True)
    whole = [folder.position for folder in walk(str(root))]
    assert len(whole) == len({"/".join(path[:n]) for path in paths for n in range(len(path) + 1)} | {""})
    last = data.draw(st.integers(0, len(whole) - 1))
    assert [folder.position for folder in walk(str(root), whole[last])] == whole[last + 1 :]


def test_a_folder_that_is_gone_meanwhile_is_no_problem_and_a_root_that_is_missing_is_one(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    walked = walk(str(tmp_path))
    assert next(walked).relative == ""
    (tmp_path / "a" / "b").rmdir()
    (tmp_path / "a").rmdir()
    assert [(folder.relative, folder.problem) for folder in walked] == [("a", "")]
    assert [folder.problem for folder in walk(str(tmp_path / "none"))] == ["No such file or directory"]


def test_links_are_not_followed(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "file").write_text("x")
    (tmp_path / "link").symlink_to("inside")
    found = {
        folder.relative: ([n for n, _ in folder.files], [n for n, _ in folder.others]) for folder in walk(str(tmp_path))
    }
    assert found == {"": ([], ["link"]), "inside": (["file"], [])}


def test_names_that_are_not_utf_8(tmp_path):
    odd = os.fsdecode(b"caf\xe9")
    (tmp_path / odd / "below").mkdir(parents=True)
    whole = [folder.position for folder in walk(str(tmp_path))]
    assert whole == ["/", "/caf%E9", "/caf%E9/below"]
    assert [folder.relative for folder in walk(str(tmp_path), position(odd))] == [f"{odd}/below"]
    assert shown(odd) == "caf\\udce9"
