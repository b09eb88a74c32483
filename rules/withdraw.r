# Withdraws an experiment, or a subject with all its experiments: out of search and out of reach at once, erased later.
#
#   irule -r irods_rule_engine_plugin-python-instance -F withdraw.r "*experiment='Z4KQ-STAS'"
#   irule -r irods_rule_engine_plugin-python-instance -F withdraw.r "*study='pain'" "*pseudonym='P1'" "*commit='yes'"
#
#   *experiment             an ExperimentID; or
#   *study, *pseudonym      a subject
#   *commit                 'no' (the default) says what would happen; 'yes' does it
#   *reason                 for the audit log: 'consent was withdrawn', 'registered or scanned by mistake' or 'another reason'
#   *by                     the data steward who decides; default: the user who runs this
#
# What derives from it is found by the AVU DerivedFrom and withdrawn with it. See docs/explanation/withdrawal.md, and restore.r.
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
# The same as JSON: mrdata rule withdraw '{"experiment": "...", "dry_run": true}'
def main(rule_args, callback, rei):
    import json

    given = {name: irods_rule_vars['*' + name][1:-1] for name in ('experiment', 'study', 'pseudonym', 'reason', 'by', 'commit')}
    request = {name: text for name, text in given.items() if text and name != 'commit'}
    request['dry_run'] = given['commit'] != 'yes'
    reply = json.loads(callback.mrdata_withdraw(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for plan in reply['experiments']:
        callback.writeLine('stdout', '%s (%s): %d objects, %d bytes' % (plan['experiment'], plan['state'], plan['objects'], plan['size']))
        for what in ('derived', 'quarantine', 'conflicts'):
            for text in plan[what]:
                callback.writeLine('stdout', '  %s: %s' % (what, text))
    if reply['dry_run']:
        callback.writeLine('stdout', "Nothing was changed. To do it: *commit='yes'")
    else:
        callback.writeLine('stdout', 'Withdrawn. It can be restored for %g days (restore.r).' % reply['days'])
INPUT *experiment="", *study="", *pseudonym="", *reason="", *by="", *commit="no"
OUTPUT ruleExecOut
