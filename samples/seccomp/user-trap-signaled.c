// SPDX-License-Identifier: GPL-2.0
/*
 * A supervisor that does slow work for its targets, and drops it when they are
 * signalled.
 *
 * The target here is a child of this program, whose sleep the supervisor
 * emulates: clock_nanosleep() is done by a timer of the supervisor. A real one
 * would mount a file system, or ask a server. What matters is that the work
 * takes time, that the supervisor goes on to serve others meanwhile, and that a
 * signal to the target should not wait for it.
 *
 * Without SECCOMP_USER_NOTIF_FD_SIGNALED a signal aborts the system call behind
 * the supervisor's back, and if that is restarted, the work begins anew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define MAX_JOBS 16

/* The work for one notification: it is done when its time has come. */
struct job {
	bool active;
	uint64_t id;
	uint32_t pid;
	int64_t due;		/* in milliseconds */
};

static struct job jobs[MAX_JOBS];

/* The structures may be larger in the kernel than they are here. */
static struct seccomp_notif *req;
static struct seccomp_notif_resp *resp;
static struct seccomp_notif_sizes sizes;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static size_t max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Hands clock_nanosleep() of this task and its children to a listener. */
static int install_listener(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clock_nanosleep, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("PR_SET_NO_NEW_PRIVS");
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

static void send_fd(int sock, int fd)
{
	char buf[CMSG_SPACE(sizeof(int))] = {}, c = 0;
	struct iovec io = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = buf,
		.msg_controllen = sizeof(buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) < 0)
		die("sendmsg");
}

static int receive_fd(int sock)
{
	char buf[CMSG_SPACE(sizeof(int))] = {}, c;
	struct iovec io = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = buf,
		.msg_controllen = sizeof(buf),
	};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) < 0 || !CMSG_FIRSTHDR(&msg))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Answers with an error, or 0. The target may be gone: then nobody minds. */
static void answer(int listener, struct job *job, int error)
{
	memset(resp, 0, sizes.seccomp_notif_resp);
	resp->id = job->id;
	resp->error = error;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, resp) && errno != ENOENT)
		die("NOTIF_SEND");
	job->active = false;
}

/*
 * Reads how long the target wants to sleep, in milliseconds. The pid may be
 * another task's by now, and its memory be changed by other threads: the id is
 * checked after reading, and what was read is not read again.
 */
static int64_t sleep_time(int listener)
{
	struct timespec t;
	char path[32];
	ssize_t n;
	int mem;

	snprintf(path, sizeof(path), "/proc/%u/mem", req->pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		return -1;
	n = pread(mem, &t, sizeof(t), (off_t)req->data.args[2]);
	close(mem);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &req->id) ||
	    n != sizeof(t))
		return -1;
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void take(int listener)
{
	struct job *job = NULL, *free_job = NULL;
	int64_t duration;
	int i;

	for (i = 0; i < MAX_JOBS; i++) {
		if (jobs[i].active && jobs[i].id == req->id)
			job = &jobs[i];
		else if (!jobs[i].active)
			free_job = &jobs[i];
	}

	if (job) {
		/* It was delivered before, and comes again to tell that. */
		printf("supervisor: %u is signalled, its work is dropped\n",
		       job->pid);
		answer(listener, job, -EINTR);
		return;
	}

	job = free_job;
	if (!job) {
		struct job refused = { .id = req->id };

		answer(listener, &refused, -EAGAIN);
		return;
	}
	*job = (struct job) { .active = true, .id = req->id, .pid = req->pid };
	if (req->flags & SECCOMP_NOTIF_FLAG_SIGNALED) {
		printf("supervisor: %u was signalled before the work began\n",
		       job->pid);
		answer(listener, job, -EINTR);
		return;
	}

	duration = sleep_time(listener);
	if (duration < 0) {
		answer(listener, job, -EFAULT);
		return;
	}
	job->due = now() + duration;
	printf("supervisor: %u gets %lld ms of work\n", job->pid,
	       (long long)duration);
}

/* Takes notifications and finishes work, until there is no target left. */
static void supervise(int listener)
{
	for (;;) {
		struct pollfd pfd = { .fd = listener, .events = POLLIN };
		int64_t next = -1;
		int i;

		for (i = 0; i < MAX_JOBS; i++) {
			if (jobs[i].active && jobs[i].due <= now()) {
				printf("supervisor: the work for %u is done\n",
				       jobs[i].pid);
				answer(listener, &jobs[i], 0);
			}
			if (jobs[i].active && (next < 0 || jobs[i].due < next))
				next = jobs[i].due;
		}

		if (next >= 0)
			next = next > now() ? next - now() : 0;
		if (poll(&pfd, 1, (int)next) < 0 && errno != EINTR)
			die("poll");

		/* The kernel refuses a buffer that is not zero. */
		memset(req, 0, sizes.seccomp_notif);
		if (!(pfd.revents & (POLLIN | POLLHUP)))
			continue;
		if (!ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, req)) {
			take(listener);
			continue;
		}
		switch (errno) {
		case EINTR:	/* a signal to the supervisor */
		case EAGAIN:	/* the target went before it was received */
			break;
		case ENOENT:	/* there will be no more */
			return;
		default:
			die("NOTIF_RECV");
		}
	}
}

static void on_alarm(int signo)
{
}

/* Sleeps twice: undisturbed, and with a signal in between. */
static int target(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_value.tv_usec = 200 * 1000 };
	struct timespec t = { .tv_nsec = 100 * 1000 * 1000 };
	int error;

	sigaction(SIGALRM, &action, NULL);

	error = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	printf("target: slept 100 ms: %s\n", strerror(error));
	if (error)
		return 1;

	setitimer(ITIMER_REAL, &timer, NULL);
	t = (struct timespec) { .tv_sec = 60 };
	error = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	printf("target: slept, with a signal after 200 ms: %s\n",
	       strerror(error));
	return error != EINTR;
}

int main(void)
{
	int sock[2], listener, status;
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (syscall(__NR_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes))
		die("GET_NOTIF_SIZES");
	req = calloc(1, max(sizes.seccomp_notif, sizeof(*req)));
	resp = calloc(1, max(sizes.seccomp_notif_resp, sizeof(*resp)));
	if (!req || !resp)
		die("calloc");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		die("socketpair");

	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		listener = install_listener();
		if (listener < 0)
			die("NEW_LISTENER");
		send_fd(sock[1], listener);
		/* As long as the target had it, the supervisor's end would not be the last. */
		close(listener);
		exit(target());
	}

	close(sock[1]);
	listener = receive_fd(sock[0]);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
		  SECCOMP_USER_NOTIF_FD_SIGNALED)) {
		if (errno != EINVAL)
			die("NOTIF_SET_FLAGS");
		printf("supervisor: this kernel does not tell of signals\n");
	}
	/* A target that dies between poll() and RECV must not block us. */
	if (fcntl(listener, F_SETFL, O_NONBLOCK))
		die("O_NONBLOCK");

	supervise(listener);

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
