// SPDX-License-Identifier: GPL-2.0

//! Which types any bytes are values of, and the other way round.

/// # Safety
///
/// See the kernel's.
pub unsafe trait FromBytes {}

/// # Safety
///
/// See the kernel's.
pub unsafe trait AsBytes {}

// SAFETY: Integers have neither padding nor bit patterns that are not valid.
unsafe impl FromBytes for u32 {}
// SAFETY: See above.
unsafe impl AsBytes for u32 {}
// SAFETY: See above.
unsafe impl FromBytes for u64 {}
// SAFETY: See above.
unsafe impl AsBytes for u64 {}
// SAFETY: Arrays are no more than their items.
unsafe impl<T: FromBytes, const N: usize> FromBytes for [T; N] {}
// SAFETY: See above.
unsafe impl<T: AsBytes, const N: usize> AsBytes for [T; N] {}
