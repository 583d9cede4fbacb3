// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/PID/fdinfo of a listener: who waits for what, and since when.
 */
#include <sys/mount.h>

#include "notify_common.h"

#define MAX_LINES	64

/* A notification as it is listed. */
struct line {
	unsigned long long id;
	int pid;
	unsigned int arch;
	int nr;
	char state[16];
	unsigned long long age;		/* ms */
};

struct info {
	int used;
	unsigned int flags;
	int queued;
	int delivered;
	int requeued;
	int readers;
	int count;
	struct line lines[MAX_LINES + 1];
};

/* The value of the line that begins with @key. */
static const char *value_of(const char *buf, const char *key)
{
	const char *line = buf;
	size_t len = strlen(key);

	while (line) {
		if (!strncmp(line, key, len) && line[len] == ':' &&
		    line[len + 1] == '\t')
			return line + len + 2;
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return NULL;
}

static long number_of(struct __test_metadata *_metadata, const char *buf,
		      const char *key)
{
	const char *value = value_of(buf, key);

	ASSERT_NE(NULL, value) {
		TH_LOG("no %s: in %s", key, buf);
	}
	return strtol(value, NULL, 0);
}

static int read_fdinfo(int listener, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", listener);
	return read_file(path, buf, size);
}

static void parse_lines(struct info *info, const char *buf)
{
	const char *value = buf;

	info->count = 0;
	while ((value = value_of(value, "notif"))) {
		struct line *l = &info->lines[info->count];

		if (sscanf(value, "id:%llu pid:%d arch:%x nr:%d state:%15s age:%llu",
			   &l->id, &l->pid, &l->arch, &l->nr, l->state,
			   &l->age) != 6 || info->count++ == MAX_LINES)
			break;
	}
}

static void get_info(struct __test_metadata *_metadata, struct supervisor *sup,
		     struct info *info)
{
	static char buf[16384];

	ASSERT_LT(0, read_fdinfo(sup->listener, buf, sizeof(buf)));
	info->used = number_of(_metadata, buf, "used");
	info->flags = number_of(_metadata, buf, "notif-flags");
	info->queued = number_of(_metadata, buf, "queued");
	info->delivered = number_of(_metadata, buf, "delivered");
	info->requeued = number_of(_metadata, buf, "requeued");
	info->readers = number_of(_metadata, buf, "readers");
	parse_lines(info, buf);
}

static void expect_counts(struct __test_metadata *_metadata,
			  struct supervisor *sup, int queued, int delivered,
			  int requeued)
{
	struct info info;

	get_info(_metadata, sup, &info);
	EXPECT_EQ(queued, info.queued);
	EXPECT_EQ(delivered, info.delivered);
	EXPECT_EQ(requeued, info.requeued);
}

/* The line at @i is of @t, which is in this state. */
static void expect_line(struct __test_metadata *_metadata, struct info *info,
			int i, struct target *t, const char *state)
{
	struct line *line = &info->lines[i];

	ASSERT_LT(i, info->count);
	EXPECT_EQ(t->tid, line->pid);
	EXPECT_EQ(NR_TRAPPED, line->nr);
	if (NATIVE_ARCH)
		EXPECT_EQ(NATIVE_ARCH, line->arch);
	EXPECT_STREQ(state, line->state);
	EXPECT_GT(GUARD * 1000, line->age);
}

FIXTURE(fdinfo)
{
	struct supervisor sup;
};

FIXTURE_SETUP(fdinfo)
{
	char buf[4096];

	init_supervisor(_metadata, &self->sup);
	supervise(_metadata, &self->sup, 0);
	ASSERT_LT(0, read_fdinfo(self->sup.listener, buf, sizeof(buf)));
	if (c_differs(_metadata, &self->sup, !value_of(buf, "notif-flags"),
		      "fdinfo tells nothing of the listener"))
		return;
}

FIXTURE_TEARDOWN(fdinfo)
{
	end_supervisor(_metadata, &self->sup);
}

TEST_F(fdinfo, whether_it_is_used)
{
	struct supervisor *sup = &self->sup;
	struct supervisor unused = *sup;
	struct info info;
	struct target *t;

	get_info(_metadata, sup, &info);
	EXPECT_EQ(1, info.used);
	EXPECT_EQ(0, info.count);
	/* No other is installed while it is open. */
	close_listener(_metadata, sup);

	unused.listener = sys_seccomp(SECCOMP_NEW_LISTENER, 0, NULL);
	ASSERT_LE(0, unused.listener);
	get_info(_metadata, &unused, &info);
	EXPECT_EQ(0, info.used);
	t = spawn_user(_metadata, &unused, use_and_exit_when_told, 0, 0);
	get_info(_metadata, &unused, &info);
	EXPECT_EQ(1, info.used);
	tell(t);
	reap(_metadata, t);
	EXPECT_TRUE(WAIT_FOR(poll_now(&unused) & POLLHUP));
	get_info(_metadata, &unused, &info);
	EXPECT_EQ(0, info.used);
	close(unused.listener);
}

TEST_F(fdinfo, its_flags)
{
	static const unsigned int flags[] = {
		0, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP,
		SECCOMP_USER_NOTIF_FD_SIGNALED,
		SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP |
		SECCOMP_USER_NOTIF_FD_SIGNALED,
	};
	struct info info;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		ASSERT_EQ(0, set_flags(&self->sup, flags[i]));
		get_info(_metadata, &self->sup, &info);
		EXPECT_EQ(flags[i], info.flags);
	}
}

