// SPDX-License-Identifier: GPL-2.0
/*
 * Targets and supervisors with 32 bits: this very program, built once more, is
 * both. Its arguments say which.
 */
#include <limits.h>

#include "notify_common.h"

#define NO_32BIT	126	/* exit status: there is no such program */

#define RESULT_32BIT	0x12345678
#define RESULT_64BIT	0x123456789LL

/* What a 64-bit target has in its memory, and what becomes of it. */
static const char before[] = "as it was";
static const char after[] = "as it is.";

static void exec_32bit(const char *mode, unsigned long arg)
{
	char path[PATH_MAX + 4], number[32];
	ssize_t len;

	len = readlink("/proc/self/exe", path, PATH_MAX);
	if (len < 0)
		_exit(NO_32BIT);
	snprintf(path + len, sizeof(path) - len, "_32");
	snprintf(number, sizeof(number), "%lu", arg);
	execl(path, path, mode, number, NULL);
	_exit(NO_32BIT);
}

static void call_32bit(struct target *t)
{
	exec_32bit("--call", t->arg);
}

static void supervise_32bit(struct target *t)
{
	/* dup() clears close-on-exec. */
	exec_32bit("--supervise", dup(t->sup->listener));
}

/* The same for what uses the listener, and closes it. */
static void use_32bit(struct target *t)
{
	exec_32bit("--use", dup(t->sup->listener));
}

static void make_and_use_32bit(struct target *t)
{
	exec_32bit("--make", 0);
}

/* The first call must return, the second fail, the third be continued. */
static int call_main(unsigned long arg)
{
	long ret;

	ret = syscall(NR_TRAPPED, arg, 0xffffffffUL, 3, 4, 5, 6);
	if (ret != RESULT_32BIT)
		return 1;
	ret = syscall(NR_TRAPPED, arg);
	if (ret != -1 || errno != EOVERFLOW)
		return 2;
	ret = syscall(NR_TRAPPED, arg);
	if (ret <= 0 || kill(ret, 0))
		return 3;
	return 0;
}

/* Answers @n with RESULT_64BIT, and receives the next into it. */
static int answer_and_recv(struct supervisor *sup, struct seccomp_notif *n)
{
	bool is_c = set_flags(sup, SECCOMP_USER_NOTIF_FD_SIGNALED) == -EINVAL;
	struct seccomp_notif_send_recv sr;

	set_flags(sup, 0);
	if (send_recv(sup, NULL) != (is_c ? -EINVAL : -EFAULT))
		return 1;
	set_answer(&sr, n->id, RESULT_64BIT);
	if (send_recv(sup, &sr)) {
		if (!is_c || sr.flags != SECCOMP_NOTIF_SEND_RECV_SEND)
			return 2;
		return send_resp(sup, &sr.resp) || recv_notif(sup, n) ? 3 : 0;
	}
	if (is_c || sr.flags || sr.notif.id != n->id + 1 ||
	    sr.notif.pid != n->pid || sr.notif.data.arch != n->data.arch ||
	    memcmp(sr.notif.data.args, n->data.args, sizeof(n->data.args)))
		return 4;
	*n = sr.notif;
	/* All of the room is looked at. */
	set_answer(&sr, n->id, 1);
	sr.notif.data.args[5] = 1ULL << 63;
	if (send_recv(sup, &sr) != -EINVAL || id_valid(sup, n->id))
		return 5;
	/* Whoever it was is gone, and there is nothing else. */
	if (set_nonblock(sup))
		return 6;
	set_answer(&sr, n->id - 1, 1);
	if (send_recv(sup, &sr) != -EAGAIN ||
	    sr.flags != SECCOMP_NOTIF_SEND_RECV_GONE || id_valid(sup, n->id))
		return 7;
	return fcntl(sup->listener, F_SETFL, O_RDWR) ? 8 : 0;
}

