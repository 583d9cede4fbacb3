// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_FILTER_FLAG_WAIT_KILLABLE: from the first moment, only a fatal signal
 * ends a target's wait. What other signals do meanwhile and afterwards, and that
 * without the flag a shell comes to grief.
 */
#include "notify_common.h"

#define KILLABLE	SECCOMP_FILTER_FLAG_WAIT_KILLABLE
#define KILLABLE_RECV	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define NEW_LISTENER	SECCOMP_FILTER_FLAG_NEW_LISTENER
#define TSYNC		SECCOMP_FILTER_FLAG_TSYNC
#define TSYNC_ESRCH	SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define USE_LISTENER	SECCOMP_FILTER_FLAG_USE_LISTENER

/* The flags are looked at before the argument, which cannot be read. */
static int try_flags(unsigned int flags)
{
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, NULL);
}

/* False if the test ends here, as the flag is unknown. */
static bool flag_is_known(struct __test_metadata *_metadata,
			  struct supervisor *sup)
{
	int ret = try_flags(NEW_LISTENER | KILLABLE);

	find_implementation(_metadata, sup);
	if (c_differs(_metadata, sup, ret == -EINVAL,
		      "WAIT_KILLABLE is refused, with EINVAL"))
		return false;
	ASSERT_EQ(-EFAULT, ret);
	return true;
}

/*
 * What the flag goes together with
 */

FIXTURE(killable_flag)
{
	struct supervisor sup;
};

FIXTURE_SETUP(killable_flag)
{
	init_supervisor(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(killable_flag)
{
	end_supervisor(_metadata, &self->sup);
}

/* This is the same where the flag is unknown. */
TEST_F(killable_flag, einval)
{
	static const unsigned int bad[] = {
		KILLABLE,
		KILLABLE | SECCOMP_FILTER_FLAG_LOG,
		KILLABLE | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		KILLABLE | TSYNC,
		KILLABLE | TSYNC | TSYNC_ESRCH,
		KILLABLE | KILLABLE_RECV,
		KILLABLE | KILLABLE_RECV | NEW_LISTENER,
		KILLABLE | KILLABLE_RECV | USE_LISTENER,
		KILLABLE | NEW_LISTENER | USE_LISTENER,
		/* As without it. */
		KILLABLE | NEW_LISTENER | TSYNC,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, try_flags(bad[i])) {
			TH_LOG("flags %#x", bad[i]);
		}
		EXPECT_EQ(-EINVAL, install_filter(bad[i])) {
			TH_LOG("flags %#x", bad[i]);
		}
	}
	EXPECT_EQ(self->sup.nr_fds, count_fds());
}

TEST_F(killable_flag, with_a_listener)
{
	static const unsigned int good[] = {
		KILLABLE | NEW_LISTENER,
		KILLABLE | USE_LISTENER,
		KILLABLE | NEW_LISTENER | SECCOMP_FILTER_FLAG_LOG,
		KILLABLE | NEW_LISTENER | TSYNC | TSYNC_ESRCH,
		KILLABLE | USE_LISTENER | TSYNC,
		KILLABLE | NEW_LISTENER |
			SECCOMP_FILTER_FLAG_ALLOW_NESTED_LISTENERS,
	};
	unsigned int i;

	if (!flag_is_known(_metadata, &self->sup))
		return;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_EQ(-EFAULT, try_flags(good[i])) {
			TH_LOG("flags %#x", good[i]);
		}
	}
}

/*
 * With the flag, whether the listener comes with the filter or before it
 */

FIXTURE(killable)
{
	struct supervisor sup;
	int src;
};

FIXTURE_VARIANT(killable)
{
	unsigned int with;
};

FIXTURE_VARIANT_ADD(killable, new_listener)
{
	.with = NEW_LISTENER,
};

FIXTURE_VARIANT_ADD(killable, use_listener)
{
	.with = USE_LISTENER,
};

