# Shows the state of the polls of Castellum: scheduled, paused, the last polls, the commits of git and of the zone.
#
#   irule -r irods_rule_engine_plugin-python-instance -F castellum_status.r
#
# To be run by any administrator. The same as JSON: mrdata rule castellum_status
def main(rule_args, callback, rei):
    import json

    reply = json.loads(callback.mrdata_castellum_status('{}', '')['arguments'][1])
    for key, value in sorted(reply.items()):
        if key != 'last':
            callback.writeLine('stdout', '%s: %s' % (key.replace('_', ' '), value if isinstance(value, (str, int)) else json.dumps(value)))
INPUT null
OUTPUT ruleExecOut
