// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_IOCTL_NOTIF_PIDFD: a pidfd of the thread that made a notification, or
 * of its process.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include "notify_common.h"

#define PROCESS		SECCOMP_NOTIF_PIDFD_PROCESS

/* The first version of struct pidfd_info: linux/pidfd.h cannot be included. */
struct pids {
	__u64 mask;
	__u64 cgroupid;
	__u32 pid;
	__u32 tgid;
	__u32 ppid;
	__u32 ids[9];
};

#define GET_PIDS	_IOWR(0xFF, 11, struct pids)
#define MASK_PIDS	1	/* PIDFD_INFO_PID */

FIXTURE(pidfd)
{
	struct supervisor sup;
};

FIXTURE_SETUP(pidfd)
{
	int ret;

	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	ret = notif_pidfd(&self->sup, 0, 0);
	if (c_differs(_metadata, &self->sup, ret == -EINVAL,
		      "PIDFD is refused, with EINVAL"))
		return;
	ASSERT_EQ(-ENOENT, ret);
}

FIXTURE_TEARDOWN(pidfd)
{
	end_supervisor(_metadata, &self->sup);
}

/* Whom @pidfd refers to, as the kernel says. */
static void expect_pids(struct __test_metadata *_metadata, int pidfd, pid_t pid,
			pid_t tgid)
{
	struct pids pids = { .mask = MASK_PIDS };

	ASSERT_EQ(0, ioctl(pidfd, GET_PIDS, &pids));
	EXPECT_EQ(pid, (pid_t)pids.pid);
	EXPECT_EQ(tgid, (pid_t)pids.tgid);
}

/* The file that the task of @pidfd has under @number, as an fd of ours. */
static int get_fd(int pidfd, int number)
{
	int ret = syscall(__NR_pidfd_getfd, pidfd, number, 0);

	return ret < 0 ? -errno : ret;
}

/*
 * Whose it is
 */

/* A thread whose fds are its own, of which @fd is one. */
static void call_with_own_fds(struct target *t)
{
	int fds[2];

	if (unshare(CLONE_FILES) || pipe(fds)) {
		t->err = errno;
		return;
	}
	t->fd = fds[0];
	trapped_call(t);
}

TEST_F(pidfd, of_a_thread_and_of_its_process)
{
	int thread, process, fd;
	struct seccomp_notif n;
	struct target *t;
	struct stat st;

	t = spawn_thread(_metadata, &self->sup, call_with_own_fds, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	ASSERT_EQ(t->tid, (pid_t)n.pid);
	ASSERT_NE(getpid(), t->tid);
	thread = notif_pidfd(&self->sup, n.id, 0);
	ASSERT_LE(0, thread);
	process = notif_pidfd(&self->sup, n.id, PROCESS);
	ASSERT_LE(0, process);
	expect_pids(_metadata, thread, t->tid, getpid());
	expect_pids(_metadata, process, getpid(), getpid());

	/* The number is that of the first of these here, or of none. */
	fd = get_fd(thread, t->fd);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_TRUE(S_ISFIFO(st.st_mode));
	close(fd);
	fd = get_fd(process, t->fd);
	if (fd >= 0) {
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_FALSE(S_ISFIFO(st.st_mode));
		close(fd);
	} else {
		EXPECT_EQ(-EBADF, fd);
	}

	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
	/* A thread that has exited, of a process that has not. */
	EXPECT_EQ(POLLIN, poll_fd(thread, GUARD * 1000) & POLLIN);
	EXPECT_EQ(0, poll_fd(process, 0));
	close(thread);
	close(process);
}

TEST_F(pidfd, of_the_right_one_of_many)
{
	struct seccomp_notif n[10];
	struct target *t[10];
	int i, pidfd;

	for (i = 0; i < 10; i++) {
		t[i] = spawn_queued(_metadata, &self->sup, call_once, i);
		ASSERT_EQ(0, recv_notif(&self->sup, &n[i]));
	}
	for (i = 9; i >= 0; i--) {
		pidfd = notif_pidfd(&self->sup, n[i].id, i % 2 ? PROCESS : 0);
		ASSERT_LE(0, pidfd);
		expect_pids(_metadata, pidfd, t[i]->tid, t[i]->tid);
		close(pidfd);
	}
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, reply_value(&self->sup, n[i].id, i));
		expect_result(_metadata, t[i], i, 0);
	}
}

