"""Installs the rulebase into a server. A release that does not work never replaces one that works.

Each release has its own folder, named by its version and its content:

    /opt/mrdata/releases/0.2.0-3f0c9a1b2d4e/{policy,microservices,rulebase,pydicom,stdnum,yaml,dulwich,requests...}
    /opt/mrdata/current  -> releases/0.2.0-3f0c9a1b2d4e
    /opt/mrdata/previous -> the one before
    /etc/irods/core.py   -> /opt/mrdata/current/rulebase/core.py

A new release is imported by the server's own Python, then imported inside the running server's rule engine. Then one
rename switches `current`. Open connections keep their release.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from irods_config import check_release, files
from irods_config.icommands import PYTHON_ENGINE, ICommands, SetupError, of_service_account

OURS = ("policy", "microservices", "rulebase")
SOURCE = Path(__file__).resolve().parent.parent
"""This distribution's own packages."""
THEIRS = ("pydicom", "python-stdnum", "pyyaml")
"""Packages that the rulebase imports in the server; their versions are those of this distribution's requirements."""
PURE = ("dulwich", "requests", "urllib3", "certifi", "charset-normalizer", "idna", "typing-extensions")
"""More of them, whose compiled extensions are left out: they do without, and some extensions hang inside the server."""


@dataclass(frozen=True)
class Place:
    """Where releases are, and what runs them."""

    root: Path = Path("/opt/mrdata")
    core: Path = Path("/etc/irods/core.py")
    settings: Path = Path("/etc/irods/mrdata.yaml")
    python: Path = Path("/usr/bin/python3")
    """The Python whose library the rule engine was built with: the distribution's."""
    config: Path = Path("/etc/irods/server_config.json")

    @property
    def current(self) -> Path:
        """The link to the release that new connections use."""
        return self.root / "current"

    @property
    def previous(self) -> Path:
        """The link to the release before."""
        return self.root / "previous"

    def has_python_engine(self) -> bool:
        """Whether the server is configured to run Python rules at all.

        SetupError for a configuration that cannot be read.
        """
        try:
            engines = json.loads(self.config.read_text(encoding="utf-8"))["plugin_configuration"]["rule_engines"]
        except (OSError, json.JSONDecodeError, KeyError) as error:
            raise SetupError(f"{self.config}: {error}") from error
        return any(engine["instance_name"] == PYTHON_ENGINE for engine in engines)

    def is_installed(self) -> bool:
        """Whether the server's core.py is that of the current release."""
        return (
            self.core.is_symlink()
            and os.readlink(self.core) == str(self.current / "rulebase/core.py")
            and self.core.exists()
        )


def install(place: Place, source: Path, pip: Sequence[str], server: ICommands | None) -> str:
    """Makes a release of the packages in `source`, proves it and switches to it; returns what the proof saw.

    After a SetupError nothing is switched. `pip` are further options of pip, such as `--no-index --find-links DIR` for
    a server without the internet. `server` is None if no server runs: then the release is proved only outside one.
    """
    with _locked(place.root):
        releases = place.root / "releases"
        releases.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=releases) as folder:
            new = Path(folder) / "release"
            _copy(source, new)
            _dependencies(place, new, pip)
            release = releases / f"{importlib.metadata.version('mrdata')}-{_digest(new)}"
            if not release.exists():
                new.chmod(0o755)
                os.replace(new, release)
        try:
            seen = prove(place, release, server)
        except SetupError:
            if release.name not in {
                os.path.basename(os.path.realpath(link)) for link in (place.current, place.previous)
            }:
                shutil.rmtree(release)
            raise
        switch(place, release)
        return f"{release}: {seen}"


def prove(place: Place, release: Path, server: ICommands | None) -> str:
    """Imports the release as the server would. SetupError says what does not work."""
    command = [str(place.python), "-I", "-X", "utf8", str(check_release.__file__), str(release), str(place.settings)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd="/", env={"PATH": "/usr/bin:/bin"}
        )
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{release}: importing it did not end within 60 s; refused") from error
    if done.returncode != 0:
        raise SetupError(f"{release}: does not work and was refused:\n{done.stderr.strip()}")
    seen = ", ".join(done.stdout.split("\n")[:-1])
    if server is None:
        return f"{seen}, not tried inside a server: none answers"
    if not place.has_python_engine():
        return f"{seen}, not tried inside the server: it has no Python rule engine yet"
    return f"{seen}, {prove_inside(place, release, server)}"


