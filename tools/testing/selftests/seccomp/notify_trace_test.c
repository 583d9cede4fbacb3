// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints seccomp_notify:*, by the buffer of an instance of our own.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include "notify_common.h"

#define AGAIN		"delivered "
#define INSTANCE	"instances/seccomp_notify_test"

FIXTURE(trace)
{
	struct supervisor sup;
	char root[64];		/* where tracefs is mounted */
};

static const char *path_of(const char *root, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s%s%s", root, INSTANCE,
		 *name ? "/" : "", name);
	return path;
}

static void unmount(const char *root)
{
	umount2(root, MNT_DETACH);
	rmdir(root);
}

FIXTURE_SETUP(trace)
{
	char events[128];
	bool has_none;
	int ret;

	init_supervisor(_metadata, &self->sup);
	snprintf(self->root, sizeof(self->root),
		 "/tmp/seccomp_notify_trace.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->root));
	ret = mount("tracefs", self->root, "tracefs", 0, NULL) ? errno : 0;
	if (ret) {
		rmdir(self->root);
		SKIP(return, "no tracefs (%d)", ret);
	}
	supervise(_metadata, &self->sup, 0);
	snprintf(events, sizeof(events), "%s/events/seccomp_notify",
		 self->root);
	has_none = access(events, F_OK) && errno == ENOENT;
	if (self->sup.is_c)
		unmount(self->root);
	if (c_differs(_metadata, &self->sup, has_none,
		      "there are no tracepoints"))
		return;
	ASSERT_EQ(0, mkdir(path_of(self->root, ""), 0700));
	ASSERT_EQ(0, write_file(path_of(self->root,
					"events/seccomp_notify/enable"), "1"));
}

FIXTURE_TEARDOWN(trace)
{
	write_file(path_of(self->root, "events/enable"), "0");
	rmdir(path_of(self->root, ""));
	unmount(self->root);
	end_supervisor(_metadata, &self->sup);
}

/*
 * What is in the buffer, of the one notification @id: event after event, with a
 * blank between. Its fields are in @fields, of the event that is asked for.
 */
static void events_of(struct __test_metadata *_metadata, const char *root,
		      __u64 id, char *events, const char *wanted, char *fields)
{
	static char buf[65536];
	char *line, *save, *event, *rest, prefix[32], text[256];

	*events = '\0';
	*fields = '\0';
	ASSERT_LE(0, read_file(path_of(root, "trace"), buf, sizeof(buf)));
	snprintf(prefix, sizeof(prefix), "id=%llu ", id);
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		event = strstr(line, "seccomp_notify_");
		if (line[0] == '#' || !event)
			continue;
		event += strlen("seccomp_notify_");
		rest = strchr(event, ':');
		if (!rest)
			continue;
		*rest = '\0';
		snprintf(text, sizeof(text), "%s ", rest + 2);
		if (strncmp(text, prefix, strlen(prefix)))
			continue;
		sprintf(events + strlen(events), "%s ", event);
		if (!strcmp(event, wanted))
			sprintf(fields, "%s", text + strlen(prefix));
	}
}

static void expect_events(struct __test_metadata *_metadata, const char *root,
			  __u64 id, const char *expected, const char *event,
			  const char *expected_fields)
{
	static char events[4096], fields[4096];

	events_of(_metadata, root, id, events, event, fields);
	EXPECT_STREQ(expected, events);
	EXPECT_STREQ(expected_fields, fields);
}

TEST_F(trace, an_answer)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif_resp resp = { .error = -EACCES };
	struct seccomp_notif n;
	struct target *t;
	char fields[128];

	t = spawn_delivered(_metadata, sup, call_once, &n);
	snprintf(fields, sizeof(fields), "pid=%d nr=%d arch=%#x ", t->tid,
		 NR_TRAPPED, n.data.arch);
	expect_events(_metadata, self->root, n.id, "queued delivered ",
		      "queued", fields);
	snprintf(fields, sizeof(fields), "pid=%d flags=0x0 ", t->tid);
	expect_events(_metadata, self->root, n.id, "queued delivered ",
		      "delivered", fields);
	resp.id = n.id;
	EXPECT_EQ(0, send_resp(sup, &resp));
	expect_result(_metadata, t, -1, EACCES);
	snprintf(fields, sizeof(fields), "pid=%d error=%d val=0 flags=0x0 ",
		 (int)n.pid, -EACCES);
	expect_events(_metadata, self->root, n.id,
		      "queued delivered answered ", "answered", fields);
}

/* The pid is that of the thread. */
TEST_F(trace, of_a_thread)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	char fields[128];
	int src, fd;

	src = open_null(_metadata);
	t = spawn_thread(_metadata, sup, call_once, 1);
	ASSERT_NE(getpid(), t->tid);
	ASSERT_EQ(0, recv_notif(sup, &n));
	fd = addfd(sup, n.id, src, 0, 0, 0);
	ASSERT_LE(0, fd);
	snprintf(fields, sizeof(fields), "pid=%d ret=%d ", t->tid, fd);
	expect_events(_metadata, self->root, n.id, "queued delivered addfd ",
		      "addfd", fields);
	snprintf(fields, sizeof(fields), "pid=%d nr=%d arch=%#x ", t->tid,
		 NR_TRAPPED, n.data.arch);
	expect_events(_metadata, self->root, n.id, "queued delivered addfd ",
		      "queued", fields);
	snprintf(fields, sizeof(fields), "pid=%d flags=0x0 ", t->tid);
	expect_events(_metadata, self->root, n.id, "queued delivered addfd ",
		      "delivered", fields);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
	snprintf(fields, sizeof(fields), "pid=%d error=0 val=3 flags=0x0 ",
		 (int)n.pid);
	expect_events(_metadata, self->root, n.id,
		      "queued delivered addfd answered ", "answered", fields);
	close(fd);
	close(src);
}

