// SPDX-License-Identifier: GPL-2.0

//! Listeners come before their filters and their tasks, and go before or after them.

use kernel::{
    error::code::*,
    sync::poll::{PollEvents, Poller},
};
use seccomp_notify::{
    model::{explore, once},
    userspace::{Fd, Filter, Wait},
    world::{World, CLOSED},
};

#[test]
fn closing_leaves_no_target() {
    for wait in [Wait::Interruptible, Wait::Killable] {
        explore(move || {
            let world = World::new(wait);
            let targets: Vec<_> = (0..3).map(|_| world.target()).collect();
            let id = world.recv().unwrap().id;
            let sender = world.thread(move |world| world.send(id));

            world.close();
            sender.join().unwrap_or_default();
            for target in targets {
                target.join();
            }
            world.check();
        });
    }
}

/// There are more than one hold of the lock is to deal with.
#[test]
fn closing_leaves_none_of_many() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let targets: Vec<_> = (0..35).map(|_| world.target()).collect();

        for target in &targets {
            target.task.until_asleep();
        }
        world.close();
        for target in targets {
            assert_eq!(target.join(), CLOSED);
        }
        world.check();
    });
}

#[test]
fn a_closed_listener_has_no_targets() {
    once(|| {
        let world = World::new(Wait::Interruptible);
        let fd = world.fd();

        assert!(fd.is_open());
        drop(fd);
        world.close();
        assert_eq!(world.target().join(), CLOSED);
        world.check();
    });
}

/// C asks without the lock.
#[test]
fn a_closed_listener_says_so() {
    once(|| {
        let fd = Fd::default();
        let filter = Filter::new(&fd, Wait::Interruptible);

        assert!(filter.is_open());
        drop(fd);
        assert!(!filter.is_open());
    });
}

#[test]
fn readers_return_when_nobody_is_left() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let readers: Vec<_> = (0..2).map(|_| world.thread(World::recv)).collect();

        world.end_filter();
        for reader in readers {
            assert_eq!(reader.join(), Err(ENOENT));
        }
        assert!(world.fd().poll(None) == PollEvents::HUP);
        world.check();
    });
}

/// There are more than one hold of the lock is to deal with.
#[test]
fn many_readers_return_when_nobody_is_left() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let readers: Vec<_> = (0..35).map(|_| world.thread(World::recv)).collect();

        for reader in &readers {
            reader.task.until_asleep();
        }
        assert_eq!(world.fd().fdinfo().readers, 35);
        world.end_filter();
        for reader in readers {
            assert_eq!(reader.join(), Err(ENOENT));
        }
        world.check();
    });
}

/// Another filter is installed while readers are told that there is none: they hear of it, or of
/// what its tasks do.
#[test]
fn it_can_be_used_again() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                world.thread(|world| match world.recv() {
                    Ok(notif) => world.send(notif.id).map(|_| ()),
                    Err(err) => Err(err),
                })
            })
            .collect();

        let ender = world.thread(World::end_filter);
        let filter = Filter::new(&world.fd(), Wait::Interruptible);
        ender.join();
        world.new_filter(Wait::Interruptible);
        drop(filter);

        // Whoever was not told still waits, or not yet.
        let target = world.target();
        let helper = world.thread(World::serve);
        target.join();
        assert!(!world.fd().poll(None).contains(PollEvents::HUP));
        world.end_filter();
        helper.join();
        for reader in readers {
            assert!(matches!(reader.join(), Ok(()) | Err(ENOENT)));
        }
        world.check();
    });
}

/// Before the first filter, it is not unused; nor is it when one could not be installed.
#[test]
fn it_waits_for_its_first_filter() {
    once(|| {
        let world = World::new(Wait::Interruptible);
        let fd = Fd::default();

        assert!(!fd.fdinfo().is_used);
        assert!(fd.poll(None) == PollEvents::NONE);
        let filter = Filter::new(&fd, Wait::Interruptible);
        assert!(fd.fdinfo().is_used);
        filter.cancel();
        assert!(!fd.fdinfo().is_used);
        assert_eq!(fd.nonblocking().recv(), Err(EAGAIN));
        assert!(fd.poll(None) == PollEvents::NONE);

        // With two, the first that goes is not the last.
        let filters = [0; 2].map(|_| Filter::new(&fd, Wait::Interruptible));
        let [first, second] = filters;
        drop(first);
        assert_eq!(fd.nonblocking().recv(), Err(EAGAIN));
        drop(second);
        assert_eq!(fd.nonblocking().recv(), Err(ENOENT));
        assert!(fd.poll(None) == PollEvents::HUP);

        // One that could not be installed leaves it as unused as it was.
        let filter = Filter::new(&fd, Wait::Interruptible);
        assert_eq!(fd.nonblocking().recv(), Err(EAGAIN));
        filter.cancel();
        assert_eq!(fd.nonblocking().recv(), Err(ENOENT));
        world.check();
    });
}

#[test]
fn readers_return_when_the_next_filter_is_not_installed() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let fd = world.fd();

        world.end_filter();
        let filter = Filter::new(&fd, Wait::Interruptible);
        let poller = Poller::new(PollEvents::HUP, false);
        assert!(fd.poll(Some(&poller)) == PollEvents::NONE);
        let reader = world.thread(World::recv);
        reader.task.until_asleep();
        filter.cancel();
        assert_eq!(reader.join(), Err(ENOENT));
        assert!(poller.wait() == PollEvents::HUP);
        drop(fd);
        world.check();
    });
}
