// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_USER_NOTIF_FD_SIGNALED: the supervisor hears of signals for its
 * targets, and notifications survive them.
 */
#include <linux/io_uring.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "notify_common.h"

FIXTURE(signaled)
{
	struct supervisor sup;
	int src;
};

FIXTURE_SETUP(signaled)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	if (!set_signaled(_metadata, &self->sup))
		return;
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(signaled)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

TEST_F(signaled, can_be_set_and_cleared)
{
	EXPECT_EQ(0, set_flags(&self->sup,
			       SECCOMP_USER_NOTIF_FD_SIGNALED |
			       SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP));
	EXPECT_EQ(0, set_flags(&self->sup, 0));
	EXPECT_EQ(-EINVAL,
		  set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SIGNALED | 4));
}

TEST_F(signaled, no_signal_no_flag)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(0, t->handled);
}

TEST_F(signaled, queued_keeps_its_place)
{
	struct target *a, *b, *c;
	__u64 id[3];

	a = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	b = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	c = spawn_queued(_metadata, &self->sup, call_with_handler, 3);
	signal_target(_metadata, b);
	signal_target(_metadata, a);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	id[0] = expect_recv(_metadata, &self->sup, a, SIGNALED);
	id[1] = expect_recv(_metadata, &self->sup, b, SIGNALED);
	EXPECT_EQ(id[0] + 1, id[1]);
	id[2] = expect_recv(_metadata, &self->sup, c, 0);
	EXPECT_EQ(id[0] + 2, id[2]);
	/* The supervisor has been told already. */
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id[0], 1));
	EXPECT_EQ(0, reply_value(&self->sup, id[1], 2));
	EXPECT_EQ(0, reply_value(&self->sup, id[2], 3));
	expect_handled(_metadata, a, 1, 0);
	expect_handled(_metadata, b, 2, 0);
	expect_result(_metadata, c, 3, 0);
	EXPECT_EQ(0, c->handled);
}

TEST_F(signaled, queued_einprogress)
{
	struct target *a, *b;
	__u64 id;

	a = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	b = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	id = expect_recv(_metadata, &self->sup, a, 0);
	signal_target(_metadata, b);
	/* It was never delivered, so nobody can reply to it. */
	EXPECT_EQ(-EINPROGRESS, reply_value(&self->sup, id + 1, 0));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, id + 1));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	id = expect_recv(_metadata, &self->sup, b, SIGNALED);
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_result(_metadata, a, 1, 0);
	expect_handled(_metadata, b, 1, 0);
}

TEST_F(signaled, delivered_requeued_at_the_tail)
{
	struct seccomp_notif n, m;
	struct target *a, *b;
	__u64 id;

	a = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	b = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	signal_target(_metadata, a);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	id = expect_recv(_metadata, &self->sup, b, 0);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	ASSERT_EQ(0, recv_notif(&self->sup, &m));
	EXPECT_EQ(n.id, m.id);
	EXPECT_EQ(n.pid, m.pid);
	EXPECT_EQ(0, memcmp(&n.data, &m.data, sizeof(n.data)));
	EXPECT_EQ(0, n.flags);
	EXPECT_EQ(SIGNALED, m.flags);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id, 2));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_handled(_metadata, a, 1, 0);
	expect_result(_metadata, b, 2, 0);
}

TEST_F(signaled, poll_of_requeued)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	signal_target(_metadata, t);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_handled(_metadata, t, 1, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(signaled, once_per_notification)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_two_handlers, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	signal_target(_metadata, t);
	/* A second signal while it is requeued. */
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	/* More signals after it was delivered again. */
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, t->handled);
	EXPECT_EQ(0, reply_value(&self->sup, id, 3));
	expect_result(_metadata, t, 3, 0);
	EXPECT_EQ(2, t->handled);
}

TEST_F(signaled, queued_is_told_once)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_two_handlers, 1);
	signal_target(_metadata, t);
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	id = expect_recv(_metadata, &self->sup, t, SIGNALED);
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id, 3));
	expect_result(_metadata, t, 3, 0);
	EXPECT_EQ(2, t->handled);
}

