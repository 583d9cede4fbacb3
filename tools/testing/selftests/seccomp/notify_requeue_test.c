// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_IOCTL_NOTIF_REQUEUE: notifications are received once more, as when
 * another supervisor takes over.
 */
#include "notify_common.h"

#define ALL	SECCOMP_NOTIF_REQUEUE_ALL

FIXTURE(requeue)
{
	struct supervisor sup;
};

FIXTURE_SETUP(requeue)
{
	int ret;

	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	ret = notif_requeue(&self->sup, 0, ALL);
	if (c_differs(_metadata, &self->sup, ret == -EINVAL,
		      "REQUEUE is refused, with EINVAL"))
		return;
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(requeue)
{
	end_supervisor(_metadata, &self->sup);
}

/* The next is @n once more, with these flags, and is answered with @val. */
static void expect_again(struct __test_metadata *_metadata,
			 struct supervisor *sup, struct seccomp_notif *n,
			 unsigned int flags, int val)
{
	struct seccomp_notif again;

	ASSERT_EQ(0, recv_notif(sup, &again));
	EXPECT_EQ(n->id, again.id);
	EXPECT_EQ(n->pid, again.pid);
	EXPECT_EQ(flags, again.flags);
	EXPECT_EQ(0, memcmp(&n->data, &again.data, sizeof(n->data)));
	EXPECT_EQ(0, reply_value(sup, again.id, val));
}

TEST_F(requeue, is_received_once_more)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	/* Whoever had it has it no longer. */
	EXPECT_EQ(-ENOENT, id_valid(sup, n.id));
	EXPECT_EQ(-EINPROGRESS, reply_value(sup, n.id, 3));
	EXPECT_EQ(-ENOENT, notif_requeue(sup, n.id, 0));
	expect_again(_metadata, sup, &n, 0, 4);
	expect_result(_metadata, t, 4, 0);
}

/* In the order of ids, and before those that nobody had. */
TEST_F(requeue, goes_first)
{
	static const int order[] = { 3, 0, 4, 1, 2 };
	struct supervisor *sup = &self->sup;
	struct target *t[5], *queued[2];
	struct seccomp_notif n[5];
	int i;

	for (i = 0; i < 5; i++)
		t[i] = spawn_delivered(_metadata, sup, call_once, &n[i]);
	for (i = 0; i < 2; i++)
		queued[i] = spawn_queued(_metadata, sup, call_once, i);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(1, notif_requeue(sup, n[order[i]].id, 0));
	for (i = 0; i < 5; i++) {
		expect_again(_metadata, sup, &n[i], 0, i);
		expect_result(_metadata, t[i], i, 0);
	}
	for (i = 0; i < 2; i++)
		answer(_metadata, sup, queued[i]);
}

TEST_F(requeue, all_that_were_received)
{
	struct supervisor *sup = &self->sup;
	struct target *t[40], *queued;
	struct seccomp_notif n[40];
	int i;

	for (i = 0; i < 40; i++)
		t[i] = spawn_delivered(_metadata, sup, call_once, &n[i]);
	queued = spawn_queued(_metadata, sup, call_once, 1);
	/* Some are there no more, and some were put back before. */
	for (i = 0; i < 40; i += 4) {
		EXPECT_EQ(0, reply_value(sup, n[i].id, i));
		expect_result(_metadata, t[i], i, 0);
		EXPECT_EQ(1, notif_requeue(sup, n[i + 2].id, 0));
	}
	EXPECT_EQ(20, notif_requeue(sup, 0, ALL));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	EXPECT_EQ(0, notif_requeue(sup, 0, ALL));
	for (i = 0; i < 40; i++) {
		if (i % 4 == 0)
			continue;
		expect_again(_metadata, sup, &n[i], 0, i);
		expect_result(_metadata, t[i], i, 0);
	}
	answer(_metadata, sup, queued);
}

/* A signal that was told of is told of once more. */
TEST_F(requeue, keeps_the_signal)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n, told;
	struct target *t;

	if (!set_signaled(_metadata, sup))
		return;
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_EQ(0, recv_notif(sup, &told));
	EXPECT_EQ(SIGNALED, told.flags);
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	expect_again(_metadata, sup, &n, SIGNALED, 4);
	expect_handled(_metadata, t, 4, 0);
}

/* It is in the queue for the signal, and then before those that came later. */
TEST_F(requeue, one_that_is_queued_for_a_signal)
{
	struct supervisor *sup = &self->sup;
	struct target *t, *queued;
	struct seccomp_notif n;

	if (!set_signaled(_metadata, sup))
		return;
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	queued = spawn_queued(_metadata, sup, call_once, 1);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(1, notif_requeue(sup, 0, ALL));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	EXPECT_EQ(-EINPROGRESS, reply_value(sup, n.id, 3));
	expect_again(_metadata, sup, &n, SIGNALED, 4);
	expect_handled(_metadata, t, 4, 0);
	answer(_metadata, sup, queued);
}