/* It tells of the end of the target of @n, which has not come. */
static int ask_for_pidfd(struct supervisor *sup, struct seccomp_notif *n)
{
	bool is_c = set_flags(sup, SECCOMP_USER_NOTIF_FD_SIGNALED) == -EINVAL;
	int pidfd;

	set_flags(sup, 0);
	pidfd = notif_pidfd(sup, n->id, SECCOMP_NOTIF_PIDFD_PROCESS);
	if (is_c)
		return pidfd != -EINVAL;
	if (pidfd < 0 || poll_fd(pidfd, 0))
		return 2;
	if (syscall(__NR_pidfd_send_signal, pidfd, 0, NULL, 0) || close(pidfd))
		return 3;
	if (notif_pidfd(sup, n->id, 1U << 31) != -EINVAL)
		return 4;
	return 0;
}

static int copy(struct supervisor *sup, struct seccomp_notif *n, __u64 buf,
		unsigned int flags)
{
	/* The address has more bits than a pointer here. */
	struct seccomp_notif_mem args = {
		.id = n->id,
		.addr = n->data.args[1],
		.buf = buf,
		.len = sizeof(before),
		.flags = flags,
	};
	int ret = ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_MEM, &args);

	return ret < 0 ? -errno : ret;
}

/* What the target of @n has at its second argument, and gets there. */
static int read_and_write(struct supervisor *sup, struct seccomp_notif *n)
{
	bool is_c = set_flags(sup, SECCOMP_USER_NOTIF_FD_SIGNALED) == -EINVAL;
	char buf[sizeof(before)] = {};
	__u64 here = (uintptr_t)buf;

	set_flags(sup, 0);
	if (is_c)
		return copy(sup, n, here, 0) != -EINVAL;
	if (copy(sup, n, here, 0) != sizeof(buf) || strcmp(buf, before))
		return 2;
	memcpy(buf, after, sizeof(buf));
	if (copy(sup, n, here, SECCOMP_NOTIF_MEM_WRITE) != sizeof(buf))
		return 3;
	memset(buf, 0, sizeof(buf));
	if (copy(sup, n, here, 0) != sizeof(buf) || strcmp(buf, after))
		return 4;
	/* It is not cut to the size of a pointer. */
	if (copy(sup, n, here | 1ULL << 32, 0) != -EFAULT)
		return 5;
	if (copy(sup, n, here, 1U << 31) != -EINVAL)
		return 6;
	return 0;
}

/* Has @n received once more, and again with all. */
static int put_back(struct supervisor *sup, struct seccomp_notif *n)
{
	bool is_c = set_flags(sup, SECCOMP_USER_NOTIF_FD_SIGNALED) == -EINVAL;
	struct seccomp_notif again;

	set_flags(sup, 0);
	if (is_c)
		return notif_requeue(sup, n->id, 0) != -EINVAL;
	if (notif_requeue(sup, n->id, 0) != 1 || poll_now(sup) != POLL_QUEUED)
		return 2;
	if (recv_notif(sup, &again) || memcmp(&again, n, sizeof(again)))
		return 3;
	if (notif_requeue(sup, 0, SECCOMP_NOTIF_REQUEUE_ALL) != 1)
		return 4;
	if (recv_notif(sup, &again) || memcmp(&again, n, sizeof(again)))
		return 5;
	if (notif_requeue(sup, n->id, 1U << 31) != -EINVAL)
		return 6;
	return 0;
}

static int supervise_main(int listener)
{
	struct supervisor sup = { .listener = listener };
	int null = open("/dev/null", O_RDWR), ret;
	struct seccomp_notif n;

	if (recv_notif(&sup, &n))
		return 1;
	if (n.flags || !n.pid || n.data.args[0] != 1)
		return 2;
	if (id_valid(&sup, n.id) || id_valid(&sup, n.id + 1) != -ENOENT)
		return 3;
	if (set_flags(&sup, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) ||
	    set_flags(&sup, 0))
		return 4;
	if (set_flags(&sup, 1UL << 31) != -EINVAL)
		return 5;
	if (addfd(&sup, n.id, null, SECCOMP_ADDFD_FLAG_SETFD, 9, O_CLOEXEC) != 9)
		return 6;
	if (addfd(&sup, n.id, null, 0, 1, 0) != -EINVAL)
		return 7;
	if (poll_now(&sup) != POLL_DELIVERED)
		return 8;
	if (reply(&sup, n.id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE) !=
	    -EINVAL)
		return 9;
	ret = ask_for_pidfd(&sup, &n);
	if (ret)
		return 30 + ret;
	ret = read_and_write(&sup, &n);
	if (ret)
		return 40 + ret;
	ret = put_back(&sup, &n);
	if (ret)
		return 50 + ret;
	ret = answer_and_recv(&sup, &n);
	if (ret)
		return 10 + ret;
	if (reply(&sup, n.id, 0, -EOVERFLOW, 0))
		return 20;
	return 0;
}

