// SPDX-License-Identifier: GPL-2.0

//! Targets are notified of, received and answered.

use seccomp_notify::{model::explore, userspace::Wait, world::World};

#[test]
fn each_target_has_one_answer() {
    explore(|| {
        let world = World::new(Wait::Interruptible);
        let readers: Vec<_> = (0..2)
            .map(|_| world.thread(|world| world.serve()))
            .collect();
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