TEST_F(trace, a_system_call_that_is_let_through)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif_resp resp = {
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
	};
	struct seccomp_notif n;
	struct target *t;
	char fields[128];

	t = spawn_delivered(_metadata, sup, call_once, &n);
	resp.id = n.id;
	EXPECT_EQ(0, send_resp(sup, &resp));
	reap(_metadata, t);
	snprintf(fields, sizeof(fields), "pid=%d error=0 val=0 flags=0x1 ",
		 (int)n.pid);
	expect_events(_metadata, self->root, n.id,
		      "queued delivered answered ", "answered", fields);
}

TEST_F(trace, a_value)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	char fields[128];

	t = spawn_delivered(_metadata, sup, call_once, &n);
	EXPECT_EQ(0, reply_value(sup, n.id, 1LL << 40));
	reap(_metadata, t);
	snprintf(fields, sizeof(fields),
		 "pid=%d error=0 val=%lld flags=0x0 ", (int)n.pid, 1LL << 40);
	expect_events(_metadata, self->root, n.id,
		      "queued delivered answered ", "answered", fields);
}

TEST_F(trace, an_abort)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	char fields[128];

	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	expect_handled(_metadata, t, -1, EINTR);
	snprintf(fields, sizeof(fields), "pid=%d ", (int)n.pid);
	expect_events(_metadata, self->root, n.id, "queued delivered aborted ",
		      "aborted", fields);

	t = spawn_delivered(_metadata, sup, call_once, &n);
	kill_and_reap(_metadata, t);
	snprintf(fields, sizeof(fields), "pid=%d ", (int)n.pid);
	expect_events(_metadata, self->root, n.id, "queued delivered aborted ",
		      "aborted", fields);
}

/* The listener is closed: that is an answer, of nobody's. */
TEST_F(trace, a_close)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	char fields[128];

	t = spawn_delivered(_metadata, sup, call_once, &n);
	close_listener(_metadata, sup);
	expect_result(_metadata, t, -1, ENOSYS);
	snprintf(fields, sizeof(fields), "pid=%d error=%d val=0 flags=0x0 ",
		 (int)n.pid, -ENOSYS);
	expect_events(_metadata, self->root, n.id,
		      "queued delivered answered ", "answered", fields);
}

TEST_F(trace, fds)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	char fields[128];
	int src, fd;

	src = open_null(_metadata);
	t = spawn_delivered(_metadata, sup, call_once, &n);
	fd = addfd(sup, n.id, src, 0, 0, 0);
	ASSERT_LE(0, fd);
	snprintf(fields, sizeof(fields), "pid=%d ret=%d ", t->tid, fd);
	expect_events(_metadata, self->root, n.id, "queued delivered addfd ",
		      "addfd", fields);
	/* One that is too big a number. */
	EXPECT_EQ(-EBADF, addfd(sup, n.id, src, SECCOMP_ADDFD_FLAG_SETFD,
				1 << 30, 0));
	snprintf(fields, sizeof(fields), "pid=%d ret=%d ", t->tid, -EBADF);
	expect_events(_metadata, self->root, n.id,
		      "queued delivered addfd addfd ", "addfd", fields);
	fd = addfd(sup, n.id, src, SECCOMP_ADDFD_FLAG_SEND, 0, 0);
	ASSERT_LE(0, fd);
	expect_result(_metadata, t, fd, 0);
	snprintf(fields, sizeof(fields), "pid=%d error=0 val=%d flags=0x0 ",
		 (int)n.pid, fd);
	expect_events(_metadata, self->root, n.id,
		      "queued delivered addfd addfd addfd answered ",
		      "answered", fields);
	close(src);
}

/* Delivered once more, for a signal and to whoever takes over. */
TEST_F(trace, more_deliveries)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;
	char fields[128];

	if (!set_signaled(_metadata, sup))
		return;
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_EQ(0, recv_notif(sup, &n));
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	ASSERT_EQ(0, recv_notif(sup, &n));
	snprintf(fields, sizeof(fields), "pid=%d flags=%#x ", t->tid,
		 (unsigned int)SIGNALED);
	expect_events(_metadata, self->root, n.id,
		      "queued " AGAIN AGAIN AGAIN, "delivered", fields);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_handled(_metadata, t, 3, 0);
}

/* Off, they leave nothing. */
TEST_F(trace, nothing_when_off)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n;
	struct target *t;

	ASSERT_EQ(0, write_file(path_of(self->root,
					"events/seccomp_notify/enable"), "0"));
	t = spawn_delivered(_metadata, sup, call_once, &n);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_result(_metadata, t, 3, 0);
	expect_events(_metadata, self->root, n.id, "", "queued", "");
}

TEST_HARNESS_MAIN
