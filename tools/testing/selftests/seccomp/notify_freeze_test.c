// SPDX-License-Identifier: GPL-2.0
/*
 * Freezing: suspending, and the freezers of both cgroup hierarchies.
 */
#include "notify_slow.h"

/* The kernel's own test of suspending: it freezes all tasks and goes on. */
static bool freeze_the_system(struct __test_metadata *_metadata)
{
	const char *delay = "/sys/module/suspend/parameters/pm_test_delay";
	char was[32] = "";
	int ret;

	ret = write_file("/sys/power/pm_test", "freezer");
	if (ret == -ENOENT || ret == -EACCES)
		SKIP(return false, "no pm_test here, or not for us (%d)", ret);
	ASSERT_EQ(0, ret);
	if (read_file(delay, was, sizeof(was)) > 0)
		write_file(delay, "0");
	ret = write_file("/sys/power/state", "mem");
	if (ret == -EINVAL || ret == -ENODEV)
		ret = write_file("/sys/power/state", "freeze");
	if (was[0])
		write_file(delay, was);
	write_file("/sys/power/pm_test", "none");
	if (ret == -EINVAL || ret == -ENODEV)
		SKIP(return false, "no suspend here (%d)", ret);
	/* EBUSY: some task did not freeze. */
	ASSERT_EQ(0, ret);
	return true;
}

/* A cgroup for targets, in a hierarchy that is mounted for the test. */
struct cgroup {
	char mount[64];
	char path[96];
};

static int write_cgroup_file(struct cgroup *cg, const char *name,
			     const char *text)
{
	char file[160];

	snprintf(file, sizeof(file), "%s/%s", cg->path, name);
	return write_file(file, text);
}

static bool cgroup_file_has(struct cgroup *cg, const char *name,
			    const char *text)
{
	char file[160], buf[128];

	snprintf(file, sizeof(file), "%s/%s", cg->path, name);
	return read_file(file, buf, sizeof(buf)) > 0 && strstr(buf, text);
}

static void add_to_cgroup(struct __test_metadata *_metadata, struct cgroup *cg,
			  struct target *t)
{
	char tid[16];

	snprintf(tid, sizeof(tid), "%d", t->tid);
	ASSERT_EQ(0, write_cgroup_file(cg, "cgroup.procs", tid));
}

/* Puts @t into a cgroup; false if there are none, and the test is skipped. */
static bool make_cgroup(struct __test_metadata *_metadata, struct cgroup *cg,
			const char *type, const char *options, struct target *t)
{
	snprintf(cg->mount, sizeof(cg->mount), "/tmp/seccomp_notify.XXXXXX");
	if (!mkdtemp(cg->mount)) {
		cg->mount[0] = '\0';
		SKIP(return false, "no directory to mount at (%d)", errno);
	}
	if (mount("none", cg->mount, type, 0, options))
		SKIP(return false, "no %s %s (%d)", type, options ?: "", errno);
	snprintf(cg->path, sizeof(cg->path), "%s/target", cg->mount);
	ASSERT_EQ(0, mkdir(cg->path, 0700));
	add_to_cgroup(_metadata, cg, t);
	return true;
}

/* With the v1 freezer, a frozen task does not die before it is thawed. */
static void thaw_cgroup(struct cgroup *cg)
{
	if (!cg->path[0])
		return;
	write_cgroup_file(cg, "freezer.state", "THAWED");
	write_cgroup_file(cg, "cgroup.freeze", "0");
}

/* For the v1 freezer. */
static void set_freezer(struct __test_metadata *_metadata, struct cgroup *cg,
			const char *state)
{
	ASSERT_EQ(0, write_cgroup_file(cg, "freezer.state", state));
}

static bool is_frozen(struct cgroup *cg)
{
	return cgroup_file_has(cg, "freezer.state", "FROZEN");
}

/* After the end of the target. */
static void remove_cgroup(struct cgroup *cg)
{
	if (cg->path[0])
		rmdir(cg->path);
	if (cg->mount[0]) {
		umount2(cg->mount, MNT_DETACH);
		rmdir(cg->mount);
	}
}

FIXTURE(freeze)
{
	struct supervisor sup;
};

FIXTURE_SETUP(freeze)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(freeze)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(freeze, suspend_keeps_notifications)
{
	struct target *delivered, *queued, *last;
	struct seccomp_notif n, m;
	struct reader r;

	delivered = spawn_delivered(_metadata, &self->sup, call_once, &n);
	queued = spawn_queued(_metadata, &self->sup, call_once, 2);
	if (!freeze_the_system(_metadata))
		return;
	if (c_differs(_metadata, &self->sup,
		      id_valid(&self->sup, n.id) == -ENOENT,
		      "freezing interrupts targets"))
		return;
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, delivered, 1, 0);
	ASSERT_EQ(0, recv_notif(&self->sup, &m));
	EXPECT_EQ(n.id + 1, m.id);
	EXPECT_EQ(0, m.flags);
	EXPECT_EQ(0, reply_value(&self->sup, m.id, 2));
	expect_result(_metadata, queued, 2, 0);

	/* A reader that sleeps is not interrupted either. */
	start_sleeping_reader(_metadata, &self->sup, &r);
	if (!freeze_the_system(_metadata)) {
		interrupt_reader(_metadata, &r);
		return;
	}
	EXPECT_FALSE(ATOMIC_GET(r.finished));
	last = spawn(_metadata, &self->sup, call_once, 3);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(0, reply_value(&self->sup, r.n.id, 3));
	expect_result(_metadata, last, 3, 0);
}

