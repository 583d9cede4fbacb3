// SPDX-License-Identifier: GPL-2.0
/*
 * What is logged of a system call that a supervisor decides on, if its filter
 * was installed with SECCOMP_FILTER_FLAG_LOG: each time that it is not executed,
 * whoever says so, and nothing if it is.
 */
#include <linux/netlink.h>
#include <sys/socket.h>

#include "notify_common.h"

#define LOG		SECCOMP_FILTER_FLAG_LOG
#define ALLOW_NESTED	SECCOMP_FILTER_FLAG_ALLOW_NESTED_LISTENERS
#define NEW_LISTENER	SECCOMP_FILTER_FLAG_NEW_LISTENER

/* A system call that the filter has logged, and lets through. */
#define NR_MARK		__NR_getuid

#define ACTIONS_LOGGED	"/proc/sys/kernel/seccomp/actions_logged"

FIXTURE(log)
{
	struct supervisor sup;
	int audit;			/* a socket that hears of each record */
	char actions_logged[256];	/* as they were */
};

FIXTURE_SETUP(log)
{
	struct timeval guard = { .tv_sec = GUARD };
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1U << (AUDIT_NLGRP_READLOG - 1),
	};

	self->actions_logged[0] = '\0';
	init_supervisor(_metadata, &self->sup);
	self->audit = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			     NETLINK_AUDIT);
	if (self->audit < 0)
		SKIP(return, "no audit (%d)", errno);
	if (bind(self->audit, (struct sockaddr *)&addr, sizeof(addr)))
		SKIP(return, "may not read what is audited (%d)", errno);
	ASSERT_EQ(0, setsockopt(self->audit, SOL_SOCKET, SO_RCVTIMEO, &guard,
				sizeof(guard)));
	ASSERT_LT(0, read_file(ACTIONS_LOGGED, self->actions_logged,
			       sizeof(self->actions_logged)));
	ASSERT_NE(NULL, strstr(self->actions_logged, "user_notif"));
	ASSERT_NE(NULL, strstr(self->actions_logged, " log"));
}

FIXTURE_TEARDOWN(log)
{
	if (self->actions_logged[0])
		write_file(ACTIONS_LOGGED, self->actions_logged);
	if (self->audit >= 0)
		close(self->audit);
	end_supervisor(_metadata, &self->sup);
}

static int install_logging(unsigned int flags)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_MARK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_LOG),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install_program(flags | NEW_LISTENER, -1, filter,
			       ARRAY_SIZE(filter));
}

struct record {
	int pid;
	int sig;
	unsigned int arch;
	int nr;
	unsigned int code;
};

/* The number that follows @key in a record. */
static unsigned long number_of(struct __test_metadata *_metadata,
			       const char *text, const char *key, int base)
{
	const char *at = strstr(text, key);

	ASSERT_NE(NULL, at) {
		TH_LOG("no%s in: %s", key, text);
	}
	return strtoul(at + strlen(key), NULL, base);
}

/* The next record of a filter's action. */
static void read_record(struct __test_metadata *_metadata, int audit,
			struct record *r)
{
	struct {
		struct nlmsghdr header;
		char text[8192];
	} msg;
	ssize_t len;

	do {
		len = recv(audit, &msg, sizeof(msg) - 1, 0);
		ASSERT_LT((ssize_t)sizeof(msg.header), len) {
			TH_LOG("no record (%d)", errno);
		}
	} while (msg.header.nlmsg_type != AUDIT_SECCOMP);
	((char *)&msg)[len] = '\0';

	r->pid = number_of(_metadata, msg.text, " pid=", 10);
	r->sig = number_of(_metadata, msg.text, " sig=", 10);
	r->arch = number_of(_metadata, msg.text, " arch=", 16);
	r->nr = number_of(_metadata, msg.text, " syscall=", 10);
	r->code = number_of(_metadata, msg.text, " code=", 16);
}

/*
 * How often the call of @pid was logged since this was last asked. Records come
 * in the order of what they tell of: one of this process ends them.
 */
static int count_records(struct __test_metadata *_metadata, int audit,
			 pid_t pid)
{
	struct record r;
	int count = 0;

	syscall(NR_MARK);
	for (;;) {
		read_record(_metadata, audit, &r);
		if (r.pid == getpid()) {
			EXPECT_EQ(NR_MARK, r.nr);
			EXPECT_EQ(SECCOMP_RET_LOG, r.code);
			return count;
		}
		if (r.pid != pid)
			continue;
		EXPECT_EQ(NR_TRAPPED, r.nr);
		EXPECT_EQ(SECCOMP_RET_USER_NOTIF, r.code);
		EXPECT_EQ(0, r.sig);
		if (NATIVE_ARCH)
			EXPECT_EQ(NATIVE_ARCH, r.arch);
		count++;
	}
}

/* A call that is answered is logged @count times. */
static void expect_logged(struct __test_metadata *_metadata,
			  struct supervisor *sup, int audit, __s64 val,
			  __s32 error, int count)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t pid;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	pid = t->tid;
	ASSERT_EQ(0, reply(sup, n.id, val, error, 0));
	expect_result(_metadata, t, error ? -1 : val, -error);
	EXPECT_EQ(count, count_records(_metadata, audit, pid));
}

TEST_F(log, an_answer_is)
{
	use_listener(_metadata, &self->sup, install_logging(LOG));
	expect_logged(_metadata, &self->sup, self->audit, 5, 0, 1);
	expect_logged(_metadata, &self->sup, self->audit, 0, 0, 1);
	expect_logged(_metadata, &self->sup, self->audit, 0, -EPERM, 1);
}

