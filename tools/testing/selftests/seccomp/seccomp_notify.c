// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of SECCOMP_RET_USER_NOTIF: the ioctls of the listener, its poll, the
 * life of a notification, signals, and everything that may race with them.
 *
 * The tests state the ABI. Where the C implementation differs, c_differs[]
 * says so: such a test looks for what C does instead and reports XFAIL, and it
 * fails when C has done what the ABI says, so that the table stays true. The
 * implementation is found in /proc/config.gz; SECCOMP_NOTIFY_IMPL=c or
 * SECCOMP_NOTIFY_IMPL=rust in the environment overrides it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
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
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../kselftest_harness.h"

/* The races take their time where everything is checked. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#ifndef SECCOMP_USER_NOTIF_FD_SIGNALED
#define SECCOMP_USER_NOTIF_FD_SIGNALED 2UL
#endif

#ifndef SECCOMP_NOTIF_FLAG_SIGNALED
#define SECCOMP_NOTIF_FLAG_SIGNALED 1UL
#endif

/* The system call that filters here hand to the supervisor. */
#define NR_TRAPPED	__NR_getppid
#define NR_TRAPPED_I386	64

/* What the tests look at where they know the machine. */
#if defined(REG_RAX)
#define NATIVE_ARCH	AUDIT_ARCH_X86_64
#define SYSCALL_RESULT(uc)	((uc)->uc_mcontext.gregs[REG_RAX])
#elif defined(REG_EAX)
#define NATIVE_ARCH	AUDIT_ARCH_I386
#define SYSCALL_RESULT(uc)	((uc)->uc_mcontext.gregs[REG_EAX])
#else
#define NATIVE_ARCH	0
#define SYSCALL_RESULT(uc)	((void)(uc), 0)
#endif

/* How long anything that must happen may take, in seconds. */
#define GUARD		20

#define ROUNDS		1000
#define MAX_TARGETS	128

#define NO_SIGNALED	"SET_FLAGS does not know FD_SIGNALED"

/* What makes the C implementation differ, by test. */
static const struct {
	const char *test;
	const char *why;
} c_differs[] = {
	{ "nonblock_recv_eagain", "RECV sleeps with O_NONBLOCK" },
	{ "nonblock_belongs_to_the_open_file", "RECV sleeps with O_NONBLOCK" },
	{ "recv_after_a_queued_target_died_waits",
	  "ENOENT for a target that is gone" },
	{ "recv_races_with_leaving_targets",
	  "ENOENT for a target that is gone" },
	{ "poll_no_err_for_a_pending_signal",
	  "ERR if the lock is taken and a signal pending" },
	{ "suspend_keeps_notifications", "freezing interrupts targets" },
	{ "signaled_can_be_set_and_cleared", NO_SIGNALED },
	{ "signaled_no_signal_no_flag", NO_SIGNALED },
	{ "signaled_queued_keeps_its_place", NO_SIGNALED },
	{ "signaled_queued_einprogress", NO_SIGNALED },
	{ "signaled_delivered_requeued_at_the_tail", NO_SIGNALED },
	{ "signaled_poll_of_requeued", NO_SIGNALED },
	{ "signaled_once_per_notification", NO_SIGNALED },
	{ "signaled_queued_is_told_once", NO_SIGNALED },
	{ "signaled_again_for_the_next_syscall", NO_SIGNALED },
	{ "signaled_id_valid_requeued", NO_SIGNALED },
	{ "signaled_addfd_requeued", NO_SIGNALED },
	{ "signaled_addfd_send_requeued", NO_SIGNALED },
	{ "signaled_failed_addfd_send_stays_requeued", NO_SIGNALED },
	{ "signaled_reply_eintr", NO_SIGNALED },
	{ "signaled_reply_continue", NO_SIGNALED },
	{ "signaled_close_gives_enosys", NO_SIGNALED },
	{ "signaled_failed_copy_of_queued", NO_SIGNALED },
	{ "signaled_failed_copy_of_requeued", NO_SIGNALED },
	{ "signaled_with_wait_killable_recv", NO_SIGNALED },
	{ "signaled_with_wait_killable_recv_after_addfd", NO_SIGNALED },
	{ "signaled_cleared_later_stays_killable", NO_SIGNALED },
	{ "signaled_flags_at_the_moment_of_the_signal", NO_SIGNALED },
	{ "signaled_wakes_a_sleeping_reader", NO_SIGNALED },
	{ "signaled_is_an_edge_for_epoll", NO_SIGNALED },
	{ "signaled_blocked_and_ignored_are_none", NO_SIGNALED },
	{ "signaled_fatal_after_non_fatal", NO_SIGNALED },
	{ "signaled_one_thread_of_a_group", NO_SIGNALED },
	{ "signaled_some_thread_of_a_group", NO_SIGNALED },
	{ "signaled_group_dies", NO_SIGNALED },
	{ "signaled_addfd_and_signal_pending", NO_SIGNALED },
	{ "signaled_reply_and_signal_pending", NO_SIGNALED },
	{ "signaled_races_with_send", NO_SIGNALED },
	{ "signaled_races_with_addfd", NO_SIGNALED },
	{ "signaled_races_with_addfd_send", NO_SIGNALED },
	{ "signaled_races_with_second_recv", NO_SIGNALED },
	{ "signaled_races_with_second_recv_killable", NO_SIGNALED },
	{ "signaled_races_with_setting_the_flag", NO_SIGNALED },
	{ "signaled_races_with_close", NO_SIGNALED },
	{ "signaled_races_with_death", NO_SIGNALED },
	{ "signaled_timer_in_a_slow_syscall", NO_SIGNALED },
	{ "signaled_suspend_is_no_signal", NO_SIGNALED },
	{ "signaled_stop_is_told", NO_SIGNALED },
	{ "signaled_cgroup_freezer_is_told", NO_SIGNALED },
	{ "signaled_cgroup_v1_freezer_is_no_signal", NO_SIGNALED },
	{ "signaled_task_work_is_no_signal", NO_SIGNALED },
};

static bool impl_is_c;		/* the kernel has the C implementation */
static bool difference_known;	/* ... and this test is in c_differs[] */
static bool difference_seen;	/* ... and has met that difference */

/* True if @seen, which the ABI forbids, and C is known to do it. */
static bool c_does(bool seen)
{
	if (!difference_known || !seen)
		return false;
	difference_seen = true;
	return true;
}

/* A task that makes trapped system calls; shared between processes. */
struct target {
	pid_t tid;
	bool is_thread;
	pthread_t thread;
	void (*fn)(struct target *t);

	unsigned long arg;	/* the first argument of its system calls */
	unsigned long number;	/* for the test to use */
	long ret;		/* of the last system call */
	int err;		/* errno if that was -1, or 0 */
	int done;		/* system calls that have returned */
	int handled;		/* runs of the signal handler */
	long handler_saw;	/* result of the system call, seen from there */
	int stop;		/* asked to end a loop */
	int fd;			/* in the target's own table */
	int status;		/* from waitpid() */
};

static struct target *targets;
static int nr_targets;
static int listener = -1;
static int errno_closed;	/* as for a system call that does not exist */
static __thread struct target *this_target;

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

#define ATOMIC_GET(x)	__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define ATOMIC_SET(x, v)	__atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)
#define ATOMIC_INC(x)	__atomic_add_fetch(&(x), 1, __ATOMIC_SEQ_CST)

static void spin(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		asm volatile("" : : : "memory");
}

static pid_t sys_gettid(void)
{
	return syscall(__NR_gettid);
}

static int sys_seccomp(unsigned int op, unsigned int flags, void *args)
{
	int ret = syscall(__NR_seccomp, op, flags, args);

	return ret < 0 ? -errno : ret;
}

/* The file's contents in @buf, terminated; the length or -errno. */
static int read_file(const char *path, char *buf, size_t size)
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

static int write_file(const char *path, const char *text)
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

/* The letter in /proc/TID/stat, '?' if there is no such task. */
static char task_state(pid_t tid)
{
	char path[64], buf[512], *paren;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return '?';
	paren = strrchr(buf, ')');
	return paren && paren[1] ? paren[2] : '?';
}

/* The system call that @tid sleeps in, -1 if none. */
static long task_syscall(pid_t tid)
{
	char path[64], buf[512], *end;
	long nr;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	nr = strtol(buf, &end, 10);
	return end == buf ? -1 : nr;
}

/* Sleeps in system call @nr, in one of the states of @states. */
static bool sleeps_in(pid_t tid, long nr, const char *states)
{
	char state;

	if (task_syscall(tid) != nr)
		return false;
	state = task_state(tid);
	return strchr(states, state) && task_syscall(tid) == nr;
}

/* Waits in the trapped system call, and a signal would be noticed. */
static bool target_waits(struct target *t)
{
	return sleeps_in(t->tid, NR_TRAPPED, "S");
}

/* Waits in the trapped system call, and only a fatal signal ends that. */
static bool target_waits_killable(struct target *t)
{
	return sleeps_in(t->tid, NR_TRAPPED, "D");
}

static bool sleeps_in_ioctl(pid_t tid)
{
	return sleeps_in(tid, __NR_ioctl, "S");
}

static int install_filter(unsigned int flags)
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
	struct sock_fprog prog = {
		.len = ARRAY_SIZE(filter),
		.filter = filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static int install_listener(unsigned int flags)
{
	return install_filter(flags | SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static int recv_into(int fd, struct seccomp_notif *n)
{
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, n) ? -errno : 0;
}

static int recv_notif(struct seccomp_notif *n)
{
	memset(n, 0, sizeof(*n));
	return recv_into(listener, n);
}

static int send_resp(struct seccomp_notif_resp *resp)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, resp) ? -errno : 0;
}

static int reply(__u64 id, __s64 val, __s32 error, __u32 flags)
{
	struct seccomp_notif_resp resp = {
		.id = id,
		.val = val,
		.error = error,
		.flags = flags,
	};

	return send_resp(&resp);
}

static int reply_value(__u64 id, __s64 val)
{
	return reply(id, val, 0, 0);
}

static int id_valid(__u64 id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) ? -errno : 0;
}

/* By value; the whole register, whatever the word size. */
static int set_flags(unsigned long flags)
{
	int ret = syscall(__NR_ioctl, listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
			  flags);

	return ret ? -errno : 0;
}

static int addfd_sized(void *addfd, unsigned int size)
{
	unsigned int cmd = _IOC(_IOC_WRITE, SECCOMP_IOC_MAGIC, 3, size);
	int ret = syscall(__NR_ioctl, listener, cmd, addfd);

	return ret < 0 ? -errno : ret;
}

static int addfd(__u64 id, int srcfd, unsigned int flags, unsigned int newfd,
		 unsigned int newfd_flags)
{
	struct seccomp_notif_addfd a = {
		.id = id,
		.flags = flags,
		.srcfd = srcfd,
		.newfd = newfd,
		.newfd_flags = newfd_flags,
	};

	return addfd_sized(&a, sizeof(a));
}

#define POLL_ALL	(POLLIN | POLLPRI | POLLOUT | POLLRDNORM | \
			 POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLMSG | \
			 POLLRDHUP)
#define POLL_QUEUED	(POLLIN | POLLRDNORM)
#define POLL_DELIVERED	(POLLOUT | POLLWRNORM)

static int poll_fd(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLL_ALL };
	int ret = poll(&p, 1, timeout_ms);

	return ret < 0 ? -errno : p.revents;
}

static int poll_now(void)
{
	return poll_fd(listener, 0);
}

static void begin_test(struct __test_metadata *_metadata)
{
	unsigned int i;

	if (impl_is_c) {
		for (i = 0; i < ARRAY_SIZE(c_differs); i++) {
			if (!strcmp(c_differs[i].test, _metadata->name))
				difference_known = true;
		}
	}
	syscall(-1);
	errno_closed = errno;
	targets = mmap(NULL, MAX_TARGETS * sizeof(*targets),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	ASSERT_TRUE(targets != MAP_FAILED);
}

static void end_test(struct __test_metadata *_metadata)
{
	const char *why = "";
	unsigned int i;
	int j;

	/* A test has seen all its children off, or has failed. */
	for (j = 0; j < nr_targets; j++) {
		if (targets[j].tid > 0 && !targets[j].is_thread)
			kill(targets[j].tid, SIGKILL);
	}
	if (_metadata->exit_code == KSFT_PASS)
		EXPECT_EQ(-1, waitpid(-1, NULL, __WALL | WNOHANG));
	while (waitpid(-1, NULL, __WALL) > 0)
		;

	if (!difference_known || _metadata->exit_code != KSFT_PASS)
		return;

	for (i = 0; i < ARRAY_SIZE(c_differs); i++) {
		if (!strcmp(c_differs[i].test, _metadata->name))
			why = c_differs[i].why;
	}
	if (!difference_seen) {
		TH_LOG("C is listed as different, but behaved as the ABI says");
		_metadata->exit_code = KSFT_FAIL;
		return;
	}
	snprintf(_metadata->results->reason, sizeof(_metadata->results->reason),
		 "C implementation: %s", why);
	_metadata->exit_code = KSFT_XFAIL;
}

#define NOTIFY_TEST(name) \
	static void name##_body(struct __test_metadata *_metadata); \
	TEST(name) \
	{ \
		begin_test(_metadata); \
		name##_body(_metadata); \
		end_test(_metadata); \
	} \
	static void name##_body(struct __test_metadata *_metadata)

/* This process gets a filter with a listener; children inherit the filter. */
static void setup(struct __test_metadata *_metadata, unsigned int flags)
{
	listener = install_listener(flags);
	ASSERT_LE(0, listener);
}

static struct target *new_target(struct __test_metadata *_metadata,
				 void (*fn)(struct target *t),
				 unsigned long arg)
{
	struct target *t;

	ASSERT_GT(MAX_TARGETS, nr_targets);
	t = &targets[nr_targets++];
	memset(t, 0, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
	t->fd = -1;
	return t;
}

/* A child process that runs @fn, without the listener. */
static struct target *spawn(struct __test_metadata *_metadata,
			    void (*fn)(struct target *t), unsigned long arg)
{
	struct target *t = new_target(_metadata, fn, arg);
	pid_t parent = getpid();
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Not getppid(): that may be trapped. */
		if (kill(parent, 0))
			_exit(1);
		if (listener >= 0)
			close(listener);
		listener = -1;
		this_target = t;
		t->tid = getpid();
		fn(t);
		_exit(0);
	}
	t->tid = pid;
	return t;
}

static void *thread_main(void *arg)
{
	struct target *t = arg;

	this_target = t;
	ATOMIC_SET(t->tid, sys_gettid());
	t->fn(t);
	return NULL;
}

/* The same with a thread of this process. */
static struct target *spawn_thread(struct __test_metadata *_metadata,
				   void (*fn)(struct target *t),
				   unsigned long arg)
{
	struct target *t = new_target(_metadata, fn, arg);

	t->is_thread = true;
	ASSERT_EQ(0, pthread_create(&t->thread, NULL, thread_main, t));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->tid)));
	return t;
}

/* Waits for the end of @t; its exit status must be @status. */
static void reap_status(struct __test_metadata *_metadata, struct target *t,
			int status)
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

static void reap(struct __test_metadata *_metadata, struct target *t)
{
	reap_status(_metadata, t, 0);
}

static void kill_and_reap(struct __test_metadata *_metadata, struct target *t)
{
	ASSERT_EQ(0, kill(t->tid, SIGKILL));
	reap_status(_metadata, t, SIGKILL);
}

/* One trapped system call of target @t, with six arguments. */
static void trapped_call(struct target *t)
{
	long ret;

	errno = 0;
	ret = syscall(NR_TRAPPED, t->arg, t->arg + 1, t->arg + 2, t->arg + 3,
		      t->arg + 4, t->arg + 5);
	t->err = ret == -1 ? errno : 0;
	t->ret = ret;
	ATOMIC_INC(t->done);
}

static void call_once(struct target *t)
{
	trapped_call(t);
}

static void count_signal(int sig, siginfo_t *info, void *context)
{
	struct target *t = this_target;
	long val = SYSCALL_RESULT((ucontext_t *)context);

	if (!t)
		return;
	t->handler_saw = val;
	ATOMIC_INC(t->handled);
}

static void handle_signal(int sig, int flags)
{
	struct sigaction sa = {
		.sa_sigaction = count_signal,
		.sa_flags = SA_SIGINFO | flags,
	};

	sigaction(sig, &sa, NULL);
}

/* A target process that is queued. */
static struct target *spawn_queued(struct __test_metadata *_metadata,
				   void (*fn)(struct target *t),
				   unsigned long arg)
{
	struct target *t = spawn(_metadata, fn, arg);

	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	return t;
}

static void expect_result(struct __test_metadata *_metadata, struct target *t,
			  long ret, int err)
{
	reap(_metadata, t);
	EXPECT_EQ(1, t->done);
	EXPECT_EQ(ret, t->ret);
	EXPECT_EQ(err, t->err);
}

/* Reads the next notification, answers it, and sees the target off. */
static void answer(struct __test_metadata *_metadata, struct target *t)
{
	struct seccomp_notif n;

	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(t->arg, n.data.args[0]);
	ASSERT_EQ(0, reply_value(n.id, 77));
	expect_result(_metadata, t, 77, 0);
}

