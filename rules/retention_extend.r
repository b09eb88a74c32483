# Keeps a finalized experiment for longer. It never shortens the time.
#
#   irule -r irods_rule_engine_plugin-python-instance -F retention_extend.r "*experiment='Z4KQ-STAS'" "*until='2046-12-31'"
#
#   *experiment   the ExperimentID
#   *until        the first day on which it may be deleted: year-month-day, later than the one it has
#   *by           the data steward who decides; default: the user who runs this
#
# See docs/explanation/lifecycle.md. To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
# The same as JSON: mrdata rule retention_extend '{"experiment": "...", "until": "..."}'
def main(rule_args, callback, rei):
    import json

    given = {name: irods_rule_vars['*' + name][1:-1] for name in ('experiment', 'until', 'by')}
    reply = json.loads(callback.mrdata_retention_extend(json.dumps(given), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    callback.writeLine('stdout', '%s is kept until %s.' % (given['experiment'], reply['retention_end']))
INPUT *experiment="", *until="", *by=""
OUTPUT ruleExecOut
