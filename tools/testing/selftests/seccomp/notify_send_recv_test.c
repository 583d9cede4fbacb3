// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_IOCTL_NOTIF_SEND_RECV: it answers a notification, then receives the
 * next. What it refuses, what it does to the flags in the caller's memory, and
 * that whatever ends it, an answer is sent once.
 */
#include <limits.h>
#include <sys/resource.h>
#include <linux/userfaultfd.h>
#include "notify_slow.h"

#define SEND	SECCOMP_NOTIF_SEND_RECV_SEND
#define GONE	SECCOMP_NOTIF_SEND_RECV_GONE

/* Where the answer ends, and what is received begins. */
#define HEAD	offsetof(struct seccomp_notif_send_recv, notif)

/* It is as large on each architecture. */
TEST(structure)
{
	const unsigned int cmd = SECCOMP_IOCTL_NOTIF_SEND_RECV;

	EXPECT_EQ(112, sizeof(struct seccomp_notif_send_recv));
	EXPECT_EQ(0, offsetof(struct seccomp_notif_send_recv, flags));
	EXPECT_EQ(4, offsetof(struct seccomp_notif_send_recv, reserved));
	EXPECT_EQ(8, offsetof(struct seccomp_notif_send_recv, resp));
	EXPECT_EQ(32, offsetof(struct seccomp_notif_send_recv, notif));
	EXPECT_EQ(1, SEND);
	EXPECT_EQ(2, GONE);
	EXPECT_EQ('!', _IOC_TYPE(cmd));
	EXPECT_EQ(5, _IOC_NR(cmd));
	EXPECT_EQ(112, _IOC_SIZE(cmd));
	EXPECT_EQ(_IOC_READ | _IOC_WRITE, _IOC_DIR(cmd));
}

/* A target that waits, and its answer in @sr. */
static struct target *spawn_to_answer(struct __test_metadata *_metadata,
				      struct supervisor *sup,
				      void (*fn)(struct target *t),
				      struct seccomp_notif_send_recv *sr,
				      __s64 val)
{
	struct seccomp_notif n;
	struct target *t = spawn_delivered(_metadata, sup, fn, &n);

	set_answer(sr, n.id, val);
	return t;
}

/* For one that waits forever if the answer was not sent. */
static void expect_answered(struct __test_metadata *_metadata,
			    struct target *t, long ret, int err)
{
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done)));
	expect_result(_metadata, t, ret, err);
}

/*
 * Servers: threads that call SEND_RECV, each with memory of its own
 */

struct server {
	struct reader reader;	/* the first one: its thread gets that */
	struct seccomp_notif_send_recv *sr;
	struct seccomp_notif_send_recv own;
	struct target self;	/* for its signal handler to find */
	bool under_fire;	/* each call gets a signal */
	int interrupted;	/* calls that gave EINTR */
	int wrong;		/* calls that left flags behind */
};

static void *serve_once(void *arg)
{
	struct server *s = arg;

	this_target = &s->self;
	ATOMIC_SET(s->reader.tid, sys_gettid());
	s->reader.ret = send_recv(s->reader.sup, s->sr);
	ATOMIC_SET(s->reader.finished, 1);
	return NULL;
}

static void start_server(struct __test_metadata *_metadata,
			 struct supervisor *sup, struct server *s,
			 struct seccomp_notif_send_recv *sr)
{
	memset(s, 0, sizeof(*s));
	s->sr = sr;
	run_reader(_metadata, sup, &s->reader, serve_once);
}

/* ... and waits for a notification. */
static void start_sleeping_server(struct __test_metadata *_metadata,
				  struct supervisor *sup, struct server *s,
				  struct seccomp_notif_send_recv *sr)
{
	start_server(_metadata, sup, s, sr);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(s->reader.tid)));
	ASSERT_FALSE(ATOMIC_GET(s->reader.finished));
}

/* It returns @ret, with @flags in its memory. */
static void join_server(struct __test_metadata *_metadata, struct server *s,
			int ret, __u32 flags)
{
	join_reader(_metadata, &s->reader);
	EXPECT_EQ(ret, s->reader.ret);
	EXPECT_EQ(flags, s->sr->flags);
}

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* A timer that sends this thread SIGUSR2. */
static timer_t new_timer(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGUSR2,
	};
	timer_t timer;

	event.sigev_notify_thread_id = sys_gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &timer))
		abort();
	return timer;
}

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void set_timer(timer_t timer, long long ns)
{
	struct itimerspec in = {
		.it_value.tv_sec = ns / 1000000000,
		.it_value.tv_nsec = ns % 1000000000,
	};

	timer_settime(timer, 0, &in, NULL);
}

#define NR_MOMENTS	256

/*
 * Serves until stopped; each answer is the first argument plus 1. Under fire, a
 * signal comes at a moment of each call, a little later from one to the next,
 * up to twice the time that a call takes.
 */
static void *serve(void *arg)
{
	struct server *s = arg;
	struct supervisor *sup = s->reader.sup;
	long long start = now_ns(), mean = 0;
	timer_t timer = new_timer();
	int i;

	this_target = &s->self;
	ATOMIC_SET(s->reader.tid, sys_gettid());
	for (i = 0; !ATOMIC_GET(s->reader.stop); i++) {
		if (s->under_fire) {
			if (i)
				mean = (now_ns() - start) / i;
			set_timer(timer,
				  2 * mean * (i % NR_MOMENTS) / NR_MOMENTS + 1);
		}
		s->reader.ret = send_recv(sup, s->sr);
		/* What was to be sent is sent, however the call ended. */
		if (s->sr->flags)
			s->wrong++;
		if (s->reader.ret == -EINTR) {
			s->interrupted++;
			continue;
		}
		if (s->reader.ret)
			break;
		ATOMIC_INC(s->reader.count);
		set_answer(s->sr, s->sr->notif.id,
			   s->sr->notif.data.args[0] + 1);
	}
	timer_delete(timer);
	ATOMIC_SET(s->reader.finished, 1);
	return NULL;
}

static void start_serving(struct __test_metadata *_metadata,
			  struct supervisor *sup, struct server *s, int count,
			  bool under_fire)
{
	int i;

	for (i = 0; i < count; i++) {
		memset(&s[i], 0, sizeof(s[i]));
		s[i].sr = &s[i].own;
		s[i].under_fire = under_fire;
		run_reader(_metadata, sup, &s[i].reader, serve);
	}
}

/* None has failed; how many notifications they have served. */
static int stop_serving(struct __test_metadata *_metadata, struct server *s,
			int count)
{
	int i, served = 0;

	/* Without SA_RESTART, a signal ends the call. */
	handle_signal(SIGUSR2, 0);
	for (i = 0; i < count; i++) {
		stop_answering(_metadata, &s[i].reader, 1);
		EXPECT_EQ(0, s[i].wrong);
		served += s[i].reader.count;
	}
	return served;
}

/*
 * What is refused: nothing is sent or received, and the memory is as it was
 */

FIXTURE(refused)
{
	struct supervisor sup;
	struct target *held;	/* waits for an answer */
	struct target *queued;
	struct seccomp_notif_send_recv sr;	/* an answer for the first */
};

FIXTURE_SETUP(refused)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	if (!knows_send_recv(_metadata, &self->sup))
		return;
	self->held = spawn_to_answer(_metadata, &self->sup, call_once,
				     &self->sr, 9);
	self->queued = spawn_queued(_metadata, &self->sup, call_once, 2);
}

FIXTURE_TEARDOWN(refused)
{
	if (_metadata->exit_code == KSFT_PASS) {
		EXPECT_EQ(0, reply_value(&self->sup, self->sr.resp.id, 6));
		expect_result(_metadata, self->held, 6, 0);
		answer(_metadata, &self->sup, self->queued);
	}
	end_supervisor(_metadata, &self->sup);
}

