// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_IOCTL_NOTIF_RECV: what it returns, its buffer, the order of
 * notifications, O_NONBLOCK, and many readers at a time.
 */
#include "notify_common.h"

FIXTURE(recv)
{
	struct supervisor sup;
};

FIXTURE_SETUP(recv)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(recv)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(recv, describes_the_syscall)
{
	struct seccomp_notif n;
	struct target *t;
	int i;

	t = spawn_queued(_metadata, &self->sup, call_once, 0x1000);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, n.flags);
	EXPECT_EQ(NR_TRAPPED, n.data.nr);
	EXPECT_NE(0, n.data.instruction_pointer);
	if (NATIVE_ARCH)
		EXPECT_EQ(NATIVE_ARCH, n.data.arch);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0x1000 + i, n.data.args[i]);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 5));
	expect_result(_metadata, t, 5, 0);
}

TEST_F(recv, buffer_not_zero_einval)
{
	struct seccomp_notif n;
	struct target *t;
	size_t i;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	for (i = 0; i < sizeof(n); i++) {
		memset(&n, 0, sizeof(n));
		((char *)&n)[i] = 1;
		EXPECT_EQ(-EINVAL, recv_into(&self->sup, &n));
	}
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	answer(_metadata, &self->sup, t);
}

TEST_F(recv, bad_buffer_efault)
{
	struct target *t;
	void *none;

	none = map_pages(_metadata, 1, PROT_NONE);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, NULL));
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, none));
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	answer(_metadata, &self->sup, t);
}

TEST_F(recv, bad_buffer_does_not_wait)
{
	struct seccomp_notif n = { .pid = 1 };

	/* Nothing is queued: RECV would sleep if it took the buffer. */
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, NULL));
	EXPECT_EQ(-EINVAL, recv_into(&self->sup, &n));
}

TEST_F(recv, readonly_buffer_keeps_id_and_place)
{
	struct seccomp_notif n, m;
	struct target *a, *b, *c;
	void *page;

	page = map_pages(_metadata, 1, PROT_READ);
	a = spawn_queued(_metadata, &self->sup, call_once, 100);
	b = spawn_queued(_metadata, &self->sup, call_once, 200);
	c = spawn_queued(_metadata, &self->sup, call_once, 300);

	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(a->tid, (pid_t)n.pid);

	/* The same for the next one. */
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, page));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id + 1));
	ASSERT_EQ(0, recv_notif(&self->sup, &m));
	EXPECT_EQ(b->tid, (pid_t)m.pid);
	EXPECT_EQ(n.id + 1, m.id);

	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, m.id, 2));
	expect_result(_metadata, a, 1, 0);
	expect_result(_metadata, b, 2, 0);
	answer(_metadata, &self->sup, c);
}

TEST_F(recv, half_readonly_buffer_efault)
{
	struct seccomp_notif *n;
	struct target *t;
	char *pages;
	int size = getpagesize();

	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	ASSERT_EQ(0, mprotect(pages + size, size, PROT_READ));
	n = (struct seccomp_notif *)(pages + size - 16);

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, n));
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	answer(_metadata, &self->sup, t);
}

TEST_F(recv, interrupted_eintr)
{
	struct target *t;
	struct reader r;

	start_sleeping_reader(_metadata, &self->sup, &r);
	interrupt_reader(_metadata, &r);

	/* The interrupted reader has not taken the next notification. */
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	answer(_metadata, &self->sup, t);
}

TEST_F(recv, waits_for_a_target)
{
	struct target *t;
	struct reader r;

	start_sleeping_reader(_metadata, &self->sup, &r);
	t = spawn(_metadata, &self->sup, call_once, 1);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(t->tid, (pid_t)r.n.pid);
	EXPECT_EQ(0, reply_value(&self->sup, r.n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/* A supervisor in a pid namespace of its own, where the target has no pid. */
static void serve_in_pid_namespace(struct target *t)
{
	struct seccomp_notif n;
	pid_t pid;

	t->number = -1;
	if (unshare(CLONE_NEWPID)) {
		t->err = errno;
		return;
	}
	pid = fork();
	if (!pid) {
		if (recv_notif(t->sup, &n))
			_exit(1);
		t->number = n.pid;
		if (reply_value(t->sup, n.id, 8))
			_exit(2);
		_exit(0);
	}
	waitpid(pid, &t->status, 0);
	t->ret = t->status;
}

TEST_F(recv, pid_is_0_if_not_visible)
{
	struct target *supervisor, *t;

	supervisor = spawn_supervisor(_metadata, &self->sup,
				      serve_in_pid_namespace, 0);
	t = spawn(_metadata, &self->sup, call_once, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) ||
			     ATOMIC_GET(supervisor->err)));
	if (supervisor->err)
		SKIP(return, "no pid namespaces (%d)", supervisor->err);
	expect_result(_metadata, t, 8, 0);
	reap(_metadata, supervisor);
	EXPECT_EQ(0, supervisor->ret);
	EXPECT_EQ(0, supervisor->number);
}

/*
 * Order
 */

TEST_F(recv, fifo_with_consecutive_ids)
{
	struct seccomp_notif n[10];
	struct target *t[10];
	int i;

	for (i = 0; i < 10; i++)
		t[i] = spawn_queued(_metadata, &self->sup, call_once, i);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n[i]));
		EXPECT_EQ(i, n[i].data.args[0]);
		EXPECT_EQ(n[0].id + i, n[i].id);
	}
	/* Replies may come in any order. */
	for (i = 9; i >= 0; i--) {
		EXPECT_EQ(0, reply_value(&self->sup, n[i].id, i));
		expect_result(_metadata, t[i], i, 0);
	}
}

