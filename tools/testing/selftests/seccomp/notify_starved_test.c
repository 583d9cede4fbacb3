// SPDX-License-Identifier: GPL-2.0
/*
 * What is not there when it is needed: memory, fds, a supervisor; and targets
 * that are not quite a process or a thread.
 */
#include <linux/io_uring.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "notify_common.h"

#define CALL_ENV	"SECCOMP_NOTIFY_STARVED"

/* A program that a target executes: it makes a call, and is right or not. */
static void __attribute__((constructor)) call_after_exec(void)
{
	if (getenv(CALL_ENV))
		_exit(syscall(NR_TRAPPED, 2) == 78 ? 0 : 1);
}

static void execute_call(void)
{
	execle("/proc/self/exe", "notify_starved_test", NULL,
	       (char *[]){ CALL_ENV "=1", NULL });
	_exit(126);
}

/*
 * A system that is mounted for a test, in a directory of its own
 */

struct mounted {
	char path[64];
};

/* 0 or -errno. */
static int mount_at(struct mounted *m, const char *type)
{
	snprintf(m->path, sizeof(m->path), "/tmp/seccomp_notify.XXXXXX");
	if (!mkdtemp(m->path)) {
		m->path[0] = '\0';
		return -errno;
	}
	if (mount("none", m->path, type, 0, NULL)) {
		int err = -errno;

		rmdir(m->path);
		m->path[0] = '\0';
		return err;
	}
	return 0;
}

static void unmount(struct mounted *m)
{
	if (!m->path[0])
		return;
	umount2(m->path, MNT_DETACH);
	rmdir(m->path);
}

static int write_in(struct mounted *m, const char *name, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", m->path, name);
	return write_file(path, text);
}

/*
 * Fault injection: the first allocation or copy of a system call fails, then
 * the second, and so on, until there is none left to fail.
 */

#define MAX_FAULTS	200

