"""Event handler for irods_capability_automated_ingest 0.7: its scanner and workers find the files, MrData registers
them.

For sites that outgrow one scanner process (docs/how-to/scale-out.md says how to run it). The capability copies this
file into Redis and its workers import that copy: everything but the hooks is in `landing.single`, which the workers
have installed.

The capability's own REGISTER_SYNC would register what is still being written, and what others can still change, make a
collection for each folder, and write a changed file's size over that of the archived object. So its operation is NO_OP,
and the hooks take and register.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from irods_capability_automated_ingest.core import Core  # type: ignore[import-not-found,import-untyped,unused-ignore]
from irods_capability_automated_ingest.utils import Operation  # type: ignore[import-not-found,import-untyped,unused-ignore]

from landing import single
from landing.landing_errors import NotYet

Logger = Any
"""structlog's."""

TASK_SECONDS = 3600
"""A task that takes longer is ended: the lock of a killed worker stays in Redis, and would hold up the others."""


class event_handler(Core):  # type: ignore[misc,unused-ignore]
    """Core supplies nothing that is used here; it tells a reader what this is."""

    @staticmethod
    def pre_job(hdlr_mod: object, logger: Logger, meta: Mapping[str, Any]) -> None:
        """A file that is not ready raises, which ends its task: others in the same task would wait for it, at every
        scan.
        """
        if meta["files_per_task"] != 1:
            raise ValueError("MrData: start the job with --files_per_task 1")

    @staticmethod
    def operation(session: object, meta: Mapping[str, Any], **options: object) -> Operation:
        """See above."""
        return Operation.NO_OP

    @staticmethod
    def timeout(hdlr_mod: object, logger: Logger, meta: Mapping[str, Any]) -> int:
        """Seconds that a task may take."""
        return TASK_SECONDS

    @staticmethod
    def on_data_obj_create(
        func: object, hdlr_mod: object, logger: Logger, session: object, meta: Mapping[str, Any], **options: object
    ) -> None:
        """A file that the scan saw. What raises is seen again by the next scan; what returns, only when it changes."""
        file = os.fsdecode(meta["path"])
        if "b64_path_str" in meta:
            raise NotYet("a name in this folder is not UTF-8; rename it with UTF-8 characters")
        single.here().take(file, int(meta["size"]), float(meta["mtime"]))
        logger.info("mrdata_registered")

    on_data_obj_modify = on_data_obj_create

    @staticmethod
    def on_coll_create(func: object, *args: object, **options: object) -> None:
        """Does nothing: registering a file makes the collection that it needs."""

    on_coll_modify = on_coll_create