FIXTURE_SETUP(killable)
{
	init_supervisor(_metadata, &self->sup);
	if (!flag_is_known(_metadata, &self->sup))
		return;
	if (variant->with == NEW_LISTENER) {
		supervise(_metadata, &self->sup, KILLABLE);
	} else {
		use_listener(_metadata, &self->sup, new_listener());
		ASSERT_EQ(0, install_filter_with(USE_LISTENER | KILLABLE,
						 self->sup.listener));
	}
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(killable)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

/* The target has not gone on, nor has its handler run. */
static void expect_waits(struct __test_metadata *_metadata, struct target *t)
{
	EXPECT_TRUE(target_waits_killable(t));
	EXPECT_EQ(0, ATOMIC_GET(t->done));
	EXPECT_EQ(0, ATOMIC_GET(t->handled));
}

typedef void target_fn(struct target *t);

static target_fn *const with_handler[] = {
	call_with_handler,
	call_with_restart,
};

TEST_F(killable, queued_is_not_interrupted)
{
	struct target *first, *t;
	struct seccomp_notif n;
	unsigned int i;
	__u64 id;

	for (i = 0; i < ARRAY_SIZE(with_handler); i++) {
		first = spawn_delivered(_metadata, &self->sup, call_once, &n);
		t = spawn_queued(_metadata, &self->sup, with_handler[i], 2);
		signal_target(_metadata, t);
		EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
		expect_waits(_metadata, t);
		/* The same notification: no other came in between. */
		id = expect_recv(_metadata, &self->sup, t, 0);
		EXPECT_EQ(n.id + 1, id);
		EXPECT_EQ(0, id_valid(&self->sup, id));
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
		expect_waits(_metadata, t);
		EXPECT_EQ(0, reply_value(&self->sup, id, 5));
		expect_handled(_metadata, t, 5, 0);
		EXPECT_EQ(0, reply_value(&self->sup, n.id, 6));
		expect_result(_metadata, first, 6, 0);
		EXPECT_EQ(0, poll_now(&self->sup));
	}
}

TEST_F(killable, delivered_is_not_interrupted)
{
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(with_handler); i++) {
		t = spawn_delivered(_metadata, &self->sup, with_handler[i], &n);
		EXPECT_EQ(0, n.flags);
		signal_target(_metadata, t);
		expect_waits(_metadata, t);
		EXPECT_EQ(0, id_valid(&self->sup, n.id));
		/* The supervisor has not asked to be told. */
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
		EXPECT_EQ(0, reply_value(&self->sup, n.id, 5));
		expect_handled(_metadata, t, 5, 0);
		EXPECT_EQ(0, poll_now(&self->sup));
	}
}

/* One that is blocked is pending from the start. */
static void call_with_pending_signal(struct target *t)
{
	sigset_t set;

	handle_signal(SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	trapped_call(t);
	t->number = t->handled;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

TEST_F(killable, blocked_and_ignored_are_no_signals)
{
	struct target *a, *b;
	__u64 id;

	/* As ever: they do not even change how it sleeps. */
	a = spawn_queued(_metadata, &self->sup, call_without_signals, 1);
	send_blocked_and_ignored(_metadata, a);
	ASSERT_TRUE(WAIT_FOR(target_waits(a)));
	b = spawn_queued(_metadata, &self->sup, call_with_pending_signal, 2);
	id = expect_recv(_metadata, &self->sup, a, 0);
	expect_recv(_metadata, &self->sup, b, 0);
	send_blocked_and_ignored(_metadata, a);
	ASSERT_TRUE(WAIT_FOR(target_waits(a)));
	ASSERT_TRUE(WAIT_FOR(target_waits(b)));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, id + 1, 2));
	expect_result(_metadata, a, 1, 0);
	EXPECT_EQ(1, a->handled);
	expect_result(_metadata, b, 2, 0);
	EXPECT_EQ(0, b->number);
	EXPECT_EQ(1, b->handled);
}

/* Each kind of answer is what the call results in, and then the handler runs. */
TEST_F(killable, result_is_the_answer)
{
	struct target *t;
	__u64 id;
	int fd;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	signal_target(_metadata, t);
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(0, reply(&self->sup, id, 0, -EPERM, 0));
	expect_handled(_metadata, t, -1, EPERM);

	/* Also if it looks like an interruption: that is not restarted. */
	t = spawn_queued(_metadata, &self->sup, call_with_restart, 1);
	signal_target(_metadata, t);
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(0, reply(&self->sup, id, 0, -EINTR, 0));
	expect_handled(_metadata, t, -1, EINTR);

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	signal_target(_metadata, t);
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(0, reply_continue(&self->sup, id));
	expect_handled(_metadata, t, getpid(), 0);

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	signal_target(_metadata, t);
	id = expect_recv(_metadata, &self->sup, t, 0);
	fd = addfd(&self->sup, id, self->src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	EXPECT_LE(0, fd);
	expect_handled(_metadata, t, fd, 0);
}

TEST_F(killable, addfd_while_a_signal_is_pending)
{
	const unsigned int setfd = SECCOMP_ADDFD_FLAG_SETFD;
	struct seccomp_notif n;
	struct target *first, *t;
	int fd;

	first = spawn_delivered(_metadata, &self->sup, call_once, &n);
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	signal_target(_metadata, t);
	/* It waits for nothing else than others do. */
	EXPECT_EQ(-EINPROGRESS,
		  addfd(&self->sup, n.id + 1, self->src, 0, 0, 0));
	EXPECT_EQ(-EINPROGRESS, reply_value(&self->sup, n.id + 1, 1));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id + 1));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, first, 1, 0);

	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	fd = addfd(&self->sup, n.id, self->src, 0, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, self->src));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(50, addfd(&self->sup, n.id, self->src, setfd, 50, O_CLOEXEC));
	EXPECT_TRUE(same_file(t, 50, self->src));
	EXPECT_EQ(O_CLOEXEC, fd_flags(t, 50) & O_CLOEXEC);
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	expect_waits(_metadata, t);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 8));
	expect_handled(_metadata, t, 8, 0);
}