/* An fd of /proc/thread-self/fail-nth, or -errno. */
static int open_faults(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void set_fault(int fd, int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	/* What is left of the last one may hit this. */
	while (pwrite(fd, text, len, 0) < 0 && errno == EFAULT)
		;
}

/* Whether what was set has happened. No more happens from now on. */
static bool end_fault(int fd)
{
	char text[16] = "";
	/* EFAULT: it happens just now. */
	bool happened = pread(fd, text, sizeof(text) - 1, 0) > 0 && !atoi(text);

	set_fault(fd, 0);
	return happened;
}

/* All faults are as likely, and none is told on the console. */
static int prepare_faults(struct mounted *debugfs)
{
	static const char * const kinds[] = {
		"failslab", "fail_page_alloc", "fail_usercopy",
	};
	char name[64];
	int i, ret;

	ret = mount_at(debugfs, "debugfs");
	for (i = 0; i < ARRAY_SIZE(kinds) && !ret; i++) {
		snprintf(name, sizeof(name), "%s/verbose", kinds[i]);
		ret = write_in(debugfs, name, "0");
		snprintf(name, sizeof(name), "%s/ignore-gfp-wait", kinds[i]);
		/* Copies have none. */
		if (!ret && i < 2)
			ret = write_in(debugfs, name, "N");
	}
	if (!ret)
		ret = write_in(debugfs, "fail_page_alloc/min-order", "0");
	return ret;
}

enum op {
	OP_RECV,
	OP_SEND,
	OP_ID_VALID,
	OP_ADDFD,
	OP_ADDFD_SEND,
	OP_SET_FLAGS,
	OP_PIDFD,
	OP_MEM,
	OP_REQUEUE,
	OP_SEND_RECV,
};

FIXTURE(fault)
{
	struct supervisor sup;
	struct mounted debugfs;
	int faults;
};

FIXTURE_VARIANT(fault)
{
	enum op op;
	bool is_new;		/* C refuses it */
};

FIXTURE_VARIANT_ADD(fault, recv)
{
	.op = OP_RECV,
};

FIXTURE_VARIANT_ADD(fault, send)
{
	.op = OP_SEND,
};

FIXTURE_VARIANT_ADD(fault, id_valid)
{
	.op = OP_ID_VALID,
};

FIXTURE_VARIANT_ADD(fault, addfd)
{
	.op = OP_ADDFD,
};

FIXTURE_VARIANT_ADD(fault, addfd_send)
{
	.op = OP_ADDFD_SEND,
};

FIXTURE_VARIANT_ADD(fault, set_flags)
{
	.op = OP_SET_FLAGS,
};

FIXTURE_VARIANT_ADD(fault, pidfd)
{
	.op = OP_PIDFD,
	.is_new = true,
};

FIXTURE_VARIANT_ADD(fault, mem)
{
	.op = OP_MEM,
	.is_new = true,
};

FIXTURE_VARIANT_ADD(fault, requeue)
{
	.op = OP_REQUEUE,
	.is_new = true,
};

FIXTURE_VARIANT_ADD(fault, send_recv)
{
	.op = OP_SEND_RECV,
	.is_new = true,
};

FIXTURE_SETUP(fault)
{
	int ret;

	self->faults = open_faults();
	if (self->faults == -ENOENT)
		SKIP(return, "no CONFIG_FAULT_INJECTION");
	ASSERT_LE(0, self->faults);
	ret = prepare_faults(&self->debugfs);
	ASSERT_EQ(0, ret) {
		TH_LOG("no knobs of fault injection (%d)", ret);
	}
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(fault)
{
	end_supervisor(_metadata, &self->sup);
	unmount(&self->debugfs);
	close(self->faults);
}

/* The notification @n is delivered, if it is not for RECV. */
static int run_op(struct supervisor *sup, enum op op, struct seccomp_notif *n,
		  struct seccomp_notif_send_recv *sr, int src)
{
	static char word[8];

	switch (op) {
	case OP_RECV:
		return recv_into(sup, n);
	case OP_SEND:
		return reply_value(sup, n->id, 77);
	case OP_ID_VALID:
		return id_valid(sup, n->id);
	case OP_ADDFD:
		return addfd(sup, n->id, src, 0, 0, 0);
	case OP_ADDFD_SEND:
		return addfd(sup, n->id, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	case OP_SET_FLAGS:
		return set_flags(sup, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	case OP_PIDFD:
		return notif_pidfd(sup, n->id, 0);
	case OP_MEM:
		/* A forked target has what we have at the same address. */
		return notif_mem(sup, n->id, word, word, sizeof(word), 0);
	case OP_REQUEUE:
		return notif_requeue(sup, n->id, 0);
	case OP_SEND_RECV:
		set_answer(sr, n->id, 77);
		return send_recv(sup, sr);
	}
	return -EINVAL;
}

/* Whatever has failed: the target waits on, and gets the next answer. */
TEST_F(fault, is_clean)
{
	struct supervisor *sup = &self->sup;
	const enum op op = variant->op;
	struct seccomp_notif_send_recv sr;
	struct seccomp_notif n, m;
	struct target *t;
	struct pollfd p;
	int ends[2];
	bool happened = true;
	int nth, ret, failed = 0;

	ASSERT_EQ(0, set_nonblock(sup));
	if (variant->is_new) {
		memset(&n, 0, sizeof(n));
		ret = run_op(sup, op, &n, &sr, -1);
		if (c_differs(_metadata, sup, ret == -EINVAL,
			      "the ioctl is refused, with EINVAL"))
			return;
	}
	for (nth = 1; happened && nth < MAX_FAULTS; nth++) {
		long answer = 77;

		forget_targets(sup);
		ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
		t = spawn_queued(_metadata, sup, call_once, 1);
		memset(&n, 0, sizeof(n));
		if (op != OP_RECV)
			ASSERT_EQ(0, recv_into(sup, &n));

		set_fault(self->faults, nth);
		ret = run_op(sup, op, &n, &sr, ends[1]);
		happened = end_fault(self->faults);
		if (ret == -EAGAIN && op == OP_SEND_RECV && !sr.flags)
			ret = 0;
		if (ret < 0) {
			failed++;
			EXPECT_TRUE(happened && (ret == -ENOMEM || ret == -EFAULT)) {
				TH_LOG("fault %d: %d", nth, ret);
			}
		}

		if (op == OP_RECV && ret < 0) {
			EXPECT_EQ(POLL_QUEUED, poll_now(sup));
			ASSERT_EQ(0, recv_notif(sup, &n));
		} else if (op == OP_REQUEUE && ret == 1) {
			ASSERT_EQ(0, recv_notif(sup, &m));
			EXPECT_EQ(n.id, m.id);
		}
		if (op == OP_PIDFD && ret >= 0)
			EXPECT_EQ(0, close(ret));
		if (op == OP_ADDFD_SEND && ret >= 0)
			answer = ret;
		/* With SEND_RECV, its flags say whether it was sent. */
		if (ret < 0 ? op != OP_SEND_RECV || sr.flags :
			      op != OP_SEND && op != OP_SEND_RECV && op != OP_ADDFD_SEND)
			EXPECT_EQ(0, reply_value(sup, n.id, 77));
		expect_result(_metadata, t, answer, 0);
		EXPECT_EQ(0, poll_now(sup));

		/* Nothing has kept the file. */
		EXPECT_EQ(0, close(ends[1]));
		p = (struct pollfd) { .fd = ends[0] };
		EXPECT_EQ(1, poll(&p, 1, 0));
		EXPECT_EQ(POLLHUP, p.revents);
		EXPECT_EQ(0, close(ends[0]));
	}
	EXPECT_FALSE(happened);
	TH_LOG("%d faults, %d failures", nth - 2, failed);
	/* That one copies nothing. */
	if (op != OP_SET_FLAGS)
		EXPECT_LT(0, failed);
}

/*
 * ... where there is no supervisor yet, and in the target
 */

FIXTURE(faults)
{
	struct supervisor sup;
	struct mounted debugfs;
};

FIXTURE_SETUP(faults)
{
	int ret, fd = open_faults();

	if (fd == -ENOENT)
		SKIP(return, "no CONFIG_FAULT_INJECTION");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));
	ret = prepare_faults(&self->debugfs);
	ASSERT_EQ(0, ret) {
		TH_LOG("no knobs of fault injection (%d)", ret);
	}
	init_supervisor(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(faults)
{
	end_supervisor(_metadata, &self->sup);
	unmount(&self->debugfs);
}

/* t->number says which fault; t->stop that it happened, t->ret what came of it. */
static void install_with_fault(struct target *t)
{
	int faults = open_faults();
	int before = count_fds();
	int ret;

	/* What is needed beside the filter is not to fail. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	set_fault(faults, t->number);
	if (t->arg == SECCOMP_NEW_LISTENER)
		ret = new_listener();
	else
		ret = install_filter_with(t->arg, t->sup->listener);
	t->stop = end_fault(faults);
	t->ret = ret;
	if (ret < 0) {
		t->done = count_fds() - before;
		errno = 0;
		/* There is no filter: this is executed. */
		if (syscall(NR_TRAPPED) < 0)
			t->err = errno;
	}
}

static void walk_installation(struct __test_metadata *_metadata,
			      struct supervisor *sup, unsigned long how)
{
	int nth, failed = 0;
	bool happened = true;
	struct target *t;

	for (nth = 1; happened && nth < MAX_FAULTS; nth++) {
		forget_targets(sup);
		t = new_target(_metadata, sup, install_with_fault, how);
		t->number = nth;
		t->keeps_listener = true;
		start_target(_metadata, t);
		reap(_metadata, t);
		happened = t->stop;
		if (t->ret >= 0)
			continue;
		failed++;
		EXPECT_TRUE(happened && (t->ret == -ENOMEM || t->ret == -EFAULT)) {
			TH_LOG("fault %d: %ld", nth, t->ret);
		}
		EXPECT_EQ(0, t->done);
		EXPECT_EQ(0, t->err);
	}
	EXPECT_FALSE(happened);
	EXPECT_LT(0, failed);
	TH_LOG("%d faults, %d failures", nth - 2, failed);
}

TEST_F(faults, install)
{
	walk_installation(_metadata, &self->sup, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

TEST_F(faults, new_listener)
{
	/* A number that is no flag of a filter. */
	if (!supervise_nobody(_metadata, &self->sup))
		return;
	walk_installation(_metadata, &self->sup, SECCOMP_NEW_LISTENER);
}

TEST_F(faults, use_listener)
{
	if (!supervise_nobody(_metadata, &self->sup))
		return;
	walk_installation(_metadata, &self->sup, SECCOMP_FILTER_FLAG_USE_LISTENER);
	/* No failure has counted as a use, and each use has ended. */
	EXPECT_EQ(POLLHUP, poll_now(&self->sup));
}

/* As often as asked: whatever would fail first fails. */
static void call_with_faults(struct target *t)
{
	int i, faults = open_faults();

	ATOMIC_SET(t->fd, faults);
	for (i = 0; i < 3; i++) {
		set_fault(faults, 1);
		trapped_call(t);
		t->number += end_fault(faults);
	}
}

/* Nothing is allocated or copied there, so that nothing can fail. */
TEST_F(faults, target_has_none)
{
	struct seccomp_notif n;
	struct target *t;
	int i;

	supervise(_metadata, &self->sup, 0);
	t = spawn(_metadata, &self->sup, call_with_faults, 1);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		ASSERT_EQ(0, reply_value(&self->sup, n.id, 60 + i));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) == i + 1));
		EXPECT_EQ(60 + i, t->ret);
	}
	EXPECT_LE(0, t->fd);
	reap(_metadata, t);
	EXPECT_EQ(0, t->number);
}

static void call_with_fault(struct target *t)
{
	int faults = open_faults();

	ATOMIC_SET(t->fd, faults);
	set_fault(faults, t->number);
	trapped_call(t);
	t->number = end_fault(faults);
}

/* The target's table has to grow for the fd, and cannot. */
TEST_F(faults, target_installs)
{
	bool happened = true;
	struct seccomp_notif n;
	int nth, ret, failed = 0;
	struct target *t;

	supervise(_metadata, &self->sup, 0);
	for (nth = 1; happened && nth < MAX_FAULTS; nth++) {
		forget_targets(&self->sup);
		t = new_target(_metadata, &self->sup, call_with_fault, 1);
		t->number = nth;
		start_target(_metadata, t);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		ret = addfd(&self->sup, n.id, self->sup.listener,
			    SECCOMP_ADDFD_FLAG_SETFD, 700, 0);
		if (ret < 0)
			failed++;
		else
			EXPECT_EQ(700, ret);
		EXPECT_TRUE(ret >= 0 || ret == -ENOMEM) {
			TH_LOG("fault %d: %d", nth, ret);
		}
		ASSERT_EQ(0, reply_value(&self->sup, n.id, 50));
		expect_result(_metadata, t, 50, 0);
		happened = t->number;
	}
	EXPECT_FALSE(happened);
	EXPECT_LT(0, failed);
	EXPECT_EQ(0, poll_now(&self->sup));
}

/*
 * Fds
 */

FIXTURE(starved)
{
	struct supervisor sup;
	int src;
};

FIXTURE_SETUP(starved)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(starved)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

/* newfd is anything below the limit, which is as high as limits go. */
TEST_F(starved, newfd_at_its_limits)
{
	const unsigned int setfd = SECCOMP_ADDFD_FLAG_SETFD;
	const unsigned int bad[] = { 5000, 5001, INT32_MAX, 1U << 31, UINT32_MAX };
	struct rlimit limit = { 5000, 5000 };
	struct seccomp_notif n;
	struct target *t;
	int i;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ASSERT_EQ(0, prlimit(t->tid, RLIMIT_NOFILE, &limit, NULL));
	EXPECT_EQ(4999, addfd(&self->sup, n.id, self->src, setfd, 4999, 0));
	EXPECT_TRUE(same_file(t, 4999, self->src));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EBADF, addfd(&self->sup, n.id, self->src, setfd, bad[i], 0)) {
			TH_LOG("newfd %u", bad[i]);
		}
	}
	EXPECT_EQ(0, addfd(&self->sup, n.id, self->src, setfd, 0, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 8));
	expect_result(_metadata, t, 8, 0);
}

