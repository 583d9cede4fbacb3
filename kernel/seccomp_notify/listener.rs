// SPDX-License-Identifier: GPL-2.0

//! The listener: what filters and an fd share.
//!
//! The filters and the fd each hold a reference, so that none can leave another with a dangling
//! pointer. One lock protects everything, for a time that depends on nothing that
//! userspace can make many: notifications, readers, requests. What ends them all takes them in
//! batches. Nothing is copied from or to userspace under it, and nobody is woken.
//!
//! Three kinds of tasks sleep here, each a waiter: targets with their notification, readers in
//! `SECCOMP_IOCTL_NOTIF_RECV`, and callers of `SECCOMP_IOCTL_NOTIF_ADDFD`. Those who poll wait
//! apart from the readers: a notification wakes one reader, and all pollers are told.

use crate::{
    notification::{
        NotificationTicket,
        NotificationWaiter,
        Notifications,
        Readers,
        Requests,
        FIRST_REQUEST, //
    },
    state::{
        Event,
        Queue,
        Refusal,
        Reply, //
    },
};
use core::mem;
use kernel::{
    prelude::*,
    random::random_u64,
    seccomp::trace,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_mutex,
        poll::{
            PollCondVarBox,
            PollEvents, //
        },
        static_lock_class,
        waiter::Wakeup,
        Arc,
        Mutex,
        MutexGuard, //
    }, //
};

/// How many tasks are dealt with under one hold of the lock, by what deals with all of them.
pub(crate) const BATCH: usize = 16;

/// A listener.
#[pin_data]
pub(crate) struct Listener {
    // A mutex: where virtual CPUs outnumber real ones, its holder can be off its CPU for long.
    // Never taken with the siglock held or in atomic context: `is_open()` does without it, and
    // `remove_filter()` is not called then.
    #[pin]
    inner: Mutex<Inner>,
    pollers: PollCondVarBox,
    /// The fd has not been released. It changes under the lock.
    is_open: Atomic<bool>,
}

/// What the listener's lock protects.
#[pin_data]
pub(crate) struct Inner {
    #[pin]
    pub(crate) notifications: Notifications,
    #[pin]
    pub(crate) readers: Readers,
    #[pin]
    pub(crate) requests: Requests,
    /// How many notifications there are that are in the queue, or await a reply, or both.
    awaited: usize,
    /// How many of them await a reply, as a reader has them.
    awaiting_reply: usize,
    /// How many filters have tasks that can make a notification, or are about to.
    filters: usize,
    /// There was a filter whose tasks are all gone.
    was_used: bool,
    /// There was one, and there are none any more.
    is_unused: bool,
    /// A new notification wakes its reader, and an answer its target, on the CPU of the waker
    /// (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`).
    pub(crate) sync_wake_up: bool,
    /// The supervisor is told of signals (`SECCOMP_USER_NOTIF_FD_SIGNALED`).
    pub(crate) fd_signalled: bool,
}

/// How many notifications there are in each state. Those that are answered are not counted.
pub(crate) struct Counts {
    /// No reader has it.
    pub(crate) queued: usize,
    /// A reader has it.
    pub(crate) delivered: usize,
    /// A reader has it, and it is in the queue again, for a signal.
    pub(crate) requeued: usize,
}

/// The wake-ups, of others than the target, that follow from a change under the lock.
///
/// They are for [`Listener::wake`], when the lock is released.
#[must_use = "whoever waits for the change would not hear of it"]
pub(crate) struct Wakeups {
    /// A reader, for what is in the queue.
    reader: Wakeup,
    /// What those who poll are told of.
    events: PollEvents,
    /// On this CPU, as the caller is about to sleep.
    on_current_cpu: bool,
}

impl Wakeups {
    pub(crate) const NONE: Self = Self {
        reader: Wakeup::NONE,
        events: PollEvents::NONE,
        on_current_cpu: false,
    };

