# Places everything that rests in landing now, as the delay rule does every few seconds, and says how many objects became what.
#
#   irule -r irods_rule_engine_plugin-python-instance -F sweep_now.r
#
# What was modified within the last seconds (sweep.quiet_seconds), and what waits for its next try, is left alone: retry.r takes it.
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...). The same as JSON: mrdata rule sweep '{"follow": 0}'
def main(rule_args, callback, rei):
    import json

    reply = json.loads(callback.mrdata_sweep('{"follow": 0}', '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for what, count in sorted(reply.items()):
        callback.writeLine('stdout', '%s: %d' % (what, count))
    if not reply:
        callback.writeLine('stdout', 'Nothing rests in landing that is due.')
INPUT null
OUTPUT ruleExecOut
