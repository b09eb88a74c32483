# Lists the sessions in quarantine: why, since when, what was typed at the scanner, and which experiments may be meant.
#
#   irule -r irods_rule_engine_plugin-python-instance -F quarantine_list.r
#
# Only administrators can run rule files. The same as JSON: mrdata rule quarantine_list
def main(rule_args, callback, rei):
    import json

    reply = json.loads(callback.mrdata_quarantine_list('{}', '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for s in reply['sessions']:
        reasons = ', '.join('%s: %d' % item for item in sorted(s['reasons'].items()))
        callback.writeLine('stdout', s['path'])
        callback.writeLine('stdout', '  %d objects since %s (%s)' % (s['objects'], s['since'], reasons))
        if s['header_says']:
            callback.writeLine('stdout', '  typed at the scanner: ' + s['header_says'])
        for detail in s['details']:
            callback.writeLine('stdout', '  ' + detail)
        for c in s['candidates']:
            e = c['experiment']
            text = '  candidate %s (%d wrong): study %s, %s, registered %s by %s'
            callback.writeLine('stdout', text % (e['id'], c['distance'], e['study'], e['scanner'], e['registered'], e['owner']))
    if not reply['sessions']:
        callback.writeLine('stdout', 'The quarantine is empty.')
INPUT null
OUTPUT ruleExecOut
