"""The commands of the documents, as printed: blocks of `bash` run on an embedded zone, page by page.

Blocks of `sh` need a server, root, or another machine. The zone of the how-to pages has what their examples name: the
study pain with its member alice, the data steward carol, the experiment Z4KQ-STAS, and a session in quarantine.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policy.zone import experiment_id
from tests.files import dicom

ROOT = Path(__file__).resolve().parents[3]
EXPERIMENT = "Z4KQ-STAS"
FINALIZED = ("reopen-an-experiment", "extend-retention")
"""Pages that begin with a finalized experiment."""
_BLOCK = re.compile(r"^( *)```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> str:
    """The page's blocks of bash, without the indentation of the list in which they stand."""
    blocks = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return "\n".join(re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in blocks)


HOW_TO = [page for page in sorted(ROOT.glob("docs/how-to/*.md")) if commands(page)]


def run(text: str, folder: Path, **environment: str) -> str:
    """What the commands print; each of them has to succeed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state"), **environment}
    done = subprocess.run(["bash", "-eu", "-c", text], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def example(make_site, monkeypatch, tmp_path):
    """The zone of the how-to pages, and its folder."""
    site = make_site(lifecycle={"settle_seconds": 0})
    for arguments in (("mkuser", "carol", "rodsuser"), ("atg", "data_stewards", "carol")):
        site.iadmin(*arguments)
    with monkeypatch.context() as patch:
        patch.setattr(experiment_id, "draw", lambda: EXPERIMENT)
        site.register()
    site.land("94T/dicom/1/1", dicom(EXPERIMENT, instance=1))
    site.land("94T/dicom/2/1", dicom(f"{EXPERIMENT[:-1]}X", instance=2))
    site.sweep()
    site.rule("archive")
    return site


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_how_to(example, tmp_path, page):
    if page.stem in FINALIZED:
        for rule in ("experiment_finish", "experiment_finalize"):
            example.rule(rule, {"experiment": EXPERIMENT})
    iadmin = f'iadmin() {{ python -m embedded.iadmin "{example.folder}" "$@"; }}\n'
    (tmp_path / "here").mkdir()
    run(iadmin + commands(page), tmp_path / "here", MRDATA_ZONE=str(example.folder))


def test_the_tutorial(server, tmp_path):
    if server:
        pytest.skip("it makes a zone in a folder")
    printed = run(commands(ROOT / "docs/tutorial/first-experiment.md"), tmp_path)
    assert printed.rstrip().endswith("Every landed byte is accounted for.")
