"""Mixed-use metadata: from Castellum over git to the study's collections.

One poll: a snapshot of the source, compared with what git holds, committed, and followed by the zone. An error of
the source is never a removal.

`polling`           one poll, step by step
`snapshot`          what the source says
`comparison`        what may change, and what waits for a data steward
`mixed_use`         the files in git and what may be in them
`metadata_history`  the protocol of the git repository
`zone_sync`         the zone follows git
`values_at_scan`    the values that a subject had at the scan
"""
