# Lists the events that hooks have not taken yet: hook, experiment, how many, tries so far, next try (UTC).
#
#   irule -r irods_rule_engine_plugin-python-instance -F events_waiting.r
#   irule -r irods_rule_engine_plugin-python-instance -F events_waiting.r "*hook='nextflow'" "*experiment='Z4KQ-STAS'" "*skip='yes'"
#
#   *skip   'yes' gives up the first event of *experiment that *hook does not take, so that the next ones follow; it stays in the outbox
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
# The same as JSON: mrdata rule events_waiting, mrdata rule event_skip '{"hook": ..., "experiment": ...}'
def main(rule_args, callback, rei):
    import json
    import time

    hook, experiment, skip = (irods_rule_vars['*' + name][1:-1] for name in ('hook', 'experiment', 'skip'))
    if skip == 'yes':
        reply = json.loads(callback.mrdata_event_skip(json.dumps({'hook': hook, 'experiment': experiment}), '')['arguments'][1])
        callback.writeLine('stdout', 'Error: ' + reply['error'] if 'error' in reply else 'Given up: ' + reply['skipped'])
        return
    reply = json.loads(callback.mrdata_events_waiting('{}', '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for one in reply['waiting']:
        due = time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(one['due'])) if one['due'] else 'at once'
        told = (one['hook'], one['experiment'], len(one['names']), one['tries'], due)
        callback.writeLine('stdout', '%s %s: %d events, %d tries, next %s' % told)
    if not reply['waiting']:
        callback.writeLine('stdout', 'No event waits.')
INPUT *hook="", *experiment="", *skip="no"
OUTPUT ruleExecOut
