-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A store of schema 2, as the daemon of that time wrote it: the tables, then what is in them.

CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value INTEGER NOT NULL,
	crc   INTEGER
) WITHOUT ROWID;
CREATE TABLE log (
	idx     INTEGER PRIMARY KEY,
	epoch   INTEGER NOT NULL,
	crc     INTEGER NOT NULL,
	command BLOB NOT NULL
);
CREATE TABLE cluster (
	id     INTEGER PRIMARY KEY,
	uuid   TEXT,
	name   TEXT,
	crc    INTEGER NOT NULL,
	record BLOB NOT NULL
);
CREATE TABLE setting (
	id     INTEGER PRIMARY KEY,
	name   TEXT,
	value  TEXT,
	crc    INTEGER NOT NULL,
	record BLOB NOT NULL
);
CREATE TABLE node (
	id          INTEGER PRIMARY KEY,
	name        TEXT,
	state       TEXT,
	reason      TEXT,
	incarnation INTEGER,
	crc         INTEGER NOT NULL,
	record      BLOB NOT NULL
);
CREATE TABLE vm (
	id         INTEGER PRIMARY KEY,
	name       TEXT,
	uuid       TEXT,
	wanted     TEXT,
	phase      TEXT,
	owner      INTEGER,
	generation INTEGER,
	detail     TEXT,
	crc        INTEGER NOT NULL,
	record     BLOB NOT NULL
);
CREATE TABLE fence (
	id     INTEGER PRIMARY KEY,
	name   TEXT,
	agent  TEXT,
	crc    INTEGER NOT NULL,
	record BLOB NOT NULL
);
CREATE TABLE volume (
	id     INTEGER PRIMARY KEY,
	name   TEXT,
	driver TEXT,
	target TEXT,
	crc    INTEGER NOT NULL,
	record BLOB NOT NULL
);
CREATE TABLE operation (
	id       INTEGER PRIMARY KEY,
	kind     TEXT,
	vm       INTEGER,
	node     INTEGER,
	outcome  TEXT,
	text     TEXT,
	begun_ms INTEGER,
	ended_ms INTEGER,
	crc      INTEGER NOT NULL,
	record   BLOB NOT NULL
);
CREATE TABLE event (
	id       INTEGER PRIMARY KEY,
	time_ms  INTEGER,
	severity TEXT,
	subject  TEXT,
	text     TEXT,
	crc      INTEGER NOT NULL,
	record   BLOB NOT NULL
);
CREATE TABLE request (
	id     INTEGER PRIMARY KEY,
	crc    INTEGER NOT NULL,
	record BLOB NOT NULL
);

INSERT INTO meta (key, value, crc) VALUES ('applied_epoch', 3, 1811546488);
INSERT INTO meta (key, value, crc) VALUES ('applied_index', 2, 2281354061);
INSERT INTO meta (key, value, crc) VALUES ('disk_id', 4711, 3518253787);
INSERT INTO meta (key, value, crc) VALUES ('entries', -2788913307713196674, 1783771336);
INSERT INTO meta (key, value, crc) VALUES ('node', 2, 1505452067);
INSERT INTO meta (key, value, crc) VALUES ('promised', 5, 3262913982);
INSERT INTO meta (key, value, crc) VALUES ('records', 7778473393350213916, 3965329680);
INSERT INTO log VALUES (1, 1, 3801790879, x'61');
INSERT INTO log VALUES (2, 3, 4235654379, x'62');
INSERT INTO log VALUES (3, 5, 967378259, x'');
INSERT INTO vm (id, name, wanted, phase, crc, record) VALUES (1, 'web1', 'STOPPED', 'OFF', 2849858749, x'0801120477656231');
INSERT INTO vm (id, name, wanted, phase, crc, record) VALUES (2, 'web2', 'STOPPED', 'OFF', 42525201, x'0802120477656232');
PRAGMA user_version = 2;
PRAGMA application_id = 1668052226;
