// SPDX-License-Identifier: GPL-2.0
/*
 * A listener that is there before its filters: SECCOMP_NEW_LISTENER makes it,
 * and SECCOMP_FILTER_FLAG_USE_LISTENER installs a filter with it, or several,
 * those of processes that have nothing to do with each other. When it is used,
 * unused and closed, and what the supervisor hears of that.
 */
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "notify_slow.h"

#define ALLOW_NESTED	SECCOMP_FILTER_FLAG_ALLOW_NESTED_LISTENERS
#define KILLABLE	SECCOMP_FILTER_FLAG_WAIT_KILLABLE
#define KILLABLE_RECV	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define NEW_LISTENER	SECCOMP_FILTER_FLAG_NEW_LISTENER
#define TSYNC		SECCOMP_FILTER_FLAG_TSYNC
#define TSYNC_ESRCH	SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define USE_LISTENER	SECCOMP_FILTER_FLAG_USE_LISTENER

#define SYSCTL		"/proc/sys/kernel/seccomp/nested_listeners"

/* What the supervisor answers to a program: larger than any pid. */
#define ANSWER		0x7654321

static struct sock_filter allow_all[] = {
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static int seccomp_mode(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
}

static int use(struct seccomp_listener_fprog *args, unsigned int flags)
{
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags | USE_LISTENER, args);
}

/* A filter that traps nothing, so that this process may have it. */
static int use_for_nothing(int listener, unsigned int flags)
{
	return install_trapping(flags | USE_LISTENER, listener, NULL, 0);
}

/* RECV that does not wait, in a supervisor without another reader. */
static int recv_now(struct supervisor *sup, struct seccomp_notif *n)
{
	int ret = set_nonblock(sup);

	if (ret)
		return ret;
	ret = recv_notif(sup, n);
	if (fcntl(sup->listener, F_SETFL, O_RDWR))
		return -errno;
	return ret;
}

/* Nothing is queued, and a reader would wait. */
static void expect_waits(struct __test_metadata *_metadata,
			 struct supervisor *sup)
{
	struct seccomp_notif n;

	EXPECT_EQ(0, poll_now(sup));
	EXPECT_EQ(-EAGAIN, recv_now(sup, &n));
}

/* The last task of the last filter is gone. */
static void expect_unused(struct __test_metadata *_metadata,
			  struct supervisor *sup)
{
	struct seccomp_notif n;

	EXPECT_EQ(POLLHUP, poll_now(sup));
	EXPECT_EQ(-ENOENT, recv_now(sup, &n));
	/* Without O_NONBLOCK it is the same. */
	EXPECT_EQ(-ENOENT, recv_notif(sup, &n));
}

/* A user that comes and goes. */
static void use_once(struct __test_metadata *_metadata, struct supervisor *sup)
{
	struct target *t = spawn_user(_metadata, sup, use_and_exit_when_told,
				      0, 0);

	tell(t);
	reap(_metadata, t);
}

/*
 * The operation and the flag, known or not
 */

FIXTURE(interface)
{
	struct supervisor sup;
};

FIXTURE_SETUP(interface)
{
	init_supervisor(_metadata, &self->sup);
	find_implementation(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(interface)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(interface, operation)
{
	char argument = 0;

	/* This is the same where the operation is unknown. */
	EXPECT_EQ(-EINVAL, sys_seccomp(SECCOMP_NEW_LISTENER, 1, NULL));
	EXPECT_EQ(-EINVAL, sys_seccomp(SECCOMP_NEW_LISTENER, 1U << 31, NULL));
	EXPECT_EQ(-EINVAL,
		  sys_seccomp(SECCOMP_NEW_LISTENER, NEW_LISTENER, NULL));
	EXPECT_EQ(-EINVAL, sys_seccomp(SECCOMP_NEW_LISTENER, 0, &argument));
	EXPECT_EQ(-EINVAL, sys_seccomp(SECCOMP_NEW_LISTENER, 0, (void *)1));
	EXPECT_EQ(self->sup.nr_fds, count_fds());
	supervise_nobody(_metadata, &self->sup);
}

TEST_F(interface, flag)
{
	static const unsigned int good[] = {
		0,
		KILLABLE_RECV,
		KILLABLE,
		ALLOW_NESTED,
		ALLOW_NESTED | KILLABLE,
		TSYNC,
		TSYNC | TSYNC_ESRCH,
		SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	};
	unsigned int i, known = 0;
	int ret;

	/* Together with the other flag, whatever else there is. */
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_EQ(-EINVAL, use(NULL, NEW_LISTENER | good[i])) {
			TH_LOG("flags %#x", good[i]);
		}
	}
	EXPECT_EQ(-EINVAL, use(NULL, KILLABLE | KILLABLE_RECV));
	EXPECT_EQ(-EINVAL, use(NULL, 1U << 31));

	/* Flags come before the argument, which cannot be read. */
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ret = use(NULL, good[i]);
		if (ret == -EFAULT) {
			known++;
			continue;
		}
		EXPECT_EQ(-EINVAL, ret) {
			TH_LOG("flags %#x", good[i]);
		}
	}
	if (c_differs(_metadata, &self->sup, !known,
		      "USE_LISTENER is refused, with EINVAL"))
		return;
	EXPECT_EQ(ARRAY_SIZE(good), known);
}

TEST_F(interface, structure)
{
	const size_t word = sizeof(long);

	EXPECT_EQ(2 * word + 8, sizeof(struct seccomp_listener_fprog));
	EXPECT_EQ(0, offsetof(struct seccomp_listener_fprog, fprog));
	EXPECT_EQ(2 * word, offsetof(struct seccomp_listener_fprog, listener));
	EXPECT_EQ(2 * word + 4,
		  offsetof(struct seccomp_listener_fprog, reserved));
}

/*
 * The listener, and what installing a filter with it fails with
 */

FIXTURE(listener)
{
	struct supervisor sup;
	int mode;
};

FIXTURE_SETUP(listener)
{
	init_supervisor(_metadata, &self->sup);
	self->mode = seccomp_mode();
	supervise_nobody(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(listener)
{
	end_supervisor(_metadata, &self->sup);
}

/* No install has succeeded, nor left an fd: the listener is as it was. */
static void expect_nothing_installed(struct __test_metadata *_metadata,
				     struct supervisor *sup, int mode)
{
	EXPECT_EQ(mode, seccomp_mode());
	EXPECT_EQ(sup->nr_fds + 1, count_fds());
	expect_waits(_metadata, sup);
}

TEST_F(listener, is_an_ordinary_one)
{
	char path[64], link[64] = "";
	int other;

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->sup.listener, F_GETFD));
	EXPECT_EQ(O_RDWR,
		  fcntl(self->sup.listener, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->sup.listener);
	EXPECT_LT(0, readlink(path, link, sizeof(link) - 1));
	EXPECT_STREQ("anon_inode:seccomp notify", link);
	/* Each is another one. */
	other = new_listener();
	ASSERT_LE(0, other);
	EXPECT_NE(self->sup.listener, other);
	/* KCMP_FILE is 0. */
	EXPECT_LT(0, syscall(__NR_kcmp, getpid(), getpid(), 0,
			     self->sup.listener, other));
	EXPECT_EQ(0, close(other));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
}

TEST_F(listener, new_one_emfile)
{
	struct rlimit old, none;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	none = old;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, new_listener());
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
}

