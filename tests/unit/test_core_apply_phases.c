/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever is said of a VM in whatever phase it is in, its record stays one that the machine of
 * migrate/vmop.h allows: each state that the commands of a few nodes lead to is met by all that
 * nodes may report, operators may ask, the conductor may decide and nodes may go through.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/bench.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

#define SAYS(x) WIRE__VM_REPORT__WHAT__##x
#define CAUSE(x) WIRE__VM_REPORT__CAUSE__##x
#define PHASE(x) WIRE__VM__PHASE__##x

/* There are fewer places. A walk goes on from one of them, by what comes by chance. */
enum { NODES = 3, PLACES_MAX = 2000, STIMULI_MAX = 300, WALKS = 2000, STEPS = 8 };

enum kind {
	REPORT,			/* a: what, b: cause or reason to be paused */
	REPORT_OLD,		/* the same of the generation before */
	REPORT_STRANGE,		/* the same from a daemon before */
	WANT,			/* a: wanted, b: force */
	COLD, ACTION,		/* a: what */
	LIVE, QUICK, CANCEL, EDIT,
	REMOVE,			/* a: force */
	MANAGED, UNMANAGED, OWNERS,
	ACCEPT,			/* a: what */
	STEP,			/* a: next */
	SETTLED, TOLD,
	SEEN,			/* a: state of the node */
	BOOTED, RESTARTED, TAKES_LEAVE, PROVEN_OFF, IS_REMOVED,
};

struct stimulus {
	enum kind kind;
	uint32_t node;
	unsigned a, b;
};

static struct stimulus stimuli[STIMULI_MAX];
static size_t stimuli_n;

static void add(enum kind kind, uint32_t node, unsigned a, unsigned b)
{
	if (stimuli_n < STIMULI_MAX)
		stimuli[stimuli_n++] = (struct stimulus){ kind, node, a, b };
}

static const char *const reasons[] = { "", "user", "postmigrate" };

static void add_reports(uint32_t node)
{
	for (unsigned what = 0; what <= SAYS(ACTION_FAILED); what++) {
		unsigned variants = 1;

		if (what == SAYS(ABSENT))
			variants = CAUSE(HANDED_OVER) + 1;
		if (what == SAYS(PAUSED) || what == SAYS(PRESENT))
			variants = ARRAY_SIZE(reasons);
		for (unsigned b = 0; b < variants; b++)
			add(REPORT, node, what, b);
		add(REPORT_OLD, node, what, 0);
		add(REPORT_STRANGE, node, what, 0);
	}
}

static void add_node(uint32_t node)
{
	add_reports(node);
	add(LIVE, node, 0, 0);
	add(QUICK, node, 0, 0);
	add(TOLD, node, 0, 0);
	for (unsigned next = 0; next <= PHASE(FAILED); next++)
		add(STEP, node, next, 0);
	for (unsigned state = 0; state <= WIRE__NODE__STATE__OFF; state++)
		add(SEEN, node, state, 0);
	for (enum kind kind = BOOTED; kind <= IS_REMOVED; kind++)
		add(kind, node, 0, 0);
}

static void gather(void)
{
	stimuli_n = 0;
	for (uint32_t node = 1; node <= NODES; node++)
		add_node(node);
	for (unsigned wanted = 0; wanted <= WIRE__VM__WANTED__PAUSED; wanted++)
		for (unsigned force = 0; force < 2; force++)
			add(WANT, 1, wanted, force);
	for (unsigned action = 1; action <= WIRE__VM__ACTION__REBOOT; action++)
		add(ACTION, 1, action, 0);
	for (unsigned what = 0; what <= WIRE__VM_ACCEPT__WHAT__NOT_RUNNING; what++)
		add(ACCEPT, 1, what, 0);
	add(COLD, 1, 0, 0);
	add(CANCEL, 1, 0, 0);
	add(EDIT, 1, 0, 0);
	add(REMOVE, 1, 0, 0);
	add(REMOVE, 1, 1, 0);
	add(MANAGED, 1, 0, 0);
	add(UNMANAGED, 1, 0, 0);
	add(OWNERS, 1, 0, 0);
	add(SETTLED, 1, 0, 0);
	CU_ASSERT(stimuli_n < STIMULI_MAX);
}

