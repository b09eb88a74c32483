"""The rulebase's side of the rule engine: enforcement points and callable rules.

`rulebase/core.py` hands each enforcement point to the agent's `rule_agent.Agent`, and each callable rule to
`rule_table`.

`rule_agent`        enforcement points, one `Agent` for each connection
`rule_table`        callable rules
`callers`           who may call a rule
`lifecycle_rules`   rules about an experiment's life
`verify_rule`       the rule `mrdata_verify`
`hooks`             sends events to hooks
`genquery2_guard`   the GenQuery2 queries that an ordinary user may send
`request_keywords`  keywords of a client's request
"""
