// SPDX-License-Identifier: GPL-2.0
/*
 * Races: signals, deaths, new fds and the end of the listener while something
 * else is going on.
 */
#include "notify_common.h"

/*
 * Signals and deaths
 */

FIXTURE(race)
{
	struct supervisor sup;
	int src;
};

FIXTURE_SETUP(race)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

TEST_F(race, recv_and_leaving_targets)
{
	struct reader r[2];
	struct target *t;
	int i, enoent = 0;

	start_answering(_metadata, &self->sup, r, 2);
	t = spawn(_metadata, &self->sup, call_with_handler_until_stopped, 10);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > 1));
	for (i = 0; i < ROUNDS; i++) {
		int before = ATOMIC_GET(t->handled);

		ASSERT_EQ(0, kill(t->tid, SIGUSR1));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->handled) > before ||
				     (ATOMIC_GET(r[0].finished) &&
				      ATOMIC_GET(r[1].finished))));
		if (ATOMIC_GET(r[0].finished) || ATOMIC_GET(r[1].finished))
			break;
	}
	for (i = 0; i < 2; i++) {
		if (ATOMIC_GET(r[i].finished) && r[i].ret == -ENOENT)
			enoent++;
	}
	if (enoent) {
		kill_and_reap(_metadata, t);
		stop_readers(_metadata, r, 2);
	}
	if (c_differs(_metadata, &self->sup, enoent,
		      "RECV gives ENOENT for a target that is gone") || enoent)
		return;
	ATOMIC_SET(t->stop, 1);
	reap(_metadata, t);
	stop_answering(_metadata, r, 2);
}

/*
 * Readers that come and go: in each round they read one notification, or leave
 * without one if a signal comes first
 */
#define NR_LEAVING	5
#define NR_SIGNALLED	4	/* of those */
#define NR_CALLERS	3

enum presence {
	IN,
	OUT,
	CALLED_IN,	/* but not there yet */
};

struct leaving_reader {
	struct reader reader;
	int presence;
	int signals;	/* how often RECV was interrupted */
};

static void *read_and_leave(void *arg)
{
	struct leaving_reader *leaving = arg;
	struct reader *r = &leaving->reader;

	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->stop)) {
		r->ret = recv_notif(r->sup, &r->n);
		/* Every other time that it is interrupted, it stays. */
		if (r->ret == -EINTR && leaving->signals++ % 2)
			continue;
		if (!r->ret) {
			ATOMIC_INC(r->count);
			do {
				r->ret = reply_value(r->sup, r->n.id,
						     r->n.data.args[0] + 1);
			} while (r->ret == -EINTR);	/* in C */
		}
		if (r->ret && r->ret != -EINTR)
			break;
		ATOMIC_SET(leaving->presence, OUT);
		while (ATOMIC_GET(leaving->presence) == OUT &&
		       !ATOMIC_GET(r->stop))
			usleep(50);
		ATOMIC_SET(leaving->presence, IN);
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

static void call_in(struct __test_metadata *_metadata,
		    struct leaving_reader *leaving)
{
	int i;

	for (i = 0; i < NR_LEAVING; i++) {
		if (ATOMIC_GET(leaving[i].presence) == OUT)
			ATOMIC_SET(leaving[i].presence, CALLED_IN);
	}
	/* Some may leave at once, interrupted in the last round. */
	for (i = 0; i < NR_LEAVING; i++)
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(leaving[i].presence) !=
				     CALLED_IN));
}

/* One call in each round, of which t->stop is the number. */
static void call_in_each_round(struct target *t)
{
	int round;

	for (round = 1; ; round++) {
		while (ATOMIC_GET(t->stop) < round)
			usleep(50);
		trapped_call(t);
	}
}

static bool have_called(struct target **callers, int round)
{
	int i;

	for (i = 0; i < NR_CALLERS; i++) {
		if (ATOMIC_GET(callers[i]->done) != round)
			return false;
	}
	return true;
}

/*
 * There is one reader that stays. Whatever the others do, it sleeps only when
 * nothing is queued, or when one of them was woken for that.
 */
