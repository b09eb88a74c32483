# Schedules a delay rule; one that is scheduled already stays as it is.
#
#   irule -r irods_rule_engine_plugin-python-instance -F sweep_schedule.r
#   irule -r irods_rule_engine_plugin-python-instance -F sweep_schedule.r "*rule='archive'" "*seconds='300'"
#
#   *rule      'sweep' (the default) places what rests in landing, 'archive' moves what is placed to the archive resource,
#              'events' delivers events to hooks, 'fixity' verifies checksums, the oldest first,
#              'lifecycle' finishes and finalizes experiments, and erases what was withdrawn,
#              'board' reports disks and Castellum to the operator's board
#   *seconds   seconds between two runs; default: the period of mrdata.yaml
#
# To be run by the service account, as whom the rule then runs (as another administrator: clientUserName=mrdata irule ...).
# `iqstat -a` lists delay rules. The same as JSON: mrdata rule sweep_every '{"seconds": 5}'
def main(rule_args, callback, rei):
    import json

    rule, seconds = (irods_rule_vars['*' + name][1:-1] for name in ('rule', 'seconds'))
    rules = ('sweep', 'archive', 'events', 'fixity', 'lifecycle', 'board')
    if rule not in rules or (seconds and not seconds.isdigit()):
        callback.writeLine('stdout', 'Error: *rule is one of %s, *seconds is a number' % ', '.join(rules))
        return
    request = {'seconds': int(seconds)} if seconds else {}
    reply = json.loads(getattr(callback, 'mrdata_%s_every' % rule)(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    done = 'was scheduled already' if reply['already'] else 'is scheduled'
    callback.writeLine('stdout', '%s %s, every %d s.' % (reply['scheduled'], done, reply['seconds']))
INPUT *rule="sweep", *seconds=""
OUTPUT ruleExecOut
