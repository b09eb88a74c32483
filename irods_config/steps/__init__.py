"""The steps that make a server an MrData zone, one module for each.

Each step lists what differs and changes it. Running it again changes nothing.
"""

from __future__ import annotations

from irods_config.steps import (
    accounts,
    catalog_indexes,
    certificates,
    client,
    collections,
    configuration,
    delay_server,
    earlier_files,
    folders,
    health,
    native_rules,
    resources,
    rulebase,
    scheduled_rules,
    settings_check,
)

FILES = [settings_check.STEP, certificates.STEP, rulebase.STEP, native_rules.STEP, configuration.STEP, client.STEP]
"""In this order: Python comes first in the configuration, so its core.py has to work before."""

ZONE = [
    catalog_indexes.STEP,
    resources.STEP,
    folders.STEP,
    accounts.STEP,
    collections.STEP,
    earlier_files.STEP,
    scheduled_rules.STEP,
    delay_server.STEP,
    health.STEP,
]
"""What needs the server, with the new configuration."""