/* Of the memory @mem, @len bytes can be read. */
static void expect_refused_at(struct __test_metadata *_metadata,
			      struct supervisor *sup, void *mem, size_t len,
			      int err)
{
	struct seccomp_notif_send_recv before;
	int events = poll_now(sup);

	if (len)
		memcpy(&before, mem, len);
	EXPECT_EQ(-err, send_recv(sup, mem));
	if (len)
		EXPECT_EQ(0, memcmp(&before, mem, len));
	EXPECT_EQ(events, poll_now(sup));
}

static void expect_refused(struct __test_metadata *_metadata,
			   struct supervisor *sup,
			   struct seccomp_notif_send_recv *sr, int err)
{
	expect_refused_at(_metadata, sup, sr, sizeof(*sr), err);
}

TEST_F(refused, unknown_flags_einval)
{
	struct seccomp_notif_send_recv sr = self->sr;
	int bit;

	for (bit = 2; bit < 32; bit++) {
		sr.flags = 1U << bit;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
		sr.flags |= SEND;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
		sr.flags |= GONE;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
	}
}

TEST_F(refused, reserved_einval)
{
	struct seccomp_notif_send_recv sr = self->sr;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		sr.reserved = 1U << bit;
		sr.flags = SEND;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
		sr.flags = 0;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
	}
}

TEST_F(refused, notif_not_zero_einval)
{
	struct seccomp_notif_send_recv sr;
	size_t i;

	for (i = HEAD; i < sizeof(sr); i++) {
		sr = self->sr;
		((char *)&sr)[i] = 1;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
		sr.flags = 0;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
	}
}

TEST_F(refused, answer_with_unknown_flags_einval)
{
	struct seccomp_notif_send_recv sr = self->sr;
	int bit;

	sr.resp.val = 0;
	for (bit = 1; bit < 32; bit++) {
		sr.resp.flags = 1U << bit;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
		sr.resp.flags |= SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		expect_refused(_metadata, &self->sup, &sr, EINVAL);
	}
}

TEST_F(refused, continue_with_result_einval)
{
	struct seccomp_notif_send_recv sr = self->sr;

	sr.resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	expect_refused(_metadata, &self->sup, &sr, EINVAL);
	sr.resp.val = 1LL << 32;
	expect_refused(_metadata, &self->sup, &sr, EINVAL);
	sr.resp.val = 0;
	sr.resp.error = -EPERM;
	expect_refused(_metadata, &self->sup, &sr, EINVAL);
}

/* Even if there is nobody to be answered. */
TEST_F(refused, unknown_id_with_a_bad_answer_einval)
{
	struct seccomp_notif_send_recv sr = self->sr;

	sr.resp.id += 100;
	sr.resp.flags = 2;
	expect_refused(_metadata, &self->sup, &sr, EINVAL);
}

TEST_F(refused, bad_memory_efault)
{
	void *none = map_pages(_metadata, 1, PROT_NONE);

	expect_refused_at(_metadata, &self->sup, NULL, 0, EFAULT);
	expect_refused_at(_metadata, &self->sup, (void *)8, 0, EFAULT);
	expect_refused_at(_metadata, &self->sup, (void *)-1L, 0, EFAULT);
	expect_refused_at(_metadata, &self->sup, none, 0, EFAULT);
}

/* The page ends somewhere within the structure, or begins there. */
TEST_F(refused, partly_mapped_efault)
{
	struct seccomp_notif_send_recv sr = self->sr;
	const int size = getpagesize();
	char *page, *end;
	size_t i;

	page = map_pages(_metadata, 3, PROT_READ | PROT_WRITE);
	ASSERT_EQ(0, mprotect(page, size, PROT_NONE));
	ASSERT_EQ(0, mprotect(page + 2 * size, size, PROT_NONE));
	page += size;
	end = page + size;
	for (i = 1; i < sizeof(sr); i++) {
		memcpy(end - i, &sr, i);
		expect_refused_at(_metadata, &self->sup, end - i, i, EFAULT);
		memcpy(page, (char *)&sr + i, sizeof(sr) - i);
		expect_refused_at(_metadata, &self->sup, page - i, 0, EFAULT);
		EXPECT_EQ(0, memcmp((char *)&sr + i, page, sizeof(sr) - i));
	}
}

/* The flags could not be changed. */
TEST_F(refused, read_only_efault)
{
	const int size = getpagesize();
	struct seccomp_notif_send_recv *sr;
	char *pages;

	/* As a whole. */
	sr = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	*sr = self->sr;
	ASSERT_EQ(0, mprotect(sr, size, PROT_READ));
	expect_refused(_metadata, &self->sup, sr, EFAULT);

	/* Or all but the room for the notification. */
	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	sr = (void *)(pages + size - HEAD);
	*sr = self->sr;
	ASSERT_EQ(0, mprotect(pages, size, PROT_READ));
	expect_refused(_metadata, &self->sup, sr, EFAULT);

	/* With nobody to be answered, it is the same. */
	ASSERT_EQ(0, mprotect(pages, size, PROT_READ | PROT_WRITE));
	sr->resp.id += 100;
	ASSERT_EQ(0, mprotect(pages, size, PROT_READ));
	expect_refused(_metadata, &self->sup, sr, EFAULT);
}

/* Or some bytes of them could: those are as they were, too. */
TEST_F(refused, flags_partly_read_only_efault)
{
	const int size = getpagesize();
	char *pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	size_t i;

	for (i = 1; i < sizeof(self->sr.flags); i++) {
		char *sr = pages + size - i;

		ASSERT_EQ(0, mprotect(pages, 2 * size, PROT_READ | PROT_WRITE));
		memcpy(sr, &self->sr, sizeof(self->sr));
		ASSERT_EQ(0, mprotect(pages + size, size, PROT_READ));
		expect_refused_at(_metadata, &self->sup, sr, sizeof(self->sr),
				  EFAULT);
		ASSERT_EQ(0, mprotect(pages + size, size,
				      PROT_READ | PROT_WRITE));
		ASSERT_EQ(0, mprotect(pages, size, PROT_READ));
		expect_refused_at(_metadata, &self->sup, sr, sizeof(self->sr),
				  EFAULT);
	}
}

TEST_F(refused, queued_einprogress)
{
	struct seccomp_notif_send_recv sr = self->sr;

	sr.resp.id++;
	expect_refused(_metadata, &self->sup, &sr, EINPROGRESS);
	sr.flags |= GONE;
	expect_refused(_metadata, &self->sup, &sr, EINPROGRESS);
}

TEST_F(refused, queued_nonblock_einprogress)
{
	struct seccomp_notif_send_recv sr = self->sr;

	ASSERT_EQ(0, set_nonblock(&self->sup));
	sr.resp.id++;
	expect_refused(_metadata, &self->sup, &sr, EINPROGRESS);
}

/*
 * One that was sent already, by SEND or by this call
 */

FIXTURE(replied)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(replied)
{
	bool by_send;
};

FIXTURE_VARIANT_ADD(replied, by_send)
{
	.by_send = true,
};

FIXTURE_VARIANT_ADD(replied, by_send_recv)
{
	.by_send = false,
};