TEST_F(race, readers_that_leave)
{
	struct supervisor *sup = &self->sup;
	struct leaving_reader leaving[NR_LEAVING];
	struct target *callers[NR_CALLERS];
	int i, round, signals = 0, count = 0;
	struct reader staying;
	unsigned int seed = 1;

	start_answering(_metadata, sup, &staying, 1);
	for (i = 0; i < NR_LEAVING; i++) {
		leaving[i].presence = IN;
		leaving[i].signals = 0;
		run_reader(_metadata, sup, &leaving[i].reader, read_and_leave);
	}
	for (i = 0; i < NR_CALLERS; i++)
		callers[i] = spawn(_metadata, sup, call_in_each_round, i);

	for (round = 1; round <= ROUNDS; round++) {
		call_in(_metadata, leaving);
		for (i = 0; i < NR_CALLERS; i++)
			ATOMIC_SET(callers[i]->stop, round);
		for (i = 0; i < NR_SIGNALLED; i++) {
			unsigned int victim = (seed >> 8) % NR_SIGNALLED;

			seed = seed * 1103515245 + 12345;
			spin(seed >> 16);
			ASSERT_EQ(0, signal_thread(leaving[victim].reader.tid,
						   SIGUSR2));
		}
		ASSERT_TRUE(WAIT_FOR(have_called(callers, round))) {
			TH_LOG("no answer in round %d, poll says %#x", round,
			       poll_now(sup));
		}
		for (i = 0; i < NR_CALLERS; i++)
			ASSERT_EQ(i + 1, callers[i]->ret);
	}
	EXPECT_EQ(0, poll_now(sup));
	for (i = 0; i < NR_CALLERS; i++)
		kill_and_reap(_metadata, callers[i]);
	for (i = 0; i < NR_LEAVING; i++) {
		stop_answering(_metadata, &leaving[i].reader, 1);
		signals += leaving[i].signals;
		count += leaving[i].reader.count;
	}
	stop_answering(_metadata, &staying, 1);
	EXPECT_EQ(ROUNDS * NR_CALLERS, count + staying.count);
	TH_LOG("%d were read by those who leave, %d signals", count, signals);
}

/* There is another target, which is to get its own fds and no others. */
TEST_F(race, addfd_and_death)
{
	struct target *t, *bystander;
	struct seccomp_notif n, m;
	int i, installed = 0;
	struct add_loop loop;
	struct adder a = {};
	bool has_won = false;
	long start = 0;

	bystander = spawn_delivered(_metadata, &self->sup, call_once, &m);
	start_add_loops(_metadata, &self->sup, &loop, 1, m.id,
			self->sup.listener, 60);
	for (i = 0; i < 300; i++) {
		/* All but the bystander. */
		self->sup.nr_targets = 1;
		t = spawn(_metadata, &self->sup, call_once, 1);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		start_adder(_metadata, &self->sup, &a, n.id, self->src,
			    i & 1 ? SECCOMP_ADDFD_FLAG_SEND : 0, 0);
		ATOMIC_SET(a.go, 1);
		give_a_start(&start, has_won);
		ASSERT_EQ(0, kill(t->tid, SIGKILL));
		join_adder(_metadata, &a);
		/* An answer may have let it go before. */
		ASSERT_EQ(t->tid, waitpid(t->tid, NULL, 0));
		t->tid = 0;
		has_won = a.ret >= 0;
		if (has_won)
			installed++;
		else
			EXPECT_TRUE(a.ret == -ESRCH || a.ret == -ENOENT) {
				TH_LOG("ADDFD: %d", a.ret);
			}
		EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	}
	TH_LOG("%d of %d were installed", installed, i);
	EXPECT_LT(0, installed);
	EXPECT_GT(i, installed);

	stop_add_loops(_metadata, &loop, 1);
	EXPECT_EQ(60, loop.ret);
	EXPECT_LT(0, loop.installed);
	EXPECT_TRUE(same_file(bystander, 60, self->sup.listener));
	/* The lowest free number is that of the listener, as in the others. */
	EXPECT_EQ(-1, fd_flags(bystander, self->sup.listener));
	EXPECT_EQ(0, reply_value(&self->sup, m.id, 1));
	expect_result(_metadata, bystander, 1, 0);
}

/*
 * The listener is closed: each target installs a filter for itself
 */

FIXTURE(race_close)
{
	struct supervisor sup;
	int src;
};

