"""`pytest --irods`: tests/zone against the server that the iRODS environment names, instead of embedded zones."""

from __future__ import annotations

import os
import uuid
from collections import Counter

import pytest
from hypothesis import settings

_EMBEDDED = ("test_embedded", "test_cli", "test_demo", "test_readme", "test_killed.py")
"""Tests that make embedded zones, or kill the processes of one."""


settings.register_profile("mrdata", derandomize=True, deadline=30_000)
settings.load_profile("mrdata")  # the same examples in each run; others: --hypothesis-profile=default


def pytest_addoption(parser):
    parser.addoption(
        "--irods",
        action="store_true",
        help="run tests/zone on the server of the iRODS environment (docs/how-to/test-a-server.md)",
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "embedded: looks into the embedded zone itself, which has no like on a server")
    if config.getoption("--irods"):
        if config.getoption("numprocesses", None):
            raise pytest.UsageError("--irods: one process only: the tests share the server's settings and its sweep")
        os.environ["MRDATA_TEST_SUFFIX"] = "x" + uuid.uuid4().hex[:5]


def pytest_collection_modifyitems(config, items):
    if config.getoption("--irods"):
        for item in items:
            if item.get_closest_marker("embedded") or item.path.name.startswith(_EMBEDDED):
                item.add_marker(pytest.mark.skip(reason="looks into the embedded zone itself"))


def pytest_terminal_summary(terminalreporter):
    """What was skipped, and why: a line for each reason."""
    skipped = [
        report.longrepr for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)
    ]
    reasons = Counter(str(text).removeprefix("Skipped: ") for _, _, text in skipped)
    if reasons:
        terminalreporter.write_line(f"{sum(reasons.values())} tests were skipped:")
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"  {number:>5}  {reason}")
