"""Proves that a release of the rulebase works; run by the server's own Python, with nothing on its path but the
release.

    python3 -I check_release.py RELEASE SETTINGS     outside the server, with a stand-in for irods_types

`proof` is also run inside the rule engine of a running server, where an import that works elsewhere may hang for ever.
Nothing but the standard library is imported here, up to the release itself.
"""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import subprocess
import sys
import time
import types

HANGS = ("scipy", "matplotlib", "twixtools")
"""Some of their extensions wait for ever inside the server, for the lock that they hold (PyGILState_Ensure at import).
"""
SLOW = ("numpy",)
"""pydicom imports it where it is; it costs the first file of each connection a tenth of a second."""
CORE_SECONDS = 0.05
"""`import core` may take so much of the processor, whatever else the machine does; it is 1 ms."""
TRIES = 3
"""The best of them counts: the first reads from the disk, and a busy machine's caches are others'."""


def proof(release: str, settings: str) -> str:
    """What was seen, in one line. RuntimeError, or an import's own error, where the release does not work."""
    sys.path.insert(0, release)
    import dulwich.client
    import dulwich.repo
    import pydicom
    import requests
    import stdnum
    import yaml

    from microservices.castellum import castellum_http, castellum_rules, git_history
    from microservices.headers.header_reader import read_header
    from microservices.rules import rule_table
    from microservices.rules.rule_agent import Agent

    agent = Agent(settings)
    content = _image()
    header = read_header(io.BytesIO(content), len(content))
    if header.problem or (header.kind, header.patient_name, header.series_number) != ("DICOM", "Z4KQ-STAS", "7"):
        raise RuntimeError(f"a DICOM header was read wrongly: {header!r}")
    for module in (rule_table, castellum_rules, castellum_http, git_history, pydicom, stdnum, yaml, dulwich, requests):
        found = os.path.realpath(str(module.__file__))
        if not found.startswith(os.path.realpath(release) + os.sep):
            raise RuntimeError(f"{module.__name__} comes from {found}, not from {release}")
    if hangs := [name for name in HANGS if name in sys.modules]:
        raise RuntimeError(f"imports {', '.join(hangs)}")
    if compiled := [name for name in ("_objects", "_pack", "_diff_tree") if f"dulwich.{name}" in sys.modules]:
        raise RuntimeError(f"imports {', '.join(compiled)} of dulwich: compiled extensions that it does without")
    slow = "".join(f", {name} of this machine is imported too" for name in SLOW if name in sys.modules)
    git = ".".join(map(str, dulwich.__version__))
    versions = f"pydicom {pydicom.__version__}, python-stdnum {stdnum.__version__}, PyYAML {yaml.__version__}"
    return f"zone {agent.settings.zone}, {versions}, dulwich {git}, requests {requests.__version__}{slow}"


def core(release: str) -> str:
    """Imports the release's core.py as the rule engine does.

    RuntimeError for one without rules, or too dear at each of TRIES tries.
    """
    path = os.path.join(release, "rulebase", "core.py")
    spec = importlib.util.spec_from_file_location("core", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    start = time.process_time()
    spec.loader.exec_module(module)
    seconds = time.process_time() - start
    rules = [name for name in vars(module) if name.startswith(("pep_", "mrdata_"))]
    if not callable(getattr(module, "mrdata_health", None)) or not any(name.startswith("pep_") for name in rules):
        raise RuntimeError(f"{path} lacks its rules")
    if public := [name for name in vars(module) if not name.startswith("_") and name not in rules]:
        raise RuntimeError(f"{path} would let clients call {', '.join(public)}")
    if seconds > CORE_SECONDS:
        seconds = min(seconds, *(_in_a_new_process(path) for _ in range(1, TRIES)))
    if seconds > CORE_SECONDS:
        raise RuntimeError(f"import core took {seconds:.3f} s of the processor")
    return f"core.py: {len(rules)} rules, imported in {seconds * 1000:.1f} ms"


def _in_a_new_process(path: str) -> float:
    """Seconds of the processor for the import where nothing has been imported before.

    CalledProcessError where it fails.
    """
    program = """
import importlib.util, sys, time, types
sys.modules["irods_types"] = types.ModuleType("irods_types")
spec = importlib.util.spec_from_file_location("core", sys.argv[1])
module = importlib.util.module_from_spec(spec)
start = time.process_time()
spec.loader.exec_module(module)
print(time.process_time() - start)
"""
    command = [sys.executable, "-I", "-X", "utf8", "-c", program, path]
    return float(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()[-1])


def _image() -> bytes:
    """A DICOM file, written out by hand (PS3.5 section 7.1.2, PS3.10 section 7.1)."""
    storage, syntax, uid = b"1.2.840.10008.5.1.4.1.1.4\0", b"1.2.840.10008.1.2.1\0", b"1.2.826.0.1.3680043.8.498.1\0"
    meta = _element(2, 2, b"UI", storage) + _element(2, 3, b"UI", uid) + _element(2, 0x10, b"UI", syntax)
    elements = [
        (0x08, 0x16, b"UI", storage),
        (0x08, 0x18, b"UI", uid),
        (0x08, 0x60, b"CS", b"MR"),
        (0x10, 0x10, b"PN", b"Z4KQ-STAS "),
        (0x20, 0x0D, b"UI", uid),
        (0x20, 0x0E, b"UI", uid),
        (0x20, 0x11, b"IS", b"7 "),
        (0x20, 0x13, b"IS", b"1 "),
    ]
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 2) + b"\0\0"
    head = b"\0" * 128 + b"DICM" + _element(2, 0, b"UL", struct.pack("<I", len(meta)))
    return head + meta + b"".join(_element(*e) for e in elements) + pixels


def _element(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


if __name__ == "__main__":
    sys.modules["irods_types"] = types.ModuleType("irods_types")
    print(core(sys.argv[1]))
    print(proof(sys.argv[1], sys.argv[2]))
