// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_IOCTL_NOTIF_ADDFD: fds that the supervisor installs in a target, one
 * after the other and several at a time.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include "notify_common.h"

FIXTURE(addfd)
{
	struct supervisor sup;
	int src;
};

FIXTURE_SETUP(addfd)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(addfd)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

TEST_F(addfd, installs_and_target_waits_on)
{
	struct seccomp_notif n;
	struct target *t;
	int fd;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);

	fd = addfd(&self->sup, n.id, self->src, 0, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, self->src));
	EXPECT_EQ(0, fd_flags(t, fd) & O_CLOEXEC);

	fd = addfd(&self->sup, n.id, self->src, 0, 0, O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(same_file(t, fd, self->src));
	EXPECT_EQ(O_CLOEXEC, fd_flags(t, fd) & O_CLOEXEC);

	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, t->done);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, fd));
	expect_result(_metadata, t, fd, 0);
}

TEST_F(addfd, setfd)
{
	const int number = 42;
	struct seccomp_notif n;
	struct target *t;
	int other;

	other = open_null(_metadata);
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);

	EXPECT_EQ(number, addfd(&self->sup, n.id, self->src,
				SECCOMP_ADDFD_FLAG_SETFD, number, O_CLOEXEC));
	EXPECT_TRUE(same_file(t, number, self->src));
	EXPECT_EQ(O_CLOEXEC, fd_flags(t, number) & O_CLOEXEC);
	/* An fd that is open is replaced. */
	EXPECT_EQ(number, addfd(&self->sup, n.id, other,
				SECCOMP_ADDFD_FLAG_SETFD, number, 0));
	EXPECT_TRUE(same_file(t, number, other));
	EXPECT_EQ(0, fd_flags(t, number) & O_CLOEXEC);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 0));
	expect_result(_metadata, t, 0, 0);
	EXPECT_EQ(0, close(other));
}

static void call_then_stat(struct target *t)
{
	struct stat st;

	trapped_call(t);
	t->number = fstat(t->ret, &st) ? 0 : st.st_rdev;
}

TEST_F(addfd, send_replies_with_the_fd)
{
	struct seccomp_notif n;
	struct target *t;
	struct stat st;
	int fd;

	ASSERT_EQ(0, fstat(self->src, &st));
	t = spawn_delivered(_metadata, &self->sup, call_then_stat, &n);
	fd = addfd(&self->sup, n.id, self->src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	EXPECT_LE(0, fd);
	expect_result(_metadata, t, fd, 0);
	EXPECT_EQ(st.st_rdev, t->number);
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
}

TEST_F(addfd, setfd_and_send)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_then_stat, &n);
	EXPECT_EQ(33, addfd(&self->sup, n.id, self->src,
			    SECCOMP_ADDFD_FLAG_SEND | SECCOMP_ADDFD_FLAG_SETFD,
			    33, 0));
	expect_result(_metadata, t, 33, 0);
	EXPECT_NE(0, t->number);
}

TEST_F(addfd, wrong_size_einval)
{
	static const unsigned int sizes[] = {
		0, 1, 8, 16, 20, 23, 4096, 4097, 8192, 16383,
	};
	struct seccomp_notif_addfd *a;
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;

	a = map_pages(_metadata, 5, PROT_READ | PROT_WRITE);
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	a->id = n.id;
	a->srcfd = self->src;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (sizes[i] > 23 && sizes[i] < (unsigned int)getpagesize())
			continue;
		EXPECT_EQ(-EINVAL, addfd_sized(&self->sup, a, sizes[i]));
	}
	/* The size is checked before the buffer is read. */
	EXPECT_EQ(-EINVAL, addfd_sized(&self->sup, NULL, 23));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

TEST_F(addfd, larger_with_zeroes)
{
	static const unsigned int sizes[] = { 24, 25, 31, 32, 100, 4095 };
	struct seccomp_notif_addfd *a;
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;
	int fd;

	a = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	a->id = n.id;
	a->srcfd = self->src;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fd = addfd_sized(&self->sup, a, sizes[i]);
		EXPECT_LE(0, fd);
		EXPECT_TRUE(same_file(t, fd, self->src));
	}
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

