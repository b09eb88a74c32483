# Shows the state of the verification of checksums: the oldest, the forecast, this and other years, what is damaged now.
#
#   irule -r irods_rule_engine_plugin-python-instance -F fixity_status.r
#   irule -r irods_rule_engine_plugin-python-instance -F fixity_status.r "*resume='yes'"
#   irule -r irods_rule_engine_plugin-python-instance -F fixity_status.r "*drill='20'"
#   irule -r irods_rule_engine_plugin-python-instance -F fixity_status.r "*report='2026'"
#
#   *resume   'yes' goes on after a whole resource was found to be damaged, and runs once
#   *drill    number of random objects to read back now
#   *report   writes the report of a year into <home>/fixity/reports
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...).
# The same as JSON: mrdata rule fixity_status, fixity '{"resume": true}', fixity_drill '{"objects": 20}', fixity_report '{"year": 2026}'
def main(rule_args, callback, rei):
    import json

    def answer(rule, request):
        reply = json.loads(rule(json.dumps(request), '')['arguments'][1])
        if 'error' in reply:
            callback.writeLine('stdout', 'Error: ' + reply['error'])
        return reply

    resume, drill, report = (irods_rule_vars['*' + name][1:-1] for name in ('resume', 'drill', 'report'))
    if resume == 'yes':
        answer(callback.mrdata_fixity, {'resume': True})
    if drill.isdigit():
        for one in answer(callback.mrdata_fixity_drill, {'objects': int(drill)}).get('results', []):
            callback.writeLine('stdout', 'read back %s (%d bytes): %s' % (one['path'], one['size'], one['fault'] or 'as it was'))
    if report.isdigit():
        for path in answer(callback.mrdata_fixity_report, {'year': int(report)}).get('paths', []):
            callback.writeLine('stdout', path)
    reply = answer(callback.mrdata_fixity_status, {})
    if 'error' in reply:
        return
    callback.writeLine('stdout', 'verified longest ago: %s' % (reply['oldest'] or 'nothing yet'))
    callback.writeLine('stdout', 'forecast: never older than %d days' % reply['forecast_days'])
    callback.writeLine('stdout', 'in all replicas: %d bytes' % reply['total'])
    if reply['halted']:
        callback.writeLine('stdout', 'HALTED: look at the resource ' + reply['halted'])
    for year, counts in sorted(reply['years'].items()):
        callback.writeLine('stdout', year + ': ' + ', '.join('%s %d' % pair for pair in counts.items()))
    for path, fault in sorted(reply['faults'].items()):
        callback.writeLine('stdout', '%s %s' % (fault.upper(), path))
INPUT *resume="no", *drill="", *report=""
OUTPUT ruleExecOut
