// SPDX-License-Identifier: GPL-2.0
/*
 * What user notification costs: a round trip (the target's system call, RECV,
 * SEND, and back, or SEND_RECV for both), alone and in company, and what it is to
 * be compared with.
 *
 * usage: seccomp_notify_bench [-r rounds] [figure]...
 *
 * Each figure is a line "name value unit"; an argument selects the figures of
 * figures[] that have this name, or begin with it and a slash. Times are CLOCK_MONOTONIC's, in
 * nanoseconds. Under QEMU's TCG with one CPU and "-icount shift=0,sleep=off" a
 * nanosecond is an instruction of the guest, and the figures are the same each
 * time.
 *
 * Those of "instead" are what does without: a filter that lets the system call
 * through, beside "floor/syscall" without any; a handler of SIGSYS that sets its
 * result; and a tracer that does. The last two are there on x86-64 only.
 *
 * "delivered/100000" takes 2.5 GB of free memory, more than as many threads and
 * pids (kernel.threads-max, kernel.pid_max), and an implementation whose RECV does
 * not walk past all the others.
 *
 * "addfd-pending" is "addfd" while ADDFD is pending for as many other targets. What
 * keeps those from taking the fd is that they do not get the CPU, of which there
 * must be but one: supervisor and target are SCHED_FIFO. So it is to be compared
 * with its own figure for none. It has to be done within half a second: after that,
 * the scheduler lets the others run all the same.
 *
 * Those of "path" are a round trip with 64 bytes of the target's memory read, so
 * that they belong to the notification: by process_vm_readv() and ID_VALID, and
 * by MEM.
 *
 * Those of "teardown" are from when the fd is closed, by a task that is SCHED_FIFO
 * meanwhile, to when the last target has run.
 *
 * Those of "hold" are the longest times for which the listener's lock is held: in
 * RECV and SEND, as the fd is closed, as the last task of the filter dies. They
 * take kprobes, and the cost of those is taken off. With -icount, a cycle is an
 * instruction.
 *
 * Those of "smp" want several CPUs: they are left out with one, and are all that
 * is done with more unless named. "smp/time" says what contention costs, and is
 * the one to look at where there are more virtual CPUs than real ones.
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
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))

/* The system call that the filter hands to the supervisor. */
#define NR_TRAPPED	__NR_getppid

/* Enough for a thread that makes system calls and nothing else. */
#define TINY_STACK	2048

/* So many targets that to ask /proc about each would take too long. */
#define MANY		100000

/* Other targets for which ADDFD is pending. */
#define MAX_PENDING	64

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
	/* Threads of the crowd that have got to their system call, or in ADDFD. */
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

static int set_filter(unsigned int action, unsigned int flags, int listener)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_TRAPPED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	/* Without USE_LISTENER, the kernel looks at the first member alone. */
	struct seccomp_listener_fprog prog = {
		.fprog = { .len = ARRAY_SIZE(insns), .filter = insns },
		.listener = listener,
	};
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err(1, "no_new_privs");
	fd = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (fd < 0)
		err(1, "seccomp");
	return fd;
}

static int install_filter(void)
{
	return set_filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER, -1);
}

static void use_listener(int listener)
{
	set_filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_USE_LISTENER |
		   SECCOMP_FILTER_FLAG_ALLOW_NESTED_LISTENERS, listener);
}

/* Makes the system calls that are timed, after some that are not. */
static void make_calls(unsigned int count, long result)
{
	for (unsigned int i = 0; i < count + count / 10; i++) {
		if (i == count / 10)
			shared->start = now();
		if (syscall(NR_TRAPPED) != result)
			errx(1, "a system call has a wrong result");
	}
	shared->elapsed = now() - shared->start;
}

