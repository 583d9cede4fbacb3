// SPDX-License-Identifier: GPL-2.0

//! Those who poll hear of everything.

use kernel::{
    error::code::*,
    sync::poll::{PollEvents, Poller},
};
use seccomp_notify::{
    model::explore,
    userspace::{AddFd, Wait},
    world::{World, FD_SIGNALED, FD_SYNC_WAKE_UP, SIGNALED},
};
use std::sync::Arc;

const ALL: [PollEvents; 3] = [PollEvents::IN, PollEvents::OUT, PollEvents::HUP];

fn for_all(is_exclusive: bool) -> Arc<Poller> {
    let [a, b, c] = ALL;

    Poller::new(a | b | c, is_exclusive)
}

/// A supervisor whose loop waits for an edge, and then takes all there is.
fn serve_edges(world: &World, is_exclusive: bool) -> usize {
    let poller = Poller::new(PollEvents::IN | PollEvents::HUP, is_exclusive);
    let mut events = world.fd().poll(Some(&poller));
    let mut count = 0;

    loop {
        if events.contains(PollEvents::IN) {
            loop {
                match world.try_recv() {
                    Ok(notif) => count += usize::from(world.send(notif.id).is_ok()),
                    Err(EAGAIN) => break,
                    Err(ENOENT) => return count,
                    Err(err) => panic!("RECV: {err:?}"),
                }
            }
        }
        if events.contains(PollEvents::HUP) {
            return count;
        }
        events = poller.wait();
    }
}

#[test]
fn a_supervisor_can_wait_for_edges() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let supervisor = world.thread(|world| serve_edges(world, false));
        let targets = [world.target(), world.target()];

        for target in targets {
            target.join();
        }
        world.end_filter();
        assert_eq!(supervisor.join(), 2);
        world.check();
    });
}

/// Some block, some wait for edges, and some of these for as many as there are of them.
#[test]
fn supervisors_can_be_of_all_kinds() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let blocking = world.thread(World::serve);
        let exclusive = world.thread(|world| serve_edges(world, true));
        let targets = [world.target(), world.target()];

        for target in targets {
            target.join();
        }
        world.end_filter();
        blocking.join();
        exclusive.join();
        world.check();
    });
}

/// Two wait exclusively: one is told of each notification, and both that nobody is left.
#[test]
fn those_that_are_exclusive_share() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let supervisors: Vec<_> = (0..2)
            .map(|_| world.thread(|world| serve_edges(world, true)))
            .collect();
        let target = world.target();

        target.join();
        world.end_filter();
        let count: usize = supervisors.into_iter().map(|thread| thread.join()).sum();
        assert_eq!(count, 1);
        world.check();
    });
}

/// Whoever answers what others receive hears that there is something to answer.
#[test]
fn whoever_answers_hears_of_what_was_received() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let poller = Poller::new(PollEvents::OUT, true);
        let events = world.fd().poll(Some(&poller));
        assert!(events == PollEvents::NONE);
        let reader = world.thread(|world| world.recv().unwrap().id);
        let target = world.target();

        assert!(poller.wait() == PollEvents::OUT);
        assert!(world.fd().poll(None) == PollEvents::OUT);
        world.send(reader.join()).unwrap();
        assert!(world.fd().poll(None) == PollEvents::NONE);
        target.join();
        world.check();
    });
}

/// Each of these puts something in the queue, or takes something to be answered.
#[test]
fn events_are_told_one_by_one() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let fd = world.fd();
        let poller = for_all(false);
        let told = |expected: &[PollEvents]| {
            assert!(poller
                .wakeups()
                .iter()
                .map(|(events, _)| *events)
                .eq(expected.iter().copied()));
        };
        let (mut so_far, [in_, out, hup]) = (Vec::new(), ALL);
        let mut and = |more: &[PollEvents]| {
            so_far.extend_from_slice(more);
            told(&so_far);
        };

        assert!(fd.poll(Some(&poller)) == PollEvents::NONE);
        fd.set_flags(FD_SIGNALED).unwrap();
        let target = world.target();
        target.task.until_asleep();
        and(&[in_]);
        assert!(fd.poll(None) == in_);
        // It cannot be written, and is there again.
        assert_eq!(world.recv_in_vain(), Err(EFAULT));
        and(&[out, in_]);
        let id = world.recv().unwrap().id;
        and(&[out]);
        target.signal();
        assert!(poller.wait() != PollEvents::NONE);
        while fd.poll(None) != in_ | out {
            poller.wait();
        }
        target.task.until_asleep();
        and(&[in_]);
        assert_eq!(world.recv().unwrap().flags, SIGNALED);
        and(&[]);
        world.requeue(id).unwrap();
        and(&[in_]);
        assert!(fd.poll(None) == in_);
        world.recv().unwrap();
        and(&[out]);
        world.send(id).unwrap();
        and(&[]);
        target.join();
        world.end_filter();
        and(&[hup]);
        assert!(fd.poll(None) == hup);
        world.check();
    });
}

