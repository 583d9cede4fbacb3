// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_IOCTL_NOTIF_MEM: the target's memory, read and written while the
 * target is held.
 */
#include <linux/userfaultfd.h>
#include <sys/uio.h>

#include "notify_slow.h"

#define WRITE	SECCOMP_NOTIF_MEM_WRITE
#define MAX_LEN	(1 << 20)

/* Each process has its own of these, at the same address. */
static char text[64];
static int number;

static void call_with_text(struct target *t)
{
	snprintf(text, sizeof(text), "the text of %d", getpid());
	trapped_call(t);
	/* What became of it. */
	t->number = strtoul(text, NULL, 10);
}

static void knows_mem(struct __test_metadata *_metadata, struct supervisor *sup)
{
	int ret = notif_mem(sup, 0, text, text, 1, 0);

	if (c_differs(_metadata, sup, ret == -EINVAL,
		      "MEM is refused, with EINVAL"))
		return;
	ASSERT_EQ(-ENOENT, ret);
}

FIXTURE(mem)
{
	struct supervisor sup;
};

FIXTURE_SETUP(mem)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	knows_mem(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(mem)
{
	end_supervisor(_metadata, &self->sup);
}

/*
 * What is copied
 */

TEST_F(mem, reads_what_the_target_has)
{
	char expected[sizeof(text)] = {}, buf[sizeof(text) + 1];
	struct seccomp_notif n;
	struct target *t;
	size_t len;

	t = spawn_delivered(_metadata, &self->sup, call_with_text, &n);
	snprintf(expected, sizeof(expected), "the text of %d", t->tid);
	for (len = 1; len <= sizeof(text); len++) {
		memset(buf, 'x', sizeof(buf));
		ASSERT_EQ(len, notif_mem(&self->sup, n.id, text, buf, len, 0));
		EXPECT_EQ(0, memcmp(expected, buf, len));
		EXPECT_EQ('x', buf[len]);
	}
	EXPECT_EQ(0, text[0]);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

TEST_F(mem, writes_what_the_target_finds)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_with_text, &n);
	EXPECT_EQ(5, notif_mem(&self->sup, n.id, text, "4711", 5, WRITE));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
	EXPECT_EQ(4711, t->number);
	EXPECT_EQ(0, text[0]);
}

TEST_F(mem, of_the_right_one_of_many)
{
	char expected[sizeof(text)], buf[sizeof(text)];
	struct seccomp_notif n[10];
	struct target *t[10];
	int i;

	for (i = 0; i < 10; i++)
		t[i] = spawn_delivered(_metadata, &self->sup, call_with_text,
				       &n[i]);
	for (i = 9; i >= 0; i--) {
		ASSERT_EQ(sizeof(buf), notif_mem(&self->sup, n[i].id, text, buf,
						 sizeof(buf), 0));
		snprintf(expected, sizeof(expected), "the text of %d",
			 t[i]->tid);
		EXPECT_STREQ(expected, buf);
		snprintf(buf, sizeof(buf), "%d", i + 100);
		ASSERT_EQ(sizeof(buf), notif_mem(&self->sup, n[i].id, text, buf,
						 sizeof(buf), WRITE));
	}
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, reply_value(&self->sup, n[i].id, i));
		expect_result(_metadata, t[i], i, 0);
		EXPECT_EQ(i + 100, t[i]->number);
	}
}

TEST_F(mem, of_a_thread)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_thread(_metadata, &self->sup, call_with_text, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(3, notif_mem(&self->sup, n.id, text, "12", 3, WRITE));
	EXPECT_STREQ("12", text);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
	EXPECT_EQ(12, t->number);
}

