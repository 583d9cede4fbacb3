// SPDX-License-Identifier: GPL-2.0

//! Sleeping under a lock's guard, and ending somebody's sleep once the lock is released.

use super::Ticket;
use crate::{
    bindings,
    prelude::*,
    sync::{
        aref::ARef,
        lock::{
            Backend,
            Guard, //
        },
    },
    task::Task, //
};
use core::marker::PhantomData;

/// How a task sleeps in [`Held::sleep`].
///
/// Either way it can be frozen, for suspend or by a cgroup v1, without being woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Any signal ends the sleep.
    Interruptible,
    /// Only a fatal signal ends the sleep.
    Killable,
}

impl Sleep {
    fn state(self) -> c_uint {
        bindings::TASK_FREEZABLE
            | match self {
                Sleep::Interruptible => bindings::TASK_INTERRUPTIBLE,
                Sleep::Killable => bindings::TASK_KILLABLE,
            }
    }

    /// Whether the current task, which has set its state, would sleep through a request to freeze.
    ///
    /// The request is like a signal, which is not fatal: only an interruptible sleep would notice.
    /// One that comes once the task sleeps finds one that can be frozen as it is. Between the two,
    /// it is missed, as by any killable sleep that can be frozen: suspend asks again.
    #[inline]
    fn misses_freezing(self) -> bool {
        self == Sleep::Killable && current!().is_freezing()
    }
}

/// The lock under which a task is a waiter.
///
/// It is held whenever the closure that [`WaiterList::wait`] runs has it, save within
/// [`sleep`](Self::sleep) and [`unlocked`](Self::unlocked).
///
/// [`WaiterList::wait`]: super::WaiterList::wait
// The lifetime is invariant and `wait()` makes its closure accept any: no two values of this type
// can be exchanged, thus the closure returns with the lock held that it was called with.
pub struct Held<'p, U: ?Sized, B: Backend> {
    guard: Guard<'p, U, B>,
    _invariant: PhantomData<fn(&'p ()) -> &'p ()>,
}

impl<'p, U: ?Sized, B: Backend> Held<'p, U, B> {
    pub(super) fn new(guard: Guard<'p, U, B>) -> Self {
        Self {
            guard,
            _invariant: PhantomData,
        }
    }

    /// The data that the lock protects.
    #[inline]
    pub fn data(&mut self) -> Pin<&mut U> {
        self.guard.as_mut()
    }

    /// Releases the lock, calls `before`, sleeps until woken if that returned true, and takes the
    /// lock again. Returns what `before` returned.
    ///
    /// What [`Waiter::end_sleep`] of the task returns, after the lock was released, ends the
    /// sleep: a condition that is checked under the lock before calling this cannot change
    /// unnoticed. The sleep can end for no reason: check the condition again.
    ///
    /// `before` is for waking others. It should not sleep: the sleep that follows ends at once
    /// then. It must not panic, see [`unlocked`](Self::unlocked).
    ///
    /// This must be called from a context that may sleep, as
    /// [`CondVar::wait`](crate::sync::CondVar::wait), with no other lock held: the task may be
    /// frozen here.
    ///
    /// [`Waiter::end_sleep`]: super::Waiter::end_sleep
    #[inline]
    pub fn sleep<T, S: ?Sized>(
        &mut self,
        ticket: &Ticket<'p, T, S>,
        how: Sleep,
        before: impl FnOnce() -> bool,
    ) -> bool {
        let sleeper = ticket.sleeper();

        // SAFETY: The ticket's waiter is alive and waits under this lock, whose lifetime it shares
        // with no other, and which is held.
        unsafe { (*sleeper).is_asleep = true };
        // SAFETY: A task may set its own state. If anything sleeps before `schedule()` is called
        // below, be it `before` or the lock's release, it leaves the task running, and
        // `schedule()` returns. What was to end the sleep is not lost: the lock is taken again,
        // and the condition checked.
        unsafe { bindings::set_current_state(how.state()) };

        let sleeps = self.guard.do_unlocked(|| {
            let sleeps = before();

            if sleeps && !how.misses_freezing() {
                // SAFETY: This switches to another task, with our lock released. In a context that
                // may not sleep it would be a bug, for which `schedule_debug()` has a message, and
                // RCU readers must not sleep. This is so for everything that sleeps, such as
                // `CondVar::wait()` and `Mutex::lock()`, and the lock is taken again here.
                unsafe { bindings::schedule() };
                return true;
            }
            // SAFETY: A task may set its own state.
            unsafe { bindings::set_current_state(bindings::TASK_RUNNING) };
            if sleeps {
                current!().try_to_freeze();
            }
            sleeps
        });

        // SAFETY: As above.
        unsafe { (*sleeper).is_asleep = false };
        sleeps
    }

