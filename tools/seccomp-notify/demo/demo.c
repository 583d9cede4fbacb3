// SPDX-License-Identifier: GPL-2.0
/*
 * A supervisor and its target, side by side: what each of them sees of four
 * system calls that the target's filter hands to the supervisor.
 *
 * "demo nested" shows one supervisor inside another, and "demo born" a target
 * that has a supervisor from the start. "demo takeover launcher count" kills
 * supervisors, and has others take over. Where the kernel does not know what they
 * need, they say so.
 *
 * It uses nothing but the documented interface, so it runs on any
 * implementation of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define COLUMN 44

static const char *const denied = "/tmp/not-here";
static const char *const allowed = "/tmp/but-here";
static const char *const absent = "/there/is/no/such/file";
static const char *const words = "nothing was sent for this";

/* Which of several supervisors this process is. */
static const char *role = "";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/*
 * One line, in the left column or the right, in a single system call: writev(),
 * as one of the targets has write() trapped.
 */
__attribute__((format(printf, 2, 3)))
static void line(int right, const char *format, ...)
{
	struct iovec iov;
	char text[256], out[400];
	va_list args;
	int n;

	n = right ? 0 : snprintf(text, sizeof(text), "%s", role);
	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - n, format, args);
	va_end(args);
	if (right)
		n = snprintf(out, sizeof(out), "%*s | %s\n", COLUMN, "", text);
	else
		n = snprintf(out, sizeof(out), "%-*s |\n", COLUMN, text);
	iov = (struct iovec) { out, n };
	if (writev(STDOUT_FILENO, &iov, 1) != n)
		exit(1);
}

#define supervisor_says(...) line(0, __VA_ARGS__)
#define target_says(...) line(1, __VA_ARGS__)

static void print_header(const char *left)
{
	char rule[2 * COLUMN + 4];

	memset(rule, '-', sizeof(rule) - 1);
	rule[sizeof(rule) - 1] = '\0';
	rule[COLUMN + 1] = '+';
	printf("%-*s | %s\n%s\n", COLUMN, left, "target", rule);
}

/* Returns 0 in the new process, which does not outlive this one. */
static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	if (sendmsg(sock, &msg, 0) != 1)
		die("sendmsg");
}

static int recv_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* Has the kernel ask a supervisor about one system call, or three at most. */
struct program {
	struct sock_filter filter[8];
	struct sock_fprog fprog;
};

static void write_program(struct program *program, int count, const int *numbers)
{
	const struct sock_filter arch[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, count + 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	const struct sock_filter actions[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_filter *next = program->filter;
	int i;

	memcpy(next, arch, sizeof(arch));
	next += 3;
	for (i = count - 1; i >= 0; i--)
		*next++ = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, *numbers++, i, !i);
	memcpy(next, actions, sizeof(actions));
	program->fprog.len = count + 5;
	program->fprog.filter = program->filter;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("prctl");
}

/* Hands mkdir, getppid and openat to the supervisor; the rest runs freely. */
static int install_filter(void)
{
	const int numbers[] = { __NR_mkdir, __NR_getppid, __NR_openat };
	struct program program;

	write_program(&program, 3, numbers);
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER, &program.fprog);
}

/* Hands one system call to the supervisor who has made this listener. */
static void use_listener(int listener, int number, unsigned int flags)
{
	struct seccomp_listener_fprog args = { .listener = listener };
	struct program program;

	write_program(&program, 1, &number);
	args.fprog.len = program.fprog.len;
	args.fprog.filter = program.fprog.filter;
	if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_USE_LISTENER | flags, &args))
		die("SECCOMP_FILTER_FLAG_USE_LISTENER");
	close(listener);
}

/* A listener that no filter uses yet. Without them, there is nothing to show. */
static int new_listener(void)
{
	int listener = syscall(__NR_seccomp, SECCOMP_NEW_LISTENER, 0, NULL);

	if (listener < 0 && errno == EINVAL) {
		printf("This kernel does not know it: there is nothing to show.\n");
		exit(0);
	}
	if (listener < 0)
		die("SECCOMP_NEW_LISTENER");
	return listener;
}

static void target(int sock)
{
	struct stat st;
	char text[64];
	int listener, fd, n;

	listener = install_filter();
	if (listener < 0)
		die("seccomp");
	send_fd(sock, listener);
	close(listener);

	target_says("mkdir(\"%s\")", denied);
	n = mkdir(denied, 0700);
	target_says("  = %d %s", n, n ? strerrorname_np(errno) : "");

	target_says("getppid()");
	n = syscall(__NR_getppid);
	target_says("  = %d", n);

	target_says("mkdir(\"%s\")", allowed);
	n = mkdir(allowed, 0700);
	target_says("  = %d, and the directory %s", n,
		    stat(allowed, &st) ? "is not there" : "is there");

	target_says("openat(\"%s\")", absent);
	fd = syscall(__NR_openat, AT_FDCWD, absent, O_RDONLY, 0);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text));
	target_says("  = %d, which reads \"%.*s\"", fd, n, text);

	target_says("exit");
	rmdir(allowed);
	_exit(0);
}

