// SPDX-License-Identifier: GPL-2.0

//! Targets are notified of, received and answered.

use kernel::{bindings, error::code::*};
use seccomp_notify::{
    model::{explore, once},
    userspace::{Answer, Buffer, Reply, Wait},
    world::{World, FD_SIGNALED, FD_SYNC_WAKE_UP},
};
use std::sync::atomic::Ordering::SeqCst;

#[test]
fn each_target_has_one_answer() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let readers: Vec<_> = (0..2).map(|_| world.thread(World::serve)).collect();
        let targets: Vec<_> = (0..3).map(|_| world.target()).collect();

        for target in targets {
            target.join();
        }
        world.end_filter();
        let answered: usize = readers.into_iter().map(|reader| reader.join()).sum();

        assert_eq!(answered, 3);
        world.check();
    });
}

/// Each reader is woken once for a notification that is there: with as many of both, all are.
#[test]
fn each_reader_has_one_notification() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                world.thread(|world| {
                    let id = world.recv().unwrap().id;
                    world.send(id).unwrap();
                })
            })
            .collect();
        let targets: Vec<_> = (0..2).map(|_| world.target()).collect();

        for target in targets {
            target.join();
        }
        for reader in readers {
            reader.join();
        }
        world.check();
    });
}

#[test]
fn they_are_received_in_order() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let mut targets = Vec::new();

        for _ in 0..3 {
            targets.push(world.target());
            targets[targets.len() - 1].task.until_asleep();
        }
        for target in targets {
            let notif = world.recv().unwrap();

            assert_eq!(notif.data.nr, target.nr);
            assert_eq!(world.fd().id_valid(notif.id), Ok(()));
            let val = world.send(notif.id).unwrap();
            let reply = Reply {
                val,
                ..Reply::default()
            };
            assert_eq!(target.join(), Answer::Reply(reply));
            assert_eq!(world.fd().id_valid(notif.id), Err(ENOENT));
            assert_eq!(world.send(notif.id), Err(ENOENT));
        }
        world.check();
    });
}

/// Of two who answer, one does.
#[test]
fn it_is_answered_once() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let other = world.thread(move |world| world.send(id));
        let results = [world.send(id), other.join()];

        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for result in results {
            assert!(matches!(result, Ok(_) | Err(EINPROGRESS | ENOENT)));
        }
        target.join();
        world.check();
    });
}

#[test]
fn what_is_not_received_is_not_answered() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let first = world.target();
        let id = world.recv().unwrap().id;
        let second = world.target();

        second.task.until_asleep();
        // They have consecutive ids.
        let next = id.wrapping_add(1);
        assert_eq!(world.send(next), Err(EINPROGRESS));
        assert_eq!(world.fd().id_valid(next), Err(ENOENT));
        assert_eq!(world.send(next.wrapping_add(1)), Err(ENOENT));
        assert_eq!(world.recv().unwrap().id, next);
        for id in [id, next] {
            world.send(id).unwrap();
        }
        for target in [first, second] {
            target.join();
        }
        world.check();
    });
}

#[test]
fn answers_are_what_they_are() {
    for (reply, result) in [
        ((-13, 0, 0), Ok(())),
        ((-13, 7, 0), Ok(())),
        ((0, 0, bindings::SECCOMP_USER_NOTIF_FLAG_CONTINUE), Ok(())),
        (
            (0, 1, bindings::SECCOMP_USER_NOTIF_FLAG_CONTINUE),
            Err(EINVAL),
        ),
        (
            (-1, 0, bindings::SECCOMP_USER_NOTIF_FLAG_CONTINUE),
            Err(EINVAL),
        ),
        ((0, 0, 2), Err(EINVAL)),
        ((0, 0, 3), Err(EINVAL)),
    ] {
        explore(move || {
            let (error, val, flags) = reply;
            let reply = Reply { error, val, flags };
            let world = World::new(Wait::Interruptible);
            let target = world.target();
            let id = world.recv().unwrap().id;

            assert_eq!(world.fd().send(id, reply), result);
            if result.is_err() {
                world.send(id).unwrap();
            }
            let answer = target.join();
            assert_eq!(answer == Answer::Reply(reply), result.is_ok());
        });
    }
}

/// One call answers and receives.
#[test]
fn a_supervisor_can_do_with_one_call() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                world.thread(|world| {
                    let mut id = None;

                    while let Ok(notif) = world.send_recv(id) {
                        id = Some(notif.id);
                    }
                })
            })
            .collect();
        let targets: Vec<_> = (0..3).map(|_| world.target()).collect();

        for target in targets {
            target.join();
        }
        world.end_filter();
        for reader in readers {
            reader.join();
        }
        world.check();
    });
}