/* Installing an fd in a target without a signal leaves it as it was. */
TEST_F(killable, signal_after_addfd)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	ASSERT_LE(0, addfd(&self->sup, n.id, self->src, 0, 0, 0));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	signal_target(_metadata, t);
	expect_waits(_metadata, t);
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 8));
	expect_handled(_metadata, t, 8, 0);
}

TEST_F(killable, failed_copy)
{
	struct target *t;
	void *page;
	__u64 id;

	page = map_pages(_metadata, 1, PROT_READ);
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	signal_target(_metadata, t);
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	expect_waits(_metadata, t);
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(0, reply_value(&self->sup, id, 9));
	expect_handled(_metadata, t, 9, 0);
}

#define MANY	100

static void call_with_queued_signals(struct target *t)
{
	handle_signal(SIGRTMIN, 0);
	handle_signal(SIGUSR1, 0);
	handle_signal(SIGUSR2, SA_RESTART);
	trapped_call(t);
}

static void send_many(struct __test_metadata *_metadata, struct target *t)
{
	int i;

	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, kill(t->tid, SIGRTMIN));
		ASSERT_EQ(0, kill(t->tid, SIGUSR1));
		ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	}
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
}

TEST_F(killable, many_signals)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_queued_signals, 1);
	send_many(_metadata, t);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	id = expect_recv(_metadata, &self->sup, t, 0);
	send_many(_metadata, t);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	expect_waits(_metadata, t);
	EXPECT_EQ(0, reply_value(&self->sup, id, 3));
	expect_result(_metadata, t, 3, 0);
	/* None is lost: each of those that queue, and one of each other. */
	EXPECT_EQ(2 * MANY + 2, t->handled);
}

/* A timer's signal comes each 10 ms, and each answer takes longer than that. */
TEST_F(killable, timer_in_a_slow_syscall)
{
	struct target *t;
	__u64 id, last = 0;
	int i;

	t = spawn(_metadata, &self->sup, call_with_timer, 1);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(POLL_QUEUED,
			  poll_fd(self->sup.listener, GUARD * 1000));
		usleep(50000);
		id = expect_recv(_metadata, &self->sup, t, 0);
		if (i)
			EXPECT_EQ(last + 1, id);
		last = id;
		usleep(50000);
		EXPECT_EQ(0, id_valid(&self->sup, id));
		EXPECT_EQ(i, t->done);
		EXPECT_EQ(0, reply_value(&self->sup, id, i));
	}
	reap(_metadata, t);
	EXPECT_EQ(3, t->done);
	EXPECT_EQ(2, t->ret);
	EXPECT_LE(3, t->handled);
}

/*
 * What does end the wait
 */

TEST_F(killable, sigkill_ends_it)
{
	struct seccomp_notif n, m;
	struct target *first, *t;
	int pending;

	first = spawn_delivered(_metadata, &self->sup, call_once, &n);
	for (pending = 0; pending < 2; pending++) {
		t = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
		if (pending)
			signal_target(_metadata, t);
		EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
		kill_and_reap(_metadata, t);
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
		EXPECT_EQ(0, t->handled);
		EXPECT_EQ(-ENOENT,
			  reply_value(&self->sup, n.id + 1 + 2 * pending, 1));

		t = spawn_delivered(_metadata, &self->sup, call_with_handler,
				    &m);
		EXPECT_EQ(n.id + 2 + 2 * pending, m.id);
		if (pending)
			signal_target(_metadata, t);
		kill_and_reap(_metadata, t);
		EXPECT_EQ(0, t->handled);
		EXPECT_EQ(-ENOENT, id_valid(&self->sup, m.id));
		EXPECT_EQ(-ENOENT, reply_value(&self->sup, m.id, 1));
		EXPECT_EQ(-ENOENT,
			  addfd(&self->sup, m.id, self->src, 0, 0, 0));
	}
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, first, 1, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
}

