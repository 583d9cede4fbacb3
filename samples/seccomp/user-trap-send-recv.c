// SPDX-License-Identifier: GPL-2.0
/*
 * A supervisor whose loop is one ioctl(): SECCOMP_IOCTL_NOTIF_SEND_RECV sends
 * the answer to one notification, and waits for the next.
 *
 * The targets are three children of this program that draw numbers: getppid()
 * is handed to the supervisor, which returns the next number each time.
 *
 * Where the kernel does not know SEND_RECV, the supervisor does in two steps
 * what this does in one. So its loop is the same on each kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#define SEND	SECCOMP_NOTIF_SEND_RECV_SEND
#define GONE	SECCOMP_NOTIF_SEND_RECV_GONE

#define TARGETS	3
#define DRAWS	1000		/* of each target */

static bool knows_send_recv;
static unsigned int ioctls;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Hands getppid() of this task, and of its children, to a listener. */
static int install_listener(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1),
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

static void run_target(void)
{
	unsigned long sum = 0;
	long number = 0;
	int i;

	for (i = 0; i < DRAWS; i++) {
		number = syscall(__NR_getppid);
		if (number < 0)
			die("getppid");
		sum += number;
	}
	printf("target %d: drew %d numbers, the last was %ld, their sum is %lu\n",
	       getpid(), DRAWS, number, sum);
	exit(0);
}

/*
 * Starts the targets, and returns their listener.
 *
 * The supervisor must not have the filter: it is to hear when the last task
 * that has it is gone. So a child installs it, and leaves it to the targets. It
 * has no table of fds of its own, so that its listener is ours as well; its
 * exit status says which fd that is. (user-trap-launcher.c does not need this
 * where the kernel lets a supervisor make its listener first.)
 */
static int start_targets(void)
{
	struct clone_args args = {
		.flags = CLONE_FILES,
		.exit_signal = SIGCHLD,
	};
	int i, listener, status;
	pid_t child;

	child = syscall(__NR_clone3, &args, sizeof(args));
	if (child < 0)
		die("clone3");
	if (!child) {
		listener = install_listener();
		if (listener < 0)
			die("the filter could not be installed");
		for (i = 0; i < TARGETS; i++) {
			child = fork();
			if (child < 0)
				die("fork");
			if (!child) {
				/* A copy: these do have a table of their own. */
				close(listener);
				run_target();
			}
		}
		_exit(listener);
	}
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) <= STDERR_FILENO)
		exit(1);
	return WEXITSTATUS(status);
}

static int count_ioctl(int listener, unsigned long cmd, void *arg)
{
	ioctls++;
	return ioctl(listener, cmd, arg);
}

/*
 * Answers a notification if the flags say so, and receives the next. What
 * SEND_RECV promises holds for the two steps, too: whatever the call fails with,
 * SEND says whether the answer is still to be sent.
 */
static int send_recv(int listener, struct seccomp_notif_send_recv *call)
{
	if (knows_send_recv)
		return count_ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND_RECV,
				   call);

	if (call->flags & SEND) {
		if (!count_ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND,
				 &call->resp))
			call->flags = 0;
		else if (errno == ENOENT)
			call->flags = GONE;
		else
			return -1;
	}
	return count_ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call->notif);
}

/*
 * RECV fails with ENOENT when the last target is gone. In C it does so as well
 * when a target went away before it was received.
 */
static bool all_are_gone(int listener)
{
	struct pollfd pollfd = { .fd = listener };

	return poll(&pollfd, 1, 0) == 1 && (pollfd.revents & POLLHUP);
}

static void supervise(int listener)
{
	struct seccomp_notif_send_recv call = {};
	unsigned int number = 0, gone = 0;

	for (;;) {
		if (send_recv(listener, &call)) {
			/*
			 * A signal for us: once more, with the same memory. If
			 * the answer was sent, SEND is cleared by now.
			 */
			if (errno == EINTR)
				continue;
			/* Another thread's answer was there first: just receive. */
			if (errno == EINPROGRESS) {
				call.flags = 0;
				continue;
			}
			if (errno == ENOENT) {
				if (all_are_gone(listener))
					break;
				continue;
			}
			die("SEND_RECV");
		}
		/* Whoever was to have that answer did not wait for it. */
		if (call.flags & GONE)
			gone++;

		/* This is where a real supervisor looks at call.notif.data. */
		call.flags = SEND;
		call.resp = (struct seccomp_notif_resp) {
			.id = call.notif.id,
			.val = ++number,
		};
		/* The kernel refuses a buffer that is not zero. */
		memset(&call.notif, 0, sizeof(call.notif));
	}
	if (call.flags & GONE)
		gone++;
	printf("supervisor: %u numbers, %u of them for nobody, took %u ioctls by %s\n",
	       number, gone, ioctls,
	       knows_send_recv ? "SEND_RECV" : "RECV and SEND");
}

int main(void)
{
	int listener;

	/* The targets outlive the child that starts them: they become ours. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		die("PR_SET_CHILD_SUBREAPER");
	listener = start_targets();

	/* A null pointer does nothing: it asks whether the ioctl is known. */
	knows_send_recv = ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND_RECV, NULL) &&
			  errno == EFAULT;
	supervise(listener);
	close(listener);

	while (wait(NULL) > 0)
		;
	return 0;
}