static void install_without_fds(struct target *t)
{
	struct rlimit limit = { count_fds(), 4096 };

	/* Those of the fixture come first, and have no gaps. */
	if (setrlimit(RLIMIT_NOFILE, &limit))
		_exit(1);
	t->ret = install_listener(0);
	t->err = syscall(NR_TRAPPED) < 0 ? errno : 0;
}

FIXTURE(unfiltered)
{
	struct supervisor sup;
};

FIXTURE_SETUP(unfiltered)
{
	init_supervisor(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(unfiltered)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(unfiltered, install_emfile)
{
	struct target *t = spawn(_metadata, &self->sup, install_without_fds, 0);

	reap(_metadata, t);
	EXPECT_EQ(-EMFILE, t->ret);
	EXPECT_EQ(0, t->err);
}

#define FILE_MAX	"/proc/sys/fs/file-max"

/* One without privileges, whom the limit concerns. */
static void install_without_files(struct target *t)
{
	if (setresuid(65534, 65534, 65534))
		_exit(1);
	ATOMIC_SET(t->fd, 1);
	wait_until_told(t);
	t->ret = install_listener(0);
	t->err = syscall(NR_TRAPPED) < 0 ? errno : 0;
}

TEST_F(unfiltered, install_enfile)
{
	char before[32];
	struct target *t;
	int ret;

	ASSERT_LT(0, read_file(FILE_MAX, before, sizeof(before)));
	t = spawn(_metadata, &self->sup, install_without_files, 0);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) == 1));
	ret = write_file(FILE_MAX, "1");
	tell(t);
	reap(_metadata, t);
	write_file(FILE_MAX, before);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-ENFILE, t->ret);
	EXPECT_EQ(0, t->err);
}

static void ask_pidfd_without_files(struct target *t)
{
	if (setresuid(65534, 65534, 65534))
		_exit(1);
	ATOMIC_SET(t->fd, 1);
	wait_until_told(t);
	t->ret = notif_pidfd(t->sup, t->arg, 0);
	/* An fd that was reserved is free again. */
	t->err = dup(t->sup->listener);
}

