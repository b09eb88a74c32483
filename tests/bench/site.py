"""A site for benchmarks: a zone in a temporary folder with one study and one experiment."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.client.embedded_zone import EmbeddedZone
from microservices.settings_file import load_settings
from mrdata.zones.new_zone import create, make_users
from policy.zone.settings import Settings


@contextmanager
def new_site() -> Iterator[tuple[Path, Settings, str]]:
    """(landing folder, settings, ExperimentID); connect as `mrdata`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zone"
        create(path, scanners=["94T"], site={"sweep": {"quiet_seconds": 0}})
        settings = load_settings(path / "mrdata.yaml")
        make_users(settings, "alice")
        with connect(settings) as zone:
            request = {"study": "s", "members": ["alice"], "subjects": ["P1"]}
            zone.rule("mrdata_study", json.dumps(request))
            request = {"study": "s", "pseudonym": "P1", "owner": "alice", "scanner": "94T", "scan_type": "pilot"}
            new = json.loads(zone.rule("mrdata_register", json.dumps(request)))["experiment_id"]
        yield Path(settings.landing.folder) / "94T", settings, new


def connect(settings: Settings, user: str = "mrdata") -> EmbeddedZone:
    """A connection to the site's zone."""
    return EmbeddedZone(Path(settings.landing.folder).parent, user)