TEST_F(recv, drain_with_poll)
{
	struct seccomp_notif n;
	struct target *t[10];
	int i, count = 0;

	for (i = 0; i < 10; i++)
		t[i] = spawn_queued(_metadata, &self->sup, call_once, i);
	/* RECV must not wait as long as poll says IN. */
	while (poll_now(&self->sup) & POLLIN) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
		count++;
	}
	EXPECT_EQ(10, count);
	for (i = 0; i < 10; i++)
		expect_result(_metadata, t[i], 1, 0);
}

/*
 * ENOENT says that the last task is gone, and nothing else
 */

TEST_F(recv, after_a_queued_target_died_waits)
{
	struct target *t;
	struct reader r;
	bool returned;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, poll_now(&self->sup));
	start_reader(_metadata, &self->sup, &r);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r.finished) || sleeps_in_ioctl(r.tid)));
	returned = ATOMIC_GET(r.finished);
	if (returned)
		join_reader(_metadata, &r);
	if (c_differs(_metadata, &self->sup, returned && r.ret == -ENOENT,
		      "RECV gives ENOENT for a target that is gone"))
		return;
	ASSERT_FALSE(returned) {
		TH_LOG("RECV: %d", r.ret);
	}
	t = spawn(_metadata, &self->sup, call_once, 2);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(0, reply_value(&self->sup, r.n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

/*
 * O_NONBLOCK
 */

/* RECV where nothing is queued; false if it sleeps. */
static bool recv_gives_eagain(struct __test_metadata *_metadata,
			      struct supervisor *sup)
{
	struct reader r;
	bool slept;

	start_reader(_metadata, sup, &r);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r.finished) || sleeps_in_ioctl(r.tid)));
	slept = !ATOMIC_GET(r.finished);
	if (slept)
		interrupt_reader(_metadata, &r);
	else
		join_reader(_metadata, &r);
	if (c_differs(_metadata, sup, slept, "RECV sleeps with O_NONBLOCK") ||
	    slept)
		return false;
	EXPECT_EQ(-EAGAIN, r.ret);
	return true;
}

TEST_F(recv, nonblock_eagain)
{
	struct seccomp_notif n;
	struct target *t;

	ASSERT_EQ(0, set_nonblock(&self->sup));
	if (!recv_gives_eagain(_metadata, &self->sup))
		return;
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	/* Delivered is not queued. */
	EXPECT_EQ(-EAGAIN, recv_notif(&self->sup, &n));
	EXPECT_EQ(-EFAULT, recv_into(&self->sup, NULL));
	ASSERT_EQ(0, fcntl(self->sup.listener, F_SETFL, O_RDWR));
	kill_and_reap(_metadata, t);
}

static void make_nonblock(struct target *t)
{
	t->ret = set_nonblock(t->sup);
}

TEST_F(recv, nonblock_belongs_to_the_open_file)
{
	struct target *t;

	t = spawn_supervisor(_metadata, &self->sup, make_nonblock, 0);
	reap(_metadata, t);
	ASSERT_EQ(0, t->ret);
	recv_gives_eagain(_metadata, &self->sup);
}

/*
 * Many readers
 */
#define NR_READERS 8

