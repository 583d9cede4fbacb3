// SPDX-License-Identifier: GPL-2.0

//! Has a scenario happen in many ways.
//!
//! With threads of the host, it is run again and again. With those of shuttle, there are as many
//! schedules of each kind as `SCHEDULES` says. When one fails, shuttle prints it, as a string of
//! digits: with that as `REPLAY`, a test that is run alone repeats it. What is printed shows what
//! the scenario is at; `RUST_BACKTRACE=1` says where.

#[cfg(not(feature = "shuttle"))]
use std::env;

/// How many schedules there are of each kind, unless the environment says.
#[cfg(feature = "shuttle")]
const SCHEDULES: usize = 400;

/// How often a scenario is run with threads of the host, unless the environment says.
#[cfg(not(feature = "shuttle"))]
const RUNS: usize = 20;

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
    let runs = env::var("RUNS").map_or(RUNS, |runs| runs.parse().expect("RUNS is a number"));

    for _ in 0..runs {
        scenario();
    }
}

/// Runs a scenario with random schedules: with those that may change threads anywhere, and with
/// those that do so in few places.
#[cfg(feature = "shuttle")]
pub fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    use shuttle::{
        scheduler::{PctScheduler, RandomScheduler, ReplayScheduler},
        Config, Runner,
    };
    use std::{env, sync::Arc};

    let schedules = env::var("SCHEDULES").map_or(SCHEDULES, |count| {
        count.parse().expect("SCHEDULES is a number")
    });
    let scenario = Arc::new(scenario);
    let config = || {
        let mut config = Config::new();

        config.stack_size = 1 << 18;
        config
    };

    if let Ok(schedule) = env::var("REPLAY") {
        let scenario = scenario.clone();

        Runner::new(ReplayScheduler::new_from_encoded(&schedule), config()).run(move || scenario());
        return;
    }
    let random = scenario.clone();
    Runner::new(RandomScheduler::new(schedules), config()).run(move || random());
    for depth in [2, 4] {
        let scenario = scenario.clone();
        let scheduler = PctScheduler::new(depth, schedules / 2);

        Runner::new(scheduler, config()).run(move || scenario());
    }
}
