// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints that kernel::seccomp::trace calls.
 */

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/seccomp_notify.h>