TEST_F(recv, many_readers_read_each_once)
{
	struct reader r[NR_READERS];
	struct target *t[64];
	int i, count = 0;

	start_answering(_metadata, &self->sup, r, NR_READERS);
	for (i = 0; i < 64; i++)
		t[i] = spawn(_metadata, &self->sup, call_once, i);
	for (i = 0; i < 64; i++)
		expect_result(_metadata, t[i], i + 1, 0);
	stop_answering(_metadata, r, NR_READERS);
	for (i = 0; i < NR_READERS; i++)
		count += r[i].count;
	EXPECT_EQ(64, count);
}

TEST_F(recv, many_queued_one_wakeup_each)
{
	struct reader r[4];
	struct target *t[4];
	int i, j;

	/* Four sleeping readers, four targets: nobody gets two or none. */
	for (i = 0; i < 4; i++)
		start_sleeping_reader(_metadata, &self->sup, &r[i]);
	for (i = 0; i < 4; i++)
		t[i] = spawn(_metadata, &self->sup, call_once, i);
	for (i = 0; i < 4; i++) {
		join_reader(_metadata, &r[i]);
		EXPECT_EQ(0, r[i].ret);
		for (j = 0; j < i; j++)
			EXPECT_NE(r[j].n.id, r[i].n.id);
		EXPECT_EQ(0, reply_value(&self->sup, r[i].n.id, 1));
	}
	for (i = 0; i < 4; i++)
		expect_result(_metadata, t[i], 1, 0);
}

/* Reads and answers until stopped; rests after a signal. */
static void *answer_and_rest(void *arg)
{
	struct reader *r = arg;

	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->stop)) {
		r->ret = recv_notif(r->sup, &r->n);
		if (r->ret == -EINTR) {
			ATOMIC_SET(r->rests, 1);
			while (ATOMIC_GET(r->rests) && !ATOMIC_GET(r->stop))
				usleep(50);
			continue;
		}
		if (r->ret)
			break;
		r->ret = reply_value(r->sup, r->n.id, r->n.data.args[0] + 1);
		if (r->ret)
			break;
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

/* Whether @t has gone on while none but the reader @victim may rest. */
static bool goes_on(struct target *t, int done, struct reader *r, int victim)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (i != victim)
			ATOMIC_SET(r[i].rests, 0);
	}
	return ATOMIC_GET(t->done) > done;
}

TEST_F(recv, signalled_reader_loses_no_wakeup)
{
	int i, before, count = 0;
	struct reader r[3];
	struct target *t;

	start_readers(_metadata, &self->sup, r, 3, answer_and_rest);
	t = spawn(_metadata, &self->sup, call_until_stopped, 10);
	for (i = 0; i < ROUNDS; i++) {
		before = ATOMIC_GET(t->done);
		ASSERT_EQ(0, signal_thread(r[i % 3].tid, SIGUSR2));
		/*
		 * One may be answered already. If the next has woken a reader
		 * that rests now, another must have it.
		 */
		ASSERT_TRUE(WAIT_FOR(goes_on(t, before + 1, r, i % 3)));
		count += ATOMIC_GET(r[i % 3].rests);
	}
	TH_LOG("%d of %d signals interrupted a reader", count, ROUNDS);
	EXPECT_LT(0, count);
	ATOMIC_SET(t->stop, 1);
	reap(_metadata, t);
	EXPECT_EQ(11, t->ret);
	EXPECT_EQ(0, t->err);
	stop_answering(_metadata, r, 3);
}

/*
 * A reader that was woken for a notification, and cannot take it
 */

static void read_in_process(struct target *t)
{
	struct seccomp_notif n;

	handle_signal(SIGUSR2, 0);
	t->ret = recv_notif(t->sup, &n);
	t->number = n.data.args[0];
	ATOMIC_INC(t->done);
	/* Whoever is stopped has to be seen so. */
	pause();
}

struct two_readers {
	struct target *victim, *other;
	struct target *caller;	/* waits until its notification is read */
	bool is_woken;		/* the victim was chosen to do that */
};

/*
 * Two readers sleep; the victim is the first or the second that went to sleep.
 * The next notification wakes one of them or both, and @sig is sent to the
 * victim before it runs. False if the test is skipped.
 */
static bool signal_woken_reader(struct __test_metadata *_metadata,
				struct supervisor *sup, struct two_readers *two,
				int victim, int sig)
{
	struct target *readers[2];
	int i;

	for (i = 0; i < 2; i++) {
		readers[i] = spawn_supervisor(_metadata, sup, read_in_process,
					      0);
		ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(readers[i]->tid)));
	}
	two->victim = readers[victim];
	two->other = readers[!victim];
	if (!hold_target(_metadata, sup, two->victim))
		return false;
	/* The other runs after the victim has. */
	ASSERT_EQ(0, set_cpu(two->other->tid, sup->held_cpu));
	two->caller = spawn(_metadata, sup, call_once, 5);
	ASSERT_TRUE(WAIT_FOR(target_waits(two->caller)));
	two->is_woken = task_state(two->victim->tid) == 'R';
	ASSERT_EQ(0, kill(two->victim->tid, sig));
	release_target(_metadata, sup);
	return true;
}

