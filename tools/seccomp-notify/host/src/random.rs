// SPDX-License-Identifier: GPL-2.0

//! Random numbers, of which every test has the same.

/// So high that the ids which start here wrap around.
pub fn random_u64() -> u64 {
    u64::MAX - 1
}
