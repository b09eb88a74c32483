# Undoes a re-filing: moves what was re-filed from a session in quarantine back into that session.
#
#   irule -r irods_rule_engine_plugin-python-instance -F experiment_take_back.r "*to='Z4KQ-STAS'" "*session='94T/20260102_0f3a9c1e'"
#
#   *to        the ExperimentID under which it was re-filed
#   *session   the session's place in quarantine, as the experiment's history shows it: <scanner>/<session>
#
# Only administrators can run rule files. The same as JSON:
#   mrdata rule experiment_take_back '{"to": "...", "session": "94T/20260102_0f3a9c1e"}'
def main(rule_args, callback, rei):
    import json

    request = {name: irods_rule_vars['*' + name][1:-1] for name in ('to', 'session')}
    reply = json.loads(callback.mrdata_experiment_take_back(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for move in reply['moves']:
        callback.writeLine('stdout', '%s\n  -> %s' % (move['source'], move['target']))
    callback.writeLine('stdout', '%d objects are in quarantine again.' % len(reply['moves']))
INPUT *to="", *session=""
OUTPUT ruleExecOut
