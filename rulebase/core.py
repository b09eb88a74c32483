"""The rulebase that iRODS calls: one function for each policy enforcement point and each callable rule, without logic.

The rule engine starts a Python interpreter and imports this module for each client connection. So this module imports
nothing that costs time, and a policy enforcement point outside landing returns at once. Every public name is a rule
that clients can call; the names of helpers begin with an underscore.
"""

import os as _os
import sys as _sys

_SETTINGS = _os.environ.get("MRDATA_SETTINGS", "/etc/irods/mrdata.yaml")
# The release of this file, with links resolved: an agent keeps its release while another one is being installed.
_LIBRARY = _os.environ.get("MRDATA_LIBRARY") or _os.path.dirname(_os.path.dirname(_os.path.realpath(__file__)))
_LANDING = "/home/mrdata/landing/"
_CONTINUE = 5000000  # RULE_ENGINE_CONTINUE: other sites' policies run as well
_NO_PRIVILEGE = -13000  # SYS_NO_API_PRIV
_LOCAL_ADMIN = 5  # authFlag of a rodsadmin of this zone; one of another zone has 4 and does not count
_agents: list = []


def _agent():
    """Returns this connection's agent; makes it at the first call."""
    if not _agents:
        _library()
        from microservices.rules.rule_agent import Agent

        _agents.append(Agent(_SETTINGS))
    return _agents[0]


def _library():
    """Makes the release importable."""
    if _LIBRARY not in _sys.path:
        _sys.path.insert(0, _LIBRARY)


def _enforcement_point(function):
    """Wraps a policy enforcement point: it never raises and never stops another policy.

    Its errors are logged; the sweep then does its work later.
    """

    def call(rule_args, callback, rei):
        try:
            function(rule_args, callback, rei)
        except BaseException as error:
            try:  # noqa: SIM105 - contextlib costs time at import
                callback.writeLine("serverLog", f"MrData: {function.__name__}: {type(error).__name__}{_where(error)}")
            except BaseException:  # noqa: S110 - there is nobody left to tell
                pass
        return _CONTINUE

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    return call


def _where(error):
    """Says where an error came from, without its text, which may hold the name of a file."""
    code, last = getattr(error, "code", 0), error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {_os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}" if last else ""
    return (f" {code}" if code else "") + place


def _rule(name):
    """Makes a callable rule: it takes JSON text in the first argument and returns JSON text in the second."""

    def call(rule_args, callback, rei):
        _agent().answer(name, rule_args, callback, rei)

    return call


# --- policy enforcement points --------------------------------------------------------------------------------------


def pep_api_phy_path_reg_pre(rule_args, callback, rei):
    """`ireg`: decides before the registration and rewrites the path. Administrators only."""
    return (
        _administrators(rule_args, callback, rei)
        if rei.uoic.authInfo.authFlag < _LOCAL_ADMIN
        else _place(rule_args, callback, rei)
    )


@_enforcement_point
def _place(rule_args, callback, rei):
    if _LANDING in str(rule_args[2].objPath):
        _agent().registering(rule_args, callback, rei)


@_enforcement_point
def pep_api_phy_path_reg_post(rule_args, callback, rei):
    """Describes what `ireg` registered in its place."""
    if _agents:
        _agent().registered(rule_args, callback, rei)


@_enforcement_point
def pep_api_bulk_data_obj_reg_post(rule_args, callback, rei):
    """Describes a batch of the landing host."""
    _agent().registered_all(rule_args, callback, rei)


@_enforcement_point
def pep_api_data_obj_put_post(rule_args, callback, rei):
    """`iput`: places the object."""
    path = str(rule_args[2].objPath)
    if _LANDING in path:
        _agent().arrived(path, callback, rei)


@_enforcement_point
def pep_api_bulk_data_obj_put_post(rule_args, callback, rei):
    """`iput -b`: places up to 50 objects."""
    objects = rule_args[2].attriArray
    for i in range(objects.rowCnt):
        path = str(objects.sqlResult[0].row(i))
        if _LANDING in path:
            _agent().arrived(path, callback, rei)


@_enforcement_point
def pep_api_data_obj_copy_post(rule_args, callback, rei):
    """`icp`: places the copy."""
    path = str(rule_args[2].destDataObjInp.objPath)
    if _LANDING in path:
        _agent().arrived(path, callback, rei)


@_enforcement_point
def pep_api_data_obj_rename_post(rule_args, callback, rei):
    """`imv` of an object: places it. The sweep places the objects of a collection that was moved into landing."""
    path = str(rule_args[2].destDataObjInp.objPath)
    if _LANDING in path:
        _agent().arrived(path, callback, rei)


# --- what iRODS leaves open to every user of the zone, and MrData does not ------------------------------------------
# docs/reference/closed-doors.md says what each would do. These refuse when anything is in doubt.


def _administrators(rule_args, callback, rei):
    return _CONTINUE if rei.uoic.authInfo.authFlag >= _LOCAL_ADMIN else _NO_PRIVILEGE


def _administrators_and_servers(rule_args, callback, rei):
    """Lets other servers of the zone pass too: they act for a user as administrators, after their own policies."""
    return _CONTINUE if max(rei.uoic.authInfo.authFlag, rei.uoip.authInfo.authFlag) >= _LOCAL_ADMIN else _NO_PRIVILEGE


def _without(*keywords):
    """Lets everybody pass, unless the request has one of these keywords."""

    def call(rule_args, callback, rei):
        if rei.uoic.authInfo.authFlag >= _LOCAL_ADMIN:
            return _CONTINUE
        _library()
        from microservices.rules.request_keywords import keywords_of

        return _NO_PRIVILEGE if keywords_of(rule_args[2]).intersection(keywords) else _CONTINUE

    return call


