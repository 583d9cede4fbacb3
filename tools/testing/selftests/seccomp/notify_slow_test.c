// SPDX-License-Identifier: GPL-2.0
/*
 * What may take long, and what happens meanwhile: an fd that is installed in
 * place of one whose flush sleeps, a RECV whose buffer is a page that has yet to
 * be read, task work that touches such a page.
 */
#include <linux/io_uring.h>
#include <sys/resource.h>

#include "notify_slow.h"

#define SEND	SECCOMP_ADDFD_FLAG_SEND

/* How often @tid has gone to sleep. */
static int count_sleeps(pid_t tid)
{
	char path[64], buf[4096], *line;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	line = strstr(buf, "\nvoluntary_ctxt_switches:");
	return line ? atoi(strchr(line, ':') + 1) : -1;
}

/* An answer from another thread: in C that sleeps while an fd is installed. */
static void *send_one(void *arg)
{
	struct adder *a = arg;

	ATOMIC_SET(a->tid, sys_gettid());
	a->ret = reply_value(a->sup, a->id, a->newfd);
	ATOMIC_SET(a->finished, 1);
	return NULL;
}

static void start_sender(struct __test_metadata *_metadata,
			 struct supervisor *sup, struct adder *a, __u64 id,
			 unsigned int val)
{
	memset(a, 0, sizeof(*a));
	a->sup = sup;
	a->id = id;
	a->newfd = val;
	ASSERT_EQ(0, pthread_create(&a->thread, NULL, send_one, a));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(a->tid)));
	ASSERT_TRUE(WAIT_FOR(adder_rests(a)));
}

/*
 * An fd that takes long to install
 */

FIXTURE(slow_install)
{
	struct supervisor sup;
	struct slow_file slow;
	int src;
};

FIXTURE_SETUP(slow_install)
{
	init_supervisor(_metadata, &self->sup);
	if (!slow_open(_metadata, &self->slow))
		return;
	supervise(_metadata, &self->sup, 0);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(slow_install)
{
	close(self->src);
	slow_close(&self->slow);
	end_supervisor(_metadata, &self->sup);
}

/* Whoever takes over is not to find an fd of the one before. */
TEST_F(slow_install, is_not_requeued_meanwhile)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct adder adder;
	struct target *t;
	int ret;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	ret = notif_requeue(sup, n.id + 1, 0);
	if (c_differs(_metadata, sup, ret == -EINVAL,
		      "REQUEUE is refused, with EINVAL"))
		return;
	start_slow_install(_metadata, sup, &adder, n.id, self->src,
			   &self->slow);
	EXPECT_EQ(-EBUSY, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(0, notif_requeue(sup, 0, SECCOMP_NOTIF_REQUEUE_ALL));
	EXPECT_EQ(0, id_valid(sup, n.id));
	slow_set(&self->slow, &self->slow.ctl->hold_flush, 0);
	join_adder(_metadata, &adder);
	EXPECT_EQ(self->slow.fd, adder.ret);
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/* The target sleeps in flush, not for its supervisor: let it sleep. */
TEST_F(slow_install, no_other_request_wakes_the_target)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct adder first, second, last;
	struct seccomp_notif n;
	struct target *t;
	int before;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_slow_install(_metadata, sup, &first, n.id, self->src, slow);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	before = count_sleeps(t->tid);
	ASSERT_LT(0, before);

	start_replacing(_metadata, sup, &second, n.id, self->src, 0, 60);
	ASSERT_TRUE(WAIT_FOR(adder_rests(&second)));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(before, count_sleeps(t->tid));
	start_sender(_metadata, sup, &last, n.id, 5);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(before, count_sleeps(t->tid));

	slow_set(slow, &slow->ctl->hold_flush, 0);
	join_adder(_metadata, &first);
	join_adder(_metadata, &second);
	join_adder(_metadata, &last);
	EXPECT_EQ(slow->fd, first.ret);
	EXPECT_EQ(0, last.ret);
	/* In C they waited for a lock: the answer may have been the first. */
	EXPECT_TRUE(second.ret == 60 ||
		    (sup->is_c && second.ret == -EINPROGRESS)) {
		TH_LOG("ADDFD: %d", second.ret);
	}
	expect_result(_metadata, t, 5, 0);
}

/* Not pending any more, and not installed yet: SEND waits for it. */
TEST_F(slow_install, addfd_send_waits_for_it)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct adder first, last;
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_slow_install(_metadata, sup, &first, n.id, self->src, slow);
	start_replacing(_metadata, sup, &last, n.id, self->src, SEND, 60);
	ASSERT_TRUE(WAIT_FOR(adder_rests(&last)));
	EXPECT_FALSE(ATOMIC_GET(last.finished));
	slow_set(slow, &slow->ctl->hold_flush, 0);
	join_adder(_metadata, &first);
	join_adder(_metadata, &last);
	EXPECT_EQ(slow->fd, first.ret);
	ASSERT_EQ(60, last.ret);
	expect_result(_metadata, t, 60, 0);
}