#[test]
fn one_call_answers_before_it_receives() {
    const SEND: u32 = bindings::SECCOMP_NOTIF_SEND_RECV_SEND;
    const GONE: u32 = bindings::SECCOMP_NOTIF_SEND_RECV_GONE;

    explore(|| {
        let world = World::new(Wait::Interruptible);
        let fd = world.fd().nonblocking();
        let reply = Reply {
            val: 5,
            ..Reply::default()
        };
        let target = world.target();
        target.task.until_asleep();

        // Not received yet: nothing happens.
        let id = u64::MAX - 1;
        let (result, after) = fd.send_recv(Some((id, reply)), Buffer::Writable);
        assert_eq!((result, after.flags), (Err(EINPROGRESS), SEND));
        let bad = Reply { flags: 8, ..reply };
        let (result, after) = fd.send_recv(Some((id, bad)), Buffer::Writable);
        assert_eq!((result, after.flags), (Err(EINVAL), SEND));

        let (result, after) = fd.send_recv(None, Buffer::Writable);
        assert_eq!((result, after.flags), (Ok(()), 0));
        assert_eq!(after.notif.id, id);
        // Read-only memory: nothing happens either.
        let (result, after) = fd.send_recv(Some((id, reply)), Buffer::ReadOnly);
        assert_eq!((result, after.flags), (Err(EFAULT), SEND));
        assert_eq!(fd.id_valid(id), Ok(()));

        let (result, after) = fd.send_recv(Some((id, reply)), Buffer::Writable);
        assert_eq!((result, after.flags), (Err(EAGAIN), 0));
        assert_eq!(target.join(), Answer::Reply(reply));
        // Nobody is answered twice: it goes on to receive.
        let (result, after) = fd.send_recv(Some((id, reply)), Buffer::Writable);
        assert_eq!((result, after.flags), (Err(EAGAIN), GONE));
    });
}

/// A target is answered by who then finds nothing to receive, and sleeps.
#[test]
fn one_call_answers_before_it_sleeps() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let reader = world.thread(move |world| world.send_recv(Some(id)));

        target.join();
        world.end_filter();
        assert_eq!(reader.join(), Err(ENOENT));
        world.check();
    });
}

/// Whoever answers and receives is interrupted between the two: the answer counts.
#[test]
fn one_call_answers_even_if_it_is_interrupted() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let reader = world.thread(move |world| world.send_recv(Some(id)));

        reader.task.signal();
        assert_eq!(reader.join(), Err(EINTR));
        target.join();
        world.check();
    });
}

#[test]
fn flags_are_as_they_were_set() {
    once(|| {
        let world = World::new(Wait::Interruptible);
        let fd = world.fd();

        for flags in [
            0,
            FD_SIGNALED,
            FD_SYNC_WAKE_UP,
            FD_SYNC_WAKE_UP | FD_SIGNALED,
            0,
        ] {
            assert_eq!(fd.set_flags(flags), Ok(()));
            assert_eq!(fd.fdinfo().flags, flags);
            assert_eq!(fd.set_flags(4), Err(EINVAL));
            assert_eq!(fd.fdinfo().flags, flags);
        }
    });
}

/// With `SYNC_WAKE_UP`, whoever is woken runs where the waker does, which is about to sleep.
#[test]
fn wake_ups_are_on_the_current_cpu_if_wanted() {
    for is_wanted in [false, true] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let flags = if is_wanted { FD_SYNC_WAKE_UP } else { 0 };
            let expected = usize::from(is_wanted);

            world.fd().set_flags(flags).unwrap();
            let reader = world.thread(|world| world.recv().unwrap().id);
            reader.task.until_asleep();
            let target = world.target();
            target.task.until_asleep();
            let task = reader.task.clone();
            let id = reader.join();
            assert_eq!(task.wakeups_on_current_cpu.load(SeqCst), expected);

            let task = target.task.clone();
            world.send(id).unwrap();
            target.join();
            assert_eq!(task.wakeups_on_current_cpu.load(SeqCst), expected);
            world.check();
        });
    }
}

/// An answer by whoever has the next to see to at once is no reason to run there.
#[test]
fn one_call_stays_on_its_cpu_if_it_does_not_sleep() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SYNC_WAKE_UP).unwrap();
        let (first, second) = (world.target(), world.target());
        for target in [&first, &second] {
            target.task.until_asleep();
        }
        let id = world.recv().unwrap().id;
        let next = world.send_recv(Some(id)).unwrap().id;
        let sleeper = world.thread(move |world| world.send_recv(Some(next)));
        let tasks = [first.task.clone(), second.task.clone()];

        first.join();
        second.join();
        let wakeups = |task: &kernel::task::Task| task.wakeups_on_current_cpu.load(SeqCst);
        assert_eq!(wakeups(&tasks[0]) + wakeups(&tasks[1]), 1);
        world.end_filter();
        assert_eq!(sleeper.join(), Err(ENOENT));
        world.check();
    });
}