/* The target installs an fd, and is asked to freeze; then the fd is there. */
static void freeze_while_installing(struct __test_metadata *_metadata,
				    struct supervisor *sup, struct adder *a,
				    __u64 id, struct slow_file *slow,
				    struct cgroup *cg)
{
	start_slow_install(_metadata, sup, a, id, slow->fd, slow);
	set_freezer(_metadata, cg, "FROZEN");
	slow_set(slow, &slow->ctl->hold_flush, 0);
	join_adder(_metadata, a);
	EXPECT_EQ(slow->fd, a->ret);
}

/*
 * With FD_SIGNALED
 */

FIXTURE(freeze_signaled)
{
	struct supervisor sup;
	struct slow_file slow;
	struct cgroup cgroup;
};

FIXTURE_SETUP(freeze_signaled)
{
	init_supervisor(_metadata, &self->sup);
	if (!slow_open(_metadata, &self->slow))
		return;
	supervise(_metadata, &self->sup, 0);
	set_signaled(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(freeze_signaled)
{
	thaw_cgroup(&self->cgroup);
	slow_close(&self->slow);
	end_supervisor(_metadata, &self->sup);
	remove_cgroup(&self->cgroup);
}

TEST_F(freeze_signaled, suspend_is_no_signal)
{
	struct target *delivered, *told;
	__u64 id;

	delivered = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, delivered, 0);
	told = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	expect_recv(_metadata, &self->sup, told, 0);
	signal_target(_metadata, told);
	if (!freeze_the_system(_metadata))
		return;
	EXPECT_EQ(id + 1, expect_recv(_metadata, &self->sup, told, SIGNALED));
	ASSERT_TRUE(WAIT_FOR(target_waits(delivered)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, id + 1, 2));
	expect_result(_metadata, delivered, 1, 0);
	EXPECT_EQ(0, delivered->handled);
	expect_handled(_metadata, told, 2, 0);
}

TEST_F(freeze_signaled, cgroup_v2_is_a_signal)
{
	struct cgroup *cg = &self->cgroup;
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	if (!make_cgroup(_metadata, cg, "cgroup2", NULL, t))
		return;
	ASSERT_EQ(0, write_cgroup_file(cg, "cgroup.freeze", "1"));
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) ==
			     (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	ASSERT_TRUE(WAIT_FOR(cgroup_file_has(cg, "cgroup.events", "frozen 1")));
	EXPECT_EQ(0, t->done);
	ASSERT_EQ(0, write_cgroup_file(cg, "cgroup.freeze", "0"));
	expect_result(_metadata, t, 1, 0);
}

/* The v1 freezer freezes a target where it waits, as suspending does. */
TEST_F(freeze_signaled, cgroup_v1_is_no_signal)
{
	struct cgroup *cg = &self->cgroup;
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", t))
		return;
	set_freezer(_metadata, cg, "FROZEN");
	ASSERT_TRUE(WAIT_FOR(is_frozen(cg)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, id_valid(&self->sup, id));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	EXPECT_EQ(0, t->done);
	set_freezer(_metadata, cg, "THAWED");
	expect_result(_metadata, t, 1, 0);
}

/* A target that waits killable, since its supervisor was told of a signal. */
TEST_F(freeze_signaled, cgroup_v1_freezes_a_marked_target)
{
	struct supervisor *sup = &self->sup;
	struct cgroup *cg = &self->cgroup;
	struct seccomp_notif n;
	struct target *t;
	struct adder a;

	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", t))
		return;
	signal_target(_metadata, t);
	EXPECT_EQ(n.id, expect_recv(_metadata, sup, t, SIGNALED));
	freeze_while_installing(_metadata, sup, &a, n.id, &self->slow, cg);
	ASSERT_TRUE(WAIT_FOR(is_frozen(cg)));
	set_freezer(_metadata, cg, "THAWED");
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(0, reply_value(sup, n.id, 4));
	expect_handled(_metadata, t, 4, 0);
}

/*
 * A target that is frozen where it settles what looks like a signal, and gets
 * one there, of which it takes notice when it is thawed.
 */
static struct target *freeze_and_signal(struct __test_metadata *_metadata,
					struct supervisor *sup,
					struct slow_file *slow,
					struct cgroup *cg, __u64 *id)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;

	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", t))
		return NULL;
	freeze_while_installing(_metadata, sup, &a, n.id, slow, cg);
	ASSERT_TRUE(WAIT_FOR(is_frozen(cg)));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(0, id_valid(sup, n.id));
	*id = n.id;
	return t;
}

/* Those flags count that are set when it takes notice, not when it froze. */
TEST_F(freeze_signaled, flag_set_while_frozen)
{
	struct supervisor *sup = &self->sup;
	struct cgroup *cg = &self->cgroup;
	struct target *t;
	int events;
	__u64 id;

	ASSERT_EQ(0, set_flags(sup, 0));
	t = freeze_and_signal(_metadata, sup, &self->slow, cg, &id);
	if (!t)
		return;
	ASSERT_EQ(0, set_flags(sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	set_freezer(_metadata, cg, "THAWED");
	ASSERT_TRUE(WAIT_FOR((events = poll_now(sup)) != POLL_DELIVERED));
	ASSERT_EQ(POLL_QUEUED | POLL_DELIVERED, events);
	EXPECT_EQ(id, expect_recv(_metadata, sup, t, SIGNALED));
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(0, reply_value(sup, id, 4));
	expect_handled(_metadata, t, 4, 0);
}

TEST_F(freeze_signaled, flag_cleared_while_frozen)
{
	struct supervisor *sup = &self->sup;
	struct cgroup *cg = &self->cgroup;
	struct target *t;
	int events;
	__u64 id;

	t = freeze_and_signal(_metadata, sup, &self->slow, cg, &id);
	if (!t)
		return;
	ASSERT_EQ(0, set_flags(sup, 0));
	set_freezer(_metadata, cg, "THAWED");
	ASSERT_TRUE(WAIT_FOR((events = poll_now(sup)) != POLL_DELIVERED));
	ASSERT_EQ(0, events);
	expect_handled(_metadata, t, -1, EINTR);
	EXPECT_EQ(-ENOENT, id_valid(sup, id));
}

/*
 * The v1 freezer, while an fd is installed: the target cannot freeze where it
 * is, and is interrupted as if there were a signal
 */

FIXTURE(freezer_install)
{
	struct supervisor sup;
	struct slow_file slow;
	struct cgroup cgroup;
};

FIXTURE_VARIANT(freezer_install)
{
	bool is_signaled;
};

FIXTURE_VARIANT_ADD(freezer_install, interruptible)
{
	.is_signaled = false,
};

FIXTURE_VARIANT_ADD(freezer_install, signaled)
{
	.is_signaled = true,
};

FIXTURE_SETUP(freezer_install)
{
	init_supervisor(_metadata, &self->sup);
	if (!slow_open(_metadata, &self->slow))
		return;
	supervise(_metadata, &self->sup, 0);
	if (variant->is_signaled)
		set_signaled(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(freezer_install)
{
	thaw_cgroup(&self->cgroup);
	slow_close(&self->slow);
	end_supervisor(_metadata, &self->sup);
	remove_cgroup(&self->cgroup);
}

TEST_F(freezer_install, is_no_signal)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct cgroup *cg = &self->cgroup;
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int flushes;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", t))
		return;
	freeze_while_installing(_metadata, sup, &a, n.id, slow, cg);
	ASSERT_TRUE(WAIT_FOR(is_frozen(cg)));
	if (c_differs(_metadata, sup, id_valid(sup, n.id) == -ENOENT,
		      "freezing interrupts targets"))
		return;
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));

	/* The next fd is asked for before the target is thawed. */
	slow_set(slow, &slow->ctl->hold_flush, 1);
	start_replacing(_metadata, sup, &a, n.id, slow->fd, 0, slow->fd);
	ASSERT_TRUE(WAIT_FOR(adder_rests(&a)));
	ASSERT_FALSE(ATOMIC_GET(a.finished));
	flushes = ATOMIC_GET(slow->ctl->flushes);
	set_freezer(_metadata, cg, "THAWED");
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(slow->ctl->flushes) > flushes));

	/* It is frozen again, before it has looked at anything else. */
	set_freezer(_metadata, cg, "FROZEN");
	slow_set(slow, &slow->ctl->hold_flush, 0);
	join_adder(_metadata, &a);
	EXPECT_EQ(slow->fd, a.ret);
	ASSERT_TRUE(WAIT_FOR(is_frozen(cg)));
	ASSERT_EQ(0, id_valid(sup, n.id));
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(0, reply_value(sup, n.id, 4));
	set_freezer(_metadata, cg, "THAWED");
	expect_result(_metadata, t, 4, 0);
}