FIXTURE_SETUP(replied)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	knows_send_recv(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(replied)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(replied, einprogress)
{
	struct seccomp_notif_send_recv first, second;
	struct target *t, *queued;

	t = spawn_to_answer(_metadata, &self->sup, call_once, &first, 3);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	second = first;
	second.resp.val = 4;
	if (!hold_target(_metadata, &self->sup, t))
		return;
	if (variant->by_send) {
		EXPECT_EQ(0, send_resp(&self->sup, &first.resp));
	} else {
		EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &first));
		EXPECT_EQ(0, first.flags);
	}
	expect_refused(_metadata, &self->sup, &second, EINPROGRESS);
	/* Nor is the next one received. */
	queued = spawn_queued(_metadata, &self->sup, call_once, 2);
	expect_refused(_metadata, &self->sup, &second, EINPROGRESS);
	EXPECT_EQ(-EINPROGRESS, send_resp(&self->sup, &second.resp));
	release_target(_metadata, &self->sup);
	expect_result(_metadata, t, 3, 0);

	/* Now it is no more: the same call goes through. */
	EXPECT_EQ(0, send_recv(&self->sup, &second));
	EXPECT_EQ(GONE, second.flags);
	EXPECT_EQ(queued->tid, (pid_t)second.notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, second.notif.id, 5));
	expect_result(_metadata, queued, 5, 0);
}

/*
 * Without an answer: it is RECV
 */

FIXTURE(send_recv)
{
	struct supervisor sup;
};

FIXTURE_SETUP(send_recv)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	knows_send_recv(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(send_recv)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(send_recv, describes_the_syscall)
{
	struct seccomp_notif_send_recv sr = {};
	struct seccomp_notif *n = &sr.notif;
	struct seccomp_notif_resp resp;
	struct target *t;
	int i;

	/* An answer that is not to be sent may be anything. */
	memset(&resp, 0xff, sizeof(resp));
	sr.resp = resp;
	t = spawn_queued(_metadata, &self->sup, call_once, 0x1000);
	ASSERT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	EXPECT_EQ(0, sr.reserved);
	EXPECT_EQ(0, memcmp(&resp, &sr.resp, sizeof(resp)));
	EXPECT_EQ(t->tid, (pid_t)n->pid);
	EXPECT_EQ(0, n->flags);
	EXPECT_EQ(NR_TRAPPED, n->data.nr);
	EXPECT_NE(0, n->data.instruction_pointer);
	if (NATIVE_ARCH)
		EXPECT_EQ(NATIVE_ARCH, n->data.arch);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0x1000 + i, n->data.args[i]);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, reply_value(&self->sup, n->id, 5));
	expect_result(_metadata, t, 5, 0);
}

TEST_F(send_recv, waits_for_a_target)
{
	struct seccomp_notif_send_recv sr = {};
	struct target *t;
	struct server s;

	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	t = spawn(_metadata, &self->sup, call_once, 1);
	join_server(_metadata, &s, 0, 0);
	EXPECT_EQ(t->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 3));
	expect_result(_metadata, t, 3, 0);
}

TEST_F(send_recv, nonblock_eagain)
{
	struct seccomp_notif_send_recv sr = {};
	struct target *t;

	ASSERT_EQ(0, set_nonblock(&self->sup));
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(t->tid, (pid_t)sr.notif.pid);
	kill_and_reap(_metadata, t);
}

/* So that a call which is made again says what the first one did. */
TEST_F(send_recv, gone_is_left_alone)
{
	struct seccomp_notif_send_recv sr = { .flags = GONE };
	struct target *t;

	ASSERT_EQ(0, set_nonblock(&self->sup));
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
	EXPECT_EQ(t->tid, (pid_t)sr.notif.pid);
	/* Together with an answer it means nothing. */
	set_answer(&sr, sr.notif.id, 3);
	sr.flags |= GONE;
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	expect_result(_metadata, t, 3, 0);
}

/* The head of the structure is not written to. */
TEST_F(send_recv, head_may_be_read_only)
{
	const int size = getpagesize();
	struct seccomp_notif_send_recv *sr;
	struct target *t;
	char *pages;

	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	sr = (void *)(pages + size - HEAD);
	ASSERT_EQ(0, mprotect(pages, size, PROT_READ));
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(0, send_recv(&self->sup, sr));
	EXPECT_EQ(t->tid, (pid_t)sr->notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr->notif.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/*
 * With an answer
 */

TEST_F(send_recv, answers_and_takes_what_is_queued)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;
	__u64 id;

	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	id = sr.resp.id;
	/* It does not wait, or this would not succeed. */
	ASSERT_EQ(0, set_nonblock(&self->sup));
	ASSERT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	EXPECT_EQ(0, sr.reserved);
	EXPECT_EQ(id, sr.resp.id);
	EXPECT_EQ(5, sr.resp.val);
	EXPECT_EQ(id + 1, sr.notif.id);
	EXPECT_EQ(b->tid, (pid_t)sr.notif.pid);
	expect_result(_metadata, a, 5, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));

	set_answer(&sr, sr.notif.id, 6);
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	expect_result(_metadata, b, 6, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
}

TEST_F(send_recv, answers_and_sleeps)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;
	struct server s;

	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	EXPECT_EQ(0, ATOMIC_GET(sr.flags));
	expect_result(_metadata, a, 5, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
	ASSERT_TRUE(sleeps_in_ioctl(s.reader.tid));

	b = spawn(_metadata, &self->sup, call_once, 2);
	join_server(_metadata, &s, 0, 0);
	EXPECT_EQ(sr.resp.id + 1, sr.notif.id);
	EXPECT_EQ(b->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_result(_metadata, b, 6, 0);
}

TEST_F(send_recv, each_kind_of_answer)
{
	static const struct {
		struct seccomp_notif_resp resp;
		long ret;
		int err;
	} answers[] = {
		{ { .val = 0 }, 0, 0 },
		{ { .val = 0x12345678 }, 0x12345678, 0 },
		{ { .val = -7777777 }, -7777777, 0 },
		{ { .val = LONG_MAX }, LONG_MAX, 0 },
		{ { .error = -EPERM }, -1, EPERM },
		{ { .error = -4095 }, -1, 4095 },
		{ { .val = 55, .error = -EACCES }, -1, EACCES },
		{ { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE }, 0, 0 },
	};
	struct seccomp_notif_send_recv sr;
	struct target *t;
	unsigned int i;
	__u64 id;

	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		ASSERT_EQ(0, fcntl(self->sup.listener, F_SETFL, O_RDWR));
		t = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 0);
		id = sr.resp.id;
		sr.resp = answers[i].resp;
		sr.resp.id = id;
		ASSERT_EQ(0, set_nonblock(&self->sup));
		EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
		EXPECT_EQ(0, sr.flags);
		expect_result(_metadata, t,
			      answers[i].resp.flags ? getpid() : answers[i].ret,
			      answers[i].err);
	}
}

/* What is answered need not be what was received last. */
TEST_F(send_recv, fifo_and_answers_in_any_order)
{
	struct seccomp_notif_send_recv sr = {};
	struct target *t[10];
	__u64 id[10];
	int i;

	for (i = 0; i < 10; i++)
		t[i] = spawn_queued(_metadata, &self->sup, call_once, i);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	/* Five are received, then one is answered for each received. */
	for (i = 0; i < 10; i++) {
		if (i < 5)
			memset(&sr, 0, sizeof(sr));
		else
			set_answer(&sr, id[9 - i], 9 - i);
		ASSERT_EQ(0, send_recv(&self->sup, &sr));
		EXPECT_EQ(0, sr.flags);
		id[i] = sr.notif.id;
		EXPECT_EQ(id[0] + i, id[i]);
		EXPECT_EQ(t[i]->tid, (pid_t)sr.notif.pid);
		EXPECT_EQ(i, sr.notif.data.args[0]);
		if (i >= 5)
			expect_result(_metadata, t[9 - i], 9 - i, 0);
	}
	for (i = 5; i < 10; i++) {
		set_answer(&sr, id[i], i);
		EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
		EXPECT_EQ(0, sr.flags);
		expect_result(_metadata, t[i], i, 0);
	}
	EXPECT_EQ(0, poll_now(&self->sup));
}

/* A supervisor's loop: each call has its own answer. */
static void serve_one_to_one(struct __test_metadata *_metadata,
			     struct supervisor *sup)
{
	struct seccomp_notif_send_recv sr;
	struct target *t;
	__u64 id;
	int i;

