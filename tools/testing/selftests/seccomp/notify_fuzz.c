// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, at random: supervisors and targets, processes and
 * threads, on one listener or two, while they are signalled, stopped, frozen and
 * killed, fork and execute.
 *
 * It takes turns in rounds. In each, some of the disturbances are on. What is
 * on decides what a call may return; the fewer, the stricter. A target knows of
 * each result whether it was meant for this very call of its: an answer is a
 * ticket, which is handed out once. A round ends with rest: all disturbances
 * stop, supervisors do nothing but RECV and SEND, and all targets must get
 * there. Then the last user of the filter goes, and all readers must return.
 *
 * Whatever a thread decides at random comes from a seed of its own, which comes
 * from that of the round, and that from SEED. Environment variables:
 *
 *   SEED	by default the time
 *   TIME	for how many seconds; by default few, for a test among others
 *   ROUND	the first round, to come back to one that failed
 */
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "notify_common.h"

#define DEFAULT_TIME	7

/* Executed, it fails with EINVAL, as no supervisor does. */
#define NR_ASKED	__NR_getpriority
#define CONTINUED	(-EINVAL)

#define MAX_LISTENERS	2
#define MAX_SLOTS	256
#define MAX_PROCESSES	8
#define MAX_AGENTS	16
#define MAX_HELD	8
#define MAX_FAILURES	8
#define MAX_TICKETS	(1 << 16)
/* So many that a round is over before. */
#define MAX_IDS		(1 << 17)

/* Tickets as values are no errno, no fd and no pid. */
#define FIRST_TICKET	(1 << 24)
/* Where a supervisor puts an fd for a slot. */
#define FIRST_FD	100
#define FEW_FDS		8
#define FEW_BYTES	512
#define MANY_BYTES	65536
/* The kernel's SECCOMP_NOTIFY_ADDFD_SIZE_VER0. */
#define ADDFD_SIZE_VER0	24
#define BOARD_ENV	"SECCOMP_NOTIFY_FUZZ"

/* How long all may take to come to rest, in seconds. */
#define REST		60

enum phase {
	PREPARE,
	RUN,
	SETTLE,
	END,
};

/* What may happen in a round. */
enum feature {
	SIGNALS		= 1 << 0,	/* targets are signalled */
	KILLS		= 1 << 1,	/* processes of targets are killed */
	STOPS		= 1 << 2,	/* any process is stopped and continued */
	FREEZES		= 1 << 3,	/* all targets are frozen, and thawed */
	EXECS		= 1 << 4,	/* targets execute, which kills threads */
	FORKS		= 1 << 5,
	TSYNCS		= 1 << 6,
	INTERRUPTS	= 1 << 7,	/* supervisors are signalled */
	DEATHS		= 1 << 8,	/* supervisors are killed */
	NONBLOCK	= 1 << 9,	/* O_NONBLOCK comes and goes */
	JUNK		= 1 << 10,	/* bad arguments */
	CLOSES		= 1 << 11,	/* the listeners are closed at the end */
	STARVES		= 1 << 12,	/* targets may have few fds */
	LATE		= 1 << 13,	/* answers come late, in any order */
	TWICE		= 1 << 14,	/* ... and more than once */
	PEEKS		= 1 << 15,	/* targets look at their listener */
	COMMON		= (1 << 16) - 1,
	/* In Rust alone. */
	TOLD		= 1 << 16,	/* FD_SIGNALED comes and goes */
	REQUEUES	= 1 << 17,
	NESTED		= 1 << 18,
	USES		= 1 << 19,	/* the listener is there first */
	ALL		= (1 << 20) - 1,

	/* A target may be gone while its notification is in somebody's hands. */
	DISTURBED	= SIGNALS | KILLS | STOPS | FREEZES | EXECS | CLOSES,
};

enum kind {
	VALUE,
	ERROR,
	FD,		/* the contents of the fd that is the result */
	FILE_ONLY,	/* ... of an fd that comes beside it */
};

enum sent {
	MAYBE,		/* whoever sent it may have died over it */
	SENT,
	REFUSED,
};

/* An answer that is used once. */
struct ticket {
	int slot;		/* -1 for whoever gets it */
	unsigned int nonce;
	unsigned char kind;
	unsigned char listener;
	unsigned char sent;
	unsigned char consumed;
};

/* A thread that makes system calls, as long as there is one. */
struct slot {
	int used;
	int over;
	int process;		/* -1 for a child of a target */
	int tid;
	int gone;		/* about to be killed by an exec */
	int restarts;
	int is_nested;		/* the second listener is asked before the first */
	int execs;
	unsigned int nonce;	/* of the last call */
	unsigned int continued[MAX_LISTENERS];	/* the last that was let through */
};

struct process {
	pid_t pid;
	int dies;		/* somebody will kill it */
	int is_supervisor;
};

/* A supervisor's thread. */
struct agent {
	int tid;
	pid_t pid;
	const char *doing;
};

struct seen {
	__u64 id;
	int delivered;
	int answered;
};

struct board {
	unsigned long seed;	/* of the round */
	unsigned int features;
	int is_c;
	int phase;
	int is_shared;		/* a notification may be in several hands */
	int is_closing;
	int is_ending;		/* the last users of the filters may be gone */
	int anchor_is_ready;
	int root_is_ready;
	int root_may_go_on;
	int targets_are_there;
	int root_is_alone;	/* all targets are reaped */

	int nr_listeners;
	int listener[MAX_LISTENERS];
	unsigned int flags[MAX_LISTENERS];	/* of the filters */
	__u64 lowest[MAX_LISTENERS], highest[MAX_LISTENERS];

	int nr_tickets;
	int nr_slots;
	int nr_processes;	/* the supervisors' first */
	int nr_agents;
	int nr_failures;

	unsigned long calls;
	unsigned long answers;
	unsigned long deaths;

	char failure[MAX_FAILURES][256];
	struct ticket tickets[MAX_TICKETS];
	struct seen seen[MAX_LISTENERS][MAX_IDS];
	struct slot slots[MAX_SLOTS];
	struct process processes[MAX_PROCESSES];
	struct agent agents[MAX_AGENTS];
};

static struct board *board;
static int board_fd;

static void __attribute__((format(printf, 1, 2))) fail(const char *fmt, ...)
{
	int i = __atomic_fetch_add(&board->nr_failures, 1, __ATOMIC_SEQ_CST);
	va_list args;

	if (i >= MAX_FAILURES)
		return;
	va_start(args, fmt);
	vsnprintf(board->failure[i], sizeof(board->failure[i]), fmt, args);
	va_end(args);
}

static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Chance
 */

static __thread unsigned long chance;

static unsigned long mix(unsigned long a, unsigned long b)
{
	unsigned long x = a * 0x9e3779b97f4a7c15UL + b + 1;

	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9UL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebUL;
	return x ^ x >> 31;
}

static void seed_thread(const char *role, unsigned int index)
{
	chance = mix(mix(board->seed, role[0]), index);
}

/* Less than @n. */
static unsigned int pick(unsigned int n)
{
	chance = mix(chance, 1);
	return (chance >> 32) % n;
}

static bool once_in(unsigned int n)
{
	return !pick(n);
}

static bool has(unsigned int features)
{
	return board->features & features;
}

static bool runs(void)
{
	return ATOMIC_GET(board->phase) == RUN && !ATOMIC_GET(board->nr_failures);
}

/*
 * What calls may return. An errno of 0 in a list is none.
 */

static void check(const char *what, long ret, bool may_succeed, const int *errnos)
{
	if (ret >= 0 && may_succeed)
		return;
	for (; *errnos >= 0; errnos++) {
		if (*errnos && ret == -*errnos)
			return;
	}
	fail("%s returned %ld", what, ret);
}

#define ERRNOS(...)	((const int []){ __VA_ARGS__, -1 })
#define MAY_FAIL(what, ret, ...)	check(what, ret, true, ERRNOS(__VA_ARGS__))
#define MUST_FAIL(what, ret, ...)	check(what, ret, false, ERRNOS(__VA_ARGS__))