/* At any moment. */
TEST_F(freezer_install, is_no_signal_in_a_race)
{
	struct supervisor *sup = &self->sup;
	struct cgroup *cg = &self->cgroup;
	struct add_loop loops[2];
	struct seccomp_notif n;
	struct target *t;
	int i, events = POLL_DELIVERED;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", t))
		return;
	start_add_loops(_metadata, sup, loops, 2, n.id, sup->listener, 60);
	for (i = 0; i < ROUNDS && events == POLL_DELIVERED; i++) {
		set_freezer(_metadata, cg, "FROZEN");
		spin(i % 100 * 100);
		set_freezer(_metadata, cg, "THAWED");
		spin(i % 64 * 100);
		events = poll_now(sup);
	}
	stop_add_loops(_metadata, loops, 2);
	if (c_differs(_metadata, sup, id_valid(sup, n.id) == -ENOENT,
		      "freezing interrupts targets"))
		return;
	ASSERT_EQ(POLL_DELIVERED, events) {
		TH_LOG("in round %d", i);
	}
	EXPECT_LE(0, loops[0].ret);
	EXPECT_LE(0, loops[1].ret);
	EXPECT_LT(0, count_installed(loops, 2));
	EXPECT_EQ(0, reply_value(sup, n.id, 4));
	expect_result(_metadata, t, 4, 0);
}