TEST_F(listener, no_such_fd_ebadf)
{
	int closed = open_null(_metadata);

	ASSERT_EQ(0, close(closed));
	EXPECT_EQ(-EBADF, use_for_nothing(closed, 0));
	EXPECT_EQ(-EBADF, use_for_nothing(-1, 0));
	EXPECT_EQ(-EBADF, use_for_nothing(AT_FDCWD, 0));
	EXPECT_EQ(-EBADF, use_for_nothing(INT_MAX, 0));
	EXPECT_EQ(-EBADF, use_for_nothing(INT_MIN, 0));
	EXPECT_EQ(-EBADF, use_for_nothing(-1, TSYNC));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
}

TEST_F(listener, o_path_ebadf)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->sup.listener);
	fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, use_for_nothing(fd, 0));
	EXPECT_EQ(0, close(fd));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
}

TEST_F(listener, another_file_einval)
{
	unsigned int i;
	int fds[8];

	fds[0] = open_null(_metadata);
	fds[1] = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(0, pipe2(&fds[2], O_CLOEXEC));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				&fds[4]));
	fds[6] = epoll_create1(EPOLL_CLOEXEC);
	fds[7] = syscall(__NR_pidfd_open, getpid(), 0);
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_LE(0, fds[i]);
		EXPECT_EQ(-EINVAL, use_for_nothing(fds[i], 0)) {
			TH_LOG("file %u", i);
		}
		EXPECT_EQ(-EINVAL, use_for_nothing(fds[i], TSYNC)) {
			TH_LOG("file %u", i);
		}
	}
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		EXPECT_EQ(0, close(fds[i]));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
}

TEST_F(listener, reserved_einval)
{
	struct seccomp_listener_fprog args = {
		.fprog = { .len = 1, .filter = allow_all },
		.listener = self->sup.listener,
	};

	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	args.reserved = 1;
	EXPECT_EQ(-EINVAL, use(&args, 0));
	args.reserved = 1U << 31;
	EXPECT_EQ(-EINVAL, use(&args, 0));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
	/* The flag that is missing here makes it a plain sock_fprog. */
	args.listener = -1;
	EXPECT_EQ(0, sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &args));
	expect_waits(_metadata, &self->sup);
}

TEST_F(listener, with_new_listener_einval)
{
	EXPECT_EQ(-EINVAL, use_for_nothing(self->sup.listener, NEW_LISTENER));
	EXPECT_EQ(-EINVAL, use_for_nothing(-1, NEW_LISTENER));
	EXPECT_EQ(-EINVAL,
		  use_for_nothing(self->sup.listener,
				  NEW_LISTENER | TSYNC | TSYNC_ESRCH));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
}

TEST_F(listener, argument_efault)
{
	const int size = sizeof(struct seccomp_listener_fprog);
	struct seccomp_listener_fprog args = {
		.fprog = { .len = 1, .filter = allow_all },
		.listener = self->sup.listener,
	};
	char *end;
	int i;

	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	end = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	end += getpagesize();
	ASSERT_EQ(0, mprotect(end, getpagesize(), PROT_NONE));

	EXPECT_EQ(-EFAULT, use(NULL, 0));
	/* Some of it can be read, at last all of the sock_fprog. */
	for (i = 1; i < size; i++) {
		memcpy(end - i, &args, i);
		EXPECT_EQ(-EFAULT, use((void *)(end - i), 0)) {
			TH_LOG("%d bytes", i);
		}
	}
	args.fprog.filter = (void *)end;
	EXPECT_EQ(-EFAULT, use(&args, 0));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
	/* No byte more than there are is read. */
	args.fprog.filter = allow_all;
	memcpy(end - size, &args, size);
	EXPECT_EQ(0, use((void *)(end - size), 0));
}