/* ------------------------------------------------------------------ what must hold */

/* Before a command: the record, its bytes and the nodes that may lose their part by it. */
struct before {
	struct vmop op;
	char *bytes;
	size_t size;
	bool unmanaged;
};

static char *bytes_of(const Wire__Vm *vm, size_t *ret_size)
{
	char *bytes;

	*ret_size = wire__vm__get_packed_size(vm);
	bytes = mem_new_array(char, *ret_size);
	wire__vm__pack(vm, (uint8_t *)bytes);
	return bytes;
}

static struct before look_before(const struct bench *bench)
{
	struct before before = { 0 };

	vm_to_op(bench_vm(bench), &before.op);
	before.unmanaged = bench_vm(bench)->unmanaged;
	before.bytes = bytes_of(bench_vm(bench), &before.size);
	return before;
}

static bool is_held(enum vmop_phase phase)
{
	return phase != VMOP_OFF && phase != VMOP_FAILED && phase != VMOP_SAVED;
}

/* What of it does not hold, in words; NULL. proven: nodes of which it is proven what they have. */
static const char *wrong_after(const struct before *before, const struct bench *bench, int code,
			       uint64_t proven)
{
	const Wire__Vm *vm = bench_vm(bench);
	uint32_t ran = vmop_runner(&before->op), runs;
	struct vmop op;
	size_t size;
	char *bytes;
	bool same;

	if (!vm)
		return before->op.maybe && !before->unmanaged ? "it was held and is gone" : NULL;
	vm_to_op(vm, &op);
	runs = vmop_runner(&op);
	bytes = bytes_of(vm, &size);
	same = size == before->size && memcmp(bytes, before->bytes, size) == 0;
	free(bytes);
	if (strstr(bench->text, "this is a fault of clusterd"))
		return bench->text;
	if (vmop_broken(&op))
		return vmop_broken(&op);
	if (code && !same)
		return "it was refused and is changed";
	if (before->op.maybe & ~op.maybe & ~proven)
		return "a node may not hold it any more, without a proof";
	if (runs && ran && runs != ran && (op.maybe & vmop_bit(ran)))
		return "the right to run it went on while the last one may run it";
	if (is_held(op.phase) && !is_held(before->op.phase) && op.maybe != vmop_bit(op.owner))
		return "it is begun while another node may hold it";
	return NULL;
}

/* ------------------------------------------------------------------ what may happen */

static struct bench *copy(const struct bench *bench)
{
	struct bench *new = mem_new(struct bench);
	uint64_t id;

	*new = *bench;
	new->state = state_new();
	for (uint32_t table = 1; table <= WIRE__TABLE__TABLE_OPERATION; table++)
		for (size_t i = 0; i < state_count(bench->state, table); i++) {
			const struct buf *packed = state_packed(bench->state, table, i, &id);

			CU_ASSERT_EQUAL(state_load(new->state, table, id, packed->data,
						   packed->len), 0);
		}
	state_set_position(new->state, bench->index, 1);
	return new;
}

static int put(struct bench *bench, uint32_t node, Wire__Command__BodyCase body, void *message)
{
	Wire__Command command = WIRE__COMMAND__INIT;

	command.body_case = body;
	command.noop = message; /* all are pointers to a message */
	return bench_apply(bench, node, state_node(bench->state, node)->boot_id, &command);
}