	t = spawn_to_answer(_metadata, sup, call_until_stopped, &sr, 0);
	id = sr.resp.id;
	for (i = 1; i <= ROUNDS; i++) {
		ASSERT_EQ(0, send_recv(sup, &sr));
		ASSERT_EQ(0, sr.flags);
		ASSERT_EQ(id + i, sr.notif.id);
		ASSERT_EQ(i, ATOMIC_GET(t->done));
		ASSERT_EQ(i - 1, t->ret);
		set_answer(&sr, sr.notif.id, i);
	}
	ATOMIC_SET(t->stop, 1);
	EXPECT_EQ(0, send_resp(sup, &sr.resp));
	reap(_metadata, t);
	EXPECT_EQ(ROUNDS + 1, t->done);
	EXPECT_EQ(ROUNDS, t->ret);
	EXPECT_EQ(0, poll_now(sup));
}

TEST_F(send_recv, one_to_one)
{
	serve_one_to_one(_metadata, &self->sup);
}

TEST_F(send_recv, one_to_one_with_sync_wake_up)
{
	ASSERT_EQ(0, set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP));
	serve_one_to_one(_metadata, &self->sup);
}

TEST_F(send_recv, nonblock_answers_once)
{
	struct seccomp_notif_send_recv sr;
	struct target *t;

	t = spawn_to_answer(_metadata, &self->sup, call_until_stopped, &sr, 5);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	ATOMIC_SET(t->stop, 1);
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	expect_result(_metadata, t, 5, 0);
	/* The same memory again has nothing to send. */
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	EXPECT_EQ(t->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(0, id_valid(&self->sup, sr.notif.id));
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_result(_metadata, t, 6, 0);
}

/*
 * With an answer that finds nobody
 */

TEST_F(send_recv, killed_gone)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;

	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	kill_and_reap(_metadata, a);
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
	EXPECT_EQ(sr.resp.id + 1, sr.notif.id);
	EXPECT_EQ(b->tid, (pid_t)sr.notif.pid);

	/* The next answer finds somebody, and the flag says so. */
	set_answer(&sr, sr.notif.id, 6);
	sr.flags |= GONE;
	ASSERT_EQ(0, set_nonblock(&self->sup));
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	expect_result(_metadata, b, 6, 0);
}

TEST_F(send_recv, interrupted_gone)
{
	struct seccomp_notif_send_recv sr;
	struct target *t;

	t = spawn_to_answer(_metadata, &self->sup, call_with_handler, &sr, 5);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
	/* It stays that way. */
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
}

/* The call that begins anew is another one: the answer is not for it. */
TEST_F(send_recv, restarted_gone)
{
	struct seccomp_notif_send_recv sr;
	struct target *t;
	__u64 id;

	t = spawn_to_answer(_metadata, &self->sup, call_with_restart, &sr, 5);
	id = sr.resp.id;
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(poll_now(&self->sup) == POLL_QUEUED));
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
	EXPECT_EQ(id + 1, sr.notif.id);
	EXPECT_EQ(t->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_result(_metadata, t, 6, 0);
}

TEST_F(send_recv, unknown_id_gone)
{
	struct seccomp_notif_send_recv sr;
	struct target *t;
	unsigned int i;

	t = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	for (i = 0; i < 3; i++) {
		struct seccomp_notif_send_recv other = sr;

		other.resp.id = i == 0 ? sr.resp.id + 1 :
				i == 1 ? sr.resp.id - 1 : ~sr.resp.id;
		EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &other));
		EXPECT_EQ(GONE, other.flags);
	}
	EXPECT_EQ(0, id_valid(&self->sup, sr.resp.id));
	EXPECT_EQ(0, send_resp(&self->sup, &sr.resp));
	expect_result(_metadata, t, 5, 0);
	/* And the one that is answered and off. */
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
}

TEST_F(send_recv, gone_and_sleeps)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;
	struct server s;

	handle_signal(SIGUSR2, SA_RESTART);
	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	kill_and_reap(_metadata, a);
	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	EXPECT_EQ(GONE, ATOMIC_GET(sr.flags));
	/* A restart does not make it forget. */
	ASSERT_EQ(0, signal_thread(s.reader.tid, SIGUSR2));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(s.self.handled) == 1));
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(s.reader.tid)));
	EXPECT_EQ(GONE, ATOMIC_GET(sr.flags));

	b = spawn(_metadata, &self->sup, call_once, 2);
	join_server(_metadata, &s, 0, GONE);
	EXPECT_EQ(b->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_result(_metadata, b, 6, 0);
}

TEST_F(send_recv, gone_and_interrupted)
{
	struct seccomp_notif_send_recv sr;
	struct target *t;
	struct server s;

	t = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	kill_and_reap(_metadata, t);
	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	interrupt_reader(_metadata, &s.reader);
	EXPECT_EQ(GONE, sr.flags);
}

/*
 * Signals for the supervisor
 */

TEST_F(send_recv, interrupted_eintr)
{
	struct seccomp_notif_send_recv sr, before;
	struct target *t;
	struct server s;

	t = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	before = sr;
	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	expect_result(_metadata, t, 5, 0);
	interrupt_reader(_metadata, &s.reader);
	/* The flag is all that has changed. */
	before.flags = 0;
	EXPECT_EQ(0, memcmp(&before, &sr, sizeof(sr)));

	/* The interrupted call has not taken the next notification. */
	t = spawn_queued(_metadata, &self->sup, call_once, 2);
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	EXPECT_EQ(t->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_result(_metadata, t, 6, 0);
}

TEST_F(send_recv, interrupted_restarts)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;
	struct server s;
	int i;

	handle_signal(SIGUSR2, SA_RESTART);
	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	expect_result(_metadata, a, 5, 0);
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, signal_thread(s.reader.tid, SIGUSR2));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(s.self.handled) == i));
		ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(s.reader.tid)));
		EXPECT_EQ(0, ATOMIC_GET(sr.flags));
	}
	EXPECT_FALSE(ATOMIC_GET(s.reader.finished));
	b = spawn(_metadata, &self->sup, call_once, 2);
	join_server(_metadata, &s, 0, 0);
	EXPECT_EQ(b->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_result(_metadata, b, 6, 0);
}

static void answer_and_wait(struct target *t)
{
	struct seccomp_notif_send_recv sr = {};

	if (send_recv(t->sup, &sr))
		_exit(1);
	set_answer(&sr, sr.notif.id, 5);
	send_recv(t->sup, &sr);
	_exit(2);
}

/* A supervisor that dies in the call has sent its answer. */
TEST_F(send_recv, killed_after_its_answer)
{
	struct target *supervisor, *a, *b;

	supervisor = spawn_supervisor(_metadata, &self->sup, answer_and_wait,
				      0);
	a = spawn(_metadata, &self->sup, call_once, 1);
	expect_result(_metadata, a, 5, 0);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(supervisor->tid)));
	kill_and_reap(_metadata, supervisor);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	answer(_metadata, &self->sup, b);
}

/* Nor does it take along what it was woken for. */
TEST_F(send_recv, killed_when_woken)
{
	struct target *supervisor, *a, *b;

	supervisor = spawn_supervisor(_metadata, &self->sup, answer_and_wait,
				      0);
	a = spawn(_metadata, &self->sup, call_once, 1);
	expect_answered(_metadata, a, 5, 0);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(supervisor->tid)));
	if (!hold_target(_metadata, &self->sup, supervisor))
		return;
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	ASSERT_EQ('R', task_state(supervisor->tid));
	ASSERT_EQ(0, kill(supervisor->tid, SIGKILL));
	release_target(_metadata, &self->sup);
	reap_status(_metadata, supervisor, SIGKILL);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	answer(_metadata, &self->sup, b);
}

/*
 * Others that answer, too
 */

