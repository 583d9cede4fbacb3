// SPDX-License-Identifier: GPL-2.0

//! Targets' memory is read and written, and they are told from others by pidfds.
//!
//! That a target is held meanwhile, the copy looks at itself.

use kernel::{
    bindings, blocking,
    error::code::*,
    fs::{file::What, pidfd::PidfdOf},
    uaccess::START,
};
use seccomp_notify::{
    model::{explore, once},
    userspace::{Answer, Wait},
    world::{World, FD_SIGNALED, FD_SYNC_WAKE_UP, MEMORY, SIGNALED},
};
use std::sync::atomic::Ordering::SeqCst;

/// Whatever ends the notification meanwhile, the target goes when the copy has ended.
#[test]
fn it_is_held_whatever_is_answered() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let task = target.task.clone();
        let id = world.recv().unwrap().id;
        let copiers: Vec<_> = (0..2)
            .map(|_| {
                world.thread(
                    move |world| match world.fd().write_memory(id, START, b"ours") {
                        Ok(len) => {
                            assert_eq!(len, 4);
                            true
                        }
                        Err(err) => {
                            assert_eq!(err, ENOENT);
                            false
                        }
                    },
                )
            })
            .collect();

        world.send(id).unwrap();
        target.join();
        // All of it is there by now, or will not be.
        let memory = task.memory();
        let written = copiers.into_iter().any(|copier| copier.join());
        assert_eq!(memory, if written { *b"ours" } else { MEMORY });
        world.check();
    });
}

#[test]
fn it_is_held_whatever_signal_comes() {
    for wait in [Wait::Interruptible, Wait::Killable] {
        explore(move || {
            let world = World::new(wait);
            let target = world.target();
            let id = world.recv().unwrap().id;
            let copier = world.thread(move |world| world.read_memory(id));

            target.signal();
            match copier.join() {
                Ok(memory) => assert_eq!(memory, MEMORY),
                Err(err) => assert_eq!(err, ENOENT),
            }
            match wait {
                Wait::Killable => assert!(world.send(id).is_ok()),
                _ => assert_eq!(target.join(), Answer::Interrupted),
            }
            world.end_filter();
        });
    }
}

/// A signal during the copy, of which the supervisor is told.
#[test]
fn it_is_held_while_a_signal_is_told_of() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        let id = world.recv().unwrap().id;
        let copier = world.thread(move |world| world.read_memory(id));
        target.signal();
        let notif = world.recv().unwrap();
        assert_eq!((notif.id, notif.flags), (id, SIGNALED));
        world.send(id).unwrap();
        target.join();
        assert!(matches!(copier.join(), Ok(_) | Err(ENOENT)));
        world.check();
    });
}

/// What it is held for does not keep it from dying.
#[test]
fn it_dies_all_the_same() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let copier = world.thread(move |world| world.read_memory(id));

        target.kill();
        assert_eq!(target.join(), Answer::Killed);
        assert!(matches!(copier.join(), Ok(_) | Err(ENOENT)));
        world.check();
    });
}

/// It is received again when the copy has ended.
#[test]
fn it_is_held_while_it_is_put_back() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let copier = world.thread(move |world| world.read_memory(id));
        let reader = world.thread(World::serve);

        world.requeue(id).unwrap();
        target.join();
        assert!(matches!(copier.join(), Ok(_) | Err(ENOENT)));
        world.end_filter();
        assert_eq!(reader.join(), 1);
        world.check();
    });
}

/// It is held while all else is over.
#[test]
fn it_is_held_while_the_listener_is_closed() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let copier = world.thread(move |world| {
            let _ = world.requeue(id);
            drop(world.read_memory(id));
        });

        world.close();
        target.join();
        copier.join();
        world.check();
    });
}