/* What is pending when the target is killed is not installed. */
TEST_F(slow_install, killed_target_installs_no_more)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct adder first, others[3];
	struct seccomp_notif n;
	struct target *t;
	int i;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_slow_install(_metadata, sup, &first, n.id, self->src, slow);
	for (i = 0; i < 3; i++) {
		start_replacing(_metadata, sup, &others[i], n.id, self->src, 0,
				60 + i);
		ASSERT_TRUE(WAIT_FOR(adder_rests(&others[i])));
	}
	ASSERT_EQ(0, kill(t->tid, SIGKILL));
	slow_set(slow, &slow->ctl->hold_flush, 0);
	join_adder(_metadata, &first);
	EXPECT_EQ(slow->fd, first.ret);
	for (i = 0; i < 3; i++) {
		join_adder(_metadata, &others[i]);
		/*
		 * In C they waited for a lock: they may come too late, or be
		 * served before the target looks at its signals.
		 */
		EXPECT_TRUE(others[i].ret == -ESRCH ||
			    (sup->is_c && (others[i].ret == -ENOENT ||
					   others[i].ret == 60 + i))) {
			TH_LOG("ADDFD: %d", others[i].ret);
		}
	}
	reap_status(_metadata, t, SIGKILL);
	EXPECT_EQ(-ENOENT, id_valid(sup, n.id));
	EXPECT_EQ(0, poll_now(sup));
}

#define NR_LOOPS	4

/* A target is never without a request, each takes long, and it dies. */
TEST_F(slow_install, requests_do_not_keep_a_killed_target_alive)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct add_loop loops[NR_LOOPS];
	struct seccomp_notif n;
	struct target *t;
	bool is_dead;
	int i;

	slow_set(slow, &slow->ctl->flush_us, 5000);
	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_add_loops(_metadata, sup, loops, NR_LOOPS, n.id, slow->fd,
			slow->fd);
	ASSERT_TRUE(WAIT_FOR(count_installed(loops, NR_LOOPS) > 20));

	ASSERT_EQ(0, kill(t->tid, SIGKILL));
	for (i = 0; i < NR_LOOPS; i++)
		ATOMIC_SET(loops[i].target_dies, 1);
	is_dead = WAIT_FOR(task_state(t->tid) == 'Z');
	stop_add_loops(_metadata, loops, NR_LOOPS);
	reap_status(_metadata, t, SIGKILL);
	/* It is a matter of luck there. */
	if (sup->is_c && !is_dead)
		XFAIL(return, "C implementation: requests keep a target alive");
	ASSERT_TRUE(is_dead);
	for (i = 0; i < NR_LOOPS; i++) {
		EXPECT_TRUE(loops[i].ret == -ESRCH || loops[i].ret == -ENOENT) {
			TH_LOG("ADDFD: %d", loops[i].ret);
		}
		/* C installs what it finds first, and looks at signals then. */
		if (!sup->is_c)
			EXPECT_EQ(0, loops[i].late);
	}
}

/*
 * A RECV that takes long to write its buffer
 */

FIXTURE(slow_recv)
{
	struct supervisor sup;
	struct slow_file slow[2];
	int src;
};

FIXTURE_VARIANT(slow_recv)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(slow_recv, no_flags)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(slow_recv, wait_killable_recv)
{
	.flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
};

FIXTURE_SETUP(slow_recv)
{
	init_supervisor(_metadata, &self->sup);
	if (!slow_open(_metadata, &self->slow[0]) ||
	    !slow_open(_metadata, &self->slow[1]))
		return;
	supervise(_metadata, &self->sup, variant->flags);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(slow_recv)
{
	close(self->src);
	slow_close(&self->slow[0]);
	slow_close(&self->slow[1]);
	end_supervisor(_metadata, &self->sup);
}

static void end_slow_readers(struct __test_metadata *_metadata,
			     struct slow_reader *r)
{
	int i;

	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, munmap(r[i].buf, getpagesize()));
}