/* As much as one call copies, and no more: the target is held meanwhile. */
TEST_F(mem, at_most_a_mebibyte)
{
	int pages = MAX_LEN / getpagesize() + 2;
	char *theirs, *ours;
	struct seccomp_notif n;
	struct target *t;
	int i;

	theirs = map_pages(_metadata, pages, PROT_READ | PROT_WRITE);
	for (i = 0; i < MAX_LEN + 2; i++)
		theirs[i] = i % 251;
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ours = map_pages(_metadata, pages, PROT_READ | PROT_WRITE);
	EXPECT_EQ(MAX_LEN, notif_mem(&self->sup, n.id, theirs, ours, MAX_LEN,
				     0));
	EXPECT_EQ(0, memcmp(theirs, ours, MAX_LEN));
	memset(ours, 0, MAX_LEN + 2);
	/* Not at the start of a page, either. */
	EXPECT_EQ(MAX_LEN, notif_mem(&self->sup, n.id, theirs + 1, ours,
				     MAX_LEN + 1, 0));
	EXPECT_EQ(0, memcmp(theirs + 1, ours, MAX_LEN));
	EXPECT_EQ(0, ours[MAX_LEN]);
	EXPECT_EQ(MAX_LEN, notif_mem(&self->sup, n.id, theirs, ours, ~0ULL, 0));
	EXPECT_EQ(0, notif_mem(&self->sup, n.id, theirs, ours, 0, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/* What can be reached, as process_vm_readv() does. */
TEST_F(mem, less_if_a_later_page_cannot_be_reached)
{
	int size = getpagesize(), i;
	char *theirs, *ours;
	struct seccomp_notif n;
	struct iovec local, remote;
	struct target *t;

	theirs = map_pages(_metadata, 3, PROT_READ | PROT_WRITE);
	memset(theirs, 7, 3 * size);
	ASSERT_EQ(0, munmap(theirs + 2 * size, size));
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ours = map_pages(_metadata, 4, PROT_READ | PROT_WRITE);
	ASSERT_EQ(0, munmap(ours + 3 * size, size));
	for (i = -9; i <= 9; i++) {
		char *from = theirs + size + i;

		local.iov_base = ours;
		local.iov_len = 3 * size;
		remote.iov_base = from;
		remote.iov_len = 3 * size;
		EXPECT_EQ(size - i, notif_mem(&self->sup, n.id, from, ours,
					      3 * size, 0));
		EXPECT_EQ(size - i, process_vm_readv(t->tid, &local, 1, &remote,
						     1, 0));
		EXPECT_EQ(size - i, notif_mem(&self->sup, n.id, from, ours,
					      3 * size, WRITE));
	}
	/* Nothing at all. */
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, theirs + 2 * size, ours,
				     1, 0));
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, theirs + 2 * size, ours,
				     1, WRITE));
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, NULL, ours, 1, 0));
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, (void *)-8UL, ours, 8,
				     0));
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, (void *)-8UL, ours, 16,
				     0));
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, theirs, NULL, 1, 0));
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, theirs, (void *)-8UL, 1,
				     0));
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, theirs, ours + 3 * size,
				     1, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/* The supervisor is not to do what the target could not. */
