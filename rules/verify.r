# Proves that nothing is lost: every landed byte is in landing, in the archive, in quarantine or set aside, and is what it was.
#
#   irule -r irods_rule_engine_plugin-python-instance -F verify.r
#   irule -r irods_rule_engine_plugin-python-instance -F verify.r "*checksums='no'"
#
#   *checksums   'yes' (the default) reads every byte of every replica again, which takes its time; 'no' asks the catalog only
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...). On the landing host,
# `mrdata verify` also compares the files of the landing zone. The same as JSON: mrdata rule verify
def main(rule_args, callback, rei):
    import json

    request = {'checksums': irods_rule_vars['*checksums'][1:-1] != 'no'}
    reply = json.loads(callback.mrdata_verify(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    callback.writeLine('stdout', 'archived: %d' % reply['archived'])
    for reason, count in sorted(reply['quarantined'].items()):
        callback.writeLine('stdout', 'quarantined, %s: %d' % (reason, count))
    callback.writeLine('stdout', 'in landing: %d' % reply['landing'])
    callback.writeLine('stdout', 'set aside (copies of what is archived): %d' % reply['set_aside'])
    for path in reply['undescribed']:
        callback.writeLine('stdout', 'not described: ' + path)
    for path in reply['lost']:
        callback.writeLine('stdout', 'LOST ' + path)
    for path in reply['busy']:
        callback.writeLine('stdout', 'busy, verify again later: ' + path)
    sound = not reply['lost'] and not reply['undescribed'] and not reply['busy']
    callback.writeLine('stdout', 'Every byte is accounted for.' if sound else 'NOT everything is as it should be.')
INPUT *checksums="yes"
OUTPUT ruleExecOut