TEST_F(fdinfo, each_state)
{
	struct supervisor *sup = &self->sup;
	struct target *delivered, *requeued, *replied, *back, *queued;
	struct seccomp_notif n[4];
	struct info info;

	if (!set_signaled(_metadata, sup))
		return;
	delivered = spawn_delivered(_metadata, sup, call_once, &n[0]);
	expect_counts(_metadata, sup, 0, 1, 0);
	requeued = spawn_delivered(_metadata, sup, call_with_handler, &n[1]);
	replied = spawn_delivered(_metadata, sup, call_once, &n[2]);
	back = spawn_delivered(_metadata, sup, call_once, &n[3]);
	expect_counts(_metadata, sup, 0, 4, 0);
	queued = spawn_queued(_metadata, sup, call_once, 1);
	expect_counts(_metadata, sup, 1, 4, 0);
	ASSERT_EQ(0, kill(requeued->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(requeued)));
	expect_counts(_metadata, sup, 1, 3, 1);
	EXPECT_EQ(1, notif_requeue(sup, n[3].id, 0));
	expect_counts(_metadata, sup, 2, 2, 1);
	if (!hold_target(_metadata, sup, replied))
		return;
	EXPECT_EQ(0, reply_value(sup, n[2].id, 3));

	get_info(_metadata, sup, &info);
	EXPECT_EQ(2, info.queued);
	EXPECT_EQ(1, info.delivered);
	EXPECT_EQ(1, info.requeued);
	/* Oldest first. */
	EXPECT_EQ(5, info.count);
	expect_line(_metadata, &info, 0, delivered, "delivered");
	expect_line(_metadata, &info, 1, requeued, "requeued");
	expect_line(_metadata, &info, 2, replied, "replied");
	expect_line(_metadata, &info, 3, back, "queued");
	expect_line(_metadata, &info, 4, queued, "queued");
	EXPECT_EQ(n[0].id, info.lines[0].id);
	EXPECT_EQ(n[3].id, info.lines[3].id);

	release_target(_metadata, sup);
	expect_result(_metadata, replied, 3, 0);
	EXPECT_EQ(0, reply_value(sup, n[0].id, 4));
	expect_result(_metadata, delivered, 4, 0);
	EXPECT_EQ(0, reply_value(sup, n[1].id, 5));
	expect_handled(_metadata, requeued, 5, 0);
	expect_counts(_metadata, sup, 2, 0, 0);
	ASSERT_EQ(0, recv_notif(sup, &n[3]));
	EXPECT_EQ(0, reply_value(sup, n[3].id, 6));
	expect_result(_metadata, back, 6, 0);
	answer(_metadata, sup, queued);
	get_info(_metadata, sup, &info);
	EXPECT_EQ(0, info.queued + info.delivered + info.requeued + info.count);
}