TEST_F(addfd, larger_with_more_e2big)
{
	struct seccomp_notif_addfd *a;
	struct seccomp_notif n;
	struct target *t;
	char *bytes;

	a = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	bytes = (char *)a;
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	a->id = n.id;
	a->srcfd = self->src;
	bytes[24] = 1;
	EXPECT_EQ(-E2BIG, addfd_sized(&self->sup, a, 25));
	EXPECT_EQ(-E2BIG, addfd_sized(&self->sup, a, 4095));
	EXPECT_LE(0, addfd_sized(&self->sup, a, 24));
	bytes[24] = 0;
	bytes[4094] = 1;
	EXPECT_EQ(-E2BIG, addfd_sized(&self->sup, a, 4095));
	EXPECT_LE(0, addfd_sized(&self->sup, a, 4094));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

TEST_F(addfd, bad_buffer_efault)
{
	char *pages;

	EXPECT_EQ(-EFAULT, addfd_sized(&self->sup, NULL, 24));
	pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	ASSERT_EQ(0, mprotect(pages + getpagesize(), getpagesize(), PROT_NONE));
	EXPECT_EQ(-EFAULT,
		  addfd_sized(&self->sup, pages + getpagesize() - 16, 24));
	/* A larger argument is read to its end. */
	EXPECT_EQ(-EFAULT,
		  addfd_sized(&self->sup, pages + getpagesize() - 24, 32));
}

TEST_F(addfd, bad_arguments_einval)
{
	struct seccomp_notif n;
	struct target *t;
	int bit;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	for (bit = 2; bit < 32; bit++)
		EXPECT_EQ(-EINVAL,
			  addfd(&self->sup, n.id, self->src, 1U << bit, 0, 0));
	/* newfd without SETFD. */
	EXPECT_EQ(-EINVAL, addfd(&self->sup, n.id, self->src, 0, 9, 0));
	EXPECT_EQ(-EINVAL, addfd(&self->sup, n.id, self->src,
				 SECCOMP_ADDFD_FLAG_SEND, 9, 0));
	for (bit = 0; bit < 32; bit++) {
		if (1U << bit == O_CLOEXEC)
			continue;
		EXPECT_EQ(-EINVAL,
			  addfd(&self->sup, n.id, self->src, 0, 0, 1U << bit));
		EXPECT_EQ(-EINVAL, addfd(&self->sup, n.id, self->src, 0, 0,
					 1U << bit | O_CLOEXEC));
	}
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

TEST_F(addfd, bad_srcfd_ebadf)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	EXPECT_EQ(-EBADF, addfd(&self->sup, n.id, -1, 0, 0, 0));
	EXPECT_EQ(-EBADF, addfd(&self->sup, n.id, 1000, 0, 0, 0));
	EXPECT_EQ(-EBADF,
		  addfd(&self->sup, n.id, 1000, SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

TEST_F(addfd, unknown_id_enoent)
{
	struct seccomp_notif n;
	struct target *t;

	EXPECT_EQ(-ENOENT, addfd(&self->sup, 0, self->src, 0, 0, 0));
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	EXPECT_EQ(-ENOENT, addfd(&self->sup, n.id + 1, self->src, 0, 0, 0));
	EXPECT_EQ(-ENOENT, addfd(&self->sup, n.id + 1, self->src,
				 SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
	EXPECT_EQ(-ENOENT, addfd(&self->sup, n.id, self->src, 0, 0, 0));
}

TEST_F(addfd, queued_einprogress)
{
	struct seccomp_notif n;
	struct target *a, *b;

	a = spawn_delivered(_metadata, &self->sup, call_once, &n);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	EXPECT_EQ(-EINPROGRESS,
		  addfd(&self->sup, n.id + 1, self->src, 0, 0, 0));
	EXPECT_EQ(-EINPROGRESS, addfd(&self->sup, n.id + 1, self->src,
				      SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, a, 1, 0);
	answer(_metadata, &self->sup, b);
}

TEST_F(addfd, replied_einprogress)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	EXPECT_EQ(-EINPROGRESS, addfd(&self->sup, n.id, self->src, 0, 0, 0));
	EXPECT_EQ(-EINPROGRESS, addfd(&self->sup, n.id, self->src,
				      SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	release_target(_metadata, &self->sup);
	expect_result(_metadata, t, 1, 0);
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
	t->ret = addfd(t->sup, t->arg, 200, 0, 0, 0);
}

TEST_F(addfd, srcfd_of_the_calling_thread)
{
	struct target *t, *thread;
	struct seccomp_notif n;
	struct stat st;
	char path[64];

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	/* With 32 bits, an id may not fit into an argument. */
	if (sizeof(long) < sizeof(n.id))
		SKIP(return, "ids are larger than a word");
	thread = spawn_thread(_metadata, &self->sup, addfd_from_own_table,
			      n.id);
	reap(_metadata, thread);
	EXPECT_LE(0, thread->ret);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid,
		 (int)thread->ret);
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0x105, st.st_rdev);
	EXPECT_EQ(-EBADF, addfd(&self->sup, n.id, 200, 0, 0, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

/*
 * Pending requests: their target is held
 */

TEST_F(addfd, send_with_others_pending_ebusy)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	start_pending_adder(_metadata, &self->sup, &a, n.id, self->src, 0);
	EXPECT_EQ(-EBUSY, addfd(&self->sup, n.id, self->src,
				SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	release_target(_metadata, &self->sup);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	EXPECT_TRUE(same_file(t, a.ret, self->src));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

TEST_F(addfd, pending_then_send)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;

	t = spawn_delivered(_metadata, &self->sup, call_then_stat, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	/* The fd gets the lowest free number, which is known. */
	start_pending_adder(_metadata, &self->sup, &a, n.id, self->src, 0);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, self->sup.listener));
	release_target(_metadata, &self->sup);
	join_adder(_metadata, &a);
	EXPECT_EQ(self->sup.listener, a.ret);
	expect_result(_metadata, t, self->sup.listener, 0);
	EXPECT_NE(0, t->number);
}

TEST_F(addfd, send_pending_then_others_einprogress)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	start_pending_adder(_metadata, &self->sup, &a, n.id, self->src,
			    SECCOMP_ADDFD_FLAG_SEND);
	EXPECT_EQ(-EINPROGRESS, reply_value(&self->sup, n.id, 4));
	EXPECT_EQ(-EINPROGRESS, addfd(&self->sup, n.id, self->src, 0, 0, 0));
	/* Not EBUSY, which promises that it may be tried again. */
	EXPECT_EQ(-EINPROGRESS, addfd(&self->sup, n.id, self->src,
				      SECCOMP_ADDFD_FLAG_SEND, 0, 0));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, poll_now(&self->sup));
	release_target(_metadata, &self->sup);
	join_adder(_metadata, &a);
	EXPECT_LE(0, a.ret);
	expect_result(_metadata, t, a.ret, 0);
}

TEST_F(addfd, pending_are_installed_in_order)
{
	struct seccomp_notif n;
	struct adder a[3];
	struct target *t;
	int i;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	for (i = 0; i < 3; i++)
		start_pending_adder(_metadata, &self->sup, &a[i], n.id,
				    self->src, 0);
	release_target(_metadata, &self->sup);
	for (i = 0; i < 3; i++) {
		join_adder(_metadata, &a[i]);
		EXPECT_TRUE(same_file(t, a[i].ret, self->src));
	}
	if (c_differs(_metadata, &self->sup,
		      a[0].ret > a[1].ret && a[1].ret > a[2].ret,
		      "the last fd that was asked for is the first"))
		return;
	/* Each got the lowest number that was free. */
	EXPECT_LT(a[0].ret, a[1].ret);
	EXPECT_LT(a[1].ret, a[2].ret);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	expect_result(_metadata, t, 1, 0);
}

/* Of three requests one is taken back: that leaves the others in the queue. */
TEST_F(addfd, one_of_three_is_taken_back)
{
	struct seccomp_notif n;
	int src[3], i, victim;
	struct adder a[3];
	struct target *t;

	handle_signal(SIGUSR2, 0);
	for (i = 0; i < 3; i++)
		src[i] = open_null(_metadata);
	for (victim = 0; victim < 3; victim++) {
		t = spawn_delivered(_metadata, &self->sup, call_once, &n);
		if (!hold_target(_metadata, &self->sup, t))
			break;
		for (i = 0; i < 3; i++)
			start_pending_adder(_metadata, &self->sup, &a[i], n.id,
					    src[i], 0);
		ASSERT_EQ(0, signal_thread(a[victim].tid, SIGUSR2));
		join_adder(_metadata, &a[victim]);
		EXPECT_EQ(-EINTR, a[victim].ret);
		release_target(_metadata, &self->sup);
		for (i = 0; i < 3; i++) {
			if (i == victim)
				continue;
			ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(a[i].finished))) {
				TH_LOG("%d waits, %d was taken back", i,
				       victim);
			}
			join_adder(_metadata, &a[i]);
			EXPECT_LE(0, a[i].ret);
			EXPECT_TRUE(same_file(t, a[i].ret, src[i])) {
				TH_LOG("%d, %d was taken back", i, victim);
			}
		}
		EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
		expect_result(_metadata, t, 1, 0);
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, close(src[i]));
}

/* An older request, for another target, is still pending. */
TEST_F(addfd, pending_is_for_one_target)
{
	struct target *held, *other;
	struct seccomp_notif n, m;
	struct adder a, b;
	int src;

	src = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, src);
	held = spawn_delivered(_metadata, &self->sup, call_once, &n);
	other = spawn_delivered(_metadata, &self->sup, call_once, &m);
	if (!hold_target(_metadata, &self->sup, held))
		return;
	/* If there is but one CPU, the other is the first to have it. */
	ASSERT_EQ(0, set_fifo(other->tid, 2));
	start_pending_adder(_metadata, &self->sup, &a, n.id, self->src, 0);
	start_adder(_metadata, &self->sup, &b, m.id, src, 0, 1);
	ASSERT_TRUE(WAIT_FOR(adder_rests(&b)));
	release_target(_metadata, &self->sup);
	join_adder(_metadata, &a);
	join_adder(_metadata, &b);
	EXPECT_TRUE(same_file(held, a.ret, self->src));
	EXPECT_TRUE(same_file(other, b.ret, src));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 1));
	EXPECT_EQ(0, reply_value(&self->sup, m.id, 2));
	expect_result(_metadata, held, 1, 0);
	expect_result(_metadata, other, 2, 0);
	EXPECT_EQ(0, close(src));
}

/*
 * Requests without and with SEND
 */

FIXTURE(addfd_flags)
{
	struct supervisor sup;
	int src;
};

FIXTURE_VARIANT(addfd_flags)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(addfd_flags, none)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(addfd_flags, send)
{
	.flags = SECCOMP_ADDFD_FLAG_SEND,
};

FIXTURE_SETUP(addfd_flags)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	self->src = open_null(_metadata);
}

FIXTURE_TEARDOWN(addfd_flags)
{
	EXPECT_EQ(0, close(self->src));
	end_supervisor(_metadata, &self->sup);
}

TEST_F(addfd_flags, interrupted_is_taken_back)
{
	struct seccomp_notif n;
	struct target *t;
	struct adder a;
	int fd;

	handle_signal(SIGUSR2, 0);
	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	start_pending_adder(_metadata, &self->sup, &a, n.id, self->src,
			    variant->flags);
	ASSERT_EQ(0, signal_thread(a.tid, SIGUSR2));
	join_adder(_metadata, &a);
	EXPECT_EQ(-EINTR, a.ret);
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	release_target(_metadata, &self->sup);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	/* It has installed nothing: the lowest number is still free. */
	EXPECT_EQ(-1, fd_flags(t, self->sup.listener));
	fd = addfd(&self->sup, n.id, self->src, 0, 0, 0);
	EXPECT_EQ(self->sup.listener, fd);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 2));
	expect_result(_metadata, t, 2, 0);
}