TEST_F(slow_recv, failed_copy_queues_it_again)
{
	struct supervisor *sup = &self->sup;
	struct slow_reader r;
	struct target *t;

	start_slow_reader(_metadata, sup, &r, &self->slow[0]);
	t = spawn(_metadata, sup, call_once, 1);
	ASSERT_TRUE(slow_reader_writes(&r));
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	end_slow_reader(_metadata, &r, -EFAULT);
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	answer(_metadata, sup, t);
	EXPECT_EQ(0, munmap(r.buf, getpagesize()));
}

TEST_F(slow_recv, late_copy_is_as_good)
{
	struct supervisor *sup = &self->sup;
	struct slow_reader r;
	struct target *t;

	start_slow_reader(_metadata, sup, &r, &self->slow[0]);
	t = spawn(_metadata, sup, call_once, 1);
	ASSERT_TRUE(slow_reader_writes(&r));
	end_slow_reader(_metadata, &r, 0);
	EXPECT_EQ(t->tid, (pid_t)r.buf->pid);
	EXPECT_EQ(0, reply_value(sup, r.buf->id, 5));
	expect_result(_metadata, t, 5, 0);
	EXPECT_EQ(0, munmap(r.buf, getpagesize()));
}

/* An answer that was sent meanwhile counts, or is as if it had not been. */
TEST_F(slow_recv, failed_copy_while_addfd_send_is_pending)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct slow_reader r;
	struct target *t;
	struct adder a;
	__u64 id;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	EXPECT_EQ(0, reply_value(sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
	/* The next id is known before RECV has said it. */
	id = n.id + 1;

	handle_signal(SIGUSR2, 0);
	start_slow_reader(_metadata, sup, &r, &self->slow[0]);
	t = spawn(_metadata, sup, call_once, 2);
	ASSERT_TRUE(slow_reader_writes(&r));
	ASSERT_TRUE(WAIT_FOR(sleeps_in(t->tid, NR_TRAPPED, "SD")));
	if (!hold_target(_metadata, sup, t))
		return;
	start_pending_adder(_metadata, sup, &a, id, self->src, SEND);
	end_slow_reader(_metadata, &r, -EFAULT);
	EXPECT_EQ(0, munmap(r.buf, getpagesize()));
	/* Nobody has it now, and there will be no fd. */
	ASSERT_EQ(0, signal_thread(a.tid, SIGUSR2));
	join_adder(_metadata, &a);
	EXPECT_EQ(-EINTR, a.ret);
	release_target(_metadata, sup);
	if (c_differs(_metadata, sup, poll_now(sup) == POLL_DELIVERED,
		      "a notification that nobody has is delivered"))
		return;
	ASSERT_EQ(POLL_QUEUED, poll_now(sup));
	EXPECT_EQ(-ENOENT, id_valid(sup, id));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(id, n.id);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/*
 * A signal has come: one reader has the notification, and another is about to
 * be told. Whatever becomes of that, the one who has it may answer, and the
 * mark is in the queue until a RECV has returned it.
 */
static struct target *spawn_told_slowly(struct __test_metadata *_metadata,
					struct supervisor *sup,
					struct seccomp_notif *n,
					struct slow_reader *r,
					struct slow_file *slow)
{
	struct target *t = spawn_delivered(_metadata, sup, call_with_handler, n);

	start_slow_reader(_metadata, sup, r, slow);
	signal_target(_metadata, t);
	ASSERT_TRUE(slow_reader_writes(r));
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	return t;
}

static void expect_requeued(struct __test_metadata *_metadata,
			    struct supervisor *sup, struct target *t, __u64 id)
{
	EXPECT_EQ(0, id_valid(sup, id));
	ASSERT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(id, expect_recv(_metadata, sup, t, SIGNALED));
	EXPECT_EQ(POLL_DELIVERED, poll_now(sup));
	EXPECT_EQ(0, reply_value(sup, id, 3));
	expect_handled(_metadata, t, 3, 0);
}

TEST_F(slow_recv, signaled_failed_copy)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct slow_reader r;
	struct target *t;

	if (!set_signaled(_metadata, sup))
		return;
	t = spawn_told_slowly(_metadata, sup, &n, &r, &self->slow[0]);
	end_slow_reader(_metadata, &r, -EFAULT);
	EXPECT_EQ(0, munmap(r.buf, getpagesize()));
	expect_requeued(_metadata, sup, t, n.id);
}

/* First the fd fails whose number was to be the answer, and then the copy. */
TEST_F(slow_recv, signaled_failed_copy_after_failed_addfd_send)
{
	struct supervisor *sup = &self->sup;
	struct rlimit none = { 0, 0 };
	struct seccomp_notif n;
	struct slow_reader r;
	struct target *t;

	if (!set_signaled(_metadata, sup))
		return;
	t = spawn_told_slowly(_metadata, sup, &n, &r, &self->slow[0]);
	ASSERT_EQ(0, prlimit(t->tid, RLIMIT_NOFILE, &none, NULL));
	EXPECT_EQ(-EMFILE, addfd(sup, n.id, self->src, SEND, 0, 0));
	EXPECT_EQ(0, id_valid(sup, n.id));
	end_slow_reader(_metadata, &r, -EFAULT);
	EXPECT_EQ(0, munmap(r.buf, getpagesize()));
	expect_requeued(_metadata, sup, t, n.id);
}

/* The copy fails while that fd is pending. */
TEST_F(slow_recv, signaled_failed_copy_before_failed_addfd_send)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct slow_reader r;
	struct target *t;
	struct adder a;

	if (!set_signaled(_metadata, sup))
		return;
	handle_signal(SIGUSR2, 0);
	t = spawn_told_slowly(_metadata, sup, &n, &r, &self->slow[0]);
	if (!hold_target(_metadata, sup, t))
		return;
	start_pending_adder(_metadata, sup, &a, n.id, self->src, SEND);
	end_slow_reader(_metadata, &r, -EFAULT);
	EXPECT_EQ(0, munmap(r.buf, getpagesize()));
	ASSERT_EQ(0, signal_thread(a.tid, SIGUSR2));
	join_adder(_metadata, &a);
	EXPECT_EQ(-EINTR, a.ret);
	release_target(_metadata, sup);
	expect_requeued(_metadata, sup, t, n.id);
}