TEST_F(listener, program_einval)
{
	struct sock_filter invalid[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const int fd = self->sup.listener;

	EXPECT_EQ(-EINVAL, install_program(USE_LISTENER, fd, allow_all, 0));
	EXPECT_EQ(-EINVAL, install_program(USE_LISTENER, fd, invalid, 2));
	EXPECT_EQ(-EINVAL,
		  install_program(USE_LISTENER, fd, allow_all,
				  BPF_MAXINSNS + 1));
	expect_nothing_installed(_metadata, &self->sup, self->mode);
}

static void use_without_privileges(struct target *t)
{
	struct seccomp_listener_fprog args = {
		.fprog = { .len = 1, .filter = allow_all },
		.listener = t->sup->listener,
	};

	if (!geteuid() && syscall(__NR_setresuid, 65534, 65534, 65534))
		_exit(1);
	t->ret = use(&args, 0);
	t->err = use_for_nothing(t->sup->listener, 0);
}

TEST_F(listener, no_privileges_eacces)
{
	struct target *t;

	t = spawn_supervisor(_metadata, &self->sup, use_without_privileges, 0);
	reap(_metadata, t);
	EXPECT_EQ(-EACCES, t->ret);
	/* The same with no_new_privs. */
	EXPECT_EQ(0, t->err);
	expect_unused(_metadata, &self->sup);
}

TEST_F(listener, refused_next_to_another_ebusy)
{
	struct supervisor other = { .listener = new_listener() };
	struct target *t;

	ASSERT_LE(0, other.listener);
	ASSERT_EQ(0, install_filter_with(USE_LISTENER, self->sup.listener));
	EXPECT_EQ(-EBUSY, install_filter_with(USE_LISTENER, other.listener));
	EXPECT_EQ(-EBUSY, install_filter_with(USE_LISTENER | ALLOW_NESTED,
					      other.listener));
	EXPECT_EQ(-EBUSY, install_filter_with(USE_LISTENER | TSYNC,
					      other.listener));
	EXPECT_EQ(-EBUSY, install_listener(0));
	expect_waits(_metadata, &other);
	/* That has changed nothing. */
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	answer(_metadata, &self->sup, t);
	expect_waits(_metadata, &other);
	EXPECT_EQ(self->sup.nr_fds + 2, count_fds());

	/* One that is closed is not in the way. */
	close_listener(_metadata, &self->sup);
	ASSERT_EQ(0, install_filter_with(USE_LISTENER, other.listener));
	use_listener(_metadata, &self->sup, other.listener);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	answer(_metadata, &self->sup, t);
}

/* t->number has more flags. */
static void use_if_possible(struct target *t)
{
	t->ret = install_filter_with(USE_LISTENER | t->number,
				     t->sup->listener);
}

/* A child of this process inherits what filters it has. */
static void expect_child_gets(struct __test_metadata *_metadata,
			      struct supervisor *sup, unsigned int flags,
			      long ret)
{
	struct target *t = start_user(_metadata, sup, use_if_possible, 0,
				      flags);

	reap(_metadata, t);
	EXPECT_EQ(ret, t->ret);
}

TEST_F(listener, twice_in_a_chain_ebusy)
{
	int other = new_listener();
	struct target *t;

	ASSERT_LE(0, other);
	/* In processes that have nothing to do with each other, it is free. */
	expect_child_gets(_metadata, &self->sup, ALLOW_NESTED, 0);
	expect_child_gets(_metadata, &self->sup, 0, 0);

	ASSERT_EQ(0, install_filter_with(USE_LISTENER | ALLOW_NESTED,
					 self->sup.listener));
	EXPECT_EQ(-EBUSY, install_filter_with(USE_LISTENER,
					      self->sup.listener));
	EXPECT_EQ(-EBUSY, install_filter_with(USE_LISTENER | ALLOW_NESTED,
					      self->sup.listener));
	EXPECT_EQ(-EBUSY, use_for_nothing(self->sup.listener,
					  ALLOW_NESTED | TSYNC));
	expect_child_gets(_metadata, &self->sup, ALLOW_NESTED, -EBUSY);
	/* Not with others in between either. */
	ASSERT_EQ(0, install_trapping(0, -1, NULL, 0));
	ASSERT_EQ(0, use_for_nothing(other, ALLOW_NESTED));
	EXPECT_EQ(-EBUSY, install_filter_with(USE_LISTENER | ALLOW_NESTED,
					      self->sup.listener));
	EXPECT_EQ(-EBUSY, use_for_nothing(other, ALLOW_NESTED));
	expect_child_gets(_metadata, &self->sup, ALLOW_NESTED, -EBUSY);
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	answer(_metadata, &self->sup, t);
	EXPECT_EQ(0, close(other));
}

TEST_F(listener, twice_in_a_chain_whatever_the_sysctl_says)
{
	char old[16];
	int ret[4];

	if (read_file(SYSCTL, old, sizeof(old)) <= 0 || write_file(SYSCTL, "1"))
		SKIP(return, "cannot write " SYSCTL);
	ret[0] = install_filter_with(USE_LISTENER, self->sup.listener);
	ret[1] = install_filter_with(USE_LISTENER, self->sup.listener);
	ret[2] = install_filter_with(USE_LISTENER | ALLOW_NESTED,
				     self->sup.listener);
	/* It does allow others. */
	ret[3] = install_listener(0);
	EXPECT_EQ(0, write_file(SYSCTL, old));
	EXPECT_EQ(0, ret[0]);
	EXPECT_EQ(-EBUSY, ret[1]);
	EXPECT_EQ(-EBUSY, ret[2]);
	EXPECT_LE(0, ret[3]);
	EXPECT_EQ(0, close(ret[3]));
}

/* A refused filter keeps neither the listener open nor what is none. */
TEST_F(listener, refusal_keeps_no_file)
{
	struct target *t;
	int fds[2];

	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	EXPECT_EQ(-EINVAL, use_for_nothing(fds[1], 0));
	ASSERT_EQ(0, close(fds[1]));
	EXPECT_EQ(POLLHUP, poll_fd(fds[0], GUARD * 1000));
	ASSERT_EQ(0, close(fds[0]));

	ASSERT_EQ(0, install_filter_with(USE_LISTENER, self->sup.listener));
	EXPECT_EQ(-EBUSY, install_filter_with(USE_LISTENER,
					      self->sup.listener));
	close_listener(_metadata, &self->sup);
	t = spawn(_metadata, &self->sup, call_once, 1);
	expect_result(_metadata, t, -1, ENOSYS);
}

/* Who guesses an id of one listener has none of another. */
TEST_F(listener, ids_start_anywhere)
{
	struct seccomp_notif n[2];
	int i;

	for (i = 0; i < 2; i++) {
		struct target *t;

		t = spawn_user(_metadata, &self->sup, use_and_call, 5, 0);
		ASSERT_EQ(0, recv_notif(&self->sup, &n[i]));
		ASSERT_EQ(0, reply_value(&self->sup, n[i].id, 5));
		expect_result(_metadata, t, 5, 0);
		close_listener(_metadata, &self->sup);
		self->sup.listener = new_listener();
		ASSERT_LE(0, self->sup.listener);
	}
	EXPECT_NE(n[0].id, n[1].id);
	EXPECT_NE(n[0].id + 1, n[1].id);
}

TEST_F(listener, closed_ebadf)
{
	int fd = self->sup.listener;

	ASSERT_EQ(0, install_filter_with(USE_LISTENER, fd));
	close_listener(_metadata, &self->sup);
	/* The filter has a listener, but no fd of it. */
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	EXPECT_EQ(-EBADF, install_filter_with(USE_LISTENER, fd));
}

/*
 * Until the first filter
 */

TEST_F(listener, waits_for_the_first_filter)
{
	struct reader r;
	struct target *t;
	int ep, src;

	src = open_null(_metadata);
	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN | EPOLLOUT);
	EXPECT_EQ(0, epoll_events(ep, 0));
	expect_waits(_metadata, &self->sup);
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, 0));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, 0, 1));
	EXPECT_EQ(-ENOENT, addfd(&self->sup, 0, src, 0, 0, 0));
	start_sleeping_reader(_metadata, &self->sup, &r);

	/* With that it becomes used, but there is nothing to read. */
	t = spawn_user(_metadata, &self->sup, use_and_call_when_told, 10, 0);
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_TRUE(sleeps_in_ioctl(r.tid));
	tell(t);
	join_reader(_metadata, &r);
	ASSERT_EQ(0, r.ret);
	EXPECT_EQ(t->tid, (pid_t)r.n.pid);
	EXPECT_EQ(10, r.n.data.args[0]);
	EXPECT_EQ(EPOLLOUT, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(0, reply_value(&self->sup, r.n.id, 11));
	expect_result(_metadata, t, 11, 0);
	EXPECT_EQ(0, close(ep));
	EXPECT_EQ(0, close(src));
}

TEST_F(listener, reader_of_an_unused_one_can_be_interrupted)
{
	struct reader r;

	start_sleeping_reader(_metadata, &self->sup, &r);
	interrupt_reader(_metadata, &r);
	expect_waits(_metadata, &self->sup);
}

TEST_F(listener, flags_can_be_set_before)
{
	struct target *t;
	__u64 id;

	ASSERT_EQ(0, set_flags(&self->sup, SECCOMP_USER_NOTIF_FD_SIGNALED));
	EXPECT_EQ(-EINVAL, set_flags(&self->sup, 4));
	ASSERT_EQ(0, install_filter_with(USE_LISTENER, self->sup.listener));
	t = spawn_queued(_metadata, &self->sup, call_with_handler, 1);
	signal_target(_metadata, t);
	id = expect_recv(_metadata, &self->sup, t, SIGNALED);
	EXPECT_EQ(0, reply_value(&self->sup, id, 2));
	expect_handled(_metadata, t, 2, 0);
}

/*
 * A failed install changes nothing, whatever the listener's state
 */

/* This one has a listener of its own, which does not allow another. */
static void fail_to_use(struct target *t)
{
	int i, fd = install_listener(0);

	if (fd < 0)
		_exit(1);
	t->ret = install_filter_with(USE_LISTENER, t->sup->listener);
	for (i = 0; i < 10; i++)
		install_filter_with(USE_LISTENER, t->sup->listener);
}

static void fail_once(struct __test_metadata *_metadata, struct supervisor *sup)
{
	struct target *t = spawn_supervisor(_metadata, sup, fail_to_use, 0);

	reap(_metadata, t);
	EXPECT_EQ(-EBUSY, t->ret);
}

