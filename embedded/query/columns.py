"""What the columns of GenQuery stand for: tables, columns and the joins between tables.

GenQuery1 as in plugins/database/src/general_query_setup.cpp, GenQuery2 as in genquery2_table_column_mappings.hpp of
iRODS 5.0, as far as the embedded zone has the tables.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column of the catalog: alias of its table in a query, its name there, and whether it holds numbers."""

    table: str
    name: str
    number: bool = False


TABLES: dict[str, str] = {
    "R_COLL_MAIN": "R_COLL_MAIN",
    "R_DATA_MAIN": "R_DATA_MAIN",
    "R_RESC_MAIN": "R_RESC_MAIN",
    "R_USER_MAIN": "R_USER_MAIN",
    "R_USER_GROUP": "R_USER_GROUP",
    "R_ZONE_MAIN": "R_ZONE_MAIN",
    "R_RULE_EXEC": "R_RULE_EXEC",
    "r_group_main": "R_USER_MAIN",
    "r_data_access": "R_OBJT_ACCESS",
    "r_data_tokn_accs": "R_TOKN_MAIN",
    "r_data_user_group": "R_USER_GROUP",
    "r_data_user_main": "R_USER_MAIN",
    "r_coll_access": "R_OBJT_ACCESS",
    "r_coll_tokn_accs": "R_TOKN_MAIN",
    "r_coll_user_group": "R_USER_GROUP",
    "r_coll_user_main": "R_USER_MAIN",
    "r_data_metamap": "R_OBJT_METAMAP",
    "r_data_meta_main": "R_META_MAIN",
    "r_coll_metamap": "R_OBJT_METAMAP",
    "r_coll_meta_main": "R_META_MAIN",
    "r_resc_metamap": "R_OBJT_METAMAP",
    "r_resc_meta_main": "R_META_MAIN",
    "r_user_metamap": "R_OBJT_METAMAP",
    "r_user_meta_main": "R_META_MAIN",
}
"""Alias -> table."""

LINKS: list[tuple[str, str, str, str]] = [
    ("R_COLL_MAIN", "coll_id", "R_DATA_MAIN", "coll_id"),
    ("R_RESC_MAIN", "resc_id", "r_resc_metamap", "object_id"),
    ("R_RESC_MAIN", "resc_id", "R_DATA_MAIN", "resc_id"),
    ("R_COLL_MAIN", "coll_id", "r_coll_metamap", "object_id"),
    ("R_DATA_MAIN", "data_id", "r_data_metamap", "object_id"),
    ("R_USER_MAIN", "user_id", "r_user_metamap", "object_id"),
    ("R_COLL_MAIN", "coll_id", "r_coll_access", "object_id"),
    ("R_DATA_MAIN", "data_id", "r_data_access", "object_id"),
    ("r_resc_metamap", "meta_id", "r_resc_meta_main", "meta_id"),
    ("r_coll_metamap", "meta_id", "r_coll_meta_main", "meta_id"),
    ("r_data_metamap", "meta_id", "r_data_meta_main", "meta_id"),
    ("r_user_metamap", "meta_id", "r_user_meta_main", "meta_id"),
    ("r_coll_access", "access_type_id", "r_coll_tokn_accs", "token_id"),
    ("r_coll_access", "user_id", "r_coll_user_group", "group_user_id"),
    ("r_data_access", "access_type_id", "r_data_tokn_accs", "token_id"),
    ("r_data_access", "user_id", "r_data_user_group", "group_user_id"),
    ("r_coll_user_group", "user_id", "r_coll_user_main", "user_id"),
    ("r_data_user_group", "user_id", "r_data_user_main", "user_id"),
    ("R_USER_MAIN", "user_id", "r_data_access", "user_id"),
    ("R_USER_MAIN", "user_id", "R_USER_GROUP", "user_id"),
    ("R_USER_GROUP", "group_user_id", "r_group_main", "user_id"),
]
"""Foreign keys that GenQuery1 joins along, in the order in which it tries them."""


def _meta(kind: str, table: str) -> dict[str, Column]:
    prefix = f"META_{kind}_"
    return {
        f"{prefix}ATTR_NAME": Column(table, "meta_attr_name"),
        f"{prefix}ATTR_VALUE": Column(table, "meta_attr_value"),
        f"{prefix}ATTR_UNITS": Column(table, "meta_attr_unit"),
        f"{prefix}ATTR_ID": Column(table, "meta_id", True),
        f"{prefix}CREATE_TIME": Column(table, "create_ts"),
        f"{prefix}MODIFY_TIME": Column(table, "modify_ts"),
    }


