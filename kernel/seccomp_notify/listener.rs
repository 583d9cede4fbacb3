// SPDX-License-Identifier: GPL-2.0

//! The listener: what a filter and its fd share.
//!
//! The filter and the fd each hold a reference, so that neither can leave the other with a dangling
//! pointer. One lock protects everything, for short: no operation under it depends on how many
//! notifications or readers there are, save for those that end them all, and nothing is copied from
//! or to userspace.
//!
//! Three kinds of tasks sleep here, each with an entry in a table of its own: targets with their
//! notification, readers in `SECCOMP_IOCTL_NOTIF_RECV`, and callers of
//! `SECCOMP_IOCTL_NOTIF_ADDFD`. Those who poll wait apart from the readers: a notification wakes
//! one reader, and tells the pollers.

use crate::{
    addfd::Request,
    notification::Notification,
    state::{
        Event,
        NotDelivered,
        Queue,
        Reply, //
    },
};
use kernel::{
    prelude::*,
    random::random_u64,
    seccomp,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_spinlock,
        parked::{
            Entry,
            Table,
            Ticket, //
        },
        poll::{
            PollCondVarBox,
            PollEvents, //
        },
        static_lock_class,
        Arc,
        SpinLock,
        SpinLockGuard, //
    }, //
};

/// How many targets are woken under one hold of the lock when the listener is closed.
const CLOSE_BATCH: usize = 32;

/// A listener.
#[pin_data]
pub(crate) struct Listener {
    // Never taken with the siglock held, so that interrupts may be on under it: `is_open()` does
    // without it, and `unused()` is not called then. What `seccomp_sync_threads()` releases under
    // the siglock is never a filter's last use, as it is the caller's filter or one below that.
    #[pin]
    state: SpinLock<State>,
    pollers: PollCondVarBox,
    /// The fd has not been released. It changes under the lock.
    is_open: Atomic<bool>,
}

/// The notifications, each with the target's system call.
pub(crate) type Notifications = Table<Notification, seccomp::Data>;
/// One of them.
pub(crate) type NotificationEntry<'a> = Entry<'a, Notification, seccomp::Data>;
/// What the target of one of them finds it by.
pub(crate) type NotificationTicket<'p> = Ticket<'p, Notification, seccomp::Data>;

/// What the listener's lock protects.
#[pin_data]
pub(crate) struct State {
    /// The notifications, by id. Queued are those that wait for a reader.
    #[pin]
    pub(crate) notifications: Notifications,
    /// The readers that wait for a notification. Queued are those that sleep, the latest first.
    #[pin]
    pub(crate) readers: Table<()>,
    /// The callers that wait for an fd to be installed. Queued are those whose turn has not come.
    #[pin]
    pub(crate) requests: Table<Request>,
    /// How many notifications wait for a reply.
    awaiting_reply: usize,
    /// Some task uses the filter, and can make a notification.
    is_used: bool,
    /// Whom a wake-up is for is asked to run on the CPU of whom it is from
    /// (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`).
    pub(crate) sync_wake_up: bool,
    /// The supervisor is told of signals (`SECCOMP_USER_NOTIF_FD_SIGNALED`).
    pub(crate) fd_signalled: bool,
}

impl Listener {
    /// Creates a listener, open and in use.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let pollers = PollCondVarBox::new(c"seccomp listener", static_lock_class!())?;