/* Makes system calls for as long as the answer says so. */
static int crowd_thread(void *arg)
{
	atomic_fetch_add(&shared->arrived, 1);
	while (syscall(NR_TRAPPED) == 1)
		;
	if (atomic_fetch_sub(&shared->gone, 1) == 1)
		shared->elapsed = now() - shared->start;
	while (syscall(__NR_ppoll, NULL, 0, NULL, NULL, 0))
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

	/* When the dynamic linker looks for it, that takes more than a tiny stack. */
	now();
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
			make_calls(order.count, 1);
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
 * Instead: what does without a supervisor, or has a tracer for one.
 */

/* A process that only makes system calls, of which its filter says @action. */
static pid_t start_filtered(unsigned int action, long result)
{
	pid_t pid = start_process();

	if (pid)
		return pid;

	set_filter(action, 0, -1);
	if (action == SECCOMP_RET_TRACE &&
	    (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP)))
		err(1, "PTRACE_TRACEME");
	make_calls(rounds, result);
	_exit(0);
}

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return status;
}

/* Reports what the process says that has come to its end. */
static void report_filtered(const char *name, int status)
{
	if (status)
		errx(1, "%s: the process failed", name);
	report_time(name, PLAIN, shared->elapsed, rounds);
}

static void filtered(const char *name, unsigned int param)
{
	report_filtered(name, wait_for(start_filtered(SECCOMP_RET_ALLOW, getpid())));
}

#ifdef __x86_64__
static void set_result(int sig, siginfo_t *info, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 1;
}

static void trap(const char *name, unsigned int param)
{
	struct sigaction action = { .sa_sigaction = set_result, .sa_flags = SA_SIGINFO };

	/* The process inherits it. */
	sigaction(SIGSYS, &action, NULL);
	report_filtered(name, wait_for(start_filtered(SECCOMP_RET_TRAP, 1)));
	signal(SIGSYS, SIG_DFL);
}

/* The tracer reads the registers, and has the system call skipped with a result. */
static void trace(const char *name, unsigned int param)
{
	pid_t pid = start_filtered(SECCOMP_RET_TRACE, 1);
	struct user_regs_struct regs;
	int status;

	wait_for(pid);
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESECCOMP))
		err(1, "PTRACE_SETOPTIONS");
	while (true) {
		if (ptrace(PTRACE_CONT, pid, NULL, NULL))
			err(1, "PTRACE_CONT");
		status = wait_for(pid);
		if (status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
			break;
		if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
			err(1, "PTRACE_GETREGS");
		regs.orig_rax = -1;
		regs.rax = 1;
		if (ptrace(PTRACE_SETREGS, pid, NULL, &regs))
			err(1, "PTRACE_SETREGS");
	}
	report_filtered(name, status);
}
#endif

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

/* Answers what @call has received, and receives the next. */
static void exchange(int listener, struct seccomp_notif_send_recv *call)
{
	call->flags = SECCOMP_NOTIF_SEND_RECV_SEND;
	call->resp.id = call->notif.id;
	call->resp.val = 1;
	memset(&call->notif, 0, sizeof(call->notif));
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND_RECV, call))
		err(1, "SEND_RECV");
}

static bool knows_send_recv(int listener)
{
	if (!ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND_RECV, NULL) || errno == EFAULT)
		return true;
	if (errno != EINVAL)
		err(1, "SEND_RECV");
	return false;
}

static bool has_send_recv(int listener, const char *name)
{
	if (knows_send_recv(listener))
		return true;
	printf("# %s: this kernel has no SEND_RECV\n", name);
	return false;
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

/* What a supervisor would look at; each process has its own. */
static char path[64];

static void serve_path_by_pid(int listener)
{
	char buf[sizeof(path)];
	struct iovec local = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct iovec remote = { .iov_base = path, .iov_len = sizeof(path) };
	struct seccomp_notif req;

	receive(listener, &req);
	if (process_vm_readv(req.pid, &local, 1, &remote, 1, 0) != sizeof(buf))
		err(1, "process_vm_readv");
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &req.id))
		err(1, "ID_VALID");
	answer(listener, req.id);
}

static void serve_path(int listener)
{
	char buf[sizeof(path)];
	struct seccomp_notif_mem mem = {
		.addr = (uintptr_t)path,
		.buf = (uintptr_t)buf,
		.len = sizeof(buf),
	};
	struct seccomp_notif req;

	receive(listener, &req);
	mem.id = req.id;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_MEM, &mem) != sizeof(buf))
		err(1, "MEM");
	answer(listener, req.id);
}