    /// Runs `f` with the lock released, where it may sleep unless the caller holds another lock.
    ///
    /// What was seen under the lock may have changed when this returns. `f` must not panic, see
    /// [`WaiterList::wait`].
    ///
    /// [`WaiterList::wait`]: super::WaiterList::wait
    #[inline]
    pub fn unlocked<R>(&mut self, f: impl FnOnce() -> R) -> R {
        self.guard.do_unlocked(f)
    }
}

/// A task, and whether it sleeps under the lock.
///
/// # Invariants
///
/// `task` is alive as long as this is.
pub(super) struct Sleeper {
    task: *mut bindings::task_struct,
    is_asleep: bool,
}

impl Sleeper {
    /// The current task, which does not sleep.
    ///
    /// # Safety
    ///
    /// The current task must outlive the value.
    #[inline]
    pub(super) unsafe fn current() -> Self {
        // INVARIANT: The caller promises this.
        Self {
            task: Task::current_raw(),
            is_asleep: false,
        }
    }

    #[inline]
    pub(super) fn task(&self) -> &Task {
        // SAFETY: By the type invariants, the task is alive. `Task` has the layout of
        // `struct task_struct`.
        unsafe { &*self.task.cast() }
    }

    /// See [`Waiter::end_sleep`](super::Waiter::end_sleep).
    #[inline]
    pub(super) fn end_sleep(&mut self) -> Wakeup {
        if !self.is_asleep {
            return Wakeup::NONE;
        }
        self.is_asleep = false;
        Wakeup(Some(self.task().into()))
    }
}

/// A wake-up that is due, or none.
///
/// It is made under the lock, and carried out when the lock is released: whoever is woken takes
/// the lock first of all. When it is dropped, it is carried out at the latest.
///
/// A task that went on for another reason meanwhile can be woken from a later sleep by it, as by a
/// [`wake_q_add()`](srctree/include/linux/sched/wake_q.h). Every sleep copes with that.
#[must_use = "dropping it wakes the task, with the lock held perhaps"]
pub struct Wakeup(Option<ARef<Task>>);

impl Wakeup {
    /// No wake-up.
    pub const NONE: Self = Self(None);

    /// Whether there is a task to wake.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.0.is_some()
    }

    /// Wakes the task, if any. Nobody is to be woken any more then.
    ///
    /// It may be called from any context but that of an NMI. It does not belong under the lock: the
    /// task takes that.
    ///
    /// Returns whether the task can go on now. One that is frozen cannot: it does when it is
    /// thawed.
    #[inline]
    pub fn wake(&mut self) -> bool {
        let Some(task) = self.0.take() else {
            return true;
        };

        // Wake first, then ask: whoever is frozen after that may have been so before.
        task.wake_up();
        !task.is_frozen()
    }

    /// Like [`wake`](Self::wake), and has the task run on this CPU if it can.
    ///
    /// That pays off when the calling task is about to sleep.
    #[inline]
    pub fn wake_on_current_cpu(&mut self) -> bool {
        let Some(task) = self.0.take() else {
            return true;
        };

        task.wake_up_on_current_cpu();
        !task.is_frozen()
    }
}

impl Drop for Wakeup {
    #[inline]
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.wake_up();
        }
    }
}
