/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of SECCOMP_RET_USER_NOTIF (notify_*_test.c) have in common.
 *
 * A test process is the supervisor: it installs a filter with a listener, forks
 * targets, which inherit the filter, and answers their notifications. The
 * targets' side of a test is a function that takes a struct target; the test
 * looks at that struct, which is shared memory, to see what became of it.
 *
 * The tests state the ABI. Where the C implementation is known to differ, a
 * test says so with c_differs().
 */
#ifndef _NOTIFY_COMMON_H
#define _NOTIFY_COMMON_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../kselftest_harness.h"

/* A kernel with all its debugging options is slow, an emulated one slower. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 600

#ifndef SECCOMP_USER_NOTIF_FD_SIGNALED
#define SECCOMP_USER_NOTIF_FD_SIGNALED 2UL
#endif

#ifndef SECCOMP_NOTIF_FLAG_SIGNALED
#define SECCOMP_NOTIF_FLAG_SIGNALED 1UL
#endif

/* The system call that the filter hands to the supervisor. */
#define NR_TRAPPED	__NR_getppid
#define NR_TRAPPED_I386	64

/* Where these are known for the architecture, the tests look at them too. */
#if defined(REG_RAX)
#define NATIVE_ARCH	AUDIT_ARCH_X86_64
#define SYSCALL_RESULT(uc)	((uc)->uc_mcontext.gregs[REG_RAX])
#elif defined(REG_EAX)
#define NATIVE_ARCH	AUDIT_ARCH_I386
#define SYSCALL_RESULT(uc)	((uc)->uc_mcontext.gregs[REG_EAX])
#elif defined(__aarch64__)
#define NATIVE_ARCH	AUDIT_ARCH_AARCH64
#define SYSCALL_RESULT(uc)	((uc)->uc_mcontext.regs[0])
#else
#define NATIVE_ARCH	0
#define SYSCALL_RESULT(uc)	((void)(uc), 0)
#endif

/* What poll() of the C library is. */
#ifdef __NR_poll
#define NR_POLL		__NR_poll
#else
#define NR_POLL		__NR_ppoll
#endif

/* Seconds: whatever must happen may take that long. */
#define GUARD		20

/* In the flags of a notification, for short. */
#define SIGNALED	SECCOMP_NOTIF_FLAG_SIGNALED

/* How often a race is run. */
#define ROUNDS		1000

#define MAX_TARGETS	128
/* With the one that holds a CPU. */
#define TARGETS_SIZE	((MAX_TARGETS + 1) * sizeof(struct target))

#define POLL_ALL	(POLLIN | POLLPRI | POLLOUT | POLLRDNORM | \
			 POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLMSG | \
			 POLLRDHUP)
#define POLL_QUEUED	(POLLIN | POLLRDNORM)
#define POLL_DELIVERED	(POLLOUT | POLLWRNORM)

#define ATOMIC_GET(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define ATOMIC_SET(x, v)	__atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)
#define ATOMIC_INC(x)		__atomic_add_fetch(&(x), 1, __ATOMIC_SEQ_CST)

/* Evaluates @cond until it is true, or the time is up; its last value. */
#define WAIT_FOR(cond) ({ \
	struct timespec __start, __now; \
	bool __ok; \
	\
	clock_gettime(CLOCK_MONOTONIC, &__start); \
	for (;;) { \
		__ok = (cond); \
		if (__ok) \
			break; \
		clock_gettime(CLOCK_MONOTONIC, &__now); \
		if (__now.tv_sec - __start.tv_sec > GUARD) \
			break; \
		usleep(200); \
	} \
	__ok; \
})

/* A task that makes trapped system calls, or another one that a test needs. */
struct target {
	struct supervisor *sup;
	void (*fn)(struct target *t);
	pid_t tid;		/* 0 once it has been reaped */
	bool is_thread;
	bool keeps_listener;	/* a process that inherits the listener */
	pthread_t thread;

	unsigned long arg;	/* the first argument of its system calls */
	unsigned long number;	/* for the test to use */
	long ret;		/* of the last trapped system call */
	int err;		/* errno if that was -1, or 0 */
	int done;		/* trapped system calls that have returned */
	int handled;		/* runs of the signal handler */
	long handler_saw;	/* the system call's result, seen from there */
	int stop;		/* asked to go on, or to end a loop */
	int fd;			/* in the target's own table, -1 if none */
	int status;		/* from waitpid() */
};

/* The state of a test; each fixture has one. */
struct supervisor {
	int listener;		/* -1 if none */
	bool is_c;		/* the listener is that of the C implementation */
	int nr_fds;		/* open before the test */
	int nr_targets;
	struct target *targets;	/* shared with them */
	struct target *holder;	/* keeps a target off its CPU */
	int held_cpu;
};

/* What this thread runs, for its signal handler to find. */
static __thread struct target *this_target;

static inline void spin(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		asm volatile("" : : : "memory");
}

static inline pid_t sys_gettid(void)
{
	return syscall(__NR_gettid);
}

static inline int sys_seccomp(unsigned int op, unsigned int flags, void *args)
{
	int ret = syscall(__NR_seccomp, op, flags, args);

	return ret < 0 ? -errno : ret;
}

static inline int signal_thread(pid_t tid, int sig)
{
	return syscall(__NR_tgkill, getpid(), tid, sig) ? -errno : 0;
}

/* The file's contents in @buf, terminated; the length or -errno. */
static inline int read_file(const char *path, char *buf, size_t size)
{
	int fd, len;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	if (len < 0)
		len = -errno;
	else
		buf[len] = '\0';
	close(fd);
	return len;
}

static inline int write_file(const char *path, const char *text)
{
	int fd, ret;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text));
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret < 0 ? ret : 0;
}