TEST_F(signaled, again_for_the_next_syscall)
{
	struct target *t;
	__u64 id;
	int i;

	t = spawn_queued(_metadata, &self->sup, call_with_handler_until_stopped,
			 1);
	for (i = 0; i < 5; i++) {
		ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) == POLL_QUEUED));
		id = expect_recv(_metadata, &self->sup, t, 0);
		signal_target(_metadata, t);
		EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
		if (i == 4)
			ATOMIC_SET(t->stop, 1);
		EXPECT_EQ(0, reply_value(&self->sup, id, i));
	}
	reap(_metadata, t);
	EXPECT_EQ(5, t->done);
	EXPECT_EQ(5, t->handled);
	EXPECT_EQ(4, t->ret);
}

TEST_F(signaled, id_valid_requeued)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	signal_target(_metadata, t);
	EXPECT_EQ(0, id_valid(&self->sup, id));
	EXPECT_EQ(0, id_valid_wrong_dir(&self->sup, id));
	/* A reply is accepted while it is requeued. */
	EXPECT_EQ(0, reply_value(&self->sup, id, 6));
	expect_handled(_metadata, t, 6, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, id));
}

TEST_F(signaled, addfd_requeued)
{
	struct target *t;
	__u64 id;
	int fd;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	signal_target(_metadata, t);
	fd = addfd(&self->sup, id, self->src, 0, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, self->src));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, id_valid(&self->sup, id));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	fd = addfd(&self->sup, id, self->src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	EXPECT_LE(0, fd);
	expect_handled(_metadata, t, fd, 0);
}

TEST_F(signaled, addfd_send_requeued)
{
	struct target *t;
	__u64 id;
	int fd;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	signal_target(_metadata, t);
	fd = addfd(&self->sup, id, self->src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	EXPECT_LE(0, fd);
	expect_handled(_metadata, t, fd, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(signaled, failed_addfd_send_stays_requeued)
{
	struct rlimit none = { 0, 0 };
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	signal_target(_metadata, t);
	ASSERT_EQ(0, prlimit(t->tid, RLIMIT_NOFILE, &none, NULL));
	EXPECT_EQ(-EMFILE, addfd(&self->sup, id, self->src,
				 SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, id_valid(&self->sup, id));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_handled(_metadata, t, 1, 0);
}

TEST_F(signaled, reply_eintr)
{
	struct target *t;
	__u64 id;
	int i;

	/* SA_RESTART makes no difference: the reply is the result. */
	for (i = 0; i < 2; i++) {
		t = spawn_queued(_metadata, &self->sup,
				 i ? call_with_restart : call_with_handler, 1);
		id = expect_recv(_metadata, &self->sup, t, 0);
		signal_target(_metadata, t);
		EXPECT_EQ(0, t->handled);
		EXPECT_EQ(0, reply(&self->sup, id, 0, -EINTR, 0));
		expect_handled(_metadata, t, -1, EINTR);
		EXPECT_EQ(0, poll_now(&self->sup));
	}
}

TEST_F(signaled, reply_continue)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_restart, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	signal_target(_metadata, t);
	EXPECT_EQ(0, reply_continue(&self->sup, id));
	expect_handled(_metadata, t, getpid(), 0);
}

TEST_F(signaled, close_gives_enosys)
{
	struct target *queued, *requeued, *again;
	__u64 id;

	again = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, again, 0);
	signal_target(_metadata, again);
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, again, SIGNALED));
	requeued = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	expect_recv(_metadata, &self->sup, requeued, 0);
	signal_target(_metadata, requeued);
	queued = spawn_queued(_metadata, &self->sup, call_with_handler, 3);
	signal_target(_metadata, queued);
	close_listener(_metadata, &self->sup);
	expect_handled(_metadata, again, -1, ENOSYS);
	expect_handled(_metadata, requeued, -1, ENOSYS);
	expect_handled(_metadata, queued, -1, ENOSYS);
}

TEST_F(signaled, failed_copy_of_queued)
{
	struct target *a, *b;
	void *page;
	__u64 id, id2;

	page = map_pages(_metadata, 1, PROT_READ);
	a = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	b = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	signal_target(_metadata, a);
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(a)));
	id = expect_recv(_metadata, &self->sup, a, SIGNALED);
	id2 = expect_recv(_metadata, &self->sup, b, 0);
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, id2, 1));
	expect_handled(_metadata, a, 1, 0);
	expect_result(_metadata, b, 1, 0);
}

TEST_F(signaled, failed_copy_of_requeued)
{
	struct target *t;
	void *page;
	__u64 id;

	page = map_pages(_metadata, 1, PROT_READ);
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	signal_target(_metadata, t);
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, id_valid(&self->sup, id));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_handled(_metadata, t, 1, 0);
}