FIXTURE_SETUP(race_close)
{
	init_supervisor(_metadata, &self->sup);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(race_close)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

TEST_F(race_close, addfd)
{
	struct seccomp_notif n;
	int i, installed = 0;
	struct target *t;
	struct adder a;
	bool has_won = false;
	long start = 0;

	for (i = 0; i < 300; i++) {
		forget_targets(&self->sup);
		t = spawn_installing(_metadata, &self->sup, install_and_call);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		start_adder(_metadata, &self->sup, &a, n.id, self->src,
			    i & 1 ? SECCOMP_ADDFD_FLAG_SEND : 0, 0);
		ATOMIC_SET(a.go, 1);
		give_a_start(&start, has_won);
		close_listener(_metadata, &self->sup);
		join_adder(_metadata, &a);
		reap(_metadata, t);
		has_won = a.ret >= 0;
		if (has_won) {
			installed++;
			EXPECT_EQ(i & 1 ? a.ret : -1, t->ret);
		} else {
			EXPECT_EQ(-EBADF, a.ret);
			EXPECT_EQ(-1, t->ret);
			EXPECT_EQ(ENOSYS, t->err);
		}
	}
	TH_LOG("%d of %d were installed", installed, i);
	EXPECT_LT(0, installed);
	EXPECT_GT(i, installed);
}

/* A thread that sends a target SIGUSR1, at random moments. */
struct signaller {
	pthread_t thread;
	pid_t pid;
	pid_t tid;
	int stop;
	int go;			/* how many signals there are to be */
	int count;		/* how many there were */
};

static void *send_signals(void *arg)
{
	struct signaller *s = arg;
	unsigned int seed = 1;

	while (!ATOMIC_GET(s->stop)) {
		if (ATOMIC_GET(s->go) == s->count) {
			sched_yield();
			continue;
		}
		seed = seed * 1103515245 + 12345;
		spin(seed >> 16);
		if (syscall(__NR_tgkill, s->pid, s->tid, SIGUSR1))
			break;
		s->count++;
	}
	return NULL;
}

static void start_signaller(struct __test_metadata *_metadata,
			    struct signaller *s, pid_t pid, pid_t tid)
{
	memset(s, 0, sizeof(*s));
	s->pid = pid;
	s->tid = tid;
	ASSERT_EQ(0, pthread_create(&s->thread, NULL, send_signals, s));
}

static void stop_signaller(struct __test_metadata *_metadata,
			   struct signaller *s)
{
	ATOMIC_SET(s->stop, 1);
	ASSERT_EQ(0, pthread_join(s->thread, NULL));
}

/* Installs a filter with a listener for each call; older ones are closed. */
static void install_and_call_until_stopped(struct target *t)
{
	while (!ATOMIC_GET(t->stop)) {
		int fd = install_listener(0);

		ATOMIC_SET(t->fd, fd);
		if (fd < 0)
			break;
		trapped_call(t);
		while (ATOMIC_GET(t->fd) != -1)
			sched_yield();
	}
}

TEST_F(race_close, signal)
{
	struct signaller s;
	struct seccomp_notif n;
	struct target *t;
	int i;

	handle_signal(SIGUSR1, SA_RESTART);
	t = spawn_thread(_metadata, &self->sup, install_and_call_until_stopped,
			 1);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
		self->sup.listener = t->fd;
		ASSERT_LE(0, self->sup.listener);
		if (!set_signaled(_metadata, &self->sup)) {
			ATOMIC_SET(t->stop, 1);
			close_listener(_metadata, &self->sup);
			ATOMIC_SET(t->fd, -1);
			break;
		}
		if (!i)
			start_signaller(_metadata, &s, getpid(), t->tid);
		if (i & 1)
			ASSERT_EQ(0, recv_notif(&self->sup, &n));
		ATOMIC_INC(s.go);
		spin(i % 64 * 2048);
		if (i == ROUNDS - 1)
			ATOMIC_SET(t->stop, 1);
		close_listener(_metadata, &self->sup);
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > i));
		ASSERT_EQ(-1, t->ret);
		ASSERT_EQ(ENOSYS, t->err);
		ATOMIC_SET(t->fd, -1);
	}
	if (i)
		stop_signaller(_metadata, &s);
	reap(_metadata, t);
}

/*
 * With FD_SIGNALED
 */

FIXTURE(race_signaled)
{
	struct supervisor sup;
};

FIXTURE_SETUP(race_signaled)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	set_signaled(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(race_signaled)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(race_signaled, set_flags)
{
	struct seccomp_notif n;
	struct signaller s;
	struct target *t;
	int i, ret, gone = 0, told = 0, sent = 0;

	t = spawn_queued(_metadata, &self->sup, call_with_restart_until_stopped,
			 1);
	start_signaller(_metadata, &s, t->tid, t->tid);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		if (n.flags)
			told++;
		ATOMIC_INC(s.go);
		spin(i % 64 * 2048);
		ASSERT_EQ(0, set_flags(&self->sup,
				       i & 1 ? SECCOMP_USER_NOTIF_FD_SIGNALED :
					       0));
		ret = reply_value(&self->sup, n.id, 50);
		/* Gone if the flag was cleared when the signal came. */
		ASSERT_TRUE(ret == 0 || ret == -ENOENT);
		if (ret)
			gone++;
		else
			sent++;
	}
	stop_signaller(_metadata, &s);
	ATOMIC_SET(t->stop, 1);
	if (ATOMIC_GET(t->done) == sent) {
		/* Restarted, or about to make another call. */
		ASSERT_TRUE(WAIT_FOR(target_waits(t) ||
				     target_waits_killable(t) ||
				     task_state(t->tid) == 'Z'));
		if (poll_now(&self->sup) & POLLIN) {
			ASSERT_EQ(0, recv_notif(&self->sup, &n));
			ASSERT_EQ(0, reply_value(&self->sup, n.id, 50));
			sent++;
		}
	}
	reap(_metadata, t);
	EXPECT_EQ(sent, t->done);
	EXPECT_EQ(50, t->ret);
	TH_LOG("told of %d, %d gone, %d sent", told, gone, sent);
}

