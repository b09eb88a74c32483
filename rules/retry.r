# Tries at once to place an object that rests in landing, without waiting for its next try.
#
#   irule -r irods_rule_engine_plugin-python-instance -F retry.r "*path='/tempZone/home/mrdata/landing/94T/dicom/1/00001.IMA'"
#
#   *path   a data object in landing
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...). The same as JSON:
#   mrdata rule retry '{"path": "..."}'
def main(rule_args, callback, rei):
    import json

    request = {'path': irods_rule_vars['*path'][1:-1]}
    reply = json.loads(callback.mrdata_retry(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    detail = ' (%s)' % reply['detail'] if reply['detail'] else ''
    callback.writeLine('stdout', '%s: %s%s' % (reply['what'], reply['path'], detail))
INPUT *path=""
OUTPUT ruleExecOut
