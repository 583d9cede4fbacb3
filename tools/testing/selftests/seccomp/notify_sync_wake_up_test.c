// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: whoever is woken runs on the CPU of the
 * one who wakes it. That holds for a target that is answered, and for those who
 * wait for a new notification, and for nobody else.
 */
#include "notify_slow.h"

/* A task wakes another, which was on another CPU before. */
struct pair {
	struct supervisor *sup;
	struct slow_file *slow;
	unsigned long flags;
	int cpus[2];		/* of the one who wakes, and the other one */
};

static struct pair pair;

static bool find_cpus(void)
{
	int cpu, count = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return false;
	for (cpu = 0; cpu < CPU_SETSIZE && count < 2; cpu++) {
		if (CPU_ISSET(cpu, &set))
			pair.cpus[count++] = cpu;
	}
	return count == 2;
}

/* On the other CPU; but it may run on both when it is woken. */
static void move_away(void)
{
	cpu_set_t set;

	set_cpu(0, pair.cpus[1]);
	CPU_ZERO(&set);
	CPU_SET(pair.cpus[0], &set);
	CPU_SET(pair.cpus[1], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Says in t->number on which CPU it was woken. */
static void move_and_call(struct target *t)
{
	move_away();
	trapped_call(t);
	t->number = sched_getcpu();
}

static void move_and_read(struct target *t)
{
	struct seccomp_notif n;

	move_away();
	t->ret = recv_notif(t->sup, &n);
	t->number = sched_getcpu();
}

static void move_and_poll(struct target *t)
{
	struct pollfd p = { .fd = t->sup->listener, .events = t->arg };

	move_away();
	t->ret = poll(&p, 1, -1);
	t->number = sched_getcpu();
}

/* Answers the next notification, that of @t. */
static void end_call(struct __test_metadata *_metadata, struct target *t)
{
	struct seccomp_notif n;

	ASSERT_EQ(0, recv_notif(pair.sup, &n));
	EXPECT_EQ(0, reply_value(pair.sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

/* The rounds; each returns the CPU on which the one who was woken ran. */

static int wake_target(struct __test_metadata *_metadata)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, pair.sup, move_and_call, &n);
	EXPECT_EQ(0, reply_value(pair.sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
	return t->number;
}

/* For one that has a second call to make. */
static void move_and_call_twice(struct target *t)
{
	move_and_call(t);
	trapped_call(t);
}

/* SEND_RECV wakes the target before it sleeps. */
static int wake_target_and_sleep(struct __test_metadata *_metadata)
{
	struct seccomp_notif_send_recv sr;
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, pair.sup, move_and_call_twice, &n);
	set_answer(&sr, n.id, 1);
	EXPECT_EQ(0, send_recv(pair.sup, &sr));
	EXPECT_EQ(0, reply_value(pair.sup, sr.notif.id, 2));
	reap(_metadata, t);
	EXPECT_EQ(2, t->done);
	EXPECT_EQ(2, t->ret);
	return t->number;
}

/* It finds nothing, and its caller goes on to wait elsewhere. */
static int wake_target_nonblock(struct __test_metadata *_metadata)
{
	struct seccomp_notif_send_recv sr;
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, pair.sup, move_and_call, &n);
	set_answer(&sr, n.id, 1);
	ASSERT_EQ(0, set_nonblock(pair.sup));
	EXPECT_EQ(-EAGAIN, send_recv(pair.sup, &sr));
	ASSERT_EQ(0, fcntl(pair.sup->listener, F_SETFL, O_RDWR));
	expect_result(_metadata, t, 1, 0);
	return t->number;
}

/* It finds another notification, and its caller keeps the CPU. */
static int wake_target_and_go_on(struct __test_metadata *_metadata)
{
	struct seccomp_notif_send_recv sr;
	struct target *t, *other;
	struct seccomp_notif n;

	t = spawn_delivered(_metadata, pair.sup, move_and_call, &n);
	other = spawn_queued(_metadata, pair.sup, call_once, 2);
	set_answer(&sr, n.id, 1);
	EXPECT_EQ(0, send_recv(pair.sup, &sr));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(0, reply_value(pair.sup, sr.notif.id, 2));
	expect_result(_metadata, other, 2, 0);
	return t->number;
}

static struct target *start_waiting(struct __test_metadata *_metadata,
				    void (*fn)(struct target *t),
				    unsigned long arg, long nr)
{
	struct target *t = spawn_supervisor(_metadata, pair.sup, fn, arg);

	ASSERT_TRUE(WAIT_FOR(sleeps_in(t->tid, nr, "S")));
	return t;
}

static int wake_reader(struct __test_metadata *_metadata)
{
	struct target *reader, *t;

	reader = start_waiting(_metadata, move_and_read, 0, __NR_ioctl);
	t = spawn(_metadata, pair.sup, call_once, 1);
	reap(_metadata, reader);
	EXPECT_EQ(0, reader->ret);
	kill_and_reap(_metadata, t);
	return reader->number;
}

static int wake_poll_in(struct __test_metadata *_metadata)
{
	struct target *poller, *t;

	poller = start_waiting(_metadata, move_and_poll, POLLIN, NR_POLL);
	t = spawn(_metadata, pair.sup, call_once, 1);
	reap(_metadata, poller);
	end_call(_metadata, t);
	return poller->number;
}

static int wake_poll_out(struct __test_metadata *_metadata)
{
	struct target *poller, *t;
	struct seccomp_notif n;

	poller = start_waiting(_metadata, move_and_poll, POLLOUT, NR_POLL);
	/* RECV is what wakes it. */
	t = spawn_delivered(_metadata, pair.sup, call_once, &n);
	reap(_metadata, poller);
	EXPECT_EQ(0, reply_value(pair.sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
	return poller->number;
}

/* A RECV that cannot write its buffer, and another that may instead. */
static int wake_after_failed_copy(struct __test_metadata *_metadata)
{
	struct slow_file *slow = pair.slow;
	struct target *reader, *t;
	struct slow_reader r;

	ATOMIC_SET(slow->ctl->reads, 0);
	start_slow_reader(_metadata, pair.sup, &r, slow);
	t = spawn(_metadata, pair.sup, call_once, 1);
	ASSERT_TRUE(slow_reader_writes(&r));
	reader = start_waiting(_metadata, move_and_read, 0, __NR_ioctl);
	end_slow_reader(_metadata, &r, -EFAULT);
	EXPECT_EQ(0, munmap(r.buf, getpagesize()));
	reap(_metadata, reader);
	EXPECT_EQ(0, reader->ret);
	kill_and_reap(_metadata, t);
	return reader->number;
}

/* The last task that uses a filter ends. */
static int wake_at_last_use(struct __test_metadata *_metadata)
{
	struct supervisor *sup = pair.sup;
	struct target *reader, *t;
	struct seccomp_notif n;

	close_listener(_metadata, sup);
	t = spawn_installing(_metadata, sup, install_and_call);
	ASSERT_EQ(0, set_flags(sup, pair.flags));
	ASSERT_EQ(0, recv_notif(sup, &n));
	reader = start_waiting(_metadata, move_and_read, 0, __NR_ioctl);
	EXPECT_EQ(0, reply_value(sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
	reap(_metadata, reader);
	EXPECT_EQ(-ENOENT, reader->ret);
	return reader->number;
}

FIXTURE(sync_wake_up)
{
	struct supervisor sup;
	struct slow_file slow;
};

FIXTURE_VARIANT(sync_wake_up)
{
	int (*wake)(struct __test_metadata *_metadata);
	bool is_sync;		/* the flag matters */
	bool is_send_recv;
};

FIXTURE_VARIANT_ADD(sync_wake_up, answer)
{
	.wake = wake_target,
	.is_sync = true,
};

FIXTURE_VARIANT_ADD(sync_wake_up, answer_by_send_recv)
{
	.wake = wake_target_and_sleep,
	.is_sync = true,
	.is_send_recv = true,
};

FIXTURE_VARIANT_ADD(sync_wake_up, send_recv_finds_nothing)
{
	.wake = wake_target_nonblock,
	.is_sync = true,
	.is_send_recv = true,
};

FIXTURE_VARIANT_ADD(sync_wake_up, send_recv_finds_another)
{
	.wake = wake_target_and_go_on,
	.is_sync = false,
	.is_send_recv = true,
};

FIXTURE_VARIANT_ADD(sync_wake_up, notification_for_reader)
{
	.wake = wake_reader,
	.is_sync = true,
};

FIXTURE_VARIANT_ADD(sync_wake_up, notification_for_poller)
{
	.wake = wake_poll_in,
	.is_sync = true,
};

FIXTURE_VARIANT_ADD(sync_wake_up, delivery)
{
	.wake = wake_poll_out,
	.is_sync = false,
};

FIXTURE_VARIANT_ADD(sync_wake_up, failed_copy)
{
	.wake = wake_after_failed_copy,
	.is_sync = false,
};

FIXTURE_VARIANT_ADD(sync_wake_up, last_use)
{
	.wake = wake_at_last_use,
	.is_sync = false,
};

FIXTURE_SETUP(sync_wake_up)
{
	init_supervisor(_metadata, &self->sup);
	pair.sup = &self->sup;
	pair.slow = &self->slow;
	if (!find_cpus())
		SKIP(return, "there is but one CPU");
	if (!slow_open(_metadata, &self->slow))
		return;
	supervise(_metadata, &self->sup, 0);
	if (variant->is_send_recv && !knows_send_recv(_metadata, &self->sup))
		return;
	/* All that wakes somebody does it there. */
	ASSERT_EQ(0, set_cpu(0, pair.cpus[0]));
}

FIXTURE_TEARDOWN(sync_wake_up)
{
	slow_close(&self->slow);
	end_supervisor(_metadata, &self->sup);
}

#define NR_WAKE_UPS	40

/* How often the one who was woken ran on the CPU of the one who woke it. */
static int count_same_cpu(struct __test_metadata *_metadata,
			  unsigned long flags,
			  int (*wake)(struct __test_metadata *_metadata))
{
	int i, count = 0;

	pair.flags = flags;
	ASSERT_EQ(0, set_flags(pair.sup, flags));
	for (i = 0; i < NR_WAKE_UPS; i++) {
		forget_targets(pair.sup);
		count += wake(_metadata) == pair.cpus[0];
	}
	TH_LOG("%d of %d on the same CPU", count, i);
	return count;
}

TEST_F(sync_wake_up, same_cpu)
{
	const unsigned long flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
	int without, with;

	/*
	 * The scheduler may have its reasons for a few, and without the flag in a
	 * slow kernel for some more.
	 */
	without = count_same_cpu(_metadata, 0, variant->wake);
	EXPECT_GT(NR_WAKE_UPS / 2, without);
	with = count_same_cpu(_metadata, flags, variant->wake);
	EXPECT_GT(NR_WAKE_UPS / 4,
		  variant->is_sync ? NR_WAKE_UPS - with : with);
}

TEST_HARNESS_MAIN