/* How many fds this process has. */
static inline int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -3;		/* ".", ".." and that of @dir */

	if (!dir)
		return -errno;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/*
 * The state of other tasks
 */

/* The letter in /proc/TID/stat, '?' if there is no such task. */
static inline char task_state(pid_t tid)
{
	char path[64], buf[512], *paren;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return '?';
	paren = strrchr(buf, ')');
	return paren && paren[1] ? paren[2] : '?';
}

/* The system call that @tid sleeps in, -1 if none. */
static inline long task_syscall(pid_t tid)
{
	char path[64], buf[512], *end;
	long nr;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	nr = strtol(buf, &end, 10);
	return end == buf ? -1 : nr;
}

/* @tid sleeps in system call @nr, in one of @states. */
static inline bool sleeps_in(pid_t tid, long nr, const char *states)
{
	char state;

	if (task_syscall(tid) != nr)
		return false;
	state = task_state(tid);
	return strchr(states, state) && task_syscall(tid) == nr;
}

/* Waits in the trapped system call, and a signal would interrupt that. */
static inline bool target_waits(struct target *t)
{
	return sleeps_in(t->tid, NR_TRAPPED, "S");
}

/* Waits in the trapped system call, and only a fatal signal ends that. */
static inline bool target_waits_killable(struct target *t)
{
	return sleeps_in(t->tid, NR_TRAPPED, "D");
}

static inline bool sleeps_in_ioctl(pid_t tid)
{
	return sleeps_in(tid, __NR_ioctl, "S");
}

/*
 * The interface; each function returns -errno if it fails
 */

/* With USE_LISTENER, the filter is to have @listener. */
static inline int install_program(unsigned int flags, int listener,
				  struct sock_filter *filter,
				  unsigned short len)
{
	/* Without that flag, the kernel looks at the first member alone. */
	struct seccomp_listener_fprog args = {
		.fprog = {
			.len = len,
			.filter = filter,
		},
		.listener = listener,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, &args);
}

static inline int install_filter_with(unsigned int flags, int listener)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED_I386, 2, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install_program(flags, listener, filter, ARRAY_SIZE(filter));
}

static inline int install_filter(unsigned int flags)
{
	return install_filter_with(flags, -1);
}

#define MAX_NUMBERS	8

/* A filter that hands other system calls to the supervisor. */
static inline int install_trapping(unsigned int flags, int listener,
				   const int *numbers, int count)
{
	struct sock_filter filter[MAX_NUMBERS + 3];
	int i;

	if (count > MAX_NUMBERS)
		return -E2BIG;
	filter[0] = (struct sock_filter)
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr));
	for (i = 0; i < count; i++)
		filter[1 + i] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i],
				 count - i, 0);
	filter[1 + count] = (struct sock_filter)
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[2 + count] = (struct sock_filter)
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	return install_program(flags, listener, filter, count + 3);
}

/* One that no filter uses. */
static inline int new_listener(void)
{
	return sys_seccomp(SECCOMP_NEW_LISTENER, 0, NULL);
}

/* The listener's fd. */
static inline int install_listener(unsigned int flags)
{
	return install_filter(flags | SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

/* RECV into a buffer as it is. */
static inline int recv_into(struct supervisor *sup, void *buf)
{
	return ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_RECV, buf) ? -errno : 0;
}

static inline int recv_notif(struct supervisor *sup, struct seccomp_notif *n)
{
	memset(n, 0, sizeof(*n));
	return recv_into(sup, n);
}

static inline int send_resp(struct supervisor *sup,
			    struct seccomp_notif_resp *resp)
{
	return ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_SEND, resp) ?
	       -errno : 0;
}

static inline int reply(struct supervisor *sup, __u64 id, __s64 val,
			__s32 error, __u32 flags)
{
	struct seccomp_notif_resp resp = {
		.id = id,
		.val = val,
		.error = error,
		.flags = flags,
	};

	return send_resp(sup, &resp);
}

static inline int reply_value(struct supervisor *sup, __u64 id, __s64 val)
{
	return reply(sup, id, val, 0, 0);
}

static inline int reply_continue(struct supervisor *sup, __u64 id)
{
	return reply(sup, id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

/* SEND_RECV with the memory as it is. */
static inline int send_recv(struct supervisor *sup, void *sr)
{
	return ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_SEND_RECV, sr) ?
	       -errno : 0;
}

/* What SEND_RECV is to answer, and room for what it receives. */
static inline void set_answer(struct seccomp_notif_send_recv *sr, __u64 id,
			      __s64 val)
{
	memset(sr, 0, sizeof(*sr));
	sr->flags = SECCOMP_NOTIF_SEND_RECV_SEND;
	sr->resp.id = id;
	sr->resp.val = val;
}

static inline int id_valid(struct supervisor *sup, __u64 id)
{
	return ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) ?
	       -errno : 0;
}

/* The number that it had first, with the wrong direction. */
static inline int id_valid_wrong_dir(struct supervisor *sup, __u64 id)
{
	unsigned int cmd = SECCOMP_IOR(2, __u64);

	return ioctl(sup->listener, cmd, &id) ? -errno : 0;
}

static inline int notif_pidfd(struct supervisor *sup, __u64 id,
			      unsigned int flags)
{
	struct seccomp_notif_pidfd args = { .id = id, .flags = flags };
	int ret = ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_PIDFD, &args);

	return ret < 0 ? -errno : ret;
}

