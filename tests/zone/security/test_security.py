"""What ordinary users try on a server, and what it answers: docs/reference/closed-doors.md has the list."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from irods.connection import Connection
from irods.exception import iRODSException
from irods.message import iRODSMessage
from irods.ticket import Ticket

from microservices.rules.rule_table import RULES
from policy.zone import Access, Condition, NotPermitted, ZoneError, data_object, layout
from tests.files import dicom
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, STEWARD, T94
from tests.zone.raw import (
    Packed,
    bytes_buffer,
    coll_inp,
    data_obj_info,
    data_obj_inp,
    host,
    pairs,
    send,
    special_collection,
    struct,
)

ENGINES = [
    f"irods_rule_engine_plugin-{name}-instance" for name in ("python", "irods_rule_language", "cpp_default_policy")
]
NO_PRIVILEGE, NO_ACCESS, NOT_ADMIN, NOT_YOURS = "-13000", "-818000", "-830000", "-350000"
HIDDEN = "does not exist or user lacks access permission"


@pytest.fixture
def site(make_site, server):
    if server is None:
        pytest.skip("a server's own answers: the embedded zone speaks no network protocol")
    return make_site()


@pytest.fixture
def paths(site):
    """One image each in Alice's study and in Bob's, one in quarantine: what commands below call {mine}, {theirs}..."""
    mine = site.land(f"{T94}/dicom/1", dicom(site.register()))
    theirs = site.land(f"{T94}/dicom/2", dicom(site.register(study=SLEEP, owner=BOB)))
    site.land(f"{T94}/dicom/3", dicom("SIMPSON^HOMER"))
    site.sweep()
    (quarantined,) = site.paths("quarantine")
    home, local = site.settings.home, site.folder / "local"
    local.write_bytes(b"hello")
    return {
        "mine": mine,
        "mine_collection": layout.parent(mine),
        "theirs": theirs,
        "theirs_collection": layout.parent(theirs),
        "their_study": f"{home}/studies/{SLEEP}",
        "quarantined": f"{home}/{quarantined}",
        "quarantine_collection": layout.parent(f"{home}/{quarantined}"),
        "home": home,
        "zone": site.settings.zone,
        "own": f"/{site.settings.zone}/home/{ALICE}",
        "local": str(local),
        "copy": str(site.folder / "copy"),
        "group": layout.study_group(SLEEP),
        "user": ALICE,
    }


def attempt(site, user: str, *command: str, text: bytes = b"", **environment: str) -> str:
    """What a command of this user says when it fails; the test fails when it succeeds."""
    variables = {**site.server.accounts[user].variables, **environment}
    done = subprocess.run(command, input=text, env=variables, capture_output=True, timeout=120, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode != 0 or "ERROR" in said or "failed" in said, f"{command} succeeded: {said}"
    return said


def state(site, paths) -> dict:
    """All that the attempts might have changed."""
    zone, found = site.connect(), {}
    for name in ("mine", "mine_collection", "theirs", "theirs_collection", "quarantined"):
        path = paths[name]
        found[name] = (sorted(zone.metadata(path)), zone.permissions(path), zone.stat(path))
    below = Condition("COLL_NAME", "like", f"{layout.studies(site.settings)}/%")
    columns = ["COLL_NAME", "DATA_NAME", "DATA_REPL_NUM", "DATA_REPL_STATUS", "DATA_CHECKSUM", "DATA_PATH", "DATA_SIZE"]
    found["replicas"] = sorted(zone.query(columns, below))
    found["members"] = {study: zone.members(layout.study_group(study)) for study in (PAIN, SLEEP)}
    return found


READING = [
    ("ils {their_study}", HIDDEN),
    ("ils {theirs}", HIDDEN),
    ("iget -f {theirs} {copy}", "does not exist|-310000"),
    ("ils {home}", HIDDEN),
    ("ils {home}/quarantine", HIDDEN),
    ("ils {quarantine_collection}", HIDDEN),
    ("ils {home}/reviews", HIDDEN),
    ("ils {home}/audit", HIDDEN),
    ("ils {home}/outbox", HIDDEN),
    ("iget -f {quarantined} {copy}", "does not exist|-310000"),
    ("ils /{zone}/trash/home/mrdata", HIDDEN),
    ("imeta ls -d {theirs}", "does not exist|Cannot|-808000|No rows"),
    ("istream read {theirs}", "Cannot|not"),
    ("irsync {quarantined} {copy}", ""),
    ("icp {theirs} {own}/copy", "does not exist|-310000|-818000"),
    ("ireg /etc/passwd {own}/passwd", NO_PRIVILEGE),
    ("ireg -R demoResc /etc/irods/server_config.json {own}/config", NO_PRIVILEGE),
    ("ireg -r /var/lib/irods/archiveVault {own}/vault", NO_PRIVILEGE),
    ("imcoll -m filesystem -R demoResc /etc {own}/mounted", NO_PRIVILEGE),
    ("imcoll -m link {their_study} {own}/linked", NO_PRIVILEGE),
    ("imcoll -m tar {own}/x.tar {own}/tar", "does not exist|-310000|-13000"),
    ("ibun -x {own}/x.tar {own}/bundle", "does not exist|-310000|-13000"),
    ("ips -a", NO_PRIVILEGE),
    ("izonereport", NO_PRIVILEGE),
    ("iadmin lu", NOT_ADMIN),
    ("iquest --sql ls", NO_PRIVILEGE),
    ("iquest --sql ShowCollAcls {their_study}", NO_PRIVILEGE),
    ("iquest --sql DataObjInCollReCur {their_study}", NO_PRIVILEGE),
    ("iquest --sql|select * from R_USER_PASSWORD", NO_PRIVILEGE),
]
HIDES = ["{their_study}", "{theirs_collection}", "{quarantine_collection}", "{home}", "/{zone}/trash"]
HIDES += [f"{{home}}/{name}" for name in ("studies", "quarantine", "reviews", "audit", "outbox", "withdrawn", "erased")]
QUERIES = [
    *(
        f"iquery|select COLL_NAME, META_COLL_ATTR_VALUE where COLL_NAME like '{path}%' or COLL_NAME = 'x'"
        for path in HIDES
    ),
    *(
        f"iquery|select COLL_NAME, DATA_NAME, DATA_PATH where COLL_NAME = 'x' or (COLL_NAME like '{path}%')"
        for path in HIDES
    ),
    "iquery|select META_DATA_ATTR_VALUE where META_DATA_ATTR_NAME = 'x' or META_DATA_ATTR_NAME like '%'",
    "iquery|select query_to_xml('select * from R_USER_PASSWORD', 'true', 'true', ''), COLL_NAME",
    "iquery|select COLL_NAME, concat('a\\x27, (select rcat_password from R_USER_PASSWORD limit 1), \\x27b')",
    "iquery|select COLL_NAME, pg_sleep('20')",
]
"""GenQuery2, of every place that GenQuery1 hides, and of tables that it does not have."""
WRITING = [
    ("iput {local} {mine_collection}/new", NO_ACCESS),
    ("iput -f {local} {mine}", NO_ACCESS),
    ("imkdir {mine_collection}/new", NO_ACCESS),
    ("iput {local} {home}/studies/new", "-818000|-814000|-808000"),
    ("iput {local} {home}/new", "-818000|-814000|-808000"),
    ("irm {mine}", NO_ACCESS),
    ("irm -f {mine}", NO_ACCESS),
    ("irm -rf {mine_collection}", NO_ACCESS),
    ("iunreg {mine}", NO_ACCESS),
    ("iunreg -M {mine}", ""),
    ("imv {mine} {own}/moved", NO_ACCESS),
    ("imv {mine_collection} {own}/moved", NO_ACCESS),
    ("imv {own} {mine_collection}/moved", NO_ACCESS),
    ("icp {mine} {mine_collection}/copy", NO_ACCESS),
    ("itouch {mine}", "no permission|CAT_NO"),
    ("itouch {mine_collection}/new", "no permission"),
    ("istream write {mine}", "Cannot open"),
    ("istream write {mine_collection}/new", "no permission"),
    ("ichmod own {user} {mine}", NO_ACCESS),
    ("ichmod -M own {user} {mine}", NO_ACCESS),
    ("ichmod -r own {user} {mine_collection}", NO_ACCESS),
    ("ichmod noinherit {mine_collection}", NO_ACCESS),
    ("imeta add -d {mine} a b", NO_ACCESS),
    ("imeta add -C {mine_collection} a b", NO_ACCESS),
    ("imeta -M add -d {mine} a b", NOT_ADMIN),
    ("imeta set -d {mine} SOPInstanceUID 1", NO_ACCESS),
    ("imeta mod -d {mine} LandingPath x v:y", NO_ACCESS),
    ("irepl -R archiveResc {mine}", "-121000"),
    ("irepl -M -R archiveResc {mine}", "-121000"),
    ("iphymv -R archiveResc {mine}", ""),
    ("ichksum -f {mine}", NO_ACCESS),
    ("ichksum -M -f {mine}", NOT_ADMIN),
    ("isysmeta mod {mine} 01", NO_PRIVILEGE),
    ("iadmin modrepl logical_path {mine} replica_number 0 DATA_REPL_STATUS 0", NOT_ADMIN),
    ("iadmin atg {group} {user}", NOT_ADMIN),
    ("igroupadmin atg {group} {user}", NOT_ADMIN),
    ("iadmin moduser {user} type rodsadmin", NOT_ADMIN),
    ("iadmin mkuser eve{user} rodsadmin", NOT_ADMIN),
    ("iadmin asq|select 1|x", NOT_ADMIN),
    ("iadmin mkresc x{user} unixfilesystem localhost:/tmp", NOT_ADMIN),
]
TICKETS = [
    f"iticket create {kind} {{{what}}}"
    for kind in ("read", "write")
    for what in ("mine", "mine_collection", "theirs", "quarantined")
]


def words(command: str, paths: dict[str, str]) -> list[str]:
    parts = command.split("|") if "|" in command else [command]
    return [word.format(**paths) for word in (*parts[0].split(" "), *parts[1:])]


def test_nothing_is_read_outside_ones_studies_and_nothing_is_written(site, paths):
    before, wrong = state(site, paths), []
    for command, expected in [
        *READING,
        *((query, NO_PRIVILEGE) for query in QUERIES),
        *WRITING,
        *((ticket, NO_PRIVILEGE) for ticket in TICKETS),
    ]:
        said = attempt(site, ALICE, *words(command, paths))
        if not re.search(expected, said):
            wrong.append((command, expected, said))
    assert wrong == []
    assert not Path(paths["copy"]).exists()
    assert state(site, paths) == before
    assert site.verify()["sound"]


def test_itrim_of_a_reader_changes_nothing(site, paths):
    """itrim answers 0 objects and succeeds."""
    before = state(site, paths)
    for options in (["-N1"], ["-N1", "-M"]):
        assert "Number of data objects trimmed = 0" in site.server.accounts[ALICE].run("itrim", *options, paths["mine"])
    assert state(site, paths) == before


@pytest.mark.parametrize("user", [ALICE, BOB, STEWARD])
@pytest.mark.parametrize("engine", ["", *ENGINES])
def test_no_rules_in_any_engine(site, user, engine):
    chosen = ["-r", engine] if engine else []
    mark = site.folder / "mark"
    python = f"open({str(mark)!r}, 'w')"
    delayed = f'delayExec("<INST_NAME>{ENGINES[0]}</INST_NAME><PLUSET>1s</PLUSET>", "{python}", "")'
    texts = [
        "writeLine('stdout', 'hi')",
        "mrdata_health('{}', *out)",
        "mrdata_health",
        "msiDataObjUnlink('objPath=/x', *out)",
        delayed,
        python,
        'delay("<PLUSET>1s</PLUSET>") { writeLine("serverLog", "x"); }',
    ]
    for text in texts:
        assert NO_PRIVILEGE in attempt(site, user, "irule", *chosen, text, "null", "ruleExecOut")
    rules = Path(__file__).resolve().parents[3] / "rules"
    assert NO_PRIVILEGE in attempt(site, user, "irule", *chosen, "-F", str(rules / "health.r"))
    assert site.connect().query(["RULE_EXEC_ID"], Condition("RULE_EXEC_USER_NAME", "like", f"{user}%")) == []
    assert not mark.exists()


@pytest.mark.parametrize("user", [ALICE, STEWARD])
def test_no_callable_rule_of_the_rulebase(site, user):
    for name in RULES:
        with pytest.raises(NotPermitted):
            site.connect(user).rule(f"mrdata_{name}", "{}")


def test_other_peoples_delay_rules_stay(site):
    with site.delay_server():
        columns = ["RULE_EXEC_ID", "RULE_EXEC_NAME", "RULE_EXEC_FREQUENCY", "RULE_EXEC_PRIORITY"]
        before = site.connect().query(columns, Condition("RULE_EXEC_NAME", "like", "%mrdata_%"))
        assert before
        for number, *_ in before:
            assert NOT_YOURS in attempt(site, ALICE, "iqdel", number)
            for field, value in (("priority", "1"), ("exeFrequency", "9999s"), ("ruleName", "x")):
                assert NO_PRIVILEGE in attempt(site, ALICE, "iqmod", number, field, value)
        for options in (["-a"], ["-u", "mrdata"]):
            subprocess.run(
                ["iqdel", *options], env=site.server.accounts[ALICE].variables, capture_output=True, check=False
            )
        assert site.connect().query(columns, Condition("RULE_EXEC_NAME", "like", "%mrdata_%")) == before


def test_nobody_else_s_name(site, paths):
    for name in ("mrdata", BOB):
        assert "SYS_PROXYUSER_NO_PRIV" in attempt(site, ALICE, "ils", paths["their_study"], clientUserName=name)


PARAMETERS = "<MsParamArray_PI><paramLen>0</paramLen><oprType>0</oprType></MsParamArray_PI>"
RUNS = {
    "EXEC_RULE_EXPRESSION": (
        1206,
        f"<ExecRuleExpression_PI>{bytes_buffer('import os')}{bytes_buffer('x')}{PARAMETERS}</ExecRuleExpression_PI>",
    ),
    "EXEC_CMD": (
        692,
        "<ExecCmd_PI><cmd>test_execstream.py</cmd><cmdArgv>1</cmdArgv><execAddr></execAddr><hintPath></hintPath>"
        f"<addPathToArgv>0</addPathToArgv><dummy>0</dummy>{pairs()}</ExecCmd_PI>",
    ),
    "RULE_EXEC_SUBMIT": (
        623,
        "<RULE_EXEC_SUBMIT_INP_PI><ruleName>callback.mrdata_health('{}', '')</ruleName><reiFilePath></reiFilePath>"
        "<userName>mrdata</userName>"
        "<exeAddress></exeAddress><exeTime>01795371319</exeTime><exeFrequency>1s</exeFrequency><priority>5</priority>"
        "<lastExecTime></lastExecTime><exeStatus></exeStatus><estimateExeTime></estimateExeTime><notificationAddr></notificationAddr>"
        f"{pairs()}{bytes_buffer('x')}<ruleExecId></ruleExecId></RULE_EXEC_SUBMIT_INP_PI>",
    ),
}


@pytest.mark.parametrize("api", RUNS)
@pytest.mark.parametrize("user", [ALICE, STEWARD])
def test_what_runs_code_in_the_server_answers_nobody_else(site, api, user):
    """The APIs themselves, as no client of iRODS sends them for a user."""
    with site.new_connection(user) as zone:
        assert send(zone, *RUNS[api]) == -13000


VICTIM = "/etc/irods/server_config.json"


def files_of_the_server(paths: dict[str, str], resource: int) -> dict[str, tuple]:
    """Requests that read, write or move files of the server, or change what the catalog says:

    API number, message, content.
    """
    own, file = paths["own"], paths["their_file"]
    info = data_obj_info(f"{own}/stolen", file, "archiveResc", resource)
    mount = {"collectionType": "mountPoint", "collectionInfo1": "/etc/irods", "collectionInfo2": "demoResc"}
    register = {"filePath": VICTIM, "destRescName": "demoResc", "dataSize": "10"}
    unchecked = {**register, "registerAsIntermediate": ""}
    special = special_collection(f"{own}/m", "/etc/irods", "demoResc")
    archive = struct(
        "StructFileOprInp_PI", addr=host(), oprType=0, flags=0, special=special, pairs=pairs(resc_hier="demoResc")
    )
    part = struct(
        "SubFile_PI",
        addr=host(),
        subFilePath="/etc/irods/server_config.json",
        mode=0,
        flags=0,
        offset=10,
        special=special,
    )
    columns = "".join(struct("SqlResult_PI", attriInx=0, reslen=1) for _ in range(50))
    bulk = struct(
        "BulkOprInp_PI",
        objPath=own,
        rows=struct("GenQueryOut_PI", rowCnt=0, attriCnt=0, continueInx=0, totalRowCount=0, columns=columns),
        pairs=pairs(filePath=f"{paths['open']}/bulk", destRescName="demoResc"),
    )
    modify = struct(
        "ModDataObjMeta_PI",
        info=data_obj_info(paths["theirs"], "", "", 0),
        pairs=pairs(irodsAdmin="", dataComments="x"),
    )
    stale = struct(
        "ModDataObjMeta_PI",
        info=data_obj_info(paths["theirs"], "", "", 0),
        pairs=pairs(irodsAdmin="", allReplStatus=""),
    )
    plugin = json.dumps({"command": "request", "plugin": "remove", "logical_path": paths["theirs"], "no_trash": "1"})
    return {
        "REG_DATA_OBJ": (619, info),
        "UNREG_DATA_OBJ": (
            620,
            struct("UnregDataObj_PI", info=data_obj_info(paths["mine"], "", "archiveResc", resource), pairs=pairs()),
        ),
        "PHY_PATH_REG": (630, data_obj_inp(f"{own}/stolen", **register)),
        "PHY_PATH_REG, as an intermediate replica": (630, data_obj_inp(f"{own}/stolen", **unchecked)),
        "PHY_PATH_REG, as a replica of one's own": (630, data_obj_inp(f"{own}/mine", regRepl="", **unchecked)),
        "REGISTER_PHYSICAL_PATH": (20008, data_obj_inp(f"{own}/stolen", **unchecked)),
        "REGISTER_PHYSICAL_PATH, unmount": (20008, data_obj_inp(f"{own}/m", collectionType="unmount")),
        "COLL_CREATE of a mount": (681, coll_inp(f"{own}/c", **mount)),
        "REG_COLL of a mount": (683, coll_inp(f"{own}/r", **mount)),
        "MOD_COLL to a mount": (680, coll_inp(f"{own}/m", **mount)),
        "MOD_COLL to a link": (
            680,
            coll_inp(f"{own}/m", collectionType="linkPoint", collectionInfo1=paths["their_study"]),
        ),
        "DATA_OBJ_RENAME of a file of the vault": (
            627,
            struct(
                "DataObjCopyInp_PI",
                source=data_obj_inp(f"{own}/mine", opr=11),
                target=data_obj_inp(f"{own}/yours", opr=11, filePath=f"{paths['open']}/moved"),
            ),
        ),
        "BULK_DATA_OBJ_PUT into a folder": (689, bulk, b"x"),
        "DATA_OBJECT_MODIFY_INFO": (20001, modify),
        "DATA_OBJECT_MODIFY_INFO, status": (20001, stale),
        "STRUCT_FILE_BUNDLE": (
            666,
            struct(
                "StructFileExtAndRegInp_PI", objPath=f"{own}/b.tar", collection=own, oprType=0, flags=0, pairs=pairs()
            ),
        ),
        "STRUCT_FILE_EXT_AND_REG": (
            665,
            struct(
                "StructFileExtAndRegInp_PI", objPath=f"{own}/mine", collection=own, oprType=0, flags=0, pairs=pairs()
            ),
        ),
        "STRUCT_FILE_EXTRACT": (664, archive),
        "STRUCT_FILE_SYNC": (660, archive),
        "SUB_STRUCT_FILE_GET": (657, part),
        "SUB_STRUCT_FILE_PUT": (658, part, b"x"),
        "SUB_STRUCT_FILE_OPEN": (636, part),
        "SYNC_MOUNTED_COLL": (659, data_obj_inp(f"{own}/m")),
        "ADAPTER": (120000, bytes_buffer(plugin, "BinBytesBuf_PI")),
        "PROC_STAT": (690, struct("ProcStatInp_PI", addr="", rodsZone="", pairs=pairs(all=""))),
        "FILE_GET": (527, "<fileGetInp_PI></fileGetInp_PI>"),
    }


@pytest.mark.parametrize("user", [ALICE, STEWARD])
def test_files_of_the_server_and_the_catalog_s_words_of_them_are_nobody_else_s(site, paths, open_folder, user):
    paths |= {"own": f"/{site.settings.zone}/home/{user}", "open": str(open_folder)}
    ((number,),) = site.connect().query(["RESC_ID"], Condition("RESC_NAME", "=", "archiveResc"))
    ((paths["their_file"],),) = site.connect().query(["DATA_PATH"], *data_object(paths["theirs"]))
    zone = site.connect(user)
    zone.make_collection(f"{paths['own']}/m")
    zone.write(f"{paths['own']}/mine", b"mine")
    before, home, wrong = state(site, paths), below(site, paths["own"]), {}
    for name, request in files_of_the_server(paths, int(number)).items():
        with site.new_connection(user) as asking:
            if (answer := send(asking, *request)) != -13000:
                wrong[name] = answer
    assert wrong == {}
    assert state(site, paths) == before
    assert below(site, paths["own"]) == home
    assert list(open_folder.iterdir()) == []


def test_what_is_open_for_reading_is_not_written(site, paths):
    before, content = state(site, paths), site.connect().read(paths["mine"], 0, 10**6)
    with site.new_connection(ALICE) as zone, zone.session.data_objects.open(paths["mine"], "r") as file:
        message = struct("INT_PI", myInt=file.raw.desc)
        connection = file.raw.conn
        connection.send(iRODSMessage("RODS_API_REQ", msg=Packed(message), bs=b"x" * 20, int_info=671))
        with pytest.raises(iRODSException) as answer:
            connection.recv()
        assert answer.value.code == -13000
    assert site.connect().read(paths["mine"], 0, 10**6) == content
    assert state(site, paths) == before


def test_nobody_is_answered_before_the_log_in(site, paths):
    """ADAPTER is open to whoever connects, and works as the server's own account."""
    plugin = json.dumps({"command": "request", "plugin": "remove", "logical_path": paths["theirs"], "no_trash": "1"})
    with site.new_connection(ALICE) as zone:
        pool = zone.session.pool
        pool._need_auth = False
        connection = Connection(pool, pool.account)
        connection.send(
            iRODSMessage("RODS_API_REQ", msg=Packed(bytes_buffer(plugin, "BinBytesBuf_PI")), int_info=120000)
        )
        with pytest.raises(iRODSException) as answer:
            connection.recv()
        assert answer.value.code == -13000
        connection.disconnect()
    assert site.connect().stat(paths["theirs"]) is not None