static int report(struct bench *bench, const struct stimulus *s, uint64_t *ret_proven)
{
	Wire__VmReport body = WIRE__VM_REPORT__INIT;
	Wire__Command command = WIRE__COMMAND__INIT;
	uint64_t boot_id = state_node(bench->state, s->node)->boot_id;

	body.vm = bench_vm(bench)->id;
	body.generation = bench_vm(bench)->generation - (s->kind == REPORT_OLD);
	body.what = (Wire__VmReport__What)s->a;
	body.look = bench_vm(bench)->look;
	body.op = bench_vm(bench)->action_op;
	if (s->a == SAYS(ABSENT))
		body.cause = (Wire__VmReport__Cause)s->b;
	if (s->a == SAYS(PAUSED) || s->a == SAYS(PRESENT))
		body.pause_reason = (char *)reasons[s->b];
	if (s->kind == REPORT && (s->a == SAYS(ABSENT) || s->a == SAYS(SAVED)))
		*ret_proven = vmop_bit(s->node);
	command.body_case = WIRE__COMMAND__BODY_VM_REPORT;
	command.vm_report = &body;
	return bench_apply(bench, s->node, boot_id + (s->kind == REPORT_STRANGE), &command);
}

static int want(struct bench *bench, const struct stimulus *s)
{
	Wire__VmWant body = WIRE__VM_WANT__INIT;

	body.name = (char *)"a";
	body.wanted = s->kind == COLD ? WIRE__VM__WANTED__RUNNING : (Wire__Vm__Wanted)s->a;
	body.cold = s->kind == COLD;
	body.force = s->b;
	return put(bench, 1, WIRE__COMMAND__BODY_VM_WANT, &body);
}

static int edit(struct bench *bench)
{
	Wire__VmEdit body = WIRE__VM_EDIT__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;

	essence.memory_mib = 1024;
	essence.virt_type = (char *)"qemu";
	essence.digest = 7;
	body.name = (char *)"a";
	body.xml = (char *)"<domain>more</domain>";
	body.essence = &essence;
	return put(bench, 1, WIRE__COMMAND__BODY_VM_EDIT, &body);
}

static int remove_vm(struct bench *bench, bool force)
{
	Wire__VmRemove body = WIRE__VM_REMOVE__INIT;

	body.name = (char *)"a";
	body.force = force;
	return put(bench, 1, WIRE__COMMAND__BODY_VM_REMOVE, &body);
}

static int set_owners(struct bench *bench)
{
	Wire__VmSet body = WIRE__VM_SET__INIT;
	Wire__Param owners = WIRE__PARAM__INIT, *changes = &owners;

	owners.key = (char *)"owners";
	owners.value = (char *)"n1,n2";
	body.name = (char *)"a";
	body.changes = &changes;
	body.n_changes = 1;
	return put(bench, 1, WIRE__COMMAND__BODY_VM_SET, &body);
}

static int cancel(struct bench *bench)
{
	Wire__VmCancel body = WIRE__VM_CANCEL__INIT;

	body.name = (char *)"a";
	return put(bench, 1, WIRE__COMMAND__BODY_VM_CANCEL, &body);
}

static int accept_word(struct bench *bench, unsigned what)
{
	Wire__VmAccept body = WIRE__VM_ACCEPT__INIT;

	body.name = (char *)"a";
	body.what = (Wire__VmAccept__What)what;
	return put(bench, 1, WIRE__COMMAND__BODY_VM_ACCEPT, &body);
}

static int settled(struct bench *bench)
{
	Wire__VmStep body = WIRE__VM_STEP__INIT;

	body.vm = bench_vm(bench)->id;
	body.generation = bench_vm(bench)->generation;
	body.phase = body.next = bench_vm(bench)->phase;
	body.settled = true;
	return put(bench, 1, WIRE__COMMAND__BODY_VM_STEP, &body);
}

static int tell_live(struct bench *bench, uint32_t node)
{
	Wire__VmLive body = WIRE__VM_LIVE__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;

	essence.memory_mib = 2048;
	essence.virt_type = (char *)"qemu";
	body.vm = bench_vm(bench)->id;
	body.generation = bench_vm(bench)->generation;
	body.live = &essence;
	body.difference = (char *)"more memory";
	return put(bench, node, WIRE__COMMAND__BODY_VM_LIVE, &body);
}

