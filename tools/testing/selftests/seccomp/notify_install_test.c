// SPDX-License-Identifier: GPL-2.0
/*
 * Installing a filter with a listener: TSYNC, more than one filter, and a
 * listener that is passed on.
 */
#include <sys/socket.h>

#include "notify_common.h"

FIXTURE(install)
{
	struct supervisor sup;
};

FIXTURE_SETUP(install)
{
	init_supervisor(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(install)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(install, get_notif_sizes)
{
	struct seccomp_notif_sizes sizes = {};

	EXPECT_EQ(0, sys_seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes));
	EXPECT_EQ(sizeof(struct seccomp_notif), sizes.seccomp_notif);
	EXPECT_EQ(sizeof(struct seccomp_notif_resp), sizes.seccomp_notif_resp);
	EXPECT_EQ(sizeof(struct seccomp_data), sizes.seccomp_data);
	EXPECT_EQ(80, sizes.seccomp_notif);
	EXPECT_EQ(24, sizes.seccomp_notif_resp);
	EXPECT_EQ(64, sizes.seccomp_data);
	EXPECT_EQ(-EINVAL, sys_seccomp(SECCOMP_GET_NOTIF_SIZES, 1, &sizes));
	EXPECT_EQ(-EFAULT, sys_seccomp(SECCOMP_GET_NOTIF_SIZES, 0, NULL));
}

TEST_F(install, listener_is_close_on_exec)
{
	supervise(_metadata, &self->sup, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->sup.listener, F_GETFD));
}

TEST_F(install, wait_killable_recv_needs_a_listener)
{
	EXPECT_EQ(-EINVAL,
		  install_filter(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
}

TEST_F(install, nested_listener_ebusy_until_closed)
{
	struct target *t;
	int fd;

	supervise(_metadata, &self->sup, 0);
	fd = open_null(_metadata);
	close(fd);
	EXPECT_EQ(-EBUSY, install_listener(0));
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	/* The refused filter has changed nothing. */
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	answer(_metadata, &self->sup, t);
	/* A second one without a listener is allowed; its targets get ENOSYS. */
	ASSERT_EQ(0, install_filter(0));
	t = spawn(_metadata, &self->sup, call_once, 1);
	expect_result(_metadata, t, -1, ENOSYS);
	EXPECT_EQ(-EBUSY, install_listener(0));
	close_listener(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	answer(_metadata, &self->sup, t);
}

/*
 * TSYNC
 */

static void call_when_told(struct target *t)
{
	while (!ATOMIC_GET(t->stop))
		usleep(100);
	trapped_call(t);
}

TEST_F(install, tsync_needs_tsync_esrch)
{
	EXPECT_EQ(-EINVAL, install_listener(SECCOMP_FILTER_FLAG_TSYNC));
}

TEST_F(install, tsync_with_listener)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_thread(_metadata, &self->sup, call_when_told, 1);
	supervise(_metadata, &self->sup,
		  SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
	ATOMIC_SET(t->stop, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 5));
	expect_result(_metadata, t, 5, 0);
}

static void install_own_and_wait(struct target *t)
{
	t->ret = install_filter(0);
	ATOMIC_INC(t->done);
	while (!ATOMIC_GET(t->stop))
		usleep(100);
}

TEST_F(install, tsync_esrch)
{
	const unsigned int flags = SECCOMP_FILTER_FLAG_TSYNC |
				   SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	struct target *t;
	int fd = open_null(_metadata);

	close(fd);
	t = spawn_thread(_metadata, &self->sup, install_own_and_wait, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done)));
	ASSERT_EQ(0, t->ret);
	EXPECT_EQ(-ESRCH, install_listener(flags));
	/* No fd is left open. */
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	ATOMIC_SET(t->stop, 1);
	reap(_metadata, t);
}

/*
 * Other processes
 */

static void install_fork_and_call(struct target *t)
{
	int fd = install_listener(0);
	pid_t pid;

	ATOMIC_SET(t->fd, fd);
	while (!ATOMIC_GET(t->stop))
		usleep(100);
	close(fd);
	pid = fork();
	if (!pid) {
		long ret = syscall(NR_TRAPPED, 1234);

		_exit(ret == 55 ? 0 : 1);
	}
	t->number = pid;
	waitpid(pid, &t->status, 0);
	trapped_call(t);
}

TEST_F(install, fork_after_install)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t child;

	t = spawn_installing(_metadata, &self->sup, install_fork_and_call);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(1234, n.data.args[0]);
	child = n.pid;
	EXPECT_NE(t->tid, child);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 55));
	/* The child may make its call before its parent stores the pid. */
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(t->number, child);
	EXPECT_EQ(0, t->status);
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 56));
	expect_result(_metadata, t, 56, 0);
}

static void receive_and_serve(struct target *t)
{
	char data, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = &data, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct supervisor *sup = t->sup;
	struct seccomp_notif n;

	if (recvmsg(t->arg, &msg, 0) != 1)
		_exit(1);
	memcpy(&sup->listener, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	ATOMIC_SET(t->stop, 1);
	if (recv_notif(sup, &n))
		_exit(2);
	t->number = n.pid;
	if (reply_value(sup, n.id, 31))
		_exit(3);
}

TEST_F(install, listener_over_scm_rights)
{
	char data = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = &data, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	struct target *supervisor, *t;
	pid_t pid;
	int sv[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
	/* It is started first: the filter does not apply to it. */
	supervisor = spawn(_metadata, &self->sup, receive_and_serve, sv[1]);
	supervise(_metadata, &self->sup, 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &self->sup.listener, sizeof(int));
	ASSERT_EQ(1, sendmsg(sv[0], &msg, 0));
	close_listener(_metadata, &self->sup);
	t = spawn(_metadata, &self->sup, call_once, 1);
	pid = t->tid;
	expect_result(_metadata, t, 31, 0);
	reap(_metadata, supervisor);
	EXPECT_EQ(pid, (pid_t)supervisor->number);
	/* That had the last fd: the listener is closed now. */
	t = spawn(_metadata, &self->sup, call_once, 1);
	expect_result(_metadata, t, -1, ENOSYS);
	EXPECT_EQ(0, close(sv[0]));
	EXPECT_EQ(0, close(sv[1]));
}

TEST_HARNESS_MAIN
