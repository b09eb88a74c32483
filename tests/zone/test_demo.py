"""`mrdata demo --once`: every delivered file stands where it should."""

import json
import subprocess
import sys


def test_the_demonstration_leaves_with_success(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "demo").write_text("an earlier demonstration, which is replaced")
    (folder / "catalog.sqlite").write_text("of the earlier one")
    command = [sys.executable, "-m", "mrdata.cli", "demo", "--once", "--json", "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    counts = json.loads(done.stdout)
    assert counts["delivered"] == counts["landed"] == counts["archived"] + counts["one_copy_kept"] + sum(counts["quarantined"].values())
    assert counts["misplaced"] == []
    assert (counts["still_in_landing"], counts["not_registered"], counts["lost"]) == (0, 0, 0)
    assert {"mistyped", "unregistered", "truncated", "personal-data"} <= set(counts["quarantined"])


def test_it_never_replaces_what_is_no_demonstration(tmp_path):
    (tmp_path / "precious").write_text("x")
    command = [sys.executable, "-m", "mrdata.cli", "demo", "--once", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no demonstration" in done.stderr
    assert (tmp_path / "precious").exists()
