# Verifies the checksums of all replicas at or below a path now, and repairs what is damaged from a good replica.
#
#   irule -r irods_rule_engine_plugin-python-instance -F fixity_check.r "*path='/tempZone/home/mrdata/studies/pain'"
#
# Reads every byte, which takes long. For each object that cannot be repaired, a question for the data stewards is opened (reviews).
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
# The same as JSON: mrdata rule fixity_check '{"path": "..."}'
def main(rule_args, callback, rei):
    import json

    reply = json.loads(callback.mrdata_fixity_check(json.dumps({'path': irods_rule_vars['*path'][1:-1]}), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for outcome, count in sorted(reply['objects'].items()):
        callback.writeLine('stdout', '%s: %d' % (outcome, count))
    for one in reply['findings']:
        callback.writeLine('stdout', '%s %s %s %s' % (one['outcome'].upper(), one['path'], ','.join(one['bad']), one['text']))
    if not reply['objects']:
        callback.writeLine('stdout', 'No object was found.')
INPUT *path=""
OUTPUT ruleExecOut
