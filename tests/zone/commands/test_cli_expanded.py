"""A tree of Expanded Data with links and empty folders, as docs/expanded-data.md says."""

import json
import os
from pathlib import Path


def test_links_stay_behind_and_empty_folders_are_not_kept(site, mrdata):
    new = site.register()
    tree = Path(site.settings.landing.folder) / "94T" / "expdata" / new
    (tree / "full").mkdir(parents=True)
    (tree / "empty" / "deeper").mkdir(parents=True)
    (tree / "full" / "a").write_text("x")
    os.link(tree / "full" / "a", tree / "full" / "hard")
    (tree / "full" / "soft").symlink_to("a")
    (tree / "folder").symlink_to("/etc")
    (tree / "kept").mkdir()
    (tree / "kept" / ".keep").touch()
    told = json.loads(mrdata("scan", "--once", "--json", status=0))
    assert told["registered"] == 3
    root = f"{site.settings.home}/studies/pain/experiments/{new}/EXP_DATA"
    listed = {entry["path"].removeprefix(f"{root}/") for entry in json.loads(mrdata("ls", "-r", root, "--json"))}
    assert listed == {"full", "full/a", "full/hard", "kept", "kept/.keep"}
    left = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_symlink()}
    assert left == {"full/soft", "folder"}
    assert "symbolic link; links are never followed" in mrdata("scan", "--once", status=1)