/* How many bytes were copied between the target's @addr and @buf. */
static inline int notif_mem(struct supervisor *sup, __u64 id, void *addr,
			    void *buf, __u64 len, unsigned int flags)
{
	struct seccomp_notif_mem args = {
		.id = id,
		.addr = (uintptr_t)addr,
		.buf = (uintptr_t)buf,
		.len = len,
		.flags = flags,
	};
	int ret = ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_MEM, &args);

	return ret < 0 ? -errno : ret;
}

static inline int notif_requeue(struct supervisor *sup, __u64 id,
				unsigned int flags)
{
	struct seccomp_notif_requeue args = { .id = id, .flags = flags };
	int ret = ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_REQUEUE, &args);

	return ret < 0 ? -errno : ret;
}

/* By value: the whole register, whatever the word size. */
static inline int set_flags(struct supervisor *sup, unsigned long flags)
{
	return syscall(__NR_ioctl, sup->listener,
		       SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags) ? -errno : 0;
}

/* The size of the argument is part of the ioctl's number. */
static inline int addfd_sized(struct supervisor *sup, void *addfd,
			      unsigned int size)
{
	unsigned int cmd = _IOC(_IOC_WRITE, SECCOMP_IOC_MAGIC, 3, size);
	int ret = syscall(__NR_ioctl, sup->listener, cmd, addfd);

	return ret < 0 ? -errno : ret;
}

static inline int addfd(struct supervisor *sup, __u64 id, int srcfd,
			unsigned int flags, unsigned int newfd,
			unsigned int newfd_flags)
{
	struct seccomp_notif_addfd a = {
		.id = id,
		.flags = flags,
		.srcfd = srcfd,
		.newfd = newfd,
		.newfd_flags = newfd_flags,
	};

	return addfd_sized(sup, &a, sizeof(a));
}

static inline int set_nonblock(struct supervisor *sup)
{
	return fcntl(sup->listener, F_SETFL, O_RDWR | O_NONBLOCK) ? -errno : 0;
}

static inline int poll_fd(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLL_ALL };
	int ret = poll(&p, 1, timeout_ms);

	return ret < 0 ? -errno : p.revents;
}

static inline int poll_now(struct supervisor *sup)
{
	return poll_fd(sup->listener, 0);
}

static inline int epoll_on_listener(struct __test_metadata *_metadata,
				    struct supervisor *sup,
				    unsigned int events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, sup->listener, &ev));
	return ep;
}

static inline int epoll_events(int ep, int timeout_ms)
{
	struct epoll_event ev = {};
	int ret = epoll_wait(ep, &ev, 1, timeout_ms);

	return ret < 0 ? -errno : ret ? (int)ev.events : 0;
}

/*
 * The two implementations
 */

/* As SKIP(), for what this kernel is known not to do. A failure stays one. */
#define XFAIL(statement, fmt, ...) do { \
	if (_metadata->exit_code == KSFT_PASS) { \
		snprintf(_metadata->results->reason, \
			 sizeof(_metadata->results->reason), \
			 fmt, ##__VA_ARGS__); \
		_metadata->exit_code = KSFT_XFAIL; \
	} \
	statement; \
} while (0)

/*
 * Where the C implementation is known to differ from the ABI: @seen is true if
 * the test has just seen what C does instead, which is in @what. True if the
 * test ends here, as an expected failure.
 *
 * With C, the test fails if it has not seen that, so that what is said of C
 * here stays true. XFAIL_ADD() cannot do this: it takes each failure for the
 * one that is expected, and a success for no failure; nor does it know what
 * kernel it runs on.
 */
static inline bool c_differs(struct __test_metadata *_metadata,
			     struct supervisor *sup, bool seen,
			     const char *what)
{
	if (!sup->is_c) {
		EXPECT_FALSE(seen) {
			TH_LOG("%s", what);
		}
		return false;
	}
	EXPECT_TRUE(seen) {
		TH_LOG("C, but not: %s", what);
	}
	XFAIL(return true, "C implementation: %s", what);
}

/* Opts in to hear of signals; false if the test ends here. */
static inline bool set_signaled(struct __test_metadata *_metadata,
				struct supervisor *sup)
{
	int ret = set_flags(sup, SECCOMP_USER_NOTIF_FD_SIGNALED);

	if (ret == -EINVAL)
		XFAIL(return false,
		      "C implementation: SET_FLAGS does not know FD_SIGNALED");
	ASSERT_EQ(0, ret);
	return true;
}

/* False if the test ends here, as SEND_RECV is unknown. */
static inline bool knows_send_recv(struct __test_metadata *_metadata,
				   struct supervisor *sup)
{
	int ret = send_recv(sup, NULL);

	if (c_differs(_metadata, sup, ret == -EINVAL,
		      "SEND_RECV is refused, with EINVAL"))
		return false;
	ASSERT_EQ(-EFAULT, ret);
	return true;
}

/*
 * Setup and teardown
 */

