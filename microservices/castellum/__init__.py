"""Reads Castellum, and keeps the history in git. What follows from it is decided in `policy.castellum`.

`castellum_rules`   runs one poll at a time
`castellum_http`    Castellum's API
`castellum_export`  Castellum's export as files
`git_history`       the git repository
"""