/* Has the target make its system calls, and serves them. */
static void serve_all(struct target *target, void (*how)(int listener))
{
	unsigned int total = rounds + rounds / 10;
	char done;

	give_order(target, RUN, rounds);
	for (unsigned int i = 0; i < total; i++)
		how(target->listener);
	read_all(target->answers, &done, sizeof(done));
}

static void measure_with(struct target *target, void (*how)(int listener),
			 const char *name, unsigned int param)
{
	serve_all(target, how);
	report_time(name, param, shared->elapsed, rounds);
}

/* The same by SEND_RECV, but for the first to be received and the last to be answered. */
static void measure_exchange(struct target *target, const char *name, unsigned int param)
{
	struct seccomp_notif_send_recv call = {};
	char done;

	give_order(target, RUN, rounds);
	receive(target->listener, &call.notif);
	for (unsigned int i = 1; i < rounds + rounds / 10; i++)
		exchange(target->listener, &call);
	answer(target->listener, call.notif.id);
	read_all(target->answers, &done, sizeof(done));
	report_time(name, param, shared->elapsed, rounds);
}

static void one_to_one(const char *name, unsigned int param)
{
	struct target target = start_target();

	measure_with(&target, serve, name, param);
	end_target(&target);
}

static void path_by_pid(const char *name, unsigned int param)
{
	struct target target = start_target();

	measure_with(&target, serve_path_by_pid, name, param);
	end_target(&target);
}

static void path_by_mem(const char *name, unsigned int param)
{
	struct target target = start_target();

	if (!ioctl(target.listener, SECCOMP_IOCTL_NOTIF_MEM, NULL) || errno == EFAULT)
		measure_with(&target, serve_path, name, param);
	else
		printf("# %s: this kernel has no MEM\n", name);
	end_target(&target);
}

static void send_recv(const char *name, unsigned int param)
{
	struct target target = start_target();

	if (has_send_recv(target.listener, name))
		measure_exchange(&target, name, param);
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

/* As many listeners as are asked for, the newest last; 0 if the kernel knows them not. */
static unsigned int make_listeners(int *listeners, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		listeners[i] = syscall(__NR_seccomp, SECCOMP_NEW_LISTENER, 0, NULL);
		if (listeners[i] < 0 && errno == EINVAL)
			return 0;
		if (listeners[i] < 0)
			err(1, "NEW_LISTENER");
	}
	return count;
}