/* In C, the lock is taken interruptibly. */
static int eintr_of_c(void)
{
	return board->is_c ? EINTR : 0;
}

/* If a notification that was received can be gone. */
static int enoent(void)
{
	return has(DISTURBED) || ATOMIC_GET(board->is_shared) ? ENOENT : 0;
}

static int einprogress(void)
{
	return ATOMIC_GET(board->is_shared) ? EINPROGRESS : 0;
}

/*
 * Tickets
 */

static int new_ticket(int slot, unsigned int nonce, enum kind kind, int listener)
{
	int i = __atomic_fetch_add(&board->nr_tickets, 1, __ATOMIC_SEQ_CST);
	struct ticket *t = &board->tickets[i];

	/* A round is over long before; this is for one that cannot end. */
	if (i >= MAX_TICKETS) {
		fail("out of tickets");
		_exit(1);
	}
	t->nonce = nonce;
	t->kind = kind;
	t->listener = listener;
	t->slot = slot;
	return FIRST_TICKET + i;
}

static struct ticket *ticket_of(long value)
{
	long i = value - FIRST_TICKET;

	return i < 0 || i >= board->nr_tickets ? NULL : &board->tickets[i];
}

static void set_sent(int ticket, bool is_sent)
{
	ATOMIC_SET(ticket_of(ticket)->sent, is_sent ? SENT : REFUSED);
}

static bool near_the_end(void)
{
	return ATOMIC_GET(board->nr_tickets) > MAX_TICKETS / 2 ||
	       ATOMIC_GET(board->nr_slots) > MAX_SLOTS * 3 / 4;
}

/*
 * Targets
 */

static int index_of(struct slot *s)
{
	return s - board->slots;
}

static bool is_let_through(struct slot *s, int listener)
{
	return ATOMIC_GET(s->continued[listener]) == s->nonce;
}

/* @value is a ticket for this call, and it is used for the first time. */
static void consume(struct slot *s, long value, enum kind kind)
{
	struct ticket *t = ticket_of(value);

	if (!t) {
		fail("slot %d got %ld, which is no ticket", index_of(s), value);
		return;
	}
	if (t->kind != kind)
		fail("slot %d got ticket %ld of kind %d as %d", index_of(s),
		     value, t->kind, kind);
	if (t->slot >= 0 &&
	    (t->slot != index_of(s) || (kind != FILE_ONLY && t->nonce != s->nonce)))
		fail("slot %d, call %u got the answer to slot %d, call %u",
		     index_of(s), s->nonce, t->slot, t->nonce);
	if (__atomic_exchange_n(&t->consumed, 1, __ATOMIC_SEQ_CST))
		fail("slot %d got ticket %ld, which was used before", index_of(s),
		     value);
	if (t->slot >= 0 && s->is_nested && t->listener == 0 &&
	    kind != FILE_ONLY && !is_let_through(s, 1))
		fail("slot %d, call %u was answered without the inner listener",
		     index_of(s), s->nonce);
}

/* The ticket that a file holds, -1 if it is none of ours. */
static long read_ticket(int fd)
{
	long value;

	return pread(fd, &value, sizeof(value), 0) == sizeof(value) ? value : -1;
}

static void judge_result(struct slot *s, long ret)
{
	const unsigned int killable = SECCOMP_FILTER_FLAG_WAIT_KILLABLE;
	int i;

	if (ret >= FIRST_TICKET) {
		consume(s, ret, VALUE);
	} else if (ret <= -FIRST_TICKET) {
		consume(s, -ret, ERROR);
	} else if (ret >= 0) {
		consume(s, read_ticket(ret), FD);
		close(ret);
	} else if (ret == CONTINUED) {
		for (i = 0; i <= s->is_nested; i++) {
			if (!is_let_through(s, i))
				fail("slot %d, call %u was not let through by %d",
				     index_of(s), s->nonce, i);
		}
	} else if (ret == -ENOSYS) {
		if (!ATOMIC_GET(board->is_closing))
			fail("slot %d got ENOSYS", index_of(s));
	} else if (ret == -EINTR) {
		if (!has(SIGNALS) || s->restarts ||
		    (board->flags[0] & board->flags[s->is_nested] & killable))
			fail("slot %d got EINTR", index_of(s));
	} else {
		fail("slot %d got %ld", index_of(s), ret);
	}
}

/*
 * A call has memory that is full of one number, and a supervisor fills it with
 * another. Both are this call's alone. They are bytes: who writes it while
 * another does, or reads it, gets some of each.
 */
static unsigned char fill_of(int slot, unsigned int nonce, bool is_written)
{
	return mix(slot, nonce) ^ (is_written ? 0xff : 0);
}

static bool is_of_call(const unsigned char *bytes, int count, int slot,
		       unsigned int nonce)
{
	const unsigned char own = fill_of(slot, nonce, false);
	const unsigned char written = fill_of(slot, nonce, true);
	int i;

	for (i = 0; i < count; i++) {
		if (bytes[i] != own && bytes[i] != written)
			return false;
	}
	return true;
}

/* Nothing that was written for another call, and nothing after its end. */
static void judge_memory(struct slot *s, const unsigned char *bytes, int count)
{
	static __thread unsigned char copy[MANY_BYTES];

	memcpy(copy, bytes, count);
	if (!is_of_call(copy, count, index_of(s), s->nonce))
		fail("slot %d, call %u has what was written for another",
		     index_of(s), s->nonce);
	if (once_in(4))
		sched_yield();
	if (memcmp(copy, bytes, count))
		fail("slot %d was written to after call %u", index_of(s), s->nonce);
}

/* What a supervisor put beside the answer is for this slot. */
static void judge_file(struct slot *s)
{
	int fd = FIRST_FD + index_of(s);
	long value;

	if (fcntl(fd, F_GETFD) < 0)
		return;
	value = read_ticket(fd);
	close(fd);
	consume(s, value, FILE_ONLY);
}

static void call(struct slot *s)
{
	static __thread unsigned char bytes[MANY_BYTES];
	int count = once_in(8) ? MANY_BYTES : FEW_BYTES;
	long ret;

	ATOMIC_INC(s->nonce);
	memset(bytes, fill_of(index_of(s), s->nonce, false), count);
	errno = 0;
	ret = syscall(NR_ASKED, MAX_SLOTS + index_of(s), s->nonce,
		      mix(index_of(s), s->nonce), bytes, count, 0);
	if (ret == -1)
		ret = -errno;
	judge_result(s, ret);
	judge_memory(s, bytes, count);
	judge_file(s);
	ATOMIC_INC(board->calls);
}

static struct slot *new_slot(int process)
{
	int i = __atomic_fetch_add(&board->nr_slots, 1, __ATOMIC_SEQ_CST);
	struct slot *s = &board->slots[i];

	if (i >= MAX_SLOTS) {
		fail("out of slots");
		_exit(1);
	}
	s->process = process;
	s->restarts = has(SIGNALS) ? i % 2 : 1;
	return s;
}

static void enter_slot(struct slot *s)
{
	s->tid = sys_gettid();
	seed_thread("target", index_of(s));
	/* Not the same after each exec: it would be one exec after the other. */
	chance = mix(mix(chance, s->nonce), s->execs);
	ATOMIC_SET(s->used, 1);
}

static void leave_slot(struct slot *s)
{
	ATOMIC_SET(s->over, 1);
}

static void ignore_signal(int sig)
{
}

static void set_handler(int sig, bool restarts)
{
	struct sigaction sa = {
		.sa_handler = ignore_signal,
		.sa_flags = restarts ? SA_RESTART : 0,
	};

	sigaction(sig, &sa, NULL);
}

/* As long as there is no handler. */
static void block_signal(int sig, int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(how, &set, NULL);
}