/* The answer is to be an fd, which the target has yet to install. */
TEST_F(send_recv, addfd_send_is_pending_einprogress)
{
	struct seccomp_notif_send_recv sr;
	int src = open_null(_metadata);
	struct target *t;
	struct adder a;

	t = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	if (!hold_target(_metadata, &self->sup, t))
		return;
	start_pending_adder(_metadata, &self->sup, &a, sr.resp.id, src,
			    SECCOMP_ADDFD_FLAG_SEND);
	expect_refused(_metadata, &self->sup, &sr, EINPROGRESS);
	release_target(_metadata, &self->sup);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	expect_answered(_metadata, t, a.ret, 0);
	EXPECT_EQ(0, close(src));
}

static pthread_barrier_t at_once;

static void *serve_at_once(void *arg)
{
	struct server *s = arg;

	/* Its starter waits for this. */
	ATOMIC_SET(s->reader.tid, sys_gettid());
	pthread_barrier_wait(&at_once);
	return serve_once(s);
}

TEST_F(send_recv, one_of_two_answers_is_sent)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif_send_recv sr[2];
	struct server s[2];
	struct target *t;
	int i, round, winner;

	ASSERT_EQ(0, pthread_barrier_init(&at_once, NULL, 2));
	for (round = 0; round < ROUNDS / 10; round++) {
		forget_targets(sup);
		ASSERT_EQ(0, fcntl(sup->listener, F_SETFL, O_RDWR));
		t = spawn_to_answer(_metadata, sup, call_once, &sr[0], 1);
		set_answer(&sr[1], sr[0].resp.id, 2);
		ASSERT_EQ(0, set_nonblock(sup));
		for (i = 0; i < 2; i++) {
			memset(&s[i], 0, sizeof(s[i]));
			s[i].sr = &sr[i];
			run_reader(_metadata, sup, &s[i].reader, serve_at_once);
		}
		winner = -1;
		for (i = 0; i < 2; i++) {
			join_reader(_metadata, &s[i].reader);
			if (s[i].reader.ret == -EINPROGRESS) {
				EXPECT_EQ(SEND, sr[i].flags);
				continue;
			}
			EXPECT_EQ(-EAGAIN, s[i].reader.ret);
			if (!sr[i].flags) {
				EXPECT_EQ(-1, winner);
				winner = i;
			} else {
				EXPECT_EQ(GONE, sr[i].flags);
			}
		}
		ASSERT_NE(-1, winner);
		expect_answered(_metadata, t, winner + 1, 0);
	}
	EXPECT_EQ(0, pthread_barrier_destroy(&at_once));
}

/*
 * Whoever is woken under the lock runs into it, and sleeps once more: the
 * target does, whose priority is higher, on the same CPU.
 */
static void call_and_count_switches(struct target *t)
{
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	while (t->done < ROUNDS)
		trapped_call(t);
	getrusage(RUSAGE_THREAD, &after);
	t->number = after.ru_nvcsw - before.ru_nvcsw;
}

static void expect_one_switch_each(struct __test_metadata *_metadata,
				   struct supervisor *sup, int count)
{
	struct seccomp_notif_send_recv sr;
	int i, ret, cpu = first_cpu();
	struct target *t[2];

	t[0] = spawn_to_answer(_metadata, sup, call_and_count_switches, &sr, 0);
	for (i = 1; i < count; i++)
		t[i] = spawn_queued(_metadata, sup, call_and_count_switches, i);
	ret = set_fifo(0, 1);
	if (ret)
		SKIP(return, "no real-time scheduling (%d)", ret);
	ASSERT_EQ(0, set_cpu(0, cpu));
	for (i = 0; i < count; i++) {
		ASSERT_EQ(0, set_cpu(t[i]->tid, cpu));
		ASSERT_EQ(0, set_fifo(t[i]->tid, 2));
	}
	for (i = 1; i < count * ROUNDS; i++) {
		ASSERT_EQ(0, send_recv(sup, &sr));
		set_answer(&sr, sr.notif.id, i);
	}
	EXPECT_EQ(0, send_resp(sup, &sr.resp));
	ASSERT_EQ(0, set_fifo(0, 0));
	for (i = 0; i < count; i++) {
		reap(_metadata, t[i]);
		EXPECT_EQ(ROUNDS, t[i]->done);
		EXPECT_GT(ROUNDS + ROUNDS / 4, t[i]->number);
	}
}

TEST_F(send_recv, wakes_after_the_lock_and_sleeps)
{
	expect_one_switch_each(_metadata, &self->sup, 1);
}

/* Another is queued each time. */
TEST_F(send_recv, wakes_after_the_lock_and_goes_on)
{
	expect_one_switch_each(_metadata, &self->sup, 2);
}

/*
 * Memory that takes its time. A write to @page sleeps until let_write(), a read
 * does not. Returns -1 if the test is skipped.
 */
static int stop_writes(struct __test_metadata *_metadata, void *page)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	struct uffdio_register reg = {
		.range.start = (unsigned long)page,
		.range.len = getpagesize(),
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect wp = {
		.range = reg.range,
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		SKIP(return -1, "no userfaultfd (%d)", errno);
	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		SKIP(return -1, "no write protection by userfaultfd");
	}
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &reg));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_WRITEPROTECT, &wp));
	return fd;
}

static void await_write(struct __test_metadata *_metadata, int fd)
{
	ASSERT_EQ(POLLIN, poll_fd(fd, GUARD * 1000) & POLLIN);
}

static void let_write(struct __test_metadata *_metadata, int fd, void *page)
{
	struct uffdio_writeprotect wp = {
		.range.start = (unsigned long)page,
		.range.len = getpagesize(),
	};

	ASSERT_EQ(0, ioctl(fd, UFFDIO_WRITEPROTECT, &wp));
	ASSERT_EQ(0, close(fd));
}

/* The flags are cleared before the answer, without the lock. */
TEST_F(send_recv, slow_flags_then_gone)
{
	struct seccomp_notif_send_recv *sr;
	struct target *t;
	struct server s;
	int fd;

	sr = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	t = spawn_to_answer(_metadata, &self->sup, call_once, sr, 5);
	fd = stop_writes(_metadata, sr);
	if (fd < 0)
		return;
	start_server(_metadata, &self->sup, &s, sr);
	await_write(_metadata, fd);
	EXPECT_EQ(SEND, ATOMIC_GET(sr->flags));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	/* Another answer comes first. */
	EXPECT_EQ(0, reply_value(&self->sup, sr->resp.id, 7));
	expect_answered(_metadata, t, 7, 0);
	let_write(_metadata, fd, sr);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(s.reader.tid) &&
			     ATOMIC_GET(sr->flags) == GONE));
	interrupt_reader(_metadata, &s.reader);
	EXPECT_EQ(GONE, sr->flags);
}

/* The same, and the target has not gone yet. */
TEST_F(send_recv, slow_flags_then_einprogress)
{
	struct seccomp_notif_send_recv *sr;
	struct target *t;
	struct server s;
	int fd;

	sr = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	t = spawn_to_answer(_metadata, &self->sup, call_once, sr, 5);
	fd = stop_writes(_metadata, sr);
	if (fd < 0 || !hold_target(_metadata, &self->sup, t))
		return;
	/* It gets this thread's priority. */
	start_server(_metadata, &self->sup, &s, sr);
	await_write(_metadata, fd);
	EXPECT_EQ(0, reply_value(&self->sup, sr->resp.id, 7));
	let_write(_metadata, fd, sr);
	join_server(_metadata, &s, -EINPROGRESS, SEND);
	release_target(_metadata, &self->sup);
	expect_answered(_metadata, t, 7, 0);
}

