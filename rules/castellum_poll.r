# Polls Castellum now, as the delay rule does, and says what has changed.
#
#   irule -r irods_rule_engine_plugin-python-instance -F castellum_poll.r
#   irule -r irods_rule_engine_plugin-python-instance -F castellum_poll.r "*accept_smaller='pain'"
#
#   *accept_smaller   studies (separated by commas; * is the list of studies) whose answer may be much smaller than before
#   *check            'yes' compares the whole zone with git, and mends it
#   *new_history      'yes' begins a new history if the git repository is lost permanently
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...). The same as JSON:
#   mrdata rule castellum_poll '{"accept_smaller": ["pain"]}'
def main(rule_args, callback, rei):
    import json

    given = {name: irods_rule_vars['*' + name][1:-1] for name in ('accept_smaller', 'check', 'new_history')}
    request = {'accept_smaller': [study.strip() for study in given['accept_smaller'].split(',') if study.strip()]}
    request.update((name, given[name] == 'yes') for name in ('check', 'new_history'))
    reply = json.loads(callback.mrdata_castellum_poll(json.dumps(request), '')['arguments'][1])
    for key in ('error', 'alarm', 'running', 'push_error'):
        if reply.get(key):
            callback.writeLine('stdout', '%s: %s' % (key.replace('_', ' ').capitalize(), reply[key]))
    if reply.get('paused'):
        callback.writeLine('stdout', 'Polls are paused since %s; castellum_schedule.r goes on.' % reply['paused'])
    if 'changes' not in reply:
        return
    for study, fault in sorted(reply['faults'].items()):
        callback.writeLine('stdout', 'Study %s stays as it was: %s' % (study, fault))
    for refusal in reply['refused']:
        callback.writeLine('stdout', 'Refused: %(attribute)s of %(study)s/%(pseudonym)s %(reason)s' % refusal)
    for subject in reply['still_exported']:
        callback.writeLine('stdout', 'Castellum still exports %s, which was erased here.' % subject)
    for study, names in sorted(reply['without_account'].items()):
        callback.writeLine('stdout', 'Study %s: no account for %s' % (study, ', '.join(names)))
    changed = ', '.join('%d %s' % (number, what) for what, number in sorted(reply['changes'].items()))
    callback.writeLine('stdout', '%s (%s studies, %d requests, %s s)' % (changed or 'Nothing has changed.', reply['studies'], reply['requests'], reply['seconds']))
INPUT *accept_smaller="", *check="no", *new_history="no"
OUTPUT ruleExecOut
