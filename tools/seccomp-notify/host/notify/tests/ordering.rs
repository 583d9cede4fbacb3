// SPDX-License-Identifier: GPL-2.0

//! What is shared without the lock, in memory that is as weakly ordered as the source allows: in
//! all schedules of loom, and with all values that each load may have.

use kernel::{
    blocking::{thread, AtomicBool, Ordering},
    fs::{file::What, File},
    machine::Machine,
    seccomp::Data,
    sync::poll::{PollCondVar, PollEvents, PollTable, Poller},
    task::{set_current, Task},
};
use seccomp_notify::{
    userspace::{Fd, Filter, Wait},
    world::CLOSED,
};
use std::sync::{
    atomic::{AtomicUsize, Ordering::SeqCst},
    Arc,
};

const DATA: Data = Data {
    nr: 1,
    arch: 7,
    instruction_pointer: 8,
    args: [0; 6],
};

/// Runs a model in all the ways that there are. Prints how many.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();

    builder.max_branches = 10_000;
    builder.check(move || {
        counted.fetch_add(1, SeqCst);
        model();
    });
    println!("{} executions", count.load(SeqCst));
}

/// A listener with a filter, and a target that enters its call.
fn target() -> (Fd, thread::JoinHandle<()>) {
    let machine = Machine::new();
    let fd = Fd::default();
    let filter = Filter::new(&fd, Wait::Interruptible);

    set_current(Task::new(&machine));
    let thread = Task::new(&machine).spawn(move || assert_eq!(filter.notify(&DATA), CLOSED));
    (fd, thread)
}

/// `Listener::is_open`, under the lock: who does not see it closed is found by who closes it.
#[test]
fn a_call_sees_it_closed_or_is_found() {
    check(|| {
        let (fd, target) = target();

        drop(fd);
        target.join().unwrap();
    });
}

/// Without the lock: whoever has heard that it is closed sees it closed.
#[test]
fn who_has_heard_of_it_sees_it_closed() {
    check(|| {
        let heard = Arc::new(AtomicBool::new(false));
        let fd = Fd::default();
        let filter = Filter::new(&fd, Wait::Interruptible);
        let closer = thread::spawn({
            let heard = heard.clone();

            move || {
                drop(fd);
                heard.store(true, Ordering::Release);
            }
        });

        if heard.load(Ordering::Acquire) {
            assert!(!filter.is_open());
        }
        closer.join().unwrap();
        assert!(!filter.is_open());
    });
}

/// `PollCondVar::has_waiters()`: who polls sees the notification or is told of it.
#[test]
fn who_polls_sees_it_or_is_told() {
    check(|| {
        let (fd, target) = target();
        let poller = Poller::new(PollEvents::IN, false);

        if !fd.poll(Some(&poller)).contains(PollEvents::IN) {
            assert!(poller.wait() == PollEvents::IN);
        }
        drop(fd);
        target.join().unwrap();
    });
}

/// It is the lock that sees to this: with what has happened in an atomic variable instead, who
/// polls misses it.
#[test]
#[should_panic(expected = "it is missed")]
fn without_the_lock_it_is_missed() {
    check(|| {
        let pollers = Arc::new(PollCondVar::default());
        let has_happened = Arc::new(AtomicBool::new(false));
        let poller = Poller::new(PollEvents::IN, false);
        let notifier = thread::spawn({
            let (pollers, has_happened) = (pollers.clone(), has_happened.clone());

            move || {
                has_happened.store(true, Ordering::Relaxed);
                if pollers.has_waiters() {
                    pollers.notify_poll(PollEvents::IN);
                }
            }
        });

        PollTable::new(Some(&poller)).register_wait(&File::new(What::Other(1)), &pollers);
        let is_seen = has_happened.load(Ordering::Relaxed);
        notifier.join().unwrap();
        assert!(is_seen || !poller.wakeups().is_empty(), "it is missed");
    });
}