static int begin_daemon(struct bench *bench, uint32_t node, bool kernel)
{
	const Wire__Node *record = state_node(bench->state, node);
	Wire__NodeReport body = WIRE__NODE_REPORT__INIT;
	Wire__Command command = WIRE__COMMAND__INIT;
	char name[32];

	snprintf(name, sizeof(name), "boot %llu", (unsigned long long)bench->index);
	body.kernel_boot_id = kernel ? name : record->kernel_boot_id;
	body.disk_id = node;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &body;
	return bench_apply(bench, node, 1000 + bench->index, &command);
}

static int take_leave(struct bench *bench, uint32_t node)
{
	Wire__NodeFreeze body = WIRE__NODE_FREEZE__INIT;

	body.freeze_ms = 1000;
	return put(bench, node, WIRE__COMMAND__BODY_NODE_FREEZE, &body);
}

static int remove_node(struct bench *bench, uint32_t node)
{
	Wire__NodeRemove body = WIRE__NODE_REMOVE__INIT;

	body.name = state_node(bench->state, node)->name;
	return put(bench, 1, WIRE__COMMAND__BODY_NODE_REMOVE, &body);
}

static int prove_off(struct bench *bench, uint32_t node)
{
	static const char *const devices[] = { "", "bmc1", "bmc", "bmc3" };
	const Wire__Operation *op;
	size_t n;

	if (bench_try_device(bench, devices[node], node, false))
		return STALE;
	n = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	op = state_at(bench->state, WIRE__TABLE__TABLE_OPERATION, n - 1);
	return bench_end_fence(bench, op->id, true);
}

static int node_event(struct bench *bench, const struct stimulus *s, uint64_t *ret_proven)
{
	if (s->kind == BOOTED || s->kind == PROVEN_OFF)
		*ret_proven = vmop_bit(s->node);
	switch (s->kind) {
	case SEEN:
		return bench_verdict(bench, s->node, (Wire__Node__State)s->a);
	case BOOTED:
	case RESTARTED:
		return begin_daemon(bench, s->node, s->kind == BOOTED);
	case TAKES_LEAVE:
		return take_leave(bench, s->node);
	case PROVEN_OFF:
		return prove_off(bench, s->node);
	default:
		return remove_node(bench, s->node);
	}
}

static int move(struct bench *bench, const struct stimulus *s)
{
	return s->kind == LIVE ? bench_move(bench, s->node, WIRE__VM_MOVE__HOW__LIVE, "")
			       : bench_move(bench, s->node, WIRE__VM_MOVE__HOW__QUICK,
					    "/v/one/.clusterd/state/a.1.sav");
}

static int meet(struct bench *bench, const struct stimulus *s, uint64_t *ret_proven)
{
	switch (s->kind) {
	case REPORT:
	case REPORT_OLD:
	case REPORT_STRANGE:
		return report(bench, s, ret_proven);
	case WANT:
	case COLD:
		return want(bench, s);
	case ACTION:
		return bench_want(bench, WIRE__VM__WANTED__RUNNING, (Wire__Vm__Action)s->a);
	case LIVE:
	case QUICK:
		return move(bench, s);
	case CANCEL:
		return cancel(bench);
	case EDIT:
		return edit(bench);
	case REMOVE:
		return remove_vm(bench, s->a);
	case MANAGED:
	case UNMANAGED:
		return bench_set_managed(bench, s->kind == MANAGED ? "yes" : "no");
	case OWNERS:
		return set_owners(bench);
	case ACCEPT:
		return accept_word(bench, s->a);
	case STEP:
		return bench_step_vm(bench, (Wire__Vm__Phase)s->a, s->node);
	case SETTLED:
		return settled(bench);
	case TOLD:
		return tell_live(bench, s->node);
	default:
		return node_event(bench, s, ret_proven);
	}
}

