// SPDX-License-Identifier: GPL-2.0
/*
 * Nested listeners: more than one filter of a task has one. Which of them can
 * be installed, who is asked and in which order, and whose answer counts.
 */
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "notify_common.h"

#define ALLOW_NESTED	SECCOMP_FILTER_FLAG_ALLOW_NESTED_LISTENERS
#define KILLABLE	SECCOMP_FILTER_FLAG_WAIT_KILLABLE
#define KILLABLE_RECV	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define NEW_LISTENER	SECCOMP_FILTER_FLAG_NEW_LISTENER
#define USE_LISTENER	SECCOMP_FILTER_FLAG_USE_LISTENER
#define TSYNC		(SECCOMP_FILTER_FLAG_TSYNC | \
			 SECCOMP_FILTER_FLAG_TSYNC_ESRCH)

#define MAX_DEPTH	32

/* The levels of a chain, the oldest first. The newest is asked first. */
#define OUTER		0
#define INNER		1

/* What supervisors answer: larger than any pid, which the call itself gives. */
#define ANSWER		0x7654321

/* Another system call, for filters that do not trap the same. */
#define NR_OTHER	__NR_getsid

#define SYSCTL		"/proc/sys/kernel/seccomp/nested_listeners"

/* The supervisors of one task: this process plays all of them. */
struct chain {
	struct supervisor level[MAX_DEPTH];	/* the first has the targets */
	int depth;
	void (*fn)(struct target *t);	/* of the target that is started */
};

/*
 * Setup and teardown
 */

/* Whether this kernel knows the flag, and which implementation it has. */
static void probe(struct target *t)
{
	struct supervisor sup;

	t->ret = install_listener(ALLOW_NESTED);
	sup.listener = t->ret == -EINVAL ? install_listener(0) : t->ret;
	if (sup.listener < 0)
		_exit(1);
	t->number = set_flags(&sup, SECCOMP_USER_NOTIF_FD_SIGNALED) == -EINVAL;
}

static void init_chain(struct __test_metadata *_metadata, struct chain *c)
{
	struct supervisor *sup = &c->level[OUTER];
	int i;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < MAX_DEPTH; i++)
		c->level[i].listener = -1;
	init_supervisor(_metadata, sup);
}

/* The result of installing a listener with ALLOW_NESTED; also sets is_c. */
static long probe_flag(struct __test_metadata *_metadata, struct chain *c)
{
	struct supervisor *sup = &c->level[OUTER];
	struct target *t;

	/* Not here: each listener of this process is one of all its targets. */
	t = spawn(_metadata, sup, probe, 0);
	reap(_metadata, t);
	forget_targets(sup);
	sup->is_c = t->number;
	return t->ret;
}

/* False if the test ends here, as nested listeners cannot be had. */
static bool flag_is_known(struct __test_metadata *_metadata, struct chain *c)
{
	long ret = probe_flag(_metadata, c);

	if (c_differs(_metadata, &c->level[OUTER], ret == -EINVAL,
		      "ALLOW_NESTED_LISTENERS is refused, with EINVAL"))
		return false;
	ASSERT_LE(0, ret);
	return true;
}

static bool init_nested(struct __test_metadata *_metadata, struct chain *c)
{
	init_chain(_metadata, c);
	return flag_is_known(_metadata, c);
}

static void end_chain(struct __test_metadata *_metadata, struct chain *c)
{
	int i;

	for (i = 1; i < MAX_DEPTH; i++) {
		if (c->level[i].listener >= 0)
			close(c->level[i].listener);
	}
	end_supervisor(_metadata, &c->level[OUTER]);
}

/* A filter that says @action to system call @nr, and ALLOW to all others. */
static int install_action(unsigned int flags, int listener, long nr,
			  unsigned int action)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	/* Without USE_LISTENER, the kernel looks at the first member alone. */
	struct seccomp_listener_fprog args = {
		.fprog = {
			.len = ARRAY_SIZE(filter),
			.filter = filter,
		},
		.listener = listener,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, &args);
}

static int install_using(int listener, unsigned int flags)
{
	return install_action(flags | USE_LISTENER, listener, NR_TRAPPED,
			      SECCOMP_RET_USER_NOTIF);
}

/* A filter without a listener. */
static void add_filter(struct __test_metadata *_metadata, long nr,
		       unsigned int action)
{
	ASSERT_EQ(0, install_action(0, -1, nr, action));
}

/* One more level, the newest, whose filter says @action to @nr. */
static void push_action(struct __test_metadata *_metadata, struct chain *c,
			unsigned int flags, long nr, unsigned int action)
{
	ASSERT_GT(MAX_DEPTH, c->depth);
	use_listener(_metadata, &c->level[c->depth],
		     install_action(flags | NEW_LISTENER, -1, nr, action));
	c->depth++;
}

static void push(struct __test_metadata *_metadata, struct chain *c,
		 unsigned int flags)
{
	push_action(_metadata, c, flags, NR_TRAPPED, SECCOMP_RET_USER_NOTIF);
}

static void push_two(struct __test_metadata *_metadata, struct chain *c,
		     unsigned int outer_flags, unsigned int inner_flags)
{
	push(_metadata, c, outer_flags | ALLOW_NESTED);
	push(_metadata, c, inner_flags);
}

static void close_level(struct __test_metadata *_metadata, struct chain *c,
			int level)
{
	close_listener(_metadata, &c->level[level]);
}

/* How many filters this process has. */
static int count_filters(void)
{
	char buf[4096], *line;

	if (read_file("/proc/self/status", buf, sizeof(buf)) <= 0)
		return -1;
	line = strstr(buf, "Seccomp_filters:");
	return line ? atoi(line + strlen("Seccomp_filters:")) : -1;
}

/*
 * Targets, and what the levels hear of them
 */

static void run_without_listeners(struct target *t)
{
	/* The supervisor of a target is the first one of its chain. */
	struct chain *c = (struct chain *)t->sup;
	int i;

	/* start_target() has closed that of the first. */
	for (i = 1; i < c->depth; i++) {
		if (c->level[i].listener >= 0)
			close(c->level[i].listener);
	}
	c->fn(t);
}

/* A child process that runs @fn, without any of the listeners. */
static struct target *spawn_in_chain(struct __test_metadata *_metadata,
				     struct chain *c,
				     void (*fn)(struct target *t),
				     unsigned long arg)
{
	c->fn = fn;
	return spawn(_metadata, &c->level[OUTER], run_without_listeners, arg);
}

/* @level is asked about @t, with these flags; the notification's id. */
static __u64 hear(struct __test_metadata *_metadata, struct chain *c, int level,
		  struct target *t, unsigned int flags)
{
	struct pollfd p = {
		.fd = c->level[level].listener,
		.events = POLLIN,
	};

	ASSERT_EQ(1, poll(&p, 1, GUARD * 1000)) {
		TH_LOG("level %d is not asked", level);
	}
	return expect_recv(_metadata, &c->level[level], t, flags);
}

static void let_go(struct __test_metadata *_metadata, struct chain *c,
		   int level, __u64 id)
{
	EXPECT_EQ(0, reply_continue(&c->level[level], id)) {
		TH_LOG("level %d", level);
	}
}

static void answer_with(struct __test_metadata *_metadata, struct chain *c,
			int level, __u64 id, long val)
{
	EXPECT_EQ(0, reply_value(&c->level[level], id, val)) {
		TH_LOG("level %d", level);
	}
}

/* @level is asked about @t, and lets its system call through. */
static __u64 let_through(struct __test_metadata *_metadata, struct chain *c,
			 int level, struct target *t)
{
	__u64 id = hear(_metadata, c, level, t, 0);

	let_go(_metadata, c, level, id);
	return id;
}

/* So do all that are newer than @level. */
static void let_through_to(struct __test_metadata *_metadata, struct chain *c,
			   int level, struct target *t)
{
	int i;

	for (i = c->depth - 1; i > level; i--)
		let_through(_metadata, c, i, t);
}

/* @t waits in the queue of @level. */
static void wait_queued(struct __test_metadata *_metadata, struct chain *c,
			int level, struct target *t)
{
	/* In this order: it may have slept at the level before, too. */
	ASSERT_TRUE(WAIT_FOR(poll_now(&c->level[level]) & POLLIN &&
			     target_waits(t)));
}

/* A target that waits at @level, which has its notification in @id. */
static struct target *spawn_at(struct __test_metadata *_metadata,
			       struct chain *c, int level,
			       void (*fn)(struct target *t), __u64 *id)
{
	struct target *t = spawn_in_chain(_metadata, c, fn, 10);

	let_through_to(_metadata, c, level, t);
	*id = hear(_metadata, c, level, t, 0);
	/* With KILLABLE_RECV, in either state. */
	ASSERT_TRUE(WAIT_FOR(sleeps_in(t->tid, NR_TRAPPED, "SD")));
	return t;
}

/* A target that waits in the queue of @level. */
static struct target *spawn_queued_at(struct __test_metadata *_metadata,
				      struct chain *c, int level,
				      void (*fn)(struct target *t))
{
	struct target *t = spawn_in_chain(_metadata, c, fn, 20);

	let_through_to(_metadata, c, level, t);
	wait_queued(_metadata, c, level, t);
	return t;
}

/* There is nothing at @level. */
static void expect_silence(struct __test_metadata *_metadata, struct chain *c,
			   int level)
{
	struct supervisor *sup = &c->level[level];
	struct seccomp_notif n;

	EXPECT_EQ(0, poll_now(sup)) {
		TH_LOG("level %d", level);
	}
	/* RECV of C sleeps nevertheless. */
	if (sup->is_c)
		return;
	ASSERT_EQ(0, set_nonblock(sup));
	EXPECT_EQ(-EAGAIN, recv_notif(sup, &n)) {
		TH_LOG("level %d", level);
	}
	ASSERT_EQ(0, fcntl(sup->listener, F_SETFL, O_RDWR));
}

/* The notification is over. */
static void expect_gone(struct __test_metadata *_metadata, struct chain *c,
			int level, __u64 id)
{
	EXPECT_EQ(-ENOENT, id_valid(&c->level[level], id));
	EXPECT_EQ(-ENOENT, reply_value(&c->level[level], id, 0));
}

/* The system call was executed. */
static void expect_executed(struct __test_metadata *_metadata, struct target *t)
{
	expect_result(_metadata, t, getpid(), 0);
}

/* A signal has interrupted the call; nothing of it is left anywhere. */
static void expect_interrupted(struct __test_metadata *_metadata,
			       struct chain *c, struct target *t)
{
	int i;

	expect_result(_metadata, t, -1, EINTR);
	EXPECT_EQ(1, t->handled);
	for (i = 0; i < c->depth; i++)
		expect_silence(_metadata, c, i);
}

/* All levels of the chain are asked in turn, let it through, and it runs. */
static void expect_chain(struct __test_metadata *_metadata, struct chain *c,
			 __u64 *ids)
{
	struct target *t = spawn_in_chain(_metadata, c, call_once, 30);
	__u64 id;
	int i;

	for (i = c->depth - 1; i >= 0; i--) {
		if (c->level[i].listener < 0)
			continue;
		id = let_through(_metadata, c, i, t);
		if (ids)
			ids[i] = id;
	}
	expect_executed(_metadata, t);
}

/*
 * The flag
 */

FIXTURE(nested_flag)
{
	struct chain chain;
};

FIXTURE_SETUP(nested_flag)
{
	init_chain(_metadata, &self->chain);
}

FIXTURE_TEARDOWN(nested_flag)
{
	end_chain(_metadata, &self->chain);
}