TEST_F(mem, read_only_stays_read_only)
{
	struct seccomp_notif n;
	struct target *t;
	char *pages, buf[2] = {};

	pages = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	pages[0] = 5;
	ASSERT_EQ(0, mprotect(pages, getpagesize(), PROT_READ));
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, pages, buf, 1, WRITE));
	EXPECT_EQ(1, notif_mem(&self->sup, n.id, pages, buf, 1, 0));
	EXPECT_EQ(5, buf[0]);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);

	ASSERT_EQ(0, mprotect(pages, getpagesize(), PROT_NONE));
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	EXPECT_EQ(-EFAULT, notif_mem(&self->sup, n.id, pages, buf, 1, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/*
 * What is refused
 */

TEST_F(mem, unknown_flags_einval)
{
	struct seccomp_notif n;
	struct target *t;
	unsigned int bit;
	char buf[8] = {};

	t = spawn_delivered(_metadata, &self->sup, call_with_text, &n);
	for (bit = 0; bit < 32; bit++) {
		struct seccomp_notif_mem reserved = {
			.id = n.id,
			.addr = (uintptr_t)text,
			.buf = (uintptr_t)buf,
			.len = sizeof(buf),
			.reserved = 1U << bit,
		};

		if (1U << bit != WRITE) {
			EXPECT_EQ(-EINVAL, notif_mem(&self->sup, n.id, text,
						     buf, 8, 1U << bit));
			EXPECT_EQ(-EINVAL, notif_mem(&self->sup, n.id, text,
						     buf, 8,
						     1U << bit | WRITE));
		}
		EXPECT_EQ(-1, ioctl(self->sup.listener, SECCOMP_IOCTL_NOTIF_MEM,
				    &reserved));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(0, buf[0]);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

TEST_F(mem, bad_buffer_efault)
{
	EXPECT_EQ(-1, ioctl(self->sup.listener, SECCOMP_IOCTL_NOTIF_MEM, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(mem, only_while_delivered)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	char buf[8];

	t = spawn_queued(_metadata, sup, call_with_text, 1);
	/* Ids are consecutive: that of the next is not known before. */
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(-ENOENT, notif_mem(sup, n.id + 1, text, buf, 8, 0));
	EXPECT_EQ(-ENOENT, notif_mem(sup, n.id - 1, text, buf, 8, 0));
	EXPECT_EQ(8, notif_mem(sup, n.id, text, buf, 8, 0));
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(-ENOENT, notif_mem(sup, n.id, text, buf, 8, 0));
	ASSERT_EQ(0, recv_notif(sup, &n));
	if (!hold_target(_metadata, sup, t))
		return;
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	EXPECT_EQ(-ENOENT, notif_mem(sup, n.id, text, buf, 8, 0));
	EXPECT_EQ(-ENOENT, notif_mem(sup, n.id, text, buf, 8, WRITE));
	release_target(_metadata, sup);
	expect_result(_metadata, t, 3, 0);
	EXPECT_EQ(0, t->number);
	EXPECT_EQ(-ENOENT, notif_mem(sup, n.id, text, buf, 8, 0));
}

static void copy_as_nobody(struct target *t)
{
	struct target *target = t - 1;
	struct iovec local = { .iov_base = text, .iov_len = 8 };
	struct iovec remote = local;

	if (setresuid(65534, 65534, 65534))
		return;
	t->ret = notif_mem(t->sup, t->arg, text, text, 8, 0);
	t->number = notif_mem(t->sup, t->arg, text, text, 8, WRITE);
	if (process_vm_readv(target->tid, &local, 1, &remote, 1, 0) < 0)
		t->err = errno;
}

/* A listener gives no power that its holder does not have. */
TEST_F(mem, takes_what_process_vm_readv_takes)
{
	struct target *supervisor, *t;
	struct seccomp_notif n;

	if (geteuid())
		SKIP(return, "only root can become somebody else");
	t = spawn_delivered(_metadata, &self->sup, call_with_text, &n);
	supervisor = spawn_supervisor(_metadata, &self->sup, copy_as_nobody,
				      n.id);
	reap(_metadata, supervisor);
	EXPECT_EQ(EPERM, supervisor->err);
	EXPECT_EQ(-EPERM, supervisor->ret);
	EXPECT_EQ(-EPERM, (long)supervisor->number);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/*
 * When it lands
 */

struct writer {
	struct supervisor *sup;
	pthread_t thread;
	__u64 id;
	int value;
	int ret;
	int go;
	int done;
};

static void *write_when_told(void *arg)
{
	struct writer *w = arg;
	int i;

	for (i = 1; i <= ROUNDS; i++) {
		while (ATOMIC_GET(w->go) < i)
			;
		w->ret = notif_mem(w->sup, w->id, &number, &w->value,
				   sizeof(w->value), WRITE);
		ATOMIC_SET(w->done, i);
	}
	return NULL;
}

/* The number does not change once the call has returned. */
static void call_and_watch(struct target *t)
{
	volatile int *now = &number;
	int i, first;

	for (i = 1; i <= ROUNDS; i++) {
		trapped_call(t);
		first = *now;
		spin(500);
		if (*now != first)
			t->err = -1;
		t->number = first;
		while (ATOMIC_GET(t->stop) < i)
			sched_yield();
		if (*now != first)
			t->err = -1;
		if (t->err)
			return;
	}
}

TEST_F(mem, lands_before_the_next_instruction_or_not_at_all)
{
	struct writer w = { .sup = &self->sup };
	int i, last = 0, landed = 0;
	struct seccomp_notif n;
	struct target *t;

	t = spawn(_metadata, &self->sup, call_and_watch, 1);
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, write_when_told, &w));
	for (i = 1; i <= ROUNDS; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		w.id = n.id;
		w.value = i;
		ATOMIC_SET(w.go, i);
		/* There may be one CPU. */
		if (i % 2)
			sched_yield();
		spin(i % 997);
		EXPECT_EQ(0, reply_value(&self->sup, n.id, i));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(w.done) == i));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) == i));
		if (w.ret == sizeof(w.value)) {
			last = i;
			landed++;
		} else {
			ASSERT_EQ(-ENOENT, w.ret);
		}
		ATOMIC_SET(t->stop, i);
		ASSERT_EQ(0, ATOMIC_GET(t->err));
	}
	ASSERT_EQ(0, pthread_join(w.thread, NULL));
	reap(_metadata, t);
	EXPECT_EQ(0, t->err);
	EXPECT_EQ(last, t->number);
	TH_LOG("%d of %d landed", landed, ROUNDS);
	EXPECT_LT(0, landed);
}