/* What a target has in its memory, or "" if it cannot be had. */
static void read_text(int listener, const struct seccomp_notif *req,
		      uint64_t address, size_t length, char *text)
{
	struct iovec local = { text, length };
	struct iovec remote = { (void *)(uintptr_t)address, length };
	ssize_t n;

	n = process_vm_readv(req->pid, &local, 1, &remote, 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	/* The pid may be another process's by now, unless the target waits still. */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &req->id))
		text[0] = '\0';
}

/* The path a target passed, or "" if it cannot be had. */
static void read_path(int listener, const struct seccomp_notif *req,
		      uint64_t address, char *path, size_t size)
{
	/* Short of the page's end, as the next page may not be mapped. */
	size_t length = 4096 - address % 4096 < size ? 4096 - address % 4096 : size - 1;

	read_text(listener, req, address, length, path);
}

static void reply(int listener, const struct seccomp_notif_resp *resp)
{
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, resp) && errno != ENOENT)
		die("SECCOMP_IOCTL_NOTIF_SEND");
}

static int text_file(const char *text)
{
	int fd = memfd_create("injected", 0);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET))
		die("memfd");
	return fd;
}

static void answer(int listener, const struct seccomp_notif *req)
{
	struct seccomp_notif_resp resp = { .id = req->id };
	struct seccomp_notif_addfd addfd = { .id = req->id };
	char path[64] = "";
	int fd;

	switch (req->data.nr) {
	case __NR_mkdir:
		read_path(listener, req, req->data.args[0], path, sizeof(path));
		supervisor_says("pid %u: mkdir(\"%s\")", req->pid, path);
		/*
		 * CONTINUE is no policy: the target can change the path after it
		 * was looked at.  It is for calls that may run in any case.
		 */
		if (strcmp(path, allowed)) {
			supervisor_says("  denied, with EPERM");
			resp.error = -EPERM;
		} else {
			supervisor_says("  let through, with CONTINUE");
			resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		}
		break;
	case __NR_getppid:
		supervisor_says("pid %u: getppid()", req->pid);
		supervisor_says("  emulated: 4242");
		resp.val = 4242;
		break;
	case __NR_openat:
		read_path(listener, req, req->data.args[1], path, sizeof(path));
		supervisor_says("pid %u: openat(\"%s\")", req->pid, path);
		fd = text_file("made by the supervisor");
		addfd.srcfd = fd;
		addfd.flags = SECCOMP_ADDFD_FLAG_SEND;
		supervisor_says("  answered with an fd of its own");
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd) < 0)
			die("SECCOMP_IOCTL_NOTIF_ADDFD");
		close(fd);
		return;
	}
	reply(listener, &resp);
}

/* Answers until there is no target left. Returns whether it was so often. */
static int supervise(int listener, int expected,
		     void (*answer)(int listener, const struct seccomp_notif *req))
{
	struct pollfd pollfd = { .fd = listener, .events = POLLIN };
	struct seccomp_notif req;
	int answered = 0;

	for (;;) {
		if (poll(&pollfd, 1, -1) < 0)
			die("poll");
		if (pollfd.revents & POLLHUP)
			break;
		memset(&req, 0, sizeof(req));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req)) {
			if (errno == ENOENT || errno == EINTR)
				continue;
			die("SECCOMP_IOCTL_NOTIF_RECV");
		}
		answer(listener, &req);
		answered++;
	}
	supervisor_says("hang-up: the last target is gone");
	supervisor_says("%d system call%s answered", answered, answered == 1 ? "" : "s");
	return answered == expected;
}

static int four_calls(void)
{
	int socks[2];

	print_header("supervisor");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks))
		die("socketpair");
	if (!start())
		target(socks[1]);
	close(socks[1]);
	/* No wait(): a task lets go of its filter early in its exit, before it is a zombie. */
	return supervise(recv_fd(socks[0]), 4, answer);
}

static void nested_target(void)
{
	int n;

	target_says("mkdir(\"%s\")", denied);
	n = mkdir(denied, 0700);
	target_says("  = %d %s", n, n ? strerrorname_np(errno) : "");

	target_says("mkdir(\"%s\")", allowed);
	n = mkdir(allowed, 0700);
	target_says("  = %d %s", n, n ? strerrorname_np(errno) : "");

	target_says("exit");
	_exit(0);
}

static void answer_inside(int listener, const struct seccomp_notif *req)
{
	struct seccomp_notif_resp resp = { .id = req->id };
	char path[64];

	read_path(listener, req, req->data.args[0], path, sizeof(path));
	supervisor_says("pid %u: mkdir(\"%s\")", req->pid, path);
	if (strcmp(path, denied)) {
		supervisor_says("  denied, with EACCES");
		resp.error = -EACCES;
	} else {
		supervisor_says("  let through, with CONTINUE");
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	}
	reply(listener, &resp);
}