static void fork_child(struct slot *s)
{
	struct slot *child = new_slot(-1);
	int i, count = 1 + pick(3);
	pid_t pid;

	child->restarts = s->restarts;
	child->is_nested = s->is_nested;
	pid = fork();
	if (pid < 0) {
		fail("fork: %d", errno);
		leave_slot(child);
		return;
	}
	if (!pid) {
		enter_slot(child);
		for (i = 0; i < count; i++)
			call(child);
		leave_slot(child);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The other threads die; the slot goes on in the new program. */
static void execute(struct slot *s)
{
	char arg[64];
	int i;

	for (i = 0; i < ATOMIC_GET(board->nr_slots); i++) {
		struct slot *other = &board->slots[i];

		if (other != s && other->process == s->process)
			ATOMIC_SET(other->gone, 1);
	}
	block_signal(SIGUSR1, SIG_BLOCK);
	snprintf(arg, sizeof(arg), BOARD_ENV "=%d,%d", board_fd, index_of(s));
	execle("/proc/self/exe", "notify_fuzz", NULL,
	       (char *[]){ arg, NULL });
	fail("exec: %d", errno);
}

/* A filter for all threads, which has nothing to say. */
static void synchronise(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	unsigned int flags = SECCOMP_FILTER_FLAG_TSYNC;
	bool esrch = once_in(2);
	int ret;

	if (esrch)
		flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	ret = install_program(flags, -1, filter, ARRAY_SIZE(filter));
	/* Another thread may have been faster; or one of the exec. */
	MAY_FAIL("TSYNC", ret, esrch ? ESRCH : 0, EAGAIN, EINTR, ENOMEM);
}

static void peek(void)
{
	int fd = board->listener[pick(board->nr_listeners)];
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT };
	int first, other, ep;

	if (once_in(2)) {
		MAY_FAIL("poll", poll_fd(fd, 0), EINTR);
		return;
	}
	other = dup(fd);
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (other >= 0 && ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, other, &e))
		epoll_wait(ep, &e, 1, pick(3));
	/* In any order: the epoll of a file that is released, and the reverse. */
	first = once_in(2) ? other : ep;
	close(first);
	/* The number may be another thread's by now. */
	close(first == other ? ep : other);
}

static void run_slot(struct slot *s, bool may_peek)
{
	int syncs = 2;

	while (runs()) {
		unsigned int what = pick(64);

		if (what == 0 && has(FORKS) && !near_the_end())
			fork_child(s);
		else if (what == 1 && has(EXECS) && once_in(4))
			execute(s);
		else if (what == 2 && has(TSYNCS) && syncs-- > 0)
			synchronise();
		else if (what < 8 && may_peek)
			peek();
		else if (what < 10)
			spin(pick(20000));
		else
			call(s);
	}
	leave_slot(s);
}

static bool keeps_listeners;

static void *run_thread(void *arg)
{
	enter_slot(arg);
	run_slot(arg, keeps_listeners);
	return NULL;
}

static void close_listeners(void)
{
	int i;

	for (i = 0; i < board->nr_listeners; i++)
		close(board->listener[i]);
}

static void use_inner_listener(void)
{
	int ret = install_trapping(board->flags[1] | SECCOMP_FILTER_FLAG_USE_LISTENER,
				   board->listener[1], (int []){ NR_ASKED }, 1);

	if (ret)
		fail("the inner filter: %d", ret);
}

static void run_targets(int process)
{
	struct rlimit few = { .rlim_cur = FEW_FDS, .rlim_max = FEW_FDS };
	pthread_t threads[3];
	struct slot *slots[4];
	int i, count, is_nested;

	seed_thread("process", process);
	/* Where one waits, nobody else wakes a reader. */
	count = once_in(3) ? 1 : 1 + pick(4);
	is_nested = has(NESTED) && once_in(2);
	keeps_listeners = has(PEEKS) && !has(CLOSES) && once_in(2);
	if (is_nested)
		use_inner_listener();
	if (!keeps_listeners)
		close_listeners();
	if (has(STARVES) && once_in(2))
		setrlimit(RLIMIT_NOFILE, &few);
	for (i = 0; i < count; i++) {
		slots[i] = new_slot(process);
		slots[i]->is_nested = is_nested;
		/* There is one handler for all. */
		slots[i]->restarts = slots[0]->restarts;
	}
	set_handler(SIGUSR1, slots[0]->restarts);
	enter_slot(slots[0]);
	for (i = 1; i < count; i++)
		pthread_create(&threads[i - 1], NULL, run_thread, slots[i]);
	run_slot(slots[0], keeps_listeners);
	for (i = 1; i < count; i++)
		pthread_join(threads[i - 1], NULL);
	_exit(0);
}

/* What an exec has started: the tests' main() is not for it. */
static void __attribute__((constructor)) go_on_after_exec(void)
{
	const char *arg = getenv(BOARD_ENV);
	struct slot *s;
	int slot;

	if (!arg || sscanf(arg, "%d,%d", &board_fd, &slot) != 2)
		return;
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED,
		     board_fd, 0);
	if (board == MAP_FAILED)
		_exit(2);
	s = &board->slots[slot];
	set_handler(SIGUSR1, s->restarts);
	block_signal(SIGUSR1, SIG_UNBLOCK);
	/* Another thread may have tried the same. */
	ATOMIC_SET(s->gone, 0);
	s->execs++;
	enter_slot(s);
	run_slot(s, false);
	_exit(0);
}

/*
 * The root of all targets is the first user of the filter, and the last.
 */

static void wait_for_phase(enum phase phase)
{
	while (ATOMIC_GET(board->phase) < phase && !ATOMIC_GET(board->nr_failures))
		usleep(500);
}

static pid_t fork_process(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %d", errno);
	return pid;
}

static void judge_status(pid_t pid, int status)
{
	int i;

	for (i = 0; i < board->nr_processes; i++) {
		struct process *p = &board->processes[i];

		if (p->pid == pid && ATOMIC_GET(p->dies) &&
		    WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			return;
	}
	if (status)
		fail("process %d ended with %#x", pid, status);
}

/* Those of targets that were killed come to the root. */
static void reap_targets(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR) {
		if (pid > 0)
			judge_status(pid, status);
	}
}

/* A user of the inner listener from the start to the end. */
static void run_anchor(void)
{
	use_inner_listener();
	close_listeners();
	ATOMIC_SET(board->anchor_is_ready, 1);
	wait_for_phase(END);
	_exit(0);
}

static void run_root(int nr_targets)
{
	int *listener = &board->listener[0];
	unsigned int flags = board->flags[0];
	int i, ret;

	flags |= has(USES) ? SECCOMP_FILTER_FLAG_USE_LISTENER :
			     SECCOMP_FILTER_FLAG_NEW_LISTENER;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ret = install_trapping(flags, *listener, (int []){ NR_ASKED }, 1);
	if (ret < 0) {
		fail("the filter: %d", ret);
		_exit(1);
	}
	if (!has(USES))
		*listener = ret;
	ATOMIC_SET(board->root_is_ready, 1);
	while (!ATOMIC_GET(board->root_may_go_on))
		usleep(500);
	for (i = 0; i < nr_targets; i++) {
		int process = board->nr_processes;
		pid_t pid;

		board->nr_processes++;
		pid = fork_process();
		if (!pid)
			run_targets(process);
		ATOMIC_SET(board->processes[process].pid, pid);
	}
	close_listeners();
	ATOMIC_SET(board->targets_are_there, 1);
	reap_targets();
	ATOMIC_SET(board->root_is_alone, 1);
	wait_for_phase(END);
	_exit(0);
}

/*
 * Supervisors
 */

/* A notification that this thread has received, and not answered. */
struct held {
	__u64 id;
	int listener;
	int slot;
	unsigned int nonce;
	pid_t pid;
	__u64 addr;		/* of so many bytes */
	int count;
};

static __thread struct agent *self_agent;
static __thread struct held held[MAX_HELD];
static __thread int nr_held;
static void *read_only;		/* a page */
static int spare;		/* an fd that others close, -1 if none */

static void doing(const char *what)
{
	ATOMIC_SET(self_agent->doing, what);
}

static struct seen *seen_of(int listener, __u64 id)
{
	return &board->seen[listener][id % MAX_IDS];
}

static int listener_ioctl(int listener, unsigned int cmd, void *arg)
{
	int ret = ioctl(board->listener[listener], cmd, arg);

	return ret < 0 ? -errno : ret;
}

