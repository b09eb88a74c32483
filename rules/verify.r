# Proves that nothing is lost: every landed byte is in landing, in the archive, in quarantine or set aside, and is what it was;
# finalized experiments are what their manifests say; the vault holds no file that no object names.
#
#   irule -r irods_rule_engine_plugin-python-instance -F verify.r
#   irule -r irods_rule_engine_plugin-python-instance -F verify.r "*checksums='no'"
#   irule -r irods_rule_engine_plugin-python-instance -F verify.r "*experiment='Z4KQ-STAS'"
#
#   *checksums    'yes' (the default) reads every byte of every replica again, which takes long; 'no' asks the catalog only
#   *experiment   only the objects of this experiment;  *study  only those of this study
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...), on the server that has the vault.
# `mrdata verify` on the landing host also looks at intake and mailbox. The same as JSON: mrdata rule verify
def main(rule_args, callback, rei):
    import json

    given = {key: irods_rule_vars['*' + key][1:-1] for key in ('checksums', 'experiment', 'study')}
    request = {'checksums': given['checksums'] != 'no', 'experiment': given['experiment'], 'study': given['study']}
    reply = json.loads(callback.mrdata_verify(json.dumps(request), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    callback.writeLine('stdout', 'archived: %d' % reply['archived'])
    for reason, count in sorted(reply['quarantined'].items()):
        callback.writeLine('stdout', 'quarantined, %s: %d' % (reason, count))
    callback.writeLine('stdout', 'in landing: %d' % reply['landing'])
    callback.writeLine('stdout', 'set aside (copies of what is archived): %d' % reply['set_aside'])
    callback.writeLine('stdout', 'manifests: %d' % reply['manifests'])
    titles = {'lost': 'LOST', 'without_origin': 'WITHOUT ORIGIN', 'manifest': 'NOT AS IN THE MANIFEST', 'landed_again': 'LANDED AGAIN, AND LOST'}
    titles.update({'only_in_trash': 'ONLY IN THE TRASH', 'orphan': "IN THE VAULT, AND NO OBJECT'S", 'unseen': 'NOT LOOKED AT'})
    titles['busy'] = 'busy, verify again later'
    for kind, title in titles.items():
        for line in reply[kind]:
            callback.writeLine('stdout', '%s: %s' % (title, line))
    callback.writeLine('stdout', reply['verdict'])
INPUT *checksums="yes", *experiment="", *study=""
OUTPUT ruleExecOut
