// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command under a supervisor that is there before it:
 *
 *	user-trap-launcher sh -c 'hostname elsewhere && uname -n'
 *
 * The filter hands sethostname() to the supervisor, which says who calls it and
 * answers 0: the command believes that the machine has a new name.
 *
 * The supervisor makes its listener first. The child inherits it, installs its
 * filter with it, and executes the command. Nothing has to be sent after the
 * filter is installed, so that a filter may trap any system call: whichever the
 * child makes next, somebody answers it.
 *
 * A kernel that does not know SECCOMP_NEW_LISTENER makes a listener together
 * with its filter, in the child. To send it to the supervisor the child would
 * need system calls: if the filter traps one of them, the child waits for a
 * supervisor that waits for the child. So the child has no table of fds of its
 * own (CLONE_FILES): what the kernel puts in there is its parent's, too. It
 * tells the number through memory that both share. execve() gives the command a
 * table of its own.
 *
 * A supervisor that crashes, or is upgraded, leaves targets behind that wait for
 * an answer. Somebody who has kept the listener, such as a service manager, can
 * hand it to another one:
 *
 *	user-trap-launcher --take-over 3
 *
 * serves the listener that is fd 3, and first has everything received once more
 * that the one before had received and not answered. This takes a kernel that
 * knows SECCOMP_IOCTL_NOTIF_REQUEUE.
 *
 * The exit status is that of the command, or 128 and the signal that killed it,
 * or 126 or 127 if it could not be executed, or 125 if something failed here.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

/* Which system call a number stands for depends on this. */
#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#elif defined(__s390x__)
#define NATIVE_ARCH AUDIT_ARCH_S390X
#else
#define NATIVE_ARCH 0
#endif

#define X32_NUMBERS 0x40000000
#define MAX_NAME 64		/* as in the kernel */

/* The structures may be larger in the kernel than they are here. */
static struct seccomp_notif *req;
static struct seccomp_notif_resp *resp;
static struct seccomp_notif_sizes sizes;

/* The listener, as the child says when its filter is installed; -1 before. */
static int *installed;

/* The command. */
static int pidfd;

static void die(const char *what)
{
	perror(what);
	exit(125);
}

static size_t max(size_t a, size_t b)
{
	return a > b ? a : b;
}

static int seccomp(unsigned int op, unsigned int flags, void *args)
{
	return syscall(__NR_seccomp, op, flags, args);
}

/* An ioctl() that some kernels interrupt before it has done anything. */
static int ioctl_again(int fd, unsigned long cmd, void *arg)
{
	int ret;

	do
		ret = ioctl(fd, cmd, arg);
	while (ret && errno == EINTR);
	return ret;
}

/*
 * Hands sethostname() of this task, and of what it becomes and starts, to a
 * supervisor. Returns the listener: the one that was given, or a new one if that
 * is -1.
 *
 * Who calls sethostname() does not expect EINTR, so that signals are to wait for
 * the answer.
 */
static int install_filter(int listener)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		/* x86-64 has most system calls a second time. */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_NUMBERS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sethostname, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct seccomp_listener_fprog prog = {
		.fprog.len = sizeof(filter) / sizeof(filter[0]),
		.fprog.filter = filter,
		.listener = listener,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	if (listener < 0) {
		listener = seccomp(SECCOMP_SET_MODE_FILTER,
				   SECCOMP_FILTER_FLAG_NEW_LISTENER |
				   SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
				   &prog.fprog);
		/* Linux 5.19 has that flag, and 5.0 has listeners. */
		if (listener < 0 && errno == EINVAL)
			listener = seccomp(SECCOMP_SET_MODE_FILTER,
					   SECCOMP_FILTER_FLAG_NEW_LISTENER,
					   &prog.fprog);
		return listener;
	}
	if (seccomp(SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_USE_LISTENER |
		    SECCOMP_FILTER_FLAG_WAIT_KILLABLE, &prog))
		return -1;
	return listener;
}

/* The child. */
static void run(int listener, char **argv)
{
	int error;

	listener = install_filter(listener);
	if (listener < 0)
		die("the filter could not be installed");
	__atomic_store_n(installed, listener, __ATOMIC_RELEASE);

	/* A listener is close-on-exec: the command does not have it. */
	execvp(argv[0], argv);
	error = errno;
	perror(argv[0]);
	_exit(error == ENOENT ? 127 : 126);
}

/*
 * Reads @len bytes at @addr of the target that waits for the answer to *req.
 * Returns how many, or a negative errno.
 */
static ssize_t read_target(int listener, uintptr_t addr, void *buf, size_t len)
{
	struct seccomp_notif_mem mem = {
		.id = req->id,
		.addr = addr,
		.buf = (uintptr_t)buf,
		.len = len,
	};
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)addr, len };
	ssize_t n;

	n = ioctl(listener, SECCOMP_IOCTL_NOTIF_MEM, &mem);
	if (n < 0)
		n = -errno;
	/* That is what a kernel says which does not know it. */
	if (n != -EINVAL)
		return n;

	n = process_vm_readv(req->pid, &local, 1, &remote, 1, 0);
	if (n < 0)
		n = -errno;
	/*
	 * The target may have gone, and its pid have become another's. If it
	 * waits now, it did so all the time, and that was its memory.
	 */
	if (ioctl_again(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &req->id))
		return -ENOENT;
	return n;
}

