/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the Rust implementation of seccomp's user notification gives to C. Each
 * function is described where it is, in kernel/seccomp_notify/glue.rs.
 */
#ifndef _LINUX_SECCOMP_NOTIFY_H
#define _LINUX_SECCOMP_NOTIFY_H

#include <linux/types.h>

struct file;
struct seccomp_data;
struct seccomp_listener;
struct seccomp_notif_resp;

#ifdef CONFIG_SECCOMP_NOTIFY_RUST

struct file *seccomp_listener_create(struct seccomp_listener **listener);
bool seccomp_listener_is_open(const struct seccomp_listener *listener);
void seccomp_listener_notify(const struct seccomp_listener *listener,
			     const struct seccomp_data *sd,
			     bool wait_killable_recv,
			     struct seccomp_notif_resp *resp);
void seccomp_listener_unused(const struct seccomp_listener *listener);
void seccomp_listener_put(struct seccomp_listener *listener);

#endif /* CONFIG_SECCOMP_NOTIFY_RUST */

#endif /* _LINUX_SECCOMP_NOTIFY_H */