/* Each supervisor lets the system call through, but for the last, which answers it. */
static void nested(const char *name, unsigned int depth)
{
	unsigned int total = rounds + rounds / 10;
	struct target target = { .listener = -1 };
	int orders[2], answers[2], *listeners;
	char done;

	listeners = calloc(depth, sizeof(*listeners));
	if (!listeners || pipe(orders) || pipe(answers))
		err(1, "pipe");
	if (!make_listeners(listeners, depth)) {
		printf("# %s/%u: this kernel has no nested listeners\n", name, depth);
		free(listeners);
		return;
	}

	target.pid = start_process();
	if (target.pid == 0) {
		for (unsigned int i = 0; i < depth; i++) {
			use_listener(listeners[i]);
			close(listeners[i]);
		}
		run_target(orders[0], answers[1]);
	}
	target.orders = orders[1];
	target.answers = answers[0];
	close(orders[0]);
	close(answers[1]);

	give_order(&target, RUN, rounds);
	for (unsigned int i = 0; i < total; i++) {
		for (unsigned int level = depth; level-- > 0;) {
			struct seccomp_notif_resp resp = {
				.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
			};
			struct seccomp_notif req;

			if (!level) {
				serve(listeners[level]);
				continue;
			}
			receive(listeners[level], &req);
			resp.id = req.id;
			if (ioctl(listeners[level], SECCOMP_IOCTL_NOTIF_SEND, &resp))
				err(1, "SEND");
		}
	}
	read_all(target.answers, &done, sizeof(done));
	report_time(name, depth, shared->elapsed, rounds);

	end_target(&target);
	for (unsigned int i = 0; i < depth; i++)
		close(listeners[i]);
	free(listeners);
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

/* Has that many threads wait for an answer, or be about to if they are MANY. */
static pid_t gather_crowd(struct target *target, unsigned int count)
{
	pid_t crowd;

	atomic_store(&shared->arrived, 0);
	atomic_store(&shared->gone, count);
	give_order(target, CROWD, count);
	read_all(target->answers, &crowd, sizeof(crowd));
	while (atomic_load(&shared->arrived) != count || (count < MANY && !sleeps(crowd))) {
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

/* Whether MANY can be delivered, each a task that takes less than six pages. */
static bool takes_many(int listener, const char *name)
{
	if (!knows_send_recv(listener))
		printf("# %s/%u: left out, RECV of C walks past all the others\n", name, MANY);
	else if (sysconf(_SC_AVPHYS_PAGES) < 6 * MANY)
		printf("# %s/%u: left out, there is not enough memory free\n", name, MANY);
	else
		return true;
	return false;
}

/*
 * Closes a listener, and is not preempted by who is woken. Otherwise the
 * scheduler decides by what came before, and a target costs more where it does
 * preempt: in C it runs into the lock too, and costs twice as much.
 */
static void close_unpreempted(int listener)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "SCHED_FIFO");
	close(listener);
	param.sched_priority = 0;
	if (sched_setscheduler(0, SCHED_OTHER, &param))
		err(1, "SCHED_OTHER");
}

/* Others are delivered, and not answered before the end. */
static void delivered(const char *name, unsigned int count)
{
	struct target target = start_target();
	struct seccomp_notif req;
	pid_t crowd = 0;
	uint64_t start;

	if (count == MANY && !takes_many(target.listener, name)) {
		end_target(&target);
		return;
	}
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
		close_unpreempted(target.listener);
		target.listener = -1;
		while (!shared->elapsed)
			usleep(1000);
		report("teardown", count, shared->elapsed, "ns");
		disband_crowd(crowd);
	}
	end_target(&target);
}

/* The same, and the target is served by SEND_RECV. */
static void send_recv_delivered(const char *name, unsigned int count)
{
	struct target target = start_target();
	struct seccomp_notif req;
	pid_t crowd;

	if (has_send_recv(target.listener, name)) {
		crowd = gather_crowd(&target, count);
		for (unsigned int i = 0; i < count; i++)
			receive(target.listener, &req);
		measure_exchange(&target, name, count);
		disband_crowd(crowd);
	}
	end_target(&target);
}

/* Several readers are blocked in RECV or SEND_RECV; whoever gets it answers. */
static void *reader_thread(void *arg)
{
	int listener = *(int *)arg;

	while (true)
		serve(listener);
	return NULL;
}

static void *exchanging_thread(void *arg)
{
	int listener = *(int *)arg;
	struct seccomp_notif_send_recv call = {};

	receive(listener, &call.notif);
	while (true)
		exchange(listener, &call);
	return NULL;
}

static pid_t start_threads(void *(*thread_main)(void *arg), void *arg, unsigned int count)
{
	pthread_attr_t attr;
	pid_t pid;

	pid = start_process();
	if (pid)
		return pid;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (unsigned int i = 0; i < count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, &attr, thread_main, arg))
			errx(1, "thread %u of %u", i, count);
	}
	for (;;)
		pause();
}

static void measure_threads(struct target *target, void *(*thread_main)(void *listener),
			    const char *name, unsigned int count)
{
	pid_t pid = start_threads(thread_main, &target->listener, count);
	char done;

	while (!sleeps(pid))
		usleep(1000);
	give_order(target, RUN, rounds);
	read_all(target->answers, &done, sizeof(done));
	report_time(name, count, shared->elapsed, rounds);
	kill_process(pid);
}

static void readers(const char *name, unsigned int count)
{
	struct target target = start_target();

	measure_threads(&target, reader_thread, name, count);
	end_target(&target);
}

static void send_recv_readers(const char *name, unsigned int count)
{
	struct target target = start_target();

	if (has_send_recv(target.listener, name))
		measure_threads(&target, exchanging_thread, name, count);
	end_target(&target);
}

