// SPDX-License-Identifier: GPL-2.0

//! The machine's clock.

use crate::task::current;
use std::sync::atomic::Ordering::SeqCst;

pub type Jiffies = usize;

const MSECS_PER_JIFFY: u64 = 4;

pub fn jiffies() -> Jiffies {
    current().machine().jiffies.load(SeqCst)
}

pub fn jiffies_to_msecs(jiffies: Jiffies) -> u64 {
    jiffies as u64 * MSECS_PER_JIFFY
}