TEST_F(starved, pidfd_enfile)
{
	struct supervisor *sup = &self->sup;
	struct target *t, *other;
	struct seccomp_notif n;
	char before[32];
	int ret;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	ret = notif_pidfd(sup, n.id, 0);
	if (c_differs(_metadata, sup, ret == -EINVAL, "PIDFD is refused, with EINVAL")) {
		kill_and_reap(_metadata, t);
		return;
	}
	/* The first of them is made with what later ones share. */
	ASSERT_LE(0, ret);
	ASSERT_EQ(0, close(ret));
	ASSERT_LT(0, read_file(FILE_MAX, before, sizeof(before)));
	other = spawn_supervisor(_metadata, sup, ask_pidfd_without_files, n.id);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(other->fd) == 1));
	ret = write_file(FILE_MAX, "1");
	tell(other);
	reap(_metadata, other);
	write_file(FILE_MAX, before);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-ENFILE, other->ret);
	EXPECT_EQ(ret = dup(self->src), other->err);
	EXPECT_EQ(0, close(ret));
	EXPECT_EQ(0, reply_value(sup, n.id, 5));
	expect_result(_metadata, t, 5, 0);
}

/*
 * Who has the listener
 */

/* Has a child that is trapped, and answers it with the fd that it was given. */
static void serve_own_child(struct target *t)
{
	struct supervisor own;
	struct seccomp_notif n;
	int status;
	pid_t pid;

	trapped_call(t);
	own.listener = t->ret;
	pid = fork();
	if (!pid)
		_exit(syscall(NR_TRAPPED, 5) == 55 ? 0 : 1);
	if (recv_notif(&own, &n))
		_exit(2);
	if (reply_value(&own, n.id, n.data.args[0] * 11))
		_exit(3);
	if (waitpid(pid, &status, 0) != pid || status)
		_exit(4);
	close(own.listener);
	/* That was the last. */
	trapped_call(t);
}

TEST_F(starved, listener_in_its_target)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, serve_own_child, &n);
	ASSERT_LE(0, addfd(&self->sup, n.id, self->sup.listener,
			   SECCOMP_ADDFD_FLAG_SEND, 0, O_CLOEXEC));
	close_listener(_metadata, &self->sup);
	reap(_metadata, t);
	EXPECT_EQ(2, t->done);
	EXPECT_EQ(-1, t->ret);
	EXPECT_EQ(ENOSYS, t->err);
}

/* A target has the last fd while it waits: nobody answers, and it can die. */
TEST_F(starved, listener_in_its_target_alone)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ASSERT_LE(0, addfd(&self->sup, n.id, self->sup.listener, 0, 0, 0));
	close_listener(_metadata, &self->sup);
	EXPECT_TRUE(target_waits(t));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, t->done);
}

/* A supervisor that is its own target's process, and injects into itself. */
TEST_F(starved, listener_in_its_supervisor)
{
	struct seccomp_notif n;
	struct target *t;
	int fd;

	t = spawn_thread(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	fd = addfd(&self->sup, n.id, self->sup.listener, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	ASSERT_LE(0, fd);
	expect_result(_metadata, t, fd, 0);
	/* The same listener, in the same table: either is as good. */
	close_listener(_metadata, &self->sup);
	self->sup.listener = fd;
	t = spawn(_metadata, &self->sup, call_once, 3);
	answer(_metadata, &self->sup, t);
}

static void send_fds(struct __test_metadata *_metadata, int socket, int a, int b)
{
	char data = 0, control[CMSG_SPACE(2 * sizeof(int))] = {};
	struct iovec iov = { .iov_base = &data, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	const int fds[] = { a, b };

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
	ASSERT_EQ(1, sendmsg(socket, &msg, 0));
}

/* The last fd is in a message that waits in a socket for nobody to take it. */
TEST_F(starved, listener_in_flight)
{
	struct seccomp_notif n;
	struct target *t;
	int sv[2];

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv));
	send_fds(_metadata, sv[0], self->sup.listener, self->src);
	close_listener(_metadata, &self->sup);
	EXPECT_TRUE(target_waits(t));
	EXPECT_EQ(0, close(sv[0]));
	EXPECT_TRUE(target_waits(t));
	EXPECT_EQ(0, close(sv[1]));
	expect_result(_metadata, t, -1, ENOSYS);
}

/* ... and the socket itself in that message: only the collector finds it. */
TEST_F(starved, listener_is_garbage)
{
	struct seccomp_notif n;
	struct target *t;
	int sv[2];

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv));
	send_fds(_metadata, sv[0], self->sup.listener, sv[1]);
	send_fds(_metadata, sv[1], sv[0], self->src);
	close_listener(_metadata, &self->sup);
	EXPECT_EQ(0, close(sv[0]));
	EXPECT_EQ(0, close(sv[1]));
	EXPECT_TRUE(target_waits(t));
	/* That runs when some socket is closed for good. */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv));
	EXPECT_EQ(0, close(sv[0]));
	EXPECT_EQ(0, close(sv[1]));
	expect_result(_metadata, t, -1, ENOSYS);
}

/*
 * Memory
 */

/* The hierarchy of its cgroups; false if there is none: the test is skipped. */
static bool mount_memory(struct __test_metadata *_metadata, struct mounted *m)
{
	int ret;

	ret = mount_at(m, "cgroup2");
	if (ret)
		SKIP(return false, "no cgroup v2 (%d)", ret);
	ret = write_in(m, "cgroup.subtree_control", "+memory");
	if (ret) {
		unmount(m);
		SKIP(return false, "no memory controller in cgroup v2 (%d)",
		     ret);
	}
	return true;
}

static void serve_until_stopped(struct target *t)
{
	struct seccomp_notif n;

	while (!ATOMIC_GET(t->stop)) {
		if (recv_notif(t->sup, &n))
			break;
		ATOMIC_INC(t->done);
		if (reply_value(t->sup, n.id, n.data.args[0] + 1))
			break;
	}
}

/*
 * Supervisor and target are in a memory cgroup that nothing can be charged to;
 * whoever is charged is killed.
 */