TEST_F(listener, failure_while_never_used)
{
	struct reader r;
	struct target *t;
	int ep;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN);
	start_sleeping_reader(_metadata, &self->sup, &r);
	fail_once(_metadata, &self->sup);
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_EQ(0, epoll_events(ep, 0));
	/* If it had been told of an end, it would read nothing here. */
	t = spawn_user(_metadata, &self->sup, use_and_call, 1, 0);
	join_reader(_metadata, &r);
	ASSERT_EQ(0, r.ret);
	EXPECT_EQ(0, reply_value(&self->sup, r.n.id, 2));
	expect_result(_metadata, t, 2, 0);
	EXPECT_EQ(0, close(ep));
}

TEST_F(listener, failure_while_used)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_user(_metadata, &self->sup, use_and_call, 1, 0);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	fail_once(_metadata, &self->sup);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 2));
	expect_result(_metadata, t, 2, 0);
	expect_unused(_metadata, &self->sup);
}

TEST_F(listener, failure_while_unused)
{
	struct target *t;

	use_once(_metadata, &self->sup);
	expect_unused(_metadata, &self->sup);
	fail_once(_metadata, &self->sup);
	expect_unused(_metadata, &self->sup);
	t = spawn_user(_metadata, &self->sup, use_and_exit_when_told, 0, 0);
	expect_waits(_metadata, &self->sup);
	tell(t);
	reap(_metadata, t);
	expect_unused(_metadata, &self->sup);
}

/*
 * Several filters
 */

TEST_F(listener, of_unrelated_processes)
{
	struct seccomp_notif n[3];
	struct target *t[3];
	int i;

	for (i = 0; i < 3; i++)
		t[i] = spawn_user(_metadata, &self->sup, use_and_call_when_told,
				  10 * i, i == 1 ? KILLABLE_RECV : 0);
	for (i = 0; i < 3; i++) {
		tell(t[i]);
		ASSERT_TRUE(WAIT_FOR(target_waits(t[i])));
	}
	/* One queue, and ids of one sequence. */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, recv_notif(&self->sup, &n[i]));
		EXPECT_EQ(n[0].id + i, n[i].id);
		EXPECT_EQ(t[i]->tid, (pid_t)n[i].pid);
		EXPECT_EQ(10 * i, n[i].data.args[0]);
	}
	/* Each gets its own answer. */
	for (i = 2; i >= 0; i--) {
		EXPECT_EQ(0, reply_value(&self->sup, n[i].id, 100 + i));
		expect_result(_metadata, t[i], 100 + i, 0);
		EXPECT_EQ(-ENOENT, id_valid(&self->sup, n[i].id));
	}
	expect_unused(_metadata, &self->sup);
}

static void use_in_thread_and_call(struct target *t)
{
	t->err = install_filter_with(USE_LISTENER, t->sup->listener);
	ATOMIC_INC(t->number);
	if (t->err)
		return;
	wait_until_told(t);
	trapped_call(t);
}

/* Threads of one process: a filter is a thread's. */
TEST_F(listener, of_two_threads)
{
	struct target *t[2];
	struct seccomp_notif n;
	int i;

	for (i = 0; i < 2; i++) {
		t[i] = spawn_thread(_metadata, &self->sup,
				    use_in_thread_and_call, i);
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t[i]->number)));
		ASSERT_EQ(0, t[i]->err);
	}
	for (i = 0; i < 2; i++) {
		expect_waits(_metadata, &self->sup);
		tell(t[i]);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		EXPECT_EQ(t[i]->tid, (pid_t)n.pid);
		EXPECT_EQ(0, reply_value(&self->sup, n.id, 5 + i));
		expect_result(_metadata, t[i], 5 + i, 0);
	}
	/* The process lives, but none of its threads uses it. */
	expect_unused(_metadata, &self->sup);
}

#define NR_POOL		4
#define CALLS		100

static void use_and_call_often(struct target *t)
{
	int i;

	install_inherited(t);
	wait_until_told(t);
	t->number = 0;
	for (i = 0; i < CALLS; i++) {
		trapped_call(t);
		if (t->ret != t->arg + 1)
			t->number++;
	}
}

TEST_F(listener, served_by_a_pool)
{
	struct target *t[NR_POOL];
	struct reader r[NR_POOL];
	int i, count = 0;

	/* The readers come first, and wait for the first filter. */
	start_answering(_metadata, &self->sup, r, NR_POOL);
	for (i = 0; i < NR_POOL; i++)
		t[i] = spawn_user(_metadata, &self->sup, use_and_call_often,
				  1000 * i, 0);
	for (i = 0; i < NR_POOL; i++)
		tell(t[i]);
	for (i = 0; i < NR_POOL; i++) {
		reap(_metadata, t[i]);
		EXPECT_EQ(CALLS, t[i]->done);
		EXPECT_EQ(0, t[i]->number);
	}
	/* With the last process, all of them return. */
	for (i = 0; i < NR_POOL; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished)));
		join_reader(_metadata, &r[i]);
		EXPECT_EQ(-ENOENT, r[i].ret);
		count += r[i].count;
	}
	EXPECT_EQ(NR_POOL * CALLS, count);
}

/* The fd may as well come from NEW_LISTENER. */
TEST_F(listener, that_came_with_a_filter)
{
	struct seccomp_notif n[2];
	struct target *t[2];
	int i;

	close_listener(_metadata, &self->sup);
	t[0] = spawn_installing(_metadata, &self->sup, install_and_call);
	ASSERT_EQ(0, recv_notif(&self->sup, &n[0]));
	t[1] = spawn_user(_metadata, &self->sup, use_and_call, 1, 0);
	ASSERT_EQ(0, recv_notif(&self->sup, &n[1]));
	EXPECT_EQ(n[0].id + 1, n[1].id);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(t[i]->tid, (pid_t)n[i].pid);
		EXPECT_EQ(0, reply_value(&self->sup, n[i].id, 5 + i));
		expect_result(_metadata, t[i], 5 + i, 0);
	}
	expect_unused(_metadata, &self->sup);
	/* It can be used again, as any other. */
	t[0] = spawn_user(_metadata, &self->sup, use_and_call, 1, 0);
	ASSERT_TRUE(WAIT_FOR(target_waits(t[0])));
	answer(_metadata, &self->sup, t[0]);
}

/* t->arg is the pid of a process that has the listener as t->number. */
static void use_that_of_another(struct target *t)
{
	wait_until_told(t);
	t->sup->listener = take_fd(t->arg, t->number);
	if (t->sup->listener < 0)
		_exit(2);
	t->number = 0;
	install_inherited(t);
	trapped_call(t);
}