/*
 * Holding a target: it stays where it is even when something wakes it, because
 * a task of higher priority has its CPU. So what is pending stays pending.
 */
static pthread_t hog_thread;
static int hog_cpu, hog_runs, hog_stop;

static void *hog_main(void *arg)
{
	ATOMIC_SET(hog_runs, 1);
	while (!ATOMIC_GET(hog_stop))
		;
	return NULL;
}

static int set_fifo(pid_t tid, int prio)
{
	struct sched_param param = { .sched_priority = prio };
	int policy = prio ? SCHED_FIFO : SCHED_OTHER;

	return sched_setscheduler(tid, policy, &param) ? -errno : 0;
}

static int set_cpu(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(tid, sizeof(set), &set) ? -errno : 0;
}

static int first_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/* False if real-time scheduling is not allowed here: the test is skipped. */
static bool hold_target(struct __test_metadata *_metadata, struct target *t)
{
	struct sched_param param = { .sched_priority = 2 };
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	ret = set_fifo(0, 3);
	if (ret) {
		kill(t->tid, SIGKILL);
		SKIP(return false, "no real-time scheduling (%d)", ret);
	}
	hog_cpu = first_cpu();
	hog_runs = 0;
	hog_stop = 0;
	ASSERT_EQ(0, set_cpu(t->tid, hog_cpu));
	ASSERT_EQ(0, set_fifo(t->tid, 1));

	CPU_ZERO(&set);
	CPU_SET(hog_cpu, &set);
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	ret = pthread_create(&hog_thread, &attr, hog_main, NULL);
	pthread_attr_destroy(&attr);
	ASSERT_EQ(0, ret);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(hog_runs)));
	return true;
}

static void release_target(struct __test_metadata *_metadata)
{
	ATOMIC_SET(hog_stop, 1);
	ASSERT_EQ(0, pthread_join(hog_thread, NULL));
	ASSERT_EQ(0, set_fifo(0, 0));
}

/* Pages of zeroes. */
static void *map_pages(struct __test_metadata *_metadata, int count, int prot)
{
	void *pages = mmap(NULL, count * getpagesize(), prot,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(pages != MAP_FAILED);
	return pages;
}

/* RECV */

NOTIFY_TEST(recv_describes_the_syscall)
{
	struct seccomp_notif n;
	struct target *t;
	int i;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 0x1000);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, n.flags);
	EXPECT_EQ(NR_TRAPPED, n.data.nr);
	EXPECT_NE(0, n.data.instruction_pointer);
	if (NATIVE_ARCH)
		EXPECT_EQ(NATIVE_ARCH, n.data.arch);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0x1000 + i, n.data.args[i]);
	EXPECT_EQ(0, reply_value(n.id, 5));
	expect_result(_metadata, t, 5, 0);
}

NOTIFY_TEST(recv_buffer_not_zero_einval)
{
	struct seccomp_notif n;
	struct target *t;
	size_t i;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	for (i = 0; i < sizeof(n); i++) {
		memset(&n, 0, sizeof(n));
		((char *)&n)[i] = 1;
		EXPECT_EQ(-EINVAL, recv_into(listener, &n));
	}
	EXPECT_EQ(POLL_QUEUED, poll_now());
	answer(_metadata, t);
}

NOTIFY_TEST(recv_bad_buffer_efault)
{
	struct target *t;
	void *none;

	setup(_metadata, 0);
	none = map_pages(_metadata, 1, PROT_NONE);
	t = spawn_queued(_metadata, call_once, 1);
	EXPECT_EQ(-EFAULT, recv_into(listener, NULL));
	EXPECT_EQ(-EFAULT, recv_into(listener, none));
	EXPECT_EQ(POLL_QUEUED, poll_now());
	answer(_metadata, t);
}

NOTIFY_TEST(recv_bad_buffer_does_not_wait)
{
	struct seccomp_notif n = { .pid = 1 };

	/* Nothing is queued: a RECV that looked later would sleep. */
	setup(_metadata, 0);
	EXPECT_EQ(-EFAULT, recv_into(listener, NULL));
	EXPECT_EQ(-EINVAL, recv_into(listener, &n));
}

NOTIFY_TEST(recv_readonly_buffer_keeps_id_and_place)
{
	struct seccomp_notif n, m;
	struct target *a, *b, *c;
	void *page;

	setup(_metadata, 0);
	page = map_pages(_metadata, 1, PROT_READ);
	a = spawn_queued(_metadata, call_once, 100);
	b = spawn_queued(_metadata, call_once, 200);
	c = spawn_queued(_metadata, call_once, 300);

	EXPECT_EQ(-EFAULT, recv_into(listener, page));
	EXPECT_EQ(POLL_QUEUED, poll_now());
	EXPECT_EQ(-EFAULT, recv_into(listener, page));
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(a->tid, (pid_t)n.pid);

	/* The same for the one that now is the first. */
	EXPECT_EQ(-EFAULT, recv_into(listener, page));
	EXPECT_EQ(-ENOENT, id_valid(n.id + 1));
	ASSERT_EQ(0, recv_notif(&m));
	EXPECT_EQ(b->tid, (pid_t)m.pid);
	EXPECT_EQ(n.id + 1, m.id);

	EXPECT_EQ(0, reply_value(n.id, 1));
	EXPECT_EQ(0, reply_value(m.id, 2));
	expect_result(_metadata, a, 1, 0);
	expect_result(_metadata, b, 2, 0);
	answer(_metadata, c);
}

NOTIFY_TEST(recv_half_readonly_buffer_efault)
{
	struct seccomp_notif *n;
	struct target *t;
	char *pages;
	int size = getpagesize();

	setup(_metadata, 0);
	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	ASSERT_EQ(0, mprotect(pages + size, size, PROT_READ));
	n = (struct seccomp_notif *)(pages + size - 16);

	t = spawn_queued(_metadata, call_once, 1);
	EXPECT_EQ(-EFAULT, recv_into(listener, n));
	EXPECT_EQ(POLL_QUEUED, poll_now());
	answer(_metadata, t);
}

/* A thread that waits in RECV. */
struct reader {
	pthread_t thread;
	int fd;
	int tid;
	int ret;
	int finished;
	int repeat;		/* until this many have been read */
	int count;
	struct seccomp_notif n;
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;

	ATOMIC_SET(r->tid, sys_gettid());
	memset(&r->n, 0, sizeof(r->n));
	r->ret = recv_into(r->fd, &r->n);
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

static void start_reader(struct __test_metadata *_metadata, struct reader *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = listener;
	ASSERT_EQ(0, pthread_create(&r->thread, NULL, reader_main, r));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r->tid)));
}

/* ... and has gone to sleep there. */
static void start_sleeping_reader(struct __test_metadata *_metadata,
				  struct reader *r)
{
	start_reader(_metadata, r);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(r->tid)));
	ASSERT_FALSE(ATOMIC_GET(r->finished));
}

static void join_reader(struct __test_metadata *_metadata, struct reader *r)
{
	ASSERT_EQ(0, pthread_join(r->thread, NULL));
}

static int signal_thread(pid_t tid, int sig)
{
	return syscall(__NR_tgkill, getpid(), tid, sig) ? -errno : 0;
}

/* Gets a reader out of RECV; it must not have read anything. */
static void interrupt_reader(struct __test_metadata *_metadata,
			     struct reader *r)
{
	handle_signal(SIGUSR2, 0);
	ASSERT_EQ(0, signal_thread(r->tid, SIGUSR2));
	join_reader(_metadata, r);
	EXPECT_EQ(-EINTR, r->ret);
}

NOTIFY_TEST(recv_interrupted_eintr)
{
	struct target *t;
	struct reader r;

	setup(_metadata, 0);
	start_sleeping_reader(_metadata, &r);
	interrupt_reader(_metadata, &r);

	/* And the interrupted one has taken nothing from the next. */
	t = spawn_queued(_metadata, call_once, 1);
	answer(_metadata, t);
}

NOTIFY_TEST(recv_waits_for_a_target)
{
	struct target *t;
	struct reader r;

	setup(_metadata, 0);
	start_sleeping_reader(_metadata, &r);
	t = spawn(_metadata, call_once, 1);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(t->tid, (pid_t)r.n.pid);
	EXPECT_EQ(0, reply_value(r.n.id, 3));
	expect_result(_metadata, t, 3, 0);
}

/* SEND */

NOTIFY_TEST(reply_with_a_value)
{
	static const long values[] = { 0, 1, 0x12345678, -7777777, LONG_MAX };
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;

	setup(_metadata, 0);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		t = spawn_queued(_metadata, call_once, i);
		ASSERT_EQ(0, recv_notif(&n));
		EXPECT_EQ(0, reply_value(n.id, values[i]));
		expect_result(_metadata, t, values[i], 0);
	}
}

NOTIFY_TEST(reply_with_an_error)
{
	static const int errors[] = { EPERM, EINTR, EBADF, 4095 };
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;

	setup(_metadata, 0);
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		t = spawn_queued(_metadata, call_once, i);
		ASSERT_EQ(0, recv_notif(&n));
		EXPECT_EQ(0, reply(n.id, 0, -errors[i], 0));
		expect_result(_metadata, t, -1, errors[i]);
	}
}

NOTIFY_TEST(reply_error_wins_over_value)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(0, reply(n.id, 55, -EACCES, 0));
	expect_result(_metadata, t, -1, EACCES);
}

NOTIFY_TEST(reply_continue)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(0, reply(n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	expect_result(_metadata, t, getpid(), 0);
}

NOTIFY_TEST(send_unknown_flags_einval)
{
	struct seccomp_notif n;
	struct target *t;
	int bit;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	ASSERT_EQ(0, recv_notif(&n));
	for (bit = 1; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, reply(n.id, 0, 0, 1U << bit));
	EXPECT_EQ(-EINVAL, reply(n.id, 0, 0,
				 SECCOMP_USER_NOTIF_FLAG_CONTINUE | 2));
	EXPECT_EQ(0, id_valid(n.id));
	EXPECT_EQ(0, reply_value(n.id, 6));
	expect_result(_metadata, t, 6, 0);
}

NOTIFY_TEST(send_continue_with_result_einval)
{
	const __u32 flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(-EINVAL, reply(n.id, 1, 0, flags));
	EXPECT_EQ(-EINVAL, reply(n.id, 0, -EPERM, flags));
	EXPECT_EQ(-EINVAL, reply(n.id, 1LL << 32, 0, flags));
	EXPECT_EQ(0, id_valid(n.id));
	EXPECT_EQ(0, reply(n.id, 0, 0, flags));
	expect_result(_metadata, t, getpid(), 0);
}

NOTIFY_TEST(send_bad_buffer_efault)
{
	setup(_metadata, 0);
	EXPECT_EQ(-EFAULT, send_resp(NULL));
	EXPECT_EQ(-EFAULT, send_resp((void *)8));
}

NOTIFY_TEST(send_unknown_id_enoent)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	EXPECT_EQ(-ENOENT, reply_value(0, 0));
	t = spawn_queued(_metadata, call_once, 1);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(-ENOENT, reply_value(n.id + 1, 0));
	EXPECT_EQ(-ENOENT, reply_value(n.id - 1, 0));
	EXPECT_EQ(-ENOENT, reply_value(~n.id, 0));
	EXPECT_EQ(0, reply_value(n.id, 4));
	expect_result(_metadata, t, 4, 0);
	EXPECT_EQ(-ENOENT, reply_value(n.id, 4));
}

NOTIFY_TEST(send_queued_einprogress)
{
	struct seccomp_notif n;
	struct target *a, *b;

	setup(_metadata, 0);
	a = spawn_queued(_metadata, call_once, 1);
	b = spawn_queued(_metadata, call_once, 2);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(-EINPROGRESS, reply_value(n.id + 1, 9));
	EXPECT_EQ(0, reply_value(n.id, 3));
	expect_result(_metadata, a, 3, 0);
	answer(_metadata, b);
}

NOTIFY_TEST(send_replied_einprogress)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	if (!hold_target(_metadata, t))
		return;
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(0, reply_value(n.id, 3));
	EXPECT_EQ(-EINPROGRESS, reply_value(n.id, 4));
	EXPECT_EQ(-EINPROGRESS, reply(n.id, 0, -EPERM, 0));
	release_target(_metadata);
	expect_result(_metadata, t, 3, 0);
}

/* ID_VALID */

static int id_valid_other_number(__u64 id)
{
	/* As the header had it first: the direction was the wrong one. */
	unsigned int cmd = _IOR(SECCOMP_IOC_MAGIC, 2, __u64);

	return ioctl(listener, cmd, &id) ? -errno : 0;
}

NOTIFY_TEST(id_valid_only_while_delivered)
{
	struct seccomp_notif n;
	struct target *a, *b;

	setup(_metadata, 0);
	a = spawn_queued(_metadata, call_once, 1);
	b = spawn_queued(_metadata, call_once, 2);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(0, id_valid(n.id));
	EXPECT_EQ(0, id_valid_other_number(n.id));
	/* Queued, and never heard of. */
	EXPECT_EQ(-ENOENT, id_valid(n.id + 1));
	EXPECT_EQ(-ENOENT, id_valid_other_number(n.id + 1));
	EXPECT_EQ(-ENOENT, id_valid(n.id + 2));
	EXPECT_EQ(-ENOENT, id_valid_other_number(n.id + 2));
	EXPECT_EQ(-ENOENT, id_valid(n.id - 1));
	EXPECT_EQ(0, reply_value(n.id, 3));
	expect_result(_metadata, a, 3, 0);
	EXPECT_EQ(-ENOENT, id_valid(n.id));
	EXPECT_EQ(-ENOENT, id_valid_other_number(n.id));
	answer(_metadata, b);
}

NOTIFY_TEST(id_valid_replied_enoent)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	if (!hold_target(_metadata, t))
		return;
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(0, id_valid(n.id));
	EXPECT_EQ(0, reply_value(n.id, 3));
	EXPECT_EQ(-ENOENT, id_valid(n.id));
	EXPECT_EQ(-ENOENT, id_valid_other_number(n.id));
	release_target(_metadata);
	expect_result(_metadata, t, 3, 0);
}

NOTIFY_TEST(id_valid_bad_buffer_efault)
{
	setup(_metadata, 0);
	EXPECT_EQ(-1, ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, NULL));
	EXPECT_EQ(EFAULT, errno);
}

/* ADDFD */

/* The target's fd is the same open file as ours. */
static bool same_file(struct target *t, int theirs, int ours)
{
	/* KCMP_FILE is 0. */
	return !syscall(__NR_kcmp, t->tid, getpid(), 0, theirs, ours);
}

/* The flags in the target's /proc/PID/fdinfo, -1 if there is no such fd. */
static long fd_flags(struct target *t, int fd)
{
	char path[64], buf[512], *line;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", t->tid, fd);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	line = strstr(buf, "flags:");
	return line ? strtol(line + 6, NULL, 8) : -1;
}

static int open_null(struct __test_metadata *_metadata)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	return fd;
}

/* A target whose notification has been read into @n. */
static struct target *spawn_delivered(struct __test_metadata *_metadata,
				      void (*fn)(struct target *t),
				      struct seccomp_notif *n)
{
	struct target *t = spawn(_metadata, fn, 1);

	ASSERT_EQ(0, recv_notif(n));
	ASSERT_EQ(t->tid, (pid_t)n->pid);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	return t;
}

NOTIFY_TEST(addfd_installs_and_target_waits_on)
{
	struct seccomp_notif n;
	struct target *t;
	int src, fd;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_once, &n);

	fd = addfd(n.id, src, 0, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, src));
	EXPECT_EQ(0, fd_flags(t, fd) & O_CLOEXEC);

	fd = addfd(n.id, src, 0, 0, O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, src));
	EXPECT_EQ(O_CLOEXEC, fd_flags(t, fd) & O_CLOEXEC);

	EXPECT_EQ(0, id_valid(n.id));
	EXPECT_EQ(0, t->done);
	EXPECT_EQ(0, reply_value(n.id, fd));
	expect_result(_metadata, t, fd, 0);
}

NOTIFY_TEST(addfd_setfd)
{
	const int number = 42;
	struct seccomp_notif n;
	struct target *t;
	int src, other;

	setup(_metadata, 0);
	src = open_null(_metadata);
	other = open_null(_metadata);
	t = spawn_delivered(_metadata, call_once, &n);

	EXPECT_EQ(number, addfd(n.id, src, SECCOMP_ADDFD_FLAG_SETFD, number,
				O_CLOEXEC));
	EXPECT_TRUE(same_file(t, number, src));
	EXPECT_EQ(O_CLOEXEC, fd_flags(t, number) & O_CLOEXEC);
	/* And in the place of one that is open. */
	EXPECT_EQ(number, addfd(n.id, other, SECCOMP_ADDFD_FLAG_SETFD, number,
				0));
	EXPECT_TRUE(same_file(t, number, other));
	EXPECT_EQ(0, fd_flags(t, number) & O_CLOEXEC);
	EXPECT_EQ(0, reply_value(n.id, 0));
	expect_result(_metadata, t, 0, 0);
}

static void call_then_stat(struct target *t)
{
	struct stat st;

	trapped_call(t);
	t->number = fstat(t->ret, &st) ? 0 : st.st_rdev;
}

