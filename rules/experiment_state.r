# Finishes, finalizes or reopens an experiment.
#
#   irule -r irods_rule_engine_plugin-python-instance -F experiment_state.r "*experiment='Z4KQ-STAS'" "*to='finalize'"
#
#   *experiment   the ExperimentID
#   *to           'finish': the scan is over and all files are there; 'finalize': read-only, with a manifest, as soon as all of it is archived;
#                 'reopen': a finalized one accepts files again (data stewards)
#   *by           the owner or the data steward who decides; default: the user who runs this
#
# To file late files of a finalized experiment, with a further manifest:
#   mrdata rule experiment_accept_late '{"session": "/tempZone/home/mrdata/quarantine/...", "experiment": "Z4KQ-STAS"}'
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
def main(rule_args, callback, rei):
    import json

    given = {name: irods_rule_vars['*' + name][1:-1] for name in ('experiment', 'to', 'by')}
    if given['to'] not in ('finish', 'finalize', 'reopen'):
        callback.writeLine('stdout', "Error: *to is one of 'finish', 'finalize', 'reopen'")
        return
    rule = getattr(callback, 'mrdata_experiment_' + given['to'])
    reply = json.loads(rule(json.dumps({'experiment': given['experiment'], 'by': given['by']}), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    waits = '. Finalization waits for ' + reply['waits_for'] if reply.get('waits_for') else ''
    callback.writeLine('stdout', '%s is %s%s.' % (given['experiment'], reply['state'], waits))
INPUT *experiment="", *to="finalize", *by=""
OUTPUT ruleExecOut