    /// Whether there is anybody to wake.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.reader.is_due() || self.events != PollEvents::NONE
    }

    /// Adds `more`. One of the two at most has a reader.
    #[cold]
    pub(crate) fn add(&mut self, more: Self) {
        self.events = self.events | more.events;
        if more.reader.is_due() {
            self.reader = more.reader;
        }
    }

    /// What those who poll are told of.
    #[inline]
    pub(crate) fn events(&self) -> PollEvents {
        self.events
    }

    /// Only those who poll for one of `events` are told.
    #[inline]
    pub(crate) fn of_pollers(events: PollEvents) -> Self {
        Self {
            events,
            ..Self::NONE
        }
    }

    /// Carries the wake-ups out, with the lock released. None is left then. It does not sleep.
    ///
    /// Returns false if the reader cannot go on, as it is frozen: another has to be found for what
    /// is in the queue.
    // What few wake-ups a caller has is known where this is inlined.
    #[inline(always)]
    pub(crate) fn wake(&mut self, pollers: &PollCondVarBox) -> bool {
        let events = mem::replace(&mut self.events, PollEvents::NONE);

        if events != PollEvents::NONE && pollers.has_waiters() {
            self.tell(events, pollers);
        }
        if self.on_current_cpu {
            self.reader.wake_on_current_cpu()
        } else {
            self.reader.wake()
        }
    }

    /// Tells those who poll, of each event on its own: an exclusive poller that one of them wakes
    /// may not wait for the other.
    fn tell(&self, events: PollEvents, pollers: &PollCondVarBox) {
        for event in [PollEvents::IN, PollEvents::OUT] {
            if !events.contains(event) {
                continue;
            }
            if self.on_current_cpu {
                pollers.notify_poll_on_current_cpu(event);
            } else {
                pollers.notify_poll(event);
            }
        }
    }
}

/// The wake-ups that follow from an event, for when the lock is released.
#[must_use = "whoever waits for the event would not hear of it"]
pub(crate) struct Due {
    /// The target, to look at its notification.
    pub(crate) target: Wakeup,
    pub(crate) others: Wakeups,
    /// The target is woken on this CPU, which the caller is about to leave.
    pub(crate) on_current_cpu: bool,
}

impl Due {
    pub(crate) const NONE: Self = Self {
        target: Wakeup::NONE,
        others: Wakeups::NONE,
        on_current_cpu: false,
    };

    /// Wakes the target alone, with the lock released. It does not sleep.
    #[inline(always)]
    pub(crate) fn wake_target(&mut self) {
        if self.on_current_cpu {
            self.target.wake_on_current_cpu();
        } else {
            self.target.wake();
        }
    }

    /// Carries the wake-ups out. The lock must be released. May sleep.
    #[inline(always)]
    pub(crate) fn wake(mut self, listener: &Listener) {
        self.wake_target();
        listener.wake(self.others);
    }
}

impl Listener {
    /// Creates a listener, open, that no filter has. May sleep.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let pollers = PollCondVarBox::new(c"seccomp listener", static_lock_class!())?;

