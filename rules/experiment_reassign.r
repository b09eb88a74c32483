# Re-files a session under the right ExperimentID: from quarantine, or from an experiment whose ID was typed by mistake.
#
#   irule -r irods_rule_engine_plugin-python-instance -F experiment_reassign.r "*source='/tempZone/home/mrdata/quarantine/94T/20260102_0f3a9c1e'" "*to='Z4KQ-STAS'"
#
#   *source   a collection or an object in quarantine or in an experiment, or an ExperimentID
#   *to       the ExperimentID it belongs to
#   *commit   'no' (the default) says what would happen; 'yes' does it
#   *accept_personal_data   'yes' also files data that show who the person is
#
# Only administrators can run rule files. The same as JSON:
#   mrdata rule experiment_reassign '{"source": "...", "to": "...", "dry_run": true}'
def main(rule_args, callback, rei):
    import json

    request = {name: irods_rule_vars['*' + name][1:-1] for name in ('source', 'to', 'commit', 'accept_personal_data')}
    request['dry_run'] = request.pop('commit') != 'yes'
    request['accept_personal_data'] = request['accept_personal_data'] == 'yes'
    reply = json.loads(callback.mrdata_experiment_reassign(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for move in reply['moves']:
        callback.writeLine('stdout', '%s\n  -> %s  %s' % (move['source'], move['target'] or 'stays', move['note']))
    moved = sum(1 for move in reply['moves'] if move['target'])
    if reply['dry_run']:
        callback.writeLine('stdout', "%d of %d objects would be re-filed; nothing was changed. To do it: *commit='yes'" % (moved, len(reply['moves'])))
    else:
        callback.writeLine('stdout', '%d of %d objects were re-filed.' % (moved, len(reply['moves'])))
INPUT *source="", *to="", *commit="no", *accept_personal_data="no"
OUTPUT ruleExecOut