#define NR_LOOPS	4

/* A target is never without a request, each takes long, and it freezes. */
TEST_F(freezer_install, requests_do_not_keep_a_target_from_freezing)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct cgroup *cg = &self->cgroup;
	struct add_loop loops[NR_LOOPS];
	struct seccomp_notif n;
	struct target *t;
	bool freezes;

	slow_set(slow, &slow->ctl->flush_us, 5000);
	t = spawn_delivered(_metadata, sup, call_once, &n);
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", t))
		return;
	start_add_loops(_metadata, sup, loops, NR_LOOPS, n.id, slow->fd,
			slow->fd);
	ASSERT_TRUE(WAIT_FOR(count_installed(loops, NR_LOOPS) > 20));
	set_freezer(_metadata, cg, "FROZEN");
	freezes = WAIT_FOR(is_frozen(cg));
	set_freezer(_metadata, cg, "THAWED");
	stop_add_loops(_metadata, loops, NR_LOOPS);
	/* It is a matter of luck there. */
	if (sup->is_c && !freezes)
		XFAIL(return, "C implementation: requests delay freezing");
	ASSERT_TRUE(freezes);
	if (c_differs(_metadata, sup, id_valid(sup, n.id) == -ENOENT,
		      "freezing interrupts targets"))
		return;
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(0, reply_value(sup, n.id, 4));
	expect_result(_metadata, t, 4, 0);
}

/* ADDFD as a struct adder says, of which this process has a copy. */
static void add_in_process(struct target *t)
{
	struct adder *a = (struct adder *)t->arg;

	handle_signal(SIGUSR1, 0);
	t->ret = addfd(t->sup, a->id, a->src, a->flags, a->newfd, 0);
	ATOMIC_INC(t->done);
}

/* The CPU time that a process has used, in milliseconds. */
static long cpu_time_ms(struct target *process)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(process->tid, &clock) ||
	    clock_gettime(clock, &used))
		return -1;
	return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/*
 * The caller of ADDFD has a signal, which it does not heed while the target
 * installs the fd, and is asked to freeze before it sleeps again. It freezes
 * there, and does not take its CPU's time until the fd is installed.
 */
TEST_F(freezer_install, freezes_the_caller_of_addfd_too)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct cgroup *cg = &self->cgroup;
	struct target *caller, *t;
	struct seccomp_notif n;
	struct adder a;
	bool freezes;
	int flushes;
	long used;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	flushes = ATOMIC_GET(slow->ctl->flushes);
	slow_set(slow, &slow->ctl->hold_flush, 1);
	a = (struct adder) {
		.id = n.id,
		.src = slow->fd,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.newfd = slow->fd,
	};
	caller = spawn_supervisor(_metadata, sup, add_in_process,
				  (unsigned long)&a);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(slow->ctl->flushes) > flushes));
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(caller->tid)));
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", caller))
		return;

	/* The signal wakes it, but it does not run before it is to freeze. */
	if (!hold_target(_metadata, sup, caller))
		return;
	ASSERT_EQ(0, kill(caller->tid, SIGUSR1));
	ASSERT_EQ('R', task_state(caller->tid));
	set_freezer(_metadata, cg, "FROZEN");
	/* If it does not sleep, this process gets a CPU nevertheless. */
	ASSERT_EQ(0, set_fifo(caller->tid, 0));
	release_target(_metadata, sup);
	used = cpu_time_ms(caller);
	ASSERT_LE(0, used);
	usleep(300000);
	EXPECT_GT(100, cpu_time_ms(caller) - used);

	/* In C it waits for a lock which the target has that installs. */
	ASSERT_TRUE(WAIT_FOR(is_frozen(cg) ||
			     (sup->is_c && sleeps_in(caller->tid, __NR_ioctl,
						     "D"))));
	freezes = is_frozen(cg);
	EXPECT_EQ(0, caller->done);
	slow_set(slow, &slow->ctl->hold_flush, 0);
	set_freezer(_metadata, cg, "THAWED");
	reap(_metadata, caller);
	EXPECT_EQ(slow->fd, caller->ret);
	EXPECT_EQ(1, caller->handled);
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(0, reply_value(sup, n.id, 4));
	expect_result(_metadata, t, 4, 0);
	c_differs(_metadata, sup, !freezes,
		  "ADDFD delays freezing until the fd is installed");
}

/*
 * The v1 freezer and readers
 */

FIXTURE(freezer_readers)
{
	struct supervisor sup;
	struct cgroup cgroup;
};