TEST_F(starved, memcg_at_its_limit)
{
	struct supervisor *sup = &self->sup;
	struct target *t, *server;
	struct mounted cgroup;
	char path[128], tid[16];
	int i, before;

	if (!mount_memory(_metadata, &cgroup))
		return;
	server = spawn_supervisor(_metadata, sup, serve_until_stopped, 0);
	t = spawn(_metadata, sup, call_until_stopped, 8);
	/* Both have touched all that they need. */
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > 10));

	snprintf(path, sizeof(path), "%s/starved", cgroup.path);
	ASSERT_EQ(0, mkdir(path, 0700));
	ASSERT_EQ(0, write_in(&cgroup, "starved/memory.max", "0"));
	for (i = 0; i < 2; i++) {
		snprintf(tid, sizeof(tid), "%d", i ? t->tid : server->tid);
		ASSERT_EQ(0, write_in(&cgroup, "starved/cgroup.procs", tid));
	}
	before = ATOMIC_GET(t->done);
	EXPECT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > before + 100));
	EXPECT_EQ(9, t->ret);
	/* In C, the RECV of one that outlives its target fails. */
	kill_and_reap(_metadata, server);
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, rmdir(path));
	unmount(&cgroup);
}

/*
 * Listeners are charged to who makes them
 */

#define MANY		16384
#define NR_FILTERS	8192
/* Less than what a listener is made of, beside its file. */
#define LISTENER_SIZE	128
/* Each CPU may have that much in store. */
#define CHARGE_BATCH	(64 * 4096)

FIXTURE(charged)
{
	struct supervisor sup;
	struct mounted cgroup;
	char path[128];
};

FIXTURE_SETUP(charged)
{
	memset(self, 0, sizeof(*self));
	init_supervisor(_metadata, &self->sup);
	find_implementation(_metadata, &self->sup);
	if (!mount_memory(_metadata, &self->cgroup))
		return;
	snprintf(self->path, sizeof(self->path), "%s/charged",
		 self->cgroup.path);
	ASSERT_EQ(0, mkdir(self->path, 0700));
}

FIXTURE_TEARDOWN(charged)
{
	end_supervisor(_metadata, &self->sup);
	/* Nothing is left there. */
	if (self->path[0])
		EXPECT_EQ(0, rmdir(self->path));
	unmount(&self->cgroup);
}

static long charged_now(struct mounted *cgroup)
{
	char path[128], buf[32];

	snprintf(path, sizeof(path), "%s/charged/memory.current",
		 cgroup->path);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	return strtol(buf, NULL, 10);
}

/* The fds from @first on are made in the cgroup; -errno if it does not enter. */
static int enter_charged(struct mounted *cgroup, int first)
{
	/* And one more, to read what is charged. */
	const int last = first + MANY;
	struct rlimit limit = { last + 1, last + 1 };
	char pid[16];

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	/* The table is as large as it gets, and charged to somebody else. */
	if (dup2(0, last) < 0 || close(last))
		return -errno;
	snprintf(pid, sizeof(pid), "%d", getpid());
	return write_in(cgroup, "charged/cgroup.procs", pid);
}

static int first_free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* What many fds cost is in t->ret; t->handled is 1 if that was given back. */
static void open_many(struct target *t, int (*make)(void))
{
	struct mounted *cgroup = (void *)t->arg;
	int i, first = first_free_fd();
	long before;

	if (enter_charged(cgroup, first))
		_exit(1);
	before = charged_now(cgroup);
	for (i = 0; i < MANY; i++) {
		if (make() != first + i)
			_exit(2);
	}
	t->ret = charged_now(cgroup) - before;
	if (syscall(__NR_close_range, first, ~0U, 0))
		_exit(3);
	t->handled = WAIT_FOR(charged_now(cgroup) - before < t->ret / 4);
}

static int new_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

static void open_listeners(struct target *t)
{
	open_many(t, new_listener);
}

static void open_eventfds(struct target *t)
{
	open_many(t, new_eventfd);
}

static bool has_new_listener(struct __test_metadata *_metadata,
			     struct supervisor *sup)
{
	int fd = new_listener();

	if (c_differs(_metadata, sup, fd == -EINVAL,
		      "SECCOMP_NEW_LISTENER is refused, with EINVAL"))
		return false;
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));
	return true;
}

/* More than their files are, as is seen beside files that have nothing else. */
TEST_F(charged, listeners_are_charged)
{
	const long store = CHARGE_BATCH * sysconf(_SC_NPROCESSORS_ONLN);
	struct target *listeners, *others;

	if (!has_new_listener(_metadata, &self->sup))
		return;
	others = spawn(_metadata, &self->sup, open_eventfds,
		       (unsigned long)&self->cgroup);
	reap(_metadata, others);
	listeners = spawn(_metadata, &self->sup, open_listeners,
			  (unsigned long)&self->cgroup);
	reap(_metadata, listeners);
	TH_LOG("bytes charged for each: %ld, without a listener %ld",
	       listeners->ret / MANY, others->ret / MANY);
	ASSERT_LT(store, others->ret);
	EXPECT_LT(others->ret + MANY * LISTENER_SIZE + store / 2,
		  listeners->ret);
	EXPECT_TRUE(listeners->handled);
}

/* Installs a filter with a listener, and takes both along. */
static void *leave_with_filter(void *unused)
{
	int fd = install_listener(0);

	return fd < 0 || close(fd) ? (void *)1 : NULL;
}

static void run_with_filters(unsigned int count)
{
	pthread_t thread;
	void *failed;

	while (count--) {
		if (pthread_create(&thread, NULL, leave_with_filter, NULL) ||
		    pthread_join(thread, &failed) || failed)
			_exit(2);
	}
}

/* t->handled is 1 if what the filters of many threads have cost was given back. */
static void leave_with_filters(struct target *t)
{
	struct mounted *cgroup = (void *)t->arg;
	long before;

	if (enter_charged(cgroup, first_free_fd()))
		_exit(1);
	/* What threads cost beside them is there by then. */
	run_with_filters(16);
	before = charged_now(cgroup);
	run_with_filters(NR_FILTERS);
	t->handled = WAIT_FOR(charged_now(cgroup) - before <
			      NR_FILTERS * LISTENER_SIZE);
	t->ret = charged_now(cgroup) - before;
}