static int use(const void *args)
{
	return sys_seccomp(SECCOMP_SET_MODE_FILTER,
			   SECCOMP_FILTER_FLAG_USE_LISTENER, (void *)args);
}

/* What is refused, and leaves this process without a filter. */
static int fail_to_use(int listener)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct seccomp_listener_fprog args = {
		.fprog = { .len = ARRAY_SIZE(filter), .filter = filter },
		.listener = listener,
	};
	const int size = sizeof(args), page = getpagesize();
	int null = open("/dev/null", O_RDWR), i;
	char *end;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 1;
	/* Its size is that of the compat structure. */
	if (size != (sizeof(long) == 4 ? 16 : 24))
		return 2;
	args.listener = -1;
	if (use(&args) != -EBADF)
		return 3;
	args.listener = null;
	if (use(&args) != -EINVAL)
		return 4;
	close(null);
	if (use(&args) != -EBADF)
		return 5;
	args.listener = listener;
	args.reserved = 1;
	if (use(&args) != -EINVAL)
		return 6;
	args.reserved = 1U << 31;
	if (use(&args) != -EINVAL)
		return 7;
	args.reserved = 0;
	args.fprog.filter = (void *)1;
	if (use(&args) != -EFAULT || use(NULL) != -EFAULT)
		return 8;
	if (sys_seccomp(SECCOMP_SET_MODE_FILTER,
			SECCOMP_FILTER_FLAG_USE_LISTENER |
			SECCOMP_FILTER_FLAG_NEW_LISTENER, &args) != -EINVAL)
		return 9;
	if (sys_seccomp(SECCOMP_NEW_LISTENER, 1, NULL) != -EINVAL ||
	    sys_seccomp(SECCOMP_NEW_LISTENER, 0, &args) != -EINVAL)
		return 10;

	/* Some of it can be read. */
	end = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (end == MAP_FAILED || mprotect(end + page, page, PROT_NONE))
		return 11;
	end += page;
	args.fprog.filter = filter;
	for (i = 1; i < size; i++) {
		memcpy(end - i, &args, i);
		if (use(end - i) != -EFAULT)
			return 12;
	}
	return 0;
}

/* The very last bytes of a page: nothing beyond them is to be read. */
static int use_main(int listener)
{
	struct seccomp_listener_fprog *args;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const int page = getpagesize();
	char *end;
	int ret;

	ret = fail_to_use(listener);
	if (ret)
		return 100 + ret;
	end = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (end == MAP_FAILED || mprotect(end + page, page, PROT_NONE))
		return 50;
	args = (void *)(end + page - sizeof(*args));
	args->fprog.len = ARRAY_SIZE(filter);
	args->fprog.filter = filter;
	args->listener = listener;
	if (use(args))
		return 51;
	if (close(listener))
		return 52;
	return call_main(1);
}

/* A supervisor whose listener is there first, and its target. */
static int make_main(void)
{
	struct supervisor sup = { .listener = new_listener() };
	struct seccomp_notif n;
	int status;
	pid_t pid;

	if (sup.listener < 0)
		return 61;
	if (fcntl(sup.listener, F_GETFD) != FD_CLOEXEC)
		return 62;
	if (poll_now(&sup))
		return 63;
	pid = fork();
	if (pid < 0)
		return 64;
	if (!pid)
		_exit(use_main(sup.listener));
	if (recv_notif(&sup, &n) || (pid_t)n.pid != pid ||
	    reply_value(&sup, n.id, RESULT_32BIT))
		return 65;
	if (recv_notif(&sup, &n) || reply(&sup, n.id, 0, -EOVERFLOW, 0))
		return 66;
	if (recv_notif(&sup, &n) || reply_continue(&sup, n.id))
		return 67;
	if (waitpid(pid, &status, 0) != pid || status)
		return 68;
	if (recv_notif(&sup, &n) != -ENOENT || poll_now(&sup) != POLLHUP)
		return 69;
	return 0;
}