/*
 * SIGTERM that nobody handles is fatal, too. (If there is another signal for it
 * to handle, the kernel does not look that far, here as in any such wait.)
 */
TEST_F(killable, sigterm_ends_it)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	ASSERT_EQ(0, kill(t->tid, SIGTERM));
	reap_status(_metadata, t, SIGTERM);
	EXPECT_EQ(0, poll_now(&self->sup));

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ASSERT_EQ(0, kill(t->tid, SIGTERM));
	reap_status(_metadata, t, SIGTERM);
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, poll_now(&self->sup));
}

/* The next target is a thread of this one, and waits for an answer. */
static void end_with_a_thread(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	if (pthread_create(&t[1].thread, NULL, target_thread, &t[1]))
		_exit(1);
	wait_until_told(t);
	if (t->number)
		execl("/proc/self/exe", "notify_killable_test", "--exit", NULL);
	_exit(4);
}

static int exit_main(void)
{
	return 5;
}

/* Its process exits, or executes a program, which threads do not survive. */
TEST_F(killable, end_of_the_process_ends_it)
{
	struct target *t, *thread;
	int execs, pending;
	__u64 id;

	for (execs = 0; execs < 2; execs++) {
		for (pending = 0; pending < 2; pending++) {
			forget_targets(&self->sup);
			t = new_target(_metadata, &self->sup, end_with_a_thread,
				       0);
			thread = new_target(_metadata, &self->sup, call_once,
					    1);
			thread->is_thread = true;
			t->number = execs;
			start_target(_metadata, t);
			ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(thread->tid) &&
					     target_waits(thread)));
			id = expect_recv(_metadata, &self->sup, thread, 0);
			if (pending) {
				ASSERT_EQ(0, syscall(__NR_tgkill, t->tid,
						     thread->tid, SIGUSR1));
				ASSERT_TRUE(WAIT_FOR(target_waits_killable(thread)));
			}
			tell(t);
			reap_status(_metadata, t, (execs ? 5 : 4) << 8);
			EXPECT_EQ(0, thread->done);
			EXPECT_EQ(-ENOENT, id_valid(&self->sup, id));
			EXPECT_EQ(0, poll_now(&self->sup));
		}
	}
}

TEST_F(killable, close_gives_enosys)
{
	struct target *a, *b, *c;
	struct seccomp_notif n;

	a = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	b = spawn_queued(_metadata, &self->sup, call_with_restart, 2);
	c = spawn_queued(_metadata, &self->sup, call_with_handler, 3);
	signal_target(_metadata, a);
	signal_target(_metadata, b);
	expect_waits(_metadata, a);
	expect_waits(_metadata, b);
	close_listener(_metadata, &self->sup);
	/* That is the result of the call, and then the handler runs. */
	expect_handled(_metadata, a, -1, ENOSYS);
	expect_handled(_metadata, b, -1, ENOSYS);
	expect_result(_metadata, c, -1, ENOSYS);
	EXPECT_EQ(0, c->handled);
}

/*
 * Stops
 */

TEST_F(killable, stop_comes_after_the_answer)
{
	struct target *t;
	int received;
	__u64 id = 0;

	for (received = 0; received < 2; received++) {
		t = spawn_queued(_metadata, &self->sup, call_once, 1);
		if (received)
			id = expect_recv(_metadata, &self->sup, t, 0);
		ASSERT_EQ(0, kill(t->tid, SIGSTOP));
		ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
		if (!received) {
			EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
			id = expect_recv(_metadata, &self->sup, t, 0);
		}
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
		expect_waits(_metadata, t);
		EXPECT_EQ(0, reply_value(&self->sup, id, 6));
		ASSERT_TRUE(WAIT_FOR(task_state(t->tid) == 'T'));
		EXPECT_EQ(0, t->done);
		ASSERT_EQ(0, kill(t->tid, SIGCONT));
		expect_result(_metadata, t, 6, 0);
	}
}

