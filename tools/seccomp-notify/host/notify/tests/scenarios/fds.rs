// SPDX-License-Identifier: GPL-2.0

//! Fds are installed in targets.

use kernel::{blocking, error::code::*, fs::file::flags::O_CLOEXEC};
use seccomp_notify::{
    model::explore,
    userspace::{AddFd, Answer, Reply, Wait, KILLED},
    world::{Target, World, CLOSED, FD_SIGNALED},
};

const PLAIN: AddFd = AddFd {
    fd: 0,
    number: None,
    is_cloexec: false,
    is_reply: false,
};
const REPLY: AddFd = AddFd {
    is_reply: true,
    ..PLAIN
};

/// A target that does nothing until it is thawed, and its id.
fn frozen(world: &World) -> (Target, u64) {
    let target = world.target();

    target.task.until_asleep();
    target.task.freeze_for_sure();
    (target, world.recv().unwrap().id)
}

/// Each is installed where it belongs.
#[test]
fn each_target_gets_its_own() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let targets = [world.target(), world.target()];
        let mut adders = Vec::new();
        let mut ids = Vec::new();

        for _ in 0..2 {
            let id = world.recv().unwrap().id;

            ids.push(id);
            adders.push(world.thread(move |world| world.add_fd(id, PLAIN)));
        }
        for adder in adders {
            assert_eq!(adder.join(), Ok(3));
        }
        for id in ids {
            world.send(id).unwrap();
        }
        for target in targets {
            target.join();
        }
        world.check();
    });
}

/// Several for one target, some of them as the answer.
#[test]
fn each_request_has_one_result() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let adders: Vec<_> = [PLAIN, PLAIN, REPLY]
            .into_iter()
            .map(|how| world.thread(move |world| world.add_fd(id, how)))
            .collect();

        for adder in adders {
            assert!(matches!(
                adder.join(),
                Ok(_) | Err(EBUSY | EINPROGRESS | ENOENT)
            ));
        }
        // It may be answered by now.
        assert!(matches!(world.send(id), Ok(_) | Err(ENOENT | EINPROGRESS)));
        target.join();
        world.check();
    });
}

/// They are installed in the order in which they were asked for.
#[test]
fn they_are_installed_in_order() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (target, id) = frozen(&world);
        let mut adders = Vec::new();

        for _ in 0..4 {
            let adder = world.thread(move |world| world.add_fd(id, PLAIN));

            adder.task.until_asleep();
            adders.push(adder);
        }
        target.task.thaw();
        for (adder, number) in adders.into_iter().zip(3..) {
            assert_eq!(adder.join(), Ok(number));
        }
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// What is asked for before the answer is installed before it.
#[test]
fn they_are_installed_before_the_answer() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (target, id) = frozen(&world);
        let adder = world.thread(move |world| world.add_fd(id, PLAIN));

        adder.task.until_asleep();
        world.send(id).unwrap();
        assert_eq!(world.fd().add_fd(id, PLAIN), Err(EBADF));
        target.task.thaw();
        assert_eq!(adder.join(), Ok(3));
        target.join();
        world.check();
    });
}

#[test]
fn its_number_is_the_answer() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (target, id) = frozen(&world);
        let adder = world.thread(move |world| world.add_fd(id, REPLY));

        adder.task.until_asleep();
        assert_eq!(world.send(id), Err(EINPROGRESS));
        assert_eq!(world.add_fd(id, PLAIN), Err(EINPROGRESS));
        assert_eq!(world.fd().id_valid(id), Err(ENOENT));
        assert_eq!(world.fd().fdinfo().delivered, 0);
        target.task.thaw();
        assert_eq!(adder.join(), Ok(3));
        let answer = Reply {
            val: 3,
            ..Reply::default()
        };
        assert_eq!(target.join(), Answer::Reply(answer));
        world.check();
    });
}

#[test]
fn its_number_and_flags_are_as_asked_for() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let task = target.task.clone();
        let how = AddFd {
            number: Some(40),
            is_cloexec: true,
            ..PLAIN
        };

        assert_eq!(world.add_fd(id, how), Ok(40));
        assert_eq!(world.add_fd(id, PLAIN), Ok(3));
        world.send(id).unwrap();
        target.join();
        let flags: Vec<_> = blocking::lock(&task.fds)
            .installed
            .iter()
            .map(|fd| (fd.number, fd.flags))
            .collect();
        assert_eq!(flags, [(40, O_CLOEXEC), (3, 0)]);
        world.check();
    });
}

