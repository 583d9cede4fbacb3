// SPDX-License-Identifier: GPL-2.0
/*
 * What user notification costs: a round trip (the target's system call, RECV,
 * SEND, and back), alone and in company, and what it is to be compared with.
 *
 * usage: seccomp_notify_bench [-r rounds] [figure]...
 *
 * Each figure is a line "name value unit"; an argument selects the figures of
 * figures[] that have this name, or begin with it and a slash. Times are CLOCK_MONOTONIC's, in
 * nanoseconds. Under QEMU's TCG with one CPU and "-icount shift=0,sleep=off" a
 * nanosecond is an instruction of the guest, and the figures are the same each
 * time.
 *
 * The figures "smp/..." are counted, not timed, and want several CPUs: they
 * are left out with one, and are all that is done with more unless named.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))

/* The system call that the filter hands to the supervisor. */
#define NR_TRAPPED	__NR_getppid

/* Enough for a thread that makes system calls and nothing else. */
#define TINY_STACK	2048

#define SMP_SUPERVISORS	4
#define SMP_TARGETS	16

#define TRACEFS		"/sys/kernel/tracing/"

/* Round trips for a figure. */
static unsigned int rounds = 2000;

/* What the processes of a measurement share. */
static struct shared {
	/* When the timed part began, and how long it took. */
	uint64_t start;
	uint64_t elapsed;
	/* Threads of the crowd that have got to their system call. */
	atomic_uint arrived;
	/* Those whose system call nobody answers any more. */
	atomic_uint gone;
	/* What the two sides of a futex wait for. */
	atomic_uint word[2];
	/* Supervisors that are not done, and what they have to do. */
	atomic_uint supervisors;
	atomic_int rounds_left;
} *shared;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void report(const char *name, unsigned int param, double value, const char *unit)
{
	if (param == UINT32_MAX)
		printf("%s %.1f %s\n", name, value, unit);
	else
		printf("%s/%u %.1f %s\n", name, param, value, unit);
	fflush(stdout);
}

/* A figure without a parameter. */
#define PLAIN	UINT32_MAX

static void report_time(const char *name, unsigned int param, uint64_t time, unsigned int count)
{
	report(name, param, (double)time / count, "ns");
}

static void write_all(int fd, const void *buf, size_t len)
{
	if (write(fd, buf, len) != (ssize_t)len)
		err(1, "write");
}

static void read_all(int fd, void *buf, size_t len)
{
	if (read(fd, buf, len) != (ssize_t)len)
		err(1, "read");
}

