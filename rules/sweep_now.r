# Places everything that waits in landing now, as the delay rule does every few seconds, and counts the outcomes.
#
#   irule -r irods_rule_engine_plugin-python-instance -F sweep_now.r
#
# It leaves out objects that were modified within sweep.quiet_seconds or wait for their next try: retry.r takes those.
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