/* Puts what was received into @h, if it is right. */
static bool take_notif(int listener, const struct seccomp_notif *n, struct held *h)
{
	int slot = (int)n->data.args[0] - MAX_SLOTS;
	unsigned int nonce = n->data.args[1];
	struct seen *seen = seen_of(listener, n->id);
	struct slot *s;

	if (n->data.nr != NR_ASKED || slot < 0 || slot >= MAX_SLOTS ||
	    n->data.args[2] != mix(slot, nonce)) {
		fail("RECV: id %llu, call %d(%llu, %llu, ...)", n->id, n->data.nr,
		     n->data.args[0], n->data.args[1]);
		return false;
	}
	s = &board->slots[slot];
	if (!has(DISTURBED) && nonce != ATOMIC_GET(s->nonce) &&
	    !ATOMIC_GET(board->is_shared))
		fail("RECV: call %u of slot %d, which is at %u", nonce, slot, s->nonce);
	if (nonce == ATOMIC_GET(s->nonce) && (int)n->pid != s->tid && !has(EXECS))
		fail("RECV: pid %u for slot %d, which is %d", n->pid, slot, s->tid);
	if (n->flags & ~SIGNALED)
		fail("RECV: flags %#x", n->flags);
	if (n->flags && !(has(TOLD) && has(SIGNALS | STOPS | FREEZES)))
		fail("RECV: told of a signal that there was none");
	if (ATOMIC_INC(seen->delivered) > 1 && !has(TOLD) &&
	    !ATOMIC_GET(board->is_shared))
		fail("RECV: id %llu once more", n->id);
	if (seen->id && seen->id != n->id)
		fail("RECV: id %llu after %llu", n->id, seen->id);
	seen->id = n->id;
	/* Good enough for what lies in between to be found. */
	if (!board->lowest[listener] || n->id < board->lowest[listener])
		board->lowest[listener] = n->id;
	if (n->id > board->highest[listener])
		board->highest[listener] = n->id;

	h->id = n->id;
	h->listener = listener;
	h->slot = slot;
	h->nonce = nonce;
	h->pid = n->pid;
	h->addr = n->data.args[3];
	h->count = n->data.args[4] == MANY_BYTES ? MANY_BYTES : FEW_BYTES;
	return true;
}

static int enoent_of_recv(void)
{
	return board->is_c || ATOMIC_GET(board->is_ending) ? ENOENT : 0;
}

static int eagain_of_recv(void)
{
	return has(NONBLOCK) ? EAGAIN : 0;
}

/* True if @h has a notification. */
static bool receive(int listener, struct held *h, int *ret)
{
	struct seccomp_notif n = {};

	doing("RECV");
	*ret = listener_ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n);
	doing("-");
	MAY_FAIL("RECV", *ret, EINTR, enoent_of_recv(), eagain_of_recv());
	return !*ret && take_notif(listener, &n, h);
}

static void note_answer(struct held *h, bool is_sent)
{
	if (!is_sent)
		return;
	ATOMIC_INC(board->answers);
	if (ATOMIC_INC(seen_of(h->listener, h->id)->answered) > 1)
		fail("id %llu was answered twice", h->id);
}

/* The answer's ticket, 0 if it has none. */
static int fill_answer(struct held *h, struct seccomp_notif_resp *resp)
{
	unsigned int how = pick(4), old;
	int ticket;

	memset(resp, 0, sizeof(*resp));
	resp->id = h->id;
	if (how == 0 && h->slot >= 0) {
		unsigned int *last = &board->slots[h->slot].continued[h->listener];

		/* Others may be late with an older one. */
		old = ATOMIC_GET(*last);
		while (old < h->nonce &&
		       !__atomic_compare_exchange_n(last, &old, h->nonce, false,
						    __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST))
			;
		resp->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		return 0;
	}
	ticket = new_ticket(h->slot, h->nonce, how == 1 ? ERROR : VALUE, h->listener);
	if (how == 1)
		resp->error = -ticket;
	else
		resp->val = ticket;
	return ticket;
}

static int send_answer(struct held *h)
{
	struct seccomp_notif_resp resp;
	int ticket = fill_answer(h, &resp);
	int ret;

	doing("SEND");
	do {
		ret = listener_ioctl(h->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	} while (ret == -EINTR && board->is_c);
	doing("-");
	MAY_FAIL("SEND", ret, enoent(), einprogress());
	if (ticket)
		set_sent(ticket, !ret);
	note_answer(h, !ret);
	return ret;
}

/* Answers @h if it is not null. True if it has received something into @next. */
static bool send_recv_once(int listener, struct held *h, struct held *next)
{
	struct seccomp_notif_send_recv sr = {};
	int ret, ticket = 0;

	if (h) {
		ticket = fill_answer(h, &sr.resp);
		sr.flags = SECCOMP_NOTIF_SEND_RECV_SEND;
	}
	doing("SEND_RECV");
	do {
		ret = listener_ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND_RECV, &sr);
	} while (ret == -EINTR && runs());
	doing("-");
	MAY_FAIL("SEND_RECV", ret, EINTR, enoent_of_recv(), eagain_of_recv(),
		 h ? einprogress() : 0);
	if (sr.flags & SECCOMP_NOTIF_SEND_RECV_GONE && !enoent())
		fail("SEND_RECV: id %llu is gone", h->id);
	if (ret == -EINPROGRESS && !(sr.flags & SECCOMP_NOTIF_SEND_RECV_SEND))
		fail("SEND_RECV: EINPROGRESS, and SEND is cleared");
	if (ret != -EINPROGRESS && sr.flags & SECCOMP_NOTIF_SEND_RECV_SEND)
		fail("SEND_RECV: %d, and SEND is still set", ret);
	if (h) {
		if (ticket)
			set_sent(ticket, !sr.flags);
		note_answer(h, !sr.flags);
	}
	return !ret && take_notif(listener, &sr.notif, next);
}

static int new_file(long ticket)
{
	int fd = syscall(__NR_memfd_create, "ticket", 1U);

	if (fd < 0 || pwrite(fd, &ticket, sizeof(ticket), 0) != sizeof(ticket))
		fail("a file for ADDFD: %d", errno);
	return fd;
}

