"""The rule engine of an embedded zone: it runs `rulebase/core.py` as the Python rule engine plugin does.

`agent`                     one client's connection with its rule engine
`callback`                  `callback`, as strict as the plugin's
`registered_microservices`  fills the callback's registry
`msi_metadata`              microservices on metadata and permissions
`msi_misc`                  microservices for logs, times, delayed rules
`msi_objects`               microservices on objects and collections
`msi_query`                 microservices that query
`delay_queue`               the queue of delayed rules
`delay_server`              runs delayed rules
"""
