// SPDX-License-Identifier: GPL-2.0

//! fdinfo is looked at while everything changes: what it counted then is compared when all is over.

use kernel::error::code::*;
use seccomp_notify::{
    model::explore,
    userspace::Wait,
    world::{World, FD_SIGNALED},
};

/// Receives and answers, what is even only when it has it for the second time.
fn serve(world: &World) {
    let mut seen = Vec::new();

    loop {
        match world.recv() {
            Ok(notif) if notif.id % 2 == 0 && !seen.contains(&notif.id) => {
                seen.push(notif.id);
                // Its target may be gone.
                let _ = world.requeue(notif.id);
            }
            Ok(notif) => drop(world.send(notif.id)),
            Err(err) => return assert_eq!(err, ENOENT),
        }
    }
}

fn look_at_random(wait: Wait, flags: u32, is_signalled: bool) {
    explore(move || {
        let world = World::new(wait);

        world.fd().set_flags(flags).unwrap();
        let readers = [(); 2].map(|()| world.thread(serve));
        let targets = [(); 3].map(|()| world.target());
        let looker = world.thread(|world| {
            for _ in 0..4 {
                let info = world.look();

                assert!(info.is_used && info.readers <= 2);
                assert!(info.notifs.len() <= 3);
            }
        });

        if is_signalled {
            targets[0].signal();
        }
        for target in targets {
            target.join();
        }
        looker.join();
        world.end_filter();
        for reader in readers {
            reader.join();
        }
        world.check();
    });
}

#[test]
fn what_is_queued_and_delivered_is_counted() {
    look_at_random(Wait::Interruptible, 0, false);
}

/// What a signal has ended is not.
#[test]
fn what_is_aborted_is_not_counted() {
    look_at_random(Wait::Interruptible, 0, true);
}

/// It is in the queue, and is to be answered.
#[test]
fn what_is_requeued_for_a_signal_is_counted_so() {
    look_at_random(Wait::Interruptible, FD_SIGNALED, true);
    look_at_random(Wait::Killable, FD_SIGNALED, true);
}