static int addfd_of(struct held *h, enum kind kind)
{
	struct seccomp_notif_addfd a = {
		.id = h->id,
		.newfd_flags = once_in(2) ? O_CLOEXEC : 0,
	};
	int ret, ticket = new_ticket(h->slot, h->nonce, kind, h->listener);

	if (kind == FILE_ONLY) {
		a.flags = SECCOMP_ADDFD_FLAG_SETFD;
		a.newfd = FIRST_FD + h->slot;
	} else {
		a.flags = SECCOMP_ADDFD_FLAG_SEND;
	}
	a.srcfd = new_file(ticket);
	doing("ADDFD");
	ret = listener_ioctl(h->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
	doing("-");
	close(a.srcfd);
	/* Another thread of the target may have the number, and not the file. */
	MAY_FAIL("ADDFD", ret, EINTR, enoent(), einprogress(),
		 enoent() ? ESRCH : 0,
		 kind == FD && ATOMIC_GET(board->is_shared) ? EBUSY : 0,
		 kind == FILE_ONLY && has(FORKS | EXECS | TWICE) ? EBUSY : 0,
		 has(STARVES) ? kind == FD ? EMFILE : EBADF : 0);
	if (kind == FD) {
		set_sent(ticket, ret >= 0);
		note_answer(h, ret >= 0);
	} else if (ret >= 0 && ret != FIRST_FD + h->slot) {
		fail("ADDFD: %d in place of %d", ret, FIRST_FD + h->slot);
	}
	return ret;
}

/* As often as it takes, if another has to receive it first. */
static void mem_of(struct held *h, int tries)
{
	static __thread unsigned char bytes[MANY_BYTES];
	struct seccomp_notif_mem m = {
		.id = h->id,
		.addr = h->addr,
		.buf = (uintptr_t)bytes,
		.len = h->count,
	};
	int ret;

	if (once_in(2)) {
		m.flags = SECCOMP_NOTIF_MEM_WRITE;
		memset(bytes, fill_of(h->slot, h->nonce, true), h->count);
	}
	doing("MEM");
	do {
		ret = listener_ioctl(h->listener, SECCOMP_IOCTL_NOTIF_MEM, &m);
	} while (ret == -ENOENT && --tries > 0);
	doing("-");
	/* In an exec, the memory is there no more. */
	MAY_FAIL("MEM", ret, enoent(), enoent() ? ESRCH : 0,
		 has(KILLS | EXECS) ? EFAULT : 0);
	if (ret >= 0 && ret != h->count && !has(DISTURBED))
		fail("MEM: %d of %d bytes", ret, h->count);
	if (ret > 0 && !m.flags && !is_of_call(bytes, ret, h->slot, h->nonce))
		fail("MEM: slot %d, call %u has what is of another", h->slot, h->nonce);
}

static void pidfd_of(struct held *h)
{
	struct seccomp_notif_pidfd args = {
		.id = h->id,
		.flags = once_in(2) ? SECCOMP_NOTIF_PIDFD_PROCESS : 0,
	};
	int fd;

	doing("PIDFD");
	fd = listener_ioctl(h->listener, SECCOMP_IOCTL_NOTIF_PIDFD, &args);
	doing("-");
	MAY_FAIL("PIDFD", fd, enoent());
	if (fd < 0)
		return;
	if (syscall(__NR_pidfd_send_signal, fd, 0, NULL, 0) && errno != ESRCH)
		fail("PIDFD: it takes no signal (%d)", errno);
	close(fd);
}

static bool requeue_of(struct held *h)
{
	struct seccomp_notif_requeue args = { .id = h->id };
	int ret;

	doing("REQUEUE");
	ret = listener_ioctl(h->listener, SECCOMP_IOCTL_NOTIF_REQUEUE, &args);
	doing("-");
	MAY_FAIL("REQUEUE", ret, enoent(), EBUSY);
	return ret == 1;
}

static int requeue_all(int listener)
{
	struct seccomp_notif_requeue args = { .flags = SECCOMP_NOTIF_REQUEUE_ALL };
	int ret = listener_ioctl(listener, SECCOMP_IOCTL_NOTIF_REQUEUE, &args);

	MAY_FAIL("REQUEUE_ALL", ret, 0);
	return ret;
}

static void id_valid_of(struct held *h)
{
	int ret = listener_ioctl(h->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &h->id);

	MAY_FAIL("ID_VALID", ret, enoent(), eintr_of_c());
}

/* True if the notification is still to be answered. */
static bool prepare(struct held *h)
{
	switch (pick(board->is_c ? 12 : 20)) {
	case 0:
		addfd_of(h, FILE_ONLY);
		return true;
	case 1:
	case 2:
		/* If that fails, it is still open, or gone. */
		return addfd_of(h, FD) < 0;
	case 3:
		id_valid_of(h);
		return true;
	case 4:
		spin(pick(20000));
		return true;
	case 5:
		sched_yield();
		return true;
	case 12:
	case 13:
	case 14:
		mem_of(h, 1);
		return true;
	case 15:
		pidfd_of(h);
		return true;
	case 16:
	case 17:
		if (!has(REQUEUES) || !requeue_of(h))
			return true;
		/* Another may have it then, and answer it meanwhile. */
		if (once_in(2))
			mem_of(h, 500);
		return false;
	default:
		return true;
	}
}

/* Bad arguments, for which the errno is known. */
static void send_junk(int listener)
{
	const bool is_c = board->is_c;
	/* Ids are consecutive: this one has not been reached, or is long gone. */
	__u64 id = board->highest[listener] + (1ULL << 40);
	struct seccomp_notif_resp resp = { .id = id };
	struct seccomp_notif_addfd a = { .id = id, .srcfd = -1 };
	struct seccomp_notif_pidfd pidfd = { .id = id };
	struct seccomp_notif_mem mem = { .id = id };
	struct seccomp_notif_requeue rq = { .id = id };
	struct seccomp_notif_send_recv sr = {};
	struct seccomp_notif n = { .pid = 1 };
	unsigned int what = pick(22);
	unsigned int cmd = 0;
	void *arg = NULL;
	int err, ret;

	/* The others say what is wrong before they look at anything else. */
	err = EFAULT;
	switch (what) {
	case 0:
		cmd = SECCOMP_IOCTL_NOTIF_RECV;
		break;
	case 1:
		cmd = SECCOMP_IOCTL_NOTIF_RECV;
		arg = &n;
		err = EINVAL;
		break;
	case 2:
		cmd = SECCOMP_IOCTL_NOTIF_SEND;
		break;
	case 3:
		cmd = SECCOMP_IOCTL_NOTIF_SEND;
		resp.flags = 2u << pick(31);
		arg = &resp;
		err = EINVAL;
		break;
	case 4:
		cmd = SECCOMP_IOCTL_NOTIF_SEND;
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		resp.val = 1;
		arg = &resp;
		err = EINVAL;
		break;
	case 5:
		cmd = SECCOMP_IOCTL_NOTIF_SEND;
		arg = &resp;
		err = ENOENT;
		break;
	case 6:
		cmd = SECCOMP_IOCTL_NOTIF_ID_VALID;
		break;
	case 7:
		cmd = SECCOMP_IOCTL_NOTIF_ID_VALID;
		arg = &id;
		err = ENOENT;
		break;
	case 8:
		cmd = SECCOMP_IOCTL_NOTIF_ADDFD;
		break;
	case 9:
		cmd = SECCOMP_IOCTL_NOTIF_ADDFD;
		arg = &a;
		err = EBADF;
		break;
	case 10:
		cmd = SECCOMP_IOCTL_NOTIF_ADDFD;
		a.srcfd = board->listener[listener];
		arg = &a;
		err = ENOENT;
		break;
	case 11:
		cmd = SECCOMP_IOCTL_NOTIF_ADDFD;
		a.newfd = 1 + pick(100);
		arg = &a;
		err = EINVAL;
		break;
	case 12:
		cmd = _IOC(_IOC_WRITE, SECCOMP_IOC_MAGIC, 3,
			   pick(ADDFD_SIZE_VER0));
		arg = &a;
		err = EINVAL;
		break;
	case 13:
		cmd = SECCOMP_IOCTL_NOTIF_SET_FLAGS;
		arg = (void *)(4UL << pick(60));
		err = EINVAL;
		break;
	case 14:
		cmd = _IOC(pick(4), SECCOMP_IOC_MAGIC, 9 + pick(200), pick(256));
		err = EINVAL;
		break;
	case 15:
		cmd = SECCOMP_IOCTL_NOTIF_PIDFD;
		pidfd.flags = 1;
		arg = &pidfd;
		err = ENOENT;
		break;
	case 16:
		cmd = SECCOMP_IOCTL_NOTIF_PIDFD;
		break;
	case 17:
		cmd = SECCOMP_IOCTL_NOTIF_MEM;
		mem.flags = 2u << pick(31);
		arg = &mem;
		err = EINVAL;
		break;
	case 18:
		cmd = SECCOMP_IOCTL_NOTIF_MEM;
		mem.len = 1;
		arg = &mem;
		err = ENOENT;
		break;
	case 19:
		cmd = SECCOMP_IOCTL_NOTIF_REQUEUE;
		rq.reserved = once_in(2);
		arg = &rq;
		err = rq.reserved ? EINVAL : ENOENT;
		break;
	case 20:
		cmd = SECCOMP_IOCTL_NOTIF_SEND_RECV;
		sr.notif.pid = once_in(2);
		sr.reserved = !sr.notif.pid;
		arg = &sr;
		err = EINVAL;
		break;
	case 21:
		/* This one takes a notification, and has to put it back. */
		cmd = SECCOMP_IOCTL_NOTIF_RECV;
		arg = read_only;
		break;
	}
	if (what >= 15 && what <= 20 && is_c)
		err = EINVAL;
	doing("junk");
	ret = listener_ioctl(listener, cmd, arg);
	doing("-");
	MUST_FAIL("bad arguments", ret, err, eintr_of_c(),
		  what == 21 ? EINTR : 0,
		  what == 21 ? eagain_of_recv() : 0,
		  what == 21 ? enoent_of_recv() : 0);
	if (ret != -err && ret != -EINTR && what != 21)
		fail("bad arguments %u returned %d, and not %d", what, ret, -err);
}

/* An fd of the listener that another thread may be closing. */
static void use_spare(int listener)
{
	int fd = __atomic_exchange_n(&spare, -1, __ATOMIC_SEQ_CST);
	__u64 id = 0;

	if (fd < 0) {
		ATOMIC_SET(spare, dup(board->listener[listener]));
		fd = ATOMIC_GET(spare);
		/* It may be anything by now, or nothing. */
		ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
		poll_fd(fd, 0);
		return;
	}
	close(fd);
}

static void look(int listener)
{
	const int good = POLL_QUEUED | POLL_DELIVERED;
	const unsigned long known = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP |
				    (has(TOLD) ? SECCOMP_USER_NOTIF_FD_SIGNALED : 0);
	struct epoll_event e = { .events = EPOLLIN | (once_in(2) ? EPOLLEXCLUSIVE : EPOLLET) };
	char path[64], buf[512];
	int ret, ep;

	switch (pick(5)) {
	case 0:
		doing("poll");
		ret = poll_fd(board->listener[listener], pick(3));
		MAY_FAIL("poll", ret, EINTR);
		if (ret > 0 && ret & ~(good | (board->is_c ? POLLERR : 0) |
				       (enoent_of_recv() ? POLLHUP : 0)))
			fail("poll said %#x", ret);
		break;
	case 1:
		doing("epoll");
		ep = epoll_create1(EPOLL_CLOEXEC);
		if (!epoll_ctl(ep, EPOLL_CTL_ADD, board->listener[listener], &e))
			epoll_wait(ep, &e, 1, pick(3));
		close(ep);
		break;
	case 2:
		doing("SET_FLAGS");
		ret = syscall(__NR_ioctl, board->listener[listener],
			      SECCOMP_IOCTL_NOTIF_SET_FLAGS, pick(4) & known);
		ret = ret < 0 ? -errno : ret;
		MAY_FAIL("SET_FLAGS", ret, eintr_of_c());
		break;
	case 3:
		doing("fdinfo");
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
			 board->listener[listener]);
		ret = read_file(path, buf, sizeof(buf));
		MAY_FAIL("fdinfo", ret, EINTR);
		break;
	case 4:
		use_spare(listener);
		break;
	}
	doing("-");
}