static inline void init_supervisor(struct __test_metadata *_metadata,
				   struct supervisor *sup)
{
	memset(sup, 0, sizeof(*sup));
	sup->listener = -1;
	sup->nr_fds = count_fds();
	ASSERT_LE(0, sup->nr_fds);
	sup->targets = mmap(NULL, TARGETS_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(sup->targets != MAP_FAILED);
	sup->holder = &sup->targets[MAX_TARGETS];
}

/* @listener is that of @sup from now on; its flags are 0. */
static inline void use_listener(struct __test_metadata *_metadata,
				struct supervisor *sup, int listener)
{
	ASSERT_LE(0, listener);
	sup->listener = listener;
	/* Of the two, only Rust knows this flag. */
	sup->is_c = set_flags(sup, SECCOMP_USER_NOTIF_FD_SIGNALED) == -EINVAL;
	set_flags(sup, 0);
}

/* This process gets a filter with a listener; its children inherit the filter. */
static inline void supervise(struct __test_metadata *_metadata,
			     struct supervisor *sup, unsigned int flags)
{
	use_listener(_metadata, sup, install_listener(flags));
}

static inline void close_listener(struct __test_metadata *_metadata,
				  struct supervisor *sup)
{
	ASSERT_EQ(0, close(sup->listener));
	sup->listener = -1;
}

static inline int set_fifo(pid_t tid, int prio)
{
	struct sched_param param = { .sched_priority = prio };
	int policy = prio ? SCHED_FIFO : SCHED_OTHER;

	return sched_setscheduler(tid, policy, &param) ? -errno : 0;
}

static inline void release_target(struct __test_metadata *_metadata,
				  struct supervisor *sup)
{
	ATOMIC_SET(sup->holder->stop, 1);
	ASSERT_EQ(sup->holder->tid, waitpid(sup->holder->tid, NULL, 0));
	sup->holder->tid = 0;
	ASSERT_EQ(0, set_fifo(0, 0));
}

/*
 * Ends what a failed or skipped test has left. One that has passed has seen all
 * its targets off and closed its fds.
 */
static inline void end_supervisor(struct __test_metadata *_metadata,
				  struct supervisor *sup)
{
	int i;

	if (sup->holder->tid)
		release_target(_metadata, sup);
	for (i = 0; i < sup->nr_targets; i++) {
		if (sup->targets[i].tid > 0 && !sup->targets[i].is_thread)
			kill(sup->targets[i].tid, SIGKILL);
	}
	if (_metadata->exit_code == KSFT_PASS)
		EXPECT_EQ(-1, waitpid(-1, NULL, __WALL | WNOHANG));
	if (sup->listener >= 0)
		close(sup->listener);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	if (_metadata->exit_code == KSFT_PASS)
		EXPECT_EQ(sup->nr_fds, count_fds());
	/* A failed test may have left threads that look at their targets. */
	if (_metadata->exit_code != KSFT_FAIL)
		munmap(sup->targets, TARGETS_SIZE);
}

/*
 * Targets
 */

static inline void init_target(struct target *t, struct supervisor *sup,
			       void (*fn)(struct target *t), unsigned long arg)
{
	memset(t, 0, sizeof(*t));
	t->sup = sup;
	t->fn = fn;
	t->arg = arg;
	t->fd = -1;
}

static inline struct target *new_target(struct __test_metadata *_metadata,
					struct supervisor *sup,
					void (*fn)(struct target *t),
					unsigned long arg)
{
	struct target *t;

	ASSERT_GT(MAX_TARGETS, sup->nr_targets);
	t = &sup->targets[sup->nr_targets++];
	init_target(t, sup, fn, arg);
	return t;
}

/* All have been reaped, and there is room for as many again. */
static inline void forget_targets(struct supervisor *sup)
{
	sup->nr_targets = 0;
}

/* A child process runs @t. */
static inline void start_target(struct __test_metadata *_metadata,
				struct target *t)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Not getppid(): that may be trapped. */
		if (kill(parent, 0))
			_exit(1);
		if (!t->keeps_listener && t->sup->listener >= 0) {
			close(t->sup->listener);
			t->sup->listener = -1;
		}
		this_target = t;
		t->tid = getpid();
		t->fn(t);
		_exit(0);
	}
	t->tid = pid;
}

/* A child process that runs @fn, without the listener. */
static inline struct target *spawn(struct __test_metadata *_metadata,
				   struct supervisor *sup,
				   void (*fn)(struct target *t),
				   unsigned long arg)
{
	struct target *t = new_target(_metadata, sup, fn, arg);

	start_target(_metadata, t);
	return t;
}

/* The same, but it keeps the listener, as that of t->sup. */
static inline struct target *spawn_supervisor(struct __test_metadata *_metadata,
					      struct supervisor *sup,
					      void (*fn)(struct target *t),
					      unsigned long arg)
{
	struct target *t = new_target(_metadata, sup, fn, arg);

	t->keeps_listener = true;
	start_target(_metadata, t);
	return t;
}

static inline void *target_thread(void *arg)
{
	struct target *t = arg;

	this_target = t;
	ATOMIC_SET(t->tid, sys_gettid());
	t->fn(t);
	return NULL;
}

/* The same with a thread of this process. */
static inline struct target *spawn_thread(struct __test_metadata *_metadata,
					  struct supervisor *sup,
					  void (*fn)(struct target *t),
					  unsigned long arg)
{
	struct target *t = new_target(_metadata, sup, fn, arg);

	t->is_thread = true;
	ASSERT_EQ(0, pthread_create(&t->thread, NULL, target_thread, t));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->tid)));
	return t;
}

/* Waits for the end of @t; its exit status must be @status. */
static inline void reap_status(struct __test_metadata *_metadata,
			       struct target *t, int status)
{
	if (t->is_thread) {
		ASSERT_EQ(0, pthread_join(t->thread, NULL));
		t->tid = 0;
		return;
	}
	ASSERT_EQ(t->tid, waitpid(t->tid, &t->status, 0));
	t->tid = 0;
	EXPECT_EQ(status, t->status);
}

static inline void reap(struct __test_metadata *_metadata, struct target *t)
{
	reap_status(_metadata, t, 0);
}

static inline void kill_and_reap(struct __test_metadata *_metadata,
				 struct target *t)
{
	ASSERT_EQ(0, kill(t->tid, SIGKILL));
	reap_status(_metadata, t, SIGKILL);
}

static inline void expect_result(struct __test_metadata *_metadata,
				 struct target *t, long ret, int err)
{
	reap(_metadata, t);
	EXPECT_EQ(1, t->done);
	EXPECT_EQ(ret, t->ret);
	EXPECT_EQ(err, t->err);
}