/* The target goes on while the next notification is being written. */
TEST_F(send_recv, slow_copy_does_not_delay_the_answer)
{
	const int size = getpagesize();
	struct seccomp_notif_send_recv *sr;
	struct target *a, *b;
	struct server s;
	char *pages;
	int fd;

	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	sr = (void *)(pages + size - HEAD);
	a = spawn_to_answer(_metadata, &self->sup, call_once, sr, 5);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	fd = stop_writes(_metadata, pages + size);
	if (fd < 0)
		return;
	start_server(_metadata, &self->sup, &s, sr);
	await_write(_metadata, fd);
	EXPECT_EQ(0, ATOMIC_GET(sr->flags));
	expect_answered(_metadata, a, 5, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	let_write(_metadata, fd, pages + size);
	join_server(_metadata, &s, 0, 0);
	EXPECT_EQ(b->tid, (pid_t)sr->notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr->notif.id, 6));
	expect_answered(_metadata, b, 6, 0);
}

FIXTURE(slow)
{
	struct supervisor sup;
	struct slow_file slow;
};

FIXTURE_SETUP(slow)
{
	init_supervisor(_metadata, &self->sup);
	if (!slow_open(_metadata, &self->slow))
		return;
	supervise(_metadata, &self->sup, 0);
	knows_send_recv(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(slow)
{
	slow_close(&self->slow);
	end_supervisor(_metadata, &self->sup);
}

/* A signal comes before it looks at the queue: the answer is sent. */
TEST_F(slow, signal_before_it_receives)
{
	const int size = getpagesize();
	struct seccomp_notif_send_recv answer, *sr;
	struct target *t;
	struct server s;
	char *pages;
	void *room;

	handle_signal(SIGUSR2, 0);
	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	room = pages + size;
	ASSERT_EQ(room, mmap(room, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_FIXED, self->slow.fd, 0));
	ASSERT_EQ(0, madvise(room, size, MADV_RANDOM));
	sr = (void *)(pages + size - HEAD);
	t = spawn_to_answer(_metadata, &self->sup, call_once, &answer, 5);
	/* Without touching the room. */
	memcpy(sr, &answer, HEAD);

	slow_set(&self->slow, &self->slow.ctl->hold_read, 1);
	start_server(_metadata, &self->sup, &s, sr);
	/* It sleeps in a page fault, as it looks for zeroes. */
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(self->slow.ctl->reads)));
	EXPECT_EQ(SEND, ATOMIC_GET(sr->flags));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	ASSERT_EQ(0, signal_thread(s.reader.tid, SIGUSR2));
	slow_set(&self->slow, &self->slow.ctl->hold_read, 0);
	join_server(_metadata, &s, -EINTR, 0);
	expect_answered(_metadata, t, 5, 0);
	EXPECT_EQ(0, munmap(pages, 2 * size));
}

/*
 * Each of the targets makes many calls, and wants its own answer to each, while
 * signals come down on the supervisors. An answer that is sent twice would
 * leave a flag behind or give EINPROGRESS, and one that is lost would leave its
 * target waiting.
 */

FIXTURE(under_fire)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(under_fire)
{
	int flags;
};

FIXTURE_VARIANT_ADD(under_fire, eintr)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(under_fire, restart)
{
	.flags = SA_RESTART,
};

FIXTURE_SETUP(under_fire)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	knows_send_recv(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(under_fire)
{
	end_supervisor(_metadata, &self->sup);
}

#define NR_CALLS	ROUNDS
#define MAX_CALLERS	3
#define MAX_SERVERS	2

/* How many answers were not its own is in t->number. */
static void call_and_check(struct target *t)
{
	for (; t->done < NR_CALLS; t->arg++) {
		trapped_call(t);
		if (t->ret != (long)t->arg + 1 || t->err)
			t->number++;
		/* Now and then, a signal finds a supervisor that sleeps. */
		if (t->done % 16 == 0)
			usleep(100);
	}
}

/* How many of the supervisors' calls have given EINTR. */
static int answer_once(struct __test_metadata *_metadata,
		       struct supervisor *sup, int servers, int callers,
		       int flags)
{
	int i, before, handled = 0, interrupted = 0;
	struct target *t[MAX_CALLERS];
	struct server s[MAX_SERVERS];

	handle_signal(SIGUSR2, flags);
	start_serving(_metadata, sup, s, servers, true);
	for (i = 0; i < callers; i++)
		t[i] = spawn(_metadata, sup, call_and_check, i * 1000000);
	for (i = 0; i < callers; i++) {
		do {
			before = ATOMIC_GET(t[i]->done);
			ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t[i]->done) > before ||
					     before == NR_CALLS)) {
				TH_LOG("target %d waits, after %d", i, before);
			}
		} while (before < NR_CALLS);
		reap(_metadata, t[i]);
		EXPECT_EQ(NR_CALLS, t[i]->done);
		EXPECT_EQ(0, t[i]->number);
	}
	/* From here on, there are other signals. */
	for (i = 0; i < servers; i++) {
		handled += ATOMIC_GET(s[i].self.handled);
		interrupted += ATOMIC_GET(s[i].interrupted);
	}
	EXPECT_EQ(callers * NR_CALLS, stop_serving(_metadata, s, servers));
	TH_LOG("%d calls, %d signals, %d EINTR", callers * NR_CALLS, handled,
	       interrupted);
	EXPECT_LT(0, handled);
	EXPECT_TRUE(!interrupted || !(flags & SA_RESTART));
	EXPECT_EQ(0, poll_now(sup));
	return interrupted;
}

TEST_F(under_fire, one_to_one)
{
	int interrupted;

	interrupted = answer_once(_metadata, &self->sup, 1, 1, variant->flags);
	EXPECT_EQ(!(variant->flags & SA_RESTART), interrupted > 0);
}

TEST_F(under_fire, one_for_many)
{
	answer_once(_metadata, &self->sup, 1, MAX_CALLERS, variant->flags);
}

TEST_F(under_fire, two_for_many)
{
	answer_once(_metadata, &self->sup, MAX_SERVERS, MAX_CALLERS,
		    variant->flags);
}

/*
 * What is received cannot be written, when the answer is sent: the end of the
 * structure is in a page that is read only
 */

FIXTURE(copy_fails)
{
	struct supervisor sup;
	struct seccomp_notif_send_recv *sr;
	char *page;		/* the one that the structure ends in */
};

FIXTURE_VARIANT(copy_fails)
{
	size_t writable;	/* of the structure */
};

FIXTURE_VARIANT_ADD(copy_fails, from_its_start)
{
	.writable = HEAD,
};

FIXTURE_VARIANT_ADD(copy_fails, in_the_middle)
{
	.writable = HEAD + sizeof(struct seccomp_notif) / 2,
};

FIXTURE_VARIANT_ADD(copy_fails, at_its_end)
{
	.writable = sizeof(struct seccomp_notif_send_recv) - 8,
};

FIXTURE_SETUP(copy_fails)
{
	const int size = getpagesize();
	char *pages;

	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	if (!knows_send_recv(_metadata, &self->sup))
		return;
	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	self->page = pages + size;
	self->sr = (void *)(self->page - variant->writable);
}

FIXTURE_TEARDOWN(copy_fails)
{
	end_supervisor(_metadata, &self->sup);
}

/* What is written of a notification, before that fails, is not defined. */
static void clear_notif(struct seccomp_notif_send_recv *sr, size_t writable)
{
	memset(&sr->notif, 0, writable - HEAD);
}

static void protect(struct __test_metadata *_metadata, char *page, int prot)
{
	ASSERT_EQ(0, mprotect(page, getpagesize(), prot));
}

