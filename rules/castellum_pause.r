# Pauses polls of Castellum: the delay rule stays scheduled and does nothing. castellum_schedule.r goes on.
#
#   irule -r irods_rule_engine_plugin-python-instance -F castellum_pause.r
#   irule -r irods_rule_engine_plugin-python-instance -F castellum_pause.r "*pause='no'"
#
#   *pause   'yes' (the default) or 'no'
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
# The same as JSON: mrdata rule castellum_pause '{"pause": true}'
def main(rule_args, callback, rei):
    import json

    request = {'pause': irods_rule_vars['*pause'][1:-1] != 'no'}
    reply = json.loads(callback.mrdata_castellum_pause(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
    else:
        callback.writeLine('stdout', 'Polls are paused since %s.' % reply['paused'] if reply['paused'] else 'Polls go on.')
INPUT *pause="yes"
OUTPUT ruleExecOut