/* The call has returned, and the handler has run after that. */
static inline void expect_handled(struct __test_metadata *_metadata,
				  struct target *t, long ret, int err)
{
	expect_result(_metadata, t, ret, err);
	EXPECT_EQ(1, t->handled);
	if (NATIVE_ARCH)
		EXPECT_EQ(err ? -err : ret, t->handler_saw);
}

/* A target process that is queued. */
static inline struct target *spawn_queued(struct __test_metadata *_metadata,
					  struct supervisor *sup,
					  void (*fn)(struct target *t),
					  unsigned long arg)
{
	struct target *t = spawn(_metadata, sup, fn, arg);

	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	return t;
}

/* A target process whose notification has been read into @n. */
static inline struct target *spawn_delivered(struct __test_metadata *_metadata,
					     struct supervisor *sup,
					     void (*fn)(struct target *t),
					     struct seccomp_notif *n)
{
	struct target *t = spawn(_metadata, sup, fn, 1);

	ASSERT_EQ(0, recv_notif(sup, n));
	ASSERT_EQ(t->tid, (pid_t)n->pid);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	return t;
}

/* Reads the next notification, which is that of @t, and answers it. */
static inline void answer(struct __test_metadata *_metadata,
			  struct supervisor *sup, struct target *t)
{
	struct seccomp_notif n;

	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(t->arg, n.data.args[0]);
	ASSERT_EQ(0, reply_value(sup, n.id, 77));
	expect_result(_metadata, t, 77, 0);
}

/* Reads the next notification, which is that of @t and has these flags. */
static inline __u64 expect_recv(struct __test_metadata *_metadata,
				struct supervisor *sup, struct target *t,
				unsigned int flags)
{
	struct seccomp_notif n;

	ASSERT_EQ(POLLIN, poll_now(sup) & POLLIN);
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(flags, n.flags);
	EXPECT_EQ(NR_TRAPPED, n.data.nr);
	EXPECT_EQ(t->arg, n.data.args[0]);
	return n.id;
}

/* A signal that does not interrupt its target, which has noticed it. */
static inline void signal_target(struct __test_metadata *_metadata,
				 struct target *t)
{
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
}

/*
 * What targets do
 */

/* A trapped system call with six arguments. */
static inline void trapped_call(struct target *t)
{
	long ret;

	errno = 0;
	ret = syscall(NR_TRAPPED, t->arg, t->arg + 1, t->arg + 2, t->arg + 3,
		      t->arg + 4, t->arg + 5);
	t->err = ret == -1 ? errno : 0;
	t->ret = ret;
	ATOMIC_INC(t->done);
}

static inline void call_once(struct target *t)
{
	trapped_call(t);
}

static inline void call_until_stopped(struct target *t)
{
	while (!ATOMIC_GET(t->stop))
		trapped_call(t);
}

static inline void count_signal(int sig, siginfo_t *info, void *context)
{
	struct target *t = this_target;
	long val = SYSCALL_RESULT((ucontext_t *)context);

	if (!t)
		return;
	t->handler_saw = val;
	ATOMIC_INC(t->handled);
}

static inline void handle_signal(int sig, int flags)
{
	struct sigaction sa = {
		.sa_sigaction = count_signal,
		.sa_flags = SA_SIGINFO | flags,
	};

	sigaction(sig, &sa, NULL);
}

static inline void call_with_handler(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	trapped_call(t);
}

static inline void call_with_restart(struct target *t)
{
	handle_signal(SIGUSR1, SA_RESTART);
	trapped_call(t);
}

static inline void call_with_two_handlers(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	handle_signal(SIGUSR2, 0);
	trapped_call(t);
}

static inline void call_with_handler_until_stopped(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	call_until_stopped(t);
}

static inline void call_with_restart_until_stopped(struct target *t)
{
	handle_signal(SIGUSR1, SA_RESTART);
	call_until_stopped(t);
}

