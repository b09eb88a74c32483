"""From a file's completion to its place in the archive, on a real server: `python -m tests.bench arrival`, as for
`server`.

1,000 images come at the pace of a fast sequence into the landing zone, where the scanner watches; 1,000 more are put by
an ordinary user into a landing collection, where the sweep finds them. Times in the catalog are whole seconds.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from landing.scanner import watch
from microservices.zones.client_session import environment_file
from microservices.zones.client_zone import IrodsZone
from mrdata.commands.zone_connection import settings as site_settings
from policy.zone import Condition, layout
from policy.zone.settings import Settings
from tests.bench.server import images, new_experiment, zone

FILES = 1000
A_SECOND = 20
"""Images a second that the pretend sequence writes."""


class Clock:
    """A scanner's progress: when each file was found complete, and when it was placed."""

    def __init__(self, expected: int, stop: threading.Event) -> None:
        self.look, self.expected, self.stop = 0.0, expected, stop
        self.after_look: list[float] = []
        self.placed: dict[str, float] = {}

    def looked(self, ready: int, waiting: int) -> None:
        self.look = time.time()

    def registered(self, file: str, path: str, size: int) -> None:
        assert "/studies/" in path, f"{file} was not placed: {path}"
        self.placed[os.path.basename(file)] = time.time()
        self.after_look.append(time.time() - self.look)
        if len(self.placed) == self.expected:
            self.stop.set()

    def already(self, files: int) -> None:
        raise AssertionError(f"{files} files were there before")

    def report(self, message: str, *, alarm: bool, file: str = "", detail: str = "") -> None:
        print(message)

    def close(self) -> None:
        pass


def rows() -> list[tuple[str, str, str]]:
    """Median and 95th percentile of both ways."""
    settings = site_settings()
    scanner = settings.scanners[0]
    folder = Path(settings.landing.folder) / scanner / "dicom" / f"arrival{int(time.time())}"
    with zone() as admin, tempfile.TemporaryDirectory() as scratch:
        new = new_experiment(admin, settings, scanner)
        try:
            return [
                *_scanned(settings, folder, new, Path(scratch)),
                _swept(admin, settings, f"{scanner}/dicom/{folder.name}-user", new, Path(scratch), at_once=True),
                _swept(admin, settings, f"{scanner}/dicom/{folder.name}-single", new, Path(scratch), at_once=False),
            ]
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _scanned(settings: Settings, folder: Path, new: str, scratch: Path) -> list[tuple[str, str, str]]:
    source = images(scratch / "scanned", new, FILES)
    folder.mkdir(parents=True)
    stop, completed = threading.Event(), {}
    clock = Clock(FILES, stop)
    scanner = threading.Thread(target=watch, args=(settings, zone, clock, stop))
    scanner.start()
    time.sleep(2 * settings.landing.look_seconds)
    for number, file in enumerate(source):
        shutil.copyfile(file, folder / file.name)
        completed[file.name] = time.time()
        time.sleep(max(0.0, next(iter(completed.values())) + (number + 1) / A_SECOND - time.time()))
    scanner.join(120)
    assert len(clock.placed) == FILES, f"{len(clock.placed)} of {FILES} were placed"
    whole = [clock.placed[name] - completed[name] - settings.landing.quiet_seconds for name in completed]
    where = f"{FILES} images, {A_SECOND} a second, `mrdata scan`"
    return [
        (f"{where}: from the look that finds it complete to its place", _spread(clock.after_look), ""),
        (f"{where}: from its end, less the {settings.landing.quiet_seconds:g} s to stand still", _spread(whole), ""),
    ]


def _swept(
    admin: IrodsZone, settings: Settings, session: str, new: str, scratch: Path, *, at_once: bool
) -> tuple[str, str, str]:
    files = images(scratch / f"swept{at_once}", new, FILES, FILES if at_once else 2 * FILES)
    landing = f"{layout.landing(settings)}/{session}"
    with _user(scratch) as variables:
        subprocess.run(["imkdir", landing], env=variables, check=True)
        for given in [["-r", str(files[0].parent)]] if at_once else [[str(file)] for file in files]:
            subprocess.run(["iput", *given, landing], env=variables, check=True)
        columns = ["DATA_NAME", "DATA_CREATE_TIME", "META_DATA_CREATE_TIME"]
        placed = (
            Condition("META_DATA_ATTR_NAME", "=", "LandingPath"),
            Condition("META_DATA_ATTR_VALUE", "like", f"{session}/%"),
        )
        give_up = time.time() + 300
        while len(found := admin.query(columns, *placed)) < FILES:
            assert time.time() < give_up, f"{len(found)} of {FILES} were placed"
            time.sleep(2)
        # Nothing may be left in the user's trash either.
        subprocess.run(["irm", "-rf", landing], env=variables, check=True)
    delays = [max(0, int(described) - int(created) - settings.sweep.quiet_seconds) for _, created, described in found]
    what = (
        f"{FILES} images, an ordinary user's {'`iput -r`' if at_once else '`iput` of one after the other'}: from its"
        f" end to its place, less the {settings.sweep.quiet_seconds} s to stand still"
    )
    return what, _spread([float(delay) for delay in delays]), ""


def _spread(delays: list[float]) -> str:
    delays = sorted(delays)
    return (
        f"median {delays[len(delays) // 2]:.3g} s, 95th percentile {delays[int(len(delays) * 0.95)]:.3g} s, last"
        f" {delays[-1]:.3g} s"
    )


@contextmanager
def _user(scratch: Path) -> Iterator[dict[str, str]]:
    """The environment variables of an ordinary user of this run."""
    name, password = f"bench{secrets.token_hex(3)}", secrets.token_hex(8)
    environment = json.loads(environment_file().read_text(encoding="utf-8"))
    home = f"/{environment['irods_zone_name']}/home/{name}"
    (scratch / "user.json").write_text(
        json.dumps({**environment, "irods_user_name": name, "irods_home": home, "irods_cwd": home})
    )
    variables = {
        **os.environ,
        "IRODS_ENVIRONMENT_FILE": str(scratch / "user.json"),
        "IRODS_AUTHENTICATION_FILE": str(scratch / "user.irodsA"),
    }
    subprocess.run(["iadmin", "mkuser", name, "rodsuser"], check=True)
    try:
        subprocess.run(
            ["iadmin"],
            input=f"moduser {name} password {password}\nquit\n",
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        subprocess.run(
            ["iinit"], input=password + "\n", text=True, env=variables, check=True, stdout=subprocess.DEVNULL
        )
        yield variables
    finally:
        subprocess.run(["iadmin", "rmuser", name], check=True)