static pid_t start_process(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void kill_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Writes to a file of /proc or tracefs, which may not be there. */
static bool set_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/*
 * Floors: what two processes pay to hand control to each other and back.
 */

static void floor_syscall(const char *name, unsigned int param)
{
	uint64_t start = now();

	for (unsigned int i = 0; i < rounds; i++)
		syscall(NR_TRAPPED);
	report_time(name, param, now() - start, rounds);
}

struct ping_pong {
	int fd[2][2];	/* of each side: to read from, to write to */
	void (*wait)(struct ping_pong *this, int side);
	void (*wake)(struct ping_pong *this, int side);
};

static void run_ping_pong(struct ping_pong *this, const char *name, unsigned int param)
{
	unsigned int total = rounds + rounds / 10;
	uint64_t start = 0;
	pid_t pid;

	pid = start_process();
	if (pid == 0) {
		for (unsigned int i = 0; i < total; i++) {
			this->wait(this, 1);
			this->wake(this, 0);
		}
		_exit(0);
	}
	for (unsigned int i = 0; i < total; i++) {
		if (i == total - rounds)
			start = now();
		this->wake(this, 1);
		this->wait(this, 0);
	}
	report_time(name, param, now() - start, rounds);
	waitpid(pid, NULL, 0);
	for (int side = 0; side < 2; side++) {
		close(this->fd[side][0]);
		close(this->fd[side][1]);
	}
}

static void wait_fd(struct ping_pong *this, int side)
{
	uint64_t value;

	if (read(this->fd[side][0], &value, sizeof(value)) < 0)
		err(1, "read");
}

static void wake_fd(struct ping_pong *this, int side)
{
	uint64_t value = 1;

	if (write(this->fd[side][1], &value, sizeof(value)) < 0)
		err(1, "write");
}

static void floor_eventfd(const char *name, unsigned int param)
{
	struct ping_pong this = { .wait = wait_fd, .wake = wake_fd };

	for (int side = 0; side < 2; side++) {
		this.fd[side][0] = eventfd(0, 0);
		this.fd[side][1] = dup(this.fd[side][0]);
		if (this.fd[side][1] < 0)
			err(1, "eventfd");
	}
	run_ping_pong(&this, name, param);
}

static void floor_pipe(const char *name, unsigned int param)
{
	struct ping_pong this = { .wait = wait_fd, .wake = wake_fd };

	for (int side = 0; side < 2; side++) {
		if (pipe(this.fd[side]))
			err(1, "pipe");
	}
	run_ping_pong(&this, name, param);
}

static void wait_futex(struct ping_pong *this, int side)
{
	while (atomic_exchange(&shared->word[side], 0) == 0)
		syscall(__NR_futex, &shared->word[side], FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void wake_futex(struct ping_pong *this, int side)
{
	atomic_store(&shared->word[side], 1);
	syscall(__NR_futex, &shared->word[side], FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void floor_futex(const char *name, unsigned int param)
{
	struct ping_pong this = {
		.fd = { { -1, -1 }, { -1, -1 } },
		.wait = wait_futex,
		.wake = wake_futex,
	};

	atomic_store(&shared->word[0], 0);
	atomic_store(&shared->word[1], 0);
	run_ping_pong(&this, name, param);
}

/*
 * A target: a process with the filter. It makes the system calls that are
 * timed, and the crowd is forked from it.
 */

struct order {
	enum { RUN, CROWD } what;
	unsigned int count;
};

struct target {
	pid_t pid;
	int listener;
	int orders;	/* written by us */
	int answers;	/* read by us */
};

static int install_filter(void)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(insns), .filter = insns };
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err(1, "no_new_privs");
	fd = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		     SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (fd < 0)
		err(1, "seccomp");
	return fd;
}

/* Makes system calls for as long as the answer says so. */
static int crowd_thread(void *arg)
{
	atomic_fetch_add(&shared->arrived, 1);
	while (syscall(NR_TRAPPED) == 1)
		;
	if (atomic_fetch_sub(&shared->gone, 1) == 1)
		shared->elapsed = now() - shared->start;
	while (syscall(__NR_pause))
		;
	return 0;
}

/* A process of that many threads. */
static pid_t start_crowd(unsigned int count)
{
	size_t size = (size_t)count * TINY_STACK;
	char *stacks;
	pid_t pid;

	pid = start_process();
	if (pid)
		return pid;

	stacks = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stacks == MAP_FAILED)
		err(1, "mmap");
	for (unsigned int i = 0; i < count; i++) {
		if (clone(crowd_thread, stacks + (i + 1) * TINY_STACK,
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD,
			  NULL) < 0)
			err(1, "thread %u of %u (see kernel.threads-max, kernel.pid_max)",
			    i, count);
	}
	for (;;)
		pause();
}

static void run_target(int orders, int answers)
{
	struct order order;
	pid_t crowd;

	while (read(orders, &order, sizeof(order)) == sizeof(order)) {
		switch (order.what) {
		case RUN:
			for (unsigned int i = 0; i < order.count + order.count / 10; i++) {
				if (i == order.count / 10)
					shared->start = now();
				if (syscall(NR_TRAPPED) != 1)
					errx(1, "a system call has a wrong result");
			}
			shared->elapsed = now() - shared->start;
			write_all(answers, "", 1);
			break;
		case CROWD:
			crowd = start_crowd(order.count);
			write_all(answers, &crowd, sizeof(crowd));
			break;
		}
	}
	_exit(0);
}

static struct target start_target(void)
{
	struct target target;
	int orders[2], answers[2], fd, pidfd;

	if (pipe(orders) || pipe(answers))
		err(1, "pipe");
	target.pid = start_process();
	if (target.pid == 0) {
		close(orders[1]);
		signal(SIGCHLD, SIG_IGN);
		fd = install_filter();
		write_all(answers[1], &fd, sizeof(fd));
		/* When the supervisor has it, it is for the supervisor alone. */
		read_all(orders[0], &fd, sizeof(fd));
		close(fd);
		run_target(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	target.orders = orders[1];
	target.answers = answers[0];

	read_all(target.answers, &fd, sizeof(fd));
	pidfd = syscall(__NR_pidfd_open, target.pid, 0);
	target.listener = syscall(__NR_pidfd_getfd, pidfd, fd, 0);
	if (target.listener < 0)
		err(1, "pidfd_getfd");
	close(pidfd);
	write_all(target.orders, &fd, sizeof(fd));
	return target;
}

static void give_order(struct target *target, int what, unsigned int count)
{
	struct order order = { .what = what, .count = count };

	write_all(target->orders, &order, sizeof(order));
}

static void end_target(struct target *target)
{
	kill_process(target->pid);
	close(target->listener);
	close(target->orders);
	close(target->answers);
}

/*
 * The supervisor's side.
 */

static void receive(int listener, struct seccomp_notif *req)
{
	memset(req, 0, sizeof(*req));
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, req))
		err(1, "RECV");
}

static void answer(int listener, uint64_t id)
{
	struct seccomp_notif_resp resp = { .id = id, .val = 1 };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp))
		err(1, "SEND");
}