/* The pid is that of the thread. */
TEST_F(fdinfo, of_a_thread)
{
	struct supervisor *sup = &self->sup;
	struct target *t;
	struct info info;

	t = spawn_thread(_metadata, sup, call_once, 1);
	ASSERT_TRUE(WAIT_FOR(target_waits(t)));
	ASSERT_NE(getpid(), t->tid);
	get_info(_metadata, sup, &info);
	EXPECT_EQ(1, info.count);
	expect_line(_metadata, &info, 0, t, "queued");
	answer(_metadata, sup, t);
}

/* The counters hold whatever becomes of a notification that a signal marks. */
TEST_F(fdinfo, counts_what_is_requeued)
{
	struct supervisor *sup = &self->sup;
	struct seccomp_notif n, told;
	struct target *t;
	void *readonly;

	if (!set_signaled(_metadata, sup))
		return;
	/* Received again, and put back. */
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	ASSERT_EQ(0, recv_notif(sup, &told));
	expect_counts(_metadata, sup, 0, 1, 0);
	EXPECT_EQ(1, notif_requeue(sup, n.id, 0));
	expect_counts(_metadata, sup, 1, 0, 0);
	ASSERT_EQ(0, recv_notif(sup, &told));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_handled(_metadata, t, 3, 0);
	expect_counts(_metadata, sup, 0, 0, 0);

	/* Put back while it is requeued. */
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	expect_counts(_metadata, sup, 0, 0, 1);
	EXPECT_EQ(1, notif_requeue(sup, 0, SECCOMP_NOTIF_REQUEUE_ALL));
	expect_counts(_metadata, sup, 1, 0, 0);
	ASSERT_EQ(0, recv_notif(sup, &told));
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_handled(_metadata, t, 3, 0);

	/* Answered while it is there after a RECV that failed. */
	readonly = map_pages(_metadata, 1, PROT_READ);
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	EXPECT_EQ(-1, ioctl(sup->listener, SECCOMP_IOCTL_NOTIF_RECV, readonly));
	EXPECT_EQ(EFAULT, errno);
	expect_counts(_metadata, sup, 0, 0, 1);
	EXPECT_EQ(0, reply_value(sup, n.id, 3));
	expect_handled(_metadata, t, 3, 0);
	expect_counts(_metadata, sup, 0, 0, 0);

	/* Killed while it is. */
	t = spawn_delivered(_metadata, sup, call_with_handler, &n);
	ASSERT_EQ(0, kill(t->tid, SIGUSR1));
	ASSERT_TRUE(WAIT_FOR(target_waits_killable(t)));
	kill_and_reap(_metadata, t);
	expect_counts(_metadata, sup, 0, 0, 0);
}

TEST_F(fdinfo, how_many_readers_sleep)
{
	struct supervisor *sup = &self->sup;
	struct reader readers[3];
	struct target *t;
	struct info info;
	int i;

	for (i = 0; i < 3; i++) {
		start_reader(_metadata, sup, &readers[i]);
		ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(readers[i].tid)));
		get_info(_metadata, sup, &info);
		EXPECT_EQ(i + 1, info.readers);
	}
	for (i = 3; i > 0; i--) {
		t = spawn(_metadata, sup, call_once, i);
		/* The last that came. */
		join_reader(_metadata, &readers[i - 1]);
		get_info(_metadata, sup, &info);
		EXPECT_EQ(i - 1, info.readers);
		EXPECT_EQ(0, reply_value(sup, readers[i - 1].n.id, i));
		expect_result(_metadata, t, i, 0);
	}
}