/* This is the same where the flag is unknown. */
TEST_F(nested_flag, needs_a_listener)
{
	static const unsigned int others[] = {
		0,
		SECCOMP_FILTER_FLAG_LOG,
		SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		SECCOMP_FILTER_FLAG_TSYNC,
		TSYNC,
	};
	unsigned int i;
	int filters;

	filters = count_filters();
	ASSERT_LE(0, filters);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT_EQ(-EINVAL, install_filter(ALLOW_NESTED | others[i])) {
			TH_LOG("flags %#x", others[i]);
		}
	}
	/* What is refused without it, too. */
	EXPECT_EQ(-EINVAL, install_listener(ALLOW_NESTED |
					    SECCOMP_FILTER_FLAG_TSYNC));
	EXPECT_EQ(-EINVAL, install_using(0, ALLOW_NESTED | NEW_LISTENER));
	EXPECT_EQ(filters, count_filters());
}

TEST_F(nested_flag, with_new_listener)
{
	struct chain *c = &self->chain;

	if (!flag_is_known(_metadata, c))
		return;
	push(_metadata, c, ALLOW_NESTED | TSYNC | SECCOMP_FILTER_FLAG_LOG);
	push(_metadata, c, ALLOW_NESTED | KILLABLE_RECV);
	push(_metadata, c, 0);
	expect_chain(_metadata, c, NULL);
}

TEST_F(nested_flag, with_use_listener)
{
	struct chain *c = &self->chain;
	int fd;

	if (!flag_is_known(_metadata, c))
		return;
	push(_metadata, c, ALLOW_NESTED);
	fd = sys_seccomp(SECCOMP_NEW_LISTENER, 0, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, install_using(fd, ALLOW_NESTED));
	use_listener(_metadata, &c->level[c->depth++], fd);
	push(_metadata, c, ALLOW_NESTED);
	expect_chain(_metadata, c, NULL);
	/* The same one twice in a chain is never allowed. */
	EXPECT_EQ(-EBUSY, install_using(fd, ALLOW_NESTED));
	EXPECT_EQ(-EBUSY, install_using(c->level[OUTER].listener, 0));
	EXPECT_EQ(-EBUSY, install_using(c->level[2].listener, 0));
	expect_chain(_metadata, c, NULL);

	/* Without the flag, USE_LISTENER allows nothing. */
	fd = sys_seccomp(SECCOMP_NEW_LISTENER, 0, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, install_using(fd, 0));
	use_listener(_metadata, &c->level[c->depth++], fd);
	EXPECT_EQ(-EBUSY, install_listener(0));
	fd = sys_seccomp(SECCOMP_NEW_LISTENER, 0, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, install_using(fd, ALLOW_NESTED));
	EXPECT_EQ(0, close(fd));
	expect_chain(_metadata, c, NULL);
}

/*
 * Which listeners can be installed
 */

FIXTURE(nested_install)
{
	struct chain chain;
};

FIXTURE_SETUP(nested_install)
{
	init_nested(_metadata, &self->chain);
}

FIXTURE_TEARDOWN(nested_install)
{
	end_chain(_metadata, &self->chain);
}

TEST_F(nested_install, refused_unless_allowed)
{
	struct chain *c = &self->chain;
	int filters, fds;

	push(_metadata, c, 0);
	filters = count_filters();
	fds = count_fds();
	EXPECT_EQ(-EBUSY, install_listener(0));
	/* What the new one allows is for those after it. */
	EXPECT_EQ(-EBUSY, install_listener(ALLOW_NESTED));
	EXPECT_EQ(-EBUSY, install_listener(TSYNC));
	EXPECT_EQ(filters, count_filters());
	EXPECT_EQ(fds, count_fds());
	expect_chain(_metadata, c, NULL);
}

TEST_F(nested_install, nearest_open_one_decides)
{
	struct chain *c = &self->chain;
	struct target *t;

	push(_metadata, c, ALLOW_NESTED);
	push(_metadata, c, 0);
	EXPECT_EQ(-EBUSY, install_listener(0));
	EXPECT_EQ(-EBUSY, install_listener(ALLOW_NESTED));
	expect_chain(_metadata, c, NULL);
	/* Now the nearest open one is the first. */
	close_level(_metadata, c, INNER);
	push(_metadata, c, 0);
	EXPECT_EQ(-EBUSY, install_listener(0));
	close_level(_metadata, c, 2);
	push(_metadata, c, ALLOW_NESTED);
	push(_metadata, c, 0);
	EXPECT_EQ(-EBUSY, install_listener(0));
	/* It is not the one that allowed the nearest which decides. */
	close_level(_metadata, c, 3);
	EXPECT_EQ(-EBUSY, install_listener(0));

	/* The one before it is closed, and no less asked for that. */
	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, 4, t);
	expect_result(_metadata, t, -1, ENOSYS);
	expect_silence(_metadata, c, OUTER);
}

TEST_F(nested_install, closed_ones_do_not_count)
{
	struct chain *c = &self->chain;
	struct target *t;

	push(_metadata, c, 0);
	close_level(_metadata, c, 0);
	push(_metadata, c, ALLOW_NESTED);
	push(_metadata, c, 0);
	/* Nor has it a say: the second one took its place, with no flag. */
	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, 2, t);
	let_through(_metadata, c, 1, t);
	expect_result(_metadata, t, getpid(), 0);
}

TEST_F(nested_install, filters_without_listener_do_not_count)
{
	struct chain *c = &self->chain;

	add_filter(_metadata, NR_OTHER, SECCOMP_RET_LOG);
	push(_metadata, c, ALLOW_NESTED);
	add_filter(_metadata, NR_OTHER, SECCOMP_RET_LOG);
	push(_metadata, c, 0);
	add_filter(_metadata, NR_OTHER, SECCOMP_RET_LOG);
	EXPECT_EQ(-EBUSY, install_listener(0));
	expect_chain(_metadata, c, NULL);
}

TEST_F(nested_install, failure_changes_nothing)
{
	struct chain *c = &self->chain;
	struct rlimit limit, none;
	int filters, fds, ret;

	push(_metadata, c, ALLOW_NESTED);
	filters = count_filters();
	fds = count_fds();
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	ret = install_listener(0);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, ret);
	EXPECT_EQ(-EFAULT,
		  sys_seccomp(SECCOMP_SET_MODE_FILTER, NEW_LISTENER, NULL));
	EXPECT_EQ(-EBADF, install_using(-1, 0));
	EXPECT_EQ(filters, count_filters());
	EXPECT_EQ(fds, count_fds());
	expect_chain(_metadata, c, NULL);
	push(_metadata, c, 0);
	EXPECT_EQ(filters + 1, count_filters());
	EXPECT_EQ(fds + 1, count_fds());
	expect_chain(_metadata, c, NULL);
}

/*
 * The sysctl
 */

FIXTURE(nested_sysctl)
{
	struct chain chain;
	char saved[16];
};

FIXTURE_SETUP(nested_sysctl)
{
	struct chain *c = &self->chain;
	int ret;

	init_chain(_metadata, c);
	probe_flag(_metadata, c);
	ret = read_file(SYSCTL, self->saved, sizeof(self->saved));
	if (c_differs(_metadata, &c->level[OUTER], ret == -ENOENT,
		      "there is no sysctl nested_listeners"))
		return;
	ASSERT_LT(0, ret);
	ret = write_file(SYSCTL, self->saved);
	if (ret == -EACCES || ret == -EPERM || ret == -EROFS)
		SKIP(return, "the sysctl cannot be written (%d)", ret);
	ASSERT_EQ(0, ret);
	/* One that does not allow what the tests install after it. */
	push(_metadata, c, 0);
}

/* It is for the whole system: whatever the test did, it is as it was. */
FIXTURE_TEARDOWN(nested_sysctl)
{
	EXPECT_EQ(0, write_file(SYSCTL, self->saved));
	end_chain(_metadata, &self->chain);
}

static void expect_sysctl(struct __test_metadata *_metadata, const char *text)
{
	char buf[16];

	ASSERT_LT(0, read_file(SYSCTL, buf, sizeof(buf)));
	EXPECT_STREQ(text, buf);
}

TEST_F(nested_sysctl, default_is_0)
{
	EXPECT_STREQ("0\n", self->saved);
	EXPECT_EQ(-EBUSY, install_listener(0));
}

/* What runs as root without capabilities, as in a container, cannot write it. */
TEST_F(nested_sysctl, takes_a_capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (syscall(SYS_capget, &header, caps))
			_exit(1);
		caps[0].effective &= ~(1U << CAP_SYS_ADMIN);
		if (syscall(SYS_capset, &header, caps))
			_exit(2);
		_exit(write_file(SYSCTL, "1") == -EPERM ? 0 : 3);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	expect_sysctl(_metadata, self->saved);
}

TEST_F(nested_sysctl, allows_all)
{
	struct chain *c = &self->chain;

	ASSERT_EQ(0, write_file(SYSCTL, "1"));
	expect_sysctl(_metadata, "1\n");
	push(_metadata, c, 0);
	push(_metadata, c, 0);
	push(_metadata, c, ALLOW_NESTED);
	push(_metadata, c, 0);
	expect_chain(_metadata, c, NULL);
	/* But not the same listener twice. */
	EXPECT_EQ(-EBUSY, install_using(c->level[2].listener, 0));
	expect_chain(_metadata, c, NULL);
}

TEST_F(nested_sysctl, is_no_substitute_for_a_listener)
{
	ASSERT_EQ(0, write_file(SYSCTL, "1"));
	EXPECT_EQ(-EINVAL, install_filter(ALLOW_NESTED));
}

TEST_F(nested_sysctl, counts_when_a_listener_is_installed)
{
	struct chain *c = &self->chain;

	ASSERT_EQ(0, write_file(SYSCTL, "1"));
	push(_metadata, c, 0);
	ASSERT_EQ(0, write_file(SYSCTL, "0"));
	expect_sysctl(_metadata, "0\n");
	/* What there is goes on as it was. */
	expect_chain(_metadata, c, NULL);
	EXPECT_EQ(-EBUSY, install_listener(0));
	EXPECT_EQ(-EBUSY, install_listener(ALLOW_NESTED));
	expect_chain(_metadata, c, NULL);
	ASSERT_EQ(0, write_file(SYSCTL, "1"));
	push(_metadata, c, ALLOW_NESTED);
	ASSERT_EQ(0, write_file(SYSCTL, "0"));
	/* The nearest one allows it, though the first ones do not. */
	push(_metadata, c, 0);
	EXPECT_EQ(-EBUSY, install_listener(0));
	expect_chain(_metadata, c, NULL);
}

TEST_F(nested_sysctl, takes_0_and_1)
{
	static const char * const refused[] = { "2", "-1", "x", "4294967296" };
	static const char * const values[] = { "0", "1" };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		ASSERT_EQ(0, write_file(SYSCTL, values[i]));
		for (j = 0; j < ARRAY_SIZE(refused); j++) {
			EXPECT_EQ(-EINVAL, write_file(SYSCTL, refused[j])) {
				TH_LOG("%s", refused[j]);
			}
			expect_sysctl(_metadata, i ? "1\n" : "0\n");
		}
	}
}

/*
 * Two levels that trap the same
 */

FIXTURE(nested)
{
	struct chain chain;
	int src;
};

FIXTURE_SETUP(nested)
{
	if (!init_nested(_metadata, &self->chain))
		return;
	push_two(_metadata, &self->chain, 0, 0);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(nested)
{
	EXPECT_EQ(0, close(self->src));
	end_chain(_metadata, &self->chain);
}

TEST_F(nested, asked_one_after_the_other)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	t = spawn_queued_at(_metadata, c, INNER, call_once);
	EXPECT_EQ(POLL_QUEUED, poll_now(&c->level[INNER]));
	expect_silence(_metadata, c, OUTER);
	id = hear(_metadata, c, INNER, t, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&c->level[INNER]));
	expect_silence(_metadata, c, OUTER);
	EXPECT_EQ(0, t->done);
	let_go(_metadata, c, INNER, id);
	wait_queued(_metadata, c, OUTER, t);
	EXPECT_EQ(POLL_QUEUED, poll_now(&c->level[OUTER]));
	expect_silence(_metadata, c, INNER);
	id = hear(_metadata, c, OUTER, t, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&c->level[OUTER]));
	expect_silence(_metadata, c, INNER);
	EXPECT_EQ(0, t->done);
	let_go(_metadata, c, OUTER, id);
	expect_executed(_metadata, t);
	expect_silence(_metadata, c, INNER);
	expect_silence(_metadata, c, OUTER);
}