/*
 * Two readers take it, before and after the signal, and end in any order, well
 * or not: it is delivered to those who ended well, and queued for the others.
 */
static const struct {
	int ret[2];		/* of the first reader and of the second */
	int first_to_end;
} two_readers[] = {
	{ { 0, 0 }, 0 },
	{ { 0, 0 }, 1 },
	{ { 0, -EFAULT }, 0 },
	{ { 0, -EFAULT }, 1 },
	{ { -EFAULT, 0 }, 0 },
	{ { -EFAULT, 0 }, 1 },
	{ { -EFAULT, -EFAULT }, 0 },
	{ { -EFAULT, -EFAULT }, 1 },
};

static void run_two_readers(struct __test_metadata *_metadata,
			    struct supervisor *sup, struct slow_file *slow,
			    const int *ret, int first_to_end)
{
	bool has_first = !ret[0], told = !ret[1];
	struct slow_reader r[2];
	struct seccomp_notif n;
	struct target *t;
	int i, events;
	__u64 id = 0;

	for (i = 0; i < 2; i++) {
		ATOMIC_SET(slow[i].ctl->reads, 0);
		/* As nothing is cached, the next page fault reads again. */
		ASSERT_EQ(0, posix_fadvise(slow[i].fd, 0, 0,
					   POSIX_FADV_DONTNEED));
	}
	start_slow_reader(_metadata, sup, &r[0], &slow[0]);
	t = spawn(_metadata, sup, call_with_handler, 1);
	ASSERT_TRUE(slow_reader_writes(&r[0]));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	start_slow_reader(_metadata, sup, &r[1], &slow[1]);
	signal_target(_metadata, t);
	ASSERT_TRUE(slow_reader_writes(&r[1]));

	end_slow_reader(_metadata, &r[first_to_end], ret[first_to_end]);
	end_slow_reader(_metadata, &r[!first_to_end], ret[!first_to_end]);
	for (i = 0; i < 2; i++) {
		if (!ret[i])
			id = r[i].buf->id;
	}
	if (has_first)
		EXPECT_EQ(0, r[0].buf->flags);
	if (told)
		EXPECT_EQ(SIGNALED, r[1].buf->flags);
	end_slow_readers(_metadata, r);

	events = (told ? 0 : POLL_QUEUED) |
		 (has_first || told ? POLL_DELIVERED : 0);
	EXPECT_EQ(events, poll_now(sup)) {
		TH_LOG("readers: %d, %d; number %d ended first", ret[0],
		       ret[1], first_to_end);
	}
	if (!told) {
		ASSERT_EQ(POLLIN, poll_now(sup) & POLLIN);
		ASSERT_EQ(0, recv_notif(sup, &n));
		EXPECT_EQ(SIGNALED, n.flags);
		if (has_first)
			EXPECT_EQ(id, n.id);
		id = n.id;
	}
	EXPECT_EQ(0, reply_value(sup, id, 3));
	expect_handled(_metadata, t, 3, 0);
}

