// SPDX-License-Identifier: GPL-2.0

//! Readers that cannot take what they were woken for: another takes it.

use kernel::{
    blocking,
    error::code::*,
    sync::poll::{PollEvents, Poller},
};
use seccomp_notify::{
    model::explore,
    userspace::{AddFd, Wait, KILLED},
    world::{Thread, World, FD_SIGNALED, FD_SYNC_WAKE_UP},
};

/// Two readers sleep: the last of them, which is woken first, receives once.
fn two_readers(world: &World) -> (Thread<usize>, Thread<kernel::error::Result<u64>>) {
    let other = world.thread(|world| world.serve());

    other.task.until_asleep();
    let first = world.thread(|world| world.recv().map(|notif| notif.id));

    first.task.until_asleep();
    (other, first)
}

fn end(world: &World, other: Thread<usize>) {
    world.end_filter();
    other.join();
    world.check();
}

#[test]
fn one_that_is_killed_leaves_it_to_another() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (other, first) = two_readers(&world);
        let target = world.target();

        first.task.kill();
        match first.join() {
            Ok(id) => assert!(world.send(id).is_ok()),
            Err(err) => assert_eq!(err, KILLED),
        }
        target.join();
        end(&world, other);
    });
}

#[test]
fn one_that_is_interrupted_leaves_it_to_another() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (other, first) = two_readers(&world);
        let target = world.target();

        first.task.signal();
        match first.join() {
            Ok(id) => assert!(world.send(id).is_ok()),
            Err(err) => assert_eq!(err, EINTR),
        }
        target.join();
        end(&world, other);
    });
}

/// A signal that was there before the notification: what comes then is for another.
#[test]
fn one_with_a_signal_takes_nothing_that_comes() {
    for is_fatal in [false, true] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let (other, first) = two_readers(&world);

            if is_fatal {
                first.task.kill();
            } else {
                first.task.signal();
            }
            let target = world.target();
            target.join();
            let expected = if is_fatal { KILLED } else { EINTR };
            assert_eq!(first.join(), Err(expected));
            end(&world, other);
        });
    }
}

/// All but one are interrupted, one after another.
#[test]
fn several_that_are_killed_leave_it_to_the_last() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (other, first) = two_readers(&world);
        let second = world.thread(|world| world.recv().map(|notif| notif.id));

        second.task.until_asleep();
        let target = world.target();
        first.task.kill();
        second.task.kill();
        for reader in [first, second] {
            if let Ok(id) = reader.join() {
                assert!(world.send(id).is_ok());
            }
        }
        target.join();
        end(&world, other);
    });
}

/// A reader that is frozen is woken when it is thawed: until then, it counts for nothing.
#[test]
fn one_that_is_frozen_leaves_it_to_another() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (other, first) = two_readers(&world);
        let target = world.target();

        first.task.freeze_for_sure();
        // It may have it already, and is frozen on its way back.
        world.requeue_all();
        target.join();
        first.task.thaw();
        world.end_filter();
        match first.join() {
            Ok(id) => assert!(world.send(id).is_err()),
            Err(err) => assert_eq!(err, ENOENT),
        }
        end(&world, other);
    });
}

/// The same, before the target comes: no reader's way back is frozen.
#[test]
fn those_that_are_frozen_are_passed_over() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (other, first) = two_readers(&world);
        let second = world.thread(|world| world.recv().map(|notif| notif.id));

        second.task.until_asleep();
        for reader in [&first, &second] {
            reader.task.freeze_for_sure();
        }
        let targets = [world.target(), world.target()];

        for target in targets {
            target.join();
        }
        for reader in [&first, &second] {
            reader.task.thaw();
        }
        world.end_filter();
        assert_eq!(first.join(), Err(ENOENT));
        assert_eq!(second.join(), Err(ENOENT));
        end(&world, other);
    });
}

/// With no other reader, whoever is interrupted takes it unless it dies.
#[test]
fn an_interrupted_one_takes_what_nobody_else_can() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let reader = world.thread(|world| world.recv().map(|notif| notif.id));
        let target = world.target();

        reader.task.signal();
        let id = match reader.join() {
            Ok(id) => id,
            Err(err) => {
                assert_eq!(err, EINTR);
                world.recv().unwrap().id
            }
        };
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// A thawed reader finds what came while it was frozen.
#[test]
fn a_thawed_one_takes_what_came_meanwhile() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let reader = world.thread(|world| world.serve());

        reader.task.until_asleep();
        reader.task.freeze_for_sure();
        let target = world.target();
        target.task.until_asleep();
        reader.task.thaw();
        target.join();
        end(&world, reader);
    });
}