TEST_F(signaled, cleared_later_stays_killable)
{
	struct target *queued, *requeued;
	__u64 id;

	requeued = spawn_queued(_metadata, &self->sup, call_with_two_handlers,
				1);
	id = expect_recv(_metadata, &self->sup, requeued, 0);
	signal_target(_metadata, requeued);
	queued = spawn_queued(_metadata, &self->sup, call_with_two_handlers, 2);
	signal_target(_metadata, queued);
	ASSERT_EQ(0, set_flags(&self->sup, 0));
	ASSERT_EQ(0, kill(queued->tid, SIGUSR2));
	ASSERT_EQ(0, kill(requeued->tid, SIGUSR2));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, requeued, SIGNALED));
	EXPECT_EQ(id + 1, expect_recv(_metadata, &self->sup, queued, SIGNALED));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(queued)));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(requeued)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, id + 1, 2));
	expect_result(_metadata, requeued, 1, 0);
	expect_result(_metadata, queued, 2, 0);
	EXPECT_EQ(2, queued->handled);
	EXPECT_EQ(2, requeued->handled);
}

TEST_F(signaled, flags_at_the_moment_of_the_signal)
{
	struct target *t;
	__u64 id;

	/* The flag is cleared before the signal: interrupted. */
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	expect_recv(_metadata, &self->sup, t, 0);
	ASSERT_EQ(0, set_flags(&self->sup, 0));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);

	/* The flag is set before the signal, though after RECV: told. */
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	id = expect_recv(_metadata, &self->sup, t, 0);
	ASSERT_EQ(0, set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	signal_target(_metadata, t);
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, id, 3));
	expect_handled(_metadata, t, 3, 0);
}

TEST_F(signaled, wakes_a_sleeping_reader)
{
	struct seccomp_notif n;
	struct target *t;
	struct reader r;

	t = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	start_sleeping_reader(_metadata, &self->sup, &r);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(n.id, r.n.id);
	EXPECT_EQ(SIGNALED, r.n.flags);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_handled(_metadata, t, 3, 0);
}

TEST_F(signaled, is_an_edge_for_epoll)
{
	struct seccomp_notif n;
	struct target *t;
	int ep;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN | EPOLLET);
	t = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	epoll_events(ep, 0);
	EXPECT_EQ(0, epoll_events(ep, 0));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_handled(_metadata, t, 3, 0);
	EXPECT_EQ(0, close(ep));
}

TEST_F(signaled, blocked_and_ignored_are_none)
{
	struct target *a, *b;
	__u64 id;

	a = spawn_queued(_metadata, &self->sup, call_without_signals, 1);
	b = spawn_queued(_metadata, &self->sup, call_without_signals, 2);
	id = expect_recv(_metadata, &self->sup, a, 0);
	send_blocked_and_ignored(_metadata, a);
	send_blocked_and_ignored(_metadata, b);
	ASSERT_TRUE(WAIT_FOR(target_waits(a)));
	ASSERT_TRUE(WAIT_FOR(target_waits(b)));
	EXPECT_EQ(id + 1, expect_recv(_metadata, &self->sup, b, 0));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, id + 1, 2));
	expect_result(_metadata, a, 1, 0);
	expect_result(_metadata, b, 2, 0);
	EXPECT_EQ(1, a->handled);
	EXPECT_EQ(1, b->handled);
}

TEST_F(signaled, fatal_after_non_fatal)
{
	struct target *queued, *requeued, *again;
	__u64 id;

	again = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, again, 0);
	signal_target(_metadata, again);
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, again, SIGNALED));
	requeued = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	expect_recv(_metadata, &self->sup, requeued, 0);
	signal_target(_metadata, requeued);
	queued = spawn_queued(_metadata, &self->sup, call_with_handler, 3);
	signal_target(_metadata, queued);

	kill_and_reap(_metadata, requeued);
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, id + 1));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, id + 1, 0));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	kill_and_reap(_metadata, queued);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	kill_and_reap(_metadata, again);
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, id, 0));
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_EQ(0, again->handled + requeued->handled + queued->handled);
}

