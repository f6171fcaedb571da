-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The numbers alone, alone_voters, together and together_voters are 0 in a store that has not got
-- them: the daemon writes all numbers after each migration.

INSERT INTO meta (key, value) VALUES ('alone', 0);