/* A listener whose fd is closed and whose filter is gone is gone, too. */
TEST_F(charged, filters_leave_no_listener)
{
	struct target *t;

	t = spawn(_metadata, &self->sup, leave_with_filters,
		  (unsigned long)&self->cgroup);
	reap(_metadata, t);
	TH_LOG("bytes still charged for each: %ld", t->ret / NR_FILTERS);
	EXPECT_TRUE(t->handled);
}

/* Makes them until that fails. */
static void open_until_refused(struct target *t)
{
	struct mounted *cgroup = (void *)t->arg;

	if (enter_charged(cgroup, first_free_fd()))
		_exit(1);
	for (;;) {
		t->ret = new_listener();
		if (t->ret < 0)
			return;
		ATOMIC_INC(t->done);
	}
}

/* At the cgroup's limit its task is killed, or fails; all that it had is gone. */
TEST_F(charged, no_more_than_the_limit)
{
	const long store = CHARGE_BATCH * sysconf(_SC_NPROCESSORS_ONLN);
	struct target *t;

	if (!has_new_listener(_metadata, &self->sup))
		return;
	ASSERT_EQ(0, write_in(&self->cgroup, "charged/memory.max", "4M"));
	t = spawn(_metadata, &self->sup, open_until_refused,
		  (unsigned long)&self->cgroup);
	ASSERT_EQ(t->tid, waitpid(t->tid, &t->status, 0));
	t->tid = 0;
	TH_LOG("%d were made, then status %d, result %ld", t->done, t->status,
	       t->ret);
	EXPECT_LT(0, t->done);
	EXPECT_GT(MANY, t->done);
	EXPECT_TRUE(t->status == SIGKILL || (!t->status && t->ret == -ENOMEM));
	EXPECT_TRUE(WAIT_FOR(charged_now(&self->cgroup) <= store));
}

/*
 * Supervisors
 */

static void add_and_wait(struct target *t)
{
	t->ret = addfd(t->sup, t->arg, t->sup->listener, t->number, 0, 0);
	ATOMIC_INC(t->done);
}

/* It is killed while it waits for a target that does not run. */
static void kill_in_addfd(struct __test_metadata *_metadata, struct supervisor *sup,
			  unsigned int flags)
{
	struct target *t, *adder;
	struct seccomp_notif n;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	adder = new_target(_metadata, sup, add_and_wait, n.id);
	adder->keeps_listener = true;
	adder->number = flags;
	if (!hold_target(_metadata, sup, t))
		return;
	start_target(_metadata, adder);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(adder->tid)));
	kill_and_reap(_metadata, adder);
	release_target(_metadata, sup);
	EXPECT_EQ(0, adder->done);
	EXPECT_EQ(0, id_valid(sup, n.id));
	EXPECT_EQ(0, reply_value(sup, n.id, 4));
	expect_result(_metadata, t, 4, 0);
}

TEST_F(starved, supervisor_is_killed_in_addfd)
{
	kill_in_addfd(_metadata, &self->sup, 0);
}

TEST_F(starved, supervisor_is_killed_in_addfd_send)
{
	kill_in_addfd(_metadata, &self->sup, SECCOMP_ADDFD_FLAG_SEND);
}

static void wait_for_stop(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
	ASSERT_TRUE(WIFSTOPPED(status)) {
		TH_LOG("status %#x", status);
	}
}

static void interrupt_traced(struct __test_metadata *_metadata, pid_t pid)
{
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
	wait_for_stop(_metadata, pid);
}

static void serve_once(struct target *t)
{
	struct seccomp_notif n;

	t->ret = recv_notif(t->sup, &n);
	if (!t->ret)
		t->ret = reply_value(t->sup, n.id, 66);
	ATOMIC_INC(t->done);
}

/* A debugger looks at a supervisor that sleeps in RECV: it sleeps on. */
TEST_F(starved, supervisor_is_traced)
{
	struct target *server, *t;

	server = spawn_supervisor(_metadata, &self->sup, serve_once, 0);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(server->tid)));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, server->tid, NULL, NULL));
	interrupt_traced(_metadata, server->tid);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, ptrace(PTRACE_CONT, server->tid, NULL, NULL));
	expect_result(_metadata, t, 66, 0);
	reap(_metadata, server);
	EXPECT_EQ(0, server->ret);
}

/*
 * Targets that share
 */

/* The parent of it is not woken before it ends. */
static void call_in_vfork(struct target *t)
{
	pid_t pid = vfork();

	if (!pid) {
		t->number = syscall(NR_TRAPPED, 2);
		_exit(0);
	}
	trapped_call(t);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

TEST_F(starved, vforked)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn(_metadata, &self->sup, call_in_vfork, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(2, n.data.args[0]);
	EXPECT_NE(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, poll_now(&self->sup) & POLLIN);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 20));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(1, n.data.args[0]);
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 10));
	expect_result(_metadata, t, 10, 0);
	EXPECT_EQ(20, t->number);
}

/* A signal for the parent does not reach it: the child is what waits. */
TEST_F(starved, vforked_and_killed)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn(_metadata, &self->sup, call_in_vfork, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 20));
	ASSERT_EQ((pid_t)n.pid, waitpid(n.pid, NULL, 0));
	EXPECT_EQ(20, t->number);
}

static int call_as_clone(void *arg)
{
	struct target *t = arg;

	t->number = syscall(NR_TRAPPED, 2);
	return 0;
}

#define STACK_SIZE	65536

/* A process whose memory and files are those of its parent, which waits too. */
static void call_with_clone(struct target *t)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	pid = clone(call_as_clone, stack + STACK_SIZE,
		    CLONE_VM | CLONE_FILES | SIGCHLD, t);
	if (pid < 0)
		_exit(1);
	t->handled = pid;
	trapped_call(t);
	waitpid(pid, NULL, 0);
}