TEST_F(nested, both_are_told_the_same)
{
	struct chain *c = &self->chain;
	struct supervisor *inner = &c->level[INNER], *outer = &c->level[OUTER];
	struct seccomp_notif n, m;
	struct target *t;
	unsigned int i;

	t = spawn_in_chain(_metadata, c, call_once, 1000);
	ASSERT_EQ(0, recv_notif(inner, &n));
	EXPECT_EQ(NR_TRAPPED, n.data.nr);
	if (NATIVE_ARCH)
		EXPECT_EQ(NATIVE_ARCH, n.data.arch);
	EXPECT_NE(0, n.data.instruction_pointer);
	for (i = 0; i < ARRAY_SIZE(n.data.args); i++)
		EXPECT_EQ(1000 + i, n.data.args[i]);
	let_go(_metadata, c, INNER, n.id);
	ASSERT_EQ(0, recv_notif(outer, &m));
	EXPECT_EQ(0, memcmp(&n.data, &m.data, sizeof(n.data)));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(t->tid, (pid_t)m.pid);
	EXPECT_EQ(0, n.flags);
	EXPECT_EQ(0, m.flags);
	answer_with(_metadata, c, OUTER, m.id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
}

/* A notification is one of its listener, and ends with the answer there. */
TEST_F(nested, each_has_its_own)
{
	struct chain *c = &self->chain;
	struct supervisor *inner = &c->level[INNER], *outer = &c->level[OUTER];
	struct target *t;
	__u64 id, outer_id;

	t = spawn_at(_metadata, c, INNER, call_once, &id);
	EXPECT_EQ(0, id_valid(inner, id));
	EXPECT_EQ(-ENOENT, id_valid(outer, id));
	EXPECT_EQ(-ENOENT, reply_value(outer, id, 0));
	let_go(_metadata, c, INNER, id);
	outer_id = hear(_metadata, c, OUTER, t, 0);
	EXPECT_EQ(0, id_valid(outer, outer_id));
	expect_gone(_metadata, c, INNER, id);
	EXPECT_EQ(-ENOENT, id_valid(inner, outer_id));
	EXPECT_EQ(-ENOENT, reply_value(inner, outer_id, 0));
	EXPECT_EQ(-ENOENT, addfd(inner, id, self->src, 0, 0, 0));
	EXPECT_EQ(-ENOENT, addfd(inner, outer_id, self->src, 0, 0, 0));
	answer_with(_metadata, c, OUTER, outer_id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	expect_gone(_metadata, c, OUTER, outer_id);
}

/* Ids are counted for each listener; the outer one is not asked about all. */
TEST_F(nested, ids_are_the_listeners)
{
	struct chain *c = &self->chain;
	__u64 before[2], after[2], id;
	struct target *t;
	int i;

	expect_chain(_metadata, c, before);
	for (i = 1; i <= 3; i++) {
		t = spawn_in_chain(_metadata, c, call_once, i);
		id = hear(_metadata, c, INNER, t, 0);
		EXPECT_EQ(before[INNER] + i, id);
		answer_with(_metadata, c, INNER, id, ANSWER + i);
		expect_result(_metadata, t, ANSWER + i, 0);
	}
	expect_chain(_metadata, c, after);
	EXPECT_EQ(before[INNER] + 4, after[INNER]);
	EXPECT_EQ(before[OUTER] + 1, after[OUTER]);
}

/* Several targets, which go different ways. */
TEST_F(nested, out_of_order)
{
	struct chain *c = &self->chain;
	struct target *a, *b, *d;
	__u64 ida, idb, idd;

	a = spawn_in_chain(_metadata, c, call_once, 1);
	ida = hear(_metadata, c, INNER, a, 0);
	b = spawn_in_chain(_metadata, c, call_once, 2);
	idb = hear(_metadata, c, INNER, b, 0);
	d = spawn_in_chain(_metadata, c, call_once, 3);
	idd = hear(_metadata, c, INNER, d, 0);
	/* The order at the outer one is that in which it comes to know them. */
	let_go(_metadata, c, INNER, idd);
	wait_queued(_metadata, c, OUTER, d);
	let_go(_metadata, c, INNER, ida);
	idd = hear(_metadata, c, OUTER, d, 0);
	ida = hear(_metadata, c, OUTER, a, 0);
	EXPECT_EQ(idd + 1, ida);
	answer_with(_metadata, c, INNER, idb, ANSWER + 2);
	expect_result(_metadata, b, ANSWER + 2, 0);
	answer_with(_metadata, c, OUTER, ida, ANSWER + 1);
	expect_result(_metadata, a, ANSWER + 1, 0);
	let_go(_metadata, c, OUTER, idd);
	expect_executed(_metadata, d);
	expect_silence(_metadata, c, INNER);
	expect_silence(_metadata, c, OUTER);
}

/* An fd that is not the answer stays, whoever answers then. */
TEST_F(nested, fds_of_both)
{
	struct chain *c = &self->chain;
	struct target *t;
	int fd, outer_fd;
	__u64 id;

	t = spawn_at(_metadata, c, INNER, call_once, &id);
	fd = addfd(&c->level[INNER], id, self->src, 0, 0, 0);
	ASSERT_LE(0, fd);
	let_go(_metadata, c, INNER, id);
	id = hear(_metadata, c, OUTER, t, 0);
	EXPECT_TRUE(same_file(t, fd, self->src));
	outer_fd = addfd(&c->level[OUTER], id, self->src, 0, 0, 0);
	ASSERT_LE(0, outer_fd);
	EXPECT_NE(fd, outer_fd);
	EXPECT_TRUE(same_file(t, fd, self->src));
	EXPECT_TRUE(same_file(t, outer_fd, self->src));
	let_go(_metadata, c, OUTER, id);
	expect_executed(_metadata, t);
}

TEST_F(nested, outer_is_closed)
{
	struct chain *c = &self->chain;
	struct target *delivered, *queued, *at_inner, *queued_at_inner, *t;
	__u64 outer_id, id;

	delivered = spawn_at(_metadata, c, OUTER, call_once, &outer_id);
	queued = spawn_queued_at(_metadata, c, OUTER, call_once);
	at_inner = spawn_at(_metadata, c, INNER, call_once, &id);
	queued_at_inner = spawn_queued_at(_metadata, c, INNER, call_once);
	close_level(_metadata, c, OUTER);
	expect_result(_metadata, delivered, -1, ENOSYS);
	expect_result(_metadata, queued, -1, ENOSYS);

	/* That does not concern who waits at the inner one, ... */
	ASSERT_TRUE(WAIT_FOR(target_waits(at_inner)));
	ASSERT_TRUE(WAIT_FOR(target_waits(queued_at_inner)));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&c->level[INNER]));
	/* ... which cannot let through what the outer one could have denied. */
	let_go(_metadata, c, INNER, id);
	expect_result(_metadata, at_inner, -1, ENOSYS);
	id = hear(_metadata, c, INNER, queued_at_inner, 0);
	answer_with(_metadata, c, INNER, id, ANSWER);
	expect_result(_metadata, queued_at_inner, ANSWER, 0);

	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, INNER, t);
	expect_result(_metadata, t, -1, ENOSYS);
	t = spawn_in_chain(_metadata, c, call_once, 2);
	id = hear(_metadata, c, INNER, t, 0);
	EXPECT_EQ(0, reply(&c->level[INNER], id, 0, -EACCES, 0));
	expect_result(_metadata, t, -1, EACCES);
}

TEST_F(nested, inner_is_closed)
{
	struct chain *c = &self->chain;
	struct target *delivered, *queued, *at_inner, *queued_at_inner, *t;
	__u64 outer_id, id;

	delivered = spawn_at(_metadata, c, OUTER, call_once, &outer_id);
	queued = spawn_queued_at(_metadata, c, OUTER, call_once);
	at_inner = spawn_at(_metadata, c, INNER, call_once, &id);
	queued_at_inner = spawn_queued_at(_metadata, c, INNER, call_once);
	close_level(_metadata, c, INNER);
	expect_result(_metadata, at_inner, -1, ENOSYS);
	expect_result(_metadata, queued_at_inner, -1, ENOSYS);

	/* The inner one has let these through before. */
	ASSERT_TRUE(WAIT_FOR(target_waits(delivered)));
	ASSERT_TRUE(WAIT_FOR(target_waits(queued)));
	EXPECT_EQ(0, id_valid(&c->level[OUTER], outer_id));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&c->level[OUTER]));
	answer_with(_metadata, c, OUTER, outer_id, ANSWER);
	expect_result(_metadata, delivered, ANSWER, 0);
	let_through(_metadata, c, OUTER, queued);
	expect_executed(_metadata, queued);

	/* The answer of one that is closed is ENOSYS, not CONTINUE. */
	t = spawn_in_chain(_metadata, c, call_once, 1);
	expect_result(_metadata, t, -1, ENOSYS);
	expect_silence(_metadata, c, OUTER);
}

TEST_F(nested, target_dies)
{
	struct chain *c = &self->chain;
	struct target *delivered, *queued, *at_inner;
	__u64 outer_id, id;

	delivered = spawn_at(_metadata, c, OUTER, call_with_handler, &outer_id);
	queued = spawn_queued_at(_metadata, c, OUTER, call_with_handler);
	at_inner = spawn_at(_metadata, c, INNER, call_with_handler, &id);
	kill_and_reap(_metadata, queued);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&c->level[OUTER]));
	EXPECT_EQ(-ENOENT, id_valid(&c->level[OUTER], outer_id + 1));
	kill_and_reap(_metadata, delivered);
	expect_gone(_metadata, c, OUTER, outer_id);
	expect_silence(_metadata, c, OUTER);
	/* Whoever waits elsewhere goes on. */
	EXPECT_EQ(POLL_DELIVERED, poll_now(&c->level[INNER]));
	kill_and_reap(_metadata, at_inner);
	expect_gone(_metadata, c, INNER, id);
	expect_silence(_metadata, c, INNER);
	expect_silence(_metadata, c, OUTER);
	expect_chain(_metadata, c, NULL);
}

/* One more listener, which is closed when the call is made. */
static void install_more_and_call(struct target *t)
{
	int fd = install_listener(0);

	if (fd < 0) {
		t->ret = fd;
		return;
	}
	close(fd);
	trapped_call(t);
}

TEST_F(nested, targets_are_bound_too)
{
	struct chain *c = &self->chain;
	struct target *t;

	/* The inner one does not allow it, whoever asks for it. */
	t = spawn_in_chain(_metadata, c, install_more_and_call, 1);
	reap(_metadata, t);
	EXPECT_EQ(0, t->done);
	EXPECT_EQ(-EBUSY, t->ret);
	/* Once it is closed, the outer one allows it. */
	close_level(_metadata, c, INNER);
	t = spawn_in_chain(_metadata, c, install_more_and_call, 2);
	expect_result(_metadata, t, -1, ENOSYS);
	expect_silence(_metadata, c, OUTER);
}

TEST_F(nested, wakes_a_sleeping_reader)
{
	struct chain *c = &self->chain;
	struct target *t;
	struct reader r;
	int ep;

	ep = epoll_on_listener(_metadata, &c->level[OUTER], EPOLLIN | EPOLLET);
	start_sleeping_reader(_metadata, &c->level[OUTER], &r);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, INNER, t);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(t->tid, (pid_t)r.n.pid);
	answer_with(_metadata, c, OUTER, r.n.id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);

	/* And a poller. */
	epoll_events(ep, 0);
	t = spawn_in_chain(_metadata, c, call_once, 2);
	let_through(_metadata, c, INNER, t);
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	let_through(_metadata, c, OUTER, t);
	expect_executed(_metadata, t);
	EXPECT_EQ(0, close(ep));
}

/*
 * Each answer at each of three levels
 */

enum answer_kind {
	VALUE,
	ERROR,
	FD,
};