NOTIFY_TEST(addfd_send_replies_with_the_fd)
{
	struct seccomp_notif n;
	struct target *t;
	struct stat st;
	int src, fd;

	setup(_metadata, 0);
	src = open_null(_metadata);
	ASSERT_EQ(0, fstat(src, &st));
	t = spawn_delivered(_metadata, call_then_stat, &n);
	fd = addfd(n.id, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	EXPECT_LE(0, fd);
	expect_result(_metadata, t, fd, 0);
	EXPECT_EQ(st.st_rdev, t->number);
	EXPECT_EQ(-ENOENT, id_valid(n.id));
}

NOTIFY_TEST(addfd_setfd_and_send)
{
	struct seccomp_notif n;
	struct target *t;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_then_stat, &n);
	EXPECT_EQ(33, addfd(n.id, src, SECCOMP_ADDFD_FLAG_SEND |
			    SECCOMP_ADDFD_FLAG_SETFD, 33, 0));
	expect_result(_metadata, t, 33, 0);
	EXPECT_NE(0, t->number);
}

NOTIFY_TEST(addfd_wrong_size_einval)
{
	static const unsigned int sizes[] = {
		0, 1, 8, 16, 20, 23, 4096, 4097, 8192, 16383,
	};
	struct seccomp_notif_addfd *a;
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	a = map_pages(_metadata, 5, PROT_READ | PROT_WRITE);
	t = spawn_delivered(_metadata, call_once, &n);
	a->id = n.id;
	a->srcfd = src;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (sizes[i] > 23 && sizes[i] < (unsigned int)getpagesize())
			continue;
		EXPECT_EQ(-EINVAL, addfd_sized(a, sizes[i]));
	}
	/* The size is looked at before the buffer. */
	EXPECT_EQ(-EINVAL, addfd_sized(NULL, 23));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

NOTIFY_TEST(addfd_larger_with_zeroes)
{
	static const unsigned int sizes[] = { 24, 25, 31, 32, 100, 4095 };
	struct seccomp_notif_addfd *a;
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;
	int src, fd;

	setup(_metadata, 0);
	src = open_null(_metadata);
	a = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	t = spawn_delivered(_metadata, call_once, &n);
	a->id = n.id;
	a->srcfd = src;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fd = addfd_sized(a, sizes[i]);
		EXPECT_LE(0, fd);
		EXPECT_TRUE(same_file(t, fd, src));
	}
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

NOTIFY_TEST(addfd_larger_with_more_e2big)
{
	struct seccomp_notif_addfd *a;
	struct seccomp_notif n;
	struct target *t;
	char *bytes;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	a = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	bytes = (char *)a;
	t = spawn_delivered(_metadata, call_once, &n);
	a->id = n.id;
	a->srcfd = src;
	bytes[24] = 1;
	EXPECT_EQ(-E2BIG, addfd_sized(a, 25));
	EXPECT_EQ(-E2BIG, addfd_sized(a, 4095));
	EXPECT_LE(0, addfd_sized(a, 24));
	bytes[24] = 0;
	bytes[4094] = 1;
	EXPECT_EQ(-E2BIG, addfd_sized(a, 4095));
	EXPECT_LE(0, addfd_sized(a, 4094));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

NOTIFY_TEST(addfd_bad_buffer_efault)
{
	char *pages;

	setup(_metadata, 0);
	EXPECT_EQ(-EFAULT, addfd_sized(NULL, 24));
	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	ASSERT_EQ(0, mprotect(pages + getpagesize(), getpagesize(), PROT_NONE));
	EXPECT_EQ(-EFAULT, addfd_sized(pages + getpagesize() - 16, 24));
	/* The end of a larger argument is read as well. */
	EXPECT_EQ(-EFAULT, addfd_sized(pages + getpagesize() - 24, 32));
}

NOTIFY_TEST(addfd_bad_arguments_einval)
{
	struct seccomp_notif n;
	struct target *t;
	int src, bit;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_once, &n);
	for (bit = 2; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, addfd(n.id, src, 1U << bit, 0, 0));
	/* A number without SETFD. */
	EXPECT_EQ(-EINVAL, addfd(n.id, src, 0, 9, 0));
	EXPECT_EQ(-EINVAL, addfd(n.id, src, SECCOMP_ADDFD_FLAG_SEND, 9, 0));
	for (bit = 0; bit < 32; bit++) {
		if (1U << bit == O_CLOEXEC)
			continue;
		EXPECT_EQ(-EINVAL, addfd(n.id, src, 0, 0, 1U << bit));
		EXPECT_EQ(-EINVAL, addfd(n.id, src, 0, 0,
					 1U << bit | O_CLOEXEC));
	}
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

NOTIFY_TEST(addfd_bad_srcfd_ebadf)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_delivered(_metadata, call_once, &n);
	EXPECT_EQ(-EBADF, addfd(n.id, -1, 0, 0, 0));
	EXPECT_EQ(-EBADF, addfd(n.id, 1000, 0, 0, 0));
	EXPECT_EQ(-EBADF, addfd(n.id, 1000, SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(0, id_valid(n.id));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

NOTIFY_TEST(addfd_unknown_id_enoent)
{
	struct seccomp_notif n;
	struct target *t;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	EXPECT_EQ(-ENOENT, addfd(0, src, 0, 0, 0));
	t = spawn_delivered(_metadata, call_once, &n);
	EXPECT_EQ(-ENOENT, addfd(n.id + 1, src, 0, 0, 0));
	EXPECT_EQ(-ENOENT, addfd(n.id + 1, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(-ENOENT, addfd(n.id, src, 0, 0, 0));
}

NOTIFY_TEST(addfd_queued_einprogress)
{
	struct seccomp_notif n;
	struct target *a, *b;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	a = spawn_delivered(_metadata, call_once, &n);
	b = spawn_queued(_metadata, call_once, 2);
	EXPECT_EQ(-EINPROGRESS, addfd(n.id + 1, src, 0, 0, 0));
	EXPECT_EQ(-EINPROGRESS, addfd(n.id + 1, src, SECCOMP_ADDFD_FLAG_SEND,
				      0, 0));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, a, 1, 0);
	answer(_metadata, b);
}

NOTIFY_TEST(addfd_replied_einprogress)
{
	struct seccomp_notif n;
	struct target *t;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_once, &n);
	if (!hold_target(_metadata, t))
		return;
	EXPECT_EQ(0, reply_value(n.id, 1));
	EXPECT_EQ(-EINPROGRESS, addfd(n.id, src, 0, 0, 0));
	EXPECT_EQ(-EINPROGRESS, addfd(n.id, src, SECCOMP_ADDFD_FLAG_SEND, 0,
				      0));
	release_target(_metadata);
	expect_result(_metadata, t, 1, 0);
}

/* A thread that waits in ADDFD. */
struct adder {
	pthread_t thread;
	int tid;
	int ret;
	int finished;
	int go;			/* where the start is to be timed */
	__u64 id;
	int src;
	unsigned int flags;
};

static void *adder_main(void *arg)
{
	struct adder *a = arg;

	ATOMIC_SET(a->tid, sys_gettid());
	while (!ATOMIC_GET(a->go))
		;
	a->ret = addfd(a->id, a->src, a->flags, 0, 0);
	ATOMIC_SET(a->finished, 1);
	return NULL;
}

static void start_adder(struct __test_metadata *_metadata, struct adder *a,
			__u64 id, int src, unsigned int flags, int go)
{
	memset(a, 0, sizeof(*a));
	a->go = go;
	a->id = id;
	a->src = src;
	a->flags = flags;
	ASSERT_EQ(0, pthread_create(&a->thread, NULL, adder_main, a));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(a->tid)));
}

/* ... for a target that is held. */
static void start_pending_adder(struct __test_metadata *_metadata,
				struct adder *a, __u64 id, int src,
				unsigned int flags)
{
	start_adder(_metadata, a, id, src, flags, 1);
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(a->tid)));
	ASSERT_FALSE(ATOMIC_GET(a->finished));
}

static void join_adder(struct __test_metadata *_metadata, struct adder *a)
{
	ASSERT_EQ(0, pthread_join(a->thread, NULL));
}

NOTIFY_TEST(addfd_send_with_others_pending_ebusy)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_once, &n);
	if (!hold_target(_metadata, t))
		return;
	start_pending_adder(_metadata, &a, n.id, src, 0);
	EXPECT_EQ(-EBUSY, addfd(n.id, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(0, id_valid(n.id));
	release_target(_metadata);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	EXPECT_TRUE(same_file(t, a.ret, src));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

NOTIFY_TEST(addfd_pending_then_send)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_then_stat, &n);
	if (!hold_target(_metadata, t))
		return;
	/* The number is known: the lowest that is free. */
	start_pending_adder(_metadata, &a, n.id, src, 0);
	EXPECT_EQ(0, reply_value(n.id, src));
	release_target(_metadata);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	expect_result(_metadata, t, src, 0);
	EXPECT_NE(0, t->number);
}

NOTIFY_TEST(addfd_send_pending_then_others_einprogress)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_once, &n);
	if (!hold_target(_metadata, t))
		return;
	start_pending_adder(_metadata, &a, n.id, src, SECCOMP_ADDFD_FLAG_SEND);
	EXPECT_EQ(-EINPROGRESS, reply_value(n.id, 4));
	EXPECT_EQ(-EINPROGRESS, addfd(n.id, src, 0, 0, 0));
	EXPECT_EQ(-ENOENT, id_valid(n.id));
	EXPECT_EQ(0, poll_now());
	release_target(_metadata);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	expect_result(_metadata, t, a.ret, 0);
}

NOTIFY_TEST(addfd_interrupted_is_taken_back)
{
	static const unsigned int flags[] = { 0, SECCOMP_ADDFD_FLAG_SEND };
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	unsigned int i;
	int src, fd;

	setup(_metadata, 0);
	src = open_null(_metadata);
	handle_signal(SIGUSR2, 0);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		t = spawn_delivered(_metadata, call_once, &n);
		if (!hold_target(_metadata, t))
			return;
		start_pending_adder(_metadata, &a, n.id, src, flags[i]);
		ASSERT_EQ(0, signal_thread(a.tid, SIGUSR2));
		join_adder(_metadata, &a);
		EXPECT_EQ(-EINTR, a.ret);
		EXPECT_EQ(0, id_valid(n.id));
		EXPECT_EQ(POLL_DELIVERED, poll_now());
		release_target(_metadata);
		ASSERT_TRUE(WAIT_FOR(target_waits(t)));
		/* It has installed nothing: the number is still free. */
		EXPECT_EQ(-1, fd_flags(t, listener));
		fd = addfd(n.id, src, 0, 0, 0);
		EXPECT_EQ(listener, fd);
		EXPECT_EQ(0, reply_value(n.id, 2));
		expect_result(_metadata, t, 2, 0);
	}
}

NOTIFY_TEST(addfd_failed_install_stays_open)
{
	static const unsigned int flags[] = { 0, SECCOMP_ADDFD_FLAG_SEND };
	struct rlimit none = { 0, 0 };
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		t = spawn_delivered(_metadata, call_once, &n);
		ASSERT_EQ(0, prlimit(t->tid, RLIMIT_NOFILE, &none, NULL));
		EXPECT_EQ(-EMFILE, addfd(n.id, src, flags[i], 0, 0));
		EXPECT_EQ(-EBADF, addfd(n.id, src, flags[i] |
					SECCOMP_ADDFD_FLAG_SETFD, 7, 0));
		EXPECT_EQ(0, id_valid(n.id));
		EXPECT_EQ(POLL_DELIVERED, poll_now());
		EXPECT_EQ(0, t->done);
		EXPECT_EQ(0, reply_value(n.id, 8));
		expect_result(_metadata, t, 8, 0);
	}
}

/* SET_FLAGS and what else an ioctl can be */

NOTIFY_TEST(set_flags_by_value)
{
	unsigned long flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;

	setup(_metadata, 0);
	EXPECT_EQ(0, set_flags(flags));
	EXPECT_EQ(0, set_flags(0));
	/* An address is no set of flags. */
	EXPECT_EQ(-EINVAL, set_flags((unsigned long)&flags));
}

NOTIFY_TEST(set_flags_unknown_einval)
{
	unsigned int bit;

	setup(_metadata, 0);
	for (bit = 2; bit < 8 * sizeof(long); bit++) {
		EXPECT_EQ(-EINVAL, set_flags(1UL << bit));
		EXPECT_EQ(-EINVAL, set_flags(1UL << bit | 1));
	}
}

NOTIFY_TEST(unknown_ioctl_einval)
{
	static const unsigned int cmds[] = {
		0, 0x5401, SECCOMP_IO(0), SECCOMP_IO(2), SECCOMP_IO(4),
		SECCOMP_IOWR(0, struct seccomp_notif_resp),
		SECCOMP_IOWR(1, struct seccomp_notif),
		SECCOMP_IOWR(2, __u32), SECCOMP_IOR(4, __u64),
		SECCOMP_IOWR(5, __u64), SECCOMP_IOWR(255, __u64),
		_IOW('"', 3, struct seccomp_notif_addfd),
	};
	__u64 buf[32] = {};
	unsigned int i;

	setup(_metadata, 0);
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(-1, syscall(__NR_ioctl, listener, cmds[i], buf));
		EXPECT_EQ(EINVAL, errno) {
			TH_LOG("ioctl %#x", cmds[i]);
		}
	}
}

NOTIFY_TEST(get_notif_sizes)
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

/* poll: exactly these bits in each state */

NOTIFY_TEST(poll_nothing)
{
	setup(_metadata, 0);
	EXPECT_EQ(0, poll_now());
}

NOTIFY_TEST(poll_queued_and_delivered)
{
	struct seccomp_notif n, m;
	struct target *a, *b;

	setup(_metadata, 0);
	a = spawn_queued(_metadata, call_once, 1);
	EXPECT_EQ(POLL_QUEUED, poll_now());
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	b = spawn_queued(_metadata, call_once, 2);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	ASSERT_EQ(0, recv_notif(&m));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(m.id, 1));
	expect_result(_metadata, b, 1, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, a, 1, 0);
	EXPECT_EQ(0, poll_now());
}

NOTIFY_TEST(poll_replied)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_delivered(_metadata, call_once, &n);
	if (!hold_target(_metadata, t))
		return;
	EXPECT_EQ(0, reply_value(n.id, 1));
	EXPECT_EQ(0, poll_now());
	release_target(_metadata);
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(0, poll_now());
}

NOTIFY_TEST(poll_wakes_for_a_new_notification)
{
	struct target *t;
	struct pollfd p;

	setup(_metadata, 0);
	p.fd = listener;
	p.events = POLLIN;
	t = spawn(_metadata, call_once, 1);
	EXPECT_EQ(1, poll(&p, 1, GUARD * 1000));
	EXPECT_EQ(POLLIN, p.revents);
	answer(_metadata, t);
}

NOTIFY_TEST(poll_only_what_was_asked_for)
{
	struct target *t;
	struct pollfd p;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	p.fd = listener;
	p.events = POLLOUT;
	EXPECT_EQ(0, poll(&p, 1, 0));
	p.events = POLLIN;
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN, p.revents);
	answer(_metadata, t);
}

/* Order */

NOTIFY_TEST(fifo_with_consecutive_ids)
{
	struct seccomp_notif n[10];
	struct target *t[10];
	int i;

	setup(_metadata, 0);
	for (i = 0; i < 10; i++)
		t[i] = spawn_queued(_metadata, call_once, i);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, recv_notif(&n[i]));
		EXPECT_EQ(i, n[i].data.args[0]);
		EXPECT_EQ(n[0].id + i, n[i].id);
	}
	/* Answers in any order. */
	for (i = 9; i >= 0; i--) {
		EXPECT_EQ(0, reply_value(n[i].id, i));
		expect_result(_metadata, t[i], i, 0);
	}
}

NOTIFY_TEST(drain_with_poll)
{
	struct seccomp_notif n;
	struct target *t[10];
	int i, count = 0;

	setup(_metadata, 0);
	for (i = 0; i < 10; i++)
		t[i] = spawn_queued(_metadata, call_once, i);
	/* RECV must not wait as long as poll says IN. */
	while (poll_now() & POLLIN) {
		ASSERT_EQ(0, recv_notif(&n));
		EXPECT_EQ(0, reply_value(n.id, 1));
		count++;
	}
	EXPECT_EQ(10, count);
	for (i = 0; i < 10; i++)
		expect_result(_metadata, t[i], 1, 0);
}

/* Many readers */

#define NR_READERS	8

static void *answering_reader(void *arg)
{
	struct reader *r = arg;

	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->repeat)) {
		memset(&r->n, 0, sizeof(r->n));
		r->ret = recv_into(r->fd, &r->n);
		if (r->ret == -EINTR)
			continue;
		if (r->ret)
			break;
		ATOMIC_INC(r->count);
		r->ret = reply_value(r->n.id, r->n.data.args[0] + 1);
		/* The target of these tests may be signalled. */
		if (r->ret && r->ret != -ENOENT)
			break;
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

static void start_answering(struct __test_metadata *_metadata,
			    struct reader *r, int count)
{
	int i;

	handle_signal(SIGUSR2, 0);
	for (i = 0; i < count; i++) {
		memset(&r[i], 0, sizeof(r[i]));
		r[i].fd = listener;
		ASSERT_EQ(0, pthread_create(&r[i].thread, NULL,
					    answering_reader, &r[i]));
	}
	for (i = 0; i < count; i++)
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].tid)));
}