_USER = {
    "USER_ID": Column("R_USER_MAIN", "user_id", True),
    "USER_NAME": Column("R_USER_MAIN", "user_name"),
    "USER_TYPE": Column("R_USER_MAIN", "user_type_name"),
    "USER_ZONE": Column("R_USER_MAIN", "zone_name"),
    "USER_INFO": Column("R_USER_MAIN", "user_info"),
    "USER_COMMENT": Column("R_USER_MAIN", "r_comment"),
    "USER_CREATE_TIME": Column("R_USER_MAIN", "create_ts"),
    "USER_MODIFY_TIME": Column("R_USER_MAIN", "modify_ts"),
}
_ZONE = {
    "ZONE_ID": Column("R_ZONE_MAIN", "zone_id", True),
    "ZONE_NAME": Column("R_ZONE_MAIN", "zone_name"),
    "ZONE_TYPE": Column("R_ZONE_MAIN", "zone_type_name"),
}
_RESC = {
    "RESC_ID": Column("R_RESC_MAIN", "resc_id", True),
    "RESC_NAME": Column("R_RESC_MAIN", "resc_name"),
    "RESC_ZONE_NAME": Column("R_RESC_MAIN", "zone_name"),
    "RESC_TYPE_NAME": Column("R_RESC_MAIN", "resc_type_name"),
    "RESC_CLASS_NAME": Column("R_RESC_MAIN", "resc_class_name"),
    "RESC_VAULT_PATH": Column("R_RESC_MAIN", "resc_def_path"),
    "RESC_STATUS": Column("R_RESC_MAIN", "resc_status"),
    "RESC_COMMENT": Column("R_RESC_MAIN", "r_comment"),
    "RESC_CREATE_TIME": Column("R_RESC_MAIN", "create_ts"),
    "RESC_MODIFY_TIME": Column("R_RESC_MAIN", "modify_ts"),
}
_DATA = {
    "DATA_ID": Column("R_DATA_MAIN", "data_id", True),
    "DATA_COLL_ID": Column("R_DATA_MAIN", "coll_id", True),
    "DATA_NAME": Column("R_DATA_MAIN", "data_name"),
    "DATA_REPL_NUM": Column("R_DATA_MAIN", "data_repl_num", True),
    "DATA_VERSION": Column("R_DATA_MAIN", "data_version"),
    "DATA_TYPE_NAME": Column("R_DATA_MAIN", "data_type_name"),
    "DATA_SIZE": Column("R_DATA_MAIN", "data_size", True),
    "DATA_MODE": Column("R_DATA_MAIN", "data_mode"),
    "DATA_PATH": Column("R_DATA_MAIN", "data_path"),
    "DATA_REPL_STATUS": Column("R_DATA_MAIN", "data_is_dirty", True),
    "DATA_STATUS": Column("R_DATA_MAIN", "data_status"),
    "DATA_CHECKSUM": Column("R_DATA_MAIN", "data_checksum"),
    "DATA_EXPIRY": Column("R_DATA_MAIN", "data_expiry_ts"),
    "DATA_MAP_ID": Column("R_DATA_MAIN", "data_map_id", True),
    "DATA_COMMENTS": Column("R_DATA_MAIN", "r_comment"),
    "DATA_CREATE_TIME": Column("R_DATA_MAIN", "create_ts"),
    "DATA_MODIFY_TIME": Column("R_DATA_MAIN", "modify_ts"),
    "DATA_ACCESS_TIME": Column("R_DATA_MAIN", "access_ts"),
    "DATA_RESC_ID": Column("R_DATA_MAIN", "resc_id", True),
}
_COLL = {
    "COLL_ID": Column("R_COLL_MAIN", "coll_id", True),
    "COLL_NAME": Column("R_COLL_MAIN", "coll_name"),
    "COLL_PARENT_NAME": Column("R_COLL_MAIN", "parent_coll_name"),
    "COLL_MAP_ID": Column("R_COLL_MAIN", "coll_map_id", True),
    "COLL_INHERITANCE": Column("R_COLL_MAIN", "coll_inheritance"),
    "COLL_COMMENTS": Column("R_COLL_MAIN", "r_comment"),
    "COLL_CREATE_TIME": Column("R_COLL_MAIN", "create_ts"),
    "COLL_MODIFY_TIME": Column("R_COLL_MAIN", "modify_ts"),
    "COLL_TYPE": Column("R_COLL_MAIN", "coll_type"),
}


def _access(kind: str) -> dict[str, Column]:
    low = kind.lower()
    return {
        f"{kind}_ACCESS_TYPE": Column(f"r_{low}_access", "access_type_id", True),
        f"{kind}_ACCESS_NAME": Column(f"r_{low}_tokn_accs", "token_name"),
        f"{kind}_TOKEN_NAMESPACE": Column(f"r_{low}_tokn_accs", "token_namespace"),
        f"{kind}_ACCESS_USER_ID": Column(f"r_{low}_access", "user_id", True),
        f"{kind}_ACCESS_{kind}_ID": Column(f"r_{low}_access", "object_id", True),
        f"{kind}_USER_NAME": Column(f"r_{low}_user_main", "user_name"),
        f"{kind}_ZONE_NAME": Column(f"r_{low}_user_main", "zone_name"),
    }