FIXTURE(nested_answer)
{
	struct chain chain;
	int src;
};

FIXTURE_VARIANT(nested_answer)
{
	int level;		/* the one that answers */
	enum answer_kind kind;
};

FIXTURE_VARIANT_ADD(nested_answer, newest_value)
{
	.level = 2,
	.kind = VALUE,
};

FIXTURE_VARIANT_ADD(nested_answer, newest_error)
{
	.level = 2,
	.kind = ERROR,
};

FIXTURE_VARIANT_ADD(nested_answer, newest_fd)
{
	.level = 2,
	.kind = FD,
};

FIXTURE_VARIANT_ADD(nested_answer, middle_value)
{
	.level = 1,
	.kind = VALUE,
};

FIXTURE_VARIANT_ADD(nested_answer, middle_error)
{
	.level = 1,
	.kind = ERROR,
};

FIXTURE_VARIANT_ADD(nested_answer, middle_fd)
{
	.level = 1,
	.kind = FD,
};

FIXTURE_VARIANT_ADD(nested_answer, oldest_value)
{
	.level = 0,
	.kind = VALUE,
};

FIXTURE_VARIANT_ADD(nested_answer, oldest_error)
{
	.level = 0,
	.kind = ERROR,
};

FIXTURE_VARIANT_ADD(nested_answer, oldest_fd)
{
	.level = 0,
	.kind = FD,
};

FIXTURE_SETUP(nested_answer)
{
	if (!init_nested(_metadata, &self->chain))
		return;
	push(_metadata, &self->chain, ALLOW_NESTED);
	push(_metadata, &self->chain, ALLOW_NESTED);
	push(_metadata, &self->chain, 0);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(nested_answer)
{
	EXPECT_EQ(0, close(self->src));
	end_chain(_metadata, &self->chain);
}

/* If the result is an fd, t->number says which device that is. */
static void call_and_stat(struct target *t)
{
	struct stat st;

	trapped_call(t);
	if (t->ret >= 0 && !fstat(t->ret, &st))
		t->number = st.st_rdev;
}

TEST_F(nested_answer, is_the_result)
{
	struct chain *c = &self->chain;
	int level = variant->level;
	struct supervisor *sup = &c->level[level];
	__u64 before[3], after[3], id;
	struct target *t;
	struct stat st;
	int fd, i;

	expect_chain(_metadata, c, before);
	t = spawn_in_chain(_metadata, c, call_and_stat, 5);
	let_through_to(_metadata, c, level, t);
	id = hear(_metadata, c, level, t, 0);
	switch (variant->kind) {
	case VALUE:
		answer_with(_metadata, c, level, id, ANSWER);
		expect_result(_metadata, t, ANSWER, 0);
		break;
	case ERROR:
		EXPECT_EQ(0, reply(sup, id, 0, -EACCES, 0));
		expect_result(_metadata, t, -1, EACCES);
		break;
	case FD:
		fd = addfd(sup, id, self->src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
		EXPECT_LE(0, fd);
		expect_result(_metadata, t, fd, 0);
		ASSERT_EQ(0, fstat(self->src, &st));
		EXPECT_EQ(st.st_rdev, t->number);
		break;
	}
	for (i = 0; i < 3; i++)
		expect_silence(_metadata, c, i);
	/* Not even for a moment: the ids say how many there were. */
	expect_chain(_metadata, c, after);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(before[i] + (i < level ? 1 : 2), after[i]) {
			TH_LOG("level %d", i);
		}
	}
}

/*
 * Levels that do not trap the same
 */

FIXTURE(nested_traps)
{
	struct chain chain;
	long sid;
};

FIXTURE_SETUP(nested_traps)
{
	if (!init_nested(_metadata, &self->chain))
		return;
	self->sid = getsid(0);
}

FIXTURE_TEARDOWN(nested_traps)
{
	end_chain(_metadata, &self->chain);
}

static void call_both(struct target *t)
{
	trapped_call(t);
	t->number = syscall(NR_OTHER, 0);
}

/* @level is asked about the other call, and lets it through. */
static void let_other_through(struct __test_metadata *_metadata,
			      struct chain *c, int level, struct target *t)
{
	struct seccomp_notif n;

	ASSERT_EQ(0, recv_notif(&c->level[level], &n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(NR_OTHER, n.data.nr);
	EXPECT_EQ(1, t->done);
	let_go(_metadata, c, level, n.id);
}

TEST_F(nested_traps, only_the_outer_one)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push(_metadata, c, ALLOW_NESTED);
	push_action(_metadata, c, 0, NR_OTHER, SECCOMP_RET_USER_NOTIF);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	id = hear(_metadata, c, OUTER, t, 0);
	expect_silence(_metadata, c, INNER);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, OUTER, t);
	expect_executed(_metadata, t);
	expect_silence(_metadata, c, INNER);
}

TEST_F(nested_traps, only_the_inner_one)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_action(_metadata, c, ALLOW_NESTED, NR_OTHER,
		    SECCOMP_RET_USER_NOTIF);
	push(_metadata, c, 0);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	id = hear(_metadata, c, INNER, t, 0);
	answer_with(_metadata, c, INNER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	/* The outer filter allows it: nobody is to be asked. */
	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, INNER, t);
	expect_executed(_metadata, t);
	expect_silence(_metadata, c, OUTER);
}

TEST_F(nested_traps, one_each)
{
	struct chain *c = &self->chain;
	struct target *t;

	push(_metadata, c, ALLOW_NESTED);
	push_action(_metadata, c, 0, NR_OTHER, SECCOMP_RET_USER_NOTIF);
	t = spawn_in_chain(_metadata, c, call_both, 1);
	let_through(_metadata, c, OUTER, t);
	let_other_through(_metadata, c, INNER, t);
	expect_executed(_metadata, t);
	EXPECT_EQ(self->sid, (long)t->number);
	expect_silence(_metadata, c, OUTER);
	expect_silence(_metadata, c, INNER);
}

/* One in the middle that does not trap it is passed over. */
TEST_F(nested_traps, not_the_middle_one)
{
	struct chain *c = &self->chain;
	struct target *t;

	push(_metadata, c, ALLOW_NESTED);
	push_action(_metadata, c, ALLOW_NESTED, NR_OTHER,
		    SECCOMP_RET_USER_NOTIF);
	push(_metadata, c, 0);
	t = spawn_in_chain(_metadata, c, call_both, 1);
	let_through(_metadata, c, 2, t);
	let_through(_metadata, c, 0, t);
	let_other_through(_metadata, c, 1, t);
	expect_executed(_metadata, t);
	EXPECT_EQ(self->sid, (long)t->number);
	/* Also if it is closed: it had nothing to say. */
	close_level(_metadata, c, 1);
	expect_chain(_metadata, c, NULL);
	expect_silence(_metadata, c, 0);
	expect_silence(_metadata, c, 2);
}

/* Closed before the newest one came: it hides nothing that is older. */
TEST_F(nested_traps, not_the_closed_middle_one)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push(_metadata, c, ALLOW_NESTED);
	push_action(_metadata, c, 0, NR_OTHER, SECCOMP_RET_USER_NOTIF);
	close_level(_metadata, c, 1);
	push(_metadata, c, 0);
	expect_chain(_metadata, c, NULL);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, 2, t);
	id = hear(_metadata, c, OUTER, t, 0);
	EXPECT_EQ(0, reply(&c->level[OUTER], id, 0, -EACCES, 0));
	expect_result(_metadata, t, -1, EACCES);
	expect_silence(_metadata, c, 2);
}

/* However many filters without a listener there are between two levels. */
TEST_F(nested_traps, filters_between)
{
	struct chain *c = &self->chain;
	int i;

	push(_metadata, c, ALLOW_NESTED);
	for (i = 0; i < 2; i++)
		add_filter(_metadata, NR_OTHER, SECCOMP_RET_LOG);
	push(_metadata, c, ALLOW_NESTED);
	for (i = 0; i < 3; i++)
		add_filter(_metadata, NR_OTHER, SECCOMP_RET_LOG);
	push(_metadata, c, 0);
	expect_chain(_metadata, c, NULL);
	for (i = 0; i < 3; i++)
		expect_silence(_metadata, c, i);
}

/*
 * A filter that is stricter than USER_NOTIF, at any place
 */

FIXTURE(nested_stricter)
{
	struct chain chain;
};

FIXTURE_VARIANT(nested_stricter)
{
	int place;		/* how many listeners are older */
	unsigned int action;
};

FIXTURE_VARIANT_ADD(nested_stricter, errno_oldest)
{
	.place = 0,
	.action = SECCOMP_RET_ERRNO | EPERM,
};

FIXTURE_VARIANT_ADD(nested_stricter, errno_between)
{
	.place = 1,
	.action = SECCOMP_RET_ERRNO | EPERM,
};

FIXTURE_VARIANT_ADD(nested_stricter, errno_newest)
{
	.place = 2,
	.action = SECCOMP_RET_ERRNO | EPERM,
};

FIXTURE_VARIANT_ADD(nested_stricter, trap_between)
{
	.place = 1,
	.action = SECCOMP_RET_TRAP,
};

FIXTURE_VARIANT_ADD(nested_stricter, kill_between)
{
	.place = 1,
	.action = SECCOMP_RET_KILL_PROCESS,
};

/* Two levels, with a filter that has no listener where @place says. */
static void push_two_and_filter(struct __test_metadata *_metadata,
				struct chain *c, int place, unsigned int action)
{
	if (place == 0)
		add_filter(_metadata, NR_TRAPPED, action);
	push(_metadata, c, ALLOW_NESTED);
	if (place == 1)
		add_filter(_metadata, NR_TRAPPED, action);
	push(_metadata, c, 0);
	if (place == 2)
		add_filter(_metadata, NR_TRAPPED, action);
}

FIXTURE_SETUP(nested_stricter)
{
	if (!init_nested(_metadata, &self->chain))
		return;
	push_two_and_filter(_metadata, &self->chain, variant->place,
			    variant->action);
}

FIXTURE_TEARDOWN(nested_stricter)
{
	end_chain(_metadata, &self->chain);
}

/* With a handler for SIGSYS, and without a core dump. */
static void call_and_expect_sigsys(struct target *t)
{
	struct rlimit none = {};

	setrlimit(RLIMIT_CORE, &none);
	handle_signal(SIGSYS, 0);
	trapped_call(t);
}

TEST_F(nested_stricter, nobody_is_asked)
{
	struct chain *c = &self->chain;
	struct target *t;
	int i;

	t = spawn_in_chain(_metadata, c, call_and_expect_sigsys, 1);
	switch (variant->action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ERRNO:
		expect_result(_metadata, t, -1, EPERM);
		EXPECT_EQ(0, t->handled);
		break;
	case SECCOMP_RET_TRAP:
		reap(_metadata, t);
		EXPECT_EQ(1, t->done);
		EXPECT_EQ(1, t->handled);
		break;
	default:
		/* A core may have been dumped all the same. */
		ASSERT_EQ(t->tid, waitpid(t->tid, &t->status, 0));
		t->tid = 0;
		EXPECT_TRUE(WIFSIGNALED(t->status));
		EXPECT_EQ(SIGSYS, WTERMSIG(t->status));
		EXPECT_EQ(0, t->done);
		EXPECT_EQ(0, t->handled);
		break;
	}
	for (i = 0; i < 2; i++)
		expect_silence(_metadata, c, i);
}

/*
 * A filter that is less strict than USER_NOTIF, at any place: it has no say
 */

FIXTURE(nested_less_strict)
{
	struct chain chain;
};

FIXTURE_VARIANT(nested_less_strict)
{
	int place;
	unsigned int action;
};

FIXTURE_VARIANT_ADD(nested_less_strict, trace_oldest)
{
	.place = 0,
	.action = SECCOMP_RET_TRACE,
};

FIXTURE_VARIANT_ADD(nested_less_strict, trace_between)
{
	.place = 1,
	.action = SECCOMP_RET_TRACE,
};

