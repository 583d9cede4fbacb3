/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PROCESS_VM_ACCESS_H
#define _LINUX_PROCESS_VM_ACCESS_H

#include <linux/types.h>

struct task_struct;

ssize_t process_vm_copy(struct task_struct *task, unsigned long addr,
			void __user *buf, size_t len, bool write);

#endif /* _LINUX_PROCESS_VM_ACCESS_H */