/*
 * sethostname(), as the target is to see it. Returns 0 or a negative errno.
 *
 * The target can change its memory at any time, so that it is read once. Of
 * what it says nothing is trusted, not even to be printed.
 */
static int emulate_sethostname(int listener)
{
	char name[MAX_NAME];
	int i, length = (int)req->data.args[1];
	ssize_t n;

	if (length < 0 || length > MAX_NAME)
		return -EINVAL;
	n = read_target(listener, req->data.args[0], name, length);
	if (n != length)
		return n < 0 ? n : -EFAULT;

	for (i = 0; i < length; i++)
		if (!isprint((unsigned char)name[i]))
			name[i] = '?';
	fprintf(stderr, "supervisor: %u calls sethostname(\"%.*s\"), and gets 0\n",
		req->pid, length, name);
	return 0;
}

/* Takes a notification, and answers it. */
static void serve(int listener)
{
	/* The kernel refuses a buffer that is not zero. */
	memset(req, 0, sizes.seccomp_notif);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, req)) {
		/* A signal for us, or the target has gone meanwhile. */
		if (errno == EINTR || errno == ENOENT || errno == EAGAIN)
			return;
		die("NOTIF_RECV");
	}

	memset(resp, 0, sizes.seccomp_notif_resp);
	resp->id = req->id;
	resp->error = emulate_sethostname(listener);
	/* The target may be gone, or another supervisor's: then nobody minds. */
	if (ioctl_again(listener, SECCOMP_IOCTL_NOTIF_SEND, resp) &&
	    errno != ENOENT && errno != EINPROGRESS)
		die("NOTIF_SEND");
}

/*
 * Serves the command, and what it leaves behind when it ends, until no task has
 * the filter any more.
 */
static void supervise(int listener)
{
	struct pollfd fds[] = {
		{ .fd = listener, .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
	};

	/* A target that dies between poll() and RECV must not block us. */
	if (fcntl(listener, F_SETFL, O_NONBLOCK))
		die("O_NONBLOCK");

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno != EINTR)
				die("poll");
			continue;
		}
		if (fds[0].revents & POLLIN) {
			serve(listener);
		} else if (fds[0].revents & POLLHUP) {
			return;
		} else if (fds[1].revents) {
			/* A listener that no filter ever had does not hang up. */
			if (__atomic_load_n(installed, __ATOMIC_ACQUIRE) < 0)
				return;
			fds[1].fd = -1;
		}
	}
}

/* The old way. Returns the child's listener, or -1 if the child has failed. */
static int await_listener(void)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	/* Whatever the child would wake us with might be trapped. */
	while (__atomic_load_n(installed, __ATOMIC_ACQUIRE) < 0)
		if (poll(&ended, 1, 1) > 0)
			break;
	return __atomic_load_n(installed, __ATOMIC_ACQUIRE);
}

/* Serves a listener that another supervisor has served. */
static int take_over(int listener)
{
	struct seccomp_notif_requeue all = {
		.flags = SECCOMP_NOTIF_REQUEUE_ALL,
	};
	int count;

	count = ioctl(listener, SECCOMP_IOCTL_NOTIF_REQUEUE, &all);
	if (count < 0)
		die("NOTIF_REQUEUE");
	fprintf(stderr, "supervisor: takes over, with %d to be answered\n",
		count);
	/* Whose command it is does not matter. */
	pidfd = -1;
	supervise(listener);
	return 0;
}

static void pass_on(int signo)
{
	int error = errno;

	syscall(__NR_pidfd_send_signal, pidfd, signo, NULL, 0);
	errno = error;
}

int main(int argc, char **argv)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	int listener, status;
	pid_t child;

	if (argc < 2) {
		fprintf(stderr, "usage: %s command [argument]...\n"
			"       %s --take-over listener\n", argv[0], argv[0]);
		return 125;
	}
	if (!NATIVE_ARCH) {
		fprintf(stderr, "%s does not know this architecture\n", argv[0]);
		return 125;
	}

	if (seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes))
		die("GET_NOTIF_SIZES");
	req = calloc(1, max(sizes.seccomp_notif, sizeof(*req)));
	resp = calloc(1, max(sizes.seccomp_notif_resp, sizeof(*resp)));
	if (!req || !resp)
		die("calloc");
	if (argc == 3 && !strcmp(argv[1], "--take-over"))
		return take_over(atoi(argv[2]));
	installed = mmap(NULL, sizeof(*installed), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (installed == MAP_FAILED)
		die("mmap");
	*installed = -1;

	listener = seccomp(SECCOMP_NEW_LISTENER, 0, NULL);
	if (listener < 0) {
		if (errno != EINVAL)
			die("NEW_LISTENER");
		/* From here to execve(), what is opened is close-on-exec. */
		args.flags |= CLONE_FILES;
	}

	/* Whoever ignores this cannot wait for a child. */
	signal(SIGCHLD, SIG_DFL);
	child = syscall(__NR_clone3, &args, sizeof(args));
	if (child < 0)
		die("clone3");
	if (!child)
		run(listener, argv + 1);

	/* A terminal sends these to the command as well, which decides. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	/* As long as there is a command, there is a supervisor. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, pass_on);
	signal(SIGHUP, pass_on);

	if (listener < 0)
		listener = await_listener();
	if (listener >= 0)
		supervise(listener);

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