TEST_F(starved, shares_memory_and_files)
{
	struct seccomp_notif n[2], *own, *clone;
	struct supervisor *sup = &self->sup;
	struct target *t;
	int i, fd, other;

	t = spawn(_metadata, sup, call_with_clone, 1);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, recv_notif(sup, &n[i]));
	own = &n[n[0].data.args[0] != 1];
	clone = &n[n[0].data.args[0] == 1];
	EXPECT_EQ(1, own->data.args[0]);
	EXPECT_EQ(2, clone->data.args[0]);
	EXPECT_EQ(t->tid, (pid_t)own->pid);
	EXPECT_EQ(t->handled, (pid_t)clone->pid);

	/* There is one table of files. */
	fd = addfd(sup, clone->id, self->src, 0, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, self->src));
	other = addfd(sup, own->id, self->src, 0, 0, 0);
	ASSERT_LE(0, other);
	EXPECT_NE(fd, other);
	EXPECT_TRUE(same_file(t, fd, self->src));
	EXPECT_TRUE(same_file(t, other, self->src));
	/* Each has an answer of its own. */
	EXPECT_EQ(0, reply_value(sup, own->id, 10));
	EXPECT_EQ(0, id_valid(sup, clone->id));
	EXPECT_EQ(0, reply_value(sup, clone->id, 20));
	expect_result(_metadata, t, 10, 0);
	EXPECT_EQ(20, t->number);
}

static void *call_in_thread(void *arg)
{
	syscall(NR_TRAPPED, 9);
	return NULL;
}

/* Its thread waits in a call, by then. */
static void start_waiting_thread(struct target *t)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, call_in_thread, NULL))
		_exit(1);
	wait_until_told(t);
}

static void execute_beside_a_thread(struct target *t)
{
	start_waiting_thread(t);
	execute_call();
}

TEST_F(starved, exec_while_a_thread_waits)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	__u64 id;

	t = spawn(_metadata, sup, execute_beside_a_thread, 0);
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(9, n.data.args[0]);
	id = n.id;
	tell(t);
	ASSERT_EQ(0, recv_notif(sup, &n));
	/* Of the new program; the thread is no more. */
	EXPECT_EQ(2, n.data.args[0]);
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(-ENOENT, id_valid(sup, id));
	EXPECT_EQ(-ENOENT, reply_value(sup, id, 1));
	EXPECT_EQ(0, reply_value(sup, n.id, 78));
	reap(_metadata, t);
	EXPECT_EQ(0, poll_now(sup));
}

static void dump_core_beside_a_thread(struct target *t)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	start_waiting_thread(t);
	if (setrlimit(RLIMIT_CORE, &all))
		_exit(1);
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* A dump waits for all threads, and a thread that waits ends for it. */
TEST_F(starved, dumps_core_while_a_thread_waits)
{
	char dir[] = "/tmp/seccomp_notify.XXXXXX", *name;
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct dirent *entry;
	struct target *t;
	DIR *files;

	/* Where the core goes, if it does. */
	ASSERT_TRUE(!!mkdtemp(dir));
	ASSERT_EQ(0, chdir(dir));
	t = spawn(_metadata, sup, dump_core_beside_a_thread, 0);
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(9, n.data.args[0]);
	tell(t);
	ASSERT_EQ(t->tid, waitpid(t->tid, &t->status, 0));
	t->tid = 0;
	EXPECT_TRUE(WIFSIGNALED(t->status) && WTERMSIG(t->status) == SIGABRT) {
		TH_LOG("status %#x", t->status);
	}
	EXPECT_EQ(-ENOENT, id_valid(sup, n.id));
	EXPECT_EQ(0, poll_now(sup));
	files = opendir(".");
	ASSERT_TRUE(!!files);
	while ((entry = readdir(files))) {
		name = entry->d_name;
		if (name[0] != '.')
			EXPECT_EQ(0, unlink(name));
	}
	closedir(files);
	ASSERT_EQ(0, chdir("/"));
	EXPECT_EQ(0, rmdir(dir));
}

/*
 * Targets that are traced
 */

FIXTURE(traced)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(traced)
{
	bool attaches;		/* as older debuggers do, with a signal */
};

FIXTURE_VARIANT_ADD(traced, interrupt)
{
	.attaches = false,
};

FIXTURE_VARIANT_ADD(traced, attach)
{
	.attaches = true,
};

FIXTURE_SETUP(traced)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(traced)
{
	end_supervisor(_metadata, &self->sup);
}

/* Asks for a stop. */
static void trace(struct __test_metadata *_metadata, pid_t pid, bool attaches)
{
	if (attaches) {
		ASSERT_EQ(0, ptrace(PTRACE_ATTACH, pid, NULL, NULL));
		return;
	}
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
}

/* It stops at once, and then makes its call again. */
TEST_F(traced, begins_anew)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	__u64 id;

	t = spawn_delivered(_metadata, sup, call_once, &n);
	id = n.id;
	trace(_metadata, t->tid, variant->attaches);
	wait_for_stop(_metadata, t->tid);
	EXPECT_EQ(-ENOENT, id_valid(sup, id));
	EXPECT_EQ(0, poll_now(sup));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, t->tid, NULL, NULL));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(id + 1, n.id);
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, reply_value(sup, n.id, 12));
	expect_result(_metadata, t, 12, 0);
}

/* With FD_SIGNALED, the supervisor is told, and the stop comes after the answer. */
TEST_F(traced, is_told)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;

	if (!set_signaled(_metadata, sup))
		return;
	t = spawn_delivered(_metadata, sup, call_once, &n);
	trace(_metadata, t->tid, variant->attaches);
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(n.id, expect_recv(_metadata, sup, t, SIGNALED));
	EXPECT_EQ(0, reply_value(sup, n.id, 12));
	wait_for_stop(_metadata, t->tid);
	/* It has its answer by now, and nothing begins anew. */
	EXPECT_EQ(0, poll_now(sup));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, t->tid, NULL, NULL));
	expect_result(_metadata, t, 12, 0);
}

/*
 * A tracer below or above: what is let through is not traced either
 */

FIXTURE(ret_trace)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(ret_trace)
{
	bool is_newer;
};

FIXTURE_VARIANT_ADD(ret_trace, older)
{
	.is_newer = false,
};

FIXTURE_VARIANT_ADD(ret_trace, newer)
{
	.is_newer = true,
};