/// It cannot be the answer while others are pending.
#[test]
fn no_answer_overtakes_them() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (target, id) = frozen(&world);
        let adder = world.thread(move |world| world.add_fd(id, PLAIN));

        adder.task.until_asleep();
        assert_eq!(world.add_fd(id, REPLY), Err(EBUSY));
        target.task.thaw();
        adder.join().unwrap();
        world.add_fd(id, REPLY).unwrap();
        target.join();
        world.check();
    });
}

/// If it cannot be installed, the notification is still open.
#[test]
fn one_that_fails_is_no_answer() {
    for how in [PLAIN, REPLY] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let target = world.target();
            let id = world.recv().unwrap().id;

            blocking::lock(&target.task.fds).is_full = true;
            assert_eq!(world.add_fd(id, how), Err(EMFILE));
            assert_eq!(world.fd().id_valid(id), Ok(()));
            assert_eq!(world.fd().fdinfo().delivered, 1);
            blocking::lock(&target.task.fds).is_full = false;
            world.add_fd(id, REPLY).unwrap();
            target.join();
            world.check();
        });
    }
}

/// Whoever is interrupted takes it back.
#[test]
fn one_can_be_taken_back() {
    for (how, is_killed) in [(PLAIN, false), (REPLY, false), (PLAIN, true), (REPLY, true)] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let (target, id) = frozen(&world);
            let adder = world.thread(move |world| world.add_fd(id, how));

            adder.task.until_asleep();
            if is_killed {
                adder.task.kill();
                assert_eq!(adder.join(), Err(KILLED));
            } else {
                adder.task.signal();
                assert_eq!(adder.join(), Err(EINTR));
            }
            let task = target.task.clone();
            target.task.thaw();
            world.send(id).unwrap();
            target.join();
            assert!(blocking::lock(&task.fds).installed.is_empty());
            world.check();
        });
    }
}

/// Whichever it is, the others are as they were.
#[test]
fn any_of_them_can_be_taken_back() {
    for taken_back in 0..4 {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let (target, id) = frozen(&world);
            let mut adders = Vec::new();

            for _ in 0..4 {
                let adder = world.thread(move |world| world.add_fd(id, PLAIN));

                adder.task.until_asleep();
                adders.push(adder);
            }
            let adder = adders.remove(taken_back);
            adder.task.signal();
            assert_eq!(adder.join(), Err(EINTR));
            let last = world.thread(move |world| world.add_fd(id, PLAIN));
            last.task.until_asleep();
            adders.push(last);
            target.task.thaw();
            for (adder, number) in adders.into_iter().zip(3..) {
                assert_eq!(adder.join(), Ok(number));
            }
            world.send(id).unwrap();
            target.join();
            world.check();
        });
    }
}

/// At any moment, also while it is installed: it has one result, and so has the target.
#[test]
fn whoever_asks_is_interrupted_at_any_moment() {
    for (how, is_killed) in [(PLAIN, false), (REPLY, false), (PLAIN, true), (REPLY, true)] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let target = world.target();
            let id = world.recv().unwrap().id;
            let adder = world.thread(move |world| world.add_fd(id, how));

            if is_killed {
                adder.task.kill();
            } else {
                adder.task.signal();
            }
            assert!(matches!(adder.join(), Ok(_) | Err(EINTR | KILLED)));
            // While it is installed for somebody who is gone, it cannot be answered otherwise.
            assert!(matches!(world.send(id), Ok(_) | Err(ENOENT | EINPROGRESS)));
            target.join();
            world.check();
        });
    }
}

/// The target can have a signal at any moment, too.
#[test]
fn the_target_is_interrupted_at_any_moment() {
    for (how, flags) in [
        (PLAIN, 0),
        (REPLY, 0),
        (PLAIN, FD_SIGNALED),
        (REPLY, FD_SIGNALED),
    ] {
        explore(move || {
            let world = World::new(Wait::Interruptible);

            world.fd().set_flags(flags).unwrap();
            let target = world.target();
            let id = world.recv().unwrap().id;
            let adder = world.thread(move |world| world.add_fd(id, how));

            target.signal();
            assert!(matches!(
                adder.join(),
                Ok(_) | Err(ENOENT | ESRCH | EINPROGRESS)
            ));
            let sent = world.send(id);
            assert!(matches!(sent, Ok(_) | Err(ENOENT | EINPROGRESS)));
            target.join();
            world.check();
        });
    }
}

/// A target that dies installs nothing more.
#[test]
fn a_dying_target_installs_nothing() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let (target, id) = frozen(&world);
        let adders: Vec<_> = (0..20)
            .map(|_| world.thread(move |world| world.add_fd(id, PLAIN)))
            .collect();
        let task = target.task.clone();

        for adder in &adders {
            adder.task.until_asleep();
        }
        target.kill();
        target.task.thaw();
        for adder in adders {
            assert_eq!(adder.join(), Err(ESRCH));
        }
        assert_eq!(target.join(), Answer::Killed);
        assert!(blocking::lock(&task.fds).installed.is_empty());
        world.check();
    });
}