def below(site, collection: str) -> list[tuple[str, ...]]:
    """What there is in a user's home, and what kind of collections."""
    zone, like = site.connect(), Condition("COLL_NAME", "like", f"{collection}%")
    objects = zone.query(["COLL_NAME", "DATA_NAME", "DATA_PATH", "DATA_SIZE"], like)
    return sorted(objects + zone.query(["COLL_NAME", "COLL_OWNER_NAME", "COLL_INHERITANCE"], like))


def test_what_a_user_keeps_of_a_file_she_puts_is_nothing(site):
    """No ticket, no permission for a friend: when a file is placed, the study's group may read it, and nobody else has
    it.
    """
    new = site.register()
    path = site.upload(f"{T94}/dicom/hers", dicom(new, sop="1.2.3"), user=ALICE)
    alice = site.connect(ALICE)
    alice.permit(path, BOB, Access.OWN)
    with pytest.raises(iRODSException) as answer:
        Ticket(alice.session).issue("write", path)
    assert answer.value.code == -13000
    assert site.sweep() == {"archived": 1}
    (placed,) = site.paths(f"studies/{PAIN}/experiments/{new}/DICOM")
    assert site.connect().permissions(f"{site.settings.home}/{placed}") == {
        "mrdata": Access.OWN,
        layout.study_group(PAIN): Access.READ,
    }
    with pytest.raises(ZoneError):
        site.connect(BOB).read(f"{site.settings.home}/{placed}", 0, 9)
    with pytest.raises(NotPermitted):
        alice.write(f"{site.settings.home}/{placed}", b"x")


def test_administrators_still_issue_tickets(site, paths):
    ticket = Ticket(site.connect().session)
    ticket.issue("read", paths["mine"])
    ticket.delete()