static void answer_held(struct held *h)
{
	if (!prepare(h))
		return;
	/* What is refused may be another's, and not received by that yet. */
	if (!send_answer(h) && has(TWICE) && once_in(8)) {
		struct seccomp_notif_resp again = { .id = h->id };
		int ret = listener_ioctl(h->listener, SECCOMP_IOCTL_NOTIF_SEND, &again);

		MUST_FAIL("a second SEND", ret, ENOENT, EINPROGRESS, eintr_of_c());
	}
}

static void flush_held(void)
{
	while (nr_held)
		send_answer(&held[--nr_held]);
}

static void answer_any_held(void)
{
	int i = pick(nr_held);
	struct held h = held[i];

	held[i] = held[--nr_held];
	answer_held(&h);
}

/* While everything is on. */
static void disturb(int listener)
{
	struct held h, next;
	bool has_next;
	int ret;

	/* Nobody sleeps over what others wait for, unless it comes late to RECV. */
	if (nr_held && (nr_held == MAX_HELD || once_in(3) ||
			!(poll_fd(board->listener[listener], 0) & POLLIN))) {
		answer_any_held();
		return;
	}
	if (once_in(8)) {
		look(pick(board->nr_listeners));
		return;
	}
	if (has(JUNK) && once_in(8)) {
		send_junk(listener);
		return;
	}
	if (has(REQUEUES) && once_in(64)) {
		requeue_all(listener);
		return;
	}
	if (!board->is_c && once_in(4)) {
		has_next = send_recv_once(listener, NULL, &h);
		while (has_next && runs() && once_in(2)) {
			has_next = send_recv_once(listener, &h, &next);
			h = next;
		}
		if (!has_next)
			return;
	} else if (!receive(listener, &h, &ret)) {
		return;
	}
	if (has(LATE) && once_in(2) && nr_held < MAX_HELD)
		held[nr_held++] = h;
	else
		answer_held(&h);
}

static void *run_agent(void *arg)
{
	int index = (struct agent *)arg - board->agents;
	int ret, listener = index % board->nr_listeners;
	struct held h;

	self_agent = arg;
	self_agent->pid = getpid();
	doing("-");
	ATOMIC_SET(self_agent->tid, sys_gettid());
	seed_thread("agent", index);
	while (runs())
		disturb(listener);
	flush_held();
	while (!ATOMIC_GET(board->nr_failures)) {
		if (receive(listener, &h, &ret))
			send_answer(&h);
		else if (ret == -ENOENT && ATOMIC_GET(board->is_ending))
			break;
	}
	return NULL;
}

