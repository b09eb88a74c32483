"""An experiment after its last image: finished, finalized, kept.

The delay rule that acts on time is `policy.schedule.lifecycle`.

`finalization`  finalizes an experiment, or tells what it waits for
`manifest`      the list of all objects of a finalized experiment
`retention`     how long it is kept, and who is told
"""