/* What a supervisor has begun is protected when another one goes on with it. */
TEST_F(requeue, a_signal_does_not_interrupt_again)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;

	close_listener(_metadata, sup);
	supervise(_metadata, sup, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	t = spawn_delivered(_metadata, sup, call_with_two_handlers, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	EXPECT_TRUE(WAIT_FOR(target_waits_killable(t)));
	expect_again(_metadata, sup, &n, 0, 4);
	expect_result(_metadata, t, 4, 0);
	EXPECT_EQ(2, t->handled);
}

TEST_F(requeue, wakes_a_reader)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct reader reader;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_reader(_metadata, sup, &reader);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(reader.tid)));
	EXPECT_EQ(1, notif_requeue(sup, 0, ALL));
	join_reader(_metadata, &reader);
	EXPECT_EQ(0, reader.ret);
	EXPECT_EQ(n.id, reader.n.id);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

TEST_F(requeue, tells_pollers)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	int ep;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	ep = epoll_on_listener(_metadata, sup, EPOLLIN | EPOLLET);
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(0, epoll_events(ep, 0));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(1, notif_requeue(sup, 0, ALL));
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(0, epoll_events(ep, 0));
	expect_again(_metadata, sup, &n, 0, 3);
	expect_result(_metadata, t, 3, 0);
	close(ep);
}

/* Of what is in the queue, they have heard. */
TEST_F(requeue, tells_pollers_once)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	int ep;

	if (!set_signaled(_metadata, sup))
		return;
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	ep = epoll_on_listener(_metadata, sup, EPOLLIN | EPOLLET);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(1, notif_requeue(sup, 0, ALL));
	EXPECT_EQ(0, epoll_events(ep, 0));
	expect_again(_metadata, sup, &n, SIGNALED, 3);
	expect_handled(_metadata, t, 3, 0);
	close(ep);
}

/* It does not give up where there is much that cannot be put back. */
TEST_F(requeue, the_few_among_many)
{
	struct target *first, *last, *queued[100];
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n, m;
	int i;

	first = spawn_delivered(_metadata, sup, call_once, &n);
	last = spawn_queued(_metadata, sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(sup, &m));
	for (i = 0; i < 100; i++)
		queued[i] = spawn_queued(_metadata, sup, call_once, i);
	EXPECT_EQ(2, notif_requeue(sup, 0, ALL));
	expect_again(_metadata, sup, &n, 0, 3);
	expect_result(_metadata, first, 3, 0);
	expect_again(_metadata, sup, &m, 0, 4);
	expect_result(_metadata, last, 4, 0);
	for (i = 0; i < 100; i++)
		answer(_metadata, sup, queued[i]);
}