/* The fd is not inherited, but received. */
TEST_F(listener, received_by_its_user)
{
	struct target *t;

	close_listener(_metadata, &self->sup);
	t = spawn(_metadata, &self->sup, use_that_of_another, getpid());
	use_listener(_metadata, &self->sup, new_listener());
	t->number = self->sup.listener;
	tell(t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(0, t->fd);
	answer(_metadata, &self->sup, t);
	expect_unused(_metadata, &self->sup);
}

/*
 * Programs that have a supervisor from their first instruction
 */

static void exec_self(const char *mode, int fd)
{
	char number[32];

	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", "notify_listener_test", mode, number, NULL);
	_exit(126);
}

/* Closes nothing: that is what close-on-exec is for. */
static void use_and_exec(struct target *t)
{
	int fd = t->sup->listener;
	int ret = install_filter_with(USE_LISTENER, fd);

	ATOMIC_SET(t->fd, ret);
	if (ret)
		_exit(1);
	exec_self("--call", fd);
}

static int call_main(int listener)
{
	if (fcntl(listener, F_GETFD) != -1 || errno != EBADF)
		return 1;
	if (syscall(NR_TRAPPED, 1) != ANSWER)
		return 2;
	if (syscall(NR_TRAPPED, 2) != -1 || errno != EOVERFLOW)
		return 3;
	return 0;
}

TEST_F(listener, kept_across_exec)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_user(_metadata, &self->sup, use_and_exec, 0, 0);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(1, n.data.args[0]);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, ANSWER));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(2, n.data.args[0]);
	EXPECT_EQ(0, reply(&self->sup, n.id, 0, -EOVERFLOW, 0));
	reap(_metadata, t);
	expect_unused(_metadata, &self->sup);
}

/*
 * write() is trapped, and whatever could send an fd is fatal: nothing is sent
 * by the task that is trapped.
 */
static int install_for_writers(int listener)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sendmsg, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sendmmsg, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sendto, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};

	return install_program(USE_LISTENER, listener, filter,
			       ARRAY_SIZE(filter));
}

static void use_and_exec_writer(struct target *t)
{
	int ret = install_for_writers(t->sup->listener);

	ATOMIC_SET(t->fd, ret);
	if (ret)
		_exit(1);
	exec_self("--write", t->arg);
}

static int write_main(int fd)
{
	if (write(fd, "not", 3) != 3)
		return 1;
	if (write(fd, "sent", 4) != 4)
		return 2;
	return 0;
}

TEST_F(listener, for_a_filter_that_traps_write)
{
	struct seccomp_notif n;
	char buf[16] = {};
	struct target *t;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	t = spawn_user(_metadata, &self->sup, use_and_exec_writer, fds[1], 0);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(t->tid, (pid_t)n.pid);
	EXPECT_EQ(__NR_write, n.data.nr);
	EXPECT_EQ(fds[1], n.data.args[0]);
	EXPECT_EQ(3, n.data.args[2]);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(__NR_write, n.data.nr);
	EXPECT_EQ(4, n.data.args[2]);
	EXPECT_EQ(0, reply_continue(&self->sup, n.id));
	reap(_metadata, t);
	expect_unused(_metadata, &self->sup);
	/* The first was never executed. */
	EXPECT_EQ(0, close(fds[1]));
	EXPECT_EQ(4, read(fds[0], buf, sizeof(buf)));
	EXPECT_STREQ("sent", buf);
	EXPECT_EQ(0, close(fds[0]));
}

/* Nothing that is done after this is done without the supervisor. */
static void trap_everything_and_call(struct target *t)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	int ret = install_program(USE_LISTENER, t->sup->listener, filter, 1);

	close(t->sup->listener);
	t->fd = ret;
	trapped_call(t);
}

TEST_F(listener, for_a_filter_that_traps_everything)
{
	int ret, closes = 0, calls = 0, exits = 0;
	struct seccomp_notif n;
	struct target *t;

	t = start_user(_metadata, &self->sup, trap_everything_and_call, 1, 0);
	/* Should it fail to install its filter, nothing ever comes. */
	ASSERT_EQ(POLL_QUEUED, poll_fd(self->sup.listener, GUARD * 1000));
	while (!(ret = recv_notif(&self->sup, &n))) {
		EXPECT_EQ(t->tid, (pid_t)n.pid);
		if (n.data.nr == NR_TRAPPED) {
			calls++;
			EXPECT_EQ(0, reply_value(&self->sup, n.id, ANSWER));
			continue;
		}
		closes += n.data.nr == __NR_close;
		exits += n.data.nr == __NR_exit_group;
		EXPECT_EQ(0, reply_continue(&self->sup, n.id));
	}
	EXPECT_EQ(-ENOENT, ret);
	EXPECT_EQ(1, closes);
	EXPECT_EQ(1, calls);
	EXPECT_EQ(1, exits);
	EXPECT_EQ(0, t->fd);
	expect_result(_metadata, t, ANSWER, 0);
}

/*
 * The last task of the last filter
 */

#define NR_READERS	8

TEST_F(listener, last_use_is_that_of_the_last_filter)
{
	struct reader r[NR_READERS];
	struct target *a, *b;
	int ep, edge, i;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN);
	edge = epoll_on_listener(_metadata, &self->sup, EPOLLIN | EPOLLET);
	a = spawn_user(_metadata, &self->sup, use_and_exit_when_told, 0, 0);
	b = spawn_user(_metadata, &self->sup, use_and_call_when_told, 2, 0);
	for (i = 0; i < NR_READERS; i++)
		start_sleeping_reader(_metadata, &self->sup, &r[i]);

	/* Nobody hears of the end of the first. */
	tell(a);
	reap(_metadata, a);
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_EQ(0, epoll_events(edge, 0));
	for (i = 0; i < NR_READERS; i++)
		EXPECT_TRUE(sleeps_in_ioctl(r[i].tid));

	/* All hear of that of the last. */
	kill_and_reap(_metadata, b);
	for (i = 0; i < NR_READERS; i++) {
		join_reader(_metadata, &r[i]);
		EXPECT_EQ(-ENOENT, r[i].ret);
	}
	EXPECT_EQ(EPOLLHUP, epoll_events(ep, GUARD * 1000));
	EXPECT_EQ(EPOLLHUP, epoll_events(edge, GUARD * 1000));
	EXPECT_EQ(0, epoll_events(edge, 0));
	expect_unused(_metadata, &self->sup);
	EXPECT_EQ(0, close(ep));
	EXPECT_EQ(0, close(edge));
}

/* More than are woken under one hold of a lock. */
#define MANY_READERS	40

/*
 * The last user goes, all readers are woken to hear of that, and there is a user
 * again before they run: they hear nothing, and one reads what that has to say.
 */
TEST_F(listener, end_that_is_over_is_not_told)
{
	struct supervisor *sup = &self->sup;
	struct reader r[MANY_READERS], *lucky = NULL;
	struct target *t;
	int i;

	if (!hold_cpu(_metadata, sup, 2))
		return;
	t = spawn_user(_metadata, sup, use_and_exit_when_told, 0, 0);
	for (i = 0; i < MANY_READERS; i++) {
		start_sleeping_reader(_metadata, sup, &r[i]);
		ASSERT_EQ(0, set_cpu(r[i].tid, sup->held_cpu));
		ASSERT_EQ(0, set_fifo(r[i].tid, 1));
	}
	tell(t);
	reap(_metadata, t);
	EXPECT_EQ(POLLHUP, poll_now(sup));
	for (i = 0; i < MANY_READERS; i++) {
		ASSERT_EQ('R', task_state(r[i].tid)) {
			TH_LOG("reader %d was not woken", i);
		}
	}

	t = spawn_user(_metadata, sup, use_and_call, 5, 0);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	EXPECT_EQ(POLL_QUEUED, poll_now(sup));
	release_target(_metadata, sup);
	for (i = 0; i < MANY_READERS; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished) ||
				     sleeps_in_ioctl(r[i].tid)));
		if (!ATOMIC_GET(r[i].finished))
			continue;
		ASSERT_EQ(0, r[i].ret);
		ASSERT_EQ(NULL, lucky);
		lucky = &r[i];
	}
	ASSERT_NE(NULL, lucky);
	EXPECT_EQ(5, lucky->n.data.args[0]);
	EXPECT_EQ(0, reply_value(sup, lucky->n.id, 6));
	expect_result(_metadata, t, 6, 0);

	/* This end is one. */
	for (i = 0; i < MANY_READERS; i++) {
		join_reader(_metadata, &r[i]);
		EXPECT_EQ(&r[i] == lucky ? 0 : -ENOENT, r[i].ret);
	}
	expect_unused(_metadata, sup);
}

