# Reads a metadata.yaml of Expanded Data again and sets its AVUs: after the site's settings (expanded.attributes) have changed.
#
#   irule -r irods_rule_engine_plugin-python-instance -F expanded_describe.r "*path='/tempZone/home/mrdata/studies/pain/experiments/Z4KQ-STAS/EXP_DATA/metadata.yaml'"
#
#   *path   a metadata.yaml below EXP_DATA
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...). The same as JSON:
#   mrdata rule expanded_describe '{"path": "..."}'
def main(rule_args, callback, rei):
    import json

    request = {'path': irods_rule_vars['*path'][1:-1]}
    reply = json.loads(callback.mrdata_expanded_describe(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    callback.writeLine('stdout', '%d AVUs' % reply['taken'])
    for fault in reply['refused']:
        callback.writeLine('stdout', 'refused: ' + fault)
INPUT *path=""
OUTPUT ruleExecOut