#[test]
fn a_target_dies_at_any_moment() {
    for how in [PLAIN, REPLY] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let target = world.target();
            let id = world.recv().unwrap().id;
            let adders: Vec<_> = [PLAIN, how]
                .into_iter()
                .map(|how| world.thread(move |world| world.add_fd(id, how)))
                .collect();

            target.kill();
            for adder in adders {
                assert!(matches!(
                    adder.join(),
                    Ok(_) | Err(ENOENT | ESRCH | EBUSY | EINPROGRESS)
                ));
            }
            target.join();
            world.check();
        });
    }
}

/// Whoever asked for it is killed while the target is about to install it, and with it goes the
/// last reference to the listener's fd.
#[test]
fn the_listener_is_closed_at_any_moment() {
    for how in [PLAIN, REPLY] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let target = world.target();
            let id = world.recv().unwrap().id;
            let adder = world.thread(move |world| world.add_fd(id, how));

            world.close();
            adder.task.kill();
            assert!(matches!(adder.join(), Ok(_) | Err(KILLED)));
            target.join();
            world.check();
        });
    }
}

/// In this case, it is what closing gives it if the fd is not installed.
#[test]
fn one_that_fails_is_no_answer_when_it_is_closed() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;

        blocking::lock(&target.task.fds).is_full = true;
        let adder = world.thread(move |world| world.add_fd(id, REPLY));
        world.close();
        adder.task.kill();
        assert!(matches!(adder.join(), Err(EMFILE | KILLED)));
        assert_eq!(target.join(), CLOSED);
        world.check();
    });
}

/// Whoever asked for it need not wait until it is installed to die.
#[test]
fn whoever_asks_can_die_while_it_is_installed() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let task = target.task.clone();
        let fds = blocking::lock(&task.fds);
        world.add_fd_and_die(id, PLAIN);
        drop(fds);
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// What a supervisor was killed over, while the target installs its fd, is received when that is
/// done.
#[test]
fn what_it_was_for_is_put_back_when_it_is_installed() {
    for (how, is_full) in [(PLAIN, false), (PLAIN, true), (REPLY, false), (REPLY, true)] {
        explore(move || {
            let world = World::new(Wait::Interruptible);
            let target = world.target();
            let id = world.recv().unwrap().id;
            let task = target.task.clone();
            let mut fds = blocking::lock(&task.fds);

            fds.is_full = is_full;
            world.add_fd_and_die(id, how);
            let is_put_back = world.requeue_all() == 1;
            drop(fds);
            if !how.is_reply || is_full || is_put_back {
                assert_eq!(world.recv().unwrap().id, id);
                world.send(id).unwrap();
            }
            target.join();
            world.check();
        });
    }
}

/// It is put back once: what the next supervisor has installed is no reason.
#[test]
fn what_was_put_back_stays_with_the_next() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let task = target.task.clone();
        let fds = blocking::lock(&task.fds);
        world.add_fd_and_die(id, PLAIN);
        world.requeue_all();
        drop(fds);
        assert_eq!(world.recv().unwrap().id, id);
        world.add_fd(id, PLAIN).unwrap();
        assert_eq!(world.fd().id_valid(id), Ok(()));
        assert_eq!(world.try_recv(), Err(EAGAIN));
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// Who takes over does not wait for the files of who was before.
#[test]
fn nobody_waits_for_the_release_of_a_file() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let task = target.task.clone();
        let fds = blocking::lock(&task.fds);
        let release = blocking::lock(&task.release);
        world.add_fd_and_die(id, PLAIN);
        let reader = world.thread(|world| world.recv().map(|notif| notif.id));
        reader.task.until_asleep();
        world.requeue_all();
        drop(fds);
        assert_eq!(reader.join(), Ok(id));
        drop(release);
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

/// That one before it was killed is no reason to take it from whoever has it now.
#[test]
fn what_the_next_installs_an_fd_for_stays() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;
        let task = target.task.clone();

        for is_killed in [true, false] {
            let fds = blocking::lock(&task.fds);
            let adder = world.thread(move |world| world.add_fd(id, PLAIN));

            adder.task.until_asleep();
            if is_killed {
                adder.task.kill();
                assert_eq!(adder.join(), Err(KILLED));
                drop(fds);
            } else {
                assert_eq!(world.requeue_all(), 0);
                drop(fds);
                assert!(adder.join().is_ok());
            }
        }
        assert_eq!(world.try_recv(), Err(EAGAIN));
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}