static void stop_answering(struct __test_metadata *_metadata,
			   struct reader *r, int count)
{
	int i;

	for (i = 0; i < count; i++)
		ATOMIC_SET(r[i].repeat, 1);
	for (i = 0; i < count; i++) {
		/* Again and again: one signal may come just before RECV. */
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished) ||
				     (signal_thread(r[i].tid, SIGUSR2), 0)));
		join_reader(_metadata, &r[i]);
		EXPECT_TRUE(r[i].ret == 0 || r[i].ret == -EINTR) {
			TH_LOG("reader %d: %d", i, r[i].ret);
		}
	}
}

NOTIFY_TEST(many_readers_read_each_once)
{
	struct reader r[NR_READERS];
	struct target *t[64];
	int i, count = 0;

	setup(_metadata, 0);
	start_answering(_metadata, r, NR_READERS);
	for (i = 0; i < 64; i++)
		t[i] = spawn(_metadata, call_once, i);
	for (i = 0; i < 64; i++)
		expect_result(_metadata, t[i], i + 1, 0);
	stop_answering(_metadata, r, NR_READERS);
	for (i = 0; i < NR_READERS; i++)
		count += r[i].count;
	EXPECT_EQ(64, count);
}

static void call_until_stopped(struct target *t)
{
	while (!ATOMIC_GET(t->stop))
		trapped_call(t);
}

NOTIFY_TEST(signalled_reader_loses_no_wakeup)
{
	struct reader r[3];
	struct target *t;
	int i, before;

	setup(_metadata, 0);
	start_answering(_metadata, r, 3);
	t = spawn(_metadata, call_until_stopped, 10);
	for (i = 0; i < ROUNDS; i++) {
		before = ATOMIC_GET(t->done);
		ASSERT_EQ(0, signal_thread(r[i % 3].tid, SIGUSR2));
		/* A wake-up lost would leave all of them asleep. */
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > before));
	}
	ATOMIC_SET(t->stop, 1);
	reap(_metadata, t);
	EXPECT_EQ(11, t->ret);
	EXPECT_EQ(0, t->err);
	stop_answering(_metadata, r, 3);
}

/* Reads one notification into its own slot, in a process. */
static void read_once(struct target *t)
{
	struct seccomp_notif n = {};

	t->ret = recv_into(t->fd, &n);
	t->number = n.data.args[0];
	ATOMIC_INC(t->done);
}

static void read_from_arg(struct target *t)
{
	t->fd = t->arg;
	read_once(t);
}

static struct target *spawn_process_reader(struct __test_metadata *_metadata)
{
	struct target *t;
	int keep = listener;

	listener = -1;
	t = spawn(_metadata, read_from_arg, keep);
	listener = keep;
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(t->tid)));
	return t;
}

NOTIFY_TEST(killed_reader_loses_no_wakeup)
{
	struct target *t, *victim, *other;
	struct seccomp_notif n;
	__u64 next;
	int i, taken = 0;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 5);
	ASSERT_EQ(0, recv_notif(&n));
	next = n.id + 1;
	ASSERT_EQ(0, reply_value(n.id, 0));
	reap(_metadata, t);

	for (i = 0; i < 60; i++) {
		nr_targets = 0;
		victim = spawn_process_reader(_metadata);
		other = spawn_process_reader(_metadata);
		t = spawn(_metadata, call_once, 5);
		if (i & 1)
			ASSERT_TRUE(WAIT_FOR(task_state(t->tid) != 'R'));
		ASSERT_EQ(0, kill(victim->tid, SIGKILL));
		ASSERT_EQ(victim->tid, waitpid(victim->tid, NULL, 0));
		victim->tid = 0;
		/* Delivered, to the one or the other. */
		ASSERT_TRUE(WAIT_FOR(poll_now() == POLL_DELIVERED));
		ASSERT_EQ(0, id_valid(next));
		if (!WAIT_FOR(ATOMIC_GET(other->done) ||
			      sleeps_in_ioctl(other->tid)))
			ASSERT_TRUE(false);
		if (!ATOMIC_GET(other->done)) {
			/* The victim had it before it died. */
			taken++;
			kill_and_reap(_metadata, other);
		} else {
			EXPECT_EQ(0, other->ret);
			EXPECT_EQ(5, other->number);
			reap(_metadata, other);
		}
		ASSERT_EQ(0, reply_value(next++, 6));
		expect_result(_metadata, t, 6, 0);
	}
	TH_LOG("the victim was faster %d times", taken);
}

NOTIFY_TEST(many_queued_one_wakeup_each)
{
	struct reader r[4];
	struct target *t[4];
	int i, j;

	/* Four sleeping readers, four targets: nobody gets two or none. */
	setup(_metadata, 0);
	for (i = 0; i < 4; i++)
		start_sleeping_reader(_metadata, &r[i]);
	for (i = 0; i < 4; i++)
		t[i] = spawn(_metadata, call_once, i);
	for (i = 0; i < 4; i++) {
		join_reader(_metadata, &r[i]);
		EXPECT_EQ(0, r[i].ret);
		for (j = 0; j < i; j++)
			EXPECT_NE(r[j].n.id, r[i].n.id);
		EXPECT_EQ(0, reply_value(r[i].n.id, 1));
	}
	for (i = 0; i < 4; i++)
		expect_result(_metadata, t[i], 1, 0);
}

/* The end of the listener */

NOTIFY_TEST(close_gives_enosys)
{
	struct target *a, *b, *c;
	struct seccomp_notif n;

	setup(_metadata, 0);
	a = spawn_delivered(_metadata, call_once, &n);
	b = spawn_queued(_metadata, call_once, 2);
	c = spawn_queued(_metadata, call_once, 3);
	ASSERT_EQ(0, close(listener));
	expect_result(_metadata, a, -1, errno_closed);
	expect_result(_metadata, b, -1, errno_closed);
	expect_result(_metadata, c, -1, errno_closed);

	/* And who comes later does not wait at all. */
	a = spawn(_metadata, call_once, 4);
	expect_result(_metadata, a, -1, errno_closed);
}

NOTIFY_TEST(close_gives_enosys_when_killable)
{
	struct target *a, *b;
	struct seccomp_notif n;

	setup(_metadata, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	a = spawn(_metadata, call_once, 1);
	ASSERT_EQ(0, recv_notif(&n));
	b = spawn_queued(_metadata, call_once, 2);
	ASSERT_EQ(0, close(listener));
	expect_result(_metadata, a, -1, errno_closed);
	expect_result(_metadata, b, -1, errno_closed);
}

NOTIFY_TEST(close_replied_keeps_the_answer)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_delivered(_metadata, call_once, &n);
	if (!hold_target(_metadata, t))
		return;
	EXPECT_EQ(0, reply_value(n.id, 12));
	ASSERT_EQ(0, close(listener));
	release_target(_metadata);
	expect_result(_metadata, t, 12, 0);
}

NOTIFY_TEST(close_while_readers_sleep)
{
	struct reader r[2];
	struct target *t;

	setup(_metadata, 0);
	start_sleeping_reader(_metadata, &r[0]);
	start_sleeping_reader(_metadata, &r[1]);
	/* They use the open file, which lives on until they are done. */
	ASSERT_EQ(0, close(listener));
	t = spawn(_metadata, call_once, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[0].finished) ||
			     ATOMIC_GET(r[1].finished)));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(0, t->done);
	if (ATOMIC_GET(r[0].finished)) {
		EXPECT_FALSE(ATOMIC_GET(r[1].finished));
		interrupt_reader(_metadata, &r[1]);
		join_reader(_metadata, &r[0]);
		EXPECT_EQ(0, r[0].ret);
	} else {
		interrupt_reader(_metadata, &r[0]);
		join_reader(_metadata, &r[1]);
		EXPECT_EQ(0, r[1].ret);
	}
	expect_result(_metadata, t, -1, errno_closed);
}

NOTIFY_TEST(addfd_pending_at_close)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_once, &n);
	if (!hold_target(_metadata, t))
		return;
	start_pending_adder(_metadata, &a, n.id, src, 0);
	ASSERT_EQ(0, close(listener));
	release_target(_metadata);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	expect_result(_metadata, t, -1, errno_closed);
}

/* A target that installs the filter itself: its supervisor is not subject. */

static void install_and_call(struct target *t)
{
	int fd = install_listener(t->number);

	ATOMIC_SET(t->fd, fd);
	while (!ATOMIC_GET(t->stop))
		usleep(100);
	close(fd);
	trapped_call(t);
}

static int take_fd(pid_t pid, int fd)
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

/* Its listener is ours then. */
static struct target *spawn_installing(struct __test_metadata *_metadata,
				       void (*fn)(struct target *t),
				       unsigned int flags)
{
	struct target *t;

	t = spawn(_metadata, fn, flags);
	t->number = flags;
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
	ASSERT_LE(0, t->fd);
	listener = take_fd(t->tid, t->fd);
	ASSERT_LE(0, listener);
	ATOMIC_SET(t->stop, 1);
	return t;
}

NOTIFY_TEST(last_task_gone_recv_enoent)
{
	struct seccomp_notif n;
	struct target *t;
	struct reader r;

	t = spawn_installing(_metadata, install_and_call, 0);
	ASSERT_EQ(0, recv_notif(&n));
	start_sleeping_reader(_metadata, &r);
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
	join_reader(_metadata, &r);
	EXPECT_EQ(-ENOENT, r.ret);

	/* And it stays so. */
	EXPECT_EQ(-ENOENT, recv_notif(&n));
	EXPECT_EQ(POLLHUP, poll_now());
	EXPECT_EQ(POLLHUP, poll_fd(listener, -1));
}

NOTIFY_TEST(last_task_gone_wakes_all_readers)
{
	struct reader r[NR_READERS];
	struct target *t;
	int i;

	t = spawn_installing(_metadata, install_and_call, 0);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	for (i = 0; i < NR_READERS; i++)
		start_reader(_metadata, &r[i]);
	ASSERT_TRUE(WAIT_FOR(poll_now() == POLL_DELIVERED));
	for (i = 0; i < NR_READERS; i++)
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished) ||
				     sleeps_in_ioctl(r[i].tid)));
	kill_and_reap(_metadata, t);
	for (i = 0; i < NR_READERS; i++) {
		join_reader(_metadata, &r[i]);
		EXPECT_TRUE(r[i].ret == 0 || r[i].ret == -ENOENT);
		if (!r[i].ret)
			EXPECT_EQ(t->number, 0);
	}
}

static void *poller_main(void *arg)
{
	struct reader *r = arg;
	struct pollfd p = { .fd = r->fd, .events = 0 };

	ATOMIC_SET(r->tid, sys_gettid());
	r->ret = poll(&p, 1, GUARD * 1000);
	r->count = p.revents;
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

NOTIFY_TEST(last_task_gone_wakes_poll_with_hup)
{
	struct seccomp_notif n;
	struct target *t;
	struct reader r = {};

	t = spawn_installing(_metadata, install_and_call, 0);
	ASSERT_EQ(0, recv_notif(&n));
	r.fd = listener;
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, poller_main, &r));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r.tid)));
	ASSERT_TRUE(WAIT_FOR(sleeps_in(r.tid, __NR_poll, "S")));
	kill_and_reap(_metadata, t);
	join_reader(_metadata, &r);
	EXPECT_EQ(1, r.ret);
	EXPECT_EQ(POLLHUP, r.count);
}

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
	waitpid(pid, &t->handled, 0);
	trapped_call(t);
}

NOTIFY_TEST(fork_after_install)
{
	struct seccomp_notif n;
	struct target *t;
	pid_t child;

	t = spawn_installing(_metadata, install_fork_and_call, 0);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(1234, n.data.args[0]);
	child = n.pid;
	EXPECT_NE(t->tid, child);
	EXPECT_EQ(0, reply_value(n.id, 55));
	/* The child may be faster than its parent is at noting the pid. */
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(t->number, child);
	EXPECT_EQ(0, t->handled);
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, reply_value(n.id, 56));
	expect_result(_metadata, t, 56, 0);
}

NOTIFY_TEST(addfd_races_with_close)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int i, src, installed = 0;

	src = open_null(_metadata);
	for (i = 0; i < 300; i++) {
		nr_targets = 0;
		t = spawn_installing(_metadata, install_and_call, 0);
		ASSERT_EQ(0, recv_notif(&n));
		start_adder(_metadata, &a, n.id, src,
			    i & 1 ? SECCOMP_ADDFD_FLAG_SEND : 0, 0);
		ATOMIC_SET(a.go, 1);
		spin(i % 50 * 40);
		ASSERT_EQ(0, close(listener));
		join_adder(_metadata, &a);
		reap(_metadata, t);
		if (a.ret >= 0) {
			installed++;
			EXPECT_EQ(i & 1 ? a.ret : -1, t->ret);
		} else {
			EXPECT_EQ(-EBADF, a.ret);
			EXPECT_EQ(-1, t->ret);
			EXPECT_EQ(errno_closed, t->err);
		}
	}
	TH_LOG("%d of %d were installed", installed, i);
}

NOTIFY_TEST(addfd_races_with_death)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int i, src, installed = 0;

	setup(_metadata, 0);
	src = open_null(_metadata);
	for (i = 0; i < 300; i++) {
		nr_targets = 0;
		t = spawn(_metadata, call_once, 1);
		ASSERT_EQ(0, recv_notif(&n));
		start_adder(_metadata, &a, n.id, src,
			    i & 1 ? SECCOMP_ADDFD_FLAG_SEND : 0, 0);
		ATOMIC_SET(a.go, 1);
		spin(i % 50 * 40);
		ASSERT_EQ(0, kill(t->tid, SIGKILL));
		join_adder(_metadata, &a);
		ASSERT_EQ(t->tid, waitpid(t->tid, NULL, 0));
		if (a.ret >= 0)
			installed++;
		else
			EXPECT_TRUE(a.ret == -ESRCH || a.ret == -ENOENT) {
				TH_LOG("ADDFD: %d", a.ret);
			}
		EXPECT_EQ(-ENOENT, id_valid(n.id));
		EXPECT_EQ(0, poll_now());
	}
	TH_LOG("%d of %d were installed", installed, i);
}

/*
 * Many requests and a death: those that the target did not get to end with
 * ESRCH, none is forgotten.
 */
NOTIFY_TEST(addfd_pending_at_death)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a[4];
	int i, src;

	setup(_metadata, 0);
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_once, &n);
	if (!hold_target(_metadata, t))
		return;
	ASSERT_EQ(0, kill(t->tid, SIGKILL));
	for (i = 0; i < 4; i++)
		start_pending_adder(_metadata, &a[i], n.id, src, 0);
	release_target(_metadata);
	for (i = 0; i < 4; i++) {
		join_adder(_metadata, &a[i]);
		EXPECT_TRUE(a[i].ret == -ESRCH || a[i].ret >= 0);
	}
	ASSERT_EQ(t->tid, waitpid(t->tid, &t->status, 0));
	t->tid = 0;
	EXPECT_EQ(SIGKILL, t->status);
	EXPECT_EQ(-ENOENT, id_valid(n.id));
	EXPECT_EQ(-ENOENT, addfd(n.id, src, 0, 0, 0));
}

/* Signals without opting in */

static void call_with_handler(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	trapped_call(t);
}

static void call_with_restart(struct target *t)
{
	handle_signal(SIGUSR1, SA_RESTART);
	trapped_call(t);
}

NOTIFY_TEST(signal_queued_eintr)
{
	struct target *t;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_with_handler, 1);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(0, poll_now());
}

NOTIFY_TEST(signal_delivered_eintr)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_delivered(_metadata, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(0, poll_now());
	EXPECT_EQ(-ENOENT, id_valid(n.id));
	EXPECT_EQ(-ENOENT, reply_value(n.id, 1));
}