static void serve(int listener)
{
	struct seccomp_notif req;

	receive(listener, &req);
	answer(listener, req.id);
}

static void serve_polled(int listener)
{
	struct pollfd pollfd = { .fd = listener, .events = POLLIN };

	if (poll(&pollfd, 1, -1) != 1 || !(pollfd.revents & POLLIN))
		err(1, "poll");
	serve(listener);
}

static void serve_with_fd(int listener)
{
	struct seccomp_notif_addfd addfd = {
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = STDERR_FILENO,
		.newfd = 100,
	};
	struct seccomp_notif req;

	receive(listener, &req);
	addfd.id = req.id;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd) != 100)
		err(1, "ADDFD");
	answer(listener, req.id);
}

/* Has the target make its system calls, and serves them. */
static void measure_with(struct target *target, void (*how)(int listener),
			 const char *name, unsigned int param)
{
	unsigned int total = rounds + rounds / 10;
	char done;

	give_order(target, RUN, rounds);
	for (unsigned int i = 0; i < total; i++)
		how(target->listener);
	read_all(target->answers, &done, sizeof(done));
	report_time(name, param, shared->elapsed, rounds);
}

static void one_to_one(const char *name, unsigned int param)
{
	struct target target = start_target();

	measure_with(&target, serve, name, param);
	end_target(&target);
}

static void sync_wake_up(const char *name, unsigned int param)
{
	struct target target = start_target();

	if (ioctl(target.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
		  SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP))
		err(1, "SET_FLAGS");
	measure_with(&target, serve, name, param);
	end_target(&target);
}

/* Whether each thread of the process sleeps. */
static bool sleeps(pid_t pid)
{
	struct dirent *entry;
	char path[64], stat[128];
	bool all = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	while (all && (entry = readdir(dir))) {
		ssize_t len;
		char *end;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%.20s/stat", entry->d_name);
		fd = openat(dirfd(dir), path, O_RDONLY);
		len = fd < 0 ? 0 : read(fd, stat, sizeof(stat) - 1);
		close(fd);
		stat[len > 0 ? len : 0] = 0;
		end = strrchr(stat, ')');
		all = end && end[1] && end[2] == 'S';
	}
	closedir(dir);
	return all;
}

