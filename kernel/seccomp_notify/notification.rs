// SPDX-License-Identifier: GPL-2.0

//! A notification, while its target waits.

use crate::{
    listener::{
        Listener,
        NotificationTicket,
        State, //
    },
    state::{
        self,
        Event,
        Reply, //
    },
};
use kernel::{
    bindings,
    prelude::*,
    seccomp,
    sync::parked::{
        Sleep,
        Table, //
    },
    task::SyscallEntry, //
};

/// What the target parks in the listener.
pub(crate) struct Notification {
    pub(crate) state: state::Notification,
    /// How many fds the supervisor has asked to be installed that are not.
    pub(crate) pending_fds: u32,
}

/// What the target does next.
enum Turn {
    /// It waits no longer.
    Leave(Reply),
    /// It freezes if asked to and, if `task_work`, does that: neither is a signal.
    Settle { task_work: bool },
    /// It sleeps.
    Sleep(Sleep),
}

impl Notification {
    fn new(wait_killable_recv: bool) -> Self {
        Self {
            state: state::Notification::new(wait_killable_recv),
            pending_fds: 0,
        }
    }

    /// `SECCOMP_NOTIF_FLAG_*` as the supervisor gets them.
    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        if self.state.signalled() {
            bindings::SECCOMP_NOTIF_FLAG_SIGNALED
        } else {
            0
        }
    }
}

impl Listener {
    /// Notifies the supervisor of a system call that the current task, `target`, has entered, and
    /// waits for the answer.
    ///
    /// It sleeps, until there is an answer, the listener is closed, or a signal interrupts.
    pub(crate) fn notify(
        &self,
        target: &SyscallEntry,
        data: &seccomp::Data,
        wait_killable_recv: bool,
    ) -> Reply {
        let state = self.lock();
        if !self.is_open() {
            return Reply::error(ENOSYS.to_errno());
        }

        Table::park(
            state,
            |state| state.project().notifications,
            Notification::new(wait_killable_recv),
            data,
            |held, ticket| {
                self.announce(held.data(), ticket);

                // What looks like a signal is settled first, each time that the target wakes.
                let mut is_settled = false;
                loop {
                    // What the supervisor asked for comes before its answer.
                    if held.data().has_pending_fds(ticket) && self.install_fd(held, ticket) {
                        continue;
                    }
                    match self.turn(held.data(), ticket, is_settled) {
                        Turn::Leave(reply) => return reply,
                        Turn::Settle { task_work } => {
                            held.unlocked(|| target.settle(task_work));
                            is_settled = true;
                        }
                        Turn::Sleep(how) => {
                            held.sleep(how);
                            is_settled = false;
                        }
                    }
                }
            },
        )
    }

    /// Decides what the target of a notification does next. It is the current task.
    #[inline]
    fn turn(
        &self,
        mut state: Pin<&mut State>,
        ticket: &NotificationTicket<'_>,
        is_settled: bool,
    ) -> Turn {
        let Some(mut entry) = state.as_mut().project().notifications.entry(ticket) else {
            return Turn::Leave(Reply::error(ENOSYS.to_errno()));
        };
        let notification = &entry.value().state;

        if let Some(reply) = notification.reply() {
            return Turn::Leave(reply);
        }
        let signalled = notification.signalled();
        if current!().signal_pending() {
            return self.interrupted(state, ticket, signalled, is_settled);
        }
        Turn::Sleep(if signalled {
            Sleep::Killable
        } else {
            Sleep::Interruptible
        })
    }

    /// Decides what the target of a notification does next that has no answer and is interrupted.
    ///
    /// `signalled` is whether it was told of a signal before.
    #[cold]
    fn interrupted(
        &self,
        mut state: Pin<&mut State>,
        ticket: &NotificationTicket<'_>,
        signalled: bool,
        is_settled: bool,
    ) -> Turn {
        let current = current!();
        let report = state.fd_signalled;
        let fatal = current.fatal_signal_pending();

        // Once it is marked, the target waits killable: nothing else matters then.
        if !fatal && !signalled {
            let is_signal = is_settled && (!report || current.task_sigpending());

            if !is_signal {
                return Turn::Settle { task_work: report };
            }
        }
        let event = Event::Signal { fatal, report };
        if self.step(state.as_mut(), |table| table.entry(ticket), event) == Ok(true) {
            state.forget(ticket);
            return Turn::Leave(Reply::error(ERESTARTSYS.to_errno()));
        }
        // Whoever waits killable for the filter's sake sleeps so only while there is a signal to
        // ignore: the next may have to be reported.
        Turn::Sleep(Sleep::Killable)
    }
}
