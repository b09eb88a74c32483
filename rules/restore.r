# Restores what was withdrawn and is not erased yet.
#
#   irule -r irods_rule_engine_plugin-python-instance -F restore.r "*experiment='Z4KQ-STAS'"
#   irule -r irods_rule_engine_plugin-python-instance -F restore.r "*study='pain'" "*pseudonym='P1'"
#
#   *experiment             an ExperimentID; or
#   *study, *pseudonym      a subject, with all its experiments
#   *by                     the data steward who decides; default: the user who runs this
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
def main(rule_args, callback, rei):
    import json

    given = {name: irods_rule_vars['*' + name][1:-1] for name in ('experiment', 'study', 'pseudonym', 'by')}
    reply = json.loads(callback.mrdata_restore(json.dumps({n: text for n, text in given.items() if text}), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    callback.writeLine('stdout', '%s is restored.' % reply['restored'])
    for text in reply['elsewhere']:
        callback.writeLine('stdout', text)
INPUT *experiment="", *study="", *pseudonym="", *by=""
OUTPUT ruleExecOut
