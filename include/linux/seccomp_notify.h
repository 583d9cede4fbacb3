/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the Rust implementation of seccomp's user notification gives to C. Each
 * function is described where it is, in kernel/seccomp_notify/glue.rs.
 */
#ifndef _LINUX_SECCOMP_NOTIFY_H
#define _LINUX_SECCOMP_NOTIFY_H

#include <linux/types.h>
#include <uapi/linux/seccomp.h>

struct file;
struct seccomp_data;
struct seccomp_listener;
struct seccomp_notif_resp;

/* The flags of SECCOMP_SET_MODE_FILTER that the implementation in C lacks. */
#ifdef CONFIG_SECCOMP_NOTIFY_RUST
#define SECCOMP_NOTIFY_FILTER_FLAGS	(SECCOMP_FILTER_FLAG_ALLOW_NESTED_LISTENERS | \
					 SECCOMP_FILTER_FLAG_WAIT_KILLABLE | \
					 SECCOMP_FILTER_FLAG_USE_LISTENER)
#else
#define SECCOMP_NOTIFY_FILTER_FLAGS	0
#endif

/* When none but a fatal signal ends the wait of a filter's targets. */
#define SECCOMP_LISTENER_KILLABLE_NEVER		0
#define SECCOMP_LISTENER_KILLABLE_RECV		1	/* once received */
#define SECCOMP_LISTENER_KILLABLE_ALWAYS	2

struct file *seccomp_listener_create(void);
struct seccomp_listener *seccomp_listener_get(struct file *file);
bool seccomp_listener_is_open(const struct seccomp_listener *listener);
void seccomp_listener_notify(const struct seccomp_listener *listener,
			     const struct seccomp_data *sd,
			     u8 wait_killable,
			     struct seccomp_notif_resp *resp);
void seccomp_listener_use(const struct seccomp_listener *listener);
void seccomp_listener_cancel(const struct seccomp_listener *listener);
void seccomp_listener_unused(const struct seccomp_listener *listener);
void seccomp_listener_put(struct seccomp_listener *listener);

#endif /* _LINUX_SECCOMP_NOTIFY_H */
