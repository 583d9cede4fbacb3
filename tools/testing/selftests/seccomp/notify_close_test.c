// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a listener: its last fd is closed, or the last task that uses the
 * filter is gone.
 */
#include "notify_common.h"

FIXTURE(close)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(close)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(close, no_flags)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(close, wait_killable_recv)
{
	.flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
};

FIXTURE_SETUP(close)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, variant->flags);
}

FIXTURE_TEARDOWN(close)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(close, gives_enosys)
{
	struct target *a, *b, *c;
	struct seccomp_notif n;

	a = spawn_delivered(_metadata, &self->sup, call_once, &n);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	c = spawn_queued(_metadata, &self->sup, call_once, 3);
	close_listener(_metadata, &self->sup);
	expect_result(_metadata, a, -1, ENOSYS);
	expect_result(_metadata, b, -1, ENOSYS);
	expect_result(_metadata, c, -1, ENOSYS);

	/* Later ones do not wait at all. */
	a = spawn(_metadata, &self->sup, call_once, 4);
	expect_result(_metadata, a, -1, ENOSYS);
}

TEST_F(close, replied_keeps_the_answer)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 12));
	close_listener(_metadata, &self->sup);
	release_target(_metadata, &self->sup);
	expect_result(_metadata, t, 12, 0);
}

TEST_F(close, while_readers_sleep)
{
	struct reader r[2];
	struct target *t;

	start_sleeping_reader(_metadata, &self->sup, &r[0]);
	start_sleeping_reader(_metadata, &self->sup, &r[1]);
	/* The open file lives on until they have returned. */
	close_listener(_metadata, &self->sup);
	t = spawn(_metadata, &self->sup, call_once, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[0].finished) ||
			     ATOMIC_GET(r[1].finished)));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(0, t->done);
	if (ATOMIC_GET(r[0].finished)) {
		EXPECT_FALSE(ATOMIC_GET(r[1].finished));
		interrupt_reader(_metadata, &r[1]);
		join_reader(_metadata, &r[0]);
		EXPECT_EQ(0, r[0].ret);
	} else {
		interrupt_reader(_metadata, &r[0]);
		join_reader(_metadata, &r[1]);
		EXPECT_EQ(0, r[1].ret);
	}
	expect_result(_metadata, t, -1, ENOSYS);
}

TEST_F(close, addfd_is_pending)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int src;

	src = open_null(_metadata);
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	start_pending_adder(_metadata, &self->sup, &a, n.id, src, 0);
	close_listener(_metadata, &self->sup);
	release_target(_metadata, &self->sup);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	expect_result(_metadata, t, -1, ENOSYS);
	EXPECT_EQ(0, close(src));
}

/*
 * The last task that uses the filter: the test process does not use it
 */

FIXTURE(last_task)
{
	struct supervisor sup;
};

FIXTURE_SETUP(last_task)
{
	init_supervisor(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(last_task)
{
	end_supervisor(_metadata, &self->sup);
}

/* More than are woken under one hold of the listener's lock. */
#define NR_READERS 40

TEST_F(last_task, gone_recv_enoent)
{
	struct seccomp_notif n;
	struct target *t;
	struct reader r;

	t = spawn_installing(_metadata, &self->sup, install_and_call);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	start_sleeping_reader(_metadata, &self->sup, &r);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
	join_reader(_metadata, &r);
	EXPECT_EQ(-ENOENT, r.ret);

	/* It stays that way. */
	EXPECT_EQ(-ENOENT, recv_notif(&self->sup, &n));
	EXPECT_EQ(POLLHUP, poll_now(&self->sup));
	EXPECT_EQ(POLLHUP, poll_fd(self->sup.listener, -1));
}

TEST_F(last_task, gone_nonblock_recv_enoent)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_installing(_metadata, &self->sup, install_and_call);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(-ENOENT, recv_notif(&self->sup, &n));
}

TEST_F(last_task, gone_wakes_all_readers)
{
	struct reader r[NR_READERS];
	struct target *t;
	pid_t pid;
	int i, count = 0;

	t = spawn_installing(_metadata, &self->sup, install_and_call);
	pid = t->tid;
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	for (i = 0; i < NR_READERS; i++)
		start_reader(_metadata, &self->sup, &r[i]);
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) == POLL_DELIVERED));
	for (i = 0; i < NR_READERS; i++)
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished) ||
				     sleeps_in_ioctl(r[i].tid)));
	kill_and_reap(_metadata, t);
	for (i = 0; i < NR_READERS; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished))) {
			TH_LOG("reader %d sleeps on", i);
		}
		join_reader(_metadata, &r[i]);
		if (r[i].ret) {
			EXPECT_EQ(-ENOENT, r[i].ret);
			continue;
		}
		EXPECT_EQ(pid, (pid_t)r[i].n.pid);
		count++;
	}
	EXPECT_EQ(1, count);
}

static void *poll_for_nothing(void *arg)
{
	struct reader *r = arg;
	struct pollfd p = { .fd = r->sup->listener, .events = 0 };

	ATOMIC_SET(r->tid, sys_gettid());
	r->ret = poll(&p, 1, GUARD * 1000);
	r->count = p.revents;
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

TEST_F(last_task, gone_wakes_poll_with_hup)
{
	struct seccomp_notif n;
	struct target *t;
	struct reader r;

	t = spawn_installing(_metadata, &self->sup, install_and_call);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	run_reader(_metadata, &self->sup, &r, poll_for_nothing);
	ASSERT_TRUE(WAIT_FOR(sleeps_in(r.tid, NR_POLL, "S")));
	kill_and_reap(_metadata, t);
	join_reader(_metadata, &r);
	EXPECT_EQ(1, r.ret);
	EXPECT_EQ(POLLHUP, r.count);
}

/* The end is for all to hear, not for one of them to deal with. */
TEST_F(last_task, gone_wakes_all_exclusive_pollers)
{
	struct target *pollers[2], *t;
	struct seccomp_notif n;
	int i, woken;

	t = spawn_installing(_metadata, &self->sup, install_and_call);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	for (i = 0; i < 2; i++)
		pollers[i] = spawn_poller(_metadata, &self->sup);
	kill_and_reap(_metadata, t);
	/* Its filter went before it could be reaped. */
	woken = end_pollers(_metadata, pollers, 2, EPOLLHUP);
	if (c_differs(_metadata, &self->sup, woken == 1,
		      "of the exclusive pollers, only one hears of the end"))
		return;
	EXPECT_EQ(2, woken);
}

TEST_HARNESS_MAIN
