// SPDX-License-Identifier: GPL-2.0
/*
 * A supervisor and its target, side by side: what each of them sees of four
 * system calls that the target's filter hands to the supervisor.
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
#include <unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define COLUMN 44

static const char *const denied = "/tmp/not-here";
static const char *const allowed = "/tmp/but-here";
static const char *const absent = "/there/is/no/such/file";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* One line, in the left column or the right, in a single write. */
__attribute__((format(printf, 2, 3)))
static void line(int right, const char *format, ...)
{
	char text[256], out[400];
	va_list args;
	int n;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (right)
		n = snprintf(out, sizeof(out), "%*s | %s\n", COLUMN, "", text);
	else
		n = snprintf(out, sizeof(out), "%-*s |\n", COLUMN, text);
	if (write(STDOUT_FILENO, out, n) != n)
		exit(1);
}

#define supervisor_says(...) line(0, __VA_ARGS__)
#define target_says(...) line(1, __VA_ARGS__)

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

/* Hands mkdir, getppid and openat to the supervisor; the rest runs freely. */
static int install_filter(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mkdir, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("prctl");
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
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

/* The path a target passed, or "" if it cannot be had. */
static void read_path(int listener, const struct seccomp_notif *req,
		      uint64_t address, char *path, size_t size)
{
	/* Short of the page's end, as the next page may not be mapped. */
	size_t length = 4096 - address % 4096 < size ? 4096 - address % 4096 : size - 1;
	struct iovec local = { path, length };
	struct iovec remote = { (void *)(uintptr_t)address, length };
	ssize_t n;

	n = process_vm_readv(req->pid, &local, 1, &remote, 1, 0);
	path[n < 0 ? 0 : n] = '\0';
	/* The pid may be another process's by now, unless the target waits still. */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &req->id))
		path[0] = '\0';
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
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) && errno != ENOENT)
		die("SECCOMP_IOCTL_NOTIF_SEND");
}

static void supervise(int listener)
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
	supervisor_says("%d system calls answered", answered);
	exit(answered == 4 ? 0 : 1);
}

int main(void)
{
	char rule[2 * COLUMN + 4];
	int socks[2];
	pid_t pid;

	setvbuf(stdout, NULL, _IONBF, 0);
	memset(rule, '-', sizeof(rule) - 1);
	rule[sizeof(rule) - 1] = '\0';
	rule[COLUMN + 1] = '+';
	printf("%-*s | %s\n%s\n", COLUMN, "supervisor", "target", rule);

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks))
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		target(socks[1]);
	}
	close(socks[1]);
	/* A zombie still uses its filter: have it reaped, or there is no hang-up. */
	signal(SIGCHLD, SIG_IGN);
	supervise(recv_fd(socks[0]));
}