TEST_F(race_signaled, death)
{
	struct seccomp_notif n;
	struct target *t;
	int i, ret;

	for (i = 0; i < 300; i++) {
		forget_targets(&self->sup);
		t = spawn(_metadata, &self->sup, call_with_handler, 1);
		ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) & POLLIN));
		if (i & 1)
			ASSERT_EQ(0, recv_notif(&self->sup, &n));
		ASSERT_EQ(0, kill(t->tid, SIGUSR1));
		spin(i % 64 * 64);
		ASSERT_EQ(0, kill(t->tid, SIGKILL));
		if (i & 1) {
			ret = reply_value(&self->sup, n.id, 0);
			ASSERT_TRUE(ret == 0 || ret == -ENOENT);
		}
		ASSERT_EQ(t->tid, waitpid(t->tid, NULL, 0));
		t->tid = 0;
		ASSERT_EQ(0, poll_now(&self->sup));
	}
}

/*
 * With FD_SIGNALED: a signal races with what the supervisor does next
 */

FIXTURE(race_signal)
{
	struct supervisor sup;
	int src;
};

enum race_against {
	SEND,
	ADDFD,
	ADDFD_SEND,
	SECOND_RECV,
};

FIXTURE_VARIANT(race_signal)
{
	enum race_against against;
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(race_signal, send)
{
	.against = SEND,
};

FIXTURE_VARIANT_ADD(race_signal, addfd)
{
	.against = ADDFD,
};

FIXTURE_VARIANT_ADD(race_signal, addfd_send)
{
	.against = ADDFD_SEND,
};

FIXTURE_VARIANT_ADD(race_signal, second_recv)
{
	.against = SECOND_RECV,
};

FIXTURE_VARIANT_ADD(race_signal, second_recv_killable)
{
	.against = SECOND_RECV,
	.flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
};

FIXTURE_SETUP(race_signal)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, variant->flags);
	if (!set_signaled(_metadata, &self->sup))
		return;
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(race_signal)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

TEST_F(race_signal, each_call_has_one_reply)
{
	const unsigned int setfd = SECCOMP_ADDFD_FLAG_SETFD;
	struct seccomp_notif n, m;
	struct signaller s;
	struct target *t;
	int i, told = 0, again = 0;
	__u64 last = 0;

	t = spawn_queued(_metadata, &self->sup, call_with_restart_until_stopped,
			 1);
	start_signaller(_metadata, &s, t->tid, t->tid);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		if (i)
			ASSERT_EQ(last + 1, n.id);
		last = n.id;
		if (n.flags)
			told++;
		ASSERT_EQ(i, ATOMIC_GET(t->done));
		ATOMIC_INC(s.go);
		spin(i % 64 * 2048);
		if (variant->against == SECOND_RECV &&
		    poll_now(&self->sup) & POLLIN) {
			again++;
			ASSERT_EQ(0, recv_notif(&self->sup, &m));
			ASSERT_EQ(n.id, m.id);
			ASSERT_EQ(0, n.flags);
			ASSERT_EQ(SIGNALED, m.flags);
		}
		if (variant->against == ADDFD)
			ASSERT_EQ(50, addfd(&self->sup, n.id, self->src, setfd,
					    50, 0));
		if (i == ROUNDS - 1)
			ATOMIC_SET(t->stop, 1);
		if (variant->against == ADDFD_SEND) {
			ASSERT_EQ(50, addfd(&self->sup, n.id, self->src,
					    setfd | SECCOMP_ADDFD_FLAG_SEND, 50,
					    0));
		} else {
			ASSERT_EQ(0, reply_value(&self->sup, n.id, 50));
		}
	}
	stop_signaller(_metadata, &s);
	reap(_metadata, t);
	EXPECT_EQ(ROUNDS, t->done);
	EXPECT_EQ(50, t->ret);
	EXPECT_EQ(0, t->err);
	EXPECT_LT(0, t->handled);
	EXPECT_EQ(0, poll_now(&self->sup));
	TH_LOG("%d signals, told of %d at first and %d later", s.count, told,
	       again);
}

TEST_HARNESS_MAIN