NOTIFY_TEST(signal_delivered_restarts)
{
	struct seccomp_notif n, m;
	struct target *t;

	setup(_metadata, 0);
	t = spawn_delivered(_metadata, call_with_restart, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	/* The same call, but another notification. */
	ASSERT_EQ(0, recv_notif(&m));
	EXPECT_NE(n.id, m.id);
	EXPECT_EQ(0, memcmp(&n.data, &m.data, sizeof(n.data)));
	EXPECT_EQ(0, m.flags);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(-ENOENT, id_valid(n.id));
	EXPECT_EQ(-ENOENT, reply_value(n.id, 1));
	EXPECT_EQ(0, reply_value(m.id, 2));
	expect_result(_metadata, t, 2, 0);
}

NOTIFY_TEST(fatal_signal_ends_it_in_every_state)
{
	struct target *queued, *delivered, *replied;
	struct seccomp_notif n, m;

	setup(_metadata, 0);
	delivered = spawn_delivered(_metadata, call_once, &n);
	queued = spawn_queued(_metadata, call_once, 2);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	kill_and_reap(_metadata, queued);
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(-ENOENT, reply_value(n.id + 1, 0));
	kill_and_reap(_metadata, delivered);
	EXPECT_EQ(0, poll_now());
	EXPECT_EQ(-ENOENT, id_valid(n.id));
	EXPECT_EQ(-ENOENT, reply_value(n.id, 0));

	/* What C has left of the first must not be in the way. */
	replied = spawn_queued(_metadata, call_once, 3);
	ASSERT_EQ(0, recv_notif(&m));
	if (!hold_target(_metadata, replied))
		return;
	EXPECT_EQ(0, reply_value(m.id, 0));
	ASSERT_EQ(0, kill(replied->tid, SIGKILL));
	release_target(_metadata);
	reap_status(_metadata, replied, SIGKILL);
	EXPECT_EQ(-ENOENT, reply_value(m.id, 0));
}

NOTIFY_TEST(wait_killable_recv_needs_a_listener)
{
	EXPECT_EQ(-EINVAL,
		  install_filter(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
}

NOTIFY_TEST(wait_killable_recv_queued_is_interrupted)
{
	struct target *t;

	setup(_metadata, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	t = spawn_queued(_metadata, call_with_handler, 1);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);
	EXPECT_EQ(0, poll_now());
}

NOTIFY_TEST(wait_killable_recv_delivered_is_not)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	t = spawn_queued(_metadata, call_with_handler, 1);
	ASSERT_EQ(0, recv_notif(&n));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(0, t->handled);
	EXPECT_EQ(0, id_valid(n.id));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(n.id, 9));
	expect_result(_metadata, t, 9, 0);
	EXPECT_EQ(1, t->handled);
}

NOTIFY_TEST(wait_killable_recv_delivered_is_killed)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	t = spawn_queued(_metadata, call_with_handler, 1);
	ASSERT_EQ(0, recv_notif(&n));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, t->handled);
	EXPECT_EQ(-ENOENT, id_valid(n.id));
}

NOTIFY_TEST(wait_killable_recv_failed_copy)
{
	struct target *t;
	void *page;

	setup(_metadata, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	page = map_pages(_metadata, 1, PROT_READ);
	t = spawn_queued(_metadata, call_with_handler, 1);
	EXPECT_EQ(-EFAULT, recv_into(listener, page));
	/* Nobody has it: a signal gets it out. */
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(0, poll_now());
}

/* A buffer whose page is made writable only after RECV had to fail once. */
NOTIFY_TEST(wait_killable_recv_failed_copy_then_read)
{
	struct seccomp_notif n;
	struct target *t;
	void *page;

	setup(_metadata, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	page = map_pages(_metadata, 1, PROT_READ);
	t = spawn_queued(_metadata, call_with_handler, 1);
	EXPECT_EQ(-EFAULT, recv_into(listener, page));
	ASSERT_EQ(0, recv_notif(&n));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(0, reply_value(n.id, 9));
	expect_result(_metadata, t, 9, 0);
	EXPECT_EQ(1, t->handled);
}

/* epoll */

static int epoll_on_listener(struct __test_metadata *_metadata,
			     unsigned int events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev));
	return ep;
}

static int epoll_events(int ep, int timeout_ms)
{
	struct epoll_event ev = {};
	int ret = epoll_wait(ep, &ev, 1, timeout_ms);

	return ret < 0 ? -errno : ret ? (int)ev.events : 0;
}

NOTIFY_TEST(epoll_level_triggered)
{
	struct target *t;
	int ep;

	setup(_metadata, 0);
	ep = epoll_on_listener(_metadata, EPOLLIN);
	EXPECT_EQ(0, epoll_events(ep, 0));
	t = spawn(_metadata, call_once, 1);
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(EPOLLIN, epoll_events(ep, 0));
	answer(_metadata, t);
	EXPECT_EQ(0, epoll_events(ep, 0));
}

NOTIFY_TEST(epoll_edge_triggered_sees_each)
{
	struct target *t[20];
	int ep, i;

	setup(_metadata, 0);
	ep = epoll_on_listener(_metadata, EPOLLIN | EPOLLET);
	EXPECT_EQ(0, epoll_events(ep, 0));
	/* None is read in between: each is an event of its own. */
	for (i = 0; i < 20; i++) {
		t[i] = spawn_queued(_metadata, call_once, i);
		EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
		EXPECT_EQ(0, epoll_events(ep, 0));
	}
	for (i = 0; i < 20; i++)
		answer(_metadata, t[i]);
}

NOTIFY_TEST(epoll_edge_triggered_delivery)
{
	struct seccomp_notif n;
	struct target *t;
	int ep;

	setup(_metadata, 0);
	ep = epoll_on_listener(_metadata, EPOLLOUT | EPOLLET);
	t = spawn_queued(_metadata, call_once, 1);
	EXPECT_EQ(0, epoll_events(ep, 0));
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(EPOLLOUT, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

static void *epoll_reader(void *arg)
{
	struct reader *r = arg;

	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->repeat)) {
		struct epoll_event ev;
		int ep = r->fd;

		r->ret = epoll_wait(ep, &ev, 1, -1);
		if (r->ret < 0)
			continue;
		/* With EPOLLET, an event may stand for more than one. */
		do {
			/* Another may have been faster: this one sleeps then. */
			r->ret = recv_notif(&r->n);
			if (r->ret)
				break;
			ATOMIC_INC(r->count);
			r->ret = reply_value(r->n.id, r->n.data.args[0] + 1);
		} while (!r->ret && poll_now() & POLLIN);
		if (r->ret && r->ret != -EINTR)
			break;
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

static void epoll_readers(struct __test_metadata *_metadata,
			  unsigned int events, bool shared)
{
	struct reader r[4] = {};
	struct target *t[3];
	int i, ep = -1, count = 0, done = 0;

	handle_signal(SIGUSR2, 0);
	setup(_metadata, 0);
	for (i = 0; i < 4; i++) {
		if (!i || !shared)
			ep = epoll_on_listener(_metadata, events);
		r[i].fd = ep;
		ASSERT_EQ(0, pthread_create(&r[i].thread, NULL, epoll_reader,
					    &r[i]));
	}
	for (i = 0; i < 3; i++)
		t[i] = spawn(_metadata, call_until_stopped, 10);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t[0]->done) > 100 &&
			     ATOMIC_GET(t[1]->done) > 100 &&
			     ATOMIC_GET(t[2]->done) > 100));
	for (i = 0; i < 3; i++)
		ATOMIC_SET(t[i]->stop, 1);
	for (i = 0; i < 3; i++) {
		reap(_metadata, t[i]);
		EXPECT_EQ(11, t[i]->ret);
		done += t[i]->done;
	}
	for (i = 0; i < 4; i++)
		ATOMIC_SET(r[i].repeat, 1);
	for (i = 0; i < 4; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished) ||
				     (signal_thread(r[i].tid, SIGUSR2), 0)));
		join_reader(_metadata, &r[i]);
		count += r[i].count;
	}
	EXPECT_EQ(done, count);
}

NOTIFY_TEST(epoll_lt_readers_block_in_recv)
{
	epoll_readers(_metadata, EPOLLIN, false);
}

NOTIFY_TEST(epoll_et_readers_block_in_recv)
{
	epoll_readers(_metadata, EPOLLIN | EPOLLET, true);
}

NOTIFY_TEST(epoll_exclusive_readers_block_in_recv)
{
	epoll_readers(_metadata, EPOLLIN | EPOLLEXCLUSIVE, false);
}

/*
 * A notification wakes a reader that sleeps in RECV, however many wait in
 * epoll, be it for this one alone.
 */
NOTIFY_TEST(epoll_exclusive_takes_nothing_from_recv)
{
	struct target *t;
	struct reader r;
	int ep;

	setup(_metadata, 0);
	ep = epoll_on_listener(_metadata, EPOLLIN | EPOLLEXCLUSIVE);
	start_sleeping_reader(_metadata, &r);
	t = spawn(_metadata, call_once, 1);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(0, reply_value(r.n.id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(0, epoll_events(ep, 0));
}

/* Installing */

static void call_when_told(struct target *t)
{
	while (!ATOMIC_GET(t->stop))
		usleep(100);
	trapped_call(t);
}

NOTIFY_TEST(tsync_needs_tsync_esrch)
{
	EXPECT_EQ(-EINVAL, install_listener(SECCOMP_FILTER_FLAG_TSYNC));
}

NOTIFY_TEST(tsync_with_listener)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_thread(_metadata, call_when_told, 1);
	setup(_metadata, SECCOMP_FILTER_FLAG_TSYNC |
	      SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
	ATOMIC_SET(t->stop, 1);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(0, reply_value(n.id, 5));
	expect_result(_metadata, t, 5, 0);
}

static void install_own_and_wait(struct target *t)
{
	t->ret = install_filter(0);
	ATOMIC_INC(t->done);
	while (!ATOMIC_GET(t->stop))
		usleep(100);
}

NOTIFY_TEST(tsync_esrch)
{
	const unsigned int flags = SECCOMP_FILTER_FLAG_TSYNC |
				   SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	struct target *t;
	int fd = open_null(_metadata);

	close(fd);
	t = spawn_thread(_metadata, install_own_and_wait, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done)));
	ASSERT_EQ(0, t->ret);
	EXPECT_EQ(-ESRCH, install_listener(flags));
	/* No fd is left behind. */
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	ATOMIC_SET(t->stop, 1);
	reap(_metadata, t);
}

NOTIFY_TEST(nested_listener_ebusy_until_closed)
{
	struct target *t;
	int fd;

	setup(_metadata, 0);
	fd = open_null(_metadata);
	close(fd);
	EXPECT_EQ(-EBUSY, install_listener(0));
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	/* The refused one has done no harm. */
	t = spawn_queued(_metadata, call_once, 1);
	answer(_metadata, t);
	/* One without a listener is fine; its targets get ENOSYS. */
	ASSERT_EQ(0, install_filter(0));
	t = spawn(_metadata, call_once, 1);
	expect_result(_metadata, t, -1, errno_closed);
	EXPECT_EQ(-EBUSY, install_listener(0));
	ASSERT_EQ(0, close(listener));
	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	answer(_metadata, t);
}

NOTIFY_TEST(listener_is_close_on_exec)
{
	setup(_metadata, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(listener, F_GETFD));
}

/* Passing it on */

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
	struct seccomp_notif n;

	if (recvmsg(t->arg, &msg, 0) != 1)
		_exit(1);
	memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	ATOMIC_SET(t->stop, 1);
	if (recv_notif(&n))
		_exit(2);
	t->number = n.pid;
	if (reply_value(n.id, 31))
		_exit(3);
}

NOTIFY_TEST(listener_over_scm_rights)
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
	int sv[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
	/* It is not subject to the filter, nor related to its listener. */
	supervisor = spawn(_metadata, receive_and_serve, sv[1]);
	setup(_metadata, 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &listener, sizeof(int));
	ASSERT_EQ(1, sendmsg(sv[0], &msg, 0));
	ASSERT_EQ(0, close(listener));
	listener = -1;
	t = spawn(_metadata, call_once, 1);
	expect_result(_metadata, t, 31, 0);
	EXPECT_EQ(t->tid, 0);
	reap(_metadata, supervisor);
	/* That was the last one: it is closed now. */
	t = spawn(_metadata, call_once, 1);
	expect_result(_metadata, t, -1, errno_closed);
}

static void serve_in_pid_namespace(struct target *t)
{
	struct seccomp_notif n;
	int status;
	pid_t pid;

	listener = t->arg;
	if (unshare(CLONE_NEWPID)) {
		t->number = 1000;
		return;
	}
	pid = fork();
	if (!pid) {
		if (recv_notif(&n))
			_exit(1);
		t->number = n.pid;
		if (reply_value(n.id, 8))
			_exit(2);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	t->ret = status;
}

NOTIFY_TEST(pid_is_0_if_not_visible)
{
	struct target *supervisor, *t;
	int keep;

	setup(_metadata, 0);
	keep = listener;
	listener = -1;
	supervisor = spawn(_metadata, serve_in_pid_namespace, keep);
	listener = keep;
	t = spawn(_metadata, call_once, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) ||
			     ATOMIC_GET(supervisor->number)));
	if (supervisor->number == 1000) {
		reap(_metadata, supervisor);
		answer(_metadata, t);
		SKIP(return, "no pid namespaces here");
	}
	expect_result(_metadata, t, 8, 0);
	reap(_metadata, supervisor);
	EXPECT_EQ(0, supervisor->ret);
	EXPECT_EQ(0, supervisor->number);
}

static void addfd_from_own_table(struct target *t)
{
	int fd;

	if (unshare(CLONE_FILES)) {
		t->ret = -errno;
		return;
	}
	fd = open("/dev/zero", O_RDONLY);
	dup2(fd, 200);
	t->ret = addfd(t->arg, 200, 0, 0, 0);
}

NOTIFY_TEST(addfd_srcfd_of_the_calling_thread)
{
	struct target *t, *thread;
	struct seccomp_notif n;
	struct stat st;
	char path[64];

	setup(_metadata, 0);
	t = spawn_delivered(_metadata, call_once, &n);
	thread = spawn_thread(_metadata, addfd_from_own_table, n.id);
	/* An id may not fit into arg with 32 bits. */
	if (sizeof(long) < sizeof(n.id)) {
		reap(_metadata, thread);
		EXPECT_EQ(0, reply_value(n.id, 1));
		expect_result(_metadata, t, 1, 0);
		SKIP(return, "ids are larger than a word");
	}
	reap(_metadata, thread);
	EXPECT_LE(0, thread->ret);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid,
		 (int)thread->ret);
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0x105, st.st_rdev);
	EXPECT_EQ(-EBADF, addfd(n.id, 200, 0, 0, 0));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

/* SYNC_WAKE_UP asks for a place to run at; nothing else may change. */
NOTIFY_TEST(sync_wake_up)
{
	struct reader r[3];
	struct target *t;

	setup(_metadata, 0);
	ASSERT_EQ(0, set_flags(SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP));
	start_answering(_metadata, r, 3);
	t = spawn(_metadata, call_until_stopped, 10);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > 200));
	ASSERT_EQ(0, set_flags(0));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > 400));
	ATOMIC_SET(t->stop, 1);
	reap(_metadata, t);
	EXPECT_EQ(11, t->ret);
	stop_answering(_metadata, r, 3);
}

/* O_NONBLOCK */

static int set_nonblock(void)
{
	return fcntl(listener, F_SETFL, O_RDWR | O_NONBLOCK) ? -errno : 0;
}

/* RECV where nothing is queued; false if it sleeps, as C does. */
static bool recv_returns(struct __test_metadata *_metadata, int ret)
{
	struct reader r;

	start_reader(_metadata, &r);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r.finished) || sleeps_in_ioctl(r.tid)));
	if (!ATOMIC_GET(r.finished)) {
		interrupt_reader(_metadata, &r);
		EXPECT_TRUE(c_does(true)) {
			TH_LOG("RECV slept");
		}
		return false;
	}
	join_reader(_metadata, &r);
	EXPECT_EQ(ret, r.ret);
	return true;
}

NOTIFY_TEST(nonblock_recv_eagain)
{
	struct seccomp_notif n;
	struct target *t;

	setup(_metadata, 0);
	ASSERT_EQ(0, set_nonblock());
	if (!recv_returns(_metadata, -EAGAIN))
		return;
	t = spawn_queued(_metadata, call_once, 1);
	ASSERT_EQ(0, recv_notif(&n));
	/* Delivered is not queued. */
	EXPECT_EQ(-EAGAIN, recv_notif(&n));
	EXPECT_EQ(-EFAULT, recv_into(listener, NULL));
	ASSERT_EQ(0, fcntl(listener, F_SETFL, O_RDWR));
	EXPECT_EQ(0, kill(t->tid, SIGKILL));
	reap_status(_metadata, t, SIGKILL);
}

static void make_nonblock(struct target *t)
{
	listener = t->arg;
	t->ret = set_nonblock();
}

NOTIFY_TEST(nonblock_belongs_to_the_open_file)
{
	struct target *t;
	int keep;

	setup(_metadata, 0);
	keep = listener;
	listener = -1;
	t = spawn(_metadata, make_nonblock, keep);
	listener = keep;
	reap(_metadata, t);
	ASSERT_EQ(0, t->ret);
	recv_returns(_metadata, -EAGAIN);
}

NOTIFY_TEST(nonblock_last_task_gone_enoent)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_installing(_metadata, install_and_call, 0);
	ASSERT_EQ(0, set_nonblock());
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	ASSERT_EQ(0, recv_notif(&n));
	kill_and_reap(_metadata, t);
	EXPECT_EQ(-ENOENT, recv_notif(&n));
}

/* ENOENT means that the last task is gone, and nothing else. */