FIXTURE_SETUP(freezer_readers)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(freezer_readers)
{
	thaw_cgroup(&self->cgroup);
	end_supervisor(_metadata, &self->sup);
	remove_cgroup(&self->cgroup);
}

static void read_in_process(struct target *t)
{
	struct seccomp_notif n;

	t->ret = recv_notif(t->sup, &n);
	t->number = n.data.args[0];
	ATOMIC_INC(t->done);
}

/* Of two readers one is frozen, whichever is the first to be asked. */
TEST_F(freezer_readers, frozen_one_is_passed_over)
{
	struct supervisor *sup = &self->sup;
	struct cgroup *cg = &self->cgroup;
	struct target *readers[2], *t;
	int i, frozen;

	for (frozen = 0; frozen < 2; frozen++) {
		for (i = 0; i < 2; i++) {
			readers[i] = spawn_supervisor(_metadata, sup,
						      read_in_process, 0);
			ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(readers[i]->tid)));
		}
		if (!make_cgroup(_metadata, cg, "cgroup", "freezer",
				 readers[frozen]))
			return;
		set_freezer(_metadata, cg, "FROZEN");
		ASSERT_TRUE(WAIT_FOR(is_frozen(cg)));
		t = spawn(_metadata, sup, call_once, 5);
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(readers[!frozen]->done)));
		EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
		set_freezer(_metadata, cg, "THAWED");
		kill_and_reap(_metadata, t);
		reap(_metadata, readers[!frozen]);
		EXPECT_EQ(0, readers[!frozen]->ret);
		EXPECT_EQ(5, readers[!frozen]->number);

		/* The one that was frozen has missed nothing. */
		ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(readers[frozen]->tid)));
		t = spawn(_metadata, sup, call_once, 6);
		reap(_metadata, readers[frozen]);
		EXPECT_EQ(0, readers[frozen]->ret);
		EXPECT_EQ(6, readers[frozen]->number);
		kill_and_reap(_metadata, t);
		remove_cgroup(cg);
		memset(cg, 0, sizeof(*cg));
	}
}

/*
 * A reader that is frozen cannot take the notification. That is no reason to
 * tell of it again: of the exclusive pollers one is woken.
 */
TEST_F(freezer_readers, frozen_one_wakes_no_more_pollers)
{
	struct supervisor *sup = &self->sup;
	struct target *reader, *pollers[2], *t;
	int i;

	reader = spawn_supervisor(_metadata, sup, read_in_process, 0);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(reader->tid)));
	for (i = 0; i < 2; i++)
		pollers[i] = spawn_poller(_metadata, sup);
	if (!make_cgroup(_metadata, &self->cgroup, "cgroup", "freezer",
			 reader))
		return;
	set_freezer(_metadata, &self->cgroup, "FROZEN");
	ASSERT_TRUE(WAIT_FOR(is_frozen(&self->cgroup)));

	t = spawn(_metadata, sup, call_once, 5);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_TRUE(WAIT_FOR(ATOMIC_GET(pollers[0]->done) +
			     ATOMIC_GET(pollers[1]->done)));
	/* The target sleeps, so the reader that it woke runs or has run. */
	EXPECT_EQ(1, end_pollers(_metadata, pollers, 2, EPOLLIN));

	kill_and_reap(_metadata, t);
	/* It dies when it is thawed. */
	ASSERT_EQ(0, kill(reader->tid, SIGKILL));
	set_freezer(_metadata, &self->cgroup, "THAWED");
	reap_status(_metadata, reader, SIGKILL);
}

static void read_with_handler(struct target *t)
{
	handle_signal(SIGUSR2, 0);
	read_in_process(t);
}

/*
 * A reader that was woken for a notification finds a signal. There are others
 * that sleep, before it and after it, but all are frozen: it takes it.
 */
TEST_F(freezer_readers, interrupted_one_leaves_nothing_to_frozen_ones)
{
	struct supervisor *sup = &self->sup;
	struct cgroup *cg = &self->cgroup;
	struct target *readers[3], *t;
	int i;

	for (i = 0; i < 3; i++) {
		readers[i] = spawn_supervisor(_metadata, sup, read_with_handler,
					      0);
		ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(readers[i]->tid)));
	}
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", readers[0]))
		return;
	add_to_cgroup(_metadata, cg, readers[2]);
	set_freezer(_metadata, cg, "FROZEN");
	ASSERT_TRUE(WAIT_FOR(is_frozen(cg)));
	if (!hold_target(_metadata, sup, readers[1]))
		return;
	t = spawn(_metadata, sup, call_once, 5);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	/* It is woken for that, and has yet to take it. */
	ASSERT_EQ('R', task_state(readers[1]->tid));
	ASSERT_EQ(POLL_QUEUED, poll_now(sup));
	ASSERT_EQ(0, kill(readers[1]->tid, SIGUSR2));
	release_target(_metadata, sup);
	reap(_metadata, readers[1]);
	EXPECT_EQ(0, readers[1]->ret);
	EXPECT_EQ(5, readers[1]->number);
	EXPECT_EQ(1, readers[1]->handled);
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));

	/* They die when they are thawed. */
	ASSERT_EQ(0, kill(readers[0]->tid, SIGKILL));
	ASSERT_EQ(0, kill(readers[2]->tid, SIGKILL));
	set_freezer(_metadata, cg, "THAWED");
	reap_status(_metadata, readers[0], SIGKILL);
	reap_status(_metadata, readers[2], SIGKILL);
	kill_and_reap(_metadata, t);
}

