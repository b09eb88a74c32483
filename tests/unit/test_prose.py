"""Words that make a sentence a riddle for a reader in a hurry: none stands in documents, nor in packages that are clean.

`python -m tests.unit.test_prose` counts them, and `python -m tests.unit.test_prose FOLDER` shows them.
"""

import re
import sys
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = re.compile(
    r"""\b(?:
        so\ (?:long|many) | who\ asks | tells?\ of | whose\ word | amiss | anew\b | beside\b | by\ it\b | for\ good\b
        | at\ birth | (?:stands?|stood|standing)\ still | \w+['’]s?\ word
        | (?<!there\ )(?:is|are|was|were)\ no\ (?!longer\b|more\b|later\b|earlier\b|larger\b|other\b)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""What stands for it: about, again, wrong, next to, permanently; seconds, days; an X is *not a* Y."""
DOCUMENTS = ("docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", ".github")
CLEAN = (
    "docker", "embedded", "irods_config", "landing", "microservices/castellum", "microservices/rules", "microservices/zones", "products",
    "rulebase", "rules",
)  # fmt: skip
"""Packages without a hit. This list may only grow."""
_KINDS = {".md", ".py", ".html", ".js", ".r", ".yml", ".yaml", ".toml", ".sh", ".conf"}
_MARKS = {"#", "//", "*", "#:"}
_CODE = re.compile(r"```.*?```|`[^`]*`|<!-- table: .*?<!-- end of table -->", re.DOTALL)
"""Of a page: commands, names, messages as they are printed, and tables that are made from the code."""


def hits(place: str) -> list[str]:
    """`file:line: word` of each hit in a file or a folder."""
    root = ROOT / place
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.suffix in _KINDS)
    return [hit for path in files for hit in _of(path)]


def _of(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        text = _CODE.sub(lambda code: re.sub(r"[^\n]", "x", code[0]), text)
    words = [
        (word, number) for number, line in enumerate(text.split("\n"), 1) for word in line.split() if word not in _MARKS
    ]
    flat = " ".join(word for word, _ in words)  # a sentence goes on in the next line
    starts = list(accumulate((len(word) + 1 for word, _ in words), initial=0))
    found = [(words[bisect_right(starts, hit.start()) - 1][1], hit[0]) for hit in WORDS.finditer(flat)]
    return [f"{path.relative_to(ROOT)}:{line}: {hit}" for line, hit in found]


@pytest.mark.parametrize("place", [*DOCUMENTS, *CLEAN])
def test_no_riddles(place):
    assert hits(place) == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("It is no file.", True), ("There is no file.", False), ("after so\nlong", True), ("It stands beside it.", True),
        ("besides", False), ("It is no longer there.", False), ("the steward's word", True), ("words", False),
    ],
)  # fmt: skip
def test_words(tmp_path, monkeypatch, text, is_found):
    (tmp_path / "page.md").write_text(text)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert bool(hits("page.md")) is is_found


if __name__ == "__main__":
    if sys.argv[1:]:
        print("\n".join(hit for place in sys.argv[1:] for hit in hits(place)))
    else:
        for folder in sorted(
            path.name for path in ROOT.iterdir() if not path.name.startswith(".") or path.name == ".github"
        ):
            print(f"{len(hits(folder)):5} {folder}")