#[test]
fn what_could_not_be_written_is_received_by_another() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let other = world.thread(|world| world.serve());

        let failing = world.thread(|world| {
            assert!(matches!(world.recv_in_vain(), Err(EFAULT | ENOENT)));
        });
        let targets = [world.target(), world.target()];

        for target in targets {
            target.join();
        }
        world.end_filter();
        failing.join();
        end(&world, other);
    });
}

/// What could not be written comes first again, in the order in which all came.
#[test]
fn what_could_not_be_written_keeps_its_place() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let mut targets = Vec::new();

        for _ in 0..3 {
            targets.push(world.target());
            targets[targets.len() - 1].task.until_asleep();
        }
        let failing: Vec<_> = (0..2)
            .map(|_| world.thread(|world| assert_eq!(world.recv_in_vain(), Err(EFAULT))))
            .collect();
        for thread in failing {
            thread.join();
        }
        for target in targets {
            let notif = world.try_recv().unwrap();

            assert_eq!(notif.data.nr, target.nr);
            world.send(notif.id).unwrap();
            target.join();
        }
        world.check();
    });
}

/// One that dies takes nothing that it finds.
#[test]
fn a_dying_one_takes_nothing() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();

        target.task.until_asleep();
        let reader = world.thread(|world| {
            kernel::task::current().kill();
            world.recv()
        });
        assert_eq!(reader.join(), Err(KILLED));
        let id = world.recv().unwrap().id;
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

#[test]
fn there_is_nothing_to_wait_for_with_o_nonblock() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        assert_eq!(world.try_recv(), Err(EAGAIN));
        let target = world.target();
        target.task.until_asleep();
        let id = world.try_recv().unwrap().id;
        assert_eq!(world.try_recv(), Err(EAGAIN));
        world.send(id).unwrap();
        target.join();
        world.end_filter();
        assert_eq!(world.try_recv(), Err(ENOENT));
        world.check();
    });
}

/// The last that went to sleep, whose caches are warm, is the first to be woken.
#[test]
fn the_latest_is_woken_first() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (other, first) = two_readers(&world);
        let target = world.target();
        let id = first.join().unwrap();

        world.send(id).unwrap();
        target.join();
        end(&world, other);
    });
}

/// Whoever leaves it to another leaves it to one that is not frozen.
#[test]
fn one_that_is_interrupted_passes_over_the_frozen() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (other, frozen) = two_readers(&world);
        let first = world.thread(|world| world.recv().map(|notif| notif.id));

        first.task.until_asleep();
        frozen.task.freeze_for_sure();
        let target = world.target();
        first.task.signal();
        match first.join() {
            Ok(id) => assert!(world.send(id).is_ok()),
            Err(err) => assert_eq!(err, EINTR),
        }
        target.join();
        frozen.task.thaw();
        world.end_filter();
        assert_eq!(frozen.join(), Err(ENOENT));
        end(&world, other);
    });
}

/// A reader that was woken for it while it was frozen takes it, if there is no other: it was woken,
/// and then there was the signal.
#[test]
fn an_interrupted_one_takes_what_it_was_woken_for() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let reader = world.thread(|world| world.recv().map(|notif| notif.id));

        reader.task.until_asleep();
        reader.task.freeze_for_sure();
        let target = world.target();
        target.task.until_asleep();
        reader.task.signal();
        reader.task.thaw();
        let id = reader.join().unwrap();
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// What tells of a signal, too: the target passes it on as it goes on waiting.
#[test]
fn what_tells_of_a_signal_passes_over_the_frozen() {
    explore(|| {
        let world = World::new(Wait::KillableOnceReceived);
        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        world.recv().unwrap();
        let (other, frozen) = two_readers(&world);

        frozen.task.freeze_for_sure();
        target.signal();
        target.join();
        frozen.task.thaw();
        world.end_filter();
        assert_eq!(frozen.join(), Err(ENOENT));
        end(&world, other);
    });
}

/// Over several, with an fd to install meanwhile.
#[test]
fn what_tells_of_a_signal_passes_over_two_that_are_frozen() {
    explore(|| {
        let world = World::new(Wait::KillableOnceReceived);
        world.fd().set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        let id = world.recv().unwrap().id;
        let (other, first) = two_readers(&world);
        let second = world.thread(|world| world.recv().map(|notif| notif.id));

        second.task.until_asleep();
        for reader in [&first, &second] {
            reader.task.freeze_for_sure();
        }
        let adder = world.thread(move |world| world.add_fd(id, AddFd::default()));
        target.signal();
        target.join();
        // It may be answered before.
        assert!(matches!(adder.join(), Ok(3) | Err(EINPROGRESS | ENOENT)));
        for reader in [&first, &second] {
            reader.task.thaw();
        }
        world.end_filter();
        for reader in [first, second] {
            assert_eq!(reader.join(), Err(ENOENT));
        }
        end(&world, other);
    });
}