/* Blocks SIGUSR1, ignores SIGUSR2; SIGWINCH and SIGCHLD are by default. */
static inline void call_without_signals(struct target *t)
{
	sigset_t set;

	handle_signal(SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGWINCH, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	trapped_call(t);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static inline void send_blocked_and_ignored(struct __test_metadata *_metadata,
					    struct target *t)
{
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	ASSERT_EQ(0, kill(t->tid, SIGWINCH));
	ASSERT_EQ(0, kill(t->tid, SIGCHLD));
}

/* Three calls while a timer's signal comes each 10 ms, as in some runtimes. */
static inline void call_with_timer(struct target *t)
{
	struct itimerval timer = {
		.it_interval.tv_usec = 10000,
		.it_value.tv_usec = 10000,
	};
	struct itimerval off = {};
	int i;

	handle_signal(SIGALRM, SA_RESTART);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (i = 0; i < 3; i++)
		trapped_call(t);
	setitimer(ITIMER_REAL, &off, NULL);
}

/*
 * A target that installs the filter itself, so that its supervisor does not use
 * it, and its end is the end of the last user
 */

static inline void install_and_call(struct target *t)
{
	int fd = install_listener(0);

	ATOMIC_SET(t->fd, fd);
	while (!ATOMIC_GET(t->stop))
		usleep(100);
	close(fd);
	trapped_call(t);
}

static inline int take_fd(pid_t pid, int fd)
{
	int pidfd, ret;

	pidfd = syscall(__NR_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	ret = syscall(__NR_pidfd_getfd, pidfd, fd, 0);
	if (ret < 0)
		ret = -errno;
	close(pidfd);
	return ret;
}

/* @fn puts its listener in t->fd, and closes it once t->stop is set. */
static inline struct target *spawn_installing(struct __test_metadata *_metadata,
					      struct supervisor *sup,
					      void (*fn)(struct target *t))
{
	struct target *t = spawn(_metadata, sup, fn, 0);

	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
	ASSERT_LE(0, t->fd);
	use_listener(_metadata, sup, take_fd(t->tid, t->fd));
	ATOMIC_SET(t->stop, 1);
	return t;
}

/*
 * A listener that is there before its filters: targets install them, each for
 * itself, with the listener that they inherit
 */

static inline void report_implementation(struct target *t)
{
	struct supervisor sup = { .listener = install_listener(0) };

	if (sup.listener < 0)
		_exit(1);
	t->number = set_flags(&sup, SECCOMP_USER_NOTIF_FD_SIGNALED) == -EINVAL;
}

/* For a test that has no listener yet, and may not get what it needs. */
static inline void find_implementation(struct __test_metadata *_metadata,
				       struct supervisor *sup)
{
	struct target *t = spawn(_metadata, sup, report_implementation, 0);

	/* In a process of its own: this one is not to have that filter. */
	reap(_metadata, t);
	sup->is_c = t->number;
	forget_targets(sup);
}

/* @sup has a listener that no filter uses; false if the test ends here. */
static inline bool supervise_nobody(struct __test_metadata *_metadata,
				    struct supervisor *sup)
{
	int fd;

	find_implementation(_metadata, sup);
	fd = new_listener();
	if (c_differs(_metadata, sup, fd == -EINVAL,
		      "SECCOMP_NEW_LISTENER is refused, with EINVAL"))
		return false;
	use_listener(_metadata, sup, fd);
	return true;
}

/* The first that a target does: t->number has more flags, t->fd the result. */
static inline void install_inherited(struct target *t)
{
	int ret = install_filter_with(SECCOMP_FILTER_FLAG_USE_LISTENER |
				      t->number, t->sup->listener);

	close(t->sup->listener);
	t->sup->listener = -1;
	ATOMIC_SET(t->fd, ret);
	if (ret)
		_exit(1);
}

static inline void wait_until_told(struct target *t)
{
	while (!ATOMIC_GET(t->stop))
		usleep(100);
}

static inline void use_and_call(struct target *t)
{
	install_inherited(t);
	trapped_call(t);
}

static inline void use_and_call_when_told(struct target *t)
{
	install_inherited(t);
	wait_until_told(t);
	trapped_call(t);
}

static inline void use_and_exit_when_told(struct target *t)
{
	install_inherited(t);
	wait_until_told(t);
}

/* A child process that runs @fn, one of these. */
static inline struct target *start_user(struct __test_metadata *_metadata,
					struct supervisor *sup,
					void (*fn)(struct target *t),
					unsigned long arg, unsigned int flags)
{
	struct target *t = new_target(_metadata, sup, fn, arg);

	t->number = flags;
	t->keeps_listener = true;
	start_target(_metadata, t);
	return t;
}

/* ... and has its filter. */
static inline struct target *spawn_user(struct __test_metadata *_metadata,
					struct supervisor *sup,
					void (*fn)(struct target *t),
					unsigned long arg, unsigned int flags)
{
	struct target *t = start_user(_metadata, sup, fn, arg, flags);

	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
	ASSERT_EQ(0, t->fd);
	return t;
}

static inline void tell(struct target *t)
{
	ATOMIC_SET(t->stop, 1);
}

/*
 * Holding a target: even if something wakes it, it does not run, because a task
 * of higher priority has its CPU. So what is pending for it stays pending.
 */

static inline int set_cpu(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(tid, sizeof(set), &set) ? -errno : 0;
}

static inline int first_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

static inline void hold(struct target *t)
{
	int ret = set_cpu(0, t->sup->held_cpu);

	if (!ret)
		ret = set_fifo(0, t->number);
	ATOMIC_SET(t->ret, ret ? ret : 1);
	while (!ATOMIC_GET(t->stop))
		;
}

/*
 * Keeps all tasks off sup->held_cpu but those whose priority is higher than
 * @prio, as that of this thread is then, and of those that it creates; from
 * time to time, the scheduler has the others run all the same. False if
 * real-time scheduling is not allowed here: the test is skipped.
 *
 * The holder has memory of its own: a thread would have to wait for ours to be
 * copied, when we fork, and give way meanwhile. It has no fds of its own, which
 * would be closed when it ends.
 */
static inline bool hold_cpu(struct __test_metadata *_metadata,
			    struct supervisor *sup, int prio)
{
	struct target *holder = sup->holder;
	pid_t pid;
	int ret;

	ret = set_fifo(0, prio + 1);
	if (ret)
		SKIP(return false, "no real-time scheduling (%d)", ret);
	sup->held_cpu = first_cpu();
	init_target(holder, sup, hold, 0);
	holder->number = prio;
#ifdef __s390x__
	/* The stack comes first. */
	pid = syscall(__NR_clone, NULL, CLONE_FILES | SIGCHLD, NULL, NULL, NULL);
#else
	pid = syscall(__NR_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
#endif
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold(holder);
		_exit(0);
	}
	holder->tid = pid;
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(holder->ret)));
	ASSERT_EQ(1, holder->ret);
	return true;
}

/* False if the test is skipped. */
static inline bool hold_target(struct __test_metadata *_metadata,
			       struct supervisor *sup, struct target *t)
{
	if (!hold_cpu(_metadata, sup, 2))
		return false;
	ASSERT_EQ(0, set_cpu(t->tid, sup->held_cpu));
	ASSERT_EQ(0, set_fifo(t->tid, 1));
	return true;
}

/*
 * Buffers and files
 */

/* Pages of zeroes. */
static inline void *map_pages(struct __test_metadata *_metadata, int count,
			      int prot)
{
	void *pages = mmap(NULL, count * getpagesize(), prot,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(pages != MAP_FAILED);
	return pages;
}

static inline int open_null(struct __test_metadata *_metadata)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	return fd;
}

/* The target's fd is the same open file as ours. */
static inline bool same_file(struct target *t, int theirs, int ours)
{
	/* KCMP_FILE is 0. */
	return !syscall(__NR_kcmp, t->tid, getpid(), 0, theirs, ours);
}

/* The flags in the target's /proc/PID/fdinfo, -1 if there is no such fd. */
static inline long fd_flags(struct target *t, int fd)
{
	char path[64], buf[512], *line;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", t->tid, fd);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	line = strstr(buf, "flags:");
	return line ? strtol(line + 6, NULL, 8) : -1;
}

/*
 * Readers: threads that wait in RECV
 */

struct reader {
	struct supervisor *sup;
	pthread_t thread;
	int tid;
	int ret;
	int finished;
	int stop;		/* asked to read no more */
	int count;		/* read so far */
	int rests;		/* was interrupted, and reads on when told */
	struct seccomp_notif n;	/* the last one */
};

static inline void *read_one(void *arg)
{
	struct reader *r = arg;

	ATOMIC_SET(r->tid, sys_gettid());
	r->ret = recv_notif(r->sup, &r->n);
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

static inline void run_reader(struct __test_metadata *_metadata,
			      struct supervisor *sup, struct reader *r,
			      void *(*fn)(void *reader))
{
	memset(r, 0, sizeof(*r));
	r->sup = sup;
	ASSERT_EQ(0, pthread_create(&r->thread, NULL, fn, r));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r->tid)));
}