NOTIFY_TEST(recv_after_a_queued_target_died_waits)
{
	struct target *t;
	struct reader r;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, call_once, 1);
	kill_and_reap(_metadata, t);
	EXPECT_EQ(0, poll_now());
	start_reader(_metadata, &r);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r.finished) || sleeps_in_ioctl(r.tid)));
	if (ATOMIC_GET(r.finished)) {
		join_reader(_metadata, &r);
		if (c_does(r.ret == -ENOENT))
			return;
		EXPECT_EQ(-EINTR, r.ret);
		return;
	}
	t = spawn(_metadata, call_once, 2);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(0, reply_value(r.n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

static void handle_and_call_until_stopped(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	call_until_stopped(t);
}

static void restart_and_call_until_stopped(struct target *t)
{
	handle_signal(SIGUSR1, SA_RESTART);
	call_until_stopped(t);
}

NOTIFY_TEST(recv_races_with_leaving_targets)
{
	struct reader r[2];
	struct target *t;
	int i, enoent = 0;

	setup(_metadata, 0);
	start_answering(_metadata, r, 2);
	t = spawn(_metadata, handle_and_call_until_stopped, 10);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > 1));
	for (i = 0; i < ROUNDS; i++) {
		int before = ATOMIC_GET(t->handled);

		ASSERT_EQ(0, kill(t->tid, SIGUSR1));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->handled) > before ||
				     (ATOMIC_GET(r[0].finished) &&
				      ATOMIC_GET(r[1].finished))));
		if (ATOMIC_GET(r[0].finished) || ATOMIC_GET(r[1].finished))
			break;
	}
	for (i = 0; i < 2; i++) {
		if (ATOMIC_GET(r[i].finished) && r[i].ret == -ENOENT)
			enoent++;
	}
	ATOMIC_SET(t->stop, 1);
	if (enoent) {
		kill_and_reap(_metadata, t);
		for (i = 0; i < 2; i++) {
			ATOMIC_SET(r[i].repeat, 1);
			ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished) ||
					     (signal_thread(r[i].tid, SIGUSR2), 0)));
			join_reader(_metadata, &r[i]);
		}
		EXPECT_TRUE(c_does(true)) {
			TH_LOG("RECV gave ENOENT while the filter is used");
		}
		return;
	}
	reap(_metadata, t);
	stop_answering(_metadata, r, 2);
}

/* poll says nothing about signals of the one who polls. */

static void *busy_main(void *arg)
{
	struct reader *r = arg;
	struct sched_param param = {};

	/* It is to lose its CPU anywhere, with locks held as well. */
	sched_setscheduler(0, SCHED_IDLE, &param);
	set_cpu(0, r->fd);
	ATOMIC_SET(r->tid, sys_gettid());
	while (!ATOMIC_GET(r->repeat))
		id_valid(0);
	return NULL;
}

NOTIFY_TEST(poll_no_err_for_a_pending_signal)
{
	struct pollfd p = { .events = POLL_ALL };
	struct reader busy = { .fd = first_cpu() };
	struct timespec zero = {}, pause = { .tv_nsec = 50000 };
	struct target *t[60];
	struct seccomp_notif n;
	sigset_t blocked, none;
	int i, ret, polls = 0, errors = 0, others = 0;

	setup(_metadata, 0);
	handle_signal(SIGUSR1, 0);
	/* The more there are, the longer C keeps its lock. */
	for (i = 0; i < 60; i++) {
		t[i] = spawn(_metadata, call_once, i);
		ASSERT_EQ(0, recv_notif(&n));
	}
	ASSERT_EQ(0, pthread_create(&busy.thread, NULL, busy_main, &busy));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(busy.tid)));
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	ASSERT_EQ(0, set_cpu(0, busy.fd));
	ret = set_fifo(0, 1);
	p.fd = listener;
	for (i = 0; !ret && i < 3 * ROUNDS && !errors; i++) {
		nanosleep(&pause, NULL);
		signal_thread(getpid(), SIGUSR1);
		polls++;
		if (ppoll(&p, 1, &zero, &none) != 1)
			continue;
		if (p.revents & POLLERR)
			errors++;
		else if (p.revents != POLL_DELIVERED)
			others++;
	}
	if (!ret)
		set_fifo(0, 0);
	ATOMIC_SET(busy.repeat, 1);
	join_reader(_metadata, &busy);
	for (i = 0; i < 60; i++)
		kill_and_reap(_metadata, t[i]);
	if (ret)
		SKIP(return, "no real-time scheduling (%d)", ret);
	EXPECT_EQ(0, others);
	TH_LOG("%d polls, %d with ERR", polls, errors);
	if (!c_does(errors))
		EXPECT_EQ(0, errors);
}

/* FD_SIGNALED */

static bool set_signaled(struct __test_metadata *_metadata)
{
	int ret = set_flags(SECCOMP_USER_NOTIF_FD_SIGNALED);

	if (c_does(ret == -EINVAL))
		return false;
	ASSERT_EQ(0, ret);
	return true;
}

/* Installs the filter, and opts in. */
static bool setup_signaled(struct __test_metadata *_metadata,
			   unsigned int flags)
{
	setup(_metadata, flags);
	return set_signaled(_metadata);
}

/* A signal, and its target has taken note. */
static void signal_target(struct __test_metadata *_metadata, struct target *t)
{
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
}

/* Reads the one that is next: @t, with these flags. */
static __u64 expect_recv(struct __test_metadata *_metadata, struct target *t,
			 unsigned int flags)
{
	struct seccomp_notif n;

	ASSERT_EQ(POLLIN, poll_now() & POLLIN);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(flags, n.flags);
	EXPECT_EQ(NR_TRAPPED, n.data.nr);
	EXPECT_EQ(t->arg, n.data.args[0]);
	return n.id;
}

#define SIGNALED	SECCOMP_NOTIF_FLAG_SIGNALED

/* The call returns @ret, and the handler has run after it got that. */
static void expect_handled(struct __test_metadata *_metadata,
			   struct target *t, long ret, int err)
{
	expect_result(_metadata, t, ret, err);
	EXPECT_EQ(1, t->handled);
	if (NATIVE_ARCH)
		EXPECT_EQ(err ? -err : ret, t->handler_saw);
}

NOTIFY_TEST(signaled_can_be_set_and_cleared)
{
	if (!setup_signaled(_metadata, 0))
		return;
	EXPECT_EQ(0, set_flags(SECCOMP_USER_NOTIF_FD_SIGNALED |
			       SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP));
	EXPECT_EQ(0, set_flags(0));
	EXPECT_EQ(-EINVAL, set_flags(SECCOMP_USER_NOTIF_FD_SIGNALED | 4));
}

NOTIFY_TEST(signaled_no_signal_no_flag)
{
	struct target *t;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, t, 0);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(0, t->handled);
}

NOTIFY_TEST(signaled_queued_keeps_its_place)
{
	struct target *a, *b, *c;
	__u64 id[3];

	if (!setup_signaled(_metadata, 0))
		return;
	a = spawn_queued(_metadata, call_with_handler, 1);
	b = spawn_queued(_metadata, call_with_handler, 2);
	c = spawn_queued(_metadata, call_with_handler, 3);
	signal_target(_metadata, b);
	signal_target(_metadata, a);
	EXPECT_EQ(POLL_QUEUED, poll_now());
	id[0] = expect_recv(_metadata, a, SIGNALED);
	id[1] = expect_recv(_metadata, b, SIGNALED);
	EXPECT_EQ(id[0] + 1, id[1]);
	id[2] = expect_recv(_metadata, c, 0);
	EXPECT_EQ(id[0] + 2, id[2]);
	/* They have been told of already. */
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id[0], 1));
	EXPECT_EQ(0, reply_value(id[1], 2));
	EXPECT_EQ(0, reply_value(id[2], 3));
	expect_handled(_metadata, a, 1, 0);
	expect_handled(_metadata, b, 2, 0);
	expect_result(_metadata, c, 3, 0);
	EXPECT_EQ(0, c->handled);
}

NOTIFY_TEST(signaled_queued_einprogress)
{
	struct target *a, *b;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	a = spawn_queued(_metadata, call_with_handler, 1);
	b = spawn_queued(_metadata, call_with_handler, 2);
	id = expect_recv(_metadata, a, 0);
	signal_target(_metadata, b);
	/* Never delivered: nobody can have decided. */
	EXPECT_EQ(-EINPROGRESS, reply_value(id + 1, 0));
	EXPECT_EQ(-ENOENT, id_valid(id + 1));
	EXPECT_EQ(0, reply_value(id, 1));
	id = expect_recv(_metadata, b, SIGNALED);
	EXPECT_EQ(0, reply_value(id, 1));
	expect_result(_metadata, a, 1, 0);
	expect_handled(_metadata, b, 1, 0);
}

NOTIFY_TEST(signaled_delivered_requeued_at_the_tail)
{
	struct seccomp_notif n, m;
	struct target *a, *b;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	a = spawn_queued(_metadata, call_with_handler, 1);
	ASSERT_EQ(0, recv_notif(&n));
	b = spawn_queued(_metadata, call_with_handler, 2);
	signal_target(_metadata, a);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	id = expect_recv(_metadata, b, 0);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	ASSERT_EQ(0, recv_notif(&m));
	EXPECT_EQ(n.id, m.id);
	EXPECT_EQ(n.pid, m.pid);
	EXPECT_EQ(0, memcmp(&n.data, &m.data, sizeof(n.data)));
	EXPECT_EQ(0, n.flags);
	EXPECT_EQ(SIGNALED, m.flags);
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id, 2));
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_handled(_metadata, a, 1, 0);
	expect_result(_metadata, b, 2, 0);
}

NOTIFY_TEST(signaled_poll_of_requeued)
{
	struct target *t;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, t, 0);
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	signal_target(_metadata, t);
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id, 1));
	expect_handled(_metadata, t, 1, 0);
	EXPECT_EQ(0, poll_now());
}

static void handle_two_and_call(struct target *t)
{
	handle_signal(SIGUSR1, 0);
	handle_signal(SIGUSR2, 0);
	trapped_call(t);
}

NOTIFY_TEST(signaled_once_per_notification)
{
	struct target *t;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, handle_two_and_call, 1);
	id = expect_recv(_metadata, t, 0);
	signal_target(_metadata, t);
	/* Requeued, and again. */
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	/* Delivered for the second time, and again. */
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, t->handled);
	EXPECT_EQ(0, reply_value(id, 3));
	expect_result(_metadata, t, 3, 0);
	EXPECT_EQ(2, t->handled);
}

NOTIFY_TEST(signaled_queued_is_told_once)
{
	struct target *t;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, handle_two_and_call, 1);
	signal_target(_metadata, t);
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	id = expect_recv(_metadata, t, SIGNALED);
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id, 3));
	expect_result(_metadata, t, 3, 0);
	EXPECT_EQ(2, t->handled);
}

NOTIFY_TEST(signaled_again_for_the_next_syscall)
{
	struct target *t;
	__u64 id;
	int i;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, handle_and_call_until_stopped, 1);
	for (i = 0; i < 5; i++) {
		ASSERT_TRUE(WAIT_FOR(poll_now() == POLL_QUEUED));
		id = expect_recv(_metadata, t, 0);
		signal_target(_metadata, t);
		EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
		if (i == 4)
			ATOMIC_SET(t->stop, 1);
		EXPECT_EQ(0, reply_value(id, i));
	}
	reap(_metadata, t);
	EXPECT_EQ(5, t->done);
	EXPECT_EQ(5, t->handled);
	EXPECT_EQ(4, t->ret);
}

NOTIFY_TEST(signaled_id_valid_requeued)
{
	struct target *t;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, t, 0);
	signal_target(_metadata, t);
	EXPECT_EQ(0, id_valid(id));
	EXPECT_EQ(0, id_valid_other_number(id));
	/* SEND for a requeued one: whoever held it has decided. */
	EXPECT_EQ(0, reply_value(id, 6));
	expect_handled(_metadata, t, 6, 0);
	EXPECT_EQ(0, poll_now());
	EXPECT_EQ(-ENOENT, id_valid(id));
}

NOTIFY_TEST(signaled_addfd_requeued)
{
	struct target *t;
	__u64 id;
	int src, fd;

	if (!setup_signaled(_metadata, 0))
		return;
	src = open_null(_metadata);
	t = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, t, 0);
	signal_target(_metadata, t);
	fd = addfd(id, src, 0, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, src));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, id_valid(id));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	fd = addfd(id, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	EXPECT_LE(0, fd);
	expect_handled(_metadata, t, fd, 0);
}

NOTIFY_TEST(signaled_addfd_send_requeued)
{
	struct target *t;
	__u64 id;
	int src, fd;

	if (!setup_signaled(_metadata, 0))
		return;
	src = open_null(_metadata);
	t = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, t, 0);
	signal_target(_metadata, t);
	fd = addfd(id, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	EXPECT_LE(0, fd);
	expect_handled(_metadata, t, fd, 0);
	EXPECT_EQ(0, poll_now());
}

NOTIFY_TEST(signaled_failed_addfd_send_stays_requeued)
{
	struct rlimit none = { 0, 0 };
	struct target *t;
	__u64 id;
	int src;

	if (!setup_signaled(_metadata, 0))
		return;
	src = open_null(_metadata);
	t = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, t, 0);
	signal_target(_metadata, t);
	ASSERT_EQ(0, prlimit(t->tid, RLIMIT_NOFILE, &none, NULL));
	EXPECT_EQ(-EMFILE, addfd(id, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, id_valid(id));
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	EXPECT_EQ(0, reply_value(id, 1));
	expect_handled(_metadata, t, 1, 0);
}

NOTIFY_TEST(signaled_reply_eintr)
{
	struct target *t;
	__u64 id;
	int i;

	if (!setup_signaled(_metadata, 0))
		return;
	/* SA_RESTART makes no difference: the answer is the answer. */
	for (i = 0; i < 2; i++) {
		t = spawn_queued(_metadata, i ? call_with_restart :
				 call_with_handler, 1);
		id = expect_recv(_metadata, t, 0);
		signal_target(_metadata, t);
		EXPECT_EQ(0, t->handled);
		EXPECT_EQ(0, reply(id, 0, -EINTR, 0));
		expect_handled(_metadata, t, -1, EINTR);
		EXPECT_EQ(0, poll_now());
	}
}

NOTIFY_TEST(signaled_reply_continue)
{
	struct target *t;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, call_with_restart, 1);
	id = expect_recv(_metadata, t, 0);
	signal_target(_metadata, t);
	EXPECT_EQ(0, reply(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	expect_handled(_metadata, t, getpid(), 0);
}

NOTIFY_TEST(signaled_close_gives_enosys)
{
	struct target *queued, *requeued, *again;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	again = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, again, 0);
	signal_target(_metadata, again);
	EXPECT_EQ(id, expect_recv(_metadata, again, SIGNALED));
	requeued = spawn_queued(_metadata, call_with_handler, 2);
	expect_recv(_metadata, requeued, 0);
	signal_target(_metadata, requeued);
	queued = spawn_queued(_metadata, call_with_handler, 3);
	signal_target(_metadata, queued);
	ASSERT_EQ(0, close(listener));
	expect_handled(_metadata, again, -1, errno_closed);
	expect_handled(_metadata, requeued, -1, errno_closed);
	expect_handled(_metadata, queued, -1, errno_closed);
}

NOTIFY_TEST(signaled_failed_copy_of_queued)
{
	struct target *a, *b;
	void *page;
	__u64 id, id2;

	if (!setup_signaled(_metadata, 0))
		return;
	page = map_pages(_metadata, 1, PROT_READ);
	a = spawn_queued(_metadata, call_with_handler, 1);
	b = spawn_queued(_metadata, call_with_handler, 2);
	signal_target(_metadata, a);
	EXPECT_EQ(-EFAULT, recv_into(listener, page));
	EXPECT_EQ(POLL_QUEUED, poll_now());
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(a)));
	id = expect_recv(_metadata, a, SIGNALED);
	id2 = expect_recv(_metadata, b, 0);
	EXPECT_EQ(0, reply_value(id, 1));
	EXPECT_EQ(0, reply_value(id2, 1));
	expect_handled(_metadata, a, 1, 0);
	expect_result(_metadata, b, 1, 0);
}

NOTIFY_TEST(signaled_failed_copy_of_requeued)
{
	struct target *t;
	void *page;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	page = map_pages(_metadata, 1, PROT_READ);
	t = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, t, 0);
	signal_target(_metadata, t);
	EXPECT_EQ(-EFAULT, recv_into(listener, page));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, id_valid(id));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	EXPECT_EQ(0, reply_value(id, 1));
	expect_handled(_metadata, t, 1, 0);
}

NOTIFY_TEST(signaled_with_wait_killable_recv)
{
	struct target *a, *b;
	__u64 id;

	if (!setup_signaled(_metadata, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV))
		return;
	a = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, a, 0);
	b = spawn_queued(_metadata, call_with_handler, 2);
	ASSERT_EQ(0, kill(a->tid, SIGUSR1));
	ASSERT_EQ(0, kill(b->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(a)));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(b)));
	expect_recv(_metadata, b, SIGNALED);
	/* Told, although it would not have been interrupted. */
	ASSERT_TRUE(WAIT_FOR(poll_now() == (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, a, SIGNALED));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id, 1));
	EXPECT_EQ(0, reply_value(id + 1, 2));
	expect_handled(_metadata, a, 1, 0);
	expect_handled(_metadata, b, 2, 0);
}

