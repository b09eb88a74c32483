"""Withdrawal of an experiment or a subject, restoration, and erasure.

Withdrawn data are hidden at once: permissions, AVUs, references. The record of it
(`policy.records.withdrawal_record`) holds all that a restoration needs. When its time has passed, the data are
erased.

`withdrawal`    withdraws
`concealment`   hides AVUs and permissions
`references`    names of the experiment outside its collection
`derived_data`  data that derive from it
`restoration`   restores
`erasure`       erases
"""