/* What several threads request for targets that do not take it. */
struct requests {
	int listener;
	uint64_t ids[MAX_PENDING];
};

static void *requesting_thread(void *arg)
{
	const struct requests *requests = arg;
	struct seccomp_notif_addfd addfd = {
		.id = requests->ids[atomic_fetch_add(&shared->arrived, 1)],
		.srcfd = STDERR_FILENO,
	};

	ioctl(requests->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
	/* It should not have come back. */
	atomic_fetch_sub(&shared->arrived, 1);
	return NULL;
}

/*
 * In C, a target that is stopped or frozen is interrupted, and waits no longer. So
 * the others are not stopped, but never get the CPU.
 */
static void addfd_pending(const char *name, unsigned int count)
{
	const struct sched_param fifo = { .sched_priority = 1 }, other = {};
	struct target target = start_target();
	struct requests requests = { .listener = target.listener };
	pid_t crowd = count ? gather_crowd(&target, count) : 0;
	struct seccomp_notif req;
	unsigned int pending;
	pid_t threads;

	for (unsigned int i = 0; i < count; i++) {
		receive(target.listener, &req);
		requests.ids[i] = req.id;
	}
	atomic_store(&shared->arrived, 0);
	if (sched_setscheduler(target.pid, SCHED_FIFO, &fifo) ||
	    sched_setscheduler(0, SCHED_FIFO, &fifo)) {
		printf("# %s/%u: left out, it takes SCHED_FIFO\n", name, count);
	} else {
		/* Each runs until it sleeps: all are in ADDFD before the target is served. */
		threads = start_threads(requesting_thread, &requests, count);
		serve_all(&target, serve_with_fd);
		pending = atomic_load(&shared->arrived);
		sched_setscheduler(0, SCHED_OTHER, &other);
		kill_process(threads);
		if (pending == count)
			report_time(name, count, shared->elapsed, rounds);
		else
			printf("# %s/%u: left out, other targets got to run\n", name, count);
	}
	if (crowd)
		disband_crowd(crowd);
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
 * Several CPUs: how long it takes, and how often the scheduler had to act. Where
 * emulated CPUs take turns, the time says nothing, but the counts do.
 */

/*
 * How long the listener's lock is held at most. Each time that a mutex is taken
 * or released, kprobes say when and which; their own cost is that of a hold that
 * does next to nothing. The kernels take the lock by these functions only.
 */
static const char lock_probes[] =
	"p:locks/lock mutex_lock lock=$arg1:x64\n"
	"p:locks/lock_interruptible mutex_lock_interruptible lock=$arg1:x64\n"
	"p:locks/unlock mutex_unlock lock=$arg1:x64\n";

/* Of the task @pid; with cycles for a clock, which -icount makes instructions. */
static bool trace_locks(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return set_file(TRACEFS "tracing_on", "0") &&
	       set_file(TRACEFS "trace_clock", "x86-tsc") &&
	       set_file(TRACEFS "kprobe_events", lock_probes) &&
	       set_file(TRACEFS "set_event_pid", text) &&
	       set_file(TRACEFS "trace", "") &&
	       set_file(TRACEFS "events/locks/enable", "1") &&
	       set_file(TRACEFS "tracing_on", "1");
}

/* Returns the longest hold. */
static unsigned long longest_hold(void)
{
	struct {
		unsigned long long lock, since;
	} held[8] = {};
	unsigned long long lock, when, longest = 0;
	char *line, *rest, event[24];

	set_file(TRACEFS "tracing_on", "0");
	rest = read_trace();
	while ((line = strsep(&rest, "\n"))) {
		unsigned int i, free = 0;

		/* program-123 [000] d..1. 456789: lock: (mutex_lock+0x0/0x20) lock=0xff */
		if (*line == '#' ||
		    sscanf(line, "%*s %*s %*s %llu: %23[a-z_]: %*[^=]=%llx",
			   &when, event, &lock) != 3)
			continue;
		for (i = 0; i < ARRAY_SIZE(held) && held[i].lock != lock; i++) {
			if (!held[i].lock)
				free = i;
		}
		if (*event == 'l') {
			if (i == ARRAY_SIZE(held))
				i = free;
			held[i].lock = lock;
			held[i].since = when;
		} else if (i < ARRAY_SIZE(held)) {
			if (when - held[i].since > longest)
				longest = when - held[i].since;
			held[i].lock = 0;
		}
	}
	set_file(TRACEFS "events/locks/enable", "0");
	set_file(TRACEFS "set_event_pid", " ");
	set_file(TRACEFS "kprobe_events", " ");
	set_file(TRACEFS "trace_clock", "local");
	set_file(TRACEFS "tracing_on", "1");
	return longest;
}

/* It is as small as one that does nothing can be. 0 if holds cannot be measured. */
static unsigned long empty_hold(int listener, const char *name)
{
	if (!trace_locks(getpid())) {
		printf("# %s: left out, it takes kprobe events and a clock of cycles\n", name);
		return 0;
	}
	for (int i = 0; i < 10; i++)
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 0UL);
	return longest_hold();
}

/* In a round trip with others delivered and unanswered, and when all are closed. */
static void hold(const char *name, unsigned int count)
{
	struct target target = start_target();
	unsigned long least = empty_hold(target.listener, name);
	struct seccomp_notif req;
	pid_t crowd;
	char done;

	if (!least) {
		end_target(&target);
		return;
	}
	crowd = gather_crowd(&target, count);
	for (unsigned int i = 0; i < count; i++)
		receive(target.listener, &req);

	trace_locks(getpid());
	for (unsigned int i = 0; i < 10; i++) {
		give_order(&target, RUN, 1);
		serve(target.listener);
		read_all(target.answers, &done, sizeof(done));
	}
	report("hold/round-trip", count, longest_hold() - least, "cycles");

	shared->elapsed = 0;
	trace_locks(getpid());
	close(target.listener);
	target.listener = -1;
	report("hold/close", count, longest_hold() - least, "cycles");
	while (!shared->elapsed)
		usleep(1000);
	disband_crowd(crowd);
	end_target(&target);
}

/* When the last task of the filter is gone, and threads wait in RECV. */
static void hold_unused(const char *name, unsigned int count)
{
	struct target target = start_target();
	unsigned long least = empty_hold(target.listener, name);
	pid_t readers;

	if (!least) {
		end_target(&target);
		return;
	}
	readers = start_threads(reader_thread, &target.listener, count);
	while (!sleeps(readers))
		usleep(1000);
	trace_locks(target.pid);
	kill_process(target.pid);
	report("hold/unused", count, longest_hold() - least, "cycles");
	kill_process(readers);
	close(target.listener);
	close(target.orders);
	close(target.answers);
}

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
	/* Of the last one, this stays. */
	shared->elapsed = now() - shared->start;
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
	shared->start = now();
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
	report_time("smp/time", PLAIN, shared->elapsed, rounds * SMP_TARGETS);
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
	{ "instead/filtered", PLAIN, filtered },
#ifdef __x86_64__
	{ "instead/trap", PLAIN, trap },
	{ "instead/ptrace", PLAIN, trace },
#endif
	{ "one-to-one", PLAIN, one_to_one },
	{ "sync-wake-up", PLAIN, sync_wake_up },
	{ "send-recv", PLAIN, send_recv },
	{ "path/process_vm_readv", PLAIN, path_by_pid },
	{ "path/mem", PLAIN, path_by_mem },
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
	{ "send-recv-delivered", 10000, send_recv_delivered },
	{ "send-recv-readers", 64, send_recv_readers },
	{ "addfd-pending", 0, addfd_pending },
	{ "addfd-pending", MAX_PENDING, addfd_pending },
	{ "nested", 2, nested },
	{ "nested", 4, nested },
	{ "nested", 8, nested },
	{ "nested", 32, nested },
	{ "memory", PLAIN, memory },
	{ "hold", 100, hold },
	{ "hold", 10000, hold },
	{ "hold-unused", 64, hold_unused },
	{ "hold-unused", 128, hold_unused },
	/* The last, as it takes a while until all that it leaves is freed. */
	{ "delivered", MANY, delivered },
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