TEST_F(requeue, not_while_an_fd_is_pending)
{
	struct supervisor *sup = &self->sup;
	struct target *t, *other;
	struct seccomp_notif n, m;
	struct adder a;
	int src;

	src = open_null(_metadata);
	t = spawn_delivered(_metadata, sup, call_once, &n);
	other = spawn_delivered(_metadata, sup, call_once, &m);
	if (!hold_target(_metadata, sup, t))
		return;
	start_pending_adder(_metadata, sup, &a, n.id, src, 0);
	EXPECT_EQ(-EBUSY, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(0, id_valid(sup, n.id));
	/* All but that. */
	EXPECT_EQ(1, notif_requeue(sup, 0, ALL));
	EXPECT_EQ(0, id_valid(sup, n.id));
	release_target(_metadata, sup);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	expect_again(_metadata, sup, &m, 0, 4);
	expect_result(_metadata, other, 4, 0);
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	expect_again(_metadata, sup, &n, 0, 5);
	expect_result(_metadata, t, 5, 0);
	close(src);
}

/*
 * What is refused
 */

TEST_F(requeue, unknown_flags_einval)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	unsigned int bit;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	EXPECT_EQ(-EINVAL, notif_requeue(sup, n.id, ALL));
	for (bit = 0; bit < 32; bit++) {
		struct seccomp_notif_requeue reserved = {
			.id = n.id,
			.reserved = 1U << bit,
		};

		if (1U << bit != ALL) {
			EXPECT_EQ(-EINVAL, notif_requeue(sup, n.id, 1U << bit));
			EXPECT_EQ(-EINVAL, notif_requeue(sup, 0,
							 1U << bit | ALL));
		}
		EXPECT_EQ(-1, ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_REQUEUE,
				    &reserved));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(0, id_valid(sup, n.id));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

TEST_F(requeue, bad_buffer_efault)
{
	EXPECT_EQ(-1, ioctl(self->sup.listener, SECCOMP_IOCTL_NOTIF_REQUEUE,
			    NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(requeue, only_while_delivered)
{
	struct supervisor *sup = &self->sup;
	struct target *t, *queued;
	struct seccomp_notif n;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	queued = spawn_queued(_metadata, sup, call_once, 1);
	EXPECT_EQ(-ENOENT, notif_requeue(sup, n.id + 1, 0));
	EXPECT_EQ(-ENOENT, notif_requeue(sup, n.id + 2, 0));
	if (!hold_target(_metadata, sup, t))
		return;
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	EXPECT_EQ(-ENOENT, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(0, notif_requeue(sup, 0, ALL));
	release_target(_metadata, sup);
	expect_result(_metadata, t, 3, 0);
	EXPECT_EQ(-ENOENT, notif_requeue(sup, n.id, 0));
	answer(_metadata, sup, queued);
}

/*
 * A supervisor that is killed at any moment, and another one that takes over
 */

/* So far beyond the others that the target's table has to grow for it. */
#define FAR_FD		1000

static void *do_nothing(void *arg)
{
	pause();
	return arg;
}

/* For a table with two users, to grow takes an RCU grace period. */
static void call_with_shared_fds(struct target *t)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, do_nothing, NULL))
		trapped_call(t);
}

static void give_far_fd(struct target *t)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	t->ret = addfd(t->sup, t->arg, fd, SECCOMP_ADDFD_FLAG_SETFD, FAR_FD, 0);
	ATOMIC_SET(t->done, 1);
	pause();
}

/* It need not wait for its target to die, nor is that lost then. */
TEST_F(requeue, killed_while_the_target_installs)
{
	struct supervisor *sup = &self->sup;
	struct target *t, *supervisor;
	struct seccomp_notif n;
	int i, caught = 0;

	/* To look takes longer than to install, if the kernel is slow to look. */
	for (i = 0; i < 50 || (!caught && i < 1000); i++) {
		t = spawn_delivered(_metadata, sup, call_with_shared_fds, &n);
		supervisor = spawn_supervisor(_metadata, sup, give_far_fd, n.id);
		ASSERT_TRUE(WAIT_FOR(task_state(t->tid) == 'D' ||
				     ATOMIC_GET(supervisor->done)));
		kill_and_reap(_metadata, supervisor);
		caught += !supervisor->done;
		EXPECT_LE(0, notif_requeue(sup, 0, ALL));
		ASSERT_TRUE(WAIT_FOR(poll_now(sup) & POLLIN));
		expect_again(_metadata, sup, &n, 0, 3);
		expect_result(_metadata, t, 3, 0);
		forget_targets(sup);
	}
	EXPECT_LT(0, caught);
}

#define TAKEOVERS	500
#define CALLERS		8

/* Each answer is one more than the argument: a second one would be seen. */
static void call_and_count(struct target *t)
{
	while (!ATOMIC_GET(t->stop)) {
		trapped_call(t);
		if (t->ret != (long)t->arg + 1)
			t->err = -1;
		t->arg += 10;
	}
}

static void take_over_and_serve(struct target *t)
{
	struct seccomp_notif n;

	if (notif_requeue(t->sup, 0, ALL) < 0)
		return;
	for (;;) {
		if (recv_notif(t->sup, &n))
			continue;
		reply_value(t->sup, n.id, n.data.args[0] + 1);
		ATOMIC_INC(t->done);
	}
}

TEST_F_TIMEOUT(requeue, nothing_is_lost_when_supervisors_are_killed, 300)
{
	struct target *t[CALLERS], *supervisor;
	struct supervisor *sup = &self->sup;
	int i, takeover, served = 0;

	for (i = 0; i < CALLERS; i++)
		t[i] = spawn(_metadata, sup, call_and_count, i);
	for (takeover = 0; takeover < TAKEOVERS; takeover++) {
		supervisor = spawn_supervisor(_metadata, sup,
					      take_over_and_serve, 0);
		/* It has work to do, and then is killed in the midst of it. */
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(supervisor->done) > 0));
		usleep(rand() % 1000);
		kill_and_reap(_metadata, supervisor);
		served += supervisor->done;
		sup->nr_targets--;
	}
	EXPECT_LE(TAKEOVERS, served);
	for (i = 0; i < CALLERS; i++)
		tell(t[i]);
	supervisor = spawn_supervisor(_metadata, sup, take_over_and_serve, 0);
	for (i = 0; i < CALLERS; i++) {
		reap(_metadata, t[i]);
		EXPECT_EQ(0, t[i]->err);
		EXPECT_EQ(i + 10 * t[i]->done, (long)t[i]->arg);
	}
	kill_and_reap(_metadata, supervisor);
}

TEST_HARNESS_MAIN