/* More than are ended under one hold of the listener's lock. */
#define MANY	40

/* A target that is to die installs nothing more, and no request is forgotten. */
TEST_F(addfd_flags, pending_at_death)
{
	/* Only one of them can be the answer. */
	int count = variant->flags ? 1 : MANY;
	struct seccomp_notif n;
	struct adder a[MANY];
	struct target *t;
	int i, installed = 0;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	ASSERT_EQ(0, kill(t->tid, SIGKILL));
	for (i = 0; i < count; i++)
		start_pending_adder(_metadata, &self->sup, &a[i], n.id,
				    self->src, variant->flags);
	release_target(_metadata, &self->sup);
	for (i = 0; i < count; i++) {
		ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(a[i].finished))) {
			TH_LOG("request %d waits on", i);
		}
		join_adder(_metadata, &a[i]);
		installed += a[i].ret >= 0;
	}
	reap_status(_metadata, t, SIGKILL);
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
	EXPECT_EQ(-ENOENT, addfd(&self->sup, n.id, self->src, 0, 0, 0));
	EXPECT_EQ(0, poll_now(&self->sup));
	if (c_differs(_metadata, &self->sup, installed == count,
		      "fds are installed before a fatal signal is noticed"))
		return;
	for (i = 0; i < count; i++)
		EXPECT_EQ(-ESRCH, a[i].ret);
}