TEST_F(listener, last_user_dies_in_its_call)
{
	struct seccomp_notif n;
	struct target *a, *b;

	a = spawn_user(_metadata, &self->sup, use_and_call, 1, 0);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	b = spawn_user(_metadata, &self->sup, use_and_call, 2, 0);
	ASSERT_TRUE(WAIT_FOR(target_waits(b)));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	kill_and_reap(_metadata, b);
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	kill_and_reap(_metadata, a);
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id, 1));
	expect_unused(_metadata, &self->sup);
}

/* Leaves a child behind, which uses the same filter. */
static void use_and_fork(struct target *t)
{
	pid_t pid;

	install_inherited(t);
	pid = fork();
	if (pid < 0)
		_exit(2);
	if (!pid) {
		/* Nobody ends this one if the test fails. */
		if (!WAIT_FOR(ATOMIC_GET(t->stop)))
			_exit(3);
		trapped_call(t);
		ATOMIC_INC(t->handled);
		_exit(0);
	}
}

TEST_F(listener, last_user_is_a_child)
{
	struct seccomp_notif n;
	struct target *t;
	struct reader r;

	t = spawn_user(_metadata, &self->sup, use_and_fork, 7, 0);
	reap(_metadata, t);
	expect_waits(_metadata, &self->sup);
	tell(t);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(7, n.data.args[0]);
	start_sleeping_reader(_metadata, &self->sup, &r);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 8));
	join_reader(_metadata, &r);
	EXPECT_EQ(-ENOENT, r.ret);
	EXPECT_EQ(1, t->handled);
	EXPECT_EQ(8, t->ret);
	expect_unused(_metadata, &self->sup);
}

TEST_F(listener, unused_can_be_used_again)
{
	int ep, edge, i;
	struct target *t;
	struct reader r;
	__u64 id;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN);
	edge = epoll_on_listener(_metadata, &self->sup, EPOLLIN | EPOLLET);
	for (i = 0; i < 5; i++) {
		t = spawn_user(_metadata, &self->sup, use_and_call_when_told, i,
			       0);
		expect_waits(_metadata, &self->sup);
		EXPECT_EQ(0, epoll_events(ep, 0));
		EXPECT_EQ(0, epoll_events(edge, 0));
		start_sleeping_reader(_metadata, &self->sup, &r);
		tell(t);
		join_reader(_metadata, &r);
		ASSERT_EQ(0, r.ret);
		EXPECT_EQ(t->tid, (pid_t)r.n.pid);
		EXPECT_EQ(0, epoll_events(edge, 0));
		id = r.n.id;
		start_sleeping_reader(_metadata, &self->sup, &r);
		EXPECT_EQ(0, reply_value(&self->sup, id, i));
		expect_result(_metadata, t, i, 0);
		join_reader(_metadata, &r);
		EXPECT_EQ(-ENOENT, r.ret);
		expect_unused(_metadata, &self->sup);
		EXPECT_EQ(EPOLLHUP, epoll_events(ep, GUARD * 1000));
		EXPECT_EQ(EPOLLHUP, epoll_events(edge, GUARD * 1000));
	}
	EXPECT_EQ(0, close(ep));
	EXPECT_EQ(0, close(edge));
}

/*
 * TSYNC
 */

static void wait_and_call(struct target *t)
{
	wait_until_told(t);
	trapped_call(t);
}

TEST_F(listener, tsync_with_threads)
{
	struct seccomp_notif n;
	struct target *t[3];
	int i;

	for (i = 0; i < 3; i++)
		t[i] = spawn_thread(_metadata, &self->sup, wait_and_call, i);
	/* Not the fd, as with NEW_LISTENER: there is nothing to confuse. */
	ASSERT_EQ(0, install_filter_with(USE_LISTENER | TSYNC,
					 self->sup.listener));
	for (i = 0; i < 3; i++) {
		tell(t[i]);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		EXPECT_EQ(t[i]->tid, (pid_t)n.pid);
		EXPECT_EQ(0, reply_value(&self->sup, n.id, 5 + i));
		expect_result(_metadata, t[i], 5 + i, 0);
	}
	/* They are gone, and this thread uses it still. */
	expect_waits(_metadata, &self->sup);
}

static void diverge_and_wait(struct target *t)
{
	t->ret = install_trapping(0, -1, NULL, 0);
	ATOMIC_INC(t->done);
	wait_until_told(t);
}

TEST_F(listener, tsync_fails)
{
	struct target *t;
	struct reader r;

	start_sleeping_reader(_metadata, &self->sup, &r);
	t = spawn_thread(_metadata, &self->sup, diverge_and_wait, 1);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done)));
	ASSERT_EQ(0, t->ret);
	EXPECT_EQ(t->tid, install_filter_with(USE_LISTENER | TSYNC,
					      self->sup.listener));
	EXPECT_EQ(-ESRCH, install_filter_with(USE_LISTENER | TSYNC |
					      TSYNC_ESRCH, self->sup.listener));
	EXPECT_EQ(self->mode, seccomp_mode());
	EXPECT_EQ(self->sup.nr_fds + 1, count_fds());
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_TRUE(sleeps_in_ioctl(r.tid));
	tell(t);
	reap(_metadata, t);

	/* Without that thread it works; the reader has kept waiting. */
	ASSERT_EQ(0, install_filter_with(USE_LISTENER | TSYNC | TSYNC_ESRCH,
					 self->sup.listener));
	t = spawn(_metadata, &self->sup, call_once, 1);
	join_reader(_metadata, &r);
	ASSERT_EQ(0, r.ret);
	EXPECT_EQ(0, reply_value(&self->sup, r.n.id, 2));
	expect_result(_metadata, t, 2, 0);
}

/*
 * TSYNC takes the filter with the listener from the thread of the next target,
 * and gives it one that descends from it.
 */
static void use_and_sync(struct target *t)
{
	install_inherited(t);
	if (pthread_create(&t[1].thread, NULL, target_thread, &t[1]))
		_exit(2);
	while (!ATOMIC_GET(t[1].tid))
		usleep(100);
	t->ret = install_trapping(TSYNC, -1, NULL, 0);
	ATOMIC_INC(t->done);
	pthread_join(t[1].thread, NULL);
	wait_until_told(t);
}