#define NR_COLD		64

/* Has a thread go to sleep again, and has it tell the one before it. */
static void pass_signal_on(int sig)
{
	struct target *t = this_target;

	if (t->number)
		syscall(__NR_tgkill, getpid(), (t - 1)->tid, sig);
	ATOMIC_INC(t->handled);
}

/* One of the threads of a process that freezes. */
static void *read_until_killed(void *arg)
{
	struct target *t = arg;
	struct seccomp_notif n;
	int ret;

	this_target = t;
	ATOMIC_SET(t->tid, sys_gettid());
	for (;;) {
		ret = recv_notif(t->sup, &n);
		if (ret == -EINTR)
			continue;
		if (ret)
			_exit(1);
		ATOMIC_INC(t->done);
		reply_value(t->sup, n.id, 1);
	}
	return NULL;
}

/* Their structs follow this one's. */
static void read_in_threads(struct target *t)
{
	struct sigaction sa = { .sa_handler = pass_signal_on };
	pthread_t thread;
	int i;

	sigaction(SIGUSR2, &sa, NULL);
	for (i = 1; i <= NR_COLD; i++) {
		if (pthread_create(&thread, NULL, read_until_killed, t + i))
			_exit(1);
	}
	for (;;)
		pause();
}

/* One call for each time that t->stop is raised, t->arg later. */
static void call_when_told(struct target *t)
{
	bool has_cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	int i;

	for (i = 1; ; i++) {
		while (ATOMIC_GET(t->stop) < i) {
			if (!has_cpu)
				sched_yield();
		}
		spin(t->arg);
		trapped_call(t);
	}
}

/*
 * Readers freeze while one of them is being woken. There is another that does
 * not freeze: whatever happens, it or one of them takes the notification.
 */
TEST_F(freezer_readers, wakeup_is_not_lost_to_a_freeze)
{
	struct supervisor *sup = &self->sup;
	struct cgroup *cg = &self->cgroup;
	struct target *process, *cold[NR_COLD], *t;
	struct reader warm;
	int i, round, seen, freezer, head_start = 0, count = 0;
	struct timespec begin, now;
	char path[160];

	process = new_target(_metadata, sup, read_in_threads, 0);
	process->keeps_listener = true;
	for (i = 0; i < NR_COLD; i++) {
		cold[i] = new_target(_metadata, sup, NULL, 0);
		cold[i]->is_thread = true;
		cold[i]->number = i;
	}
	start_target(_metadata, process);
	for (i = 0; i < NR_COLD; i++)
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(cold[i]->tid)));
	if (!make_cgroup(_metadata, cg, "cgroup", "freezer", process))
		return;
	snprintf(path, sizeof(path), "%s/freezer.state", cg->path);
	freezer = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, freezer);
	start_answering(_metadata, sup, &warm, 1);
	t = spawn(_metadata, sup, call_when_told, 0);

	/* It may take some hundred rounds to meet it. */
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (round = 1; round <= 2 * ROUNDS; round++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - begin.tv_sec > 2 * GUARD)
			break;
		/*
		 * They go to sleep after the warm one, and in the reverse of
		 * the order in which they freeze: if the latest sleeper is the
		 * first to be woken, that meets the freezer.
		 */
		ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(warm.tid)));
		ASSERT_EQ(0, syscall(__NR_tgkill, process->tid,
				     cold[NR_COLD - 1]->tid, SIGUSR2));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(cold[0]->handled) == round));
		ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(cold[0]->tid)));

		/*
		 * The call comes later if those who freeze were faster than
		 * the freezer the last time, else earlier.
		 */
		t->arg = head_start < 0 ? -head_start : 0;
		ATOMIC_SET(t->stop, round);
		if (head_start > 0)
			spin(head_start);
		ASSERT_EQ(6, pwrite(freezer, "FROZEN", 6, 0));
		ASSERT_TRUE(WAIT_FOR(is_frozen(cg)));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) == round ||
				     target_waits(t)));
		ASSERT_TRUE(WAIT_FOR(!(poll_now(sup) & POLLIN))) {
			TH_LOG("nobody was woken in round %d", round);
		}
		/* Whoever took it may be frozen. */
		ASSERT_EQ(6, pwrite(freezer, "THAWED", 6, 0));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) == round));

		for (i = 0, seen = 0; i < NR_COLD; i++)
			seen += ATOMIC_GET(cold[i]->done);
		head_start += (seen > count ? -1 : 1) * (round * 7919 % 200);
		count = seen;
	}
	TH_LOG("%d of %d notifications went to those who froze", count,
	       round - 1);
	/* On one CPU, a wake-up and the freezer take turns. */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		EXPECT_LT(0, count);
		EXPECT_LT(count, round - 1);
	}
	EXPECT_EQ(0, close(freezer));
	kill_and_reap(_metadata, t);
	kill_and_reap(_metadata, process);
	stop_answering(_metadata, &warm, 1);
}