/* False if the test ends here, as there is no program to run. */
static bool has_32bit(struct __test_metadata *_metadata, struct supervisor *sup)
{
	struct target *t;

	if (sizeof(long) != 8)
		SKIP(return false, "this program has 32 bits itself");
	t = spawn(_metadata, sup, call_32bit, 0);
	ASSERT_EQ(t->tid, waitpid(t->tid, &t->status, 0));
	t->tid = 0;
	if (t->status == NO_32BIT << 8)
		SKIP(return false, "no 32-bit program to run");
	/* Without a filter, the first call returns something else. */
	ASSERT_EQ(1 << 8, t->status);
	forget_targets(sup);
	return true;
}

FIXTURE(compat)
{
	struct supervisor sup;
};

FIXTURE_SETUP(compat)
{
	init_supervisor(_metadata, &self->sup);
	if (!has_32bit(_metadata, &self->sup))
		return;
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(compat)
{
	end_supervisor(_metadata, &self->sup);
}

/* What call_main() expects for the argument 1. */
static void serve_32bit(struct __test_metadata *_metadata,
			struct supervisor *sup, struct target *t)
{
	struct seccomp_notif n;

	/* If it ends before, nothing ever comes. */
	ASSERT_EQ(POLL_QUEUED, poll_fd(sup->listener, GUARD * 1000));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(AUDIT_ARCH_I386, n.data.arch);
	EXPECT_EQ(NR_TRAPPED_I386, n.data.nr);
	EXPECT_EQ(1, n.data.args[0]);
	EXPECT_EQ(0xffffffff, n.data.args[1]);
	EXPECT_EQ(6, n.data.args[5]);
	EXPECT_EQ(0, reply_value(sup, n.id, RESULT_32BIT));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(0, reply(sup, n.id, 0, -EOVERFLOW, 0));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(0, reply_continue(sup, n.id));
	reap(_metadata, t);
}

TEST_F(compat, target)
{
	struct target *t;

	t = spawn(_metadata, &self->sup, call_32bit, 1);
	serve_32bit(_metadata, &self->sup, t);
}

static void call_twice(struct target *t)
{
	char text[sizeof(before)];

	memcpy(text, before, sizeof(text));
	t->number = syscall(NR_TRAPPED, t->arg, text, 3, 4, 5, 6);
	t->ret = syscall(NR_TRAPPED, t->arg, text, 3, 4, 5, 6);
	t->err = errno;
	ATOMIC_INC(t->done);
}

TEST_F(compat, supervisor)
{
	struct target *t, *supervisor;

	supervisor = spawn_supervisor(_metadata, &self->sup, supervise_32bit,
				      0);
	t = spawn(_metadata, &self->sup, call_twice, 1);
	reap(_metadata, supervisor);
	reap(_metadata, t);
	EXPECT_EQ(RESULT_64BIT, t->number);
	EXPECT_EQ(-1, t->ret);
	EXPECT_EQ(EOVERFLOW, t->err);
}

/*
 * A listener that is there before its filters
 */

FIXTURE(compat_listener)
{
	struct supervisor sup;
};

FIXTURE_SETUP(compat_listener)
{
	init_supervisor(_metadata, &self->sup);
	if (!has_32bit(_metadata, &self->sup))
		return;
	supervise_nobody(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(compat_listener)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(compat_listener, used)
{
	struct target *t;

	t = spawn_supervisor(_metadata, &self->sup, use_32bit, 0);
	serve_32bit(_metadata, &self->sup, t);
	EXPECT_EQ(POLLHUP, poll_now(&self->sup));
}

TEST_F(compat_listener, made_and_used)
{
	struct target *t;

	t = spawn(_metadata, &self->sup, make_and_use_32bit, 0);
	reap(_metadata, t);
	/* The other one has nothing to do with it. */
	EXPECT_EQ(0, poll_now(&self->sup));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--call"))
		return call_main(strtoul(argv[2], NULL, 0));
	if (argc == 3 && !strcmp(argv[1], "--supervise"))
		return supervise_main(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "--use"))
		return use_main(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "--make"))
		return make_main();
	return test_harness_run(argc, argv);
}
