"""The zone that policies work in, and everything that all policies need.

Exports the verbs of a zone and their values: `from policy.zone import AVU`. A policy gets a `Context` (zone, settings,
memory of this agent) and calls nothing else. No module of this package decides about a file or a state.

`protocol`            the `Zone` protocol: about twenty verbs, and their values
`context`             what a policy works with; `Refused`
`settings`            the site's settings, `mrdata.yaml`
`castellum_settings`  the settings below `castellum:`
`layout`              paths and names of all collections
`base_collections`    makes these collections, with their permissions
`vocabulary`          names and units of described attributes
`header`              the values that readers of headers give to policies
`carriers`            places of a file, other than attributes, that may carry personal data
`experiment`          an experiment and its states
`experiment_id`       the ExperimentID and its check character
`registry`            finds experiments in the catalog
`account`             names of accounts and groups, with their zone
`subtree`             lists what stands below a collection
`object_files`        data objects as files
`small_object`        small records that are replaced as a whole
`durability`          forces what was written to the disk
`lock`                the lock of an experiment or a subject
`seal`                read-only experiments
`service_access`      the service account's access to other people's collections
`host_files`          opens files of this host, and follows no link
`file_removal`        removes a file after a look at what is in hand
`checksum_text`       checksums as iRODS and as others write them
`like_pattern`        patterns of SQL's LIKE in linear time
`log`                 what may stand in a log
"""

from policy.zone.protocol import (
    AVU,
    BATCH,
    GOOD,
    Access,
    Among,
    Client,
    Condition,
    Damaged,
    Either,
    Exists,
    NotFound,
    NotPermitted,
    Operator,
    Registration,
    Stat,
    User,
    Zone,
    ZoneError,
    access_named,
    data_object,
)

__all__ = [
    "AVU",
    "BATCH",
    "GOOD",
    "Access",
    "Among",
    "Client",
    "Condition",
    "Damaged",
    "Either",
    "Exists",
    "NotFound",
    "NotPermitted",
    "Operator",
    "Registration",
    "Stat",
    "User",
    "Zone",
    "ZoneError",
    "access_named",
    "data_object",
]