TEST_F(killable, stop_is_taken_back)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	ASSERT_EQ(0, kill(t->tid, SIGSTOP));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	ASSERT_EQ(0, kill(t->tid, SIGCONT));
	/* One with a handler comes after that. */
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(0, id_valid(&self->sup, id));
	EXPECT_EQ(0, t->done);
	EXPECT_EQ(0, reply_value(&self->sup, id, 6));
	/* Nothing stops it now: nobody continues it. */
	expect_handled(_metadata, t, 6, 0);
}

TEST_F(killable, stopped_can_be_killed)
{
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, kill(t->tid, SIGSTOP));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, poll_now(&self->sup));
}

/*
 * The supervisor that asks for it is told of signals nevertheless
 */

TEST_F(killable, signaled_queued)
{
	struct target *t;
	__u64 id;

	ASSERT_EQ(0, set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	t = spawn_queued(_metadata, &self->sup, call_with_two_handlers, 1);
	signal_target(_metadata, t);
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	id = expect_recv(_metadata, &self->sup, t, SIGNALED);
	/* Once. */
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	expect_waits(_metadata, t);
	EXPECT_EQ(0, reply_value(&self->sup, id, 4));
	expect_result(_metadata, t, 4, 0);
	EXPECT_EQ(2, t->handled);
}

TEST_F(killable, signaled_delivered)
{
	struct target *t;
	__u64 id;

	ASSERT_EQ(0, set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	t = spawn_queued(_metadata, &self->sup, call_with_two_handlers, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	signal_target(_metadata, t);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, id_valid(&self->sup, id));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	expect_waits(_metadata, t);
	EXPECT_EQ(0, reply_value(&self->sup, id, 4));
	expect_result(_metadata, t, 4, 0);
	EXPECT_EQ(2, t->handled);
}

/* It is woken to install an fd, and sleeps again, in a way that is noticed. */
TEST_F(killable, signaled_after_addfd)
{
	struct target *t;
	__u64 id;

	ASSERT_EQ(0, set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	id = expect_recv(_metadata, &self->sup, t, 0);
	ASSERT_LE(0, addfd(&self->sup, id, self->src, 0, 0, 0));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) ==
			     (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_handled(_metadata, t, 1, 0);
}

/*
 * A supervisor that asks to be told of signals is told of one that its target
 * ignores already: it would not hear of any other. What was told stays told.
 */
TEST_F(killable, signaled_flag_comes_and_goes)
{
	struct target *t;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	signal_target(_metadata, t);
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	ASSERT_EQ(0, set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) ==
			     (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, &self->sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_handled(_metadata, t, 1, 0);

	ASSERT_EQ(0, set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	t = spawn_queued(_metadata, &self->sup, call_with_two_handlers, 1);
	signal_target(_metadata, t);
	ASSERT_EQ(0, set_flags(&self->sup, 0));
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	id = expect_recv(_metadata, &self->sup, t, SIGNALED);
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(2, t->handled);
}

/*
 * Signals at any moment: before the call, while it goes to sleep, while it is
 * queued, delivered, answered. No call fails, and each has one notification.
 */

static void call_and_count_failures(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	while (!ATOMIC_GET(t->stop)) {
		trapped_call(t);
		if (t->ret != 50)
			t->number++;
	}
}

TEST_F(killable, signals_at_any_moment)
{
	struct seccomp_notif n;
	struct target *t;
	__u64 last = 0;
	int i;

	t = spawn_queued(_metadata, &self->sup, call_and_count_failures, 1);
	for (i = 0; i < ROUNDS; i++) {
		spin(i % 16 * 512);
		ASSERT_EQ(0, kill(t->tid, SIGUSR1));
		if (i & 1)
			spin(i % 64 * 256);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		if (i)
			ASSERT_EQ(last + 1, n.id);
		last = n.id;
		if (i & 2)
			ASSERT_EQ(0, kill(t->tid, SIGUSR1));
		if (i & 4)
			spin(i % 64 * 256);
		ASSERT_EQ(i, ATOMIC_GET(t->done));
		if (i == ROUNDS - 1)
			ATOMIC_SET(t->stop, 1);
		ASSERT_EQ(0, reply_value(&self->sup, n.id, 50));
	}
	reap(_metadata, t);
	EXPECT_EQ(ROUNDS, t->done);
	EXPECT_EQ(0, t->number);
	EXPECT_LT(0, t->handled);
	TH_LOG("%d runs of the handler", t->handled);
	EXPECT_EQ(0, poll_now(&self->sup));
}

/*
 * Threads, and filters that differ
 */

FIXTURE(killable_filters)
{
	struct supervisor sup;
};

FIXTURE_SETUP(killable_filters)
{
	init_supervisor(_metadata, &self->sup);
	flag_is_known(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(killable_filters)
{
	end_supervisor(_metadata, &self->sup);
}

static void wait_and_call(struct target *t)
{
	wait_until_told(t);
	trapped_call(t);
}

TEST_F(killable_filters, threads_of_tsync)
{
	struct target *t;
	__u64 id;

	handle_signal(SIGUSR1, 0);
	t = spawn_thread(_metadata, &self->sup, wait_and_call, 1);
	supervise(_metadata, &self->sup, KILLABLE | TSYNC | TSYNC_ESRCH);
	tell(t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	ASSERT_EQ(0, signal_thread(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(0, reply_value(&self->sup, id, 3));
	expect_handled(_metadata, t, 3, 0);
}

static void use_and_call_with_handler(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	use_and_call(t);
}

/* How a target waits is up to its filter, though they have one listener. */
TEST_F(killable_filters, of_one_listener)
{
	struct target *killable, *recv, *plain;
	__u64 id;

	use_listener(_metadata, &self->sup, new_listener());
	killable = spawn_user(_metadata, &self->sup, use_and_call_with_handler,
			      1, KILLABLE);
	ASSERT_TRUE(WAIT_FOR(target_waits(killable)));
	recv = spawn_user(_metadata, &self->sup, use_and_call_with_handler, 2,
			  KILLABLE_RECV);
	ASSERT_TRUE(WAIT_FOR(target_waits(recv)));
	plain = spawn_user(_metadata, &self->sup, use_and_call_with_handler, 3,
			   0);
	ASSERT_TRUE(WAIT_FOR(target_waits(plain)));
	signal_target(_metadata, killable);
	ASSERT_EQ(0, kill(recv->tid, SIGUSR1));
	expect_handled(_metadata, recv, -1, EINTR);
	ASSERT_EQ(0, kill(plain->tid, SIGUSR1));
	expect_handled(_metadata, plain, -1, EINTR);
	expect_waits(_metadata, killable);

	recv = spawn_user(_metadata, &self->sup, use_and_call_with_handler, 2,
			  KILLABLE_RECV);
	ASSERT_TRUE(WAIT_FOR(target_waits(recv)));
	id = expect_recv(_metadata, &self->sup, killable, 0);
	EXPECT_EQ(id + 3, expect_recv(_metadata, &self->sup, recv, 0));
	signal_target(_metadata, recv);
	expect_waits(_metadata, recv);
	EXPECT_EQ(0, reply_value(&self->sup, id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, id + 3, 2));
	expect_handled(_metadata, killable, 1, 0);
	expect_handled(_metadata, recv, 2, 0);
}

/*
 * The control: without the flag, a signal interrupts what is queued
 */

FIXTURE(not_killable)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(not_killable)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(not_killable, no_flags)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(not_killable, wait_killable_recv)
{
	.flags = KILLABLE_RECV,
};

FIXTURE_SETUP(not_killable)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, variant->flags);
}

FIXTURE_TEARDOWN(not_killable)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(not_killable, queued_is_interrupted)
{
	struct target *first, *t;
	struct seccomp_notif n;
	__u64 id;

	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_handled(_metadata, t, -1, EINTR);
	EXPECT_EQ(0, poll_now(&self->sup));

	/* Or restarted, with another notification. */
	first = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	t = spawn_queued(_metadata, &self->sup, call_with_restart, 2);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->handled) &&
			     poll_now(&self->sup) & POLLIN));
	id = expect_recv(_metadata, &self->sup, t, 0);
	EXPECT_EQ(n.id + 2, id);
	EXPECT_EQ(0, reply_value(&self->sup, id, 2));
	expect_result(_metadata, t, 2, 0);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, first, 1, 0);
}

/*
 * A shell. It handles SIGCHLD, without SA_RESTART, and runs pipelines as dash
 * does: what goes in and out of a stage is a pipe, and the shell closes its own
 * ends as it goes along. close() and clone() are trapped; the supervisor lets
 * all of them through, but it is slow: a stage exits while the shell's call
 * waits in the queue.
 *
 * If that interrupts the call, it fails with what no shell expects of it: it has
 * one process less, or it keeps the end that the next stage's input waits for,
 * and the pipeline never ends.
 */

#define PIPELINES	100
#define NR_STAGES	3

/* Where the shell fails. */
enum {
	FAILED_CLOSE = 1,
	FAILED_FORK,
	FAILED_PIPE,
	FAILED_STAGE,
};

static const int shell_calls[] = { __NR_close, __NR_clone };

FIXTURE(shell)
{
	struct supervisor sup;
	struct target *shell;	/* its stages come after it */
};

FIXTURE_VARIANT(shell)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(shell, no_flags)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(shell, wait_killable_recv)
{
	.flags = KILLABLE_RECV,
};

FIXTURE_VARIANT_ADD(shell, wait_killable)
{
	.flags = KILLABLE,
};

/* Passes on what it reads; the last one checks it. Never returns. */
static void run_stage(struct target *stage, int in, int out)
{
	static const char text[] = "a line of text\n";
	int len = 0, ret = 0;
	char buf[64];

	if (in < 0) {
		len = write(out, text, sizeof(text));
	} else {
		while ((ret = read(in, buf + len, sizeof(buf) - len)) > 0)
			len += ret;
		if (out >= 0)
			len = write(out, buf, len);
		else if (memcmp(buf, text, sizeof(text)))
			len = 0;
	}
	/* Its last trapped call is behind it. It exits when told to. */
	ATOMIC_SET(stage->done, 1);
	wait_until_told(stage);
	_exit(ret || len != sizeof(text));
}

static void shell_failed(struct target *t, int where)
{
	t->err = errno;
	t->number = where;
	/* The stages that are left do not survive this. */
	_exit(1);
}

static void shell_close(struct target *t, int fd)
{
	if (close(fd))
		shell_failed(t, FAILED_CLOSE);
}

static pid_t shell_fork(struct target *t, struct target *stage)
{
	pid_t shell = getpid(), pid;

	ATOMIC_SET(stage->done, 0);
	ATOMIC_SET(stage->stop, 0);
	/* What fork() comes down to, but that may block signals meanwhile. */
	pid = syscall(__NR_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		shell_failed(t, FAILED_FORK);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != shell)
			_exit(1);
		ATOMIC_SET(stage->tid, getpid());
	}
	return pid;
}

static void run_pipeline(struct target *t)
{
	int i, in = -1, pip[2], status;
	pid_t pid[NR_STAGES];

	for (i = 0; i < NR_STAGES; i++) {
		pip[0] = -1;
		pip[1] = -1;
		if (i + 1 < NR_STAGES && pipe(pip))
			shell_failed(t, FAILED_PIPE);
		pid[i] = shell_fork(t, &t[1 + i]);
		if (!pid[i]) {
			if (pip[0] >= 0)
				shell_close(t, pip[0]);
			run_stage(&t[1 + i], in, pip[1]);
		}
		if (in >= 0)
			shell_close(t, in);
		in = pip[0];
		if (pip[1] >= 0)
			shell_close(t, pip[1]);
	}
	for (i = 0; i < NR_STAGES; i++) {
		while (waitpid(pid[i], &status, 0) != pid[i]) {
			if (errno != EINTR)
				shell_failed(t, FAILED_STAGE);
		}
		if (status)
			shell_failed(t, FAILED_STAGE);
	}
}

/* t->arg has the flags; t->done is how many pipelines have ended well. */
static void run_shell(struct target *t)
{
	int fd;

	handle_signal(SIGCHLD, 0);
	fd = install_trapping(t->arg | NEW_LISTENER, -1, shell_calls,
			      ARRAY_SIZE(shell_calls));
	ATOMIC_SET(t->fd, fd);
	wait_until_told(t);
	shell_close(t, fd);
	while (t->done < PIPELINES) {
		run_pipeline(t);
		ATOMIC_INC(t->done);
	}
}

FIXTURE_SETUP(shell)
{
	struct target *t;
	int i;

	init_supervisor(_metadata, &self->sup);
	if (variant->flags & KILLABLE &&
	    !flag_is_known(_metadata, &self->sup))
		return;
	self->shell = new_target(_metadata, &self->sup, run_shell,
				 variant->flags);
	for (i = 0; i < NR_STAGES; i++) {
		/* The shell starts them, and reaps them. */
		t = new_target(_metadata, &self->sup, NULL, 0);
		t->is_thread = true;
	}
	t = self->shell;
	start_target(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
	ASSERT_LE(0, t->fd);
	use_listener(_metadata, &self->sup, take_fd(t->tid, t->fd));
	tell(t);
}

FIXTURE_TEARDOWN(shell)
{
	end_supervisor(_metadata, &self->sup);
}

/* In state D if there is a signal that does not interrupt it. */
static bool shell_is_trapped(struct target *shell, const char *states)
{
	long nr = task_syscall(shell->tid);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shell_calls); i++) {
		if (nr == shell_calls[i])
			return sleeps_in(shell->tid, nr, states);
	}
	return false;
}

static bool shell_waits(struct target *shell)
{
	return sleeps_in(shell->tid, __NR_wait4, "S");
}

/* A stage that has done all but exit. */
static struct target *finished_stage(struct target *shell)
{
	int i;

	for (i = 1; i <= NR_STAGES; i++) {
		if (ATOMIC_GET(shell[i].done) && !ATOMIC_GET(shell[i].stop))
			return &shell[i];
	}
	return NULL;
}

static bool has_ended(struct target *shell)
{
	return task_state(shell->tid) == 'Z';
}

/*
 * Lets a stage exit while the shell's call is in the queue, or if it waits for
 * the stage. True if the shell's call was hit by SIGCHLD. @pass is how many
 * calls of the pipeline are spared first, so that each has its turn.
 */
static bool end_stage(struct __test_metadata *_metadata, struct target *shell,
		      int *pass)
{
	struct target *stage = finished_stage(shell);
	int handled = ATOMIC_GET(shell->handled);

	if (!stage)
		return false;
	/* It gets that far on its own. */
	ASSERT_TRUE(WAIT_FOR(shell_is_trapped(shell, "SD") ||
			     shell_waits(shell) || has_ended(shell)));
	if (shell_waits(shell)) {
		tell(stage);
		return false;
	}
	/* Each that was received has been answered, so this one is queued. */
	if (!shell_is_trapped(shell, "S") || (*pass)-- > 0)
		return false;
	tell(stage);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(shell->handled) > handled ||
			     shell_is_trapped(shell, "D") ||
			     has_ended(shell)));
	return true;
}

