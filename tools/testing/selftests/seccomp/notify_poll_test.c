// SPDX-License-Identifier: GPL-2.0
/*
 * poll() and epoll on the listener: which bits are set in each state, and what
 * wakes a poller.
 */
#include "notify_common.h"

FIXTURE(poll)
{
	struct supervisor sup;
};

FIXTURE_SETUP(poll)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(poll)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(poll, nothing)
{
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(poll, queued_and_delivered)
{
	struct seccomp_notif n, m;
	struct target *a, *b;

	a = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	ASSERT_EQ(0, recv_notif(&self->sup, &m));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, m.id, 1));
	expect_result(_metadata, b, 1, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, a, 1, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(poll, replied)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	EXPECT_EQ(0, poll_now(&self->sup));
	release_target(_metadata, &self->sup);
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(poll, wakes_for_a_new_notification)
{
	struct target *t;
	struct pollfd p;

	p.fd = self->sup.listener;
	p.events = POLLIN;
	t = spawn(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(1, poll(&p, 1, GUARD * 1000));
	EXPECT_EQ(POLLIN, p.revents);
	answer(_metadata, &self->sup, t);
}

TEST_F(poll, only_what_was_asked_for)
{
	struct target *t;
	struct pollfd p;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	p.fd = self->sup.listener;
	p.events = POLLOUT;
	EXPECT_EQ(0, poll(&p, 1, 0));
	p.events = POLLIN;
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN, p.revents);
	answer(_metadata, &self->sup, t);
}

/* Takes the listener's lock again and again. */
static void *ask_for_an_id(void *arg)
{
	struct reader *r = arg;
	struct sched_param param = {};

	/* It may lose its CPU at any point, also while it holds the lock. */
	sched_setscheduler(0, SCHED_IDLE, &param);
	set_cpu(0, first_cpu());
	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->stop))
		id_valid(r->sup, 0);
	return NULL;
}

TEST_F(poll, no_err_for_a_pending_signal)
{
	struct pollfd p = {
		.fd = self->sup.listener,
		.events = POLL_ALL,
	};
	struct reader busy;
	struct timespec zero = {}, pause = { .tv_nsec = 50000 };
	struct target *t[60];
	struct seccomp_notif n;
	sigset_t blocked, none;
	int i, ret, polls = 0, errors = 0, others = 0;

	handle_signal(SIGUSR1, 0);
	/* The more notifications there are, the longer C holds its lock. */
	for (i = 0; i < 60; i++) {
		t[i] = spawn(_metadata, &self->sup, call_once, i);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
	}
	run_reader(_metadata, &self->sup, &busy, ask_for_an_id);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	ASSERT_EQ(0, set_cpu(0, first_cpu()));
	ret = set_fifo(0, 1);
	for (i = 0; !ret && i < 3 * ROUNDS && !errors; i++) {
		nanosleep(&pause, NULL);
		signal_thread(getpid(), SIGUSR1);
		polls++;
		if (ppoll(&p, 1, &zero, &none) != 1)
			continue;
		if (p.revents & POLLERR)
			errors++;
		else if (p.revents != POLL_DELIVERED)
			others++;
	}
	if (!ret)
		set_fifo(0, 0);
	ATOMIC_SET(busy.stop, 1);
	join_reader(_metadata, &busy);
	for (i = 0; i < 60; i++)
		kill_and_reap(_metadata, t[i]);
	if (ret)
		SKIP(return, "no real-time scheduling (%d)", ret);
	EXPECT_EQ(0, others);
	TH_LOG("%d polls, %d with ERR", polls, errors);
	/* Where nothing is preempted in the kernel, it never has to wait. */
	if (self->sup.is_c && !errors)
		SKIP(return, "the lock was never seen taken");
	c_differs(_metadata, &self->sup, errors,
		  "poll() says ERR if the lock is taken and a signal pending");
}

/*
 * epoll
 */

FIXTURE(epoll)
{
	struct supervisor sup;
};

FIXTURE_SETUP(epoll)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(epoll)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(epoll, level_triggered)
{
	struct target *t;
	int ep;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN);
	EXPECT_EQ(0, epoll_events(ep, 0));
	t = spawn(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(EPOLLIN, epoll_events(ep, 0));
	answer(_metadata, &self->sup, t);
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_EQ(0, close(ep));
}