TEST_F(pidfd, is_close_on_exec)
{
	struct seccomp_notif n;
	struct target *t;
	int pidfd;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	pidfd = notif_pidfd(&self->sup, n.id, 0);
	ASSERT_LE(0, pidfd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(pidfd, F_GETFD));
	close(pidfd);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/* Until it has exited, nothing is told; what is held on to outlives it. */
TEST_F(pidfd, tells_of_the_end)
{
	struct seccomp_notif n;
	struct target *t;
	int pidfd;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	pidfd = notif_pidfd(&self->sup, n.id, PROCESS);
	ASSERT_LE(0, pidfd);
	EXPECT_EQ(0, poll_fd(pidfd, 0));
	EXPECT_EQ(0, syscall(__NR_pidfd_send_signal, pidfd, SIGKILL, NULL, 0));
	EXPECT_EQ(POLLIN, poll_fd(pidfd, GUARD * 1000) & POLLIN);
	reap_status(_metadata, t, SIGKILL);
	EXPECT_EQ(-1, syscall(__NR_pidfd_send_signal, pidfd, 0, NULL, 0));
	EXPECT_EQ(ESRCH, errno);
	EXPECT_EQ(-ENOENT, notif_pidfd(&self->sup, n.id, PROCESS));
	close(pidfd);
}

/* The thread that calls is all that is left of its process. */
static void *call_after_leader(void *arg)
{
	struct target *t = arg;

	t->number = sys_gettid();
	trapped_call(t);
	return NULL;
}

static void leave_thread(struct target *t)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, call_after_leader, t))
		pthread_exit(NULL);
}

TEST_F(pidfd, of_a_process_whose_leader_has_ended)
{
	struct seccomp_notif n;
	int thread, process;
	struct target *t;

	t = spawn(_metadata, &self->sup, leave_thread, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	ASSERT_EQ(t->number, n.pid);
	ASSERT_TRUE(WAIT_FOR(task_state(t->tid) == 'Z'));
	thread = notif_pidfd(&self->sup, n.id, 0);
	ASSERT_LE(0, thread);
	process = notif_pidfd(&self->sup, n.id, PROCESS);
	ASSERT_LE(0, process);
	expect_pids(_metadata, thread, n.pid, t->tid);
	expect_pids(_metadata, process, t->tid, t->tid);
	/* It is a process for as long as one of its threads lives. */
	EXPECT_EQ(0, poll_fd(process, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	EXPECT_EQ(POLLIN, poll_fd(process, GUARD * 1000) & POLLIN);
	reap(_metadata, t);
	EXPECT_EQ(3, t->ret);
	close(thread);
	close(process);
}

static void call_with_pipe(struct target *t)
{
	int fds[2];

	if (pipe(fds))
		return;
	t->fd = fds[0];
	trapped_call(t);
}

/* A supervisor in a pid namespace of its own, where the target has no pid. */
static int serve_in_pid_namespace(struct target *t)
{
	struct pids pids = { .mask = MASK_PIDS };
	struct seccomp_notif n;
	int pidfds[2], i, fd;
	struct target *target = t - 1;
	struct stat st;

	if (recv_notif(t->sup, &n) || n.pid)
		return 1;
	for (i = 0; i < 2; i++) {
		pidfds[i] = notif_pidfd(t->sup, n.id, i ? PROCESS : 0);
		if (pidfds[i] < 0)
			return 2;
		/* There are no numbers to give. */
		if (!ioctl(pidfds[i], GET_PIDS, &pids) || errno != EREMOTE)
			return 3;
		/* It is the target's. */
		fd = get_fd(pidfds[i], target->fd);
		if (fd < 0 || fstat(fd, &st) || !S_ISFIFO(st.st_mode))
			return 4;
		if (poll_fd(pidfds[i], 0))
			return 5;
	}
	if (reply_value(t->sup, n.id, 8))
		return 6;
	for (i = 0; i < 2; i++) {
		if (!(poll_fd(pidfds[i], GUARD * 1000) & POLLIN))
			return 7;
	}
	return 0;
}

static void unshare_and_serve(struct target *t)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID)) {
		t->err = errno;
		return;
	}
	pid = fork();
	if (!pid)
		_exit(serve_in_pid_namespace(t));
	waitpid(pid, &t->status, 0);
	t->ret = t->status;
}

TEST_F(pidfd, of_one_that_is_not_visible)
{
	struct target *supervisor, *t;

	t = spawn_queued(_metadata, &self->sup, call_with_pipe, 1);
	supervisor = spawn_supervisor(_metadata, &self->sup, unshare_and_serve,
				      0);
	ASSERT_EQ(supervisor, t + 1);
	ASSERT_EQ(supervisor->tid, waitpid(supervisor->tid, NULL, 0));
	supervisor->tid = 0;
	if (supervisor->err) {
		answer(_metadata, &self->sup, t);
		SKIP(return, "no pid namespaces (%d)", supervisor->err);
	}
	ASSERT_EQ(0, supervisor->ret);
	expect_result(_metadata, t, 8, 0);
}

