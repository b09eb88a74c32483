# Checks that the rulebase works in this server: imports all that the policies need, and prints the versions.
#
#   irule -r irods_rule_engine_plugin-python-instance -F health.r
#
# For a watchdog: the line begins with OK. If core.py does not work, irule itself fails; uploads go on and stay in landing.
# To be run by any administrator. The same as JSON: mrdata rule health
def main(rule_args, callback, rei):
    import json

    reply = json.loads(callback.mrdata_health('{}', '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    versions = ', '.join('%s %s' % item for item in sorted(reply['versions'].items()))
    callback.writeLine('stdout', 'OK zone %s, as %s, %s' % (reply['zone'], reply['user'], versions))
INPUT null
OUTPUT ruleExecOut