# Rules and delay rules run Python as the service account.
pep_api_exec_my_rule_pre = _administrators  # irule, and the rules of clients
pep_api_exec_rule_expression_pre = _administrators  # the delay server, for who submitted the rule
pep_api_rule_exec_submit_pre = _administrators  # a delay rule that another server submits
# Predefined SQL checks no permissions. A ticket stays valid after placing the object took its owner's permission.
pep_api_specific_query_pre = _administrators
pep_api_ticket_admin_pre = _administrators


def pep_api_genquery2_pre(rule_args, callback, rei):
    """`iquery`: ordinary users may send only queries that cannot evade permissions."""
    if rei.uoic.authInfo.authFlag >= _LOCAL_ADMIN:
        return _CONTINUE
    _library()
    from microservices.rules.genquery2_guard import may_send

    return _CONTINUE if may_send(rule_args[2]) else _NO_PRIVILEGE


# Registers a file of the server without checking who may read it.
def pep_api_bulk_data_obj_reg_pre(rule_args, callback, rei):
    """Batches of the landing host: only files about which this connection has decided."""
    return _CONTINUE if _agent().registering_all(rule_args, callback, rei) else _NO_PRIVILEGE


pep_api_register_physical_path_pre = _administrators
pep_api_reg_data_obj_pre = _administrators_and_servers
pep_api_unreg_data_obj_pre = _administrators_and_servers
# Mounts a folder of the server as a collection.
pep_api_coll_create_pre = _without("collectionType", "collectionInfo1", "collectionInfo2")
pep_api_reg_coll_pre = pep_api_mod_coll_pre = pep_api_coll_create_pre
# Moves a file of the vault to any path of the server, or makes a folder there.
pep_api_data_obj_rename_pre = _without("filePath")
pep_api_bulk_data_obj_put_pre = pep_api_data_obj_rename_pre
# Writes to a file that was opened for reading.
pep_api_l3_file_put_single_buf_pre = _administrators
# Treats every user as an administrator: obeys the keywords of the request.
pep_api_data_object_modify_info_pre = _administrators
# These work on archives and folders of the server that the request names, run plug-ins as the server's account for any
# client, and list who is connected.
pep_api_struct_file_bundle_pre = _administrators
pep_api_struct_file_ext_and_reg_pre = _administrators
pep_api_struct_file_extract_pre = _administrators
pep_api_struct_file_sync_pre = _administrators
pep_api_sub_struct_file_get_pre = _administrators
pep_api_sub_struct_file_put_pre = _administrators
pep_api_sync_mounted_coll_pre = _administrators
pep_experimental_api_adaptor_pre = _administrators
pep_api_proc_stat_pre = _administrators_and_servers


# --- callable rules -------------------------------------------------------------------------------------------------

mrdata_prepare = _rule("prepare")
mrdata_prepared = _rule("prepared")
mrdata_take_in = _rule("take_in")
mrdata_study = _rule("study")
mrdata_register = _rule("register")
mrdata_sweep = _rule("sweep")
mrdata_sweep_every = _rule("sweep_every")
mrdata_archive = _rule("archive")
mrdata_archive_every = _rule("archive_every")
mrdata_retry = _rule("retry")
mrdata_describe = _rule("describe")
mrdata_batch = _rule("batch")
mrdata_volume = _rule("volume")
mrdata_quarantine_list = _rule("quarantine_list")
mrdata_quarantine_discard = _rule("quarantine_discard")
mrdata_quarantine_keep = _rule("quarantine_keep")
mrdata_experiment_reassign = _rule("experiment_reassign")
mrdata_experiment_take_back = _rule("experiment_take_back")
mrdata_expanded_describe = _rule("expanded_describe")
mrdata_verify = _rule("verify")
mrdata_events = _rule("events")
mrdata_events_every = _rule("events_every")
mrdata_events_waiting = _rule("events_waiting")
mrdata_event_skip = _rule("event_skip")
mrdata_board = _rule("board")
mrdata_board_every = _rule("board_every")
mrdata_fixity = _rule("fixity")
mrdata_fixity_every = _rule("fixity_every")
mrdata_fixity_check = _rule("fixity_check")
mrdata_fixity_status = _rule("fixity_status")
mrdata_fixity_drill = _rule("fixity_drill")
mrdata_fixity_report = _rule("fixity_report")
mrdata_castellum_poll = _rule("castellum_poll")
mrdata_castellum_schedule = _rule("castellum_schedule")
mrdata_castellum_poll_every = _rule("castellum_poll_every")  # as setting up the zone calls it: a pause stays
mrdata_castellum_pause = _rule("castellum_pause")
mrdata_castellum_status = _rule("castellum_status")
mrdata_castellum_changes = _rule("castellum_changes")
mrdata_reviews = _rule("reviews")
mrdata_review_close = _rule("review_close")
mrdata_lifecycle = _rule("lifecycle")
mrdata_lifecycle_every = _rule("lifecycle_every")
mrdata_experiment_finish = _rule("experiment_finish")
mrdata_experiment_finalize = _rule("experiment_finalize")
mrdata_experiment_reopen = _rule("experiment_reopen")
mrdata_experiment_accept_late = _rule("experiment_accept_late")
mrdata_retention_extend = _rule("retention_extend")
mrdata_withdraw = _rule("withdraw")
mrdata_restore = _rule("restore")
mrdata_audit_history = _rule("audit_history")
mrdata_audit_end = _rule("audit_end")
mrdata_health = _rule("health")
