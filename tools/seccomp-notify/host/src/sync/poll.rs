// SPDX-License-Identifier: GPL-2.0

//! Those who poll a file.

use crate::{
    blocking::{self, AtomicUsize, Changed, Mutex, Ordering},
    fs::File,
    prelude::*,
    sync::lock,
};
use core::ops::{BitOr, Deref};
use std::sync::Arc;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollEvents(u32);

impl PollEvents {
    pub const NONE: Self = Self(0);
    pub const IN: Self = Self(0x41);
    pub const OUT: Self = Self(0x104);
    pub const HUP: Self = Self(0x10);

    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for PollEvents {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Somebody who waits for events, as by epoll: told of once registered.
pub struct Poller {
    wants: PollEvents,
    /// One of those is told, and no other that is exclusive.
    is_exclusive: bool,
    told: Mutex<Told>,
    changed: Changed,
}

#[derive(Default)]
struct Told {
    /// Of what, since the last time.
    events: PollEvents,
    /// Each wake-up, and whether it was to run on the waker's CPU.
    wakeups: Vec<(PollEvents, bool)>,
}

impl Poller {
    pub fn new(wants: PollEvents, is_exclusive: bool) -> Arc<Self> {
        Arc::new(Self {
            wants,
            is_exclusive,
            told: Mutex::default(),
            changed: Changed::default(),
        })
    }

    /// Waits until it is told of something, and returns what that is.
    pub fn wait(&self) -> PollEvents {
        let told = blocking::lock(&self.told);
        let mut told = self
            .changed
            .wait(told, |told| told.events != PollEvents::NONE);

        std::mem::take(&mut told.events)
    }

    /// What it was told of so far, each time, and whether it was to run on the waker's CPU.
    pub fn wakeups(&self) -> Vec<(PollEvents, bool)> {
        blocking::lock(&self.told).wakeups.clone()
    }

    fn tell(&self, events: PollEvents, on_current_cpu: bool) {
        let mut told = blocking::lock(&self.told);

        told.events = told.events | events;
        told.wakeups.push((events, on_current_cpu));
        self.changed.tell_all();
    }
}

/// Where those who wait for a file's events are registered.
#[derive(Default)]
pub struct PollCondVar {
    pollers: Mutex<Vec<Arc<Poller>>>,
    /// How many these are, for who does not take the lock: `waitqueue_active()`.
    count: AtomicUsize,
}

/// The same, somewhere of its own.
pub struct PollCondVarBox(PollCondVar);

impl PollCondVarBox {
    pub fn new(_name: &'static CStr, _class: ()) -> Result<Self> {
        Ok(Self(PollCondVar::default()))
    }
}

impl Deref for PollCondVarBox {
    type Target = PollCondVar;

    fn deref(&self) -> &PollCondVar {
        &self.0
    }
}

impl PollCondVar {
    pub fn has_waiters(&self) -> bool {
        self.count.load(Ordering::Relaxed) != 0
    }

    pub fn notify_poll(&self, events: PollEvents) {
        self.notify(events, Some(1), false);
    }

    pub fn notify_poll_all(&self, events: PollEvents) {
        self.notify(events, None, false);
    }

    pub fn notify_poll_on_current_cpu(&self, events: PollEvents) {
        self.notify(events, Some(1), true);
    }

    /// `__wake_up()`
    fn notify(&self, events: PollEvents, mut exclusive: Option<usize>, on_current_cpu: bool) {
        assert_eq!(
            lock::held(),
            0,
            "whoever polls would wait for the lock at once"
        );
        // Those that are exclusive come last.
        for is_exclusive in [false, true] {
            for poller in blocking::lock(&self.pollers).iter() {
                if poller.is_exclusive != is_exclusive || !poller.wants.intersects(events) {
                    continue;
                }
                if is_exclusive && exclusive == Some(0) {
                    return;
                }
                poller.tell(events, on_current_cpu);
                exclusive = exclusive.map(|left| left - usize::from(is_exclusive));
            }
        }
    }
}

/// Who is to be registered, if anybody.
pub struct PollTable<'a>(Option<&'a Arc<Poller>>);

impl<'a> PollTable<'a> {
    pub fn new(poller: Option<&'a Arc<Poller>>) -> Self {
        Self(poller)
    }

    pub fn register_wait(&self, _file: &File, queue: &PollCondVar) {
        if let Some(poller) = self.0 {
            let mut pollers = blocking::lock(&queue.pollers);

            pollers.push(poller.clone());
            queue.count.store(pollers.len(), Ordering::Relaxed);
        }
    }
}
