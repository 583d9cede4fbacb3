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
    sync::{
        new_spinlock_irq,
        parked::{
            Entry,
            Table, //
        },
        poll::{
            PollCondVarBox,
            PollEvents, //
        },
        static_lock_class,
        Arc,
        SpinLockIrq,
        SpinLockIrqGuard, //
    }, //
};

/// How many targets are woken under one hold of the lock when the listener is closed.
const CLOSE_BATCH: usize = 32;

/// A listener.
#[pin_data]
pub(crate) struct Listener {
    // Interrupts are off under it, as it is taken under the siglock: when a filter is installed,
    // and when another goes for that.
    #[pin]
    state: SpinLockIrq<State>,
    pollers: PollCondVarBox,
}

/// What the listener's lock protects.
#[pin_data]
pub(crate) struct State {
    /// The notifications, by id. Queued are those that wait for a reader.
    #[pin]
    pub(crate) notifications: Table<Notification>,
    /// The readers that wait for a notification. Queued are those that sleep.
    #[pin]
    pub(crate) readers: Table<()>,
    /// The callers that wait for an fd to be installed. Queued are those whose turn has not come.
    #[pin]
    pub(crate) requests: Table<Request>,
    /// How many notifications wait for a reply.
    awaiting_reply: usize,
    /// The fd has not been released.
    is_open: bool,
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
                state <- new_spinlock_irq!(State::new()),
                pollers,
            }),
            GFP_KERNEL,
        )
    }

    /// Takes the lock.
    #[inline]
    pub(crate) fn lock(&self) -> SpinLockIrqGuard<'_, State> {
        self.state.lock()
    }

    /// Those who poll the fd.
    #[inline]
    pub(crate) fn pollers(&self) -> &PollCondVarBox {
        &self.pollers
    }

    /// Whether the fd has not been released.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// The last task that used the filter is gone.
    ///
    /// It may be called with interrupts off and the siglock held.
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
            let state = state.as_mut().project();

            *state.is_open = false;
            // Nobody takes anything from the queue any more: it serves to find them all.
            state.notifications.enqueue_all();
        }

        // Not all under one hold of the lock, as there can be many.
        while self.lock().as_mut().close_some() {}
    }

    /// Puts the new notification `id` in the queue, for a reader to take.
    #[inline]
    pub(crate) fn announce(&self, mut state: Pin<&mut State>, id: u64) {
        if let Some(mut entry) = state.as_mut().project().notifications.get(id) {
            entry.enqueue_last();
        }
        self.tell_of_queued(state);
    }

    /// Has `event` happen to the notification `id`, and does what follows from it.
    ///
    /// Returns whether the target stops waiting without an answer. Fails with `ENOENT` if there is
    /// no such notification, and with `EINPROGRESS` if it is in no state for this.
    #[inline]
    pub(crate) fn step(&self, mut state: Pin<&mut State>, id: u64, event: Event) -> Result<bool> {
        let this = state.as_mut().project();
        let mut entry = this.notifications.get(id).ok_or(ENOENT)?;
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
            is_open: true,
            is_used: true,
            sync_wake_up: false,
            fd_signalled: false,
        })
    }

    /// Whether the fd has not been released.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
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

    /// Wakes the reader that has slept longest. Returns whether there was one.
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

    /// Does away with what hangs on the notification `id`, whose target goes on.
    #[inline]
    pub(crate) fn forget(self: Pin<&mut Self>, id: u64) {
        let mut this = self.project();
        let Some(mut entry) = this.notifications.get(id) else {
            return;
        };

        if entry.value().state.awaits_reply() {
            *this.awaiting_reply -= 1;
        }
        for _ in 0..entry.value().pending_fds {
            if let Some(mut request) = this.requests.as_mut().find_queued(|r| r.is_for(id)) {
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
fn wake<T>(entry: &Entry<'_, T>, sync: bool) {
    if sync {
        entry.wake_on_current_cpu();
    } else {
        entry.wake();
    }
}
