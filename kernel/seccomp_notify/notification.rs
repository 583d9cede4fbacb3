// SPDX-License-Identifier: GPL-2.0

//! What waits at a listener: notifications, requests for fds, and readers.
//!
//! This is data alone. Targets and supervisors are waiters with one of these as their value, and
//! whoever holds the listener's lock changes them.

use crate::state::{
    Delivery,
    NotificationState,
    WaitKillable, //
};
use kernel::{
    bindings,
    fs::File,
    prelude::*,
    seccomp,
    sync::{
        aref::ARef,
        waiter::{
            Ticket,
            Waiter,
            WaiterList,
            WaiterTable, //
        },
    },
    time::{
        jiffies,
        Jiffies, //
    }, //
};

/// The notifications, each with the target's system call. Queued are those that wait for a reader.
pub(crate) type Notifications = WaiterTable<Notification, seccomp::Data>;
/// One of them.
pub(crate) type NotificationWaiter<'a> = Waiter<'a, Notification, seccomp::Data>;
/// What the target of one of them finds it by.
pub(crate) type NotificationTicket<'p> = Ticket<'p, Notification, seccomp::Data>;

/// A notification.
pub(crate) struct Notification {
    pub(crate) state: NotificationState,
    /// The fds that are requested for the target and not taken by it.
    pub(crate) requests: RequestQueue,
    /// The target has taken one and is installing the fd.
    pub(crate) is_installing: bool,
    /// Whoever requested that was killed meanwhile.
    pub(crate) is_abandoned: bool,
    /// When that is done, it is put back in the queue, unless it has this delivery by then.
    pub(crate) requeue_before: Option<Delivery>,
    /// When it was made.
    pub(crate) since: Jiffies,
}

impl Notification {
    #[inline]
    pub(crate) fn new(wait_killable: WaitKillable) -> Self {
        Self {
            state: NotificationState::new(wait_killable),
            requests: RequestQueue::new(),
            is_installing: false,
            is_abandoned: false,
            requeue_before: None,
            since: jiffies(),
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

/// The readers that wait for a notification. Queued are those that sleep, the latest first.
pub(crate) type Readers = WaiterList<()>;

/// The requests for fds, of all notifications.
pub(crate) type Requests = WaiterTable<Request>;
/// What the caller of one of them finds it by.
pub(crate) type RequestTicket<'p> = Ticket<'p, Request>;

/// The id of the first request: none has the id 0.
pub(crate) const FIRST_REQUEST: u64 = 1;

/// An fd to be installed.
pub(crate) struct Fd {
    pub(crate) file: ARef<File>,
    /// The number that it gets; the lowest free one if not given.
    pub(crate) number: Option<u32>,
    /// `O_CLOEXEC`, or 0.
    pub(crate) flags: u32,
}

/// A request for an fd, with which its caller waits.
pub(crate) struct Request {
    /// The fd's number is the answer to the notification.
    pub(crate) is_reply: bool,
    /// The fd, save while the target has it.
    pub(crate) fd: Option<Fd>,
    pub(crate) progress: Progress,
    /// The ids of the neighbours in the [`RequestQueue`].
    prev: u64,
    next: u64,
}

/// How far a request is.
#[derive(Clone, Copy)]
pub(crate) enum Progress {
    /// The target has not taken the fd.
    Pending,
    /// The target is installing it.
    Installing,
    /// The target has installed it, and it has this number there, or has not.
    Done(Result<u32>),
}

impl Request {
    pub(crate) fn new(fd: Fd, is_reply: bool) -> Self {
        Self {
            is_reply,
            fd: Some(fd),
            progress: Progress::Pending,
            prev: 0,
            next: 0,
        }
    }
}

/// The requests for one notification, oldest first.
///
/// They form a ring, by their ids.
pub(crate) struct RequestQueue {
    /// The id of the oldest, or 0.
    oldest: u64,
}

impl RequestQueue {
    #[inline]
    const fn new() -> Self {
        Self { oldest: 0 }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.oldest == 0
    }

    /// The id of the oldest request.
    #[inline]
    pub(crate) fn oldest(&self) -> Option<u64> {
        (self.oldest != 0).then_some(self.oldest)
    }

    /// Puts the request with `ticket`, which gets an id, at the end.
    pub(crate) fn push(&mut self, mut requests: Pin<&mut Requests>, ticket: &RequestTicket<'_>) {
        let Some(id) = requests.as_mut().assign_id(ticket) else {
            return;
        };

        if let Some(oldest) = self.oldest() {
            let Some(mut request) = requests.as_mut().get(oldest) else {
                return;
            };
            let newest = request.value().prev;

            Self::link(requests.as_mut(), newest, id);
            Self::link(requests, id, oldest);
        } else if let Some(mut request) = requests.list().own(ticket) {
            self.oldest = id;
            // Alone, it is its own neighbour.
            request.value().prev = id;
            request.value().next = id;
        }
    }

    /// Takes the request `id`, which is among these, out.
    pub(crate) fn remove(&mut self, mut requests: Pin<&mut Requests>, id: u64) {
        let Some(mut request) = requests.as_mut().get(id) else {
            return;
        };
        let Request { prev, next, .. } = *request.value();

        if next == id {
            self.oldest = 0;
            return;
        }
        if self.oldest == id {
            self.oldest = next;
        }
        Self::link(requests, prev, next);
    }

    /// Has `next` follow `prev`.
    fn link(mut requests: Pin<&mut Requests>, prev: u64, next: u64) {
        if let Some(mut request) = requests.as_mut().get(prev) {
            request.value().next = next;
        }
        if let Some(mut request) = requests.get(next) {
            request.value().prev = prev;
        }
    }
}