TEST_F(signaled, addfd_and_signal_pending)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;

	t = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	start_pending_adder(_metadata, &self->sup, &a, n.id, self->src, 0);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	release_target(_metadata, &self->sup);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_TRUE(same_file(t, a.ret, self->src));
	EXPECT_EQ(n.id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 5));
	expect_handled(_metadata, t, 5, 0);
}

TEST_F(signaled, reply_and_signal_pending)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 5));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	EXPECT_EQ(0, poll_now(&self->sup));
	release_target(_metadata, &self->sup);
	expect_handled(_metadata, t, 5, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(signaled, timer_in_a_slow_syscall)
{
	struct seccomp_notif n, m;
	struct target *t;
	int i;

	t = spawn(_metadata, &self->sup, call_with_timer, 1);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		EXPECT_EQ(i, t->done);
		/* Several periods of the timer. */
		usleep(100000);
		if (!n.flags) {
			ASSERT_EQ(POLL_QUEUED | POLL_DELIVERED,
				  poll_now(&self->sup));
			ASSERT_EQ(0, recv_notif(&self->sup, &m));
			EXPECT_EQ(n.id, m.id);
			EXPECT_EQ(SIGNALED, m.flags);
		}
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
		EXPECT_EQ(0, reply_value(&self->sup, n.id, i));
	}
	reap(_metadata, t);
	EXPECT_EQ(3, t->done);
	EXPECT_EQ(2, t->ret);
	EXPECT_LE(3, t->handled);
}

TEST_F(signaled, stop_is_told)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	ASSERT_EQ(0, kill(t->tid, SIGSTOP));
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) ==
			     (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	ASSERT_TRUE(WAIT_FOR(task_state(t->tid) == 'T'));
	ASSERT_EQ(0, kill(t->tid, SIGCONT));
	expect_result(_metadata, t, 1, 0);
}

/*
 * A wake-up that is not a signal: task work of io_uring
 */

/* Polls t->fd in a ring that tells the eventfd t->number, and makes a call. */
static void poll_in_ring_and_call(struct target *t)
{
	struct io_uring_params p = {};
	struct io_uring_sqe *sqe;
	int ring, event = t->number;
	unsigned int *tail, *array;
	char *sq;

	ring = syscall(__NR_io_uring_setup, 4, &p);
	if (ring < 0) {
		t->err = errno;
		ATOMIC_SET(t->stop, 1);
		return;
	}
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(*array),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		  IORING_OFF_SQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqe == MAP_FAILED)
		_exit(1);
	if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_EVENTFD,
		    &event, 1))
		_exit(2);
	tail = (unsigned int *)(sq + p.sq_off.tail);
	array = (unsigned int *)(sq + p.sq_off.array);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = t->fd;
	sqe->poll32_events = POLLIN;
	array[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
		_exit(3);
	ATOMIC_SET(t->stop, 1);
	trapped_call(t);
}

TEST_F(signaled, task_work_is_no_signal)
{
	struct target *t;
	__u64 id;
	int pipefd[2], event;

	ASSERT_EQ(0, pipe(pipefd));
	event = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, event);
	t = new_target(_metadata, &self->sup, poll_in_ring_and_call, 1);
	t->number = event;
	t->fd = pipefd[0];
	start_target(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->stop)));
	if (t->err)
		SKIP(return, "no io_uring (%d)", t->err);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	id = expect_recv(_metadata, &self->sup, t, 0);
	ASSERT_EQ(1, write(pipefd[1], "x", 1));
	/* The event comes when the target has done the work. */
	ASSERT_TRUE(WAIT_FOR(poll_fd(event, 0) & POLLIN));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, id_valid(&self->sup, id));
	EXPECT_EQ(0, reply_value(&self->sup, id, 5));
	expect_result(_metadata, t, 5, 0);
	EXPECT_EQ(0, close(pipefd[0]));
	EXPECT_EQ(0, close(pipefd[1]));
	EXPECT_EQ(0, close(event));
}

/*
 * A process with three threads, each in a trapped call
 */

FIXTURE(signaled_group)
{
	struct supervisor sup;
	struct target *leader;
	struct target *thread[3];
};