FIXTURE_VARIANT_ADD(nested_less_strict, trace_newest)
{
	.place = 2,
	.action = SECCOMP_RET_TRACE,
};

FIXTURE_VARIANT_ADD(nested_less_strict, log_between)
{
	.place = 1,
	.action = SECCOMP_RET_LOG,
};

FIXTURE_VARIANT_ADD(nested_less_strict, allow_between)
{
	.place = 1,
	.action = SECCOMP_RET_ALLOW,
};

FIXTURE_SETUP(nested_less_strict)
{
	if (!init_nested(_metadata, &self->chain))
		return;
	push_two_and_filter(_metadata, &self->chain, variant->place,
			    variant->action);
}

FIXTURE_TEARDOWN(nested_less_strict)
{
	end_chain(_metadata, &self->chain);
}

/* Without a tracer, TRACE alone would give ENOSYS. */
TEST_F(nested_less_strict, is_passed_over)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	expect_chain(_metadata, c, NULL);
	t = spawn_at(_metadata, c, OUTER, call_once, &id);
	EXPECT_EQ(0, reply(&c->level[OUTER], id, 0, -EACCES, 0));
	expect_result(_metadata, t, -1, EACCES);
	t = spawn_at(_metadata, c, INNER, call_once, &id);
	answer_with(_metadata, c, INNER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	expect_silence(_metadata, c, OUTER);
}

/*
 * The data that an action carries does not make it another one
 */

FIXTURE(nested_data)
{
	struct chain chain;
};

FIXTURE_VARIANT(nested_data)
{
	unsigned int outer;
	unsigned int inner;
};

FIXTURE_VARIANT_ADD(nested_data, at_outer)
{
	.outer = 5,
};

FIXTURE_VARIANT_ADD(nested_data, at_inner)
{
	.inner = 5,
};

FIXTURE_VARIANT_ADD(nested_data, at_both)
{
	.outer = SECCOMP_RET_DATA,
	.inner = 1,
};

FIXTURE_SETUP(nested_data)
{
	if (!init_nested(_metadata, &self->chain))
		return;
	push_action(_metadata, &self->chain, ALLOW_NESTED, NR_TRAPPED,
		    SECCOMP_RET_USER_NOTIF | variant->outer);
	push_action(_metadata, &self->chain, 0, NR_TRAPPED,
		    SECCOMP_RET_USER_NOTIF | variant->inner);
}

FIXTURE_TEARDOWN(nested_data)
{
	end_chain(_metadata, &self->chain);
}

TEST_F(nested_data, is_ignored)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	expect_chain(_metadata, c, NULL);
	t = spawn_at(_metadata, c, INNER, call_once, &id);
	answer_with(_metadata, c, INNER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	t = spawn_at(_metadata, c, OUTER, call_once, &id);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
}

/*
 * Filters that say USER_NOTIF but have no open listener
 */

FIXTURE(nested_gap)
{
	struct chain chain;
};

FIXTURE_SETUP(nested_gap)
{
	init_nested(_metadata, &self->chain);
}

FIXTURE_TEARDOWN(nested_gap)
{
	end_chain(_metadata, &self->chain);
}

/* The newest level decides alone, or gets ENOSYS if it wants others to. */
static void expect_gap_after_newest(struct __test_metadata *_metadata,
				    struct chain *c)
{
	int i, newest = c->depth - 1;
	struct target *t;
	__u64 id;

	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, newest, t);
	expect_result(_metadata, t, -1, ENOSYS);
	t = spawn_at(_metadata, c, newest, call_once, &id);
	answer_with(_metadata, c, newest, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	for (i = 0; i <= newest; i++) {
		if (c->level[i].listener >= 0)
			expect_silence(_metadata, c, i);
	}
}

TEST_F(nested_gap, between_without_listener)
{
	push_two_and_filter(_metadata, &self->chain, 1, SECCOMP_RET_USER_NOTIF);
	expect_gap_after_newest(_metadata, &self->chain);
}

TEST_F(nested_gap, between_closed)
{
	struct chain *c = &self->chain;

	push(_metadata, c, ALLOW_NESTED);
	push(_metadata, c, ALLOW_NESTED);
	push(_metadata, c, 0);
	expect_chain(_metadata, c, NULL);
	close_level(_metadata, c, 1);
	expect_gap_after_newest(_metadata, c);
}

/* It allowed none after it, and was closed before there was another. */
TEST_F(nested_gap, between_closed_and_replaced)
{
	struct chain *c = &self->chain;

	push(_metadata, c, ALLOW_NESTED);
	push(_metadata, c, 0);
	expect_chain(_metadata, c, NULL);
	close_level(_metadata, c, 1);
	push(_metadata, c, 0);
	expect_gap_after_newest(_metadata, c);
}

TEST_F(nested_gap, oldest_closed)
{
	struct chain *c = &self->chain;

	push_two(_metadata, c, 0, 0);
	expect_chain(_metadata, c, NULL);
	close_level(_metadata, c, OUTER);
	expect_gap_after_newest(_metadata, c);
}

/* Whoever has allowed others to be asked before it is asked itself. */
TEST_F(nested_gap, closed_before_the_next)
{
	struct chain *c = &self->chain;

	push(_metadata, c, ALLOW_NESTED);
	close_level(_metadata, c, OUTER);
	push(_metadata, c, 0);
	expect_gap_after_newest(_metadata, c);
}

/* The closed one is the oldest, and this one is between it and another. */
TEST_F(nested_gap, without_listener_after_closed)
{
	struct chain *c = &self->chain;

	push_action(_metadata, c, ALLOW_NESTED, NR_OTHER,
		    SECCOMP_RET_USER_NOTIF);
	add_filter(_metadata, NR_TRAPPED, SECCOMP_RET_USER_NOTIF);
	push(_metadata, c, 0);
	close_level(_metadata, c, OUTER);
	expect_gap_after_newest(_metadata, c);
}

TEST_F(nested_gap, newest_without_listener)
{
	struct chain *c = &self->chain;
	struct target *t;

	push_two_and_filter(_metadata, c, 2, SECCOMP_RET_USER_NOTIF);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	expect_result(_metadata, t, -1, ENOSYS);
	expect_silence(_metadata, c, INNER);
	expect_silence(_metadata, c, OUTER);
}

TEST_F(nested_gap, newest_closed)
{
	struct chain *c = &self->chain;
	struct target *t;

	push_two(_metadata, c, 0, 0);
	close_level(_metadata, c, INNER);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	expect_result(_metadata, t, -1, ENOSYS);
	expect_silence(_metadata, c, OUTER);
}

/* What is older than the oldest listener has no say. */
TEST_F(nested_gap, oldest_without_listener)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two_and_filter(_metadata, c, 0, SECCOMP_RET_USER_NOTIF);
	expect_chain(_metadata, c, NULL);
	t = spawn_at(_metadata, c, OUTER, call_once, &id);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
}

/*
 * One open listener. The flag plays no part here: this is not about it
 */

FIXTURE(unnested)
{
	struct chain chain;
};

FIXTURE_SETUP(unnested)
{
	init_chain(_metadata, &self->chain);
}

FIXTURE_TEARDOWN(unnested)
{
	end_chain(_metadata, &self->chain);
}

TEST_F(unnested, older_has_no_say)
{
	struct chain *c = &self->chain;

	add_filter(_metadata, NR_TRAPPED, SECCOMP_RET_USER_NOTIF);
	add_filter(_metadata, NR_TRAPPED, SECCOMP_RET_TRACE);
	push(_metadata, c, 0);
	expect_chain(_metadata, c, NULL);
}

/* An older one was closed before this one was installed, in place of it. */
TEST_F(unnested, older_closed)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push(_metadata, c, 0);
	close_level(_metadata, c, 0);
	push(_metadata, c, 0);
	t = spawn_at(_metadata, c, 1, call_once, &id);
	answer_with(_metadata, c, 1, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);

	t = spawn_in_chain(_metadata, c, call_once, 1);
	let_through(_metadata, c, 1, t);
	reap(_metadata, t);
	EXPECT_EQ(1, t->done);
	EXPECT_EQ(getpid(), t->ret);
}

TEST_F(unnested, newer_without_listener)
{
	struct chain *c = &self->chain;
	struct target *t;

	push(_metadata, c, 0);
	add_filter(_metadata, NR_TRAPPED, SECCOMP_RET_USER_NOTIF);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	expect_result(_metadata, t, -1, ENOSYS);
	expect_silence(_metadata, c, OUTER);
}

/*
 * Signals
 */

FIXTURE(nested_signal)
{
	struct chain chain;
};

FIXTURE_SETUP(nested_signal)
{
	init_nested(_metadata, &self->chain);
}

FIXTURE_TEARDOWN(nested_signal)
{
	end_chain(_metadata, &self->chain);
}

/* At @level, a signal interrupts who waits there, queued or delivered. */
static void expect_eintr_at(struct __test_metadata *_metadata, struct chain *c,
			    int level)
{
	struct target *t;
	__u64 id;

	t = spawn_queued_at(_metadata, c, level, call_with_handler);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_interrupted(_metadata, c, t);

	t = spawn_at(_metadata, c, level, call_with_handler, &id);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_interrupted(_metadata, c, t);
	expect_gone(_metadata, c, level, id);
}

/* With SA_RESTART, the newest level is asked again. */
static void expect_restart_at(struct __test_metadata *_metadata,
			      struct chain *c, int level, bool is_delivered)
{
	__u64 first, again, id = 0;
	struct target *t;

	t = spawn_in_chain(_metadata, c, call_with_restart, 1);
	first = hear(_metadata, c, INNER, t, 0);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	if (level == OUTER) {
		let_go(_metadata, c, INNER, first);
		wait_queued(_metadata, c, OUTER, t);
		if (is_delivered)
			id = hear(_metadata, c, OUTER, t, 0);
	}
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	again = hear(_metadata, c, INNER, t, 0);
	EXPECT_EQ(first + 1, again);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(0, t->done);
	/* What the outer one was asked is over. */
	expect_silence(_metadata, c, OUTER);
	expect_gone(_metadata, c, INNER, first);
	if (id)
		expect_gone(_metadata, c, OUTER, id);
	let_go(_metadata, c, INNER, again);
	again = hear(_metadata, c, OUTER, t, 0);
	if (id)
		EXPECT_EQ(id + 1, again);
	answer_with(_metadata, c, OUTER, again, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	EXPECT_EQ(1, t->handled);
}

TEST_F(nested_signal, interrupts_at_both)
{
	push_two(_metadata, &self->chain, 0, 0);
	expect_eintr_at(_metadata, &self->chain, INNER);
	expect_eintr_at(_metadata, &self->chain, OUTER);
}

TEST_F(nested_signal, restarts_with_the_newest)
{
	push_two(_metadata, &self->chain, 0, 0);
	expect_restart_at(_metadata, &self->chain, INNER, true);
	expect_restart_at(_metadata, &self->chain, OUTER, false);
	expect_restart_at(_metadata, &self->chain, OUTER, true);
}

TEST_F(nested_signal, blocked_and_ignored_are_none)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two(_metadata, c, 0, 0);
	t = spawn_at(_metadata, c, INNER, call_without_signals, &id);
	send_blocked_and_ignored(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	/* Still pending, but blocked, when the outer one is asked. */
	let_go(_metadata, c, INNER, id);
	id = hear(_metadata, c, OUTER, t, 0);
	send_blocked_and_ignored(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	expect_silence(_metadata, c, INNER);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	EXPECT_EQ(1, t->handled);
}

TEST_F(nested_signal, inner_waits_killable)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two(_metadata, c, 0, KILLABLE_RECV);
	t = spawn_at(_metadata, c, INNER, call_with_handler, &id);
	signal_target(_metadata, t);
	EXPECT_EQ(0, id_valid(&c->level[INNER], id));
	expect_silence(_metadata, c, OUTER);
	answer_with(_metadata, c, INNER, id, ANSWER);
	expect_handled(_metadata, t, ANSWER, 0);

	/* The signal that the inner one has kept off is for the outer one. */
	t = spawn_at(_metadata, c, INNER, call_with_handler, &id);
	signal_target(_metadata, t);
	let_go(_metadata, c, INNER, id);
	expect_interrupted(_metadata, c, t);

	/* It promises nothing for the outer one. */
	expect_eintr_at(_metadata, c, OUTER);
}

TEST_F(nested_signal, outer_waits_killable)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two(_metadata, c, KILLABLE_RECV, 0);
	expect_eintr_at(_metadata, c, INNER);

