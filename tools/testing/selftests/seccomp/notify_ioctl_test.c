// SPDX-License-Identifier: GPL-2.0
/*
 * The listener's ioctls besides RECV, SEND and ADDFD: ID_VALID, SET_FLAGS, and
 * numbers that it does not know.
 */
#include "notify_common.h"

FIXTURE(ioctl)
{
	struct supervisor sup;
};

FIXTURE_SETUP(ioctl)
{
	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
}

FIXTURE_TEARDOWN(ioctl)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(ioctl, id_valid_only_while_delivered)
{
	struct seccomp_notif n;
	struct target *a, *b;

	a = spawn_queued(_metadata, &self->sup, call_once, 1);
	b = spawn_queued(_metadata, &self->sup, call_once, 2);
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, id_valid_wrong_dir(&self->sup, n.id));
	/* Queued, and unknown. */
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id + 1));
	EXPECT_EQ(-ENOENT, id_valid_wrong_dir(&self->sup, n.id + 1));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id + 2));
	EXPECT_EQ(-ENOENT, id_valid_wrong_dir(&self->sup, n.id + 2));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id - 1));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	expect_result(_metadata, a, 3, 0);
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
	EXPECT_EQ(-ENOENT, id_valid_wrong_dir(&self->sup, n.id));
	answer(_metadata, &self->sup, b);
}

TEST_F(ioctl, id_valid_replied_enoent)
{
	struct seccomp_notif n;
	struct target *t;

	t = spawn_queued(_metadata, &self->sup, call_once, 1);
	if (!hold_target(_metadata, &self->sup, t))
		return;
	ASSERT_EQ(0, recv_notif(&self->sup, &n));
	EXPECT_EQ(0, id_valid(&self->sup, n.id));
	EXPECT_EQ(0, reply_value(&self->sup, n.id, 3));
	EXPECT_EQ(-ENOENT, id_valid(&self->sup, n.id));
	EXPECT_EQ(-ENOENT, id_valid_wrong_dir(&self->sup, n.id));
	release_target(_metadata, &self->sup);
	expect_result(_metadata, t, 3, 0);
}

TEST_F(ioctl, id_valid_bad_buffer_efault)
{
	EXPECT_EQ(-1, ioctl(self->sup.listener, SECCOMP_IOCTL_NOTIF_ID_VALID,
			    NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(ioctl, set_flags_by_value)
{
	unsigned long flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;

	EXPECT_EQ(0, set_flags(&self->sup, flags));
	EXPECT_EQ(0, set_flags(&self->sup, 0));
	/* An address is not a valid set of flags. */
	EXPECT_EQ(-EINVAL, set_flags(&self->sup, (unsigned long)&flags));
}

TEST_F(ioctl, set_flags_unknown_einval)
{
	unsigned int bit;

	for (bit = 2; bit < 8 * sizeof(long); bit++) {
		EXPECT_EQ(-EINVAL, set_flags(&self->sup, 1UL << bit));
		EXPECT_EQ(-EINVAL, set_flags(&self->sup, 1UL << bit | 1));
	}
}

TEST_F(ioctl, unknown_einval)
{
	static const unsigned int cmds[] = {
		0,
		0x5401,
		SECCOMP_IO(0),
		SECCOMP_IO(2),
		SECCOMP_IO(4),
		SECCOMP_IOWR(0, struct seccomp_notif_resp),
		SECCOMP_IOWR(1, struct seccomp_notif),
		SECCOMP_IOWR(2, __u32),
		SECCOMP_IOR(4, __u64),
		SECCOMP_IOWR(5, __u64),
		SECCOMP_IOR(5, struct seccomp_notif_send_recv),
		SECCOMP_IOW(5, struct seccomp_notif_send_recv),
		SECCOMP_IOWR(5, struct seccomp_notif),
		SECCOMP_IOW(6, __u64),
		SECCOMP_IOR(6, struct seccomp_notif_pidfd),
		SECCOMP_IOWR(6, struct seccomp_notif_pidfd),
		SECCOMP_IOWR(255, __u64),
		_IOW('"', 3, struct seccomp_notif_addfd),
	};
	__u64 buf[32] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(-1, syscall(__NR_ioctl, self->sup.listener, cmds[i],
				      buf));
		EXPECT_EQ(EINVAL, errno)
		{
			TH_LOG("ioctl %#x", cmds[i]);
		}
	}
}

TEST_HARNESS_MAIN