#[test]
fn errors_are_told() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let fd = world.fd();
        let target = world.target();

        target.task.until_asleep();
        // Not received yet.
        let id = u64::MAX - 1;
        assert_eq!(fd.read_memory(id, START, 4), Err(ENOENT));
        assert_eq!(fd.pidfd(id, 0), Err(ENOENT));
        assert_eq!(fd.requeue(id), Err(ENOENT));
        assert_eq!(world.recv().unwrap().id, id);
        // As much as there is; nothing of what is not.
        assert_eq!(fd.read_memory(id, START + 2, 4), Ok(MEMORY[2..].to_vec()));
        assert_eq!(fd.read_memory(id, START + 4, 4), Err(EFAULT));
        assert_eq!(fd.read_memory(id, START, 0), Ok(vec![]));
        assert_eq!(fd.write_memory(id, START, b"ou"), Ok(2));
        assert_eq!(target.task.memory(), b"oune");
        target.task.protect_memory();
        assert_eq!(fd.write_memory(id, START, b"ou"), Err(EFAULT));
        world.send(id).unwrap();
        target.join();
        assert_eq!(fd.read_memory(id, START, 4), Err(ENOENT));
        world.check();
    });
}

#[test]
fn a_pidfd_is_of_the_target() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let pid = target.task.pid();
        let id = world.recv().unwrap().id;
        let fds = || {
            blocking::lock(&kernel::task::current().fds)
                .installed
                .clone()
        };
        let fd = world.fd();

        let number = fd.pidfd(id, 0).unwrap();
        assert_eq!(fds()[0].number, number);
        assert_eq!(fds()[0].what, What::Pidfd(pid, PidfdOf::Thread));
        fd.pidfd(id, bindings::SECCOMP_NOTIF_PIDFD_PROCESS).unwrap();
        assert_eq!(fds()[1].what, What::Pidfd(pid, PidfdOf::Process));
        assert_eq!(fd.pidfd(id, 2), Err(EINVAL));
        world.send(id).unwrap();
        target.join();
        assert_eq!(fd.pidfd(id, 0), Err(ENOENT));
        assert_eq!(fds().len(), 2);
        world.check();
    });
}

/// There is none of a target that has gone while it was made.
#[test]
fn a_pidfd_is_of_nobody_else() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let other = world.thread(move |world| world.fd().pidfd(id, 0));

        world.send(id).unwrap();
        target.join();
        assert!(matches!(other.join(), Ok(_) | Err(ENOENT)));
        world.check();
    });
}

/// Ids and flags that make no sense.
#[test]
fn no_notification_has_them() {
    once(|| {
        let world = World::new(Wait::Interruptible);
        let fd = world.fd();

        assert_eq!(fd.read_memory(1, START, 4), Err(ENOENT));
        assert_eq!(fd.pidfd(1, 0), Err(ENOENT));
        assert_eq!(fd.requeue(1), Err(ENOENT));
        assert_eq!(fd.id_valid(1), Err(ENOENT));
        assert_eq!(world.send(1), Err(ENOENT));
        assert_eq!(fd.requeue_all(), Ok(0));
        world.check();
    });
}

/// The signal that has ended the notification has gone when the copy has ended: the call is
/// restarted.
#[test]
fn it_is_restarted_if_the_signal_has_gone() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let task = target.task.clone();
        let id = world.recv().unwrap().id;

        task.until_asleep();
        let memory = blocking::lock(&task.memory);
        let copier = world.thread(move |world| world.read_memory(id));
        target.signal();
        task.until_asleep();
        // So it sleeps if it is held.
        if task.sleeps_killable() {
            task.lose_signal();
            task.wake_up();
            task.until_asleep();
        }
        drop(memory);
        let reader = world.thread(World::serve);
        target.join();
        assert_eq!(copier.join(), Err(ENOENT));
        world.end_filter();
        reader.join();
        world.check();
    });
}

/// Who copies does not go to sleep then: the target may run elsewhere.
#[test]
fn the_end_of_a_copy_wakes_where_it_likes() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SYNC_WAKE_UP).unwrap();
        let target = world.target();
        let task = target.task.clone();
        let id = world.recv().unwrap().id;

        task.until_asleep();
        let memory = blocking::lock(&task.memory);
        let copier = world.thread(move |world| world.read_memory(id));
        world.send(id).unwrap();
        let lines = world.fd().fdinfo().notifs;
        let is_held = lines.iter().any(|line| line.contains("state:held"));
        drop(memory);
        target.join();
        assert!(matches!(copier.join(), Ok(_) | Err(ENOENT)));
        assert_eq!(
            task.wakeups_on_current_cpu.load(SeqCst),
            usize::from(!is_held)
        );
        world.check();
    });
}
