# Says what has changed about a subject since an experiment's scan.
#
#   irule -r irods_rule_engine_plugin-python-instance -F castellum_changes.r "*experiment='Z4KQ-STAS'"
#
# Of attributes that are no longer exported, it shows the names without the values.
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
# The same as JSON: mrdata rule castellum_changes '{"experiment": "Z4KQ-STAS"}'
def main(rule_args, callback, rei):
    import json

    request = {'experiment': irods_rule_vars['*experiment'][1:-1]}
    reply = json.loads(callback.mrdata_castellum_changes(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    lines = ['%s: %s then, %s now' % (n, ', '.join(then), ', '.join(now) or 'no value') for n, (then, now) in sorted(reply['changed'].items())]
    lines += ['%s: %s (new)' % (n, ', '.join(now)) for n, now in sorted(reply['added'].items())]
    lines += ['%s: no longer exported' % n for n in reply['no_longer_exported']]
    callback.writeLine('stdout', 'What was known at the scan of %s became known at %s.' % (reply['experiment'], reply['known']))
    for line in lines or ['Nothing has changed.']:
        callback.writeLine('stdout', line)
INPUT *experiment=""
OUTPUT ruleExecOut