/* The oldest, and not more of them than these. */
TEST_F(fdinfo, sixty_four_of_many)
{
	struct supervisor *sup = &self->sup;
	struct target *t[100];
	struct seccomp_notif n;
	struct info info;
	int i;

	for (i = 0; i < 100; i++)
		t[i] = spawn_queued(_metadata, sup, call_once, i);
	get_info(_metadata, sup, &info);
	EXPECT_EQ(100, info.queued);
	ASSERT_EQ(MAX_LINES, info.count);
	for (i = 0; i < MAX_LINES; i++)
		expect_line(_metadata, &info, i, t[i], "queued");
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, recv_notif(sup, &n));
		EXPECT_EQ(info.lines[i].id, n.id);
		EXPECT_EQ(0, reply_value(sup, n.id, i));
		expect_result(_metadata, t[i], i, 0);
	}
	get_info(_metadata, sup, &info);
	ASSERT_EQ(50, info.count);
	for (i = 0; i < 50; i++)
		expect_line(_metadata, &info, i, t[50 + i], "queued");
	for (i = 50; i < 100; i++)
		answer(_metadata, sup, t[i]);
}

TEST_F(fdinfo, how_old_they_are)
{
	struct supervisor *sup = &self->sup;
	struct target *first, *second;
	struct timespec start, now;
	struct info info;
	long elapsed;

	clock_gettime(CLOCK_MONOTONIC, &start);
	first = spawn_queued(_metadata, sup, call_once, 1);
	usleep(300 * 1000);
	second = spawn_queued(_metadata, sup, call_once, 2);
	get_info(_metadata, sup, &info);
	ASSERT_EQ(2, info.count);
	clock_gettime(CLOCK_MONOTONIC, &now);
	elapsed = (now.tv_sec - start.tv_sec) * 1000 +
		  (now.tv_nsec - start.tv_nsec) / 1000000;
	/* By the clock's ticks. */
	EXPECT_LE(280, info.lines[0].age);
	EXPECT_GE(elapsed + 20, info.lines[0].age);
	EXPECT_LE(info.lines[1].age + 280, info.lines[0].age);
	answer(_metadata, sup, first);
	answer(_metadata, sup, second);
}

/* It tells no more of others than /proc does: their pids are not visible. */
static int look_from_pid_namespace(struct target *t)
{
	static struct info info;
	char buf[16384];

	if (mount("proc", "/proc", "proc", 0, NULL))
		return 1;
	if (read_fdinfo(t->sup->listener, buf, sizeof(buf)) <= 0)
		return 2;
	parse_lines(&info, buf);
	if (info.count != 1)
		return 3;
	return info.lines[0].pid ? 4 : 0;
}

static void unshare_and_look(struct target *t)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		t->err = errno;
		return;
	}
	pid = fork();
	if (!pid)
		_exit(look_from_pid_namespace(t));
	waitpid(pid, &t->status, 0);
	t->ret = t->status;
}

TEST_F(fdinfo, pids_are_those_of_the_reader)
{
	struct supervisor *sup = &self->sup;
	struct target *t, *looker;

	t = spawn_queued(_metadata, sup, call_once, 1);
	looker = spawn_supervisor(_metadata, sup, unshare_and_look, 0);
	ASSERT_EQ(looker->tid, waitpid(looker->tid, NULL, 0));
	looker->tid = 0;
	answer(_metadata, sup, t);
	if (looker->err)
		SKIP(return, "no pid namespaces (%d)", looker->err);
	EXPECT_EQ(0, looker->ret);
}

/* Read all the time, while notifications come and go. */
TEST_F(fdinfo, while_it_changes)
{
	struct supervisor *sup = &self->sup;
	struct info info;
	struct seccomp_notif n;
	struct target *t[4];
	int i, j;

	for (i = 0; i < 4; i++)
		t[i] = spawn(_metadata, sup, call_until_stopped, i);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, recv_notif(sup, &n));
		if (i % 10 == 0) {
			get_info(_metadata, sup, &info);
			EXPECT_LE(1, info.delivered);
			EXPECT_GE(4, info.count);
			EXPECT_GE(4, info.queued + info.delivered);
			for (j = 1; j < info.count; j++)
				EXPECT_LT(info.lines[j - 1].id,
					  info.lines[j].id);
		}
		EXPECT_EQ(0, reply_value(sup, n.id, i));
	}
	for (i = 0; i < 4; i++)
		kill_and_reap(_metadata, t[i]);
	get_info(_metadata, sup, &info);
	EXPECT_EQ(0, info.queued + info.delivered + info.requeued + info.count);
}

TEST_HARNESS_MAIN