	t = spawn_at(_metadata, c, OUTER, call_with_handler, &id);
	signal_target(_metadata, t);
	EXPECT_EQ(0, id_valid(&c->level[OUTER], id));
	expect_silence(_metadata, c, INNER);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_handled(_metadata, t, ANSWER, 0);

	t = spawn_at(_metadata, c, OUTER, call_with_handler, &id);
	signal_target(_metadata, t);
	let_go(_metadata, c, OUTER, id);
	expect_handled(_metadata, t, getpid(), 0);

	/* Only what was received is waited for. */
	t = spawn_queued_at(_metadata, c, OUTER, call_with_handler);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_interrupted(_metadata, c, t);
}

/* WAIT_KILLABLE is a matter of one filter, too, and of who is queued there. */
TEST_F(nested_signal, inner_waits_killable_from_the_start)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two(_metadata, c, 0, KILLABLE);
	t = spawn_queued_at(_metadata, c, INNER, call_with_handler);
	signal_target(_metadata, t);
	EXPECT_EQ(POLL_QUEUED, poll_now(&c->level[INNER]));
	expect_silence(_metadata, c, OUTER);
	id = hear(_metadata, c, INNER, t, 0);
	answer_with(_metadata, c, INNER, id, ANSWER);
	expect_handled(_metadata, t, ANSWER, 0);

	/* The signal that the inner one has kept off is for the outer one. */
	t = spawn_queued_at(_metadata, c, INNER, call_with_handler);
	signal_target(_metadata, t);
	let_through(_metadata, c, INNER, t);
	expect_interrupted(_metadata, c, t);

	/* It promises nothing for the outer one. */
	expect_eintr_at(_metadata, c, OUTER);
}

TEST_F(nested_signal, outer_waits_killable_from_the_start)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two(_metadata, c, KILLABLE, 0);
	expect_eintr_at(_metadata, c, INNER);

	t = spawn_queued_at(_metadata, c, OUTER, call_with_handler);
	signal_target(_metadata, t);
	EXPECT_EQ(POLL_QUEUED, poll_now(&c->level[OUTER]));
	expect_silence(_metadata, c, INNER);
	id = hear(_metadata, c, OUTER, t, 0);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_handled(_metadata, t, ANSWER, 0);

	t = spawn_at(_metadata, c, OUTER, call_with_handler, &id);
	signal_target(_metadata, t);
	EXPECT_EQ(0, id_valid(&c->level[OUTER], id));
	let_go(_metadata, c, OUTER, id);
	expect_handled(_metadata, t, getpid(), 0);
	expect_silence(_metadata, c, INNER);
	expect_silence(_metadata, c, OUTER);
}

TEST_F(nested_signal, killable_is_killed_at_both)
{
	struct chain *c = &self->chain;
	struct target *inner, *outer;
	__u64 id, outer_id;

	push_two(_metadata, c, KILLABLE_RECV, KILLABLE_RECV);
	outer = spawn_at(_metadata, c, OUTER, call_with_handler, &outer_id);
	inner = spawn_at(_metadata, c, INNER, call_with_handler, &id);
	signal_target(_metadata, outer);
	signal_target(_metadata, inner);
	kill_and_reap(_metadata, outer);
	expect_gone(_metadata, c, OUTER, outer_id);
	expect_silence(_metadata, c, OUTER);
	EXPECT_EQ(0, id_valid(&c->level[INNER], id));
	kill_and_reap(_metadata, inner);
	expect_gone(_metadata, c, INNER, id);
	EXPECT_EQ(0, outer->handled + inner->handled);
}

TEST_F(nested_signal, outer_is_told)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two(_metadata, c, 0, 0);
	ASSERT_EQ(0, set_flags(&c->level[OUTER],
			       SECCOMP_USER_NOTIF_FD_SIGNALED));
	expect_eintr_at(_metadata, c, INNER);

	t = spawn_at(_metadata, c, OUTER, call_with_handler, &id);
	signal_target(_metadata, t);
	expect_silence(_metadata, c, INNER);
	EXPECT_EQ(id, hear(_metadata, c, OUTER, t, SIGNALED));
	expect_silence(_metadata, c, INNER);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_handled(_metadata, t, ANSWER, 0);

	t = spawn_queued_at(_metadata, c, OUTER, call_with_handler);
	signal_target(_metadata, t);
	id = hear(_metadata, c, OUTER, t, SIGNALED);
	expect_silence(_metadata, c, INNER);
	let_go(_metadata, c, OUTER, id);
	expect_handled(_metadata, t, getpid(), 0);
}

TEST_F(nested_signal, inner_is_told)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two(_metadata, c, 0, 0);
	ASSERT_EQ(0, set_flags(&c->level[INNER],
			       SECCOMP_USER_NOTIF_FD_SIGNALED));
	expect_eintr_at(_metadata, c, OUTER);

	t = spawn_at(_metadata, c, INNER, call_with_handler, &id);
	signal_target(_metadata, t);
	EXPECT_EQ(id, hear(_metadata, c, INNER, t, SIGNALED));
	expect_silence(_metadata, c, OUTER);
	answer_with(_metadata, c, INNER, id, ANSWER);
	expect_handled(_metadata, t, ANSWER, 0);

	/* The outer one has not asked to hear of it: it interrupts there. */
	t = spawn_at(_metadata, c, INNER, call_with_handler, &id);
	signal_target(_metadata, t);
	EXPECT_EQ(id, hear(_metadata, c, INNER, t, SIGNALED));
	let_go(_metadata, c, INNER, id);
	expect_interrupted(_metadata, c, t);

	/* The flag belongs to that notification, not to the call. */
	t = spawn_at(_metadata, c, INNER, call_with_restart, &id);
	signal_target(_metadata, t);
	EXPECT_EQ(id, hear(_metadata, c, INNER, t, SIGNALED));
	let_go(_metadata, c, INNER, id);
	EXPECT_EQ(id + 1, let_through(_metadata, c, INNER, t));
	EXPECT_EQ(1, t->handled);
	id = hear(_metadata, c, OUTER, t, 0);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	EXPECT_EQ(1, t->handled);
}

TEST_F(nested_signal, both_are_told)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push_two(_metadata, c, 0, 0);
	ASSERT_EQ(0, set_flags(&c->level[INNER],
			       SECCOMP_USER_NOTIF_FD_SIGNALED));
	ASSERT_EQ(0, set_flags(&c->level[OUTER],
			       SECCOMP_USER_NOTIF_FD_SIGNALED));

	/* The signal is still pending when the outer one is asked. */
	t = spawn_at(_metadata, c, INNER, call_with_handler, &id);
	signal_target(_metadata, t);
	EXPECT_EQ(id, hear(_metadata, c, INNER, t, SIGNALED));
	let_go(_metadata, c, INNER, id);
	/* In this order: it sleeps in the same way at the inner one. */
	ASSERT_TRUE(WAIT_FOR(poll_now(&c->level[OUTER]) & POLLIN &&
			     target_waits_killable(t)));
	id = hear(_metadata, c, OUTER, t, SIGNALED);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&c->level[OUTER]));
	expect_silence(_metadata, c, INNER);
	EXPECT_EQ(0, t->handled);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_handled(_metadata, t, ANSWER, 0);

	/* One that comes later is for the outer one alone. */
	t = spawn_at(_metadata, c, OUTER, call_with_handler, &id);
	signal_target(_metadata, t);
	EXPECT_EQ(id, hear(_metadata, c, OUTER, t, SIGNALED));
	expect_silence(_metadata, c, INNER);
	EXPECT_EQ(0, reply(&c->level[OUTER], id, 0, -EINTR, 0));
	expect_handled(_metadata, t, -1, EINTR);
	expect_silence(_metadata, c, INNER);
	expect_silence(_metadata, c, OUTER);
}

/*
 * A supervisor that is a target itself
 */

FIXTURE(nested_supervisor)
{
	struct chain chain;
};

FIXTURE_VARIANT(nested_supervisor)
{
	bool lets_through;
};

FIXTURE_VARIANT_ADD(nested_supervisor, answers)
{
	.lets_through = false,
};

FIXTURE_VARIANT_ADD(nested_supervisor, lets_through)
{
	.lets_through = true,
};

FIXTURE_SETUP(nested_supervisor)
{
	if (!init_nested(_metadata, &self->chain))
		return;
	push(_metadata, &self->chain, ALLOW_NESTED);
}

FIXTURE_TEARDOWN(nested_supervisor)
{
	end_chain(_metadata, &self->chain);
}

/*
 * Serves one notification of a child, the next target, that installs a filter.
 * Meanwhile it makes a call of its own, which the outer supervisor answers.
 */
static void serve_own_child(struct target *t)
{
	struct supervisor *sup = t->sup;
	struct target *child = t + 1;
	struct seccomp_notif n;
	pid_t pid;
	int ret;

	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		this_target = child;
		ATOMIC_SET(child->tid, getpid());
		install_and_call(child);
		_exit(0);
	}
	if (pid < 0)
		_exit(1);
	while (ATOMIC_GET(child->fd) == -1)
		usleep(100);
	sup->listener = take_fd(pid, child->fd);
	if (sup->listener < 0)
		_exit(2);
	ATOMIC_SET(child->stop, 1);
	if (recv_notif(sup, &n) || (pid_t)n.pid != pid)
		_exit(3);
	trapped_call(t);
	if (t->number)
		ret = reply_continue(sup, n.id);
	else
		ret = reply_value(sup, n.id, t->ret + 1);
	if (ret)
		_exit(4);
	if (waitpid(pid, &child->status, 0) != pid || child->status)
		_exit(5);
}

TEST_F(nested_supervisor, is_a_target_itself)
{
	struct chain *c = &self->chain;
	struct target *t, *child;
	__u64 id;

	t = new_target(_metadata, &c->level[OUTER], serve_own_child, 5);
	child = new_target(_metadata, &c->level[OUTER], NULL, 6);
	t->number = variant->lets_through;
	start_target(_metadata, t);
	/* The child's notification is with the inner supervisor. */
	id = hear(_metadata, c, OUTER, t, 0);
	EXPECT_EQ(0, child->done);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	if (variant->lets_through) {
		id = hear(_metadata, c, OUTER, child, 0);
		answer_with(_metadata, c, OUTER, id, ANSWER + 1);
	}
	expect_result(_metadata, t, ANSWER, 0);
	/* It has reaped its child. */
	child->tid = 0;
	EXPECT_EQ(1, child->done);
	EXPECT_EQ(ANSWER + 1, child->ret);
	EXPECT_EQ(0, child->err);
	expect_silence(_metadata, c, OUTER);
}

/*
 * A long chain
 */

FIXTURE(nested_deep)
{
	struct chain chain;
};

FIXTURE_SETUP(nested_deep)
{
	int i;

	if (!init_nested(_metadata, &self->chain))
		return;
	for (i = 0; i < MAX_DEPTH; i++)
		push(_metadata, &self->chain, ALLOW_NESTED);
}

FIXTURE_TEARDOWN(nested_deep)
{
	end_chain(_metadata, &self->chain);
}

static void expect_nothing_but(struct __test_metadata *_metadata,
			       struct chain *c, int level)
{
	int i;

	for (i = 0; i < c->depth; i++) {
		if (i == level)
			continue;
		EXPECT_EQ(0, poll_now(&c->level[i])) {
			TH_LOG("level %d, when %d is asked", i, level);
		}
	}
}

