# Lists the questions that wait for a data steward; with a verdict, answers one of them.
#
#   irule -r irods_rule_engine_plugin-python-instance -F reviews.r
#   irule -r irods_rule_engine_plugin-python-instance -F reviews.r "*closed='yes'"
#   irule -r irods_rule_engine_plugin-python-instance -F reviews.r "*key='Z4KQ-STAS 2026-03-02T10:00:00Z'" "*verdict='erase: the subject insists'"
#
#   *closed    'yes' also lists what was answered
#   *key       what the review is about, as the list shows it; without it, reviews are listed
#   *verdict   what was decided, and why; it cannot be changed. MrData acts on its beginning:
#                withdrawal            'erase' lets the experiment be erased; otherwise it stays hidden as long as something speaks against erasing it
#                vanished pseudonym    'keep' lets experiments be registered for it again
#              All other kinds only leave the list.
#   *kind      needed only where reviews of several kinds have the same key
#   *by        the data steward who decides; default: the user who runs this
#
# To be run by the service account (as another administrator: clientUserName=mrdata irule ...). Data stewards have the page Reviews.
# The same as JSON: mrdata rule reviews; mrdata rule review_close '{"key": "...", "verdict": "..."}'
def main(rule_args, callback, rei):
    import json

    given = {name: irods_rule_vars['*' + name][1:-1] for name in ('key', 'verdict', 'kind', 'by', 'closed')}
    if given['key']:
        request = {name: given[name] for name in ('key', 'verdict', 'kind', 'by')}
        reply = json.loads(callback.mrdata_review_close(json.dumps(request), '')['arguments'][1])
        if 'error' in reply:
            callback.writeLine('stdout', 'Error: ' + reply['error'])
        else:
            callback.writeLine('stdout', '%s: %s (%s)' % (reply['key'], reply['verdict'], reply['by']))
        return
    reply = json.loads(callback.mrdata_reviews(json.dumps({'closed': given['closed'] == 'yes'}), '')['arguments'][1])
    if 'error' in reply:
        callback.writeLine('stdout', 'Error: ' + reply['error'])
        return
    for review in reply['reviews']:
        callback.writeLine('stdout', '%s (since %s)' % (review['kind'], review['opened']))
        callback.writeLine('stdout', '  key: ' + review['key'])
        callback.writeLine('stdout', '  ' + review['text'])
        if review['closed']:
            callback.writeLine('stdout', '  verdict of %s, %s: %s' % (review['by'], review['closed'], review['verdict']))
    if not reply['reviews']:
        callback.writeLine('stdout', 'Nothing waits for a data steward.')
INPUT *key="", *verdict="", *kind="", *by="", *closed="no"
OUTPUT ruleExecOut