static inline void start_reader(struct __test_metadata *_metadata,
				struct supervisor *sup, struct reader *r)
{
	run_reader(_metadata, sup, r, read_one);
}

/* ... and has gone to sleep there. */
static inline void start_sleeping_reader(struct __test_metadata *_metadata,
					 struct supervisor *sup,
					 struct reader *r)
{
	start_reader(_metadata, sup, r);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(r->tid)));
	ASSERT_FALSE(ATOMIC_GET(r->finished));
}

static inline void join_reader(struct __test_metadata *_metadata,
			       struct reader *r)
{
	ASSERT_EQ(0, pthread_join(r->thread, NULL));
}

/* Interrupts a reader in RECV; it must not have read anything. */
static inline void interrupt_reader(struct __test_metadata *_metadata,
				    struct reader *r)
{
	handle_signal(SIGUSR2, 0);
	ASSERT_EQ(0, signal_thread(r->tid, SIGUSR2));
	join_reader(_metadata, r);
	EXPECT_EQ(-EINTR, r->ret);
}

/* Reads and answers until stopped; each answer is the first argument plus 1. */
static inline void *read_and_answer(void *arg)
{
	struct reader *r = arg;

	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->stop)) {
		r->ret = recv_notif(r->sup, &r->n);
		if (r->ret == -EINTR)
			continue;
		if (r->ret)
			break;
		ATOMIC_INC(r->count);
		r->ret = reply_value(r->sup, r->n.id, r->n.data.args[0] + 1);
		/* A signal may have taken the target away. */
		if (r->ret && r->ret != -ENOENT)
			break;
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

static inline void start_readers(struct __test_metadata *_metadata,
				 struct supervisor *sup, struct reader *r,
				 int count, void *(*fn)(void *reader))
{
	int i;

	handle_signal(SIGUSR2, 0);
	for (i = 0; i < count; i++)
		run_reader(_metadata, sup, &r[i], fn);
}

static inline void start_answering(struct __test_metadata *_metadata,
				   struct supervisor *sup, struct reader *r,
				   int count)
{
	start_readers(_metadata, sup, r, count, read_and_answer);
}

/* Stops readers and joins them, whatever RECV has returned to them. */
static inline void stop_readers(struct __test_metadata *_metadata,
				struct reader *r, int count)
{
	int i;

	for (i = 0; i < count; i++)
		ATOMIC_SET(r[i].stop, 1);
	for (i = 0; i < count; i++) {
		/* Again and again: one signal may come just before RECV. */
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished) ||
				     (signal_thread(r[i].tid, SIGUSR2), 0)));
		join_reader(_metadata, &r[i]);
	}
}

/* Stops readers, for which no ioctl may have failed. */
static inline void stop_answering(struct __test_metadata *_metadata,
				  struct reader *r, int count)
{
	int i;

	stop_readers(_metadata, r, count);
	for (i = 0; i < count; i++) {
		EXPECT_TRUE(r[i].ret == 0 || r[i].ret == -EINTR) {
			TH_LOG("reader %d: %d", i, r[i].ret);
		}
	}
}

/*
 * Exclusive pollers: processes, each with an epoll of its own
 */

/* The events are in t->number when it is over. */
static inline void poll_exclusively(struct target *t)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, t->sup->listener, &e))
		_exit(1);
	t->ret = syscall(__NR_epoll_pwait, ep, &e, 1, -1, NULL, 0);
	t->number = e.events;
	ATOMIC_INC(t->done);
}

static inline bool poller_sleeps(struct target *t)
{
	return sleeps_in(t->tid, __NR_epoll_pwait, "S");
}

/* One that has gone to sleep. */
static inline struct target *spawn_poller(struct __test_metadata *_metadata,
					  struct supervisor *sup)
{
	struct target *t = spawn_supervisor(_metadata, sup, poll_exclusively,
					    0);

	ASSERT_TRUE(WAIT_FOR(poller_sleeps(t)));
	return t;
}

