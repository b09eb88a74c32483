# Registers an experiment and prints its ExperimentID, which the operator types as Patient Name.
#
#   irule -r irods_rule_engine_plugin-python-instance -F register.r "*study='pain'" "*pseudonym='P1'" "*owner='alice'" "*scanner='94T'" "*scan_type='pilot'"
#
#   *study, *pseudonym   the study and its subject, as Castellum or mrdata_study made them
#   *owner               a member of the study
#   *scanner             a scanner of mrdata.yaml
#   *scan_type           a scan type of mrdata.yaml
#   *url, *description   may be left out
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...). The same as JSON:
#   mrdata rule register '{"study": "pain", "pseudonym": "P1", "owner": "alice", "scanner": "94T", "scan_type": "pilot"}'
def main(rule_args, callback, rei):
    import json

    names = ('study', 'pseudonym', 'owner', 'scanner', 'scan_type', 'url', 'description')
    request = {name: irods_rule_vars['*' + name][1:-1] for name in names}
    reply = json.loads(callback.mrdata_register(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    callback.writeLine('stdout', reply['experiment_id'])
    callback.writeLine('stdout', reply['collection'])
INPUT *study="", *pseudonym="", *owner="", *scanner="", *scan_type="", *url="", *description=""
OUTPUT ruleExecOut