        Arc::pin_init(
            pin_init!(Self {
                inner <- new_mutex!(Inner::new()),
                pollers,
                is_open: Atomic::new(true),
            }),
            // Any task may make as many as it may have fds.
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Takes the lock. May sleep.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
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

    /// Carries `wakeups` out. The lock must be released. May sleep.
    #[inline(always)]
    pub(crate) fn wake(&self, mut wakeups: Wakeups) {
        if !wakeups.wake(&self.pollers) {
            self.wake_another_reader();
        }
    }

    /// Wakes a reader that is not frozen, if there is one. One that is frozen looks at the queue
    /// when it is thawed.
    #[cold]
    pub(crate) fn wake_another_reader(&self) {
        loop {
            let mut wakeups = self.lock().as_mut().wake_another_reader();

            if wakeups.wake(&self.pollers) {
                break;
            }
        }
    }

    /// A filter is about to be installed with the listener. May sleep.
    pub(crate) fn add_filter(&self) {
        let mut inner = self.lock();
        let this = inner.as_mut().project();

        *this.filters += 1;
        *this.is_unused = false;
    }

    /// That filter was not installed. May sleep.
    pub(crate) fn cancel_filter(&self) {
        self.forget_filter(false);
    }

    /// The last task that used a filter of the listener is gone. With the last filter, readers
    /// return, and pollers are told.
    ///
    /// May sleep.
    pub(crate) fn remove_filter(&self) {
        self.forget_filter(true);
    }

    fn forget_filter(&self, was_used: bool) {
        {
            let mut inner = self.lock();
            let this = inner.as_mut().project();

            *this.filters -= 1;
            *this.was_used |= was_used;
            *this.is_unused = *this.filters == 0 && *this.was_used;
            if !*this.is_unused {
                return;
            }
        }

        // Once there is a filter again, readers wait again, and this would not end.
        while self.wake_batch(|inner| inner.next_reader_if_unused()) {}
        self.pollers.notify_poll_all(PollEvents::HUP);
    }

    /// The fd is released: all targets go on with `ENOSYS`.
    ///
    /// May sleep.
    pub(crate) fn close(&self) {
        {
            let _inner = self.lock();

            self.is_open.store(false, Relaxed);
        }

        // There are no new ones now.
        while self.wake_batch(|inner| inner.close_any()) {}
    }

    /// Wakes the tasks that `next` finds under the lock, until it finds none or they are enough
    /// for one hold of it. Returns whether there may be more.
    pub(crate) fn wake_batch(
        &self,
        mut next: impl FnMut(Pin<&mut Inner>) -> Option<Wakeup>,
    ) -> bool {
        let mut batch = [const { Wakeup::NONE }; BATCH];
        let mut inner = self.lock();

        for wakeup in &mut batch {
            match next(inner.as_mut()) {
                Some(found) => *wakeup = found,
                None => return false,
            }
        }
        // The lock is released first, and then `batch` is dropped, which carries the wake-ups out.
        true
    }
}

impl Inner {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            notifications <- Notifications::new(random_u64()),
            readers <- Readers::new(),
            requests <- Requests::new(FIRST_REQUEST),
            awaited: 0,
            awaiting_reply: 0,
            filters: 0,
            was_used: false,
            is_unused: false,
            sync_wake_up: false,
            fd_signalled: false,
        })
    }

    /// Whether no task uses a filter of the listener any more. Before the first did, it is not.
    #[inline]
    pub(crate) fn is_unused(&self) -> bool {
        self.is_unused
    }

    /// Whether any task uses a filter of the listener, or is about to.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        self.filters > 0
    }

    /// How many notifications there are in each state.
    pub(crate) fn counts(&self) -> Counts {
        let queued = self.notifications.queued();

        Counts {
            queued: self.awaited - self.awaiting_reply,
            delivered: self.awaited - queued,
            requeued: queued + self.awaiting_reply - self.awaited,
        }
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
        if self.is_unused() {
            events = events | PollEvents::HUP;
        }
        events
    }

    /// Puts a new notification, that of the current task, at the end of the queue. Returns its id.
    #[inline]
    pub(crate) fn enqueue_new(
        mut self: Pin<&mut Self>,
        ticket: &NotificationTicket<'_>,
    ) -> (Option<u64>, Wakeups) {
        let mut this = self.as_mut().project();

        let id = this.notifications.as_mut().assign_id(ticket);
        if let (Some(id), Some(mut notification)) = (id, this.notifications.list().own(ticket)) {
            notification.enqueue_last();
            *this.awaited += 1;
            trace::queued(id, notification.shared());
        }
        let wakeups = Wakeups {
            on_current_cpu: *this.sync_wake_up,
            ..self.wakeups_for_queued()
        };
        (id, wakeups)
    }

    /// Applies `event` to the notification that `find` returns, and does what follows from it.
    ///
    /// # Errors
    ///
    /// - [`ENOENT`]: there is no such notification.
    /// - [`EINPROGRESS`]: it is in no state for this.
    // With the kind of event known, little is left of this.
    #[inline(always)]
    pub(crate) fn step(
        mut self: Pin<&mut Self>,
        find: impl FnOnce(Pin<&mut Notifications>) -> Option<NotificationWaiter<'_>>,
        event: Event,
    ) -> Result<Due> {
        let this = self.as_mut().project();
        let mut notification = find(this.notifications).ok_or(ENOENT)?;
        let state = &mut notification.value().state;

        let (was_awaited, awaited_reply) = (state.is_awaited(), state.awaits_reply());
        let effects = state.step(event).map_err(|refusal| match refusal {
            Refusal::NotDelivered => EINPROGRESS,
            Refusal::Gone => ENOENT,
        })?;
        let (is_awaited, awaits_reply) = (state.is_awaited(), state.awaits_reply());

        let target = if effects.wake {
            notification.end_sleep()
        } else {
            Wakeup::NONE
        };
        let mut others = Wakeups::NONE;
        match effects.queue {
            Queue::Stay => (),
            Queue::Leave => notification.dequeue(),
            Queue::Last => {
                notification.enqueue_last();
                others = self.as_mut().wakeups_for_known();
            }
            Queue::Back => {
                let (id, was_queued) = (notification.id(), notification.is_queued());

                if let Some(id) = id {
                    let this = self.as_mut().project();
                    this.notifications.enqueue_by_id(id);
                }
                // Who waits for what is in the queue has heard of one that was there.
                if !was_queued {
                    others = self.as_mut().wakeups_for_known();
                }
            }
        }

        let this = self.project();
        if awaits_reply && !awaited_reply {
            *this.awaiting_reply += 1;
            others.events = others.events | PollEvents::OUT;
        } else if awaited_reply && !awaits_reply {
            *this.awaiting_reply -= 1;
        }
        if is_awaited && !was_awaited {
            *this.awaited += 1;
        } else if was_awaited && !is_awaited {
            *this.awaited -= 1;
        }
        Ok(Due {
            target,
            others,
            on_current_cpu: matches!(event, Event::Reply(_)) && *this.sync_wake_up,
        })
    }

    /// One that is not new was put in the queue.
    #[cold]
    fn wakeups_for_known(self: Pin<&mut Self>) -> Wakeups {
        self.wakeups_for_queued()
    }

    /// Something was put in the queue: pollers are told, and a reader is woken.
    // It is known what this is, where it is inlined.
    #[inline(always)]
    fn wakeups_for_queued(self: Pin<&mut Self>) -> Wakeups {
        Wakeups {
            reader: self.next_reader().unwrap_or(Wakeup::NONE),
            events: PollEvents::IN,
            ..Wakeups::NONE
        }
    }

    /// Wakes another reader in place of one that cannot take what it was woken for, if that is
    /// still in the queue. Pollers were told of it.
    #[cold]
    pub(crate) fn wake_another_reader(self: Pin<&mut Self>) -> Wakeups {
        if !self.notifications.has_queued() {
            return Wakeups::NONE;
        }
        Wakeups {
            reader: self.next_reader().unwrap_or(Wakeup::NONE),
            ..Wakeups::NONE
        }
    }

    /// The reader that went to sleep last, whose caches are warm. It is woken once: if it cannot
    /// take what it was woken for, it must wake the next.
    #[inline(always)]
    pub(crate) fn next_reader(self: Pin<&mut Self>) -> Option<Wakeup> {
        let mut reader = self.project().readers.first()?;

        reader.dequeue();
        Some(reader.end_sleep())
    }

    fn next_reader_if_unused(self: Pin<&mut Self>) -> Option<Wakeup> {
        if !self.is_unused() {
            return None;
        }
        self.next_reader()
    }

    /// Answers one of the targets with `ENOSYS`.
    fn close_any(mut self: Pin<&mut Self>) -> Option<Wakeup> {
        let closed = Event::Close(Reply::error(ENOSYS.to_errno()));
        let due = self.as_mut().step(|table| table.any(), closed).ok()?;

        // With the fd, all are gone who could ask for the id.
        self.project().notifications.any()?.remove_id();
        Some(due.target)
    }
}