def _rule(prefix: str, address: str, time: str) -> dict[str, Column]:
    names = {
        "ID": "rule_exec_id",
        "NAME": "rule_name",
        "REI_FILE_PATH": "rei_file_path",
        "USER_NAME": "user_name",
        address: "exe_address",
        time: "exe_time",
        time.replace("TIME", "FREQUENCY"): "exe_frequency",
        "PRIORITY": "priority",
        "ESTIMATED_EXE_TIME": "estimated_exe_time",
        "NOTIFICATION_ADDR": "notification_addr",
        "LAST_EXE_TIME": "last_exe_time",
        "STATUS": "exe_status",
        "LOCK_HOST": "lock_host",
        "LOCK_HOST_PID": "lock_host_pid",
        "LOCK_TIME": "lock_ts",
    }
    return {prefix + key: Column("R_RULE_EXEC", name, name == "rule_exec_id") for key, name in names.items()}


GENQUERY1: dict[str, Column] = {
    **_ZONE,
    **_USER,
    **_RESC,
    "RESC_LOC": Column("R_RESC_MAIN", "resc_net"),
    **_DATA,
    "DATA_RESC_NAME": Column("R_RESC_MAIN", "resc_name"),
    "DATA_RESC_HIER": Column("R_RESC_MAIN", "resc_name"),  # without resource trees the hierarchy is the name
    "DATA_OWNER_NAME": Column("R_DATA_MAIN", "data_owner_name"),
    "DATA_OWNER_ZONE": Column("R_DATA_MAIN", "data_owner_zone"),
    **_COLL,
    "COLL_OWNER_NAME": Column("R_COLL_MAIN", "coll_owner_name"),
    "COLL_OWNER_ZONE": Column("R_COLL_MAIN", "coll_owner_zone"),
    "COLL_INFO_1": Column("R_COLL_MAIN", "coll_info1"),
    "COLL_INFO_2": Column("R_COLL_MAIN", "coll_info2"),
    **_access("DATA"),
    **_access("COLL"),
    **_meta("DATA", "r_data_meta_main"),
    **_meta("COLL", "r_coll_meta_main"),
    **_meta("RESC", "r_resc_meta_main"),
    **_meta("USER", "r_user_meta_main"),
    "USER_GROUP_ID": Column("R_USER_GROUP", "group_user_id", True),
    "USER_GROUP_NAME": Column("r_group_main", "user_name"),
    **_rule("RULE_EXEC_", "ADDRESS", "TIME"),
    "RULE_EXEC_CONTEXT": Column("R_RULE_EXEC", "exe_context"),
}

GENQUERY2: dict[str, Column] = {
    **_ZONE,
    **_USER,
    **_RESC,
    "RESC_HOSTNAME": Column("R_RESC_MAIN", "resc_net"),
    **_DATA,
    "DATA_RESC_HIER": Column("R_RESC_MAIN", "resc_name"),
    **_COLL,
    "COLL_INFO1": Column("R_COLL_MAIN", "coll_info1"),
    "COLL_INFO2": Column("R_COLL_MAIN", "coll_info2"),
    **_meta("DATA", "mmd"),
    "META_DATA_ATTACHED_CREATE_TIME": Column("ommd", "create_ts"),
    "META_DATA_ATTACHED_MODIFY_TIME": Column("ommd", "modify_ts"),
    **_meta("COLL", "mmc"),
    "META_COLL_ATTACHED_CREATE_TIME": Column("ommc", "create_ts"),
    "META_COLL_ATTACHED_MODIFY_TIME": Column("ommc", "modify_ts"),
    **_meta("RESC", "mmr"),
    **_meta("USER", "mmu"),
    "GROUP_ID": Column("R_USER_GROUP", "group_user_id", True),
    "GROUP_MEMBER_ID": Column("R_USER_GROUP", "user_id", True),
    **_rule("DELAY_RULE_", "EXE_ADDRESS", "EXE_TIME"),
    "DATA_ACCESS_PERM_ID": Column("pdoa", "access_type_id", True),
    "DATA_ACCESS_PERM_NAME": Column("pdt", "token_name"),
    "DATA_ACCESS_USER_ID": Column("pdoa", "user_id", True),
    "DATA_ACCESS_USER_NAME": Column("pdu", "user_name"),
    "DATA_ACCESS_USER_TYPE": Column("pdu", "user_type_name"),
    "DATA_ACCESS_USER_ZONE": Column("pdu", "zone_name"),
    "COLL_ACCESS_PERM_ID": Column("pcoa", "access_type_id", True),
    "COLL_ACCESS_PERM_NAME": Column("pct", "token_name"),
    "COLL_ACCESS_USER_ID": Column("pcoa", "user_id", True),
    "COLL_ACCESS_USER_NAME": Column("pcu", "user_name"),
    "COLL_ACCESS_USER_TYPE": Column("pcu", "user_type_name"),
    "COLL_ACCESS_USER_ZONE": Column("pcu", "zone_name"),
}
