// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h).

use crate::bindings;

/// Returns a random number, as good as the kernel's generator is at the time.
///
/// It may be called from any context but that of an NMI.
#[doc(alias = "get_random_u64")]
#[inline]
pub fn random_u64() -> u64 {
    // SAFETY: It is always safe to call `get_random_u64()`.
    unsafe { bindings::get_random_u64() }
}
