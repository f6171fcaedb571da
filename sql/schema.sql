-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The store of one node: cluster.db in its state directory. Written by the daemon alone, as the
-- core tells it; `record` and `command` are packed messages of wire/schema.proto and the truth.
-- The other columns are for people with a copy of the file and the sqlite3 shell: the daemon fills
-- each column with the field of the same name and never reads it. A column more needs a migration
-- and no code.
--
-- crc is CRC-32C: of the blob for records; of index and epoch, 8 bytes each, lowest byte first, and
-- the blob for entries of the log; of key and value, 8 bytes, for numbers.

-- promised, applied_index, applied_epoch, disk_id, node; alone and alone_voters, together and
-- together_voters: of two voters, core/replica.h; records and entries: a sum over what is there
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