/*
 * What is refused
 */

TEST_F(pidfd, unknown_flags_einval)
{
	struct seccomp_notif n;
	struct target *t;
	unsigned int bit;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	for (bit = 0; bit < 32; bit++) {
		struct seccomp_notif_pidfd reserved = {
			.id = n.id,
			.reserved = 1U << bit,
		};

		if (1U << bit != PROCESS) {
			EXPECT_EQ(-EINVAL, notif_pidfd(&self->sup, n.id,
						       1U << bit));
			EXPECT_EQ(-EINVAL, notif_pidfd(&self->sup, n.id,
						       1U << bit | PROCESS));
		}
		EXPECT_EQ(-1, ioctl(self->sup.listener,
				    SECCOMP_IOCTL_NOTIF_PIDFD, &reserved));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

TEST_F(pidfd, bad_buffer_efault)
{
	EXPECT_EQ(-1, ioctl(self->sup.listener, SECCOMP_IOCTL_NOTIF_PIDFD,
			    NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(pidfd, only_while_delivered)
{
	struct seccomp_notif n;
	struct target *t;
	int pidfd;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	pidfd = notif_pidfd(&self->sup, n.id, 0);
	ASSERT_LE(0, pidfd);
	close(pidfd);
	EXPECT_EQ(-ENOENT, notif_pidfd(&self->sup, n.id + 1, 0));
	EXPECT_EQ(-ENOENT, notif_pidfd(&self->sup, n.id - 1, 0));
	/* Answered, and not gone yet. */
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	EXPECT_EQ(-ENOENT, notif_pidfd(&self->sup, n.id, 0));
	EXPECT_EQ(-ENOENT, notif_pidfd(&self->sup, n.id, PROCESS));
	release_target(_metadata, &self->sup);
	expect_result(_metadata, t, 3, 0);
}

TEST_F(pidfd, queued_enoent)
{
	struct seccomp_notif n;
	struct target *a, *b;

	a = spawn_delivered(_metadata, &self->sup, call_once, &n);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	EXPECT_EQ(-ENOENT, notif_pidfd(&self->sup, n.id + 1, 0));
	EXPECT_EQ(-ENOENT, notif_pidfd(&self->sup, n.id + 1, PROCESS));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, a, 3, 0);
	answer(_metadata, &self->sup, b);
}

TEST_F(pidfd, no_free_fd_emfile)
{
	struct rlimit limit, none;
	struct seccomp_notif n;
	struct target *t;
	int fd, pidfd;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	/* The lowest free number. */
	fd = open_null(_metadata);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = fd + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, notif_pidfd(&self->sup, n.id, 0));
	EXPECT_EQ(-EMFILE, notif_pidfd(&self->sup, n.id, PROCESS));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	pidfd = notif_pidfd(&self->sup, n.id, 0);
	EXPECT_EQ(fd + 1, pidfd);
	close(pidfd);
	close(fd);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/*
 * Races
 */

/* Whatever comes first: what is handed out is for that one, or nothing is. */
TEST_F(pidfd, races_with_death)
{
	int i, pidfd = 0, got = 0, late = 0, before = count_fds();
	struct seccomp_notif n;
	struct target *t;
	long start = 0;

	for (i = 0; i < ROUNDS; i++) {
		t = spawn_delivered(_metadata, &self->sup, call_once, &n);
		ASSERT_EQ(0, kill(t->tid, SIGKILL));
		give_a_start(&start, pidfd < 0);
		pidfd = notif_pidfd(&self->sup, n.id, i % 2 ? PROCESS : 0);
		if (pidfd >= 0) {
			got++;
			/* It has not been reaped. */
			expect_pids(_metadata, pidfd, t->tid, t->tid);
			EXPECT_EQ(POLLIN,
				  poll_fd(pidfd, GUARD * 1000) & POLLIN);
			close(pidfd);
		} else {
			late++;
			EXPECT_EQ(-ENOENT, pidfd);
		}
		reap_status(_metadata, t, SIGKILL);
		forget_targets(&self->sup);
	}
	EXPECT_EQ(before, count_fds());
	TH_LOG("%d pidfds, %d were late", got, late);
	EXPECT_LT(0, late);
	/* With one CPU, whoever is killed may always be faster. */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		EXPECT_LT(0, got);
}

TEST_HARNESS_MAIN
