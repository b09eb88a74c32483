# Stops a delay rule: takes it out of the queue. A run that has begun still ends.
#
#   irule -r irods_rule_engine_plugin-python-instance -F sweep_stop.r
#   irule -r irods_rule_engine_plugin-python-instance -F sweep_stop.r "*rule='archive'"
#
#   *rule   'sweep' (the default), 'archive', 'events', 'fixity', 'lifecycle' or 'board'
#
# While the sweep is stopped, what ordinary users put into landing stays there, and so does what failed; nothing is lost.
# To be run by any administrator. sweep_schedule.r starts it again.
def main(rule_args, callback, rei):
    import subprocess

    from genquery import Query

    rule = irods_rule_vars['*rule'][1:-1]
    rules = ('sweep', 'archive', 'events', 'fixity', 'lifecycle', 'board')
    if rule not in rules:
        callback.writeLine('stdout', 'Error: *rule is one of ' + ', '.join(rules))
        return
    # No microservice takes a rule out of the queue: the command does it, as the service account of the server.
    numbers = list(Query(callback, 'RULE_EXEC_ID', "RULE_EXEC_NAME like '%%mrdata_%s(%%'" % rule))
    for number in numbers:
        done = subprocess.run(['iqdel', number], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            callback.writeLine('stdout', 'Error: iqdel %s: %s' % (number, (done.stderr or done.stdout).strip()))
            return
        callback.writeLine('stdout', 'mrdata_%s (delay rule %s) is stopped.' % (rule, number))
    if not numbers:
        callback.writeLine('stdout', 'mrdata_%s was not scheduled.' % rule)
INPUT *rule="sweep"
OUTPUT ruleExecOut
