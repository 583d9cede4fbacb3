// SPDX-License-Identifier: GPL-2.0
/*
 * Signals for a target whose supervisor does not ask to hear of them, without
 * and with WAIT_KILLABLE_RECV.
 */
#include "notify_common.h"

/*
 * What is the same without and with WAIT_KILLABLE_RECV
 */

FIXTURE(signals)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(signals)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(signals, no_flags)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(signals, wait_killable_recv)
{
	.flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
};

FIXTURE_SETUP(signals)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, variant->flags);
}

FIXTURE_TEARDOWN(signals)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(signals, queued_eintr)
{
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(signals, queued_eintr_after_failed_copy)
{
	struct target *t;
	void *page;

	page = map_pages(_metadata, 1, PROT_READ);
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	/* No reader has it: a signal interrupts it. */
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(signals, fatal_signal_ends_every_state)
{
	struct target *queued, *delivered, *replied;
	struct seccomp_notif n, m;

	delivered = spawn_delivered(_metadata, &self->sup, call_once, &n);
	queued = spawn_queued(_metadata, &self->sup, call_once, 2);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	kill_and_reap(_metadata, queued);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id + 1, 0));
	kill_and_reap(_metadata, delivered);
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id, 0));

	/* A later notification is not affected. */
	replied = spawn_queued(_metadata, &self->sup, call_once, 3);
	ASSERT_EQ(0, recv_notif(&self->sup, &m));
	if (!hold_target(_metadata, &self->sup, replied))
		return;
	EXPECT_EQ(0, reply_value(&self->sup, m.id, 0));
	ASSERT_EQ(0, kill(replied->tid, SIGKILL));
	release_target(_metadata, &self->sup);
	reap_status(_metadata, replied, SIGKILL);
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, m.id, 0));
}

TEST_F(signals, blocked_and_ignored_do_not_interrupt)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_without_signals, 1);
	send_blocked_and_ignored(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	id = expect_recv(_metadata, &self->sup, t, 0);
	send_blocked_and_ignored(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(1, t->handled);
}

/*
 * Without WAIT_KILLABLE_RECV, a signal interrupts before and after delivery
 */

FIXTURE(interruptible)
{
	struct supervisor sup;
};

FIXTURE_SETUP(interruptible)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(interruptible)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(interruptible, delivered_eintr)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id, 1));
}

TEST_F(interruptible, delivered_restarts)
{
	struct seccomp_notif n, m;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_with_restart, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	/* The same call, but another notification. */
	ASSERT_EQ(0, recv_notif(&self->sup, &m));
	EXPECT_NE(n.id, m.id);
	EXPECT_EQ(0, memcmp(&n.data, &m.data, sizeof(n.data)));
	EXPECT_EQ(0, m.flags);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, m.id, 2));
	expect_result(_metadata, t, 2, 0);
}

/*
 * Another thread may have taken a signal when the target runs that it has woken,
 * or, as here, it is ignored by then. Nothing is left that could interrupt.
 */
TEST_F(interruptible, signal_that_is_gone_does_not_interrupt)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_thread(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	if (!hold_target(_metadata, &self->sup, t))
		return;
	handle_signal(SIGUSR1, 0);
	ASSERT_EQ(0, signal_thread(t->tid, SIGUSR1));
	ASSERT_TRUE(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	release_target(_metadata, &self->sup);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	if (c_differs(_metadata, &self->sup,
		      id_valid(&self->sup, n.id) == -ENOENT,
		      "the system call is restarted"))
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 2));
	expect_result(_metadata, t, 2, 0);
	EXPECT_EQ(0, t->handled);
}

TEST_F(interruptible, timer_in_a_slow_syscall_restarts)
{
	struct seccomp_notif n;
	struct target *t;
	int i;

	t = spawn(_metadata, &self->sup, call_with_timer, 1);
	for (i = 0; i < 3; i++) {
		/* With C, ENOENT if a signal was faster than RECV. */
		ASSERT_TRUE(WAIT_FOR(!recv_notif(&self->sup, &n)));
		usleep(100000);
		EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
		EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id, i));
		EXPECT_EQ(0, t->done);
	}
	EXPECT_LE(3, t->handled);
	kill_and_reap(_metadata, t);
}

/*
 * With WAIT_KILLABLE_RECV, only a fatal signal interrupts after delivery
 */

FIXTURE(wait_killable_recv)
{
	struct supervisor sup;
};

FIXTURE_SETUP(wait_killable_recv)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup,
		  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
}

FIXTURE_TEARDOWN(wait_killable_recv)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(wait_killable_recv, delivered_is_not_interrupted)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(0, t->handled);
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 9));
	expect_result(_metadata, t, 9, 0);
	EXPECT_EQ(1, t->handled);
}

TEST_F(wait_killable_recv, delivered_is_killed)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, t->handled);
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
}

/* The first RECV fails, the second one delivers it. */
TEST_F(wait_killable_recv, delivered_after_failed_copy)
{
	struct seccomp_notif n;
	struct target *t;
	void *page;

	page = map_pages(_metadata, 1, PROT_READ);
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 9));
	expect_result(_metadata, t, 9, 0);
	EXPECT_EQ(1, t->handled);
}

TEST_HARNESS_MAIN