TEST_F(slow_recv, signaled_two_readers_in_any_order)
{
	unsigned int i;

	if (!set_signaled(_metadata, &self->sup))
		return;
	for (i = 0; i < ARRAY_SIZE(two_readers); i++)
		run_two_readers(_metadata, &self->sup, self->slow,
				two_readers[i].ret,
				two_readers[i].first_to_end);
}

/*
 * Task work that takes long
 */

FIXTURE(slow_task_work)
{
	struct supervisor sup;
	struct slow_file slow;
};

FIXTURE_SETUP(slow_task_work)
{
	init_supervisor(_metadata, &self->sup);
	if (!slow_open(_metadata, &self->slow))
		return;
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(slow_task_work)
{
	slow_close(&self->slow);
	end_supervisor(_metadata, &self->sup);
}

/* Reads from the pipe t->fd into a page of the slow file, by way of io_uring. */
static void read_in_ring_and_call(struct target *t)
{
	struct io_uring_params p = {};
	struct io_uring_sqe *sqe;
	unsigned int *tail, *array;
	void *page;
	char *sq;
	int ring;

	while (!ATOMIC_GET(t->handled))
		usleep(100);
	ring = syscall(__NR_io_uring_setup, 4, &p);
	if (ring < 0) {
		t->err = errno;
		ATOMIC_SET(t->stop, 1);
		return;
	}
	page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    t->number, 0);
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(*array),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		  IORING_OFF_SQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (page == MAP_FAILED || sq == MAP_FAILED || sqe == MAP_FAILED)
		_exit(1);
	tail = (unsigned int *)(sq + p.sq_off.tail);
	array = (unsigned int *)(sq + p.sq_off.array);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ;
	sqe->fd = t->fd;
	sqe->addr = (unsigned long)page;
	sqe->len = 1;
	array[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
		_exit(2);
	ATOMIC_SET(t->stop, 1);
	trapped_call(t);
}

TEST_F(slow_task_work, no_answer_wakes_the_target)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct seccomp_notif n;
	int pipefd[2], before;
	struct adder sender;
	struct target *t;

	if (!set_signaled(_metadata, sup))
		return;
	ASSERT_EQ(0, pipe(pipefd));
	slow_set(slow, &slow->ctl->hold_read, 1);
	t = spawn(_metadata, sup, read_in_ring_and_call, 1);
	t->fd = pipefd[0];
	t->number = slow->fd;
	ATOMIC_SET(t->handled, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->stop)));
	if (t->err)
		SKIP(return, "no io_uring here (%d)", t->err);
	ASSERT_EQ(0, recv_notif(sup, &n));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));

	/* It does the work, and sleeps in a page fault. */
	ASSERT_EQ(1, write(pipefd[1], "x", 1));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(slow->ctl->reads)));
	ASSERT_TRUE(WAIT_FOR(sleeps_in(t->tid, NR_TRAPPED, "SD")));
	before = count_sleeps(t->tid);
	ASSERT_LT(0, before);
	start_sender(_metadata, sup, &sender, n.id, 5);
	ASSERT_TRUE(WAIT_FOR(sleeps_in(t->tid, NR_TRAPPED, "SD")));
	EXPECT_EQ(before, count_sleeps(t->tid));

	slow_set(slow, &slow->ctl->hold_read, 0);
	join_adder(_metadata, &sender);
	EXPECT_EQ(0, sender.ret);
	expect_result(_metadata, t, 5, 0);
	EXPECT_EQ(0, close(pipefd[0]));
	EXPECT_EQ(0, close(pipefd[1]));
}

TEST_HARNESS_MAIN