TEST_F(addfd_flags, failed_install_stays_open)
{
	struct rlimit none = { 0, 0 };
	struct seccomp_notif n;
	struct target *t;

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ASSERT_EQ(0, prlimit(t->tid, RLIMIT_NOFILE, &none, NULL));
	EXPECT_EQ(-EMFILE, addfd(&self->sup, n.id, self->src, variant->flags,
				 0, 0));
	EXPECT_EQ(-EBADF, addfd(&self->sup, n.id, self->src,
				variant->flags | SECCOMP_ADDFD_FLAG_SETFD, 7,
				0));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(POLL_DELIVERED, poll_now(&self->sup));
	EXPECT_EQ(0, t->done);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 8));
	expect_result(_metadata, t, 8, 0);
}

/*
 * The supervisor has closed its own fd meanwhile: with the failure the file is
 * released, and the other end of the pipe hears of it while the target waits.
 */
TEST_F(addfd_flags, failed_install_releases_the_file)
{
	struct rlimit none = { 0, 0 };
	struct seccomp_notif n;
	struct target *t;
	struct pollfd p;
	struct adder a;
	int ends[2];

	t = spawn_delivered(_metadata, &self->sup, call_once, &n);
	ASSERT_EQ(0, prlimit(t->tid, RLIMIT_NOFILE, &none, NULL));
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	if (!hold_target(_metadata, &self->sup, t))
		return;
	start_pending_adder(_metadata, &self->sup, &a, n.id, ends[1],
			    variant->flags);
	ASSERT_EQ(0, close(ends[1]));
	release_target(_metadata, &self->sup);
	join_adder(_metadata, &a);
	EXPECT_EQ(-EMFILE, a.ret);

	p = (struct pollfd) { .fd = ends[0] };
	EXPECT_EQ(1, poll(&p, 1, GUARD * 1000));
	EXPECT_EQ(POLLHUP, p.revents);
	EXPECT_EQ(0, close(ends[0]));
	EXPECT_EQ(0, t->done);
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 8));
	expect_result(_metadata, t, 8, 0);
}

TEST_HARNESS_MAIN
