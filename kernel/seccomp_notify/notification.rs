// SPDX-License-Identifier: GPL-2.0

//! A notification, while its target waits.

use crate::{
    addfd::Install,
    listener::{
        Listener,
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
    /// The system call.
    data: seccomp::Data,
    /// How many fds the supervisor has asked to be installed that are not.
    pub(crate) pending_fds: u32,
}

/// What the target does next.
enum Turn {
    /// It waits no longer.
    Leave(Reply),
    /// It installs an fd.
    Install(Install),
    /// It freezes if asked to and, if `task_work`, does that: neither is a signal.
    Settle { task_work: bool },
    /// It sleeps.
    Sleep(Sleep),
}

impl Notification {
    fn new(data: &seccomp::Data, wait_killable_recv: bool) -> Self {
        Self {
            state: state::Notification::new(wait_killable_recv),
            data: *data,
            pending_fds: 0,
        }
    }

    /// The notification as the supervisor gets it, of a target that has the id `pid` there.
    #[inline]
    pub(crate) fn to_user(&self, id: u64, pid: u32) -> seccomp::Notif {
        seccomp::Notif {
            id,
            pid,
            flags: if self.state.signalled() {
                bindings::SECCOMP_NOTIF_FLAG_SIGNALED
            } else {
                0
            },
            data: self.data,
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
        if !state.is_open() {
            return Reply::error(ENOSYS.to_errno());
        }

        let notification = Notification::new(data, wait_killable_recv);
        Table::park(
            state,
            |state| state.project().notifications,
            notification,
            |held, id| {
                self.announce(held.data(), id);

                // What looks like a signal is settled first, each time that the target wakes.
                let mut is_settled = false;
                let reply = loop {
                    match self.turn(held.data(), id, is_settled) {
                        Turn::Leave(reply) => break reply,
                        Turn::Install(install) => {
                            let installed = held.unlocked(|| install.run());
                            self.installed(held.data(), id, installed);
                        }
                        Turn::Settle { task_work } => {
                            held.unlocked(|| target.settle(task_work));
                            is_settled = true;
                        }
                        Turn::Sleep(how) => {
                            held.sleep(how);
                            is_settled = false;
                        }
                    }
                };

                held.data().forget(id);
                reply
            },
        )
    }

    /// Decides what the target of the notification `id` does next. It is the current task.
    #[inline]
    fn turn(&self, mut state: Pin<&mut State>, id: u64, is_settled: bool) -> Turn {
        let report = state.fd_signalled;
        let mut this = state.as_mut().project();
        let Some(mut entry) = this.notifications.as_mut().get(id) else {
            return Turn::Leave(Reply::error(ENOSYS.to_errno()));
        };
        let notification = entry.value();

        // What the supervisor asked for comes before its answer.
        if notification.pending_fds > 0 {
            if let Some(mut request) = this.requests.find_queued(|request| request.is_for(id)) {
                request.dequeue();
                let id = request.id();
                if let Some(install) = request.value().start(id) {
                    return Turn::Install(install);
                }
            }
        }
        if let Some(reply) = notification.state.reply() {
            return Turn::Leave(reply);
        }

        let current = current!();
        if current.signal_pending() {
            let fatal = current.fatal_signal_pending();

            // Once it is marked, the target waits killable: nothing else matters then.
            if !fatal && !notification.state.signalled() {
                let is_signal = is_settled && (!report || current.task_sigpending());

                if !is_signal {
                    return Turn::Settle { task_work: report };
                }
            }
            if self.step(state.as_mut(), id, Event::Signal { fatal, report }) == Ok(true) {
                return Turn::Leave(Reply::error(ERESTARTSYS.to_errno()));
            }
        }

        // Whoever waits killable for the filter's sake sleeps so only while there is a signal to
        // ignore: the next may have to be reported.
        let ignores_signals = state
            .project()
            .notifications
            .get(id)
            .is_some_and(|mut entry| entry.value().state.signalled() || current.signal_pending());
        Turn::Sleep(if ignores_signals {
            Sleep::Killable
        } else {
            Sleep::Interruptible
        })
    }
}
