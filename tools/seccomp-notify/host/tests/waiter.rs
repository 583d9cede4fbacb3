// SPDX-License-Identifier: GPL-2.0

//! What the sleep of a waiter does with the freezer, which asks once.

use kernel::{
    machine::Machine,
    new_mutex,
    prelude::*,
    sync::{
        waiter::{Sleep, WaiterList},
        Mutex,
    },
    task::{set_current, Task},
};
use pin_init::stack_pin_init;
use std::{sync::Arc, thread};

#[pin_data]
struct Inner {
    #[pin]
    waiters: WaiterList<()>,
}

impl Inner {
    fn waiters(self: Pin<&mut Self>) -> Pin<&mut WaiterList<()>> {
        self.project().waiters
    }
}

/// Has a task sleep after `before`, and returns it and its thread.
fn sleeper(how: Sleep, before: fn(&Task)) -> (Arc<Task>, thread::JoinHandle<()>) {
    let task = Task::new(&Machine::new());
    let handle = {
        let task = task.clone();

        thread::spawn(move || {
            set_current(task.clone());
            stack_pin_init!(let lock = new_mutex!(pin_init!(Inner { waiters <- WaiterList::new() })));
            let lock: &Mutex<Inner> = &lock;

            WaiterList::wait(lock.lock(), Inner::waiters, (), &(), |held, ticket| {
                held.sleep(ticket, how, || {
                    before(&task);
                    true
                });
            });
        })
    };

    (task, handle)
}

/// It is frozen as it sleeps, and woken when it is thawed.
#[test]
fn it_is_frozen_in_its_sleep() {
    for how in [Sleep::Interruptible, Sleep::Killable] {
        let (task, handle) = sleeper(how, |_| ());

        task.until_asleep();
        task.freeze();
        task.until_frozen();
        task.wake_up();
        assert!(task.is_frozen());
        task.thaw();
        handle.join().unwrap();
    }
}

/// A request to freeze that is there before it sleeps is not missed.
#[test]
fn it_is_frozen_before_it_sleeps() {
    let (task, handle) = sleeper(Sleep::Killable, Task::freeze);

    task.until_frozen();
    task.thaw();
    handle.join().unwrap();
}

/// An interruptible sleep ends, for its task to freeze where it likes.
#[test]
fn it_does_not_sleep_if_it_is_to_freeze() {
    let (task, handle) = sleeper(Sleep::Interruptible, Task::freeze);

    handle.join().unwrap();
    assert!(!task.is_frozen());
}

/// What `before` says.
#[test]
fn it_does_not_sleep_if_there_is_no_need() {
    stack_pin_init!(let lock = new_mutex!(pin_init!(Inner { waiters <- WaiterList::new() })));
    let lock: &Mutex<Inner> = &lock;

    WaiterList::wait(lock.lock(), Inner::waiters, (), &(), |held, ticket| {
        assert!(!held.sleep(ticket, Sleep::Killable, || false));
    });
}