/* Serves the shell until it exits; how often SIGCHLD hit one of its calls. */
static int serve_shell(struct __test_metadata *_metadata,
		       struct supervisor *sup, struct target *shell)
{
	int ret, done = -1, pass = 0, hits = 0;
	struct seccomp_notif n;
	struct timespec since, now;

	while (!has_ended(shell)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (ATOMIC_GET(shell->done) != done) {
			done = ATOMIC_GET(shell->done);
			pass = done % 6;
			since = now;
		}
		ASSERT_GE(GUARD, now.tv_sec - since.tv_sec) {
			TH_LOG("pipeline %d hangs", done);
		}
		poll_fd(sup->listener, 1);
		hits += end_stage(_metadata, shell, &pass);
		/* If that was interrupted, it has left the queue. */
		if (!(poll_now(sup) & POLLIN))
			continue;
		ret = recv_notif(sup, &n);
		if (ret == -ENOENT)
			continue;	/* a stage was killed */
		ASSERT_EQ(0, ret);
		ret = reply_continue(sup, n.id);
		ASSERT_TRUE(ret == 0 || ret == -ENOENT);
		/* This is its only call: let it get as far as to its exit. */
		if ((pid_t)n.pid == ATOMIC_GET(shell[1].tid))
			ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(shell[1].done) ||
					     has_ended(shell)));
	}
	return hits;
}

TEST_F(shell, runs_pipelines)
{
	struct target *t = self->shell;
	int hits;

	hits = serve_shell(_metadata, &self->sup, t);
	TH_LOG("%d pipelines, SIGCHLD in a trapped call %d times", t->done,
	       hits);
	EXPECT_LT(0, hits);
	if (variant->flags & KILLABLE) {
		reap(_metadata, t);
		EXPECT_EQ(PIPELINES, t->done);
		EXPECT_EQ(0, t->err) {
			TH_LOG("failed: %lu", t->number);
		}
		EXPECT_EQ(POLLHUP, poll_now(&self->sup));
		return;
	}
	/* What the flag is for. */
	reap_status(_metadata, t, 1 << 8);
	EXPECT_GT(PIPELINES, t->done);
	EXPECT_EQ(EINTR, t->err);
	EXPECT_TRUE(t->number == FAILED_CLOSE || t->number == FAILED_FORK);
	TH_LOG("failed: %s", t->number == FAILED_FORK ? "fork()" : "close()");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--exit"))
		return exit_main();
	return test_harness_run(argc, argv);
}