TEST_F(nested_deep, newest_to_oldest)
{
	struct chain *c = &self->chain;
	__u64 first[MAX_DEPTH], id;
	struct target *t;
	int i;

	expect_chain(_metadata, c, first);
	t = spawn_in_chain(_metadata, c, call_once, 1);
	for (i = MAX_DEPTH - 1; i >= 0; i--) {
		id = hear(_metadata, c, i, t, 0);
		/* Once each. */
		EXPECT_EQ(first[i] + 1, id);
		EXPECT_EQ(POLL_DELIVERED, poll_now(&c->level[i]));
		expect_nothing_but(_metadata, c, i);
		let_go(_metadata, c, i, id);
	}
	expect_executed(_metadata, t);
	expect_nothing_but(_metadata, c, -1);
}

TEST_F(nested_deep, one_denies)
{
	static const int denies[] = { MAX_DEPTH - 1, MAX_DEPTH / 2, 1, 0 };
	struct chain *c = &self->chain;
	__u64 first[MAX_DEPTH], last[MAX_DEPTH], id;
	struct target *t;
	unsigned int i;
	int j;

	for (i = 0; i < ARRAY_SIZE(denies); i++) {
		expect_chain(_metadata, c, first);
		t = spawn_at(_metadata, c, denies[i], call_once, &id);
		EXPECT_EQ(0, reply(&c->level[denies[i]], id, 0, -EPERM, 0));
		expect_result(_metadata, t, -1, EPERM);
		expect_nothing_but(_metadata, c, -1);
		expect_chain(_metadata, c, last);
		for (j = 0; j < MAX_DEPTH; j++) {
			EXPECT_EQ(first[j] + (j < denies[i] ? 1 : 2), last[j]) {
				TH_LOG("level %d, %d denies", j, denies[i]);
			}
		}
	}
}

TEST_F(nested_deep, dies_at_the_oldest)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	t = spawn_at(_metadata, c, OUTER, call_once, &id);
	kill_and_reap(_metadata, t);
	expect_gone(_metadata, c, OUTER, id);
	expect_nothing_but(_metadata, c, -1);
}

/*
 * The last task: this process does not use the filters
 */

FIXTURE(nested_last_task)
{
	struct chain chain;
};

FIXTURE_SETUP(nested_last_task)
{
	init_nested(_metadata, &self->chain);
}

FIXTURE_TEARDOWN(nested_last_task)
{
	end_chain(_metadata, &self->chain);
}

/* The listeners are in t->fd and t->number until t->stop is set. */
static void install_two_and_call(struct target *t)
{
	int outer = install_listener(ALLOW_NESTED);
	int inner = install_listener(0);

	t->number = inner;
	ATOMIC_SET(t->fd, outer);
	while (!ATOMIC_GET(t->stop))
		usleep(100);
	close(inner);
	close(outer);
	trapped_call(t);
}

static void expect_unused(struct __test_metadata *_metadata, struct chain *c,
			  int level)
{
	struct seccomp_notif n;

	EXPECT_EQ(POLLHUP, poll_fd(c->level[level].listener, GUARD * 1000));
	EXPECT_EQ(-ENOENT, recv_notif(&c->level[level], &n));
}

TEST_F(nested_last_task, all_are_told)
{
	struct chain *c = &self->chain;
	struct reader r[2];
	struct target *t;
	__u64 id;
	int i;

	t = spawn(_metadata, &c->level[OUTER], install_two_and_call, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
	ASSERT_LE(0, t->fd);
	ASSERT_LE(0, (int)t->number);
	use_listener(_metadata, &c->level[OUTER], take_fd(t->tid, t->fd));
	use_listener(_metadata, &c->level[INNER], take_fd(t->tid, t->number));
	c->depth = 2;
	ATOMIC_SET(t->stop, 1);
	id = hear(_metadata, c, INNER, t, 0);
	for (i = 0; i < 2; i++)
		start_sleeping_reader(_metadata, &c->level[i], &r[i]);
	answer_with(_metadata, c, INNER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	for (i = 0; i < 2; i++) {
		join_reader(_metadata, &r[i]);
		EXPECT_EQ(-ENOENT, r[i].ret);
		expect_unused(_metadata, c, i);
	}
}

TEST_F(nested_last_task, killed_at_the_outer_one)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;
	int i;

	t = spawn(_metadata, &c->level[OUTER], install_two_and_call, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
	use_listener(_metadata, &c->level[OUTER], take_fd(t->tid, t->fd));
	use_listener(_metadata, &c->level[INNER], take_fd(t->tid, t->number));
	c->depth = 2;
	ATOMIC_SET(t->stop, 1);
	let_through(_metadata, c, INNER, t);
	id = hear(_metadata, c, OUTER, t, 0);
	kill_and_reap(_metadata, t);
	for (i = 0; i < 2; i++)
		expect_unused(_metadata, c, i);
	expect_gone(_metadata, c, OUTER, id);
}

/* This process uses the outer filter, but not the inner one. */
TEST_F(nested_last_task, only_of_the_inner_one)
{
	struct chain *c = &self->chain;
	struct target *t;
	__u64 id;

	push(_metadata, c, ALLOW_NESTED);
	t = spawn(_metadata, &c->level[OUTER], install_and_call, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
	use_listener(_metadata, &c->level[INNER], take_fd(t->tid, t->fd));
	c->depth = 2;
	ATOMIC_SET(t->stop, 1);
	let_through(_metadata, c, INNER, t);
	id = hear(_metadata, c, OUTER, t, 0);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	expect_unused(_metadata, c, INNER);
	expect_silence(_metadata, c, OUTER);
	/* Other targets of the outer one have nothing to do with the inner. */
	t = spawn_in_chain(_metadata, c, call_once, 2);
	id = hear(_metadata, c, OUTER, t, 0);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, t, ANSWER, 0);
	expect_unused(_metadata, c, INNER);
}

/*
 * TSYNC
 */

FIXTURE(nested_tsync)
{
	struct chain chain;
	pid_t ppid;		/* what the call gives to threads */
};

FIXTURE_SETUP(nested_tsync)
{
	if (!init_nested(_metadata, &self->chain))
		return;
	self->ppid = getppid();
}

FIXTURE_TEARDOWN(nested_tsync)
{
	end_chain(_metadata, &self->chain);
}

static void call_when_told(struct target *t)
{
	while (!ATOMIC_GET(t->stop))
		usleep(100);
	trapped_call(t);
}

/* t->number says whether it installs a filter of its own. */
static void diverge_and_call_when_told(struct target *t)
{
	t->number = install_action(0, -1, NR_OTHER, SECCOMP_RET_LOG);
	ATOMIC_INC(t->done);
	call_when_told(t);
}

static struct target *spawn_caller(struct __test_metadata *_metadata,
				   struct chain *c, unsigned long arg)
{
	return spawn_thread(_metadata, &c->level[OUTER], call_when_told, arg);
}

/* A thread to which all levels in turn apply. */
static void expect_thread_in_chain(struct __test_metadata *_metadata,
				   struct chain *c, struct target *t,
				   pid_t ppid)
{
	ATOMIC_SET(t->stop, 1);
	let_through_to(_metadata, c, -1, t);
	expect_result(_metadata, t, ppid, 0);
}

TEST_F(nested_tsync, threads_get_each)
{
	struct chain *c = &self->chain;
	struct target *a, *b;

	/* Before there is a filter, and after the first one. */
	a = spawn_caller(_metadata, c, 1);
	push(_metadata, c, ALLOW_NESTED | TSYNC);
	b = spawn_caller(_metadata, c, 2);
	push(_metadata, c, ALLOW_NESTED | TSYNC);
	push(_metadata, c, TSYNC);
	expect_thread_in_chain(_metadata, c, a, self->ppid);
	expect_thread_in_chain(_metadata, c, b, self->ppid);
	/* Nothing of it is left by the filters that they had before. */
	EXPECT_EQ(0, poll_now(&c->level[0]));
	EXPECT_EQ(0, poll_now(&c->level[1]));
	EXPECT_EQ(0, poll_now(&c->level[2]));
	expect_chain(_metadata, c, NULL);
}

TEST_F(nested_tsync, ancestors_catch_up)
{
	struct chain *c = &self->chain;
	struct target *a, *b;
	__u64 id;

	push(_metadata, c, ALLOW_NESTED);
	a = spawn_caller(_metadata, c, 1);
	b = spawn_caller(_metadata, c, 2);
	push(_metadata, c, ALLOW_NESTED);
	/* Without TSYNC, theirs is that of the outer one alone. */
	ATOMIC_SET(a->stop, 1);
	id = hear(_metadata, c, OUTER, a, 0);
	expect_silence(_metadata, c, INNER);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, a, ANSWER, 0);
	/* With it, one that lags behind by two levels gets both. */
	push(_metadata, c, TSYNC);
	expect_thread_in_chain(_metadata, c, b, self->ppid);
	expect_chain(_metadata, c, NULL);
}

/* A thread that waits at the outer level goes on there. */
TEST_F(nested_tsync, while_a_thread_waits)
{
	struct chain *c = &self->chain;
	struct target *a, *b;
	__u64 id;

	push(_metadata, c, ALLOW_NESTED);
	push(_metadata, c, ALLOW_NESTED);
	a = spawn_thread(_metadata, &c->level[OUTER], call_once, 1);
	let_through(_metadata, c, INNER, a);
	id = hear(_metadata, c, OUTER, a, 0);
	b = spawn_thread(_metadata, &c->level[OUTER], call_once, 2);
	wait_queued(_metadata, c, INNER, b);
	push(_metadata, c, TSYNC);
	EXPECT_EQ(0, id_valid(&c->level[OUTER], id));
	expect_silence(_metadata, c, 2);
	let_go(_metadata, c, OUTER, id);
	expect_result(_metadata, a, self->ppid, 0);
	let_through(_metadata, c, INNER, b);
	id = hear(_metadata, c, OUTER, b, 0);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, b, ANSWER, 0);
	expect_silence(_metadata, c, 2);
	expect_chain(_metadata, c, NULL);
}

TEST_F(nested_tsync, esrch_changes_nothing)
{
	struct chain *c = &self->chain;
	struct target *t, *lags;
	int filters, fds;
	__u64 id;

	push(_metadata, c, ALLOW_NESTED);
	lags = spawn_caller(_metadata, c, 2);
	push(_metadata, c, ALLOW_NESTED);
	t = spawn_thread(_metadata, &c->level[OUTER],
			 diverge_and_call_when_told, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done)));
	ASSERT_EQ(0, (int)t->number);
	filters = count_filters();
	fds = count_fds();
	EXPECT_EQ(-ESRCH, install_listener(TSYNC));
	EXPECT_EQ(-ESRCH, install_listener(TSYNC | ALLOW_NESTED));
	EXPECT_EQ(filters, count_filters());
	EXPECT_EQ(fds, count_fds());
	/* For this process, for the thread that is in the way, ... */
	expect_chain(_metadata, c, NULL);
	ATOMIC_SET(t->stop, 1);
	let_through_to(_metadata, c, -1, t);
	reap(_metadata, t);
	EXPECT_EQ(2, t->done);
	EXPECT_EQ(self->ppid, t->ret);
	/* ... and for the one that could have been synchronised. */
	ATOMIC_SET(lags->stop, 1);
	id = hear(_metadata, c, OUTER, lags, 0);
	answer_with(_metadata, c, OUTER, id, ANSWER);
	expect_result(_metadata, lags, ANSWER, 0);
	/* Nobody is in the way now. */
	push(_metadata, c, TSYNC);
	expect_chain(_metadata, c, NULL);
}