/* The target has been awake in between, and gone to sleep once more. */
NOTIFY_TEST(signaled_with_wait_killable_recv_after_addfd)
{
	struct target *t;
	int src, fd;
	__u64 id;

	if (!setup_signaled(_metadata, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV))
		return;
	src = open_null(_metadata);
	t = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, t, 0);
	fd = addfd(id, src, 0, 0, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(poll_now() == (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	EXPECT_EQ(0, reply_value(id, 1));
	expect_handled(_metadata, t, 1, 0);
}

NOTIFY_TEST(signaled_cleared_later_stays_killable)
{
	struct target *queued, *requeued;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	requeued = spawn_queued(_metadata, handle_two_and_call, 1);
	id = expect_recv(_metadata, requeued, 0);
	signal_target(_metadata, requeued);
	queued = spawn_queued(_metadata, handle_two_and_call, 2);
	signal_target(_metadata, queued);
	ASSERT_EQ(0, set_flags(0));
	ASSERT_EQ(0, kill(queued->tid, SIGUSR2));
	ASSERT_EQ(0, kill(requeued->tid, SIGUSR2));
	EXPECT_EQ(id, expect_recv(_metadata, requeued, SIGNALED));
	EXPECT_EQ(id + 1, expect_recv(_metadata, queued, SIGNALED));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(queued)));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(requeued)));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id, 1));
	EXPECT_EQ(0, reply_value(id + 1, 2));
	expect_result(_metadata, requeued, 1, 0);
	expect_result(_metadata, queued, 2, 0);
	EXPECT_EQ(2, queued->handled);
	EXPECT_EQ(2, requeued->handled);
}

NOTIFY_TEST(signaled_flags_at_the_moment_of_the_signal)
{
	struct target *t;
	__u64 id;

	/* Cleared in time: interrupted. */
	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, call_with_handler, 1);
	expect_recv(_metadata, t, 0);
	ASSERT_EQ(0, set_flags(0));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_result(_metadata, t, -1, EINTR);

	/* Set in time, though after it was queued and delivered. */
	t = spawn_queued(_metadata, call_with_handler, 2);
	id = expect_recv(_metadata, t, 0);
	ASSERT_EQ(0, set_flags(SECCOMP_USER_NOTIF_FD_SIGNALED));
	signal_target(_metadata, t);
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	EXPECT_EQ(0, reply_value(id, 3));
	expect_handled(_metadata, t, 3, 0);
}

NOTIFY_TEST(signaled_wakes_a_sleeping_reader)
{
	struct seccomp_notif n;
	struct target *t;
	struct reader r;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_delivered(_metadata, call_with_handler, &n);
	start_sleeping_reader(_metadata, &r);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(n.id, r.n.id);
	EXPECT_EQ(SIGNALED, r.n.flags);
	EXPECT_EQ(0, reply_value(n.id, 3));
	expect_handled(_metadata, t, 3, 0);
}

NOTIFY_TEST(signaled_is_an_edge_for_epoll)
{
	struct seccomp_notif n;
	struct target *t;
	int ep;

	if (!setup_signaled(_metadata, 0))
		return;
	ep = epoll_on_listener(_metadata, EPOLLIN | EPOLLET);
	t = spawn_delivered(_metadata, call_with_handler, &n);
	epoll_events(ep, 0);
	EXPECT_EQ(0, epoll_events(ep, 0));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	EXPECT_EQ(EPOLLIN, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(0, reply_value(n.id, 3));
	expect_handled(_metadata, t, 3, 0);
}

static void block_ignore_and_call(struct target *t)
{
	sigset_t set;

	handle_signal(SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR2, SIG_IGN);
	/* Ignored by default. */
	signal(SIGWINCH, SIG_DFL);
	trapped_call(t);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void send_no_signals(struct __test_metadata *_metadata,
			    struct target *t)
{
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_EQ(0, kill(t->tid, SIGUSR2));
	ASSERT_EQ(0, kill(t->tid, SIGWINCH));
	ASSERT_EQ(0, kill(t->tid, SIGCHLD));
}

NOTIFY_TEST(signaled_blocked_and_ignored_are_none)
{
	struct target *a, *b;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	a = spawn_queued(_metadata, block_ignore_and_call, 1);
	b = spawn_queued(_metadata, block_ignore_and_call, 2);
	id = expect_recv(_metadata, a, 0);
	send_no_signals(_metadata, a);
	send_no_signals(_metadata, b);
	ASSERT_TRUE(WAIT_FOR(target_waits(a)));
	ASSERT_TRUE(WAIT_FOR(target_waits(b)));
	EXPECT_EQ(id + 1, expect_recv(_metadata, b, 0));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id, 1));
	EXPECT_EQ(0, reply_value(id + 1, 2));
	expect_result(_metadata, a, 1, 0);
	expect_result(_metadata, b, 2, 0);
	EXPECT_EQ(1, a->handled);
	EXPECT_EQ(1, b->handled);
}

NOTIFY_TEST(blocked_and_ignored_signals_do_not_interrupt)
{
	struct target *t;
	__u64 id;

	setup(_metadata, 0);
	t = spawn_queued(_metadata, block_ignore_and_call, 1);
	send_no_signals(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	id = expect_recv(_metadata, t, 0);
	send_no_signals(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(0, reply_value(id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(1, t->handled);
}

NOTIFY_TEST(signaled_fatal_after_non_fatal)
{
	struct target *queued, *requeued, *again;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	again = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, again, 0);
	signal_target(_metadata, again);
	EXPECT_EQ(id, expect_recv(_metadata, again, SIGNALED));
	requeued = spawn_queued(_metadata, call_with_handler, 2);
	expect_recv(_metadata, requeued, 0);
	signal_target(_metadata, requeued);
	queued = spawn_queued(_metadata, call_with_handler, 3);
	signal_target(_metadata, queued);

	kill_and_reap(_metadata, requeued);
	EXPECT_EQ(-ENOENT, id_valid(id + 1));
	EXPECT_EQ(-ENOENT, reply_value(id + 1, 0));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	kill_and_reap(_metadata, queued);
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	kill_and_reap(_metadata, again);
	EXPECT_EQ(-ENOENT, reply_value(id, 0));
	EXPECT_EQ(0, poll_now());
	EXPECT_EQ(0, again->handled + requeued->handled + queued->handled);
}

/* Three threads of one process, each in a trapped call. */

static void *group_thread(void *arg)
{
	struct target *t = arg;

	this_target = t;
	ATOMIC_SET(t->tid, sys_gettid());
	trapped_call(t);
	return NULL;
}

static void call_in_three_threads(struct target *t)
{
	pthread_t thread[3];
	sigset_t set;
	int i;

	handle_signal(SIGUSR1, SA_RESTART);
	for (i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, group_thread, t + 1 + i);
	/* The threads are to have it, not this one. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	ATOMIC_SET(t->stop, 1);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
}

static struct target *spawn_group(struct __test_metadata *_metadata)
{
	struct target *t;
	int i;

	ASSERT_EQ(0, nr_targets);
	t = spawn(_metadata, call_in_three_threads, 0);
	nr_targets += 3;
	for (i = 1; i <= 3; i++) {
		targets[i].is_thread = true;
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(targets[i].tid) &&
				     target_waits(&targets[i])));
	}
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->stop)));
	return t;
}

NOTIFY_TEST(signaled_one_thread_of_a_group)
{
	struct seccomp_notif n, m;
	struct target *group, *t = NULL;
	int i, handled = 0;
	__u64 first = 0;

	if (!setup_signaled(_metadata, 0))
		return;
	group = spawn_group(_metadata);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, recv_notif(&n));
		if (!i)
			first = n.id;
		for (t = &targets[1]; t->tid != (pid_t)n.pid; t++)
			;
		t->number = i;
	}
	/* For one of them, and for none else. */
	ASSERT_EQ(0, syscall(__NR_tgkill, group->tid, t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	ASSERT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	ASSERT_EQ(0, recv_notif(&m));
	EXPECT_EQ(n.id, m.id);
	EXPECT_EQ(SIGNALED, m.flags);
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, reply_value(first + i, 20 + i));
	reap(_metadata, group);
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(20 + (long)targets[i].number, targets[i].ret);
		handled += targets[i].handled;
	}
	EXPECT_EQ(1, handled);
	EXPECT_EQ(1, t->handled);
}

NOTIFY_TEST(signaled_some_thread_of_a_group)
{
	struct seccomp_notif n;
	struct target *group;
	int i, handled = 0;
	__u64 first = 0;

	if (!setup_signaled(_metadata, 0))
		return;
	group = spawn_group(_metadata);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, recv_notif(&n));
		if (!i)
			first = n.id;
	}
	/* For the process: one thread gets it, and is told of. */
	ASSERT_EQ(0, kill(group->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(poll_now() & POLLIN));
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(SIGNALED, n.flags);
	ASSERT_TRUE(WAIT_FOR(sleeps_in(targets[1].tid, NR_TRAPPED, "SD") &&
			     sleeps_in(targets[2].tid, NR_TRAPPED, "SD") &&
			     sleeps_in(targets[3].tid, NR_TRAPPED, "SD")));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, reply_value(first + i, 20 + i));
	reap(_metadata, group);
	for (i = 1; i <= 3; i++) {
		EXPECT_LE(20, targets[i].ret);
		handled += targets[i].handled;
	}
	EXPECT_EQ(1, handled);
}

NOTIFY_TEST(signaled_group_dies)
{
	struct target *group;
	int i;

	if (!setup_signaled(_metadata, 0))
		return;
	group = spawn_group(_metadata);
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, syscall(__NR_tgkill, group->tid, targets[i].tid,
				     SIGUSR1));
		ASSERT_TRUE(WAIT_FOR(target_waits_killable(&targets[i])));
	}
	kill_and_reap(_metadata, group);
	EXPECT_EQ(0, poll_now());
}

NOTIFY_TEST(signaled_addfd_and_signal_pending)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int src;

	if (!setup_signaled(_metadata, 0))
		return;
	src = open_null(_metadata);
	t = spawn_delivered(_metadata, call_with_handler, &n);
	if (!hold_target(_metadata, t))
		return;
	start_pending_adder(_metadata, &a, n.id, src, 0);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	release_target(_metadata);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_TRUE(same_file(t, a.ret, src));
	EXPECT_EQ(n.id, expect_recv(_metadata, t, SIGNALED));
	EXPECT_EQ(0, reply_value(n.id, 5));
	expect_handled(_metadata, t, 5, 0);
}

NOTIFY_TEST(signaled_reply_and_signal_pending)
{
	struct seccomp_notif n;
	struct target *t;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_delivered(_metadata, call_with_handler, &n);
	if (!hold_target(_metadata, t))
		return;
	EXPECT_EQ(0, reply_value(n.id, 5));
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	EXPECT_EQ(0, poll_now());
	release_target(_metadata);
	expect_handled(_metadata, t, 5, 0);
	EXPECT_EQ(0, poll_now());
}

/* Races with a signal */

struct signaller {
	pthread_t thread;
	pid_t pid;
	pid_t tid;
	int stop;
	int go;			/* how many signals there are to be */
	int count;		/* how many there were */
};

static void *signaller_main(void *arg)
{
	struct signaller *s = arg;
	unsigned int seed = 1;

	while (!ATOMIC_GET(s->stop)) {
		if (ATOMIC_GET(s->go) == s->count) {
			sched_yield();
			continue;
		}
		seed = seed * 1103515245 + 12345;
		spin(seed >> 16);
		if (syscall(__NR_tgkill, s->pid, s->tid, SIGUSR1))
			break;
		s->count++;
	}
	return NULL;
}

static void start_signaller(struct __test_metadata *_metadata,
			    struct signaller *s, pid_t pid, pid_t tid)
{
	memset(s, 0, sizeof(*s));
	s->pid = pid;
	s->tid = tid;
	ASSERT_EQ(0, pthread_create(&s->thread, NULL, signaller_main, s));
}

static void stop_signaller(struct __test_metadata *_metadata,
			   struct signaller *s)
{
	ATOMIC_SET(s->stop, 1);
	ASSERT_EQ(0, pthread_join(s->thread, NULL));
}

/* What is done with each notification while signals come. */
enum race { RACE_SEND, RACE_ADDFD, RACE_ADDFD_SEND, RACE_RECV };

static void race_with_signals(struct __test_metadata *_metadata,
			      enum race race, unsigned int flags)
{
	struct seccomp_notif n, m;
	struct signaller s;
	struct target *t;
	int i, src, told = 0, again = 0;
	__u64 last = 0;

	if (!setup_signaled(_metadata, flags))
		return;
	src = open_null(_metadata);
	t = spawn_queued(_metadata, restart_and_call_until_stopped, 1);
	start_signaller(_metadata, &s, t->tid, t->tid);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, recv_notif(&n));
		if (i)
			ASSERT_EQ(last + 1, n.id);
		last = n.id;
		if (n.flags)
			told++;
		ASSERT_EQ(i, ATOMIC_GET(t->done));
		ATOMIC_INC(s.go);
		spin(i % 64 * 2048);
		if (race == RACE_RECV && poll_now() & POLLIN) {
			again++;
			ASSERT_EQ(0, recv_notif(&m));
			ASSERT_EQ(n.id, m.id);
			ASSERT_EQ(0, n.flags);
			ASSERT_EQ(SIGNALED, m.flags);
		}
		if (race == RACE_ADDFD) {
			ASSERT_EQ(50, addfd(n.id, src,
					    SECCOMP_ADDFD_FLAG_SETFD, 50, 0));
		}
		if (i == ROUNDS - 1)
			ATOMIC_SET(t->stop, 1);
		if (race == RACE_ADDFD_SEND) {
			ASSERT_EQ(50, addfd(n.id, src,
					    SECCOMP_ADDFD_FLAG_SETFD |
					    SECCOMP_ADDFD_FLAG_SEND, 50, 0));
		} else {
			ASSERT_EQ(0, reply_value(n.id, 50));
		}
	}
	stop_signaller(_metadata, &s);
	reap(_metadata, t);
	EXPECT_EQ(ROUNDS, t->done);
	EXPECT_EQ(50, t->ret);
	EXPECT_EQ(0, t->err);
	EXPECT_LT(0, t->handled);
	EXPECT_EQ(0, poll_now());
	TH_LOG("%d signals, told of %d at first and %d later", s.count, told,
	       again);
}

NOTIFY_TEST(signaled_races_with_send)
{
	race_with_signals(_metadata, RACE_SEND, 0);
}

NOTIFY_TEST(signaled_races_with_addfd)
{
	race_with_signals(_metadata, RACE_ADDFD, 0);
}

NOTIFY_TEST(signaled_races_with_addfd_send)
{
	race_with_signals(_metadata, RACE_ADDFD_SEND, 0);
}

NOTIFY_TEST(signaled_races_with_second_recv)
{
	race_with_signals(_metadata, RACE_RECV, 0);
}

NOTIFY_TEST(signaled_races_with_second_recv_killable)
{
	race_with_signals(_metadata, RACE_RECV,
			  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
}

NOTIFY_TEST(signaled_races_with_setting_the_flag)
{
	struct seccomp_notif n;
	struct signaller s;
	struct target *t;
	int i, ret, gone = 0, told = 0, sent = 0;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, restart_and_call_until_stopped, 1);
	start_signaller(_metadata, &s, t->tid, t->tid);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, recv_notif(&n));
		if (n.flags)
			told++;
		ATOMIC_INC(s.go);
		spin(i % 64 * 2048);
		ASSERT_EQ(0, set_flags(i & 1 ? SECCOMP_USER_NOTIF_FD_SIGNALED :
				       0));
		ret = reply_value(n.id, 50);
		/* Gone if the signal met a cleared flag. */
		ASSERT_TRUE(ret == 0 || ret == -ENOENT);
		if (ret)
			gone++;
		else
			sent++;
	}
	stop_signaller(_metadata, &s);
	ATOMIC_SET(t->stop, 1);
	if (ATOMIC_GET(t->done) == sent) {
		/* Restarted, or on its way in. */
		ASSERT_TRUE(WAIT_FOR(target_waits(t) ||
				     target_waits_killable(t) ||
				     task_state(t->tid) == 'Z'));
		if (poll_now() & POLLIN) {
			ASSERT_EQ(0, recv_notif(&n));
			ASSERT_EQ(0, reply_value(n.id, 50));
			sent++;
		}
	}
	reap(_metadata, t);
	EXPECT_EQ(sent, t->done);
	EXPECT_EQ(50, t->ret);
	TH_LOG("told of %d, %d gone, %d sent", told, gone, sent);
}

/* Installs a filter with a listener for each call; the older are closed. */
static void install_and_call_until_stopped(struct target *t)
{
	while (!ATOMIC_GET(t->stop)) {
		int fd = install_listener(0);

		ATOMIC_SET(t->fd, fd);
		if (fd < 0)
			break;
		trapped_call(t);
		while (ATOMIC_GET(t->fd) != -1)
			sched_yield();
	}
}

NOTIFY_TEST(signaled_races_with_close)
{
	struct signaller s;
	struct seccomp_notif n;
	struct target *t;
	int i;

	handle_signal(SIGUSR1, SA_RESTART);
	t = spawn_thread(_metadata, install_and_call_until_stopped, 1);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->fd) != -1));
		listener = t->fd;
		ASSERT_LE(0, listener);
		if (!set_signaled(_metadata)) {
			ATOMIC_SET(t->stop, 1);
			close(listener);
			ATOMIC_SET(t->fd, -1);
			break;
		}
		if (!i)
			start_signaller(_metadata, &s, getpid(), t->tid);
		if (i & 1)
			ASSERT_EQ(0, recv_notif(&n));
		ATOMIC_INC(s.go);
		spin(i % 64 * 2048);
		if (i == ROUNDS - 1)
			ATOMIC_SET(t->stop, 1);
		ASSERT_EQ(0, close(listener));
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done) > i));
		ASSERT_EQ(-1, t->ret);
		ASSERT_EQ(errno_closed, t->err);
		ATOMIC_SET(t->fd, -1);
	}
	if (i)
		stop_signaller(_metadata, &s);
	reap(_metadata, t);
}

