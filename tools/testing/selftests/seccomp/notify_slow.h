/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that takes its time.
 *
 * Whoever closes a descriptor of it sleeps in the file's flush, and whoever
 * touches a page of a mapping sleeps in the page fault, for as long as a test
 * wants. A target that has it open closes it when an fd is installed in its
 * place, and a RECV into a mapping of it writes its buffer late, or not at all.
 * Whoever executes it sleeps in the middle of that. So nobody has it open for
 * writing.
 *
 * It is a FUSE file system that consists of one file. A child process serves
 * it, so that a test that fails can end the server, and nobody sleeps on.
 */
#ifndef _NOTIFY_SLOW_H
#define _NOTIFY_SLOW_H

#include <linux/fuse.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "notify_common.h"

/* Shared with the server. */
struct slow_control {
	int hold_flush;		/* a flush gets no answer while this is set */
	int hold_read;		/* nor does the reading of a page */
	int fail_read;		/* the answer to that is EIO */
	int direct;		/* who opens it maps it with nothing cached */
	int flush_us;		/* how long a flush takes */
	int flushes;		/* how many there have been */
	int reads;
};

struct slow_file {
	int fd;
	int kick;		/* has the server look at *ctl again */
	pid_t server;
	struct slow_control *ctl;
};

#define SLOW_FILE_SIZE	4096
#define SLOW_MAX_HELD	64

static inline void slow_reply(int dev, __u64 unique, int error, void *data,
			      size_t len)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + len,
		.error = error,
		.unique = unique,
	};
	struct iovec iov[] = {
		{ .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_base = data, .iov_len = len },
	};

	/* ENOENT: nobody waits for it any more. */
	if (writev(dev, iov, len ? 2 : 1) < 0 && errno != ENOENT)
		_exit(1);
}