/*
 * While it takes long: the target is held
 */

FIXTURE(held)
{
	struct supervisor sup;
	struct slow_file slow;
	char *page;		/* of that file */
};

/* Returns a page of the slow file, where targets will have it, too. */
static char *supervise_with_page(struct __test_metadata *_metadata,
				 struct supervisor *sup, struct slow_file *slow,
				 unsigned int filter_flags)
{
	char *page;

	init_supervisor(_metadata, sup);
	if (!slow_open(_metadata, slow))
		return NULL;
	page = mmap(NULL, SLOW_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    slow->fd, 0);
	ASSERT_TRUE(page != MAP_FAILED);
	supervise(_metadata, sup, filter_flags);
	knows_mem(_metadata, sup);
	return page;
}

FIXTURE_SETUP(held)
{
	self->page = supervise_with_page(_metadata, &self->sup, &self->slow, 0);
}

FIXTURE_TEARDOWN(held)
{
	slow_close(&self->slow);
	munmap(self->page, SLOW_FILE_SIZE);
	end_supervisor(_metadata, &self->sup);
}

FIXTURE_VARIANT(held)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(held, read)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(held, write)
{
	.flags = WRITE,
};

struct copier {
	struct supervisor *sup;
	pthread_t thread;
	int tid;
	__u64 id;
	char *page;
	unsigned int flags;
	char buf[16];
	int ret;
	int finished;
};

static void *copy_one(void *arg)
{
	struct copier *c = arg;

	ATOMIC_SET(c->tid, sys_gettid());
	c->ret = notif_mem(c->sup, c->id, c->page, c->buf, sizeof(c->buf),
			   c->flags);
	ATOMIC_SET(c->finished, 1);
	return NULL;
}

/* It sleeps, as the target's page cannot be read yet. */
static void start_copy(struct __test_metadata *_metadata,
		       struct supervisor *sup, struct copier *c, __u64 id,
		       char *page, unsigned int flags)
{
	memset(c, 0, sizeof(*c));
	c->sup = sup;
	c->id = id;
	c->page = page;
	c->flags = flags;
	ASSERT_EQ(0, pthread_create(&c->thread, NULL, copy_one, c));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(c->tid)));
	ASSERT_TRUE(WAIT_FOR(sleeps_in(c->tid, __NR_ioctl, "SD")));
	ASSERT_FALSE(ATOMIC_GET(c->finished));
}

static void start_slow_copy(struct __test_metadata *_metadata,
			    struct supervisor *sup, struct copier *c, __u64 id,
			    char *page, unsigned int flags,
			    struct slow_file *slow)
{
	slow_set(slow, &slow->ctl->hold_read, 1);
	start_copy(_metadata, sup, c, id, page, flags);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(slow->ctl->reads)));
}

static int end_copy(struct __test_metadata *_metadata, struct copier *c,
		    struct slow_file *slow)
{
	EXPECT_FALSE(ATOMIC_GET(c->finished));
	slow_set(slow, &slow->ctl->hold_read, 0);
	EXPECT_EQ(0, pthread_join(c->thread, NULL));
	return c->ret;
}