/// What was to be answered by an fd that is not installed is to be answered again.
#[test]
fn whoever_answers_hears_of_what_is_not_answered_after_all() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let poller = Poller::new(PollEvents::OUT, false);

        kernel::blocking::lock(&target.task.fds).is_full = true;
        assert!(world.fd().poll(Some(&poller)) == PollEvents::OUT);
        let adder = world.thread(move |world| {
            let how = AddFd {
                is_reply: true,
                ..AddFd::default()
            };
            world.add_fd(id, how)
        });
        assert!(poller.wait() == PollEvents::OUT);
        world.send(id).unwrap();
        assert_eq!(adder.join(), Err(EMFILE));
        target.join();
        world.check();
    });
}

/// The same if it is taken back.
#[test]
fn whoever_answers_hears_of_what_is_taken_back() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let poller = Poller::new(PollEvents::OUT, false);

        target.task.freeze_for_sure();
        world.fd().poll(Some(&poller));
        let adder = world.thread(move |world| {
            let how = AddFd {
                is_reply: true,
                ..AddFd::default()
            };
            world.add_fd(id, how)
        });
        adder.task.until_asleep();
        adder.task.signal();
        assert!(poller.wait() == PollEvents::OUT);
        world.send(id).unwrap();
        assert_eq!(adder.join(), Err(EINTR));
        target.task.thaw();
        target.join();
        world.check();
    });
}

/// What is held until a copy has ended is told of then.
#[test]
fn whoever_receives_hears_of_what_was_held() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let poller = Poller::new(PollEvents::IN, false);

        // Those who poll have heard of it.
        target.task.until_asleep();
        world.fd().poll(Some(&poller));
        let copier = world.thread(move |world| world.read_memory(id));
        world.requeue(id).unwrap();
        assert!(poller.wait() == PollEvents::IN);
        assert_eq!(world.try_recv().unwrap().id, id);
        world.send(id).unwrap();
        target.join();
        assert!(matches!(copier.join(), Ok(_) | Err(ENOENT)));
        world.check();
    });
}

#[test]
fn wake_ups_are_on_the_current_cpu_if_wanted() {
    for is_wanted in [false, true] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let poller = Poller::new(PollEvents::IN, false);

            world
                .fd()
                .set_flags(if is_wanted { FD_SYNC_WAKE_UP } else { 0 })
                .unwrap();
            world.fd().poll(Some(&poller));
            let target = world.target();
            assert!(poller.wait() == PollEvents::IN);
            assert!(poller.wakeups() == [(PollEvents::IN, is_wanted)]);
            let id = world.recv().unwrap().id;
            world.send(id).unwrap();
            target.join();
            world.check();
        });
    }
}

/// A target that is frozen as it enters its call has told of it before.
#[test]
fn whoever_receives_hears_of_a_frozen_target() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let poller = Poller::new(PollEvents::IN, false);

        world.fd().poll(Some(&poller));
        let target = world.target();
        target.task.freeze();
        assert!(poller.wait() == PollEvents::IN);
        let id = world.recv().unwrap().id;
        target.task.thaw();
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// What a signal has put in the queue is there again if it is not answered after all.
#[test]
fn whoever_receives_hears_of_what_is_not_answered_after_all() {
    for is_taken_back in [false, true] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let fd = world.fd();

            fd.set_flags(FD_SIGNALED).unwrap();
            let target = world.target();
            let id = world.recv().unwrap().id;
            target.signal();
            while fd.poll(None) != PollEvents::IN | PollEvents::OUT {
                kernel::blocking::thread::yield_now();
            }
            // Those who poll have heard of it.
            target.task.until_asleep();
            if is_taken_back {
                target.task.freeze_for_sure();
            } else {
                kernel::blocking::lock(&target.task.fds).is_full = true;
            }
            let poller = Poller::new(PollEvents::IN, false);
            fd.poll(Some(&poller));
            let adder = world.thread(move |world| {
                let how = AddFd {
                    is_reply: true,
                    ..AddFd::default()
                };
                world.add_fd(id, how)
            });
            if is_taken_back {
                adder.task.until_asleep();
                adder.task.signal();
            }
            assert!(poller.wait() == PollEvents::IN);
            assert_eq!(
                adder.join(),
                Err(if is_taken_back { EINTR } else { EMFILE })
            );
            assert_eq!(world.recv().unwrap().flags, SIGNALED);
            world.send(id).unwrap();
            target.task.thaw();
            target.join();
            drop(fd);
            world.check();
        });
    }
}