NOTIFY_TEST(signaled_races_with_death)
{
	struct seccomp_notif n;
	struct target *t;
	int i, ret;

	if (!setup_signaled(_metadata, 0))
		return;
	for (i = 0; i < 300; i++) {
		nr_targets = 0;
		t = spawn(_metadata, call_with_handler, 1);
		ASSERT_TRUE(WAIT_FOR(poll_now() & POLLIN));
		if (i & 1)
			ASSERT_EQ(0, recv_notif(&n));
		ASSERT_EQ(0, kill(t->tid, SIGUSR1));
		spin(i % 64 * 64);
		ASSERT_EQ(0, kill(t->tid, SIGKILL));
		if (i & 1) {
			ret = reply_value(n.id, 0);
			ASSERT_TRUE(ret == 0 || ret == -ENOENT);
		}
		ASSERT_EQ(t->tid, waitpid(t->tid, NULL, 0));
		t->tid = 0;
		ASSERT_EQ(0, poll_now());
	}
}

/* A runtime that preempts its threads with signals, and a slow supervisor. */

static void call_with_timer(struct target *t)
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

NOTIFY_TEST(signaled_timer_in_a_slow_syscall)
{
	struct seccomp_notif n, m;
	struct target *t;
	int i;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn(_metadata, call_with_timer, 1);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, recv_notif(&n));
		EXPECT_EQ(i, t->done);
		/* This is the work, not a wait for something. */
		usleep(100000);
		if (!n.flags) {
			ASSERT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
			ASSERT_EQ(0, recv_notif(&m));
			EXPECT_EQ(n.id, m.id);
			EXPECT_EQ(SIGNALED, m.flags);
		}
		EXPECT_EQ(POLL_DELIVERED, poll_now());
		EXPECT_EQ(0, reply_value(n.id, i));
	}
	reap(_metadata, t);
	EXPECT_EQ(3, t->done);
	EXPECT_EQ(2, t->ret);
	EXPECT_LE(3, t->handled);
}

NOTIFY_TEST(timer_in_a_slow_syscall_restarts)
{
	struct seccomp_notif n;
	struct target *t;
	int i;

	setup(_metadata, 0);
	t = spawn(_metadata, call_with_timer, 1);
	for (i = 0; i < 3; i++) {
		/*
		 * RECV may have come too late for one that a signal took, which
		 * is another test's concern.
		 */
		while (recv_notif(&n))
			;
		usleep(100000);
		EXPECT_EQ(-ENOENT, id_valid(n.id));
		EXPECT_EQ(-ENOENT, reply_value(n.id, i));
		EXPECT_EQ(0, t->done);
	}
	EXPECT_LE(3, t->handled);
	kill_and_reap(_metadata, t);
}

/* Suspend */

static bool freeze_the_system(struct __test_metadata *_metadata)
{
	const char *delay = "/sys/module/suspend/parameters/pm_test_delay";
	char was[32] = "";
	int ret;

	if (write_file("/sys/power/pm_test", "freezer"))
		SKIP(return false, "no pm_test");
	if (read_file(delay, was, sizeof(was)) > 0)
		write_file(delay, "0");
	ret = write_file("/sys/power/state", "mem");
	if (ret == -EINVAL || ret == -ENODEV)
		ret = write_file("/sys/power/state", "freeze");
	if (was[0])
		write_file(delay, was);
	write_file("/sys/power/pm_test", "none");
	if (ret)
		SKIP(return false, "cannot suspend (%d)", ret);
	return true;
}

NOTIFY_TEST(suspend_keeps_notifications)
{
	struct target *delivered, *queued, *last;
	struct seccomp_notif n, m;
	struct reader r;

	setup(_metadata, 0);
	delivered = spawn_delivered(_metadata, call_once, &n);
	queued = spawn_queued(_metadata, call_once, 2);
	if (!freeze_the_system(_metadata)) {
		kill(delivered->tid, SIGKILL);
		kill(queued->tid, SIGKILL);
		return;
	}
	if (c_does(id_valid(n.id) == -ENOENT)) {
		kill_and_reap(_metadata, delivered);
		kill_and_reap(_metadata, queued);
		return;
	}
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(n.id, 1));
	expect_result(_metadata, delivered, 1, 0);
	ASSERT_EQ(0, recv_notif(&m));
	EXPECT_EQ(n.id + 1, m.id);
	EXPECT_EQ(0, m.flags);
	EXPECT_EQ(0, reply_value(m.id, 2));
	expect_result(_metadata, queued, 2, 0);

	/* And those who wait for one. */
	start_sleeping_reader(_metadata, &r);
	if (!freeze_the_system(_metadata)) {
		interrupt_reader(_metadata, &r);
		return;
	}
	EXPECT_FALSE(ATOMIC_GET(r.finished));
	last = spawn(_metadata, call_once, 3);
	join_reader(_metadata, &r);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(0, reply_value(r.n.id, 3));
	expect_result(_metadata, last, 3, 0);
}

NOTIFY_TEST(signaled_suspend_is_no_signal)
{
	struct target *delivered, *told;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	delivered = spawn_queued(_metadata, call_with_handler, 1);
	id = expect_recv(_metadata, delivered, 0);
	told = spawn_queued(_metadata, call_with_handler, 2);
	expect_recv(_metadata, told, 0);
	signal_target(_metadata, told);
	if (!freeze_the_system(_metadata)) {
		kill(delivered->tid, SIGKILL);
		kill(told->tid, SIGKILL);
		return;
	}
	EXPECT_EQ(id + 1, expect_recv(_metadata, told, SIGNALED));
	ASSERT_TRUE(WAIT_FOR(target_waits(delivered)));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, reply_value(id, 1));
	EXPECT_EQ(0, reply_value(id + 1, 2));
	expect_result(_metadata, delivered, 1, 0);
	EXPECT_EQ(0, delivered->handled);
	expect_handled(_metadata, told, 2, 0);
}

/* What is like a signal, and stops a target after the answer. */

NOTIFY_TEST(signaled_stop_is_told)
{
	struct target *t;
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, call_once, 1);
	id = expect_recv(_metadata, t, 0);
	ASSERT_EQ(0, kill(t->tid, SIGSTOP));
	ASSERT_TRUE(WAIT_FOR(poll_now() == (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	EXPECT_EQ(0, reply_value(id, 1));
	ASSERT_TRUE(WAIT_FOR(task_state(t->tid) == 'T'));
	ASSERT_EQ(0, kill(t->tid, SIGCONT));
	expect_result(_metadata, t, 1, 0);
}

/* Makes a cgroup of hierarchy @type for @t; false if that cannot be done. */
static bool make_cgroup(const char *type, const char *options, char *path,
			size_t size, struct target *t)
{
	char file[128], tid[16];

	snprintf(path, size, "/tmp/seccomp_notify.XXXXXX");
	if (!mkdtemp(path))
		return false;
	if (mount("none", path, type, 0, options)) {
		rmdir(path);
		return false;
	}
	strncat(path, "/target", size - strlen(path) - 1);
	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	snprintf(tid, sizeof(tid), "%d", t->tid);
	return !mkdir(path, 0700) && !write_file(file, tid);
}

/* When the cgroup's last task is gone. */
static void remove_cgroup(char *path)
{
	rmdir(path);
	*strrchr(path, '/') = '\0';
	umount2(path, MNT_DETACH);
	rmdir(path);
}

static bool cgroup_file_has(const char *cgroup, const char *name,
			    const char *text)
{
	char file[128], buf[128];

	snprintf(file, sizeof(file), "%s/%s", cgroup, name);
	return read_file(file, buf, sizeof(buf)) > 0 && strstr(buf, text);
}

static int write_cgroup_file(const char *cgroup, const char *name,
			     const char *text)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/%s", cgroup, name);
	return write_file(file, text);
}

NOTIFY_TEST(signaled_cgroup_freezer_is_told)
{
	struct target *t;
	char cgroup[96];
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, call_once, 1);
	id = expect_recv(_metadata, t, 0);
	if (!make_cgroup("cgroup2", NULL, cgroup, sizeof(cgroup), t)) {
		kill_and_reap(_metadata, t);
		SKIP(return, "no cgroup2 to be had");
	}
	ASSERT_EQ(0, write_cgroup_file(cgroup, "cgroup.freeze", "1"));
	ASSERT_TRUE(WAIT_FOR(poll_now() == (POLL_QUEUED | POLL_DELIVERED)));
	EXPECT_EQ(id, expect_recv(_metadata, t, SIGNALED));
	EXPECT_EQ(0, reply_value(id, 1));
	ASSERT_TRUE(WAIT_FOR(cgroup_file_has(cgroup, "cgroup.events",
					     "frozen 1")));
	EXPECT_EQ(0, t->done);
	ASSERT_EQ(0, write_cgroup_file(cgroup, "cgroup.freeze", "0"));
	expect_result(_metadata, t, 1, 0);
	remove_cgroup(cgroup);
}

/* That one freezes a target where it waits, as suspending does. */
NOTIFY_TEST(signaled_cgroup_v1_freezer_is_no_signal)
{
	struct target *t;
	char cgroup[96];
	__u64 id;

	if (!setup_signaled(_metadata, 0))
		return;
	t = spawn_queued(_metadata, call_once, 1);
	id = expect_recv(_metadata, t, 0);
	if (!make_cgroup("cgroup", "freezer", cgroup, sizeof(cgroup), t)) {
		kill_and_reap(_metadata, t);
		SKIP(return, "no freezer to be had");
	}
	ASSERT_EQ(0, write_cgroup_file(cgroup, "freezer.state", "FROZEN"));
	ASSERT_TRUE(WAIT_FOR(cgroup_file_has(cgroup, "freezer.state",
					     "FROZEN")));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, id_valid(id));
	EXPECT_EQ(0, reply_value(id, 1));
	EXPECT_EQ(0, t->done);
	ASSERT_EQ(0, write_cgroup_file(cgroup, "freezer.state", "THAWED"));
	expect_result(_metadata, t, 1, 0);
	remove_cgroup(cgroup);
}

/* A wake-up that is no signal: work that io_uring has for the target. */

static void poll_in_ring_and_call(struct target *t)
{
	struct io_uring_params p = {};
	struct io_uring_sqe *sqe;
	int ring, event = t->number;
	unsigned int *tail, *array;
	char *sq;

	ring = syscall(__NR_io_uring_setup, 4, &p);
	if (ring < 0) {
		t->err = errno;
		ATOMIC_SET(t->stop, 1);
		return;
	}
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(*array),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		  IORING_OFF_SQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqe == MAP_FAILED)
		_exit(1);
	if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_EVENTFD,
		    &event, 1))
		_exit(2);
	tail = (unsigned int *)(sq + p.sq_off.tail);
	array = (unsigned int *)(sq + p.sq_off.array);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = t->fd;
	sqe->poll32_events = POLLIN;
	array[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
		_exit(3);
	ATOMIC_SET(t->stop, 1);
	trapped_call(t);
}

static void wait_and_poll_in_ring(struct target *t)
{
	while (!ATOMIC_GET(t->handled))
		usleep(100);
	t->handled = 0;
	poll_in_ring_and_call(t);
}

NOTIFY_TEST(signaled_task_work_is_no_signal)
{
	struct target *t;
	__u64 id;
	int pipefd[2], event;

	if (!setup_signaled(_metadata, 0))
		return;
	ASSERT_EQ(0, pipe(pipefd));
	event = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, event);
	t = spawn(_metadata, wait_and_poll_in_ring, 1);
	t->number = event;
	t->fd = pipefd[0];
	ATOMIC_SET(t->handled, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->stop)));
	if (t->err) {
		reap(_metadata, t);
		SKIP(return, "no io_uring here");
	}
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	id = expect_recv(_metadata, t, 0);
	ASSERT_EQ(1, write(pipefd[1], "x", 1));
	/* The event comes once the target has done the work. */
	ASSERT_TRUE(WAIT_FOR(poll_fd(event, 0) & POLLIN));
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(POLL_DELIVERED, poll_now());
	EXPECT_EQ(0, id_valid(id));
	EXPECT_EQ(0, reply_value(id, 5));
	expect_result(_metadata, t, 5, 0);
}

/*
 * 32 bits: this very program, built once more, serves as the target and as the
 * supervisor. It is told by its arguments, and tells by its exit status.
 */
#define NO_32BIT	126

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
	exec_32bit("--supervise", dup(t->arg));
}

#define RESULT_32BIT	0x12345678
#define RESULT_64BIT	0x123456789LL

/* The call has to return the first, then to fail, then to be continued. */
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

static int supervise_main(int fd)
{
	struct seccomp_notif n;
	int null = open("/dev/null", O_RDWR);

	listener = fd;
	if (recv_notif(&n))
		return 1;
	if (n.flags || !n.pid || n.data.args[0] != 1)
		return 2;
	if (id_valid(n.id) || id_valid(n.id + 1) != -ENOENT)
		return 3;
	if (set_flags(SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) || set_flags(0))
		return 4;
	if (set_flags(1UL << 31) != -EINVAL)
		return 5;
	if (addfd(n.id, null, SECCOMP_ADDFD_FLAG_SETFD, 99, O_CLOEXEC) != 99)
		return 6;
	if (addfd(n.id, null, 0, 1, 0) != -EINVAL)
		return 7;
	if (poll_now() != POLL_DELIVERED)
		return 8;
	if (reply(n.id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE) != -EINVAL)
		return 9;
	if (reply_value(n.id, RESULT_64BIT))
		return 10;
	if (recv_notif(&n) || reply(n.id, 0, -EOVERFLOW, 0))
		return 11;
	return 0;
}

static bool has_32bit(struct __test_metadata *_metadata)
{
	struct target *t;

	if (sizeof(long) != 8)
		SKIP(return false, "not with 64 bits");
	t = spawn(_metadata, call_32bit, 0);
	ASSERT_EQ(t->tid, waitpid(t->tid, &t->status, 0));
	t->tid = 0;
	if (t->status == NO_32BIT << 8)
		SKIP(return false, "no 32-bit program to run");
	/* Without a filter its calls are what they are. */
	ASSERT_EQ(1 << 8, t->status);
	return true;
}

NOTIFY_TEST(target_with_32_bits)
{
	struct seccomp_notif n;
	struct target *t;

	if (!has_32bit(_metadata))
		return;
	setup(_metadata, 0);
	t = spawn(_metadata, call_32bit, 1);
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(AUDIT_ARCH_I386, n.data.arch);
	EXPECT_EQ(NR_TRAPPED_I386, n.data.nr);
	EXPECT_EQ(1, n.data.args[0]);
	EXPECT_EQ(0xffffffff, n.data.args[1]);
	EXPECT_EQ(6, n.data.args[5]);
	EXPECT_EQ(0, reply_value(n.id, RESULT_32BIT));
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(0, reply(n.id, 0, -EOVERFLOW, 0));
	ASSERT_EQ(0, recv_notif(&n));
	EXPECT_EQ(0, reply(n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	reap(_metadata, t);
}

static void call_twice(struct target *t)
{
	trapped_call(t);
	t->number = t->ret;
	trapped_call(t);
}

NOTIFY_TEST(supervisor_with_32_bits)
{
	struct target *t, *supervisor;
	int keep;

	if (!has_32bit(_metadata))
		return;
	setup(_metadata, 0);
	keep = listener;
	listener = -1;
	supervisor = spawn(_metadata, supervise_32bit, keep);
	listener = keep;
	t = spawn(_metadata, call_twice, 1);
	reap(_metadata, supervisor);
	reap(_metadata, t);
	EXPECT_EQ(RESULT_64BIT, t->number);
	EXPECT_EQ(-1, t->ret);
	EXPECT_EQ(EOVERFLOW, t->err);
}

static bool find_impl(void)
{
	const char *env = getenv("SECCOMP_NOTIFY_IMPL");
	char line[256];
	bool rust = false;
	FILE *config;

	if (env)
		return strcmp(env, "rust");
	config = popen("zcat /proc/config.gz 2>/dev/null", "r");
	if (!config)
		return true;
	while (fgets(line, sizeof(line), config)) {
		if (!strcmp(line, "CONFIG_SECCOMP_NOTIFY_RUST=y\n"))
			rust = true;
	}
	pclose(config);
	return !rust;
}

/* Each line of the table must be about a test. */
static bool table_is_right(void)
{
	struct __test_metadata *t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(c_differs); i++) {
		for (t = _fixture_global.tests; t; t = t->next) {
			if (!strcmp(c_differs[i].test, t->name))
				break;
		}
		if (!t) {
			printf("Bail out! no test %s\n", c_differs[i].test);
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--call"))
		return call_main(strtoul(argv[2], NULL, 0));
	if (argc == 3 && !strcmp(argv[1], "--supervise"))
		return supervise_main(atoi(argv[2]));

	if (!table_is_right())
		return KSFT_FAIL;
	impl_is_c = find_impl();
	printf("# implementation: %s\n", impl_is_c ? "C" : "Rust");
	return test_harness_run(argc, argv);
}
