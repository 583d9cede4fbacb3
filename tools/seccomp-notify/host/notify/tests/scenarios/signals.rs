// SPDX-License-Identifier: GPL-2.0

//! Targets have signals, are frozen, and die.

use kernel::error::code::*;
use seccomp_notify::{
    model::explore,
    userspace::{AddFd, Answer, Wait},
    world::{World, FD_SIGNALED, FD_SYNC_WAKE_UP, SIGNALED},
};

/// Receives and answers, until there is no filter any more, only what tells of a signal.
fn serve_the_signalled(world: &World) {
    loop {
        match world.recv() {
            Ok(notif) if notif.flags == SIGNALED => drop(world.send(notif.id)),
            Ok(_) => (),
            Err(err) => return assert_eq!(err, ENOENT),
        }
    }
}

fn is_reply(answer: Answer) -> bool {
    matches!(answer, Answer::Reply(_))
}

/// Unless somebody has asked for something else, a signal interrupts.
#[test]
fn it_is_interrupted() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let reader = world.thread(World::serve);
        let (first, second) = (world.target(), world.target());

        first.signal();
        first.join();
        assert!(is_reply(second.join()));
        world.end_filter();
        reader.join();
        world.check();
    });
}

/// Nobody needs to receive it for that.
#[test]
fn it_is_interrupted_while_queued() {
    for wait in [Wait::Interruptible, Wait::KillableOnceReceived] {
        explore(move || {
            let world = World::new(wait);
            let (first, second) = (world.target(), world.target());

            first.signal();
            assert_eq!(first.join(), Answer::Interrupted);
            let notif = world.recv().unwrap();
            assert_eq!(notif.data.nr, second.nr);
            assert_eq!(world.try_recv(), Err(EAGAIN));
            world.send(notif.id).unwrap();
            second.join();
            world.check();
        });
    }
}

/// Nor to answer.
#[test]
fn it_is_interrupted_while_delivered() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;

        target.signal();
        assert_eq!(target.join(), Answer::Interrupted);
        assert_eq!(world.send(id), Err(ENOENT));
        world.check();
    });
}

/// Once it is received, it waits.
#[test]
fn it_waits_once_received() {
    explore(|| {
        let world = World::new(Wait::KillableOnceReceived);
        let target = world.target();
        let id = world.recv().unwrap().id;

        target.signal();
        target.task.until_asleep();
        world.send(id).unwrap();
        assert!(is_reply(target.join()));
        world.check();
    });
}

/// Who waits on although there was a signal is told when readers want to know of such, and not
/// before, nor twice.
#[test]
fn it_is_woken_when_readers_want_to_know() {
    explore(|| {
        let world = World::new(Wait::KillableOnceReceived);
        let fd = world.fd();
        let target = world.target();
        let id = world.recv().unwrap().id;

        target.signal();
        target.task.until_asleep();
        for flags in [0, FD_SYNC_WAKE_UP, 0] {
            fd.set_flags(flags).unwrap();
            assert!(target.task.sleeps_killable());
        }
        fd.set_flags(FD_SIGNALED).unwrap();
        assert_eq!(world.recv().unwrap().flags, SIGNALED);
        target.task.until_asleep();
        fd.set_flags(FD_SIGNALED).unwrap();
        assert!(target.task.sleeps_killable());
        world.send(id).unwrap();
        assert!(is_reply(target.join()));
        world.check();
    });
}

/// A reader that could not take it leaves it as interruptible as it was.
#[test]
fn it_is_interruptible_when_nobody_has_it_after_all() {
    explore(|| {
        let world = World::new(Wait::KillableOnceReceived);
        let target = world.target();

        target.task.until_asleep();
        let reader = world.thread(World::recv_in_vain);
        target.signal();
        assert_eq!(target.join(), Answer::Interrupted);
        world.end_filter();
        assert!(matches!(reader.join(), Err(EFAULT | ENOENT)));
        world.check();
    });
}

#[test]
fn it_waits_from_the_start() {
    explore(|| {
        let world = World::new(Wait::Killable);
        let target = world.target();

        target.signal();
        let reader = world.thread(World::serve);
        assert!(is_reply(target.join()));
        world.end_filter();
        reader.join();
        world.check();
    });
}