/* Has that many threads wait for an answer. */
static pid_t gather_crowd(struct target *target, unsigned int count)
{
	pid_t crowd;

	atomic_store(&shared->arrived, 0);
	atomic_store(&shared->gone, count);
	give_order(target, CROWD, count);
	read_all(target->answers, &crowd, sizeof(crowd));
	while (atomic_load(&shared->arrived) != count || !sleeps(crowd)) {
		if (kill(crowd, 0))
			errx(1, "the other targets could not be started");
		usleep(1000);
	}
	return crowd;
}

/* Ends the crowd, and waits until it is gone: it would run beside what is next. */
static void disband_crowd(pid_t crowd)
{
	kill(crowd, SIGKILL);
	while (!kill(crowd, 0))
		usleep(1000);
	/* What is left of it is freed after a grace period or two. */
	usleep(200000);
}

/* Others are queued, and each that is answered goes to the end of the queue. */
static void queued(const char *name, unsigned int count)
{
	struct target target = start_target();
	pid_t crowd = gather_crowd(&target, count);
	uint64_t start = 0;

	for (unsigned int i = 0; i < rounds + rounds / 10; i++) {
		if (i == rounds / 10)
			start = now();
		serve(target.listener);
	}
	report_time(name, count, now() - start, rounds);
	disband_crowd(crowd);
	end_target(&target);
}

/* Others are delivered, and not answered before the end. */
static void delivered(const char *name, unsigned int count)
{
	struct target target = start_target();
	struct seccomp_notif req;
	pid_t crowd = 0;
	uint64_t start;

	if (count) {
		crowd = gather_crowd(&target, count);
		for (unsigned int i = 0; i < count; i++)
			receive(target.listener, &req);
		measure_with(&target, serve, name, count);
	}
	if (count == 0 || count == 10000) {
		measure_with(&target, serve_polled, "poll", count);
		measure_with(&target, serve_with_fd, "addfd", count);

		/* The latest of all is the one that C finds last. */
		give_order(&target, RUN, 1);
		receive(target.listener, &req);
		start = now();
		for (unsigned int i = 0; i < rounds; i++) {
			if (ioctl(target.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &req.id))
				err(1, "ID_VALID");
		}
		report_time("id-valid", count, now() - start, rounds);
		answer(target.listener, req.id);
	}
	if (count) {
		/* Until each target knows: the last one takes the time. */
		shared->elapsed = 0;
		shared->start = now();
		close(target.listener);
		target.listener = -1;
		while (atomic_load(&shared->gone))
			usleep(1000);
		report("teardown", count, shared->elapsed, "ns");
		disband_crowd(crowd);
	}
	end_target(&target);
}

/* Several readers are blocked in RECV; whoever gets it answers. */
static void *reader_thread(void *arg)
{
	int listener = *(int *)arg;

	while (true)
		serve(listener);
	return NULL;
}

static void readers(const char *name, unsigned int count)
{
	struct target target = start_target();
	pthread_attr_t attr;
	char done;
	pid_t pid;

	pid = start_process();
	if (pid == 0) {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 64 * 1024);
		for (unsigned int i = 0; i < count; i++) {
			pthread_t thread;

			if (pthread_create(&thread, &attr, reader_thread, &target.listener))
				errx(1, "thread %u of %u", i, count);
		}
		for (;;)
			pause();
	}
	while (!sleeps(pid))
		usleep(1000);
	give_order(&target, RUN, rounds);
	read_all(target.answers, &done, sizeof(done));
	report_time(name, count, shared->elapsed, rounds);
	kill_process(pid);
	end_target(&target);
}