/*
 * Both freezers, each with what it does to a call that waits: v1 freezes it
 * where it is, v2 interrupts it, and it is restarted
 */

FIXTURE(freezers)
{
	struct supervisor sup;
	struct slow_file slow;
	struct cgroup cgroup;
};

FIXTURE_VARIANT(freezers)
{
	const char *type;
	const char *options;
	const char *file;
	const char *freeze;
	const char *thaw;
	const char *events;
	const char *is_frozen;
};

FIXTURE_VARIANT_ADD(freezers, v1)
{
	.type = "cgroup",
	.options = "freezer",
	.file = "freezer.state",
	.freeze = "FROZEN",
	.thaw = "THAWED",
	.events = "freezer.state",
	.is_frozen = "FROZEN",
};

FIXTURE_VARIANT_ADD(freezers, v2)
{
	.type = "cgroup2",
	.file = "cgroup.freeze",
	.freeze = "1",
	.thaw = "0",
	.events = "cgroup.events",
	.is_frozen = "frozen 1",
};

FIXTURE_SETUP(freezers)
{
	init_supervisor(_metadata, &self->sup);
	if (!slow_open(_metadata, &self->slow))
		return;
	supervise_nobody(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(freezers)
{
	thaw_cgroup(&self->cgroup);
	slow_close(&self->slow);
	end_supervisor(_metadata, &self->sup);
	remove_cgroup(&self->cgroup);
}

#define freeze_tasks() \
	ASSERT_EQ(0, write_cgroup_file(&self->cgroup, variant->file, \
				       variant->freeze))
#define thaw_tasks() \
	ASSERT_EQ(0, write_cgroup_file(&self->cgroup, variant->file, \
				       variant->thaw))
#define tasks_are_frozen() \
	cgroup_file_has(&self->cgroup, variant->events, variant->is_frozen)

/* The last user goes, and the next one comes and calls, and it is frozen. */
TEST_F(freezers, reader_is_frozen_between_users)
{
	struct supervisor *sup = &self->sup;
	struct target *reader, *t;

	t = spawn_user(_metadata, sup, use_and_exit_when_told, 0, 0);
	reader = spawn_supervisor(_metadata, sup, read_in_process, 0);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(reader->tid)));
	if (!make_cgroup(_metadata, &self->cgroup, variant->type,
			 variant->options, reader))
		return;
	freeze_tasks();
	ASSERT_TRUE(WAIT_FOR(tasks_are_frozen()));
	tell(t);
	reap(_metadata, t);
	EXPECT_EQ(POLLHUP, poll_now(sup));
	t = spawn_user(_metadata, sup, use_and_call, 5, 0);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	EXPECT_EQ(0, ATOMIC_GET(reader->done));
	thaw_tasks();
	reap(_metadata, reader);
	EXPECT_EQ(0, reader->ret);
	EXPECT_EQ(5, reader->number);
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	kill_and_reap(_metadata, t);
}

/* ... and is thawed before that one calls: it sleeps on. */
TEST_F(freezers, reader_is_thawed_before_the_next_user_calls)
{
	struct supervisor *sup = &self->sup;
	struct target *reader, *t;

	t = spawn_user(_metadata, sup, use_and_exit_when_told, 0, 0);
	reader = spawn_supervisor(_metadata, sup, read_in_process, 0);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(reader->tid)));
	if (!make_cgroup(_metadata, &self->cgroup, variant->type,
			 variant->options, reader))
		return;
	freeze_tasks();
	ASSERT_TRUE(WAIT_FOR(tasks_are_frozen()));
	tell(t);
	reap(_metadata, t);
	t = spawn_user(_metadata, sup, use_and_call_when_told, 5, 0);
	thaw_tasks();
	ASSERT_TRUE(WAIT_FOR(!tasks_are_frozen()));
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(reader->tid)));
	tell(t);
	reap(_metadata, reader);
	EXPECT_EQ(0, reader->ret);
	EXPECT_EQ(5, reader->number);
	kill_and_reap(_metadata, t);
}

/* SEND_RECV with the memory at t->arg. */
static void answer_and_read(struct target *t)
{
	struct seccomp_notif_send_recv *sr = (void *)t->arg;

	t->ret = send_recv(t->sup, sr);
	t->number = sr->notif.data.args[0];
	/* It answers once, and knows it. */
	if (sr->flags)
		_exit(1);
	ATOMIC_INC(t->done);
}