FIXTURE_SETUP(ret_trace)
{
	init_supervisor(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(ret_trace)
{
	end_supervisor(_metadata, &self->sup);
}

static int install_trace(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install_program(0, -1, filter, ARRAY_SIZE(filter));
}

static void install_trace_first(struct target *t)
{
	if (install_trace())
		_exit(1);
	install_and_call(t);
}

static void install_trace_last(struct target *t)
{
	int fd = install_listener(0);

	if (install_trace())
		_exit(1);
	ATOMIC_SET(t->fd, fd);
	wait_until_told(t);
	close(fd);
	trapped_call(t);
}

TEST_F(ret_trace, is_not_asked)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;

	t = spawn_installing(_metadata, sup, variant->is_newer ? install_trace_last :
								 install_trace_first);
	ASSERT_EQ(0, recv_notif(sup, &n));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, t->tid, NULL, PTRACE_O_TRACESECCOMP));
	ASSERT_EQ(0, reply_continue(sup, n.id));
	/* It does not stop before it ends. */
	expect_result(_metadata, t, getpid(), 0);
}

/* What a checkpoint reads of a filter. */
TEST_F(unfiltered, get_filter)
{
	struct supervisor *sup = &self->sup;
	struct sock_filter filter[64];
	struct seccomp_notif n;
	struct target *t;
	long len;

	t = spawn_installing(_metadata, sup, install_and_call);
	ASSERT_EQ(0, recv_notif(sup, &n));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, t->tid, NULL, NULL));
	interrupt_traced(_metadata, t->tid);
	len = ptrace(PTRACE_SECCOMP_GET_FILTER, t->tid, 0, NULL);
	if (len < 0 && errno == EIO) {
		kill_and_reap(_metadata, t);
		SKIP(return, "no CONFIG_CHECKPOINT_RESTORE");
	}
	ASSERT_LT(2, len);
	ASSERT_GE(ARRAY_SIZE(filter), len);
	ASSERT_EQ(len, ptrace(PTRACE_SECCOMP_GET_FILTER, t->tid, 0, filter));
	EXPECT_EQ(BPF_RET | BPF_K, filter[len - 2].code);
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, filter[len - 2].k);
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, t->tid, NULL, NULL));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/*
 * Others
 */

/* Without no_new_privs: in its own user namespace it may. */
static void install_in_user_namespace(struct target *t)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = ARRAY_SIZE(filter),
		.filter = filter,
	};
	int fd;

	if (unshare(CLONE_NEWUSER))
		fd = -errno;
	else
		fd = sys_seccomp(SECCOMP_SET_MODE_FILTER,
				 SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	ATOMIC_SET(t->fd, fd == -1 ? -EPERM : fd);
	if (fd < 0)
		_exit(1);
	wait_until_told(t);
	close(fd);
	trapped_call(t);
}

TEST_F(unfiltered, in_a_user_namespace)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	int src, fd;

	t = spawn_installing(_metadata, sup, install_in_user_namespace);
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	src = open_null(_metadata);
	fd = addfd(sup, n.id, src, 0, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, src));
	EXPECT_EQ(0, close(src));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/* A read of an empty pipe, which a worker of the ring sleeps in. */
static void start_ring_worker(void)
{
	struct io_uring_params p = {};
	static char buf[8];
	unsigned int *tail, *array;
	struct io_uring_sqe *sqe;
	int ring, ends[2];
	char *sq;

	ring = syscall(__NR_io_uring_setup, 4, &p);
	if (ring < 0 || pipe(ends))
		_exit(1);
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(*array),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		  IORING_OFF_SQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqe == MAP_FAILED)
		_exit(2);
	tail = (unsigned int *)(sq + p.sq_off.tail);
	array = (unsigned int *)(sq + p.sq_off.array);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ;
	sqe->flags = IOSQE_ASYNC;
	sqe->fd = ends[0];
	sqe->addr = (uintptr_t)buf;
	sqe->len = sizeof(buf);
	array[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
		_exit(3);
}

static void call_beside_a_ring(struct target *t)
{
	int fd = install_listener(0);

	start_ring_worker();
	ATOMIC_SET(t->fd, fd);
	wait_until_told(t);
	close(fd);
	trapped_call(t);
	trapped_call(t);
}

static bool has_io_uring(void)
{
	struct io_uring_params p = {};
	int ring = syscall(__NR_io_uring_setup, 4, &p);

	if (ring < 0)
		return false;
	close(ring);
	return true;
}

/* The workers of a ring use the filter, and their end is the end of its use. */
TEST_F(unfiltered, with_a_ring)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;

	if (!has_io_uring())
		SKIP(return, "no io_uring here (%d)", errno);
	t = spawn_installing(_metadata, sup, call_beside_a_ring);
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(1, t->done);
	EXPECT_EQ(3, t->ret);
	kill_and_reap(_metadata, t);
	EXPECT_EQ(POLLHUP, poll_fd(sup->listener, GUARD * 1000));
	EXPECT_EQ(-ENOENT, recv_notif(sup, &n));
}

#define NR_LEAVING	6

static void *leave_soon(void *arg)
{
	spin((uintptr_t)arg);
	return NULL;
}

/* Threads end while they are given a filter with a listener. */
static void sync_with_leaving_threads(struct target *t)
{
	const unsigned int flags = SECCOMP_FILTER_FLAG_TSYNC |
				   SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	pthread_t threads[NR_LEAVING];
	int i, round;

	for (round = 0; round < 200; round++) {
		for (i = 0; i < NR_LEAVING; i++) {
			if (pthread_create(&threads[i], NULL, leave_soon,
					   (void *)(uintptr_t)(round * i * 16)))
				_exit(1);
		}
		t->fd = install_listener(flags);
		for (i = 0; i < NR_LEAVING; i++)
			pthread_join(threads[i], NULL);
		if (t->fd < 0)
			_exit(2);
		close(t->fd);
		trapped_call(t);
		if (t->ret != -1 || t->err != ENOSYS)
			_exit(3);
	}
}

TEST_F(unfiltered, tsync_with_leaving_threads)
{
	struct target *t = spawn(_metadata, &self->sup, sync_with_leaving_threads, 1);

	reap(_metadata, t);
	EXPECT_EQ(200, t->done) {
		TH_LOG("the last listener is %d, the last call %ld (%d)", t->fd, t->ret,
		       t->err);
	}
}

TEST_HARNESS_MAIN
