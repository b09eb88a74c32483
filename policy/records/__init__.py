"""What MrData writes down: what was done, what happened, what a person has to decide.

Records are small objects in the zone. Nothing outside the zone remembers anything that cannot be rebuilt from it.

`audit`              the audit log: a chain of entries that nobody can change unnoticed
`audit_check`        checks that chain without a zone
`event`              events in the outbox
`event_delivery`     delivers events to hooks
`review`             questions that wait for a data steward
`withdrawal_record`  what a restoration needs; see also `policy.withdrawal`
`clock`              whether the clock can be believed
`status_report`      what scanner, worker and rules report for the board
`archived_volume`    how much was archived on each day
"""