/* It has answered, and sleeps until there is something to receive. */
TEST_F(freezers, send_recv_is_frozen_when_it_has_answered)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif_send_recv sr;
	struct target *server, *first, *t;
	struct seccomp_notif n;

	first = spawn_user(_metadata, sup, use_and_call, 5, 0);
	t = spawn_user(_metadata, sup, use_and_call_when_told, 8, 0);
	ASSERT_EQ(0, recv_notif(sup, &n));
	set_answer(&sr, n.id, 6);
	server = spawn_supervisor(_metadata, sup, answer_and_read,
				  (unsigned long)&sr);
	expect_result(_metadata, first, 6, 0);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(server->tid)));
	if (!make_cgroup(_metadata, &self->cgroup, variant->type,
			 variant->options, server))
		return;
	freeze_tasks();
	ASSERT_TRUE(WAIT_FOR(tasks_are_frozen()));
	tell(t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	thaw_tasks();
	reap(_metadata, server);
	EXPECT_EQ(0, server->ret);
	EXPECT_EQ(8, server->number);
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	kill_and_reap(_metadata, t);
}

/*
 * It is asked to freeze before it answers, and does so before it receives:
 * whoever has the answer goes on meanwhile.
 */
TEST_F(freezers, send_recv_is_frozen_before_it_receives)
{
	const int size = getpagesize();
	const int head = offsetof(struct seccomp_notif_send_recv, notif);
	struct seccomp_notif_send_recv answer, *sr;
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct target *server, *first, *t;
	struct seccomp_notif n;
	char *pages;

	first = spawn_user(_metadata, sup, use_and_call, 5, 0);
	t = spawn_user(_metadata, sup, use_and_call_when_told, 8, 0);
	ASSERT_EQ(0, recv_notif(sup, &n));
	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	ASSERT_EQ(pages + size,
		  mmap(pages + size, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_FIXED, slow->fd, 0));
	ASSERT_EQ(0, madvise(pages + size, size, MADV_RANDOM));
	/* Without touching what it receives into. */
	sr = (void *)(pages + size - head);
	set_answer(&answer, n.id, 6);
	memcpy(sr, &answer, head);

	slow_set(slow, &slow->ctl->hold_read, 1);
	server = spawn_supervisor(_metadata, sup, answer_and_read,
				  (unsigned long)sr);
	/* It sleeps in a page fault, as it looks for zeroes. */
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(slow->ctl->reads)));
	if (!make_cgroup(_metadata, &self->cgroup, variant->type,
			 variant->options, server))
		return;
	freeze_tasks();
	ASSERT_FALSE(tasks_are_frozen());
	EXPECT_EQ(0, id_valid(sup, n.id));
	slow_set(slow, &slow->ctl->hold_read, 0);
	ASSERT_TRUE(WAIT_FOR(tasks_are_frozen()));
	expect_result(_metadata, first, 6, 0);
	EXPECT_EQ(0, poll_now(sup));

	tell(t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	EXPECT_EQ(0, ATOMIC_GET(server->done));
	thaw_tasks();
	reap(_metadata, server);
	EXPECT_EQ(0, server->ret);
	EXPECT_EQ(8, server->number);
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, munmap(pages, 2 * size));
}

/* Each answer is the first argument plus 1, and is sent once. */
static void answer_and_read_on(struct target *t)
{
	struct seccomp_notif_send_recv sr = {};

	for (;;) {
		t->ret = send_recv(t->sup, &sr);
		if (sr.flags)
			_exit(1);
		if (t->ret)
			return;
		ATOMIC_INC(t->done);
		set_answer(&sr, sr.notif.id, sr.notif.data.args[0] + 1);
	}
}

#define NR_CALLERS	3

/* How many of the answers were not its own is in t->number. */
static void use_and_check(struct target *t)
{
	unsigned long wrong = 0;

	install_inherited(t);
	for (; !ATOMIC_GET(t->stop); t->arg++) {
		trapped_call(t);
		if (t->ret != (long)t->arg + 1 || t->err)
			wrong++;
	}
	t->number = wrong;
}

/* At any moment. */
TEST_F(freezers, send_recv_is_frozen_in_a_race)
{
	struct supervisor *sup = &self->sup;
	struct target *server, *t[NR_CALLERS];
	int i, before, calls = 0;

	server = spawn_supervisor(_metadata, sup, answer_and_read_on, 0);
	for (i = 0; i < NR_CALLERS; i++)
		t[i] = spawn_user(_metadata, sup, use_and_check, i * 1000000,
				  0);
	if (!make_cgroup(_metadata, &self->cgroup, variant->type,
			 variant->options, server))
		return;
	for (i = 0; i < ROUNDS; i++) {
		before = ATOMIC_GET(server->done);
		freeze_tasks();
		spin(i % 100 * 100);
		thaw_tasks();
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(server->done) > before)) {
			TH_LOG("nothing is received, in round %d", i);
		}
	}
	for (i = 0; i < NR_CALLERS; i++) {
		tell(t[i]);
		reap(_metadata, t[i]);
		EXPECT_EQ(0, t[i]->number);
		EXPECT_LT(0, t[i]->done);
		calls += t[i]->done;
	}
	EXPECT_EQ(calls, server->done);
	reap(_metadata, server);
	EXPECT_EQ(-ENOENT, server->ret);
}

TEST_HARNESS_MAIN