static void run_supervisor(int process, int nr_threads, int first_agent)
{
	pthread_t threads[MAX_AGENTS];
	int i;

	seed_thread("supervisor", process);
	set_handler(SIGUSR2, once_in(2));
	read_only = mmap(NULL, getpagesize(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	spare = -1;
	wait_for_phase(RUN);
	for (i = 0; i < nr_threads; i++)
		pthread_create(&threads[i], NULL, run_agent,
			       &board->agents[first_agent + i]);
	for (i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/*
 * The warden: what is done to the others, and what must have become of them
 */

struct warden {
	pid_t root;
	pid_t anchor;		/* 0 if there is none */
	int nr_supervisors;
	char mount[64];		/* of cgroup v2; empty if there is none */
	char cgroup[80];
};

static int write_cgroup(struct warden *w, const char *name, int value)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), "%s/%s", w->cgroup, name);
	snprintf(text, sizeof(text), "%d", value);
	return write_file(path, text);
}

static void find_cgroup(struct warden *w)
{
	snprintf(w->mount, sizeof(w->mount), "/tmp/seccomp_notify.XXXXXX");
	if (mkdtemp(w->mount)) {
		snprintf(w->cgroup, sizeof(w->cgroup), "%s/fuzz", w->mount);
		if (!mount("none", w->mount, "cgroup2", 0, NULL)) {
			if (!mkdir(w->cgroup, 0700))
				return;
			umount(w->mount);
		}
		rmdir(w->mount);
	}
	w->mount[0] = '\0';
	ksft_print_msg("no cgroup v2 here: nothing is frozen\n");
}

static void leave_cgroup(struct warden *w)
{
	if (!w->mount[0])
		return;
	rmdir(w->cgroup);
	umount2(w->mount, MNT_DETACH);
	rmdir(w->mount);
}

static struct process *pick_process(bool is_supervisor)
{
	struct process *p = &board->processes[pick(board->nr_processes)];

	return p->pid > 0 && p->is_supervisor == is_supervisor &&
	       !ATOMIC_GET(p->dies) ? p : NULL;
}

static void signal_a_target(void)
{
	struct slot *s = &board->slots[pick(board->nr_slots + 1) % MAX_SLOTS];

	if (ATOMIC_GET(s->used) && !ATOMIC_GET(s->over) && s->process >= 0)
		syscall(__NR_tgkill, board->processes[s->process].pid, s->tid,
			SIGUSR1);
}

static void signal_an_agent(void)
{
	struct agent *a = &board->agents[pick(board->nr_agents)];

	if (ATOMIC_GET(a->tid))
		syscall(__NR_tgkill, a->pid, a->tid, SIGUSR2);
}

/* A supervisor that was killed; the others take over what it has left. */
static void bury(struct process *p)
{
	int i, status;

	if (waitpid(p->pid, &status, 0) == p->pid)
		judge_status(p->pid, status);
	p->pid = 0;
	ATOMIC_SET(board->is_shared, 1);
	for (i = 0; i < board->nr_listeners && !board->is_c; i++)
		requeue_all(i);
}

/* The first supervisor stays. */
static void kill_one(bool is_supervisor)
{
	struct process *p = pick_process(is_supervisor);

	if (!p || p == board->processes)
		return;
	ATOMIC_SET(p->dies, 1);
	kill(p->pid, SIGKILL);
	ATOMIC_INC(board->deaths);
	if (is_supervisor)
		bury(p);
}

static void stop_one(void)
{
	struct process *p = pick_process(once_in(2));

	if (!p)
		return;
	kill(p->pid, SIGSTOP);
	usleep(pick(3000));
	kill(p->pid, SIGCONT);
}

static void toggle_nonblock(void)
{
	int fd = board->listener[pick(board->nr_listeners)];

	fcntl(fd, F_SETFL, O_RDWR | (once_in(2) ? O_NONBLOCK : 0));
}

static void freeze_and_thaw(struct warden *w)
{
	write_cgroup(w, "cgroup.freeze", 1);
	usleep(pick(5000));
	write_cgroup(w, "cgroup.freeze", 0);
}

/* What there is to know of those who do not come to rest. */
static void tell_who_hangs(void)
{
	char path[64], buf[2048];
	int i;

	for (i = 0; i < board->nr_slots; i++) {
		struct slot *s = &board->slots[i];

		if (s->used && !s->over)
			ksft_print_msg("slot %d (task %d, state %c) in call %u%s%s\n", i,
				       s->tid, task_state(s->tid), s->nonce,
				       s->is_nested ? ", nested" : "",
				       s->gone ? ", or gone" : "");
	}
	for (i = 0; i < board->nr_agents; i++) {
		struct agent *a = &board->agents[i];

		ksft_print_msg("supervisor %d (task %d, state %c) in %s\n", i, a->tid,
			       task_state(a->tid), a->doing ?: "nothing yet");
	}
	for (i = 0; i < board->nr_listeners && !ATOMIC_GET(board->is_closing); i++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", board->listener[i]);
		if (read_file(path, buf, sizeof(buf)) > 0)
			ksft_print_msg("listener %d, poll %#x:\n%s\n", i,
				       poll_fd(board->listener[i], 0), buf);
	}
}

static bool is_alive(struct slot *s)
{
	return ATOMIC_GET(s->used) && !ATOMIC_GET(s->over) && s->process >= 0 &&
	       !ATOMIC_GET(s->gone) && !ATOMIC_GET(board->processes[s->process].dies);
}

/*
 * While nobody does them any harm, all targets get on: whoever does not waits
 * for a reader that was not woken.
 */
static void watch(void)
{
	unsigned int nonces[MAX_SLOTS];
	unsigned long start = now_ms();
	int i, nr_slots = ATOMIC_GET(board->nr_slots);

	/* What a reader has kept, or taken with it, is not answered yet. */
	if (has(LATE) || (has(DEATHS) && board->is_c))
		return;
	for (i = 0; i < nr_slots; i++)
		nonces[i] = ATOMIC_GET(board->slots[i].nonce);
	for (i = 0; i < nr_slots && !ATOMIC_GET(board->nr_failures);) {
		struct slot *s = &board->slots[i];

		if (!is_alive(s) || ATOMIC_GET(s->nonce) != nonces[i]) {
			i++;
			continue;
		}
		if (now_ms() - start > REST * 1000UL || near_the_end()) {
			fail("slot %d does not get on, and the others do", i);
			tell_who_hangs();
		}
		usleep(1000);
	}
}

static void harm(struct warden *w)
{
	switch (pick(16)) {
	case 0 ... 5:
		if (has(SIGNALS))
			signal_a_target();
		break;
	case 6 ... 9:
		if (has(INTERRUPTS))
			signal_an_agent();
		break;
	case 10:
		if (has(STOPS))
			stop_one();
		break;
	case 11:
		if (has(FREEZES) && once_in(4))
			freeze_and_thaw(w);
		break;
	case 12:
		if (has(KILLS) && once_in(16))
			kill_one(false);
		break;
	case 13:
		if (has(DEATHS) && once_in(16))
			kill_one(true);
		break;
	case 14:
		if (has(NONBLOCK) && once_in(2))
			toggle_nonblock();
		else if (once_in(8))
			watch();
		break;
	default:
		usleep(pick(500));
		break;
	}
}

static void reset_board(unsigned long seed, bool is_c)
{
	memset(board, 0, sizeof(*board));
	board->seed = seed;
	board->is_c = is_c;
}

/* What is on in this round; some rounds are quiet, and strict. */
static void choose(struct warden *w)
{
	unsigned int features = mix(board->seed, 1) & mix(board->seed, 2);

	seed_thread("warden", 0);
	if (once_in(3))
		features |= mix(board->seed, 3);
	features &= board->is_c ? COMMON : ALL;
	if (!w->mount[0])
		features &= ~FREEZES;
	/* They are there before the filters, then. */
	if (features & NESTED)
		features |= USES;
	board->features = features;
	board->nr_listeners = features & NESTED ? 2 : 1;
	/* Each has a flag of these at most, and another by itself. */
	switch (pick(3)) {
	case 1:
		board->flags[0] = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
		break;
	case 2:
		board->flags[0] = board->is_c ? 0 : SECCOMP_FILTER_FLAG_WAIT_KILLABLE;
		break;
	}
	if (features & NESTED) {
		board->flags[1] = board->flags[0];
		if (once_in(2))
			board->flags[0] = 0;
		board->flags[0] |= SECCOMP_FILTER_FLAG_ALLOW_NESTED_LISTENERS;
	}
	board->is_shared = !!(features & (REQUEUES | TOLD));
}

static void start_supervisors(struct __test_metadata *_metadata, struct warden *w)
{
	int i;

	w->nr_supervisors = 1 + pick(3);
	for (i = 0; i < w->nr_supervisors; i++) {
		int nr_threads = board->nr_listeners + pick(3);
		int first_agent = board->nr_agents;
		pid_t pid;

		board->nr_agents += nr_threads;
		board->nr_processes = i + 1;
		board->processes[i].is_supervisor = 1;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run_supervisor(i, nr_threads, first_agent);
		}
		board->processes[i].pid = pid;
	}
}

static bool is_set(const int *flag)
{
	return WAIT_FOR(ATOMIC_GET(*flag) || ATOMIC_GET(board->nr_failures));
}

static void start_round(struct __test_metadata *_metadata, struct warden *w)
{
	int i, nr_targets = 1 + pick(4);

	for (i = 0; i < MAX_LISTENERS; i++) {
		board->listener[i] = -1;
		if (has(USES) && i < board->nr_listeners) {
			board->listener[i] = new_listener();
			ASSERT_LE(0, board->listener[i]);
		}
	}
	w->anchor = has(NESTED) ? fork() : 0;
	ASSERT_LE(0, w->anchor);
	if (has(NESTED)) {
		if (!w->anchor) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run_anchor();
		}
		ASSERT_TRUE(is_set(&board->anchor_is_ready));
	}
	w->root = fork();
	ASSERT_LE(0, w->root);
	if (!w->root) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_root(nr_targets);
	}
	if (w->mount[0])
		ASSERT_EQ(0, write_cgroup(w, "cgroup.procs", w->root));
	ASSERT_TRUE(is_set(&board->root_is_ready));
	if (board->nr_failures)
		return;
	if (!has(USES)) {
		int fd = board->listener[0];

		/* The root closes it under the number that it has there. */
		board->listener[0] = take_fd(w->root, fd);
		ASSERT_LE(0, board->listener[0]);
		if (board->listener[0] != fd) {
			ASSERT_EQ(fd, dup2(board->listener[0], fd));
			close(board->listener[0]);
			board->listener[0] = fd;
		}
	}
	start_supervisors(_metadata, w);
	ATOMIC_SET(board->root_may_go_on, 1);
	ATOMIC_SET(board->phase, RUN);
	ASSERT_TRUE(is_set(&board->targets_are_there));
}