TEST_F(copy_fails, answer_is_sent_and_next_stays_first)
{
	struct seccomp_notif_send_recv *sr = self->sr;
	struct target *a, *b, *c;
	__u64 id;

	a = spawn_to_answer(_metadata, &self->sup, call_once, sr, 5);
	id = sr->resp.id;
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	c = spawn_queued(_metadata, &self->sup, call_once, 3);
	protect(_metadata, self->page, PROT_READ);
	EXPECT_EQ(-EFAULT, send_recv(&self->sup, sr));
	EXPECT_EQ(0, sr->flags);
	expect_result(_metadata, a, 5, 0);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, id + 1));

	/* Again: there is nothing to send, or that would be gone. */
	clear_notif(sr, variant->writable);
	EXPECT_EQ(-EFAULT, send_recv(&self->sup, sr));
	EXPECT_EQ(0, sr->flags);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));

	clear_notif(sr, variant->writable);
	protect(_metadata, self->page, PROT_READ | PROT_WRITE);
	EXPECT_EQ(0, send_recv(&self->sup, sr));
	EXPECT_EQ(0, sr->flags);
	EXPECT_EQ(id + 1, sr->notif.id);
	EXPECT_EQ(b->tid, (pid_t)sr->notif.pid);
	set_answer(sr, sr->notif.id, 6);
	EXPECT_EQ(0, send_recv(&self->sup, sr));
	EXPECT_EQ(id + 2, sr->notif.id);
	EXPECT_EQ(c->tid, (pid_t)sr->notif.pid);
	expect_result(_metadata, b, 6, 0);
	EXPECT_EQ(0, reply_value(&self->sup, sr->notif.id, 7));
	expect_result(_metadata, c, 7, 0);
}

/* It cannot be written any more when there is something to write. */
TEST_F(copy_fails, after_it_slept)
{
	struct seccomp_notif_send_recv *sr = self->sr;
	struct target *a, *b;
	struct server s;

	a = spawn_to_answer(_metadata, &self->sup, call_once, sr, 5);
	start_sleeping_server(_metadata, &self->sup, &s, sr);
	expect_result(_metadata, a, 5, 0);
	protect(_metadata, self->page, PROT_READ);
	b = spawn(_metadata, &self->sup, call_once, 2);
	join_server(_metadata, &s, -EFAULT, 0);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	answer(_metadata, &self->sup, b);
}

/* It wakes another one for the notification that it could not take. */
TEST_F(copy_fails, another_gets_it)
{
	struct seccomp_notif_send_recv *sr = self->sr;
	struct target *a, *b;
	struct reader other;
	struct server s;

	a = spawn_to_answer(_metadata, &self->sup, call_once, sr, 5);
	start_sleeping_reader(_metadata, &self->sup, &other);
	/* Whoever went to sleep last is woken, if only one is. */
	start_sleeping_server(_metadata, &self->sup, &s, sr);
	expect_result(_metadata, a, 5, 0);
	protect(_metadata, self->page, PROT_READ);
	b = spawn(_metadata, &self->sup, call_once, 2);
	join_reader(_metadata, &other);
	EXPECT_EQ(0, other.ret);
	EXPECT_EQ(b->tid, (pid_t)other.n.pid);
	EXPECT_EQ(0, reply_value(&self->sup, other.n.id, 6));
	expect_result(_metadata, b, 6, 0);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(s.reader.finished) ||
			     sleeps_in_ioctl(s.reader.tid)));
	if (ATOMIC_GET(s.reader.finished))
		join_server(_metadata, &s, -EFAULT, 0);
	else
		interrupt_reader(_metadata, &s.reader);
	EXPECT_EQ(0, sr->flags);
}

TEST_F(copy_fails, with_gone)
{
	struct seccomp_notif_send_recv *sr = self->sr;
	struct target *a, *b;

	a = spawn_to_answer(_metadata, &self->sup, call_once, sr, 5);
	kill_and_reap(_metadata, a);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	protect(_metadata, self->page, PROT_READ);
	EXPECT_EQ(-EFAULT, send_recv(&self->sup, sr));
	EXPECT_EQ(GONE, sr->flags);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	answer(_metadata, &self->sup, b);
}

TEST_F(copy_fails, without_an_answer)
{
	struct seccomp_notif_send_recv *sr = self->sr;
	struct target *a, *b;

	a = spawn_queued(_metadata, &self->sup, call_once, 1);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	protect(_metadata, self->page, PROT_READ);
	EXPECT_EQ(-EFAULT, send_recv(&self->sup, sr));
	EXPECT_EQ(0, sr->flags);
	EXPECT_EQ(POLL_QUEUED, poll_now(&self->sup));
	answer(_metadata, &self->sup, a);
	answer(_metadata, &self->sup, b);
}

TEST_F(copy_fails, keeps_the_mark_of_a_signal)
{
	struct seccomp_notif_send_recv *sr = self->sr;
	struct target *a, *b;
	__u64 id;

	if (!set_signaled(_metadata, &self->sup))
		return;
	a = spawn_to_answer(_metadata, &self->sup, call_once, sr, 5);
	b = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	signal_target(_metadata, b);
	protect(_metadata, self->page, PROT_READ);
	EXPECT_EQ(-EFAULT, send_recv(&self->sup, sr));
	EXPECT_EQ(0, sr->flags);
	expect_result(_metadata, a, 5, 0);
	id = expect_recv(_metadata, &self->sup, b, SIGNALED);
	EXPECT_EQ(0, reply_value(&self->sup, id, 6));
	expect_handled(_metadata, b, 6, 0);
}

/*
 * With FD_SIGNALED
 */

FIXTURE(signaled)
{
	struct supervisor sup;
};

FIXTURE_SETUP(signaled)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	if (!knows_send_recv(_metadata, &self->sup))
		return;
	set_signaled(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(signaled)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(signaled, queued_is_told)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;

	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	b = spawn_queued(_metadata, &self->sup, call_with_handler, 2);
	signal_target(_metadata, b);
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	EXPECT_EQ(b->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(SIGNALED, sr.notif.flags);
	expect_result(_metadata, a, 5, 0);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_handled(_metadata, b, 6, 0);
}

TEST_F(signaled, delivered_is_told)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;
	struct seccomp_notif n;

	b = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	signal_target(_metadata, b);
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	EXPECT_EQ(n.id, sr.notif.id);
	EXPECT_EQ(SIGNALED, sr.notif.flags);
	EXPECT_EQ(0, memcmp(&n.data, &sr.notif.data, sizeof(n.data)));
	expect_result(_metadata, a, 5, 0);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 6));
	expect_handled(_metadata, b, 6, 0);
}

TEST_F(signaled, wakes_a_server)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;
	struct seccomp_notif n;
	struct server s;

	b = spawn_delivered(_metadata, &self->sup, call_with_handler, &n);
	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	expect_result(_metadata, a, 5, 0);
	ASSERT_EQ(0, kill(b->tid, SIGUSR1));
	join_server(_metadata, &s, 0, 0);
	EXPECT_EQ(n.id, sr.notif.id);
	EXPECT_EQ(SIGNALED, sr.notif.flags);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 6));
	expect_handled(_metadata, b, 6, 0);
}

