// SPDX-License-Identifier: GPL-2.0

//! Has a scenario happen in many ways.
//!
//! With threads of the host, it is run again and again. With those of shuttle, there are as many
//! schedules of each kind as `SCHEDULES` says. When one fails, shuttle prints it, as a string of
//! digits: with that as `REPLAY`, a test that is run alone repeats it. What is printed shows what
//! the scenario is at; `RUST_BACKTRACE=1` says where.
//!
//! Small scenarios are searched depth first as well, see `search`.

use std::env;

/// How many schedules there are of each kind, unless the environment says.
#[cfg(feature = "shuttle")]
const SCHEDULES: usize = 400;

/// For how many schedules a scenario is searched, unless the environment says.
#[cfg(feature = "shuttle")]
const DFS: usize = 10_000;

/// How often a scenario is run with threads of the host, unless the environment says.
#[cfg(not(feature = "shuttle"))]
const RUNS: usize = 20;

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |count| {
        count
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

/// Runs a scenario once, in which one thread runs at a time.
pub fn once(scenario: impl Fn() + Send + Sync + 'static) {
    #[cfg(not(feature = "shuttle"))]
    scenario();
    #[cfg(feature = "shuttle")]
    shuttle::check_random(scenario, 1);
}

/// Runs a scenario again and again, as the host's scheduler likes.
#[cfg(not(feature = "shuttle"))]
pub fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    for _ in 0..number("RUNS", RUNS) {
        scenario();
    }
}

#[cfg(feature = "shuttle")]
pub use schedules::{explore, have_met, search};

#[cfg(feature = "shuttle")]
mod schedules {
    use super::{number, DFS, SCHEDULES};
    use shuttle::{
        current::TaskId,
        scheduler::{
            DfsScheduler, PctScheduler, RandomScheduler, ReplayScheduler, Schedule, Scheduler, Task,
        },
        Config, Runner,
    };
    use std::{cell::Cell, env, rc::Rc, sync::Arc};

    fn run(
        scheduler: impl Scheduler + 'static,
        scenario: &Arc<impl Fn() + Send + Sync + 'static>,
    ) -> usize {
        let scenario = scenario.clone();
        let mut config = Config::new();

        config.stack_size = 1 << 18;
        // That it orders memory strongly is why there are other tests.
        config.silence_warnings = true;
        Runner::new(scheduler, config).run(move || scenario())
    }

    /// Runs a scenario with the schedule that the environment says, if it does.
    fn is_replayed(scenario: &Arc<impl Fn() + Send + Sync + 'static>) -> bool {
        let schedule = env::var("REPLAY");

        if let Ok(schedule) = &schedule {
            run(ReplayScheduler::new_from_encoded(schedule), scenario);
        }
        schedule.is_ok()
    }

    /// Runs a scenario with random schedules: with those that may change threads anywhere, and with
    /// those that do so in few places.
    pub fn explore(scenario: impl Fn() + Send + Sync + 'static) {
        let schedules = number("SCHEDULES", SCHEDULES);
        let scenario = Arc::new(scenario);

        if is_replayed(&scenario) {
            return;
        }
        run(RandomScheduler::new(schedules), &scenario);
        for depth in [2, 4] {
            run(PctScheduler::new(depth, schedules / 2), &scenario);
        }
    }

    std::thread_local! {
        static MEET: Cell<bool> = Cell::default();
    }

    /// Has those threads `meet` that `prepare` has left asleep, in all schedules that preempt no
    /// thread until they [have met](have_met), then in all that do so once at most, twice, four
    /// times, and so on, until there are no more, or as many as `DFS` says. Prints how far it came.
    ///
    /// No thread may poll: one that does could be scheduled for ever.
    pub fn search<P>(
        name: &str,
        prepare: impl Fn() -> P + Send + Sync + 'static,
        meet: impl Fn(P) + Send + Sync + 'static,
    ) {
        let scenario = Arc::new(move || {
            let prepared = prepare();

            MEET.set(true);
            meet(prepared);
        });
        let total = number("DFS", DFS);
        let (mut left, mut bound, mut all_of) = (total, 0, None);

        if is_replayed(&scenario) {
            return;
        }
        loop {
            let is_bound = Rc::new(Cell::new(false));
            let runs = run(Preempting::new(bound, left, &is_bound), &scenario);

            left -= runs;
            if left == 0 {
                match all_of {
                    Some(most) => {
                        println!("{name}: {total} schedules, with all of up to {most} preemptions")
                    }
                    None => println!("{name}: {total} schedules, and not all without preemption"),
                }
                return;
            }
            if !is_bound.get() {
                println!("{name}: {runs} schedules, which are all that there are");
                return;
            }
            all_of = Some(bound);
            bound = (2 * bound).max(1);
        }
    }

    /// What was to meet has: there is one schedule from here on.
    pub fn have_met() {
        MEET.set(false);
    }

    /// All schedules, depth first, that preempt a thread so often at most.
    struct Preempting {
        dfs: DfsScheduler,
        bound: usize,
        /// How often that may still be in this schedule.
        left: usize,
        /// There are others, which do so more often.
        is_bound: Rc<Cell<bool>>,
    }

    impl Preempting {
        fn new(bound: usize, schedules: usize, is_bound: &Rc<Cell<bool>>) -> Self {
            Self {
                dfs: DfsScheduler::new(Some(schedules), false),
                bound,
                left: bound,
                is_bound: is_bound.clone(),
            }
        }
    }

    impl Scheduler for Preempting {
        fn new_execution(&mut self) -> Option<Schedule> {
            MEET.set(false);
            self.left = self.bound;
            self.dfs.new_execution()
        }

        fn next_task(
            &mut self,
            runnable: &[&Task],
            current: Option<TaskId>,
            is_yielding: bool,
        ) -> Option<TaskId> {
            let goes_on = runnable
                .iter()
                .find(|task| Some(task.id()) == current && !is_yielding);

            if !MEET.get() {
                return self
                    .dfs
                    .next_task(&[*goes_on.unwrap_or(&runnable[0])], None, false);
            }
            match goes_on {
                Some(current) if self.left == 0 => {
                    self.is_bound.set(self.is_bound.get() || runnable.len() > 1);
                    self.dfs.next_task(&[*current], None, false)
                }
                _ => {
                    let next = self.dfs.next_task(runnable, current, is_yielding);

                    self.left -= usize::from(goes_on.is_some() && next != current);
                    next
                }
            }
        }

        fn next_u64(&mut self) -> u64 {
            self.dfs.next_u64()
        }
    }
}