/*
 * How many have been woken, which must have heard of @events. All wake-ups are
 * over by now: whoever sleeps does not wake any more, and is ended.
 */
static inline int end_pollers(struct __test_metadata *_metadata,
			      struct target **pollers, int count,
			      unsigned int events)
{
	int i, woken = 0;

	for (i = 0; i < count; i++) {
		if (poller_sleeps(pollers[i])) {
			kill_and_reap(_metadata, pollers[i]);
			continue;
		}
		reap(_metadata, pollers[i]);
		EXPECT_EQ(1, pollers[i]->ret);
		EXPECT_EQ(events, pollers[i]->number);
		woken++;
	}
	return woken;
}

/*
 * How long the other side of a race gets for a start. It becomes longer or
 * shorter as that has lost or won the last round, so that each wins some.
 */
static inline void give_a_start(long *us, bool has_won)
{
	struct timespec start, now;

	if (has_won)
		*us -= *us / 4 + 1;
	else
		*us += *us / 4 + 1;
	if (*us < 0)
		*us = 0;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000000 +
		    (now.tv_nsec - start.tv_nsec) / 1000 >= *us)
			break;
		sched_yield();
	}
}

/*
 * Adders: threads that wait in ADDFD
 */

struct adder {
	struct supervisor *sup;
	pthread_t thread;
	int tid;
	int ret;
	int finished;
	int go;			/* waits until this is set */
	__u64 id;
	int src;
	unsigned int flags;
	unsigned int newfd;	/* with SETFD; to be set before @go */
};

static inline void *add_one(void *arg)
{
	struct adder *a = arg;

	ATOMIC_SET(a->tid, sys_gettid());
	while (!ATOMIC_GET(a->go))
		;
	a->ret = addfd(a->sup, a->id, a->src, a->flags, a->newfd, 0);
	ATOMIC_SET(a->finished, 1);
	return NULL;
}

/* With @go 0 it does nothing until a->go is set. */
static inline void start_adder(struct __test_metadata *_metadata,
			       struct supervisor *sup, struct adder *a,
			       __u64 id, int src, unsigned int flags, int go)
{
	memset(a, 0, sizeof(*a));
	a->go = go;
	a->sup = sup;
	a->id = id;
	a->src = src;
	a->flags = flags;
	ASSERT_EQ(0, pthread_create(&a->thread, NULL, add_one, a));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(a->tid)));
}

/* One that waits for a target that is held. */
static inline void start_pending_adder(struct __test_metadata *_metadata,
				       struct supervisor *sup, struct adder *a,
				       __u64 id, int src, unsigned int flags)
{
	start_adder(_metadata, sup, a, id, src, flags, 1);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(a->tid)));
	ASSERT_FALSE(ATOMIC_GET(a->finished));
}

static inline void join_adder(struct __test_metadata *_metadata,
			      struct adder *a)
{
	ASSERT_EQ(0, pthread_join(a->thread, NULL));
}

/* ADDFD in place of the target's fd @newfd. */
static inline void start_replacing(struct __test_metadata *_metadata,
				   struct supervisor *sup, struct adder *a,
				   __u64 id, int src, unsigned int flags,
				   unsigned int newfd)
{
	start_adder(_metadata, sup, a, id, src,
		    flags | SECCOMP_ADDFD_FLAG_SETFD, 0);
	a->newfd = newfd;
	ATOMIC_SET(a->go, 1);
}

/* ADDFD has returned, or sleeps: for the target, or in C for the lock. */
static inline bool adder_rests(struct adder *a)
{
	return ATOMIC_GET(a->finished) || sleeps_in_ioctl(a->tid);
}

/* A thread that does nothing but ADDFD, in place of the target's fd @newfd. */
struct add_loop {
	struct supervisor *sup;
	pthread_t thread;
	__u64 id;
	int src;
	unsigned int newfd;
	int stop;
	int target_dies;	/* set once a fatal signal is pending for it */
	int ret;		/* of the last one; an error ends the loop */
	int installed;
	int late;		/* ... of those: requested when target_dies */
};

static inline void *add_until_stopped(void *arg)
{
	struct add_loop *loop = arg;

	while (!ATOMIC_GET(loop->stop)) {
		int dies = ATOMIC_GET(loop->target_dies);

		loop->ret = addfd(loop->sup, loop->id, loop->src,
				  SECCOMP_ADDFD_FLAG_SETFD, loop->newfd, 0);
		if (loop->ret < 0)
			break;
		ATOMIC_INC(loop->installed);
		loop->late += dies;
	}
	return NULL;
}

static inline void start_add_loops(struct __test_metadata *_metadata,
				   struct supervisor *sup,
				   struct add_loop *loops, int count, __u64 id,
				   int src, unsigned int newfd)
{
	int i;

	for (i = 0; i < count; i++) {
		memset(&loops[i], 0, sizeof(loops[i]));
		loops[i].sup = sup;
		loops[i].id = id;
		loops[i].src = src;
		loops[i].newfd = newfd;
		ASSERT_EQ(0, pthread_create(&loops[i].thread, NULL,
					    add_until_stopped, &loops[i]));
	}
}

static inline void stop_add_loops(struct __test_metadata *_metadata,
				  struct add_loop *loops, int count)
{
	int i;

	for (i = 0; i < count; i++)
		ATOMIC_SET(loops[i].stop, 1);
	for (i = 0; i < count; i++)
		ASSERT_EQ(0, pthread_join(loops[i].thread, NULL));
}

static inline int count_installed(struct add_loop *loops, int count)
{
	int i, installed = 0;

	for (i = 0; i < count; i++)
		installed += ATOMIC_GET(loops[i].installed);
	return installed;
}

#endif /* _NOTIFY_COMMON_H */