def prove_inside(place: Place, release: Path, server: ICommands) -> str:
    """Makes the same imports inside an agent, because some hang only there.

    The agent is a separate one: the test cannot harm others. SetupError if the imports fail.
    """
    text = Path(check_release.__file__).read_text(encoding="utf-8")
    body = f"""
names = {{"__name__": "check_release"}}
exec(compile({text!r}, "check_release", "exec"), names)
callback.writeLine("stdout", "PROVED " + names["proof"]({str(release)!r}, {str(place.settings)!r}))
"""
    try:
        printed = server.python(body, timeout=60)
    except SetupError as error:
        raise SetupError(
            f"{release}: does not work inside the server and was refused ({error}); the server's log says more"
        ) from error
    if "PROVED " not in printed:
        raise SetupError(f"{release}: does not work inside the server and was refused: {printed.strip()!r}")
    return "the same inside the server"


def switch(place: Place, release: Path) -> None:
    """New connections use `release` from now on."""
    old = os.path.realpath(place.current) if place.current.is_symlink() else ""
    if old != str(release.resolve()):
        if old:
            files.link(place.previous, f"releases/{os.path.basename(old)}")
        files.link(place.current, f"releases/{release.name}")
    if not place.is_installed():
        if not place.core.is_symlink():
            files.keep_copy(place.core)
        files.link(place.core, str(place.current / "rulebase/core.py"))


def back(place: Place, server: ICommands | None) -> str:
    """Switches to the previous release after proving it like a new one. After a SetupError nothing is switched."""
    with _locked(place.root):
        if not place.previous.exists():
            raise SetupError(f"{place.previous}: does not exist: no earlier release is installed")
        release = place.previous.resolve()
        seen = prove(place, release, server)
        switch(place, release)
        return f"{release}: {seen}"


def _copy(source: Path, new: Path) -> None:
    for name in OURS:
        if not (source / name / "__init__.py").is_file():
            raise SetupError(f"{source}: has no package {name}")
        shutil.copytree(source / name, new / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def _dependencies(place: Place, new: Path, options: Sequence[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(place.python),
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    command += ["--only-binary=:all:", "--no-compile", "--target", str(new), *options, *requirements()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd="/")
    if done.returncode != 0:
        raise SetupError(f"pip: {done.stderr.strip()}")
    shutil.rmtree(new / "bin", ignore_errors=True)
    compiled = [file for name in PURE for file in (new / name.replace("-", "_")).rglob("*.so")]
    for file in (*compiled, *new.glob("*__mypyc*.so")):
        file.unlink()


def requirements() -> list[str]:
    """This distribution's requirements of what the server imports. SetupError where one is not among them."""
    wanted = importlib.metadata.requires("mrdata") or []
    found = {re.split(r"[^\w-]", r, maxsplit=1)[0].lower(): r for r in wanted if "extra ==" not in r}
    if missing := [name for name in (*THEIRS, *PURE) if name not in found]:
        raise SetupError(f"the distribution does not require {', '.join(missing)}")
    return [found[name] for name in (*THEIRS, *PURE)]


def _digest(folder: Path) -> str:
    """Of every file's path and bytes; what pip notes about the installation itself is left out."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in ("RECORD", "direct_url.json", "INSTALLER", "REQUESTED"):
            content = path.read_bytes()
            whole.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:12]


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    try:
        file = open(root / ".lock", "w")  # noqa: SIM115 - closed below
    except OSError as error:
        hint = f"as root: install -d -o {_user()} -g {_user()} -m 755 {root}"
        raise SetupError(f"{root}: {error.strerror}; {hint}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError(f"{root}: somebody else is installing") from error
        yield


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def main(arguments: Sequence[str] | None = None) -> int:
    """`mrdata-install`: status 0 only if the requested rulebase is in use."""
    parser = argparse.ArgumentParser(
        prog="mrdata-install", description="Installs the rulebase of this distribution into the server."
    )
    parser.add_argument("--previous", action="store_true", help="go back to the release before")
    parser.add_argument("--source", type=Path, default=SOURCE, help="folder of the packages (this distribution's)")
    parser.add_argument(
        "--find-links", metavar="DIR", help="take the packages of others from this folder, not from the internet"
    )
    parser.add_argument("--root", type=Path, default=Place.root)
    parser.add_argument("--core", type=Path, default=Place.core)
    parser.add_argument("--settings", type=Path, default=Place.settings)
    parser.add_argument(
        "--python", type=Path, default=Place.python, help="the Python that the server's rule engine uses"
    )
    given = parser.parse_args(arguments)
    place = Place(given.root, given.core, given.settings, given.python)
    pip = ["--no-index", "--find-links", given.find_links] if given.find_links else []
    try:
        login = of_service_account()
        server = login if login.answers() else None
        print(back(place, server) if given.previous else install(place, given.source, pip, server))
    except (SetupError, OSError, subprocess.TimeoutExpired) as error:
        print(f"mrdata-install: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
