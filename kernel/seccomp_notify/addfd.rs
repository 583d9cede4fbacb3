// SPDX-License-Identifier: GPL-2.0

//! Fds that the supervisor installs in a target.
//!
//! Only a task itself can install an fd in its table. The supervisor parks a request, wakes the
//! target, and waits until that is done.

use crate::{
    listener::{
        Listener,
        NotificationEntry,
        NotificationTicket,
        Notifications,
        State, //
    },
    state::Event,
};
use kernel::{
    fs::File,
    prelude::*,
    sync::{
        aref::ARef,
        lock::spinlock::SpinLockBackend,
        parked::{
            Held,
            Sleep,
            Table,
            Ticket, //
        },
    }, //
};

/// An fd to be installed.
pub(crate) struct Fd {
    pub(crate) file: ARef<File>,
    /// The number that it gets; the lowest free one if not given.
    pub(crate) number: Option<u32>,
    /// `O_CLOEXEC`, or 0.
    pub(crate) flags: u32,
}

/// What a caller of `SECCOMP_IOCTL_NOTIF_ADDFD` parks in the listener.
pub(crate) struct Request {
    /// The id of the notification whose target gets the fd.
    notification: u64,
    /// The fd's number is the answer to the notification.
    is_reply: bool,
    /// The fd, until the target starts to install it.
    fd: Option<Fd>,
    /// What became of it, the fd's number or an error.
    done: Option<Result<u32>>,
}

/// An fd while the target installs it.
pub(crate) struct Install {
    /// The id of the request.
    request: u64,
    is_reply: bool,
    fd: Fd,
}

/// What became of an [`Install`].
pub(crate) struct Installed {
    request: u64,
    is_reply: bool,
    result: Result<u32>,
}

impl Request {
    /// Whether the request concerns the notification that has `id`.
    #[inline]
    pub(crate) fn is_for(&self, id: Option<u64>) -> bool {
        Some(self.notification) == id
    }

    /// There is a result.
    pub(crate) fn finish(&mut self, result: Result<u32>) {
        self.done = Some(result);
    }
}

impl Install {
    /// Installs the fd in the current task. It may sleep.
    pub(crate) fn run(self) -> Installed {
        let Fd {
            file,
            number,
            flags,
        } = self.fd;

        Installed {
            request: self.request,
            is_reply: self.is_reply,
            result: match number {
                Some(number) => file.receive_replace(number, flags),
                None => file.receive(flags),
            },
        }
    }
}

impl Listener {
    /// Has the target of the notification `id` install `fd`, and waits for it.
    ///
    /// Returns the number that the fd got there. With `is_reply` that is the answer as well, once
    /// it is installed.
    pub(crate) fn add_fd(&self, id: u64, fd: Fd, is_reply: bool) -> Result<u32> {
        let mut state = self.lock();

        let event = if is_reply {
            let this = state.as_mut().project();
            let mut entry = this.notifications.get(id).ok_or(ENOENT)?;

            // An answer while other fds are pending: it could overtake them.
            if entry.value().state.awaits_reply() && entry.value().pending_fds > 0 {
                return Err(EBUSY);
            }
            Event::AddFdReply
        } else {
            Event::AddFd
        };
        self.step(state.as_mut(), |table| table.get(id), event)?;
        state.as_mut().count_pending_fd(|table| table.get(id), 1);

        let request = Request {
            notification: id,
            is_reply,
            fd: Some(fd),
            done: None,
        };
        Table::park(
            state,
            |state| state.project().requests,
            request,
            &(),
            |held, ticket| loop {
                match self.await_fd(held.data(), id, ticket) {
                    Ok(how) => held.sleep(how),
                    Err(result) => break result,
                }
            },
        )
    }

    /// Decides how the caller sleeps that has parked a request for the notification `id`, or what
    /// it returns.
    fn await_fd(
        &self,
        mut state: Pin<&mut State>,
        id: u64,
        ticket: &Ticket<'_, Request>,
    ) -> Result<Sleep, Result<u32>> {
        let this = state.as_mut().project();
        let mut entry = this.requests.entry(ticket).ok_or(Err(ESRCH))?;
        let is_reply = entry.value().is_reply;

        if let Some(result) = entry.value().done {
            return Err(result);
        }
        if entry.value().fd.is_none() {
            // The target is at it, which does not take long.
            return if current!().fatal_signal_pending() {
                Err(Err(ERESTARTSYS))
            } else {
                Ok(Sleep::Killable)
            };
        }
        if current!().signal_pending() {
            entry.dequeue();
            state.as_mut().count_pending_fd(|table| table.get(id), -1);
            if is_reply {
                let _ = self.step(state, |table| table.get(id), Event::FdFailed);
            }
            return Err(Err(ERESTARTSYS));
        }
        entry.enqueue_last();
        Ok(Sleep::Interruptible)
    }

    /// Installs the oldest fd that is pending for the notification of the current task.
    ///
    /// Returns whether there was one. It releases the lock meanwhile.
    #[cold]
    pub(crate) fn install_fd(
        &self,
        held: &mut Held<'_, State, SpinLockBackend>,
        ticket: &NotificationTicket<'_>,
    ) -> bool {
        let Some(install) = held.data().start_install(ticket) else {
            return false;
        };
        let installed = held.unlocked(|| install.run());
        let mut state = held.data();

        // The caller is gone if it was killed meanwhile.
        if let Some(mut request) = state.as_mut().project().requests.get(installed.request) {
            request.value().finish(installed.result);
            request.wake();
        }
        state
            .as_mut()
            .count_pending_fd(|table| table.entry(ticket), -1);
        if installed.is_reply {
            let event = match installed.result {
                Ok(fd) => Event::FdInstalled(fd),
                Err(_) => Event::FdFailed,
            };
            let _ = self.step(state, |table| table.entry(ticket), event);
        }
        true
    }
}

impl State {
    /// Whether fds are pending for the notification of the current task.
    #[inline]
    pub(crate) fn has_pending_fds(self: Pin<&mut Self>, ticket: &NotificationTicket<'_>) -> bool {
        let entry = self.project().notifications.entry(ticket);

        entry.is_some_and(|mut entry| entry.value().pending_fds > 0)
    }

    /// Takes the oldest fd that is pending for the notification of the current task.
    fn start_install(self: Pin<&mut Self>, ticket: &NotificationTicket<'_>) -> Option<Install> {
        let this = self.project();
        let id = this.notifications.entry(ticket)?.id();
        let mut request = this.requests.find_queued(|request| request.is_for(id))?;

        request.dequeue();
        Some(Install {
            request: request.assign_id(),
            is_reply: request.value().is_reply,
            fd: request.value().fd.take()?,
        })
    }

    /// Changes by `number` how many fds are not installed of the notification that `find` finds.
    fn count_pending_fd(
        self: Pin<&mut Self>,
        find: impl FnOnce(Pin<&mut Notifications>) -> Option<NotificationEntry<'_>>,
        number: i32,
    ) {
        if let Some(mut entry) = find(self.project().notifications) {
            let pending_fds = &mut entry.value().pending_fds;

            *pending_fds = pending_fds.wrapping_add_signed(number);
        }
    }
}