/* All that was done to them is undone, and nothing more is. */
static void calm_down(struct warden *w)
{
	int i;

	for (i = 0; i < board->nr_processes; i++) {
		if (board->processes[i].pid > 0)
			kill(board->processes[i].pid, SIGCONT);
	}
	if (has(CLOSES)) {
		ATOMIC_SET(board->is_closing, 1);
		for (i = 0; i < w->nr_supervisors; i++) {
			struct process *p = &board->processes[i];

			if (p->pid <= 0)
				continue;
			ATOMIC_SET(p->dies, 1);
			kill(p->pid, SIGKILL);
			bury(p);
		}
		close_listeners();
	}
	ATOMIC_SET(board->is_shared, 1);
	ATOMIC_SET(board->phase, SETTLE);
	for (i = 0; i < board->nr_listeners && !has(CLOSES); i++) {
		fcntl(board->listener[i], F_SETFL, O_RDWR);
		/* Once: after that, it is up to those who sleep in RECV. */
		if (!board->is_c)
			requeue_all(i);
	}
}

/* C cannot requeue: whatever may have been received is answered. */
static void answer_all(void)
{
	__u64 id;

	for (id = board->lowest[0] - 64; id < board->highest[0] + 64; id++) {
		struct held h = { .id = id, .slot = -1 };
		struct seccomp_notif_resp resp = { .id = id };
		int ticket = new_ticket(-1, 0, VALUE, 0);

		resp.val = ticket;
		if (listener_ioctl(0, SECCOMP_IOCTL_NOTIF_SEND, &resp)) {
			/* Nobody gets it. */
			set_sent(ticket, false);
			if (ATOMIC_GET(board->nr_tickets) == ticket + 1 - FIRST_TICKET)
				ATOMIC_SET(board->nr_tickets, ticket - FIRST_TICKET);
			continue;
		}
		set_sent(ticket, true);
		note_answer(&h, true);
	}
}

/* True when @done, false if they hang. */
static bool await_rest(const int *done)
{
	unsigned long start = now_ms();

	while (!ATOMIC_GET(*done) && !ATOMIC_GET(board->nr_failures)) {
		if (now_ms() - start > REST * 1000UL)
			return false;
		if (board->is_c && !has(CLOSES) && done == &board->root_is_alone)
			answer_all();
		usleep(2000);
	}
	return true;
}

static void judge_tickets(void)
{
	int i;

	for (i = 0; i < board->nr_tickets; i++) {
		struct ticket *t = &board->tickets[i];
		struct slot *s = &board->slots[t->slot < 0 ? 0 : t->slot];

		if (t->kind == FILE_ONLY || t->slot < 0)
			continue;
		if (t->sent == REFUSED && t->consumed)
			fail("slot %d got an answer to call %u that was refused",
			     t->slot, t->nonce);
		if (t->sent != SENT || t->consumed)
			continue;
		/* C loses an answer to a signal. */
		if (s->gone || (board->is_c && has(DISTURBED)) ||
		    (s->process >= 0 && board->processes[s->process].dies))
			continue;
		fail("slot %d has lost the answer to call %u, kind %d", t->slot,
		     t->nonce, t->kind);
	}
}

static void reap_all(void)
{
	int i;

	for (i = 0; i < board->nr_processes; i++) {
		if (board->processes[i].pid > 0)
			kill(board->processes[i].pid, SIGKILL);
	}
}

/* All that are left end, and must have been right. */
static void end_round(struct __test_metadata *_metadata, struct warden *w)
{
	unsigned long start;
	int i, status;

	calm_down(w);
	if (!await_rest(&board->root_is_alone)) {
		fail("targets hang");
		tell_who_hangs();
	}
	ATOMIC_SET(board->is_ending, 1);
	ATOMIC_SET(board->phase, END);
	if (board->nr_failures) {
		kill(w->root, SIGKILL);
		reap_all();
	}
	ASSERT_EQ(w->root, waitpid(w->root, &status, 0));
	if (!board->nr_failures && status)
		fail("the root ended with %#x", status);
	if (w->anchor)
		ASSERT_EQ(w->anchor, waitpid(w->anchor, &status, 0));
	for (i = 0; i < board->nr_listeners && !has(CLOSES); i++) {
		if (!board->nr_failures && poll_fd(board->listener[i], 0) != POLLHUP)
			fail("poll says %#x when all are gone",
			     poll_fd(board->listener[i], 0));
	}
	start = now_ms();
	for (i = 0; i < w->nr_supervisors; i++) {
		struct process *p = &board->processes[i];
		pid_t pid = 0;

		if (p->pid <= 0)
			continue;
		while (!board->nr_failures &&
		       !(pid = waitpid(p->pid, &status, WNOHANG))) {
			if (now_ms() - start > REST * 1000UL) {
				fail("supervisors hang");
				tell_who_hangs();
			}
			usleep(1000);
		}
		if (pid) {
			judge_status(pid, status);
			continue;
		}
		kill(p->pid, SIGKILL);
		waitpid(p->pid, &status, 0);
	}
	judge_tickets();
	if (!has(CLOSES))
		close_listeners();
}

static unsigned long number_of(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

static void make_board(struct __test_metadata *_metadata)
{
	/* It goes to other programs, too. */
	board_fd = syscall(__NR_memfd_create, "board", 0U);
	ASSERT_LE(0, board_fd);
	ASSERT_EQ(0, ftruncate(board_fd, sizeof(*board)));
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED,
		     board_fd, 0);
	ASSERT_TRUE(board != MAP_FAILED);
}

FIXTURE(fuzz)
{
	struct supervisor sup;	/* for find_implementation() */
	struct warden warden;
};

FIXTURE_SETUP(fuzz)
{
	init_supervisor(_metadata, &self->sup);
	find_implementation(_metadata, &self->sup);
	find_cgroup(&self->warden);
	make_board(_metadata);
}

FIXTURE_TEARDOWN(fuzz)
{
	leave_cgroup(&self->warden);
	munmap(board, sizeof(*board));
	close(board_fd);
	end_supervisor(_metadata, &self->sup);
}

/* It says itself who hangs; the time is up to whoever starts it. */
TEST_F_TIMEOUT(fuzz, each_call_is_answered_once, 24 * 60 * 60)
{
	const unsigned long seed = number_of("SEED", time(NULL));
	const unsigned long end = now_ms() + number_of("TIME", DEFAULT_TIME) * 1000;
	const int nr_fds = count_fds();
	unsigned long round, told = now_ms();
	unsigned long calls = 0, answers = 0, deaths = 0;
	int i;

	ksft_print_msg("SEED=%lu\n", seed);
	for (round = number_of("ROUND", 0); now_ms() < end; round++) {
		unsigned long until;

		reset_board(mix(seed, round), self->sup.is_c);
		choose(&self->warden);
		start_round(_metadata, &self->warden);
		until = now_ms() + 100 + pick(500);
		while (now_ms() < until && !near_the_end() &&
		       !ATOMIC_GET(board->nr_failures))
			harm(&self->warden);
		end_round(_metadata, &self->warden);
		calls += board->calls;
		answers += board->answers;
		deaths += board->deaths;
		for (i = 0; i < board->nr_failures && i < MAX_FAILURES; i++)
			ksft_print_msg("%s\n", board->failure[i]);
		ASSERT_EQ(0, board->nr_failures) {
			TH_LOG("SEED=%lu ROUND=%lu, with %#x", seed, round,
			       board->features);
		}
		EXPECT_EQ(-1, waitpid(-1, NULL, __WALL | WNOHANG));
		ASSERT_EQ(nr_fds, count_fds());
		if (now_ms() - told > 10000) {
			told = now_ms();
			ksft_print_msg("%lu rounds, %lu calls; %lu s to go\n",
				       round + 1, calls, (end - told) / 1000);
		}
	}
	TH_LOG("%lu rounds, %lu calls, %lu answers, %lu were killed", round, calls,
	       answers, deaths);
	EXPECT_LT(0, calls);
	EXPECT_LT(0, answers);
}

TEST_HARNESS_MAIN
