-- The catalog of the embedded zone: iRODS's own tables (plugins/database/src/icatSysTables.sql), as far as MrData needs them.
-- Times are texts of seconds since 1970, eleven digits, as in iRODS.
CREATE TABLE R_ObjectID (next INTEGER NOT NULL);
CREATE TABLE R_ZONE_MAIN (zone_id INTEGER PRIMARY KEY, zone_name TEXT NOT NULL UNIQUE, zone_type_name TEXT NOT NULL DEFAULT 'local');
CREATE TABLE R_TOKN_MAIN (token_namespace TEXT NOT NULL, token_id INTEGER PRIMARY KEY, token_name TEXT NOT NULL,
    UNIQUE (token_namespace, token_name));

CREATE TABLE R_USER_MAIN (
    user_id INTEGER PRIMARY KEY, user_name TEXT NOT NULL, user_type_name TEXT NOT NULL, zone_name TEXT NOT NULL,
    user_info TEXT NOT NULL DEFAULT '', r_comment TEXT NOT NULL DEFAULT '', create_ts TEXT NOT NULL, modify_ts TEXT NOT NULL,
    UNIQUE (user_name, zone_name));
-- every user and every group is a member of the group of its own id
CREATE TABLE R_USER_GROUP (group_user_id INTEGER NOT NULL, user_id INTEGER NOT NULL, PRIMARY KEY (group_user_id, user_id)) WITHOUT ROWID;
CREATE INDEX idx_user_group ON R_USER_GROUP (user_id, group_user_id);

CREATE TABLE R_RESC_MAIN (
    resc_id INTEGER PRIMARY KEY, resc_name TEXT NOT NULL UNIQUE, zone_name TEXT NOT NULL, resc_type_name TEXT NOT NULL,
    resc_class_name TEXT NOT NULL DEFAULT 'cache', resc_net TEXT NOT NULL, resc_def_path TEXT NOT NULL,
    resc_status TEXT NOT NULL DEFAULT '', r_comment TEXT NOT NULL DEFAULT '', create_ts TEXT NOT NULL, modify_ts TEXT NOT NULL);

CREATE TABLE R_COLL_MAIN (
    coll_id INTEGER PRIMARY KEY, parent_coll_name TEXT NOT NULL, coll_name TEXT NOT NULL UNIQUE,
    coll_owner_name TEXT NOT NULL, coll_owner_zone TEXT NOT NULL, coll_map_id INTEGER NOT NULL DEFAULT 0,
    coll_inheritance TEXT NOT NULL DEFAULT '', coll_type TEXT NOT NULL DEFAULT '', coll_info1 TEXT NOT NULL DEFAULT '',
    coll_info2 TEXT NOT NULL DEFAULT '', r_comment TEXT NOT NULL DEFAULT '', create_ts TEXT NOT NULL, modify_ts TEXT NOT NULL);
CREATE INDEX idx_coll_parent ON R_COLL_MAIN (parent_coll_name);

-- one row a replica
CREATE TABLE R_DATA_MAIN (
    data_id INTEGER NOT NULL, data_repl_num INTEGER NOT NULL, coll_id INTEGER NOT NULL, data_name TEXT NOT NULL,
    data_version TEXT NOT NULL DEFAULT '', data_type_name TEXT NOT NULL DEFAULT 'generic', data_size INTEGER NOT NULL,
    resc_id INTEGER NOT NULL, data_path TEXT NOT NULL, data_owner_name TEXT NOT NULL, data_owner_zone TEXT NOT NULL,
    data_is_dirty INTEGER NOT NULL, data_status TEXT NOT NULL DEFAULT '', data_checksum TEXT NOT NULL DEFAULT '',
    data_expiry_ts TEXT NOT NULL DEFAULT '00000000000', data_map_id INTEGER NOT NULL DEFAULT 0, data_mode TEXT NOT NULL DEFAULT '',
    r_comment TEXT NOT NULL DEFAULT '', create_ts TEXT NOT NULL, modify_ts TEXT NOT NULL, access_ts TEXT NOT NULL,
    PRIMARY KEY (data_id, data_repl_num)) WITHOUT ROWID;
CREATE UNIQUE INDEX idx_data_name ON R_DATA_MAIN (coll_id, data_name, data_repl_num);
CREATE INDEX idx_data_path ON R_DATA_MAIN (data_path);
-- whether an id is a data object's: a search asks that of every series whose AVU fits
CREATE INDEX idx_data_id ON R_DATA_MAIN (data_id, coll_id);
CREATE INDEX idx_data_only_name ON R_DATA_MAIN (data_name);
CREATE INDEX idx_data_status ON R_DATA_MAIN (data_is_dirty) WHERE data_is_dirty <> 1;

CREATE TABLE R_META_MAIN (
    meta_id INTEGER PRIMARY KEY, meta_namespace TEXT NOT NULL DEFAULT '', meta_attr_name TEXT NOT NULL, meta_attr_value TEXT NOT NULL,
    meta_attr_unit TEXT NOT NULL DEFAULT '', r_comment TEXT NOT NULL DEFAULT '', create_ts TEXT NOT NULL, modify_ts TEXT NOT NULL,
    UNIQUE (meta_attr_name, meta_attr_value, meta_attr_unit));
CREATE INDEX idx_meta_value ON R_META_MAIN (meta_attr_value);
CREATE TABLE R_OBJT_METAMAP (
    object_id INTEGER NOT NULL, meta_id INTEGER NOT NULL, create_ts TEXT NOT NULL, modify_ts TEXT NOT NULL,
    PRIMARY KEY (object_id, meta_id)) WITHOUT ROWID;
CREATE INDEX idx_metamap_meta ON R_OBJT_METAMAP (meta_id, object_id);

CREATE TABLE R_OBJT_ACCESS (
    object_id INTEGER NOT NULL, user_id INTEGER NOT NULL, access_type_id INTEGER NOT NULL, create_ts TEXT NOT NULL, modify_ts TEXT NOT NULL,
    PRIMARY KEY (object_id, user_id)) WITHOUT ROWID;
CREATE INDEX idx_access_user ON R_OBJT_ACCESS (user_id);

CREATE TABLE R_RULE_EXEC (
    rule_exec_id INTEGER PRIMARY KEY, rule_name TEXT NOT NULL, rei_file_path TEXT NOT NULL DEFAULT '', user_name TEXT NOT NULL,
    exe_address TEXT NOT NULL DEFAULT '', exe_time TEXT NOT NULL, exe_frequency TEXT NOT NULL DEFAULT '', priority TEXT NOT NULL DEFAULT '5',
    estimated_exe_time TEXT NOT NULL DEFAULT '', notification_addr TEXT NOT NULL DEFAULT '', last_exe_time TEXT NOT NULL DEFAULT '',
    exe_status TEXT NOT NULL DEFAULT '', exe_context TEXT NOT NULL DEFAULT '', lock_host TEXT NOT NULL DEFAULT '',
    lock_host_pid TEXT NOT NULL DEFAULT '', lock_ts TEXT NOT NULL DEFAULT '', times_left INTEGER);
CREATE INDEX idx_rule_time ON R_RULE_EXEC (exe_time);

-- What an agent has under way, so that the next process that opens the zone can finish it if the agent died (embedded/recovery.py).
CREATE TABLE open_replica (data_id INTEGER NOT NULL, data_repl_num INTEGER NOT NULL, agent TEXT NOT NULL,
    PRIMARY KEY (data_id, data_repl_num, agent)) WITHOUT ROWID;
CREATE TABLE doomed_file (path TEXT PRIMARY KEY, agent TEXT NOT NULL) WITHOUT ROWID;
