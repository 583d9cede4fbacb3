// SPDX-License-Identifier: GPL-2.0
/*
 * SECCOMP_IOCTL_NOTIF_SEND: what a reply does to the system call, and which
 * replies are refused.
 */
#include <limits.h>

#include "notify_common.h"

FIXTURE(send)
{
	struct supervisor sup;
};

FIXTURE_SETUP(send)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(send)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(send, with_a_value)
{
	static const long values[] = { 0, 1, 0x12345678, -7777777, LONG_MAX };
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		t = spawn_queued(_metadata, &self->sup, call_once, i);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		EXPECT_EQ(0, reply_value(&self->sup, n.id, values[i]));
		expect_result(_metadata, t, values[i], 0);
	}
}

TEST_F(send, with_an_error)
{
	static const int errors[] = { EPERM, EINTR, EBADF, 4095 };
	struct seccomp_notif n;
	struct target *t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		t = spawn_queued(_metadata, &self->sup, call_once, i);
		ASSERT_EQ(0, recv_notif(&self->sup, &n));
		EXPECT_EQ(0, reply(&self->sup, n.id, 0, -errors[i], 0));
		expect_result(_metadata, t, -1, errors[i]);
	}
}

TEST_F(send, error_wins_over_value)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(0, reply(&self->sup, n.id, 55, -EACCES, 0));
	expect_result(_metadata, t, -1, EACCES);
}

TEST_F(send, continue_runs_the_syscall)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(0, reply_continue(&self->sup, n.id));
	expect_result(_metadata, t, getpid(), 0);
}

TEST_F(send, unknown_flags_einval)
{
	struct seccomp_notif n;
	struct target *t;
	int bit;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	for (bit = 1; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, reply(&self->sup, n.id, 0, 0, 1U << bit));
	EXPECT_EQ(-EINVAL, reply(&self->sup, n.id, 0, 0,
				 SECCOMP_USER_NOTIF_FLAG_CONTINUE | 2));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 6));
	expect_result(_metadata, t, 6, 0);
}

TEST_F(send, continue_with_result_einval)
{
	const __u32 flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	struct seccomp_notif n;
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(-EINVAL, reply(&self->sup, n.id, 1, 0, flags));
	EXPECT_EQ(-EINVAL, reply(&self->sup, n.id, 0, -EPERM, flags));
	EXPECT_EQ(-EINVAL, reply(&self->sup, n.id, 1LL << 32, 0, flags));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, reply(&self->sup, n.id, 0, 0, flags));
	expect_result(_metadata, t, getpid(), 0);
}

TEST_F(send, bad_buffer_efault)
{
	EXPECT_EQ(-EFAULT, send_resp(&self->sup, NULL));
	EXPECT_EQ(-EFAULT, send_resp(&self->sup, (void *)8));
}

TEST_F(send, unknown_id_enoent)
{
	struct seccomp_notif n;
	struct target *t;

	EXPECT_EQ(-ENOENT, reply_value(&self->sup, 0, 0));
	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id + 1, 0));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id - 1, 0));
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, ~n.id, 0));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 4));
	expect_result(_metadata, t, 4, 0);
	EXPECT_EQ(-ENOENT, reply_value(&self->sup, n.id, 4));
}

TEST_F(send, queued_einprogress)
{
	struct seccomp_notif n;
	struct target *a, *b;

	a = spawn_queued(_metadata, &self->sup, call_once, 1);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(-EINPROGRESS, reply_value(&self->sup, n.id + 1, 9));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, a, 3, 0);
	answer(_metadata, &self->sup, b);
}

TEST_F(send, replied_einprogress)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	EXPECT_EQ(-EINPROGRESS, reply_value(&self->sup, n.id, 4));
	EXPECT_EQ(-EINPROGRESS, reply(&self->sup, n.id, 0, -EPERM, 0));
	release_target(_metadata, &self->sup);
	expect_result(_metadata, t, 3, 0);
}

TEST_HARNESS_MAIN
