// SPDX-License-Identifier: GPL-2.0

//! Notifications are put back in the queue.

use kernel::{blocking, error::code::*};
use seccomp_notify::{
    model::explore,
    userspace::{AddFd, Wait},
    world::{World, FD_SIGNALED, SIGNALED},
};

/// What somebody has received who does not answer, another does.
#[test]
fn another_takes_over() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let targets = [world.target(), world.target()];

        for _ in 0..2 {
            world.recv().unwrap();
        }
        let other = world.thread(World::serve);
        assert_eq!(world.requeue_all(), 2);
        for target in targets {
            target.join();
        }
        world.end_filter();
        assert_eq!(other.join(), 2);
        world.check();
    });
}

/// It comes before those that were never received, in the order of ids.
#[test]
fn it_is_received_before_the_others() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let mut targets = Vec::new();
        let mut ids = Vec::new();

        for _ in 0..4 {
            targets.push(world.target());
            targets[targets.len() - 1].task.until_asleep();
        }
        for _ in 0..3 {
            ids.push(world.recv().unwrap().id);
        }
        for at in [2, 0, 1] {
            world.requeue(ids[at]).unwrap();
            assert_eq!(world.send(ids[at]), Err(EINPROGRESS));
            assert_eq!(world.requeue(ids[at]), Err(ENOENT));
        }
        for target in targets {
            let notif = world.recv().unwrap();

            assert_eq!(notif.data.nr, target.nr);
            world.send(notif.id).unwrap();
            target.join();
        }
        world.check();
    });
}

/// All at once, of which there are more than one hold of the lock is to deal with.
#[test]
fn all_are_put_back() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let targets: Vec<_> = (0..20).map(|_| world.target()).collect();

        for target in &targets {
            target.task.until_asleep();
        }
        for _ in 0..19 {
            world.recv().unwrap();
        }
        assert_eq!(world.requeue_all(), 19);
        assert_eq!(world.fd().fdinfo().queued, 20);
        assert_eq!(world.requeue_all(), 0);
        for _ in 0..20 {
            let id = world.try_recv().unwrap().id;
            world.send(id).unwrap();
        }
        for target in targets {
            target.join();
        }
        world.check();
    });
}

/// A supervisor that goes on and one that takes over: who is late learns of it.
#[test]
fn only_who_has_it_answers() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let old = world.thread(move |world| world.send(id));
        let new = world.thread(|world| {
            world.requeue_all();
            world.serve()
        });

        let sent = old.join();
        target.join();
        world.end_filter();
        assert_eq!(new.join(), usize::from(sent.is_err()));
        world.check();
    });
}

/// What was told of a signal is told again, and nothing else is.
#[test]
fn a_signal_is_told_again() {
    for (is_signalled, flags) in [(false, 0), (true, SIGNALED)] {
        explore(move || {
            let world = World::new(Wait::Interruptible);

            world.fd().set_flags(FD_SIGNALED).unwrap();
            let target = world.target();
            let id = world.recv().unwrap().id;
            if is_signalled {
                target.signal();
                assert_eq!(world.recv().unwrap().flags, SIGNALED);
            }
            world.requeue(id).unwrap();
            assert_eq!(world.recv().unwrap().flags, flags);
            assert_eq!(world.try_recv(), Err(EAGAIN));
            world.send(id).unwrap();
            target.join();
            world.check();
        });
    }
}

/// While an fd is pending, it stays where it is.
#[test]
fn not_while_an_fd_is_pending() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;

        target.task.until_asleep();
        target.task.freeze_for_sure();
        let adder = world.thread(move |world| world.add_fd(id, AddFd::default()));
        adder.task.until_asleep();
        assert_eq!(world.requeue(id), Err(EBUSY));
        assert_eq!(world.requeue_all(), 0);
        target.task.thaw();
        adder.join().unwrap();
        world.requeue(id).unwrap();
        world.recv().unwrap();
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// Nor while it is being installed.
#[test]
fn not_while_an_fd_is_installed() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let task = target.task.clone();
        let fds = blocking::lock(&task.fds);
        let adder = world.thread(move |world| world.add_fd(id, AddFd::default()));

        adder.task.until_asleep();
        assert_eq!(world.requeue(id), Err(EBUSY));
        // The target may have taken it by now, and waits for what is locked here.
        blocking::thread::yield_now();
        assert_eq!(world.requeue(id), Err(EBUSY));
        assert_eq!(world.requeue_all(), 0);
        drop(fds);
        adder.join().unwrap();
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// What began with the first supervisor stays protected with the next.
#[test]
fn it_stays_killable() {
    explore(|| {
        let world = World::new(Wait::KillableOnceReceived);
        let target = world.target();
        let id = world.recv().unwrap().id;

        target.task.until_asleep();
        world.requeue(id).unwrap();
        target.signal();
        assert_eq!(world.recv().unwrap().id, id);
        world.send(id).unwrap();
        assert!(matches!(
            target.join(),
            seccomp_notify::userspace::Answer::Reply(_)
        ));
        world.check();
    });
}

/// What is received before the end of an install is not taken away then.
#[test]
fn what_was_received_meanwhile_stays() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        let id = world.recv().unwrap().id;
        target.signal();
        // It is marked, and in the queue again.
        target.task.until_asleep();

        let task = target.task.clone();
        let fds = blocking::lock(&task.fds);
        world.add_fd_and_die(id, AddFd::default());
        world.requeue_all();
        let again = world.recv().unwrap();
        assert_eq!((again.id, again.flags), (id, SIGNALED));
        drop(fds);
        task.until_asleep();
        assert_eq!(world.try_recv(), Err(EAGAIN));
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// What another has asked for since protects it.
#[test]
fn not_while_another_fd_is_pending_after_that() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let task = target.task.clone();
        let fds = blocking::lock(&task.fds);
        world.add_fd_and_die(id, AddFd::default());
        let alive = world.thread(move |world| world.add_fd(id, AddFd::default()));
        alive.task.until_asleep();
        assert_eq!(world.requeue_all(), 0);
        drop(fds);
        alive.join().unwrap();
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// Nor as long as it may become the answer.
#[test]
fn not_while_an_fd_is_to_be_the_answer() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;

        target.task.until_asleep();
        target.task.freeze_for_sure();
        let adder = world.thread(move |world| {
            let how = AddFd {
                is_reply: true,
                ..AddFd::default()
            };
            world.add_fd(id, how)
        });
        adder.task.until_asleep();
        assert_eq!(world.requeue(id), Err(EBUSY));
        assert_eq!(world.requeue_all(), 0);
        target.task.thaw();
        adder.join().unwrap();
        target.join();
        world.check();
    });
}