/* False if something did not hold: it is said. */
static bool happen(struct bench *bench, const struct stimulus *s)
{
	struct before before = look_before(bench);
	uint64_t proven = 0;
	const char *wrong;
	int code;

	if (!state_node(bench->state, s->node)) {
		free(before.bytes);
		return true;
	}
	code = meet(bench, s, &proven);
	wrong = wrong_after(&before, bench, code, proven);
	if (wrong)
		fprintf(stderr, "in %s, owner %u, %u -> %u, maybe %llx: %u of n%u, %u %u: %s\n",
			vmop_phases[before.op.phase].name, before.op.owner, before.op.from,
			before.op.to, (unsigned long long)before.op.maybe, s->kind, s->node, s->a,
			s->b, wrong);
	CU_ASSERT_PTR_NULL(wrong);
	free(before.bytes);
	return !wrong;
}

/* ------------------------------------------------------------------ all there is */

/* Places that differ in what the machine sees; the first way to one is taken. */
struct place {
	char key[80];
	struct bench *bench;
};

static struct place places[PLACES_MAX];
static size_t places_n;

static void name_place(const struct bench *bench, char *ret_key, size_t size)
{
	const Wire__Vm *vm = bench_vm(bench);
	bool moving = vmop_moving((enum vmop_phase)vm->phase);
	unsigned away = 0;

	for (uint32_t node = 1; node <= NODES; node++) {
		const Wire__Node *record = state_node(bench->state, node);

		if (!record || record->state != WIRE__NODE__STATE__UP)
			away++;
	}
	snprintf(ret_key, size, "%d %u %u %u %llx %d %d %d", vm->phase, vm->owner,
		 moving ? vm->from : 0, moving ? vm->to : 0,
		 (unsigned long long)vm_holders(vm), vm->unmanaged, vm->look != 0, away > 0);
}

/* Takes the bench. */
static void remember(struct bench *bench)
{
	struct place *place = &places[places_n];

	if (!bench_vm(bench) || places_n == PLACES_MAX) {
		bench_free(bench);
		return;
	}
	name_place(bench, place->key, sizeof(place->key));
	for (size_t i = 0; i < places_n; i++)
		if (strcmp(places[i].key, place->key) == 0) {
			bench_free(bench);
			return;
		}
	place->bench = bench;
	places_n++;
}

static void discover(void)
{
	struct bench *first = bench_new();

	bench_add_fence(first, "bmc1", 1);
	bench_add_fence(first, "bmc3", 3);
	CU_ASSERT_EQUAL(bench_add_volume(first, "one", "/v/one"), 0);
	gather();
	remember(first);
	for (size_t i = 0; i < places_n; i++)
		for (size_t s = 0; s < stimuli_n; s++) {
			struct bench *bench = copy(places[i].bench);

			if (happen(bench, &stimuli[s]))
				remember(bench);
			else
				bench_free(bench);
		}
}

/* By a fixed seed. */
static uint32_t chance(uint32_t n)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 33) % n;
}

static void walk(void)
{
	for (size_t i = 0; i < WALKS; i++) {
		struct bench *bench = copy(places[chance((uint32_t)places_n)].bench);

		for (size_t s = 0; s < STEPS && bench_vm(bench); s++)
			if (!happen(bench, &stimuli[chance((uint32_t)stimuli_n)]))
				break;
		bench_free(bench);
	}
}

static void forget(void)
{
	while (places_n)
		bench_free(places[--places_n].bench);
}

static void test_all(void)
{
	uint64_t phases = 0;

	discover();
	for (size_t i = 0; i < places_n; i++)
		phases |= UINT64_C(1) << bench_vm(places[i].bench)->phase;
	CU_ASSERT_EQUAL(phases, (UINT64_C(1) << VMOP_PHASES) - 1);
	CU_ASSERT(places_n < PLACES_MAX);
	walk();
	forget();
}

UNIT_MAIN("core/apply_phases", { "all", test_all })