TEST_F(listener, tsync_releases_a_filter_in_use)
{
	struct target *t, *thread;
	struct reader r;
	int ep;

	ep = epoll_on_listener(_metadata, &self->sup, EPOLLIN);
	start_sleeping_reader(_metadata, &self->sup, &r);
	t = new_target(_metadata, &self->sup, use_and_sync, 0);
	thread = new_target(_metadata, &self->sup, wait_and_call, 4);
	thread->is_thread = true;
	t->keeps_listener = true;
	start_target(_metadata, t);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done)));
	EXPECT_EQ(0, t->fd);
	EXPECT_EQ(0, t->ret);
	EXPECT_EQ(0, poll_now(&self->sup));
	EXPECT_EQ(0, epoll_events(ep, 0));
	EXPECT_TRUE(sleeps_in_ioctl(r.tid));
	/* The thread's call is trapped by the filter that was released. */
	tell(thread);
	join_reader(_metadata, &r);
	ASSERT_EQ(0, r.ret);
	EXPECT_EQ(thread->tid, (pid_t)r.n.pid);
	EXPECT_EQ(0, reply_value(&self->sup, r.n.id, 9));
	/* After it, the process's first thread is the last user. */
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(thread->done)));
	expect_waits(_metadata, &self->sup);
	tell(t);
	reap(_metadata, t);
	EXPECT_EQ(9, thread->ret);
	expect_unused(_metadata, &self->sup);
	EXPECT_EQ(0, close(ep));
}

/*
 * An installation that has to wait: with TSYNC, while another thread executes a
 * program
 */

FIXTURE(slow_exec)
{
	struct supervisor sup;
	struct slow_file slow;
};

FIXTURE_SETUP(slow_exec)
{
	init_supervisor(_metadata, &self->sup);
	if (!slow_open(_metadata, &self->slow))
		return;
	supervise_nobody(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(slow_exec)
{
	slow_close(&self->slow);
	end_supervisor(_metadata, &self->sup);
}

/* The file cannot be read in the end. */
static void exec_slow_file(struct target *t)
{
	static const char * const argv[] = { "slow", NULL };

	/* Its environment is empty. */
	t->ret = syscall(__NR_execveat, t->fd, "", argv, argv + 1,
			 AT_EMPTY_PATH);
	t->err = errno;
	ATOMIC_INC(t->done);
}

/* The next target is a thread of this one. */
static void use_during_exec(struct target *t)
{
	if (pthread_create(&t[1].thread, NULL, target_thread, &t[1]))
		_exit(2);
	wait_until_told(t);
	t->ret = install_filter_with(USE_LISTENER | TSYNC, t->sup->listener);
	ATOMIC_INC(t->done);
	pthread_join(t[1].thread, NULL);
	while (ATOMIC_GET(t->stop) < 2)
		usleep(100);
}

/* A filter that is not there yet has no task that could make a call. */
TEST_F(slow_exec, waiting_for_it_is_no_use)
{
	struct supervisor *sup = &self->sup;
	struct slow_file *slow = &self->slow;
	struct target *last, *waiting, *thread;
	struct reader r;

	last = spawn_user(_metadata, sup, use_and_exit_when_told, 0, 0);
	slow_set(slow, &slow->ctl->hold_read, 1);
	waiting = new_target(_metadata, sup, use_during_exec, 0);
	thread = new_target(_metadata, sup, exec_slow_file, 0);
	thread->is_thread = true;
	thread->fd = slow->fd;
	waiting->keeps_listener = true;
	start_target(_metadata, waiting);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(slow->ctl->reads) ||
			     ATOMIC_GET(thread->done)));
	ASSERT_EQ(0, thread->done) {
		TH_LOG("execveat: %s", strerror(thread->err));
	}
	tell(waiting);
	ASSERT_TRUE(WAIT_FOR(sleeps_in(waiting->tid, __NR_seccomp, "D")));

	start_sleeping_reader(_metadata, sup, &r);
	tell(last);
	reap(_metadata, last);
	ASSERT_EQ(POLLHUP, poll_now(sup));
	join_reader(_metadata, &r);
	EXPECT_EQ(-ENOENT, r.ret);
	expect_unused(_metadata, sup);
	EXPECT_TRUE(sleeps_in(waiting->tid, __NR_seccomp, "D"));

	/* It is installed when the other thread is done. */
	slow_set(slow, &slow->ctl->fail_read, 1);
	slow_set(slow, &slow->ctl->hold_read, 0);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(waiting->done)));
	EXPECT_EQ(0, waiting->ret);
	expect_waits(_metadata, sup);
	ATOMIC_SET(waiting->stop, 2);
	reap(_metadata, waiting);
	EXPECT_EQ(1, thread->done);
	EXPECT_EQ(-1, thread->ret);
	EXPECT_EQ(EIO, thread->err);
	expect_unused(_metadata, sup);
}

/*
 * The last fd is closed
 */

static void hold_listener(struct target *t)
{
	ATOMIC_INC(t->done);
	wait_until_told(t);
}

TEST_F(listener, open_until_the_last_fd_is_closed)
{
	struct supervisor copy = self->sup;
	struct target *holder, *t;

	t = spawn_user(_metadata, &self->sup, use_and_call_when_told, 1, 0);
	holder = spawn_supervisor(_metadata, &self->sup, hold_listener, 0);
	/* A supervisor of its own, whose targets come after these two. */
	copy.nr_targets = self->sup.nr_targets;
	copy.listener = fcntl(self->sup.listener, F_DUPFD_CLOEXEC, 0);
	ASSERT_LE(0, copy.listener);
	tell(t);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	close_listener(_metadata, &self->sup);
	EXPECT_TRUE(target_waits(t));
	/* The copy is as good as the first. */
	EXPECT_EQ(POLL_QUEUED, poll_now(&copy));
	expect_child_gets(_metadata, &copy, 0, 0);
	close_listener(_metadata, &copy);
	EXPECT_TRUE(target_waits(t));
	EXPECT_EQ(0, t->done);
	/* Another process has the last one. */
	tell(holder);
	reap(_metadata, holder);
	expect_result(_metadata, t, -1, ENOSYS);
}

FIXTURE(load)
{
	struct supervisor sup;
};

FIXTURE_VARIANT(load)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(load, no_flags)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(load, wait_killable_recv)
{
	.flags = KILLABLE_RECV,
};

FIXTURE_VARIANT_ADD(load, wait_killable)
{
	.flags = KILLABLE,
};

FIXTURE_SETUP(load)
{
	init_supervisor(_metadata, &self->sup);
	supervise_nobody(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(load)
{
	end_supervisor(_metadata, &self->sup);
}

/* More targets than the listener deals with under one hold of its lock. */
#define NR_USERS	5
#define NR_THREADS	9	/* in each of them */

/* A target and those that follow it, each in a thread of it. */
static void use_and_call_in_threads(struct target *t)
{
	int i;

	install_inherited(t);
	for (i = 1; i <= NR_THREADS; i++) {
		if (pthread_create(&t[i].thread, NULL, target_thread, &t[i]))
			_exit(2);
	}
	for (i = 1; i <= NR_THREADS; i++)
		pthread_join(t[i].thread, NULL);
}

/* Waits twice: the second call comes when the listener is closed. */
static void call_twice(struct target *t)
{
	trapped_call(t);
	t->number = t->ret == -1 && t->err == ENOSYS;
	trapped_call(t);
}

TEST_F(load, close_gives_all_enosys)
{
	struct target *user[NR_USERS], *t;
	struct seccomp_notif n;
	int i, j;

	for (i = 0; i < NR_USERS; i++) {
		user[i] = new_target(_metadata, &self->sup,
				     use_and_call_in_threads, 0);
		user[i]->number = variant->flags;
		user[i]->keeps_listener = true;
		for (j = 1; j <= NR_THREADS; j++) {
			t = new_target(_metadata, &self->sup, call_twice, j);
			t->is_thread = true;
		}
		start_target(_metadata, user[i]);
	}
	for (i = 0; i < NR_USERS; i++) {
		for (j = 1; j <= NR_THREADS; j++) {
			t = &user[i][j];
			ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->tid) &&
					     target_waits(t)));
		}
		EXPECT_EQ(0, user[i]->fd);
	}
	/* Some are delivered, some are queued. */
	for (i = 0; i < NR_USERS * NR_THREADS / 2; i++)
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(POLL_QUEUED | POLL_DELIVERED, poll_now(&self->sup));
	close_listener(_metadata, &self->sup);
	for (i = 0; i < NR_USERS; i++) {
		reap(_metadata, user[i]);
		for (j = 1; j <= NR_THREADS; j++) {
			t = &user[i][j];
			EXPECT_EQ(2, t->done);
			EXPECT_EQ(1, t->number);
			EXPECT_EQ(-1, t->ret);
			EXPECT_EQ(ENOSYS, t->err);
		}
	}
}