static void answer_outside(int listener, const struct seccomp_notif *req)
{
	struct seccomp_notif_resp resp = { .id = req->id, .error = -EPERM };
	char path[64];

	read_path(listener, req, req->data.args[0], path, sizeof(path));
	supervisor_says("pid %u: mkdir(\"%s\")", req->pid, path);
	supervisor_says("  denied, with EPERM");
	reply(listener, &resp);
}

/* The supervisor inside lives under the filter of the one outside. */
static int nested(void)
{
	int outside = new_listener(), inside, status;
	pid_t pid;

	print_header("two supervisors, one inside the other");
	pid = start();
	if (!pid) {
		use_listener(outside, __NR_mkdir,
			     SECCOMP_FILTER_FLAG_ALLOW_NESTED_LISTENERS);
		inside = new_listener();
		if (!start()) {
			use_listener(inside, __NR_mkdir, 0);
			nested_target();
		}
		role = "inside: ";
		_exit(!supervise(inside, 2, answer_inside));
	}
	role = "outside: ";
	if (!supervise(outside, 1, answer_outside))
		return 0;
	return waitpid(pid, &status, 0) == pid && !status;
}

static void answer_write(int listener, const struct seccomp_notif *req)
{
	struct seccomp_notif_resp resp = { .id = req->id };
	uint64_t length = req->data.args[2];
	char text[64];

	if (length > sizeof(text) - 1)
		length = sizeof(text) - 1;
	read_text(listener, req, req->data.args[1], length, text);
	supervisor_says("pid %u: write(\"%s\")", req->pid, text);
	supervisor_says("  done for it");
	resp.val = strlen(text);
	reply(listener, &resp);
}

static int born(void)
{
	int listener = new_listener(), n;

	print_header("supervisor");
	supervisor_says("has a listener, and starts a target");
	if (!start()) {
		use_listener(listener, __NR_write, SECCOMP_FILTER_FLAG_WAIT_KILLABLE);
		target_says("has a filter that traps write");
		target_says("write(\"%s\")", words);
		n = write(STDOUT_FILENO, words, strlen(words));
		target_says("  = %d", n);
		target_says("exit");
		_exit(0);
	}
	return supervise(listener, 1, answer_write);
}

/*
 * Supervisors that are killed, and others that take over
 */

#define CALLERS 8

/* Calls sethostname() until told to stop; each call is to succeed. */
static void call_until(const int *stop)
{
	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		if (sethostname("elsewhere", 9))
			_exit(1);
	}
	_exit(0);
}

static pid_t start_supervisor(const char *launcher, int listener)
{
	char number[12];
	pid_t pid = start();
	int null;

	if (pid)
		return pid;
	null = open("/dev/null", O_WRONLY);
	if (null < 0 || dup2(null, STDERR_FILENO) < 0)
		die("/dev/null");
	/* The copy is not close-on-exec. */
	listener = dup(listener);
	if (listener < 0)
		die("dup");
	snprintf(number, sizeof(number), "%d", listener);
	execl(launcher, launcher, "--take-over", number, NULL);
	die(launcher);
	return -1;
}

static int takeover(const char *launcher, int count)
{
	int listener = new_listener(), status, failed = 0, *stop;
	pid_t callers[CALLERS], supervisor;
	int i;

	stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stop == MAP_FAILED)
		die("mmap");
	for (i = 0; i < CALLERS; i++) {
		callers[i] = start();
		if (!callers[i]) {
			use_listener(listener, __NR_sethostname,
				     SECCOMP_FILTER_FLAG_WAIT_KILLABLE);
			call_until(stop);
		}
	}
	for (i = 0; i < count; i++) {
		supervisor = start_supervisor(launcher, listener);
		usleep(rand() % 20000);
		kill(supervisor, SIGKILL);
		if (waitpid(supervisor, &status, 0) != supervisor ||
		    !WIFSIGNALED(status)) {
			printf("a supervisor ended by itself: %#x\n", status);
			failed = 1;
			break;
		}
	}
	/* The last one serves until there is nobody left. */
	supervisor = start_supervisor(launcher, listener);
	__atomic_store_n(stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < CALLERS; i++) {
		if (waitpid(callers[i], &status, 0) != callers[i] || status)
			failed++;
	}
	if (waitpid(supervisor, &status, 0) != supervisor || status)
		failed = 1;
	printf("%d supervisors were killed, and %d of %d targets got a wrong answer\n",
	       count, failed, CALLERS);
	return !failed;
}

int main(int argc, char **argv)
{
	const char *scene = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IONBF, 0);
	/* A listener whose filter is never installed does not hang up. */
	alarm(300);
	if (!strcmp(scene, "nested"))
		return !nested();
	if (!strcmp(scene, "born"))
		return !born();
	if (!strcmp(scene, "takeover") && argc == 4)
		return !takeover(argv[2], atoi(argv[3]));
	return !four_calls();
}