#[test]
fn it_dies() {
    for wait in [
        Wait::Interruptible,
        Wait::KillableOnceReceived,
        Wait::Killable,
    ] {
        explore(move || {
            let world = World::new(wait);
            let reader = world.thread(World::serve);
            let target = world.target();

            target.signal();
            target.kill();
            target.join();
            world.end_filter();
            reader.join();
            world.check();
        });
    }
}

/// Whatever it waits for.
#[test]
fn it_dies_unanswered() {
    for (wait, flags) in [
        (Wait::Interruptible, 0),
        (Wait::Interruptible, FD_SIGNALED),
        (Wait::KillableOnceReceived, 0),
        (Wait::Killable, FD_SIGNALED),
    ] {
        explore(move || {
            let world = World::new(wait);

            world.fd().set_flags(flags).unwrap();
            let target = world.target();
            let id = world.recv().unwrap().id;
            if flags == FD_SIGNALED {
                target.signal();
                target.task.until_asleep();
            }
            target.kill();
            assert_eq!(target.join(), Answer::Killed);
            assert_eq!(world.send(id), Err(ENOENT));
            assert_eq!(world.fd().id_valid(id), Err(ENOENT));
            assert_eq!(world.try_recv(), Err(EAGAIN));
            world.check();
        });
    }
}

/// A supervisor that asks for it is told of a signal, once, and the target waits.
#[test]
fn the_supervisor_is_told() {
    for wait in [
        Wait::Interruptible,
        Wait::KillableOnceReceived,
        Wait::Killable,
    ] {
        explore(move || {
            let world = World::new(wait);

            world.fd().set_flags(FD_SIGNALED).unwrap();
            let readers: Vec<_> = (0..2).map(|_| world.thread(serve_the_signalled)).collect();
            let targets = [world.target(), world.target()];

            for target in &targets {
                target.signal();
            }
            for target in targets {
                assert!(is_reply(target.join()));
            }
            world.end_filter();
            for reader in readers {
                reader.join();
            }
            world.check();
        });
    }
}

/// A copy that fails does not lose it.
#[test]
fn the_supervisor_is_told_whatever_fails() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        let failing: Vec<_> = (0..2).map(|_| world.thread(World::recv_in_vain)).collect();
        let reader = world.thread(serve_the_signalled);

        target.signal();
        assert!(is_reply(target.join()));
        world.end_filter();
        for thread in failing {
            assert!(matches!(thread.join(), Err(EFAULT | ENOENT)));
        }
        reader.join();
        world.check();
    });
}

/// Receives until it is told of a signal. Returns the id.
fn until_told(world: &World) -> u64 {
    loop {
        let notif = world.recv().unwrap();

        if notif.flags == SIGNALED {
            return notif.id;
        }
    }
}

/// An fd that cannot be installed, and was to be the answer, does not lose it either.
#[test]
fn the_supervisor_is_told_whatever_is_not_installed() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        kernel::blocking::lock(&target.task.fds).is_full = true;
        let id = world.recv().unwrap().id;
        let adder = world.thread(move |world| {
            let how = AddFd {
                is_reply: true,
                ..AddFd::default()
            };

            assert_eq!(world.add_fd(id, how), Err(EMFILE));
        });
        let reader = world.thread(until_told);

        target.signal();
        assert_eq!(reader.join(), id);
        adder.join();
        world.send(id).unwrap();
        assert!(is_reply(target.join()));
        world.check();
    });
}

/// Who takes over is told, too.
#[test]
fn the_supervisor_is_told_whoever_it_is() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        let old = world.thread(until_told);
        target.signal();
        let id = old.join();
        let new = world.thread(|world| {
            world.requeue_all();
            until_told(world)
        });

        world.requeue_all();
        assert_eq!(new.join(), id);
        // It may have been put back after that.
        if world.send(id).is_err() {
            assert_eq!(until_told(&world), id);
            world.send(id).unwrap();
        }
        assert!(is_reply(target.join()));
        world.check();
    });
}

/// Whoever has it may answer though there is a signal to be told of.
#[test]
fn it_is_answered_while_it_is_queued_again() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        let id = world.recv().unwrap().id;
        target.signal();
        let reader = world.thread(|world| world.recv());

        world.send(id).unwrap();
        assert!(is_reply(target.join()));
        world.end_filter();
        match reader.join() {
            Ok(notif) => assert_eq!((notif.id, notif.flags), (id, SIGNALED)),
            Err(err) => assert_eq!(err, ENOENT),
        }
        world.check();
    });
}