TEST_F(log, what_continues_is_not)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t pid;

	use_listener(_metadata, &self->sup, install_logging(LOG));
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	pid = t->tid;
	ASSERT_EQ(0, reply_continue(&self->sup, n.id));
	expect_result(_metadata, t, getpid(), 0);
	EXPECT_EQ(0, count_records(_metadata, self->audit, pid));
}

TEST_F(log, without_the_flag_nothing_is)
{
	use_listener(_metadata, &self->sup, install_logging(0));
	expect_logged(_metadata, &self->sup, self->audit, 5, 0, 0);
	expect_logged(_metadata, &self->sup, self->audit, 0, -EPERM, 0);
}

TEST_F(log, what_the_sysctl_leaves_out_is_not)
{
	use_listener(_metadata, &self->sup, install_logging(LOG));
	ASSERT_EQ(0, write_file(ACTIONS_LOGGED, "log"));
	expect_logged(_metadata, &self->sup, self->audit, 5, 0, 0);
	ASSERT_EQ(0, write_file(ACTIONS_LOGGED, "user_notif log"));
	expect_logged(_metadata, &self->sup, self->audit, 5, 0, 1);
}

TEST_F(log, an_fd_as_the_answer_is)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t pid;
	int fd;

	use_listener(_metadata, &self->sup, install_logging(LOG));
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	pid = t->tid;
	fd = addfd(&self->sup, n.id, self->audit, SECCOMP_ADDFD_FLAG_SEND, 0,
		   O_CLOEXEC);
	ASSERT_LE(0, fd);
	expect_result(_metadata, t, fd, 0);
	EXPECT_EQ(1, count_records(_metadata, self->audit, pid));
}

/* Nobody has answered, or can. */
TEST_F(log, a_closed_listener_is)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t pid;

	use_listener(_metadata, &self->sup, install_logging(LOG));
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	pid = t->tid;
	close_listener(_metadata, &self->sup);
	expect_result(_metadata, t, -1, ENOSYS);
	EXPECT_EQ(1, count_records(_metadata, self->audit, pid));

	t = spawn(_metadata, &self->sup, call_once, 0);
	pid = t->tid;
	expect_result(_metadata, t, -1, ENOSYS);
	EXPECT_EQ(1, count_records(_metadata, self->audit, pid));
}

TEST_F(log, an_interrupted_call_is)
{
	struct target *t;
	pid_t pid;

	use_listener(_metadata, &self->sup, install_logging(LOG));
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 0);
	pid = t->tid;
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	expect_handled(_metadata, t, -1, EINTR);
	EXPECT_EQ(1, count_records(_metadata, self->audit, pid));
}

/* ... and what it is restarted for, again. */
TEST_F(log, a_restarted_call_is_twice)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t pid;

	use_listener(_metadata, &self->sup, install_logging(LOG));
	t = spawn_delivered(_metadata, &self->sup, call_with_restart, &n);
	pid = t->tid;
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	ASSERT_EQ(0, reply_value(&self->sup, n.id, 5));
	expect_result(_metadata, t, 5, 0);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(2, count_records(_metadata, self->audit, pid));
}

TEST_F(log, a_killed_call_is)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t pid;

	use_listener(_metadata, &self->sup, install_logging(LOG));
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	pid = t->tid;
	kill_and_reap(_metadata, t);
	EXPECT_EQ(1, count_records(_metadata, self->audit, pid));
}

/*
 * Of two listeners, the inner one lets the call through or answers it. The flag
 * of the one whose answer it is counts.
 */
static void expect_nested(struct __test_metadata *_metadata,
			  struct supervisor *sup, struct supervisor *inner,
			  int audit, bool inner_answers, int count)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t pid;

	t = spawn(_metadata, sup, call_once, 0);
	pid = t->tid;
	ASSERT_EQ(0, recv_notif(inner, &n));
	if (inner_answers) {
		ASSERT_EQ(0, reply_value(inner, n.id, 5));
	} else {
		ASSERT_EQ(0, reply_continue(inner, n.id));
		ASSERT_EQ(0, recv_notif(sup, &n));
		ASSERT_EQ(0, reply_value(sup, n.id, 5));
	}
	expect_result(_metadata, t, 5, 0);
	EXPECT_EQ(count, count_records(_metadata, audit, pid));
}

static void nest(struct __test_metadata *_metadata, struct supervisor *sup,
		 int audit, bool outer_logs)
{
	struct supervisor inner = {};
	int outer;

	find_implementation(_metadata, sup);
	outer = install_logging(ALLOW_NESTED | (outer_logs ? LOG : 0));
	if (c_differs(_metadata, sup, outer == -EINVAL,
		      "ALLOW_NESTED_LISTENERS is refused, with EINVAL"))
		return;
	use_listener(_metadata, sup, outer);
	inner.listener = install_logging(outer_logs ? 0 : LOG);
	ASSERT_LE(0, inner.listener);
	expect_nested(_metadata, sup, &inner, audit, true, !outer_logs);
	expect_nested(_metadata, sup, &inner, audit, false, outer_logs);
	EXPECT_EQ(0, close(inner.listener));
}

TEST_F(log, of_two_the_outer_logs)
{
	nest(_metadata, &self->sup, self->audit, true);
}

TEST_F(log, of_two_the_inner_logs)
{
	nest(_metadata, &self->sup, self->audit, false);
}

TEST_HARNESS_MAIN
