# SPDX-License-Identifier: GPL-2.0-or-later
# What the next version adds to the schema, each behind what is there, as an editor would.
/^	uint64 looked_at = 53;/a\	string next_note = 900;
/^	uint32 max_vcpus = 16;/a\	uint64 next_fact = 900;
/^		FeatureRaise feature_raise = 50;/a\		NextThing next_thing = 900;
s/^	enum Priority { MEDIUM = 0; HIGH = 1; LOW = 2; }/	enum Priority { MEDIUM = 0; HIGH = 1; LOW = 2; NEXT = 9; }/
$a\message NextThing { string text = 1; }