/* It does not go on, and others do meanwhile. */
static void expect_held(struct __test_metadata *_metadata,
			struct supervisor *sup, struct target *t)
{
	struct target *other;
	int i;

	for (i = 0; i < 3; i++) {
		other = spawn_queued(_metadata, sup, call_once, i);
		answer(_metadata, sup, other);
	}
	EXPECT_TRUE(WAIT_FOR(sleeps_in(t->tid, NR_TRAPPED, "SD")));
	EXPECT_EQ(0, ATOMIC_GET(t->done));
}

TEST_F(held, an_answer_waits)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct copier c;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	EXPECT_EQ(0, id_valid(sup, n.id));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	EXPECT_EQ(-EINPROGRESS, reply_value(sup, n.id, 4));
	EXPECT_EQ(-ENOENT, id_valid(sup, n.id));
	EXPECT_EQ(0, poll_now(sup));
	expect_held(_metadata, sup, t);
	EXPECT_EQ(sizeof(c.buf), end_copy(_metadata, &c, &self->slow));
	expect_result(_metadata, t, 3, 0);
}

TEST_F(held, a_signal_waits)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct copier c;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(-ENOENT, id_valid(sup, n.id));
	EXPECT_EQ(-ENOENT, reply_value(sup, n.id, 3));
	EXPECT_EQ(0, poll_now(sup));
	expect_held(_metadata, sup, t);
	/* What was copied is of a notification that is no more. */
	EXPECT_EQ(-ENOENT, end_copy(_metadata, &c, &self->slow));
	expect_handled(_metadata, t, -1, EINTR);
}

/*
 * A signal ends the wait, and is gone when the target may go: the system call is
 * restarted.
 */
TEST_F(held, a_signal_that_goes_away)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n, again;
	struct copier c;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	ASSERT_EQ(0, kill(t->tid, SIGSTOP));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	ASSERT_EQ(0, kill(t->tid, SIGCONT));
	EXPECT_EQ(-ENOENT, end_copy(_metadata, &c, &self->slow));
	ASSERT_EQ(0, recv_notif(sup, &again));
	EXPECT_NE(n.id, again.id);
	EXPECT_EQ(0, reply_value(sup, again.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/* Of two copies, neither is of a notification that there is. */
TEST_F(held, a_signal_during_two)
{
	struct supervisor *sup = &self->sup;
	struct copier first, second;
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	start_slow_copy(_metadata, sup, &first, n.id, self->page,
			variant->flags, &self->slow);
	start_copy(_metadata, sup, &second, n.id, self->page, variant->flags);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(-ENOENT, end_copy(_metadata, &first, &self->slow));
	EXPECT_EQ(0, pthread_join(second.thread, NULL));
	EXPECT_EQ(-ENOENT, second.ret);
	expect_handled(_metadata, t, -1, EINTR);
}

/* The answer came first: it is the result. */
TEST_F(held, a_signal_after_the_answer_waits)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct copier c;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_held(_metadata, sup, t);
	EXPECT_EQ(sizeof(c.buf), end_copy(_metadata, &c, &self->slow));
	expect_handled(_metadata, t, 3, 0);
}

TEST_F(held, a_signal_that_is_told_of)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n, again;
	struct copier c;
	struct target *t;

	if (!set_signaled(_metadata, sup))
		return;
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_EQ(0, recv_notif(sup, &again));
	EXPECT_EQ(n.id, again.id);
	EXPECT_EQ(SIGNALED, again.flags);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_held(_metadata, sup, t);
	EXPECT_EQ(sizeof(c.buf), end_copy(_metadata, &c, &self->slow));
	expect_handled(_metadata, t, 3, 0);
}

TEST_F(held, death_does_not_wait)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct copier c;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, t->done);
	EXPECT_EQ(-ENOENT, end_copy(_metadata, &c, &self->slow));
}

