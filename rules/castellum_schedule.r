# Schedules the poll of Castellum, and ends a pause.
#
#   irule -r irods_rule_engine_plugin-python-instance -F castellum_schedule.r
#   irule -r irods_rule_engine_plugin-python-instance -F castellum_schedule.r "*seconds='600'"
#
#   *seconds   seconds between two runs; default: the period of mrdata.yaml
#
# To be run by the service account, as whom the rule then runs (as another administrator: clientUserName=mrdata irule ...).
# `iqstat -a` lists delay rules, iqdel takes one out. The same as JSON: mrdata rule castellum_schedule '{"seconds": 600}'
def main(rule_args, callback, rei):
    import json

    seconds = irods_rule_vars['*seconds'][1:-1]
    if seconds and not seconds.isdigit():
        callback.writeLine('stdout', 'Error: *seconds is a number')
        return
    request = {'seconds': int(seconds)} if seconds else {}
    reply = json.loads(callback.mrdata_castellum_schedule(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    done = 'was scheduled already' if reply['already'] else 'is scheduled'
    callback.writeLine('stdout', '%s %s, every %d s.' % (reply['scheduled'], done, reply['seconds']))
INPUT *seconds=""
OUTPUT ruleExecOut
