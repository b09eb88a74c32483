"""Studies, their subjects and experiments: who is registered, who may decide, in which state an experiment is.

Every change of state goes through `state`, which asks the catalog and the table of states. Every decision of a
person goes through `authorization`.

`study`               studies and subjects from a mapping
`registration`        registers an experiment
`authorization`       who may decide about an experiment
`state`               the table of states, and the one function that changes a state
`scan_day`            the day of the scan
`erased_subjects`     recognises erased subjects by a salted hash
`missing_pseudonyms`  pseudonyms that Castellum does not name any more
"""
