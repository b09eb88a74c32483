"""Replicas that last: how objects get to the archive resource, and the proof that they are still what they were.

What the landing host registers in the vault is archived when it is registered; the delay rule archives the rest.

`archiving`        the delay rule: replicates, compares, decides again, trims
`placement_check`  decides again about archived bytes
`sources`          holds the source files open while they are archived
`copies`           replicas on further resources
`unfinished`       objects whose writer was killed
`replicas`         reads the replicas of an object, and repairs them
`fixity`           the delay rule that verifies checksums
`fixity_state`     its counts
`fixity_report`    its yearly report
`forecast`         how old a checksum gets
`restore_drill`    reads objects back as a user would
`checksum_lookup`  finds objects by checksum
"""
