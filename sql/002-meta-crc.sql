-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Numbers have checksums, and there are sums over all records and entries: the daemon fills them in
-- after each migration.

ALTER TABLE meta ADD COLUMN crc INTEGER;