TEST_F(held, an_fd_is_installed_meanwhile)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct copier c;
	struct target *t;
	int src, fd;

	src = open_null(_metadata);
	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	fd = addfd(sup, n.id, src, 0, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, src));
	fd = addfd(sup, n.id, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	ASSERT_LE(0, fd);
	expect_held(_metadata, sup, t);
	EXPECT_TRUE(same_file(t, fd, src));
	EXPECT_EQ(sizeof(c.buf), end_copy(_metadata, &c, &self->slow));
	expect_result(_metadata, t, fd, 0);
	close(src);
}

TEST_F(held, by_the_last_of_two)
{
	struct supervisor *sup = &self->sup;
	struct copier first, second;
	struct seccomp_notif n;
	struct target *t;
	char buf[8];

	t = spawn_delivered(_metadata, sup, call_with_text, &n);
	start_slow_copy(_metadata, sup, &first, n.id, self->page,
			variant->flags, &self->slow);
	start_copy(_metadata, sup, &second, n.id, self->page, variant->flags);
	/* One that comes and goes lets nobody go. */
	EXPECT_EQ(8, notif_mem(sup, n.id, text, buf, 8, 0));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_held(_metadata, sup, t);
	EXPECT_EQ(sizeof(first.buf), end_copy(_metadata, &first, &self->slow));
	EXPECT_EQ(0, pthread_join(second.thread, NULL));
	EXPECT_EQ(sizeof(second.buf), second.ret);
	expect_result(_metadata, t, 3, 0);
}

TEST_F(held, a_requeue_waits)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n, again;
	struct copier c;
	struct target *t;
	char buf[8];
	int ep;

	t = spawn_delivered(_metadata, sup, call_with_text, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(0, poll_now(sup));
	EXPECT_EQ(-ENOENT, id_valid(sup, n.id));
	EXPECT_EQ(-EINPROGRESS, reply_value(sup, n.id, 3));
	EXPECT_EQ(-ENOENT, notif_requeue(sup, n.id, 0));
	EXPECT_EQ(-ENOENT, notif_mem(sup, n.id, text, buf, 8, 0));
	expect_held(_metadata, sup, t);
	ep = epoll_on_listener(_metadata, sup, EPOLLIN | EPOLLET);
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_EQ(sizeof(c.buf), end_copy(_metadata, &c, &self->slow));
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	close(ep);
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	ASSERT_EQ(0, recv_notif(sup, &again));
	EXPECT_EQ(n.id, again.id);
	EXPECT_EQ(0, reply_value(sup, n.id, 4));
	expect_result(_metadata, t, 4, 0);
}

/*
 * What a filter has targets ignore
 */

FIXTURE(held_killable)
{
	struct supervisor sup;
	struct slow_file slow;
	char *page;
};

FIXTURE_SETUP(held_killable)
{
	self->page = supervise_with_page(_metadata, &self->sup, &self->slow,
					 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
}

FIXTURE_TEARDOWN(held_killable)
{
	slow_close(&self->slow);
	munmap(self->page, SLOW_FILE_SIZE);
	end_supervisor(_metadata, &self->sup);
}

/* The flag is set while it is neither in the queue nor with the supervisor. */
TEST_F(held_killable, an_ignored_signal_is_told_of_after_a_requeue)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n, again;
	struct copier c;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, 0, &self->slow);
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	ASSERT_EQ(0, set_flags(sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	EXPECT_EQ(sizeof(c.buf), end_copy(_metadata, &c, &self->slow));
	/* It is told of now, or once it was received without. */
	do {
		ASSERT_EQ(POLL_QUEUED, poll_fd(sup->listener, GUARD * 1000) &
				       POLL_QUEUED);
		ASSERT_EQ(0, recv_notif(sup, &again));
		EXPECT_EQ(n.id, again.id);
	} while (!again.flags);
	EXPECT_EQ(SIGNALED, again.flags);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_handled(_metadata, t, 3, 0);
}

TEST_F(held, the_listener_stays_open)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct copier c;
	struct target *t;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	start_slow_copy(_metadata, sup, &c, n.id, self->page, variant->flags,
			&self->slow);
	close_listener(_metadata, sup);
	EXPECT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(sizeof(c.buf), end_copy(_metadata, &c, &self->slow));
	expect_result(_metadata, t, -1, ENOSYS);
}

