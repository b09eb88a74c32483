"""From a landed file to its place in the archive, or to quarantine.

`decision.decide` is the one function that decides, for every way in: a batch of the landing host (`batch`), a
single registration (`registration_hooks`) and everything that rests in landing (`sweep`). `place` carries a
placement out.

`decision`             where a file belongs, or why nobody can tell
`batch`                decides about a batch of owned files
`registration_hooks`   before and after a registration by `ireg`
`sweep`                the delay rule for what rests in landing
`place`                prepares the collection, and moves the object
`describe`             the AVUs of series and objects
`occupant`             what the archive has at a path already
`origin`               where an archived object came from
`landed_again`         files whose bytes the archive had already
`expanded_data`        `metadata.yaml` of Expanded Data
`quarantine`           sessions of what could not be placed
`refiling`             re-files a session under the right ExperimentID
`discard`              discards a session
`landing_files`        files of the landing host that belong to an object
`registered_in_place`  takes files that an earlier release registered where they landed
"""
