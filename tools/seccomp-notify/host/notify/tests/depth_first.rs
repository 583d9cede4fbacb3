// SPDX-License-Identifier: GPL-2.0

//! Two things that meet, in all the ways in which they can: see `seccomp_notify::model::search`.
//!
//! All threads block, and none polls.

use kernel::error::code::*;
use seccomp_notify::{
    model::{have_met, search},
    userspace::{AddFd, Answer, Wait, KILLED},
    world::{Target, World, CLOSED, MEMORY},
};

/// A target that sleeps, and the id of its notification, which is received.
fn received() -> (World, Target, u64) {
    let world = World::new(Wait::Interruptible);
    let target = world.target();

    target.task.until_asleep();
    let id = world.recv().unwrap().id;
    (world, target, id)
}

/// It has the answer or the signal, and whoever answers knows which.
#[test]
fn an_answer_meets_a_signal() {
    search("answer, signal", received, |(world, target, id)| {
        let sender = world.thread(move |world| world.send(id));

        target.signal();
        let answer = target.join();
        match sender.join() {
            Ok(_) => assert!(matches!(answer, Answer::Reply(_))),
            Err(err) => assert_eq!((answer, err), (Answer::Interrupted, ENOENT)),
        }
        world.check();
    });
}

/// It goes on with `ENOSYS`, at whatever it is.
#[test]
fn a_call_meets_the_end_of_the_supervisor() {
    let open = || World::new(Wait::Interruptible);

    search("call, close", open, |world| {
        let target = world.target();

        world.close();
        assert_eq!(target.join(), CLOSED);
        world.check();
    });
}

#[test]
fn an_answer_meets_the_end_of_the_target() {
    search("SEND, kill", received, |(world, target, id)| {
        let sender = world.thread(move |world| world.send(id));

        target.kill();
        let answer = target.join();
        if let Err(err) = sender.join() {
            assert_eq!((answer, err), (Answer::Killed, ENOENT));
        }
        world.check();
    });
}

/// The fd is installed or is not, and the notification can be answered.
#[test]
fn an_fd_meets_the_end_of_who_asked_for_it() {
    search("ADDFD, kill", received, |(world, target, id)| {
        let adder = world.thread(move |world| world.add_fd(id, AddFd::default()));

        adder.task.kill();
        assert!(matches!(adder.join(), Ok(_) | Err(KILLED)));
        world.send(id).unwrap();
        assert!(matches!(target.join(), Answer::Reply(_)));
        world.check();
    });
}

/// A reader is frozen as it is woken: it takes what that was for, or the other one does.
#[test]
fn a_frozen_reader_meets_a_notification() {
    let asleep = || {
        let world = World::new(Wait::Interruptible);
        let readers = [(); 2].map(|()| {
            let reader = world.thread(|world| {
                let id = world.recv()?.id;
                world.send(id)
            });

            reader.task.until_asleep();
            reader
        });

        (world, readers)
    };

    search("freeze, call", asleep, |(world, readers)| {
        // It is the one that is woken.
        let frozen = readers[1].task.clone();
        let target = world.target();

        frozen.freeze();
        // When all have done what they can, nothing is left for who is frozen.
        frozen.until_frozen();
        target.task.until_asleep();
        readers[0].task.until_asleep();
        assert_eq!(world.fd().fdinfo().queued, 0);
        have_met();
        frozen.thaw();
        assert!(matches!(target.join(), Answer::Reply(_)));
        world.end_filter();
        let results = readers.map(|reader| reader.join());
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.contains(&Err(ENOENT)));
        world.check();
    });
}

/// It is answered, by who has it or by the next.
#[test]
fn an_answer_meets_a_requeue() {
    search("REQUEUE, SEND", received, |(world, target, id)| {
        let sender = world.thread(move |world| world.send(id));
        let requeued = world.requeue(id);
        let sent = sender.join();

        match requeued {
            Ok(()) => {
                assert_eq!(sent, Err(EINPROGRESS));
                assert_eq!(world.try_recv().unwrap().id, id);
                world.send(id).unwrap();
            }
            Err(err) => {
                assert!(sent.is_ok());
                assert_eq!(err, ENOENT);
            }
        }
        assert!(matches!(target.join(), Answer::Reply(_)));
        world.check();
    });
}

/// The target is held while its memory is read, which the copy looks at itself.
#[test]
fn an_answer_meets_a_copy() {
    search("MEM, SEND", received, |(world, target, id)| {
        let copier = world.thread(move |world| world.read_memory(id));

        world.send(id).unwrap();
        assert!(matches!(target.join(), Answer::Reply(_)));
        match copier.join() {
            Ok(memory) => assert_eq!(memory, MEMORY),
            Err(err) => assert_eq!(err, ENOENT),
        }
        world.check();
    });
}