/* A listener that is there first can be used without TSYNC_ESRCH. */
TEST_F(nested_tsync, without_esrch)
{
	const unsigned int tsync = SECCOMP_FILTER_FLAG_TSYNC;
	struct chain *c = &self->chain;
	struct target *t, *lags;
	int filters, listener;

	push(_metadata, c, ALLOW_NESTED);
	lags = spawn_caller(_metadata, c, 1);
	push(_metadata, c, ALLOW_NESTED);
	listener = new_listener();
	ASSERT_LE(0, listener);
	use_listener(_metadata, &c->level[c->depth], listener);

	/* Who is in the way is returned, and nothing has changed. */
	t = spawn_thread(_metadata, &c->level[OUTER],
			 diverge_and_call_when_told, 2);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done)));
	ASSERT_EQ(0, (int)t->number);
	filters = count_filters();
	EXPECT_EQ(t->tid, install_using(listener, tsync));
	EXPECT_EQ(t->tid, install_action(tsync, -1, NR_OTHER,
					 SECCOMP_RET_LOG));
	EXPECT_EQ(filters, count_filters());
	EXPECT_EQ(0, poll_now(&c->level[c->depth]));
	ATOMIC_SET(t->stop, 1);
	let_through_to(_metadata, c, -1, t);
	reap(_metadata, t);
	EXPECT_EQ(self->ppid, t->ret);

	/* Nobody is: a thread that lags behind gets both inner levels. */
	ASSERT_EQ(0, install_using(listener, tsync));
	c->depth++;
	ASSERT_EQ(0, install_action(tsync, -1, NR_OTHER, SECCOMP_RET_LOG));
	expect_thread_in_chain(_metadata, c, lags, self->ppid);
	expect_chain(_metadata, c, NULL);
}

TEST_F(nested_tsync, refused_for_all)
{
	struct chain *c = &self->chain;
	struct target *t;

	push(_metadata, c, TSYNC);
	t = spawn_caller(_metadata, c, 1);
	EXPECT_EQ(-EBUSY, install_listener(TSYNC));
	expect_thread_in_chain(_metadata, c, t, self->ppid);
}

/*
 * Races
 */

FIXTURE(nested_race)
{
	struct chain chain;
};

FIXTURE_VARIANT(nested_race)
{
	unsigned int outer;	/* flags of the listener */
	unsigned int inner;
};

FIXTURE_VARIANT_ADD(nested_race, none_is_told)
{
	.outer = 0,
};

FIXTURE_VARIANT_ADD(nested_race, outer_is_told)
{
	.outer = SECCOMP_USER_NOTIF_FD_SIGNALED,
};

FIXTURE_VARIANT_ADD(nested_race, inner_is_told)
{
	.inner = SECCOMP_USER_NOTIF_FD_SIGNALED,
};

FIXTURE_VARIANT_ADD(nested_race, both_are_told)
{
	.outer = SECCOMP_USER_NOTIF_FD_SIGNALED,
	.inner = SECCOMP_USER_NOTIF_FD_SIGNALED,
};

FIXTURE_SETUP(nested_race)
{
	struct chain *c = &self->chain;

	if (!init_nested(_metadata, c))
		return;
	push_two(_metadata, c, 0, 0);
	ASSERT_EQ(0, set_flags(&c->level[OUTER], variant->outer));
	ASSERT_EQ(0, set_flags(&c->level[INNER], variant->inner));
}

FIXTURE_TEARDOWN(nested_race)
{
	end_chain(_metadata, &self->chain);
}

/* What becomes of a call: its first argument says that to all. */
enum fate {
	INNER_VALUE,
	INNER_ERROR,
	OUTER_VALUE,
	LET_THROUGH,
	NR_FATES,
};

static bool has_met_its_fate(struct target *t, pid_t ppid)
{
	long arg = t->arg;

	switch (t->arg % NR_FATES) {
	case INNER_VALUE:
		return t->ret == ANSWER + arg;
	case INNER_ERROR:
		return t->ret == -1 && t->err == EACCES;
	case OUTER_VALUE:
		return t->ret == 2L * ANSWER + arg;
	default:
		return t->ret == ppid;
	}
}

/* t->number counts calls that a signal has interrupted, if that may be. */
static void check_fates(struct target *t, bool may_be_interrupted)
{
	/* The test has put it there; it is not used before the end. */
	pid_t ppid = t->status;

	while (!ATOMIC_GET(t->stop)) {
		t->arg++;
		trapped_call(t);
		if (may_be_interrupted && t->ret == -1 && t->err == EINTR)
			t->number++;
		else if (!has_met_its_fate(t, ppid))
			_exit(1);
	}
}

static void check_fates_with_handler(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	check_fates(t, true);
}

static void check_fates_with_restart(struct target *t)
{
	handle_signal(SIGUSR1, SA_RESTART);
	check_fates(t, false);
}

struct decider {
	struct reader r;	/* counts the answers that are results */
	bool is_inner;
};

static int decide(struct supervisor *sup, const struct seccomp_notif *n,
		  bool is_inner, bool *is_result)
{
	long arg = n->data.args[0];

	*is_result = true;
	switch (arg % NR_FATES) {
	case INNER_VALUE:
		/* The outer one must not hear of what the inner one answers. */
		return is_inner ? reply_value(sup, n->id, ANSWER + arg) :
				  -EPROTO;
	case INNER_ERROR:
		return is_inner ? reply(sup, n->id, 0, -EACCES, 0) : -EPROTO;
	case OUTER_VALUE:
		if (!is_inner)
			return reply_value(sup, n->id, 2L * ANSWER + arg);
		break;
	}
	*is_result = !is_inner;
	return reply_continue(sup, n->id);
}

static void *decide_until_stopped(void *arg)
{
	struct decider *d = arg;
	struct reader *r = &d->r;
	bool is_result;

	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->stop)) {
		r->ret = recv_notif(r->sup, &r->n);
		if (r->ret == -EINTR)
			continue;
		if (r->ret)
			break;
		r->ret = decide(r->sup, &r->n, d->is_inner, &is_result);
		if (!r->ret && is_result)
			r->count++;
		/* A signal may have taken the target away. */
		if (r->ret && r->ret != -ENOENT)
			break;
		r->ret = 0;
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

/* Each answer that was accepted as a result is the result of one call. */
TEST_F(nested_race, signals)
{
	struct chain *c = &self->chain;
	struct supervisor *sup = &c->level[OUTER];
	int i, j, calls = 0, interrupted = 0;
	struct decider d[2];
	struct target *t[2];

	c->fn = check_fates_with_handler;
	t[0] = new_target(_metadata, sup, run_without_listeners, 0);
	t[0]->status = getpid();
	start_target(_metadata, t[0]);
	c->fn = check_fates_with_restart;
	t[1] = new_target(_metadata, sup, run_without_listeners, 2);
	t[1]->status = getpid();
	start_target(_metadata, t[1]);

	handle_signal(SIGUSR2, 0);
	for (i = 0; i < 2; i++) {
		d[i].is_inner = i == INNER;
		run_reader(_metadata, &c->level[i], &d[i].r,
			   decide_until_stopped);
	}
	for (j = 0; j < 2; j++)
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t[j]->done) > 1));
	for (i = 0; i < ROUNDS / 4; i++) {
		int before[2];

		for (j = 0; j < 2; j++) {
			before[j] = ATOMIC_GET(t[j]->handled);
			ASSERT_EQ(0, kill(t[j]->tid, SIGUSR1));
			spin(i % 64 * 256);
		}
		for (j = 0; j < 2; j++) {
			ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t[j]->handled) >
					     before[j])) {
				TH_LOG("%d: call %lu gave %ld, %d", j,
				       t[j]->arg, t[j]->ret, t[j]->err);
			}
		}
	}
	/* Whatever the signals did, they meet each fate in the end. */
	for (j = 0; j < 2; j++) {
		int done = ATOMIC_GET(t[j]->done);

		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t[j]->done) > done + NR_FATES));
		ATOMIC_SET(t[j]->stop, 1);
	}
	for (j = 0; j < 2; j++) {
		reap(_metadata, t[j]);
		calls += t[j]->done;
		interrupted += t[j]->number;
	}
	for (i = 0; i < 2; i++) {
		stop_answering(_metadata, &d[i].r, 1);
		EXPECT_LT(0, d[i].r.count);
		expect_silence(_metadata, c, i);
	}
	EXPECT_EQ(calls - interrupted, d[0].r.count + d[1].r.count);
	TH_LOG("%d calls, %d interrupted", calls, interrupted);
}

FIXTURE(nested_race_close)
{
	struct chain chain;
};

FIXTURE_SETUP(nested_race_close)
{
	init_nested(_metadata, &self->chain);
}

FIXTURE_TEARDOWN(nested_race_close)
{
	end_chain(_metadata, &self->chain);
}

/* A thread that closes a listener when it is told to. */
struct closer {
	pthread_t thread;
	int fd;
	int start;		/* of the other side; of this one if negative */
	int go;			/* how many are to be closed */
	int count;		/* how many have been */
	int stop;
};

static void *close_until_stopped(void *arg)
{
	struct closer *closer = arg;

	while (!ATOMIC_GET(closer->stop)) {
		if (ATOMIC_GET(closer->go) == closer->count) {
			sched_yield();
			continue;
		}
		if (closer->start > 0)
			spin(closer->start);
		close(closer->fd);
		ATOMIC_INC(closer->count);
	}
	return NULL;
}

/* Two new levels for each call; those of older ones are closed. */
static void install_two_and_call_until_stopped(struct target *t)
{
	while (!ATOMIC_GET(t->stop)) {
		int outer = install_listener(ALLOW_NESTED);
		int inner = install_listener(0);

		t->number = inner;
		ATOMIC_SET(t->fd, outer);
		if (outer < 0 || inner < 0)
			break;
		trapped_call(t);
		while (ATOMIC_GET(t->fd) != -1)
			sched_yield();
	}
}

/* The outer supervisor, which may lose its listener at any moment. */
static void answer_unless_closed(struct supervisor *outer, struct target *t,
				 int done)
{
	struct seccomp_notif n;
	int ret;

	do {
		ret = recv_notif(outer, &n);
		if (!ret)
			reply_value(outer, n.id, ANSWER);
		else
			sched_yield();
	} while (ret == -EAGAIN && ATOMIC_GET(t->done) == done);
}

/*
 * The outer listener is closed while the inner one lets the call through: the
 * result is the outer one's answer, or that there is none. If the call was
 * executed, nobody would have been asked who could have denied it.
 */
TEST_F(nested_race_close, outer)
{
	struct chain *c = &self->chain;
	struct supervisor *inner = &c->level[INNER], *outer = &c->level[OUTER];
	int i, answered = 0, closed = 0;
	struct closer closer = {};
	struct seccomp_notif n;
	struct target *t;
	int step;

	ASSERT_EQ(0, pthread_create(&closer.thread, NULL, close_until_stopped,
				    &closer));
	t = spawn_thread(_metadata, outer, install_two_and_call_until_stopped,
			 1);
	for (i = 0; i < 300; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
		outer->listener = t->fd;
		inner->listener = t->number;
		ASSERT_LE(0, outer->listener);
		ASSERT_LE(0, inner->listener);
		ASSERT_EQ(0, set_nonblock(outer));
		closer.fd = outer->listener;
		ASSERT_EQ(0, recv_notif(inner, &n));
		ATOMIC_INC(closer.go);
		if (closer.start < 0)
			spin(-closer.start);
		ASSERT_EQ(0, reply_continue(inner, n.id));
		answer_unless_closed(outer, t, i);
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > i));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(closer.count) > i));
		outer->listener = -1;
		close_listener(_metadata, inner);
		/* Who has lost gets more of a start: each wins at times. */
		step = abs(closer.start) / 2 + 64;
		if (t->ret == ANSWER) {
			answered++;
			closer.start -= step;
		} else {
			ASSERT_EQ(-1, t->ret);
			ASSERT_EQ(ENOSYS, t->err);
			closed++;
			closer.start += step;
		}
		if (i == 299)
			ATOMIC_SET(t->stop, 1);
		ATOMIC_SET(t->fd, -1);
	}
	ATOMIC_SET(closer.stop, 1);
	ASSERT_EQ(0, pthread_join(closer.thread, NULL));
	reap(_metadata, t);
	TH_LOG("%d answered, %d closed", answered, closed);
	EXPECT_LT(0, answered);
	EXPECT_LT(0, closed);
}

TEST_HARNESS_MAIN