/*
 * Memory of a waiting target: how deep its stack is when it goes to sleep, and
 * what it has allocated on its way. Tracing tells, where there is tracing.
 */

static char *read_trace(void)
{
	static char buf[1 << 20];
	size_t len = 0;
	ssize_t ret;
	int fd;

	fd = open(TRACEFS "trace", O_RDONLY);
	if (fd < 0)
		err(1, "trace");
	while ((ret = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += ret;
	close(fd);
	buf[len] = 0;
	return buf;
}

static void memory(const char *name, unsigned int param)
{
	struct target target = start_target();
	unsigned long sp, deepest = 0, bytes, allocated = 0;
	const unsigned long stack_size = 16 * 1024;	/* of x86-64 */
	unsigned int trips = 10;
	char pid[16], *at, done;

	snprintf(pid, sizeof(pid), "%d", target.pid);
	if (!set_file(TRACEFS "kprobe_events", "p:sleeps schedule sp=%sp:x64") ||
	    !set_file(TRACEFS "set_event_pid", pid) ||
	    !set_file(TRACEFS "trace", "") ||
	    !set_file(TRACEFS "events/kprobes/sleeps/enable", "1") ||
	    !set_file(TRACEFS "events/kmem/kmalloc/enable", "1") ||
	    !set_file(TRACEFS "events/kmem/kmem_cache_alloc/enable", "1")) {
		printf("# %s: left out, it takes tracefs, kprobe events and kmem events\n", name);
		end_target(&target);
		return;
	}
	give_order(&target, RUN, trips);
	for (unsigned int i = 0; i < trips + trips / 10; i++)
		serve(target.listener);
	read_all(target.answers, &done, sizeof(done));
	set_file(TRACEFS "events/enable", "0");

	at = read_trace();
	while ((at = strstr(at, "sp=0x"))) {
		sp = strtoul(at + 3, &at, 16);
		bytes = stack_size - sp % stack_size;
		if (bytes > deepest)
			deepest = bytes;
	}
	at = read_trace();
	while ((at = strstr(at, "bytes_alloc="))) {
		bytes = strtoul(at + strlen("bytes_alloc="), &at, 10);
		allocated += bytes;
	}
	report("memory/stack", PLAIN, deepest, "bytes");
	report("memory/allocated", PLAIN, (double)allocated / trips, "bytes");
	set_file(TRACEFS "set_event_pid", " ");
	set_file(TRACEFS "kprobe_events", " ");
	end_target(&target);
}

/*
 * Several CPUs: no times, as under emulation they say nothing, but how often
 * the scheduler had to act.
 */

/* Adds what "name: value" says in a file of each thread of a process. */
static unsigned long sum_of_threads(pid_t pid, const char *file, const char *name)
{
	unsigned long sum = 0;
	struct dirent *entry;
	char path[64], line[256];
	size_t len = strlen(name);
	FILE *stream;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/%s", pid, entry->d_name, file);
		stream = fopen(path, "r");
		if (!stream)
			err(1, "%s", path);
		while (fgets(line, sizeof(line), stream)) {
			char *colon = strchr(line, ':');

			if (colon && !strncmp(line, name, len) && strchr(" :", line[len]))
				sum += strtoul(colon + 1, NULL, 10);
		}
		fclose(stream);
	}
	closedir(dir);
	return sum;
}

static unsigned long switches_of(pid_t pid)
{
	return sum_of_threads(pid, "status", "voluntary_ctxt_switches") +
	       sum_of_threads(pid, "status", "nonvoluntary_ctxt_switches");
}

static unsigned long wake_ups_of(pid_t pid)
{
	return sum_of_threads(pid, "sched", "nr_wakeups");
}

/* A supervisor among several, until all have done the rounds. */
static void *smp_supervisor(void *arg)
{
	int listener = *(int *)arg;

	while (atomic_fetch_sub(&shared->rounds_left, 1) > 0)
		serve(listener);
	atomic_fetch_sub(&shared->supervisors, 1);
	while (pause())
		;
	return NULL;
}

static void smp(const char *name, unsigned int param)
{
	bool has_schedstats = set_file("/proc/sys/kernel/sched_schedstats", "1");
	struct target target = start_target();
	unsigned long switches, wake_ups;
	pid_t supervisor, crowd;

	crowd = gather_crowd(&target, SMP_TARGETS);
	switches = switches_of(crowd);
	wake_ups = wake_ups_of(crowd);

	atomic_store(&shared->supervisors, SMP_SUPERVISORS);
	atomic_store(&shared->rounds_left, rounds * SMP_TARGETS);
	supervisor = start_process();
	if (supervisor == 0) {
		pthread_t thread;

		for (int i = 0; i < SMP_SUPERVISORS; i++) {
			if (pthread_create(&thread, NULL, smp_supervisor, &target.listener))
				errx(1, "a supervisor's thread could not be started");
		}
		for (;;)
			pause();
	}
	while (atomic_load(&shared->supervisors))
		usleep(10000);
	switches = switches_of(crowd) + switches_of(supervisor) - switches;
	wake_ups = wake_ups_of(crowd) + wake_ups_of(supervisor) - wake_ups;
	report("smp/switches", PLAIN, (double)switches / rounds / SMP_TARGETS, "a-round-trip");
	if (has_schedstats)
		report("smp/wake-ups", PLAIN, (double)wake_ups / rounds / SMP_TARGETS,
		       "a-round-trip");
	kill_process(supervisor);
	disband_crowd(crowd);
	end_target(&target);
}

/* What can be measured. "delivered" has more to say at no and at 10,000 others. */
static const struct {
	const char *name;
	unsigned int param;
	void (*measure)(const char *name, unsigned int param);
} figures[] = {
	{ "floor/syscall", PLAIN, floor_syscall },
	{ "floor/eventfd", PLAIN, floor_eventfd },
	{ "floor/pipe", PLAIN, floor_pipe },
	{ "floor/futex", PLAIN, floor_futex },
	{ "one-to-one", PLAIN, one_to_one },
	{ "sync-wake-up", PLAIN, sync_wake_up },
	{ "delivered", 0, delivered },
	{ "delivered", 100, delivered },
	{ "delivered", 1000, delivered },
	{ "delivered", 10000, delivered },
	{ "queued", 100, queued },
	{ "queued", 1000, queued },
	{ "queued", 10000, queued },
	{ "readers", 8, readers },
	{ "readers", 16, readers },
	{ "readers", 32, readers },
	{ "readers", 64, readers },
	{ "memory", PLAIN, memory },
	{ "smp", PLAIN, smp },
};

static bool is_selected(const char *name, unsigned int param, int argc, char **argv)
{
	char full[64];

	if (!argc)
		return !strcmp(name, "smp") == (sysconf(_SC_NPROCESSORS_ONLN) > 1);
	snprintf(full, sizeof(full), param == PLAIN ? "%s" : "%s/%u", name, param);
	for (int i = 0; i < argc; i++) {
		size_t len = strlen(argv[i]);

		if (!strncmp(full, argv[i], len) && (!full[len] || full[len] == '/'))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "r:")) != -1) {
		switch (opt) {
		case 'r':
			rounds = strtoul(optarg, NULL, 0);
			break;
		default:
			rounds = 0;
		}
	}
	if (rounds < 10) {
		fprintf(stderr, "usage: %s [-r rounds, 10 or more] [figure]...\n", argv[0]);
		return 2;
	}

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	for (unsigned int i = 0; i < ARRAY_SIZE(figures); i++) {
		if (is_selected(figures[i].name, figures[i].param, argc - optind, argv + optind))
			figures[i].measure(figures[i].name, figures[i].param);
	}
	return 0;
}