static inline void slow_answer(int dev, struct fuse_in_header *in,
			       struct slow_control *ctl)
{
	static char page[SLOW_FILE_SIZE];
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = sizeof(page),
	};
	struct fuse_attr_out attr = {
		.attr_valid = 3600,
		.attr = {
			.ino = FUSE_ROOT_ID,
			.size = sizeof(page),
			.mode = S_IFREG | 0700,
			.nlink = 1,
			.blksize = sizeof(page),
		},
	};
	struct fuse_open_out open = {
		.open_flags = ATOMIC_GET(ctl->direct) ? FOPEN_DIRECT_IO : 0,
	};

	switch (in->opcode) {
	case FUSE_INIT:
		slow_reply(dev, in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
		slow_reply(dev, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		slow_reply(dev, in->unique, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
		if (ATOMIC_GET(ctl->fail_read))
			slow_reply(dev, in->unique, -EIO, NULL, 0);
		else
			slow_reply(dev, in->unique, 0, page, sizeof(page));
		break;
	case FUSE_FLUSH:
		usleep(ATOMIC_GET(ctl->flush_us));
		slow_reply(dev, in->unique, 0, NULL, 0);
		break;
	case FUSE_RELEASE:
		slow_reply(dev, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		/* No answer; who is interrupted waits on. */
		break;
	default:
		slow_reply(dev, in->unique, -EOPNOTSUPP, NULL, 0);
	}
}

static inline bool slow_is_held(struct fuse_in_header *in,
				struct slow_control *ctl)
{
	return (in->opcode == FUSE_FLUSH && ATOMIC_GET(ctl->hold_flush)) ||
	       (in->opcode == FUSE_READ && ATOMIC_GET(ctl->hold_read));
}

static inline void slow_serve(int dev, int kick, struct slow_control *ctl)
{
	static struct fuse_in_header held[SLOW_MAX_HELD];
	static char buf[FUSE_MIN_READ_BUFFER + SLOW_FILE_SIZE];
	struct fuse_in_header *in = (struct fuse_in_header *)buf;
	struct pollfd p[] = {
		{ .fd = dev, .events = POLLIN },
		{ .fd = kick, .events = POLLIN },
	};
	int i, count = 0;
	__u64 kicks;

	while (poll(p, 2, -1) > 0) {
		if (p[1].revents && read(kick, &kicks, sizeof(kicks)) < 0)
			break;
		for (i = 0; i < count; i++) {
			if (slow_is_held(&held[i], ctl))
				continue;
			slow_answer(dev, &held[i], ctl);
			held[i--] = held[--count];
		}
		if (!p[0].revents)
			continue;
		if (read(dev, buf, sizeof(buf)) < (ssize_t)sizeof(*in)) {
			if (errno == EINTR || errno == EAGAIN ||
			    errno == ENOENT)
				continue;
			break;
		}
		if (slow_is_held(in, ctl) && count < SLOW_MAX_HELD)
			held[count++] = *in;
		else
			slow_answer(dev, in, ctl);
		if (in->opcode == FUSE_FLUSH)
			ATOMIC_INC(ctl->flushes);
		if (in->opcode == FUSE_READ)
			ATOMIC_INC(ctl->reads);
	}
}

/*
 * Opens one; false if the test is skipped. It must be called before there is a
 * listener: the server would keep that open.
 */
static inline bool slow_open(struct __test_metadata *_metadata,
			     struct slow_file *f)
{
	char path[] = "/tmp/seccomp_notify.XXXXXX", options[64];
	pid_t parent = getpid();
	struct stat st;
	int dev, fd;

	memset(f, 0, sizeof(*f));
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		SKIP(return false, "no /dev/fuse (%d)", errno);
	fd = mkstemp(path);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=100700,user_id=0,group_id=0", dev);
	if (mount("slow", path, "fuse", 0, options)) {
		unlink(path);
		close(dev);
		SKIP(return false, "cannot mount (%d)", errno);
	}

	f->ctl = mmap(NULL, sizeof(*f->ctl), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(f->ctl != MAP_FAILED);
	f->kick = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, f->kick);
	f->server = fork();
	ASSERT_LE(0, f->server);
	if (!f->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (kill(parent, 0))
			_exit(1);
		slow_serve(dev, f->kick, f->ctl);
		_exit(0);
	}
	close(dev);
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, f->fd);
	/* A page fault looks at the size. */
	ASSERT_EQ(0, fstat(f->fd, &st));
	ASSERT_EQ(SLOW_FILE_SIZE, st.st_size);
	ASSERT_EQ(0, umount2(path, MNT_DETACH));
	ASSERT_EQ(0, unlink(path));
	return true;
}

/* Sets a field of ctl. */
static inline void slow_set(struct slow_file *f, int *field, int value)
{
	__u64 one = 1;

	ATOMIC_SET(*field, value);
	if (write(f->kick, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* Whoever still waits for the server gets an error. */
static inline void slow_close(struct slow_file *f)
{
	if (f->server <= 0)
		return;
	kill(f->server, SIGKILL);
	waitpid(f->server, NULL, 0);
	f->server = 0;
	close(f->fd);
	close(f->kick);
	munmap(f->ctl, sizeof(*f->ctl));
}

/* Has @src installed in place of the file: the target sleeps in flush. */
static inline void start_slow_install(struct __test_metadata *_metadata,
				      struct supervisor *sup, struct adder *a,
				      __u64 id, int src, struct slow_file *f)
{
	int before = ATOMIC_GET(f->ctl->flushes);

	slow_set(f, &f->ctl->hold_flush, 1);
	start_replacing(_metadata, sup, a, id, src, 0, f->fd);
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(f->ctl->flushes) > before));
	ASSERT_TRUE(WAIT_FOR(adder_rests(a)));
	ASSERT_FALSE(ATOMIC_GET(a->finished));
}

/* A reader whose buffer is a page of a slow file. */
struct slow_reader {
	struct reader reader;
	struct slow_file *slow;
	struct seccomp_notif *buf;
};

static inline void *read_slowly(void *arg)
{
	struct slow_reader *r = arg;

	ATOMIC_SET(r->reader.tid, sys_gettid());
	r->reader.ret = recv_into(r->reader.sup, r->buf);
	ATOMIC_SET(r->reader.finished, 1);
	return NULL;
}

/* It sleeps in RECV, which found its buffer in order. */
static inline void start_slow_reader(struct __test_metadata *_metadata,
				     struct supervisor *sup,
				     struct slow_reader *r,
				     struct slow_file *slow)
{
	int size = getpagesize();
	void *page = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);

	memset(r, 0, sizeof(*r));
	r->reader.sup = sup;
	r->slow = slow;
	r->buf = page;
	ASSERT_EQ(0, pthread_create(&r->reader.thread, NULL, read_slowly, r));
	ASSERT_TRUE(WAIT_FOR(ATOMIC_GET(r->reader.tid)));
	ASSERT_TRUE(WAIT_FOR(sleeps_in_ioctl(r->reader.tid)));

	slow_set(slow, &slow->ctl->hold_read, 1);
	ASSERT_EQ(page, mmap(page, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_FIXED, slow->fd, 0));
	/* One page, and nothing ahead. */
	ASSERT_EQ(0, madvise(page, size, MADV_RANDOM));
}

/* It has taken a notification, and is about to write that. */
static inline bool slow_reader_writes(struct slow_reader *r)
{
	return WAIT_FOR(ATOMIC_GET(r->slow->ctl->reads));
}

static inline void end_slow_reader(struct __test_metadata *_metadata,
				   struct slow_reader *r, int ret)
{
	slow_set(r->slow, &r->slow->ctl->fail_read, ret == -EFAULT);
	slow_set(r->slow, &r->slow->ctl->hold_read, 0);
	join_reader(_metadata, &r->reader);
	EXPECT_EQ(ret, r->reader.ret);
}

#endif /* _NOTIFY_SLOW_H */