/* The other reader has what the victim was woken for, or sleeps on. */
static bool other_has_read(struct two_readers *two)
{
	return WAIT_FOR(ATOMIC_GET(two->other->done) ||
			sleeps_in_ioctl(two->other->tid)) &&
	       ATOMIC_GET(two->other->done);
}

static void end_two_readers(struct __test_metadata *_metadata,
			    struct two_readers *two, struct target *reader)
{
	EXPECT_EQ(0, reader->ret);
	EXPECT_EQ(5, reader->number);
	if (two->victim->tid)
		kill_and_reap(_metadata, two->victim);
	kill_and_reap(_metadata, two->other);
	kill_and_reap(_metadata, two->caller);
}

TEST_F(recv, killed_reader_loses_no_wakeup)
{
	struct two_readers two;
	int i, woken = 0;

	for (i = 0; i < 2; i++) {
		if (!signal_woken_reader(_metadata, &self->sup, &two, i,
					 SIGKILL))
			return;
		woken += two.is_woken;
		reap_status(_metadata, two.victim, SIGKILL);
		if (c_differs(_metadata, &self->sup, !other_has_read(&two),
			      "a reader that dies takes a notification along"))
			return;
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
		end_two_readers(_metadata, &two, two.other);
	}
	EXPECT_LT(0, woken);
}

/* There is no other to wake: it stays in the queue, for whoever comes. */
TEST_F(recv, killed_only_reader_leaves_it_queued)
{
	struct supervisor *sup = &self->sup;
	struct target *reader, *t;
	int ep, events;

	reader = spawn_supervisor(_metadata, sup, read_in_process, 0);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(reader->tid)));
	ep = epoll_on_listener(_metadata, sup, EPOLLIN | EPOLLET);
	if (!hold_target(_metadata, sup, reader))
		return;
	t = spawn(_metadata, sup, call_once, 5);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	/* It is woken for that, and has yet to take it. */
	ASSERT_EQ('R', task_state(reader->tid));
	ASSERT_EQ(POLL_QUEUED, poll_now(sup));
	ASSERT_EQ(0, kill(reader->tid, SIGKILL));
	release_target(_metadata, sup);
	reap_status(_metadata, reader, SIGKILL);

	events = poll_now(sup);
	if (c_differs(_metadata, sup, events == POLL_DELIVERED,
		      "a reader that dies takes a notification along"))
		return;
	ASSERT_EQ(POLL_QUEUED, events);
	EXPECT_EQ(EPOLLIN, epoll_events(ep, 0));
	EXPECT_EQ(0, close(ep));
	answer(_metadata, sup, t);
	EXPECT_EQ(0, poll_now(sup));
}

TEST_F(recv, stopped_reader_loses_no_wakeup)
{
	struct two_readers two;
	int i, woken = 0;

	for (i = 0; i < 2; i++) {
		if (!signal_woken_reader(_metadata, &self->sup, &two, i,
					 SIGSTOP))
			return;
		woken += two.is_woken;
		ASSERT_TRUE(WAIT_FOR(task_state(two.victim->tid) == 'T'));
		if (c_differs(_metadata, &self->sup, !other_has_read(&two),
			      "a reader that stops takes a notification along"))
			return;
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
		end_two_readers(_metadata, &two, two.other);
	}
	EXPECT_LT(0, woken);
}

/* It may take the notification itself, or leave it to the other. */
TEST_F(recv, interrupted_reader_loses_no_wakeup)
{
	struct two_readers two;
	int i, woken = 0;

	for (i = 0; i < 2; i++) {
		if (!signal_woken_reader(_metadata, &self->sup, &two, i,
					 SIGUSR2))
			return;
		woken += two.is_woken;
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(two.victim->done)));
		EXPECT_TRUE(!two.victim->ret || other_has_read(&two)) {
			TH_LOG("RECV: %ld", two.victim->ret);
		}
		EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
		end_two_readers(_metadata, &two, two.victim->ret ?
				two.other : two.victim);
	}
	EXPECT_LT(0, woken);
}

/*
 * Four readers on one CPU, in the order in which they go to sleep. If the
 * latest sleeper is woken first, the last one is chosen for the first
 * notification.
 */
