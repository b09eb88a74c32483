# Discards a session in quarantine that belongs to no experiment: it is erased after discard.days. Until then it can still be kept.
#
#   irule -r irods_rule_engine_plugin-python-instance -F quarantine_discard.r "*session='/zone/home/mrdata/quarantine/94T/20260102_0f3a9c1e'" "*reason='a phantom or a test'"
#
#   *session   its path, as quarantine_list.r shows it
#   *reason    'a phantom or a test', 'scanned or exported by mistake', 'not data of a study: notes, programs, exports of others',
#              'archived under an experiment already' or 'another reason'
#   *commit    'no' (the default) says what would happen; 'yes' does it; 'keep' takes it back
#   *by        the data steward who decides; default: the user who runs this
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
# The same as JSON: mrdata rule quarantine_discard '{"session": "...", "reason": "...", "dry_run": true}'
def main(rule_args, callback, rei):
    import json

    given = {name: irods_rule_vars['*' + name][1:-1] for name in ('session', 'reason', 'by', 'commit')}
    request = {name: given[name] for name in ('session', 'reason', 'by') if given[name]}
    if given['commit'] == 'keep':
        request.pop('reason', None)
        reply = json.loads(callback.mrdata_quarantine_keep(json.dumps(request), '')['arguments'][1])
    else:
        request['dry_run'] = given['commit'] != 'yes'
        reply = json.loads(callback.mrdata_quarantine_discard(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
    elif given['commit'] == 'keep':
        callback.writeLine('stdout', 'The session is kept.')
    elif reply['dry_run']:
        callback.writeLine('stdout', "%d objects, %d bytes would be discarded; nothing was changed. To do it: *commit='yes'" % (reply['objects'], reply['bytes']))
    else:
        callback.writeLine('stdout', '%d objects, %d bytes are discarded, and erased in %g days.' % (reply['objects'], reply['bytes'], reply['days']))
INPUT *session="", *reason="", *by="", *commit="no"
OUTPUT ruleExecOut
