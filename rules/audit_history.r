# Shows what was done to an experiment, from the audit log. Without an experiment, shows the anchor of the log's end: keep it elsewhere.
#
#   irule -r irods_rule_engine_plugin-python-instance -F audit_history.r "*experiment='Z4KQ-STAS'"
#
# To check without a zone whether somebody changed the log:
#   iget -r /tempZone/home/mrdata/audit; mrdata audit verify audit --anchor <an anchor that was kept>
def main(rule_args, callback, rei):
    import json

    experiment = irods_rule_vars['*experiment'][1:-1]
    if not experiment:
        reply = json.loads(callback.mrdata_audit_end('{}', '')['arguments'][1])
        callback.writeLine('stdout', reply.get('anchor') or 'Error: ' + reply['error'])
        return
    reply = json.loads(callback.mrdata_audit_history(json.dumps({'experiment': experiment}), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for entry in reply['entries']:
        details = ' '.join('%s=%s' % detail for detail in sorted(entry['details'].items()))
        callback.writeLine('stdout', '%s  %s  %s  %s' % (entry['time'], entry['who'], entry['act'], details))
INPUT *experiment=""
OUTPUT ruleExecOut