/*
 * Races
 */

FIXTURE(listener_race)
{
	struct supervisor sup;
};

FIXTURE_SETUP(listener_race)
{
	init_supervisor(_metadata, &self->sup);
	supervise_nobody(_metadata, &self->sup);
}

FIXTURE_TEARDOWN(listener_race)
{
	end_supervisor(_metadata, &self->sup);
}

/* With listener t->fd; t->status is the result, t->number 1 at the end. */
static void use_in_thread_when_told(struct target *t)
{
	while (!ATOMIC_GET(t->stop))
		sched_yield();
	t->status = install_filter_with(USE_LISTENER, t->fd);
	if (!t->status)
		trapped_call(t);
	ATOMIC_SET(t->number, 1);
}

/* Answers @t if it calls; true if it has ended. */
static bool serve_until_ended(struct supervisor *sup, struct target *t)
{
	struct seccomp_notif n;

	if (poll_now(sup) & POLLIN && !recv_notif(sup, &n))
		reply_value(sup, n.id, ANSWER);
	return ATOMIC_GET(t->number);
}

/* The fd is closed while a filter is installed with it. */
TEST_F(listener_race, close_and_install)
{
	struct supervisor copy = {};
	int i, fd, installed = 0;
	bool has_won = false;
	struct target *t;
	long start = 0;

	for (i = 0; i < ROUNDS; i++) {
		forget_targets(&self->sup);
		fd = new_listener();
		ASSERT_LE(0, fd);
		/* In every other round there is another fd. */
		copy.listener = i & 1 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
		t = spawn_thread(_metadata, &self->sup, use_in_thread_when_told,
				 1);
		t->fd = fd;
		tell(t);
		give_a_start(&start, has_won);
		ASSERT_EQ(0, close(fd));
		ASSERT_TRUE(WAIT_FOR(i & 1 ? serve_until_ended(&copy, t) :
					     ATOMIC_GET(t->number)));
		reap(_metadata, t);
		has_won = !t->status;
		if (has_won) {
			installed++;
			ASSERT_EQ(1, t->done);
			ASSERT_EQ(i & 1 ? ANSWER : -1, t->ret);
			ASSERT_EQ(i & 1 ? 0 : ENOSYS, t->err);
		} else {
			ASSERT_EQ(-EBADF, t->status);
		}
		if (i & 1) {
			ASSERT_EQ(t->status ? 0 : POLLHUP, poll_now(&copy));
			ASSERT_EQ(0, close(copy.listener));
		}
	}
	TH_LOG("%d of %d were installed", installed, i);
	EXPECT_LT(0, installed);
	EXPECT_GT(i, installed);
}

/* Until stopped, and then until there is nobody who could call. */
static void *answer_while_used(void *arg)
{
	struct reader *r = arg;

	ATOMIC_SET(r->tid, sys_gettid());
	for (;;) {
		/* Whoever sets it knows that there will be no user again. */
		int stop = ATOMIC_GET(r->stop);

		r->ret = recv_notif(r->sup, &r->n);
		if (!r->ret) {
			ATOMIC_INC(r->count);
			r->ret = reply_value(r->sup, r->n.id,
					     r->n.data.args[0] + 1);
			if (!r->ret)
				continue;
			/* Not what RECV may return at the end. */
			r->ret = -EPROTO;
		}
		if (r->ret != -ENOENT || stop)
			break;
		usleep(100);
	}
	ATOMIC_SET(r->finished, 1);
	return NULL;
}

/* Has another listener, so it is refused again and again. */
static void fail_until_stopped(struct target *t)
{
	int fd = install_listener(0);

	if (fd < 0)
		_exit(1);
	while (!ATOMIC_GET(t->stop)) {
		t->ret = install_filter_with(USE_LISTENER, t->sup->listener);
		if (t->ret != -EBUSY)
			_exit(2);
		ATOMIC_INC(t->done);
	}
}

#define USERS		300

/*
 * Users come and go, one at a time or two, so that it is unused again and
 * again, while readers go to sleep.
 */
static void come_and_go(struct __test_metadata *_metadata,
			struct supervisor *sup, int readers, int users)
{
	struct target *t, *before = NULL;
	struct reader r[MANY_READERS];
	int i, first = sup->nr_targets, count = 0;

	start_readers(_metadata, sup, r, readers, answer_while_used);
	for (i = 0; i < users; i++) {
		t = start_user(_metadata, sup, use_and_call, 10 * i, 0);
		if (before) {
			expect_result(_metadata, before, before->arg + 1, 0);
			EXPECT_EQ(0, before->fd);
			before = NULL;
		}
		if (i % 3) {
			before = t;
			continue;
		}
		expect_result(_metadata, t, t->arg + 1, 0);
		EXPECT_EQ(0, t->fd);
		sup->nr_targets = first;
	}
	if (before)
		expect_result(_metadata, before, before->arg + 1, 0);

	/* No reader sleeps on: none of these is interrupted. */
	for (i = 0; i < readers; i++)
		ATOMIC_SET(r[i].stop, 1);
	for (i = 0; i < readers; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r[i].finished)));
		join_reader(_metadata, &r[i]);
		EXPECT_EQ(-ENOENT, r[i].ret);
		count += r[i].count;
	}
	EXPECT_EQ(users, count);
	sup->nr_targets = first;
}

TEST_F(listener_race, used_and_unused)
{
	come_and_go(_metadata, &self->sup, 3, USERS);
	expect_unused(_metadata, &self->sup);
}

/* There may be a user again when some readers are woken, and others not yet. */
TEST_F(listener_race, used_and_unused_by_many)
{
	come_and_go(_metadata, &self->sup, MANY_READERS, USERS / 10);
	expect_unused(_metadata, &self->sup);
}

TEST_F(listener_race, used_and_unused_and_failed)
{
	struct target *t;

	t = spawn_supervisor(_metadata, &self->sup, fail_until_stopped, 0);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(t->done)));
	come_and_go(_metadata, &self->sup, 3, USERS);
	tell(t);
	reap(_metadata, t);
	TH_LOG("%d failed", t->done);
	expect_unused(_metadata, &self->sup);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--call"))
		return call_main(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "--write"))
		return write_main(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