/*
 * A page that nobody will ever serve
 */

static char *unserved;

static void call_with_unserved_page(struct target *t)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = {
			.start = (uintptr_t)unserved,
			.len = getpagesize(),
		},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg)) {
		t->number = errno;
		ATOMIC_SET(t->stop, 1);
		return;
	}
	ATOMIC_SET(t->stop, 1);
	trapped_call(t);
}

static void copy_unserved(struct target *t)
{
	char buf[16] = {};

	notif_mem(t->sup, t->arg, unserved, buf, sizeof(buf), t->number);
}

static void expect_killable(struct __test_metadata *_metadata,
			    struct supervisor *sup, unsigned int flags)
{
	struct target *t, *supervisor;
	struct seccomp_notif n;

	unserved = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	t = spawn(_metadata, sup, call_with_unserved_page, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->stop)));
	if (t->number) {
		reap(_metadata, t);
		SKIP(return, "no userfaultfd (%lu)", t->number);
	}
	ASSERT_EQ(0, recv_notif(sup, &n));
	supervisor = new_target(_metadata, sup, copy_unserved, n.id);
	supervisor->number = flags;
	supervisor->keeps_listener = true;
	start_target(_metadata, supervisor);
	ASSERT_TRUE(WAIT_FOR(sleeps_in(supervisor->tid, __NR_ioctl, "SD")));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_held(_metadata, sup, t);
	kill_and_reap(_metadata, supervisor);
	expect_result(_metadata, t, 3, 0);
}

TEST_F(mem, a_reader_is_killed)
{
	expect_killable(_metadata, &self->sup, 0);
}

TEST_F(mem, a_writer_is_killed)
{
	expect_killable(_metadata, &self->sup, WRITE);
}

/*
 * Another thread of the target is in mmap() meanwhile, with the lock that says
 * what its memory is. It does not get on, as a page that is to be forgotten is
 * just being read.
 */

static int slow_fd;

static void *map_directly(void *arg)
{
	struct target *t = arg;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", slow_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ATOMIC_SET(t->number, sys_gettid());
	while (!ATOMIC_GET(t->stop))
		usleep(1000);
	mmap(NULL, SLOW_FILE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	return NULL;
}

static void call_while_mapping(struct target *t)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, map_directly, t))
		_exit(1);
	trapped_call(t);
	pthread_join(thread, NULL);
}

static void *touch(void *page)
{
	return (void *)(long)*(volatile char *)page;
}

TEST_F(held, a_supervisor_is_killed_while_its_target_maps)
{
	struct slow_file *slow = &self->slow;
	struct supervisor *sup = &self->sup;
	struct target *t, *supervisor;
	struct seccomp_notif n;
	pthread_t thread;

	unserved = text;
	slow_fd = slow->fd;
	slow_set(slow, &slow->ctl->direct, 1);
	t = spawn_delivered(_metadata, sup, call_while_mapping, &n);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->number)));

	slow_set(slow, &slow->ctl->hold_read, 1);
	ASSERT_EQ(0, pthread_create(&thread, NULL, touch, self->page));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(slow->ctl->reads)));
	ATOMIC_SET(t->stop, 1);
	ASSERT_TRUE(WAIT_FOR(sleeps_in(t->number, __NR_mmap, "D")));

	supervisor = new_target(_metadata, sup, copy_unserved, n.id);
	supervisor->number = variant->flags;
	supervisor->keeps_listener = true;
	start_target(_metadata, supervisor);
	ASSERT_TRUE(WAIT_FOR(sleeps_in(supervisor->tid, __NR_ioctl, "D")));
	ASSERT_EQ(0, kill(supervisor->tid, SIGKILL));
	EXPECT_TRUE(WAIT_FOR(task_state(supervisor->tid) == 'Z'));
	EXPECT_TRUE(sleeps_in(t->number, __NR_mmap, "D"));

	slow_set(slow, &slow->ctl->hold_read, 0);
	reap_status(_metadata, supervisor, SIGKILL);
	EXPECT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

TEST_HARNESS_MAIN