TEST_F(epoll, edge_triggered_sees_each)
{
	struct target *t[20];
	int ep, i;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN | EPOLLET);
	EXPECT_EQ(0, epoll_events(ep, 0));
	/* None is read in between: each one is an event. */
	for (i = 0; i < 20; i++) {
		t[i] = spawn_queued(_metadata, &self->sup, call_once, i);
		EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
		EXPECT_EQ(0, epoll_events(ep, 0));
	}
	for (i = 0; i < 20; i++)
		answer(_metadata, &self->sup, t[i]);
	EXPECT_EQ(0, close(ep));
}

TEST_F(epoll, edge_triggered_delivery)
{
	struct seccomp_notif n;
	struct target *t;
	int ep;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLOUT | EPOLLET);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(0, epoll_events(ep, 0));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(EPOLLOUT, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(0, close(ep));
}

/*
 * A notification wakes a reader that sleeps in RECV, even if an exclusive one
 * waits in epoll.
 */
TEST_F(epoll, exclusive_takes_nothing_from_recv)
{
	struct target *t;
	struct reader r;
	int ep;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN | EPOLLEXCLUSIVE);
	start_sleeping_reader(_metadata, &self->sup, &r);
	t = spawn(_metadata, &self->sup, call_once, 1);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(0, reply_value(&self->sup, r.n.id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_EQ(0, close(ep));
}

/*
 * Readers that wait in epoll and then read, as many supervisors do
 */

FIXTURE(epoll_readers)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(epoll_readers)
{
	unsigned int events;
	bool shared; /* one epoll for all */
};

FIXTURE_VARIANT_ADD(epoll_readers, level_triggered)
{
	.events = EPOLLIN,
};

FIXTURE_VARIANT_ADD(epoll_readers, edge_triggered)
{
	.events = EPOLLIN | EPOLLET,
	.shared = true,
};

FIXTURE_VARIANT_ADD(epoll_readers, exclusive)
{
	.events = EPOLLIN | EPOLLEXCLUSIVE,
};

FIXTURE_SETUP(epoll_readers)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(epoll_readers)
{
	end_supervisor(_metadata, &self->sup);
}

struct epoll_reader {
	struct reader r;
	int ep;
};

static void *wait_read_and_answer(void *arg)
{
	struct epoll_reader *er = arg;
	struct reader *r = &er->r;
	struct epoll_event ev;

	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->stop)) {
		r->ret = epoll_wait(er->ep, &ev, 1, -1);
		if (r->ret < 0)
			continue;
		/* With EPOLLET, an event may stand for more than one. */
		do {
			/* This sleeps if another reader was faster. */
			r->ret = recv_notif(r->sup, &r->n);
			if (r->ret)
				break;
			ATOMIC_INC(r->count);
			r->ret = reply_value(r->sup, r->n.id,
					     r->n.data.args[0] + 1);
		} while (!r->ret && poll_now(r->sup) & POLLIN);
		if (r->ret && r->ret != -EINTR)
			break;
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

TEST_F(epoll_readers, block_in_recv)
{
	struct epoll_reader er[4];
	struct target *t[3];
	int i, ep = -1, count = 0, done = 0;

	handle_signal(SIGUSR2, 0);
	for (i = 0; i < 4; i++) {
		if (!i || !variant->shared)
			ep = epoll_on_listener(_metadata, &self->sup,
					       variant->events);
		er[i].ep = ep;
		run_reader(_metadata, &self->sup, &er[i].r,
			   wait_read_and_answer);
	}
	for (i = 0; i < 3; i++)
		t[i] = spawn(_metadata, &self->sup, call_until_stopped, 10);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t[0]->done) > 100 &&
			     ATOMIC_GET(t[1]->done) > 100 &&
			     ATOMIC_GET(t[2]->done) > 100));
	for (i = 0; i < 3; i++)
		ATOMIC_SET(t[i]->stop, 1);
	for (i = 0; i < 3; i++) {
		reap(_metadata, t[i]);
		EXPECT_EQ(11, t[i]->ret);
		done += t[i]->done;
	}
	for (i = 0; i < 4; i++)
		ATOMIC_SET(er[i].r.stop, 1);
	for (i = 0; i < 4; i++) {
		stop_readers(_metadata, &er[i].r, 1);
		count += er[i].r.count;
		if (!i || !variant->shared)
			EXPECT_EQ(0, close(er[i].ep));
	}
	EXPECT_EQ(done, count);
}

TEST_HARNESS_MAIN