/// Whoever asks for signals later is told of those that were ignored.
#[test]
fn the_supervisor_is_told_of_ignored_signals() {
    for wait in [Wait::KillableOnceReceived, Wait::Killable] {
        explore(move || {
            let world = World::new(wait);
            let target = world.target();

            world.recv().unwrap();
            target.signal();
            world.fd().set_flags(FD_SIGNALED).unwrap();
            let notif = world.recv().unwrap();
            assert_eq!(notif.flags, SIGNALED);
            world.send(notif.id).unwrap();
            assert!(is_reply(target.join()));
            world.check();
        });
    }
}

/// Of all that ignore one, more than one hold of the lock is to deal with.
#[test]
fn the_supervisor_is_told_of_many_ignored_signals() {
    explore(|| {
        let world = World::new(Wait::Killable);
        let targets: Vec<_> = (0..20).map(|_| world.target()).collect();

        for target in &targets {
            target.signal();
        }
        for target in &targets {
            while !target.task.sleeps_killable() {
                kernel::blocking::thread::yield_now();
            }
        }
        for _ in 0..20 {
            world.recv().unwrap();
        }
        world.fd().set_flags(FD_SIGNALED).unwrap();
        for _ in 0..20 {
            let notif = world.recv().unwrap();

            assert_eq!(notif.flags, SIGNALED);
            world.send(notif.id).unwrap();
        }
        for target in targets {
            target.join();
        }
        world.check();
    });
}

/// Once told of, a signal does not interrupt, whatever the flags are then.
#[test]
fn what_is_told_of_waits() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        target.signal();
        let id = until_told(&world);
        world.fd().set_flags(0).unwrap();
        target.signal();
        target.task.until_asleep();
        world.send(id).unwrap();
        assert!(is_reply(target.join()));
        world.check();
    });
}

/// To be frozen is no signal, whatever it waits for.
#[test]
fn freezing_is_no_signal() {
    for (wait, flags) in [
        (Wait::Interruptible, 0),
        (Wait::Interruptible, FD_SIGNALED),
        (Wait::Killable, 0),
    ] {
        explore(move || {
            let world = World::new(wait);

            world.fd().set_flags(flags).unwrap();
            let reader = world.thread(|world| {
                let notif = world.recv().unwrap();

                assert_eq!(notif.flags, 0);
                notif.id
            });
            let target = world.target();

            target.task.freeze_for_sure();
            // Its id lives on.
            let id = reader.join();
            assert_eq!(world.fd().id_valid(id), Ok(()));
            target.task.thaw();
            world.send(id).unwrap();
            assert!(is_reply(target.join()));
            world.check();
        });
    }
}

/// It is frozen as it sleeps, or as it is about to, also when no signal can wake it.
#[test]
fn it_is_frozen_while_it_ignores_signals() {
    for flags in [0, FD_SIGNALED] {
        explore(move || {
            let world = World::new(Wait::Killable);

            world.fd().set_flags(flags).unwrap();
            let target = world.target();
            target.signal();
            target.task.freeze_for_sure();
            target.task.thaw();
            let reader = world.thread(World::serve);
            assert!(is_reply(target.join()));
            world.end_filter();
            reader.join();
            world.check();
        });
    }
}

/// A signal that comes while it is frozen is one when it is thawed, for those flags that are set
/// by then.
#[test]
fn flags_count_when_it_takes_notice() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();

        target.task.freeze_for_sure();
        target.signal();
        world.fd().set_flags(FD_SIGNALED).unwrap();
        target.task.thaw();
        let reader = world.thread(serve_the_signalled);
        assert!(is_reply(target.join()));
        world.end_filter();
        reader.join();
        world.check();
    });
}

/// Task work is no signal for a supervisor that is told of those. Otherwise the call is restarted.
#[test]
fn task_work_is_no_signal() {
    for flags in [0, FD_SIGNALED] {
        explore(move || {
            let world = World::new(Wait::Interruptible);

            world.fd().set_flags(flags).unwrap();
            let reader = world.thread(move |world| loop {
                match world.recv() {
                    Ok(notif) => {
                        assert_eq!(notif.flags, 0);
                        let sent = world.send(notif.id);
                        assert!(sent.is_ok() || flags == 0 && sent == Err(ENOENT));
                    }
                    Err(err) => return assert_eq!(err, ENOENT),
                }
            });
            let target = world.target();

            target.task.add_task_work();
            assert!(is_reply(target.join()));
            world.end_filter();
            reader.join();
            world.check();
        });
    }
}