        Arc::pin_init(
            pin_init!(Self {
                state <- new_spinlock!(State::new()),
                pollers,
                is_open: Atomic::new(true),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes the lock.
    #[inline]
    pub(crate) fn lock(&self) -> SpinLockGuard<'_, State> {
        self.state.lock()
    }

    /// Those who poll the fd.
    #[inline]
    pub(crate) fn pollers(&self) -> &PollCondVarBox {
        &self.pollers
    }

    /// Whether the fd has not been released. It may be called from any context.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// The last task that used the filter is gone.
    ///
    /// The siglock must not be held.
    pub(crate) fn unused(&self) {
        let mut state = self.lock();

        *state.as_mut().project().is_used = false;
        while state.as_mut().wake_reader() {}
        self.pollers.notify_poll_all(PollEvents::HUP);
    }

    /// The fd is released: all targets go on with `ENOSYS`.
    pub(crate) fn close(&self) {
        {
            let mut state = self.lock();

            self.is_open.store(false, Relaxed);
            // Nobody takes anything from the queue any more: it serves to find them all.
            state.as_mut().project().notifications.enqueue_all();
        }

        // Not all under one hold of the lock, as there can be many.
        while self.lock().as_mut().close_some() {}
    }

    /// Puts a new notification, that of the current task, in the queue for a reader to take.
    #[inline]
    pub(crate) fn announce(&self, mut state: Pin<&mut State>, ticket: &NotificationTicket<'_>) {
        if let Some(mut entry) = state.as_mut().project().notifications.entry(ticket) {
            entry.assign_id();
            entry.enqueue_last();
        }
        self.tell_of_queued(state);
    }

    /// Has `event` happen to the notification that `find` finds, and does what follows from it.
    ///
    /// Returns whether the target stops waiting without an answer. Fails with `ENOENT` if there is
    /// no such notification, and with `EINPROGRESS` if it is in no state for this.
    #[inline]
    pub(crate) fn step(
        &self,
        mut state: Pin<&mut State>,
        find: impl FnOnce(Pin<&mut Notifications>) -> Option<NotificationEntry<'_>>,
        event: Event,
    ) -> Result<bool> {
        let this = state.as_mut().project();
        let mut entry = find(this.notifications).ok_or(ENOENT)?;
        let notification = &mut entry.value().state;

        let awaited_reply = notification.awaits_reply();
        let effects = notification
            .step(event)
            .map_err(|NotDelivered| EINPROGRESS)?;
        let awaits_reply = notification.awaits_reply();

        match effects.queue {
            Queue::Stay => (),
            Queue::Leave => entry.dequeue(),
            Queue::First => entry.enqueue_first(),
            Queue::Last => entry.enqueue_last(),
        }
        if effects.wake {
            wake(&entry, *this.sync_wake_up);
        }

        if awaits_reply && !awaited_reply {
            *this.awaiting_reply += 1;
            self.tell_pollers(&state, PollEvents::OUT);
        } else if awaited_reply && !awaits_reply {
            *this.awaiting_reply -= 1;
        }
        if matches!(effects.queue, Queue::First | Queue::Last) {
            self.tell_of_queued(state);
        }

        Ok(effects.abort)
    }

    /// Wakes one reader that sleeps, and those who poll: there is something in the queue.
    #[inline]
    pub(crate) fn tell_of_queued(&self, mut state: Pin<&mut State>) {
        state.as_mut().wake_reader();
        self.tell_pollers(&state, PollEvents::IN);
    }

    /// Wakes those who poll for any of `events`.
    // A poller registers before it takes the lock, under which the caller has changed what it looks
    // for: none that is not seen here missed the change.
    #[inline]
    fn tell_pollers(&self, state: &State, events: PollEvents) {
        if self.pollers.has_waiters() {
            if state.sync_wake_up {
                self.pollers.notify_poll_on_current_cpu(events);
            } else {
                self.pollers.notify_poll(events);
            }
        }
    }
}

impl State {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            notifications <- Table::new(random_u64()),
            readers <- Table::new(0),
            requests <- Table::new(0),
            awaiting_reply: 0,
            is_used: true,
            sync_wake_up: false,
            fd_signalled: false,
        })
    }

    /// Whether a task uses the filter.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        self.is_used
    }

    /// What the fd is ready for.
    pub(crate) fn events(&self) -> PollEvents {
        let mut events = PollEvents::NONE;

        if self.notifications.has_queued() {
            events = events | PollEvents::IN;
        }
        if self.awaiting_reply > 0 {
            events = events | PollEvents::OUT;
        }
        if !self.is_used {
            events = events | PollEvents::HUP;
        }
        events
    }

    /// Wakes the reader that went to sleep last, whose caches are warm. Returns whether there was
    /// one.
    ///
    /// It is woken once: if it cannot take what it was woken for, it must wake the next. One that
    /// is frozen cannot; it looks again when it is thawed.
    #[inline]
    pub(crate) fn wake_reader(self: Pin<&mut Self>) -> bool {
        let mut this = self.project();

        while let Some(mut reader) = this.readers.as_mut().first() {
            let is_frozen = reader.task().is_frozen();

            reader.dequeue();
            wake(&reader, *this.sync_wake_up);
            if !is_frozen {
                return true;
            }
        }
        false
    }

    /// Does away with what hangs on the notification of the current task, which goes on without an
    /// answer.
    pub(crate) fn forget(self: Pin<&mut Self>, ticket: &NotificationTicket<'_>) {
        let mut this = self.project();
        let Some(mut entry) = this.notifications.entry(ticket) else {
            return;
        };

        if entry.value().state.awaits_reply() {
            *this.awaiting_reply -= 1;
        }
        for _ in 0..entry.value().pending_fds {
            let is_ours = |request: &Request| request.is_for(entry.id());

            if let Some(mut request) = this.requests.as_mut().find_queued(is_ours) {
                request.dequeue();
                request.value().finish(Err(ESRCH));
                request.wake();
            }
        }
    }

    /// Answers some targets with `ENOSYS`. Returns whether there are more.
    fn close_some(mut self: Pin<&mut Self>) -> bool {
        for _ in 0..CLOSE_BATCH {
            let this = self.as_mut().project();
            let Some(mut entry) = this.notifications.first() else {
                return false;
            };

            entry.dequeue();
            let notification = &mut entry.value().state;
            if notification.awaits_reply() {
                *this.awaiting_reply -= 1;
            }
            if notification
                .step(Event::Close(Reply::error(ENOSYS.to_errno())))
                .is_ok_and(|effects| effects.wake)
            {
                entry.wake();
            }
        }
        true
    }
}

/// Wakes the task of `entry`, on this CPU if `sync`.
#[inline]
fn wake<T, S>(entry: &Entry<'_, T, S>, sync: bool) {
    if sync {
        entry.wake_on_current_cpu();
    } else {
        entry.wake();
    }
}