/* Runs a thread for each of the three targets after this one. */
static void call_in_three_threads(struct target *t)
{
	sigset_t set;
	int i;

	handle_signal(SIGUSR1, SA_RESTART);
	for (i = 1; i <= 3; i++)
		pthread_create(&t[i].thread, NULL, target_thread, &t[i]);
	/* The signal is for the threads, not for this one. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	ATOMIC_SET(t->stop, 1);
	for (i = 1; i <= 3; i++)
		pthread_join(t[i].thread, NULL);
}

FIXTURE_SETUP(signaled_group)
{
	int i;

	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	if (!set_signaled(_metadata, &self->sup))
		return;
	self->leader = new_target(_metadata, &self->sup, call_in_three_threads,
				  0);
	for (i = 0; i < 3; i++) {
		self->thread[i] = new_target(_metadata, &self->sup, call_once,
					     0);
		self->thread[i]->is_thread = true;
	}
	start_target(_metadata, self->leader);
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(self->thread[i]->tid) &&
				     target_waits(self->thread[i])));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(self->leader->stop)));
}

FIXTURE_TEARDOWN(signaled_group)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(signaled_group, one_thread)
{
	struct seccomp_notif n, m;
	struct target *t = NULL;
	int i, j, handled = 0;
	__u64 first = 0;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		if (!i)
			first = n.id;
		t = NULL;
		for (j = 0; j < 3; j++) {
			if (self->thread[j]->tid == (pid_t)n.pid)
				t = self->thread[j];
		}
		ASSERT_NE(NULL, t);
		t->number = i;
	}
	/* A signal for the last one alone. */
	ASSERT_EQ(0, syscall(__NR_tgkill, self->leader->tid, t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	ASSERT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	ASSERT_EQ(0, recv_notif(&self->sup, &m));
	EXPECT_EQ(n.id, m.id);
	EXPECT_EQ(SIGNALED, m.flags);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, reply_value(&self->sup, first + i, 20 + i));
	reap(_metadata, self->leader);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(20 + (long)self->thread[i]->number,
			  self->thread[i]->ret);
		handled += self->thread[i]->handled;
	}
	EXPECT_EQ(1, handled);
	EXPECT_EQ(1, t->handled);
}

TEST_F(signaled_group, some_thread)
{
	struct seccomp_notif n;
	int i, handled = 0;
	__u64 first = 0;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		if (!i)
			first = n.id;
	}
	/* A signal for the process: one thread gets it. */
	ASSERT_EQ(0, kill(self->leader->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) & POLLIN));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(SIGNALED, n.flags);
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(WAIT_FOR(sleeps_in(self->thread[i]->tid, NR_TRAPPED,
					       "SD")));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, reply_value(&self->sup, first + i, 20 + i));
	reap(_metadata, self->leader);
	for (i = 0; i < 3; i++) {
		EXPECT_LE(20, self->thread[i]->ret);
		handled += self->thread[i]->handled;
	}
	EXPECT_EQ(1, handled);
}

TEST_F(signaled_group, dies)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, syscall(__NR_tgkill, self->leader->tid,
				     self->thread[i]->tid, SIGUSR1));
		ASSERT_TRUE(WAIT_FOR(target_waits_killable(self->thread[i])));
	}
	kill_and_reap(_metadata, self->leader);
	EXPECT_EQ(0, poll_now(&self->sup));
}

/*
 * With WAIT_KILLABLE_RECV it is the same: the target is not interrupted,
 * and the supervisor is told
 */

FIXTURE(signaled_wait_killable_recv)
{
	struct supervisor sup;
	int src;
};

FIXTURE_SETUP(signaled_wait_killable_recv)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup,
		  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	if (!set_signaled(_metadata, &self->sup))
		return;
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(signaled_wait_killable_recv)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

TEST_F(signaled_wait_killable_recv, is_told)
{
	struct target *a, *b;
	__u64 id;

	a = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, a, 0);
	b = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	ASSERT_EQ(0, kill(a->tid, SIGUSR1));
	ASSERT_EQ(0, kill(b->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(a)));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(b)));
	expect_recv(_metadata, &self->sup, b, SIGNALED);
	/* The supervisor is told, though nothing would be interrupted. */
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) ==
			     (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, a, SIGNALED));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, id + 1, 2));
	expect_handled(_metadata, a, 1, 0);
	expect_handled(_metadata, b, 2, 0);
}

/* The target has been woken to install an fd, and sleeps again. */
TEST_F(signaled_wait_killable_recv, is_told_after_addfd)
{
	struct target *t;
	int fd;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	fd = addfd(&self->sup, id, self->src, 0, 0, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) ==
			     (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_handled(_metadata, t, 1, 0);
}

TEST_HARNESS_MAIN
