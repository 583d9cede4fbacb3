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
use std::{
    env, os::unix::process::ExitStatusExt, panic::AssertUnwindSafe, process::Command, sync::Arc,
    thread,
};

/// Has a process of its own run `f`, as what the current test does, which is to end it with what is
/// `said`.
fn aborts(said: &str, f: impl FnOnce()) {
    const CHILD: &str = "ABORTS";
    let test = thread::current().name().expect("a test has one").to_owned();

    if env::var_os(CHILD).is_some() {
        let _ = std::panic::catch_unwind(AssertUnwindSafe(f));
        return;
    }
    let child = Command::new(env::current_exe().unwrap())
        .args([&test, "--exact"])
        .env(CHILD, "")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&child.stderr);

    assert_eq!(child.status.signal(), Some(6), "{stderr}");
    assert!(stderr.contains(said), "{stderr}");
    assert!(stderr.contains("a waiter must not be unwound"), "{stderr}");
}

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

struct Points<'a> {
    to: Pin<&'a mut WaiterList<()>>,
}

/// It could be taken away, and be used without the lock.
#[test]
fn a_list_elsewhere_is_refused() {
    aborts("a list must be part of what its lock protects", || {
        stack_pin_init!(let elsewhere = WaiterList::<()>::new());
        stack_pin_init!(let lock = new_mutex!(Points { to: elsewhere }));
        let lock: &Mutex<Points<'_>> = &lock;

        WaiterList::wait(
            lock.lock(),
            |points| points.get_mut().to.as_mut(),
            (),
            &(),
            |_, _| (),
        );
    });
}

#[test]
fn a_list_with_waiters_is_not_dropped() {
    aborts("a list is dropped that has waiters", || {
        stack_pin_init!(let lock = new_mutex!(pin_init!(Inner { waiters <- WaiterList::new() })));
        let lock: &Mutex<Inner> = &lock;

        WaiterList::wait(lock.lock(), Inner::waiters, (), &(), |held, _| {
            // SAFETY: It is not safe: the list has a waiter. That is what is to be noticed.
            unsafe {
                let list = Pin::into_inner_unchecked(held.data().waiters());

                std::ptr::drop_in_place(std::ptr::from_mut(list));
            }
        });
    });
}

/// Whoever has stopped waiting may panic; one that waits may not, wherever it is with that.
#[test]
fn a_waiter_is_not_unwound() {
    stack_pin_init!(let lock = new_mutex!(pin_init!(Inner { waiters <- WaiterList::new() })));
    let lock: &Mutex<Inner> = &lock;
    let wait = |f: fn()| {
        WaiterList::wait(lock.lock(), Inner::waiters, (), &(), |held, _| {
            // Others may have the lock meanwhile, as this task has.
            held.unlocked(|| {
                drop(lock.lock());
                f();
            });
        });
    };

    wait(|| ());
    assert!(std::panic::catch_unwind(|| panic!("afterwards")).is_err());
    aborts("while it waits", || wait(|| panic!("while it waits")));
}

struct Of<T>(std::marker::PhantomData<T>);

trait NotSend {
    fn is_send() -> bool {
        false
    }
}

impl<T> NotSend for Of<T> {}

impl<T: Send> Of<T> {
    fn is_send() -> bool {
        true
    }
}

/// Threads get at each other's values, and at what they share.
#[test]
fn lists_are_for_what_threads_can_share() {
    use kernel::sync::waiter::WaiterTable;
    use std::{cell::Cell, rc::Rc};

    assert!(<Of<WaiterList<Cell<u8>, u8>>>::is_send());
    assert!(!<Of<WaiterList<Rc<u8>, u8>>>::is_send());
    assert!(!<Of<WaiterList<u8, Cell<u8>>>>::is_send());
    assert!(<Of<WaiterTable<Cell<u8>, u8>>>::is_send());
    assert!(!<Of<WaiterTable<Rc<u8>, u8>>>::is_send());
    assert!(!<Of<WaiterTable<u8, Cell<u8>>>>::is_send());
}

struct Value;

impl Drop for Value {
    fn drop(&mut self) {
        assert_eq!(kernel::sync::lock::held(), 0);
    }
}

#[pin_data]
struct Valued {
    #[pin]
    waiters: WaiterList<Value>,
}

/// It may be anything.
#[test]
fn a_value_is_dropped_without_the_lock() {
    stack_pin_init!(let lock = new_mutex!(pin_init!(Valued { waiters <- WaiterList::new() })));
    let lock: &Mutex<Valued> = &lock;

    WaiterList::wait(
        lock.lock(),
        |valued| valued.project().waiters,
        Value,
        &(),
        |_, _| (),
    );
}