/* Whoever holds it has decided: it is answered, and not received again. */
TEST_F(signaled, requeued_may_be_answered)
{
	struct seccomp_notif_send_recv sr;
	struct target *t;

	t = spawn_to_answer(_metadata, &self->sup, call_with_handler, &sr, 5);
	signal_target(_metadata, t);
	ASSERT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	ASSERT_EQ(0, set_nonblock(&self->sup));
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	expect_handled(_metadata, t, 5, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
}

/*
 * Many threads on one listener
 */
#define NR_SERVERS	8

TEST_F(send_recv, many_serve_each_once)
{
	struct server s[NR_SERVERS];
	struct target *t[64];
	int i;

	start_serving(_metadata, &self->sup, s, NR_SERVERS, false);
	for (i = 0; i < 64; i++)
		t[i] = spawn(_metadata, &self->sup, call_once, i);
	for (i = 0; i < 64; i++)
		expect_result(_metadata, t[i], i + 1, 0);
	EXPECT_EQ(64, stop_serving(_metadata, s, NR_SERVERS));
}

TEST_F(send_recv, beside_recv_and_send)
{
	struct server s[NR_SERVERS / 2];
	struct reader r[NR_SERVERS / 2];
	struct target *t[64];
	int i, count = 0;

	start_answering(_metadata, &self->sup, r, NR_SERVERS / 2);
	start_serving(_metadata, &self->sup, s, NR_SERVERS / 2, false);
	for (i = 0; i < 64; i++)
		t[i] = spawn(_metadata, &self->sup, call_once, i);
	for (i = 0; i < 64; i++)
		expect_result(_metadata, t[i], i + 1, 0);
	stop_answering(_metadata, r, NR_SERVERS / 2);
	for (i = 0; i < NR_SERVERS / 2; i++)
		count += r[i].count;
	EXPECT_EQ(64, count + stop_serving(_metadata, s, NR_SERVERS / 2));
}

TEST_F(send_recv, each_wakes_one)
{
	struct seccomp_notif_send_recv sr[4];
	struct target *t[4];
	struct server s[4];
	int i, j;

	/* They sleep after an answer; then each gets one of the next. */
	for (i = 0; i < 4; i++) {
		t[i] = spawn_to_answer(_metadata, &self->sup, call_once, &sr[i],
				       i);
	}
	for (i = 0; i < 4; i++) {
		start_sleeping_server(_metadata, &self->sup, &s[i], &sr[i]);
		expect_result(_metadata, t[i], i, 0);
	}
	for (i = 0; i < 4; i++)
		t[i] = spawn(_metadata, &self->sup, call_once, i);
	for (i = 0; i < 4; i++) {
		join_server(_metadata, &s[i], 0, 0);
		for (j = 0; j < i; j++)
			EXPECT_NE(sr[j].notif.id, sr[i].notif.id);
		EXPECT_EQ(0, reply_value(&self->sup, sr[i].notif.id, 1));
	}
	for (i = 0; i < 4; i++)
		expect_result(_metadata, t[i], 1, 0);
}

/*
 * Together with epoll
 */

/* What was received last is answered by the call that finds no more. */
TEST_F(send_recv, drains_for_epoll)
{
	struct seccomp_notif_send_recv sr = {};
	struct target *t[10];
	int ep, i, round, ret, count = 0;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN | EPOLLET);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 10; i++)
			t[i] = spawn_queued(_metadata, &self->sup, call_once,
					    i);
		EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
		while (!(ret = send_recv(&self->sup, &sr))) {
			EXPECT_EQ(0, sr.flags);
			count++;
			set_answer(&sr, sr.notif.id,
				   sr.notif.data.args[0] + 1);
		}
		EXPECT_EQ(-EAGAIN, ret);
		EXPECT_EQ(0, sr.flags);
		for (i = 0; i < 10; i++)
			expect_result(_metadata, t[i], i + 1, 0);
		EXPECT_EQ(0, epoll_events(ep, 0));
	}
	EXPECT_EQ(30, count);
	EXPECT_EQ(0, close(ep));
}

TEST_F(send_recv, delivery_is_an_edge_for_epoll)
{
	struct seccomp_notif_send_recv sr = {};
	struct target *a, *b;
	int ep;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLOUT | EPOLLET);
	a = spawn_queued(_metadata, &self->sup, call_once, 1);
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(EPOLLOUT, epoll_events(ep, GUARD * 1000));
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	set_answer(&sr, sr.notif.id, 5);
	EXPECT_EQ(0, send_recv(&self->sup, &sr));
	EXPECT_EQ(EPOLLOUT, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(0, epoll_events(ep, 0));
	expect_result(_metadata, a, 5, 0);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_result(_metadata, b, 6, 0);
	EXPECT_EQ(0, close(ep));
}

/* A notification wakes who sleeps in the call, if others wait in epoll, too. */
TEST_F(send_recv, exclusive_poller_takes_nothing)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;
	struct server s;
	int ep;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN | EPOLLEXCLUSIVE);
	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	expect_result(_metadata, a, 5, 0);
	b = spawn(_metadata, &self->sup, call_once, 2);
	join_server(_metadata, &s, 0, 0);
	EXPECT_EQ(b->tid, (pid_t)sr.notif.pid);
	EXPECT_EQ(0, reply_value(&self->sup, sr.notif.id, 6));
	expect_result(_metadata, b, 6, 0);
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_EQ(0, close(ep));
}

/*
 * The end of the listener
 */

TEST_F(send_recv, closed_ebadf)
{
	struct seccomp_notif_send_recv sr;
	struct target *t;

	t = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	close_listener(_metadata, &self->sup);
	expect_result(_metadata, t, -1, ENOSYS);
	EXPECT_EQ(-EBADF, send_recv(&self->sup, &sr));
	EXPECT_EQ(SEND, sr.flags);
}

TEST_F(send_recv, closed_while_it_sleeps)
{
	struct seccomp_notif_send_recv sr;
	struct target *a, *b;
	struct server s;

	a = spawn_to_answer(_metadata, &self->sup, call_once, &sr, 5);
	start_sleeping_server(_metadata, &self->sup, &s, &sr);
	/* The open file lives on until it has returned. */
	close_listener(_metadata, &self->sup);
	expect_result(_metadata, a, 5, 0);
	b = spawn(_metadata, &self->sup, call_once, 2);
	join_server(_metadata, &s, 0, 0);
	EXPECT_EQ(b->tid, (pid_t)sr.notif.pid);
	expect_result(_metadata, b, -1, ENOSYS);
}

/* The test process does not use the filter; the target does, for one call. */
FIXTURE(last_use)
{
	struct supervisor sup;
	struct target *t;
};

FIXTURE_SETUP(last_use)
{
	init_supervisor(_metadata, &self->sup);
	self->t = spawn_installing(_metadata, &self->sup, install_and_call);
	knows_send_recv(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(last_use)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(last_use, wakes_it)
{
	struct seccomp_notif_send_recv sr = {};
	struct server s;

	ASSERT_EQ(0, send_recv(&self->sup, &sr));
	set_answer(&sr, sr.notif.id, 5);
	start_server(_metadata, &self->sup, &s, &sr);
	expect_result(_metadata, self->t, 5, 0);
	join_server(_metadata, &s, -ENOENT, 0);
	EXPECT_EQ(POLLHUP, poll_now(&self->sup));

	/* It stays that way. */
	EXPECT_EQ(-ENOENT, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	sr.flags = SEND;
	EXPECT_EQ(-ENOENT, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
}

TEST_F(last_use, is_over_when_nonblock_answers)
{
	struct seccomp_notif_send_recv sr = {};

	ASSERT_EQ(0, send_recv(&self->sup, &sr));
	set_answer(&sr, sr.notif.id, 5);
	ASSERT_EQ(0, set_nonblock(&self->sup));
	/* The target is there until it has its answer. */
	EXPECT_EQ(-EAGAIN, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
	expect_result(_metadata, self->t, 5, 0);
	EXPECT_EQ(-ENOENT, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
}

TEST_F(last_use, is_over_when_it_is_killed)
{
	struct seccomp_notif_send_recv sr = {};

	ASSERT_EQ(0, send_recv(&self->sup, &sr));
	set_answer(&sr, sr.notif.id, 5);
	kill_and_reap(_metadata, self->t);
	EXPECT_EQ(-ENOENT, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
	EXPECT_EQ(-ENOENT, send_recv(&self->sup, &sr));
	EXPECT_EQ(GONE, sr.flags);
	sr.flags = 0;
	EXPECT_EQ(-ENOENT, send_recv(&self->sup, &sr));
	EXPECT_EQ(0, sr.flags);
}

TEST_HARNESS_MAIN
