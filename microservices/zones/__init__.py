"""Two implementations of `policy.zone.Zone` for a real server: inside an agent, and from outside.

`server_zone`        over the rule engine's `callback`
`client_zone`        over python-irodsclient
`client_session`     opens a connection as iCommands do
`client_query`       GenQuery1 over python-irodsclient
`client_rule`        calls a rule from outside
`catalog_queries`    stat, metadata, permissions, groups
`genquery1_text`     GenQuery1 as text
`genquery2_text`     GenQuery2 as text
`bulk_registration`  the request BULK_DATA_OBJ_REG
`rename`             renames, and what iRODS stumbles over
`left_unfinished`    replicas whose writer was killed
`vault_replicas`     replicas read where they lie
`vault_files`        files of the vault that no object names
`host_folders`       walks through a folder in a stable order
`disks`              free space of this host
`repetition`         how the delay server repeats a rule
`error_codes`        iRODS error codes
"""
