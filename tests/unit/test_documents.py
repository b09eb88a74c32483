"""The documents say what the code does: tables that are made from it, and every page's place."""

import re
from pathlib import Path

import pytest
import yaml

from policy.studies import study
from tests import document_tables

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
CODE = (
    "policy",
    "microservices",
    "rulebase",
    "landing",
    "products",
    "embedded",
    "forms",
    "mrdata",
    "irods_config",
    "rules",
)
_LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")
_FILE = re.compile(r"`((?:tests|products|landing|microservices|policy|rulebase|rules|embedded|forms)/[\w./-]*)`")


@pytest.mark.parametrize("page", list(document_tables.pages()), ids=lambda page: page.stem)
def test_tables_are_as_the_code_is(page):
    text = page.read_text(encoding="utf-8")
    assert document_tables.written(text) == text, "write them: python -m tests.document_tables"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_pages_outside_the_site_lead_somewhere(name):
    for link in _LINK.findall((ROOT / name).read_text(encoding="utf-8")):
        assert link.startswith("http") or (ROOT / link).exists(), link


def test_files_that_pages_name_are_there():
    pages = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    named = {(page.name, file) for page in pages for file in _FILE.findall(page.read_text(encoding="utf-8"))}
    assert [one for one in sorted(named) if "NAME" not in one[1] and not (ROOT / one[1]).exists()] == []


def test_pages_that_the_code_names_are_there():
    files = [path for folder in CODE for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".r", ".html")]
    files += [ROOT / "compose.yaml", ROOT / "Dockerfile", *(ROOT / "docker").rglob("*.*")]
    named = {page for file in files for page in re.findall(r"docs/[\w/-]+\.md", file.read_text(encoding="utf-8"))}
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


def test_the_study_file_has_every_key():
    text = (ROOT / "docs/reference/study-file.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == set(study.KEYS)
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert study.study_from(yaml.safe_load(example)).retention_years == 15
