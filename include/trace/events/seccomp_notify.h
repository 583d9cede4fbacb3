/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of seccomp's user notification: what becomes of a notification.
 * Its target is the current task, save for seccomp_notify_delivered.
 *
 * An id is unique among those of one listener. The pid is that of the target in
 * the initial pid namespace.
 */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM seccomp_notify

#if !defined(_TRACE_SECCOMP_NOTIFY_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_SECCOMP_NOTIFY_H

#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/tracepoint.h>

/* A target notifies the supervisor of a system call, and waits. */
TRACE_EVENT(seccomp_notify_queued,

	TP_PROTO(u64 id, const struct seccomp_data *sd),

	TP_ARGS(id, sd),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(pid_t, pid)
		__field(int, nr)
		__field(u32, arch)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->pid = current->pid;
		__entry->nr = sd->nr;
		__entry->arch = sd->arch;
	),

	TP_printk("id=%llu pid=%d nr=%d arch=%#x",
		  __entry->id, __entry->pid, __entry->nr, __entry->arch)
);

/*
 * A reader takes a notification. If that cannot be copied to it, the
 * notification is taken once more.
 */
TRACE_EVENT(seccomp_notify_delivered,

	TP_PROTO(u64 id, struct task_struct *target, u32 flags),

	TP_ARGS(id, target, flags),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(pid_t, pid)
		__field(u32, flags)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->pid = target->pid;
		__entry->flags = flags;
	),

	TP_printk("id=%llu pid=%d flags=%#x",
		  __entry->id, __entry->pid, __entry->flags)
);

/* A target goes on with an answer. */
TRACE_EVENT(seccomp_notify_answered,

	TP_PROTO(u64 id, int error, s64 val, u32 flags),

	TP_ARGS(id, error, val, flags),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(pid_t, pid)
		__field(int, error)
		__field(s64, val)
		__field(u32, flags)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->pid = current->pid;
		__entry->error = error;
		__entry->val = val;
		__entry->flags = flags;
	),

	TP_printk("id=%llu pid=%d error=%d val=%lld flags=%#x",
		  __entry->id, __entry->pid, __entry->error, __entry->val,
		  __entry->flags)
);

/* A target goes on without an answer, for a signal. */
TRACE_EVENT(seccomp_notify_aborted,

	TP_PROTO(u64 id),

	TP_ARGS(id),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(pid_t, pid)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->pid = current->pid;
	),

	TP_printk("id=%llu pid=%d", __entry->id, __entry->pid)
);

/* A target has installed an fd, as @ret, or failed to. */
TRACE_EVENT(seccomp_notify_addfd,

	TP_PROTO(u64 id, int ret),

	TP_ARGS(id, ret),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(pid_t, pid)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->pid = current->pid;
		__entry->ret = ret;
	),

	TP_printk("id=%llu pid=%d ret=%d",
		  __entry->id, __entry->pid, __entry->ret)
);

#endif /* _TRACE_SECCOMP_NOTIFY_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