/// What is put back is for another than a frozen one, too.
#[test]
fn what_is_put_back_passes_over_the_frozen() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let (other, frozen) = two_readers(&world);

        frozen.task.freeze_for_sure();
        world.requeue(id).unwrap();
        target.join();
        frozen.task.thaw();
        world.end_filter();
        assert_eq!(frozen.join(), Err(ENOENT));
        end(&world, other);
    });
}

/// Whoever dies leaves it to one that is not frozen, too.
#[test]
fn one_that_is_killed_passes_over_the_frozen() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (other, frozen) = two_readers(&world);
        let first = world.thread(|world| world.recv().map(|notif| notif.id));

        first.task.until_asleep();
        frozen.task.freeze_for_sure();
        let target = world.target();
        first.task.kill();
        match first.join() {
            Ok(id) => assert!(world.send(id).is_ok()),
            Err(err) => assert_eq!(err, KILLED),
        }
        target.join();
        frozen.task.thaw();
        world.end_filter();
        assert_eq!(frozen.join(), Err(ENOENT));
        end(&world, other);
    });
}

#[test]
fn a_target_with_work_passes_over_the_frozen() {
    explore(|| {
        let world = World::new(Wait::Interruptible);

        world.fd().set_flags(FD_SIGNALED).unwrap();
        let (other, frozen) = two_readers(&world);
        frozen.task.freeze_for_sure();
        let target = world.target();
        target.task.add_task_work();
        target.join();
        frozen.task.thaw();
        world.end_filter();
        assert_eq!(frozen.join(), Err(ENOENT));
        end(&world, other);
    });
}

#[test]
fn what_is_put_back_passes_over_all_that_are_frozen() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let (other, first) = two_readers(&world);
        let second = world.thread(|world| world.recv().map(|notif| notif.id));

        second.task.until_asleep();
        for reader in [&first, &second] {
            reader.task.freeze_for_sure();
        }
        world.requeue(id).unwrap();
        target.join();
        for reader in [&first, &second] {
            reader.task.thaw();
        }
        world.end_filter();
        assert_eq!(first.join(), Err(ENOENT));
        assert_eq!(second.join(), Err(ENOENT));
        end(&world, other);
    });
}

/// The same on the CPU of the target: it is frozen before it is woken, or meanwhile.
#[test]
fn one_that_is_frozen_is_passed_over_on_this_cpu() {
    for is_frozen_before in [false, true] {
        explore(move || {
            let world = World::new(Wait::Interruptible);

            world.fd().set_flags(FD_SYNC_WAKE_UP).unwrap();
            let (other, first) = two_readers(&world);
            if is_frozen_before {
                first.task.freeze_for_sure();
            }
            let target = world.target();
            first.task.freeze_for_sure();
            // It may have it already, and is frozen on its way back.
            world.requeue_all();
            target.join();
            first.task.thaw();
            world.end_filter();
            match first.join() {
                Ok(id) => assert!(world.send(id).is_err()),
                Err(err) => assert_eq!(err, ENOENT),
            }
            end(&world, other);
        });
    }
}

/// An fd is not installed, and whoever asked for it is dead: both put the notification back.
#[test]
fn what_is_put_back_twice_over_is_for_somebody() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let fd = world.fd();

        fd.set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        let task = target.task.clone();
        let id = world.recv().unwrap().id;
        target.signal();
        while fd.poll(None) != PollEvents::IN | PollEvents::OUT {
            blocking::thread::yield_now();
        }
        task.until_asleep();
        let mut fds = blocking::lock(&task.fds);
        fds.is_full = true;
        let adder = world.thread(move |world| {
            let how = AddFd {
                is_reply: true,
                ..AddFd::default()
            };
            world.add_fd(id, how)
        });
        adder.task.until_asleep();
        // The queue is empty: they sleep.
        let (other, frozen) = two_readers(&world);
        frozen.task.freeze_for_sure();
        let poller = Poller::new(PollEvents::IN, false);
        assert!(fd.poll(Some(&poller)) == PollEvents::NONE);
        adder.task.kill();
        assert_eq!(adder.join(), Err(KILLED));
        world.requeue_all();
        drop(fds);
        assert!(poller.wait() == PollEvents::IN);
        target.join();
        frozen.task.thaw();
        world.end_filter();
        assert_eq!(frozen.join(), Err(ENOENT));
        drop(fd);
        end(&world, other);
    });
}