enum {
	STAYS,		/* gets no signal */
	LEAVES,		/* is woken by one */
	NEXT,
	CHOSEN,
	NR_RANKED,
};

/* Their real-time priorities: this is the order in which they run. */
static const int ranks[NR_RANKED] = {
	[NEXT] = 4,
	[LEAVES] = 3,
	[CHOSEN] = 2,
	[STAYS] = 1,
};

#define RANK_RAISED	5
#define RANK_HELD	6	/* nobody runs whose priority is not higher */

struct ranked_reader {
	struct reader reader;
	struct reader *chosen;
	int go;		/* a byte into this pipe, and the second call comes */
};

/*
 * Whoever reads the first notification has the second come, before anybody runs
 * whose priority is lower. If another was chosen for the first, a signal has it
 * leave before that, with nothing.
 */
static void *read_ranked(void *arg)
{
	struct ranked_reader *ranked = arg;
	struct reader *r = &ranked->reader;

	ATOMIC_SET(r->tid, sys_gettid());
	r->ret = recv_notif(r->sup, &r->n);
	if (!r->ret && r->n.data.args[0] == 1) {
		if (r != ranked->chosen) {
			signal_thread(ranked->chosen->tid, SIGUSR2);
			set_fifo(ranked->chosen->tid, RANK_RAISED);
		}
		if (write(ranked->go, "x", 1) != 1)
			r->ret = -errno;
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

static void read_byte_and_call(struct target *t)
{
	char byte;

	if (read(t->number, &byte, 1) != 1)
		_exit(1);
	trapped_call(t);
}

static int count_read(struct ranked_reader *ranked)
{
	int i, count = 0;

	for (i = 0; i < NR_RANKED; i++)
		count += ATOMIC_GET(ranked[i].reader.finished) &&
			 !ranked[i].reader.ret;
	return count;
}

/*
 * A reader that a signal has woken leaves. While it does, it may wake another,
 * for what was queued. But nobody may take it for one that sleeps, and leave
 * the next notification to it: those who sleep would not hear of that.
 */
TEST_F(recv, interrupted_reader_is_not_chosen)
{
	struct supervisor *sup = &self->sup;
	struct ranked_reader ranked[NR_RANKED];
	struct target *first, *second;
	int pipefd[2], i;

	ASSERT_EQ(0, pipe(pipefd));
	handle_signal(SIGUSR2, 0);
	second = new_target(_metadata, sup, read_byte_and_call, 2);
	second->number = pipefd[0];
	start_target(_metadata, second);
	ASSERT_TRUE(WAIT_FOR(sleeps_in(second->tid, __NR_read, "S")));
	for (i = 0; i < NR_RANKED; i++) {
		ranked[i].chosen = &ranked[CHOSEN].reader;
		ranked[i].go = pipefd[1];
		run_reader(_metadata, sup, &ranked[i].reader, read_ranked);
		ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(ranked[i].reader.tid)));
	}

	if (!hold_cpu(_metadata, sup, RANK_HELD))
		return;
	for (i = 0; i < NR_RANKED; i++) {
		ASSERT_EQ(0, set_cpu(ranked[i].reader.tid, sup->held_cpu));
		ASSERT_EQ(0, set_fifo(ranked[i].reader.tid, ranks[i]));
	}
	/* It preempts whoever has it make its call. */
	ASSERT_EQ(0, set_cpu(second->tid, sup->held_cpu));
	ASSERT_EQ(0, set_fifo(second->tid, RANK_HELD + 1));
	first = spawn_queued(_metadata, sup, call_once, 1);
	ASSERT_EQ(0, signal_thread(ranked[LEAVES].reader.tid, SIGUSR2));
	ASSERT_EQ(POLL_QUEUED, poll_now(sup));
	release_target(_metadata, sup);

	/* One of them stays until it has read. */
	ASSERT_TRUE(WAIT_FOR(count_read(ranked) == 2)) {
		TH_LOG("%d of 2 were read, poll says %#x", count_read(ranked),
		       poll_now(sup));
	}
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	for (i = 0; i < NR_RANKED; i++) {
		struct reader *r = &ranked[i].reader;

		stop_readers(_metadata, r, 1);
		if (r->ret) {
			EXPECT_EQ(-EINTR, r->ret);
			continue;
		}
		EXPECT_EQ(0, reply_value(sup, r->n.id,
					 r->n.data.args[0] + 10));
	}
	expect_result(_metadata, first, 11, 0);
	expect_result(_metadata, second, 12, 0);
	EXPECT_EQ(0, close(pipefd[0]));
	EXPECT_EQ(0, close(pipefd[1]));
}

TEST_HARNESS_MAIN
