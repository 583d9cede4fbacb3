// SPDX-License-Identifier: GPL-2.0

//! Userspace memory: of each thread its own, a run of bytes that starts at [`START`].

use crate::{
    prelude::*,
    transmute::{AsBytes, FromBytes},
};
use std::{cell::RefCell, mem::MaybeUninit, slice};

/// The address of the first byte of userspace memory.
pub const START: usize = 0x10000;

#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    read_only: bool,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Makes `bytes` all there is of userspace memory.
pub fn set_memory(bytes: &[u8]) {
    MEMORY.set(Memory {
        bytes: bytes.to_vec(),
        read_only: false,
    });
}

/// Makes userspace memory read-only.
pub fn protect_memory() {
    MEMORY.with_borrow_mut(|m| m.read_only = true);
}

/// Returns userspace memory as it is now.
pub fn memory() -> Vec<u8> {
    MEMORY.with_borrow(|m| m.bytes.clone())
}

#[derive(Clone, Copy)]
pub struct UserPtr(usize);

impl UserPtr {
    pub fn from_addr(addr: usize) -> Self {
        Self(addr)
    }
}

pub struct UserSlice {
    ptr: UserPtr,
    length: usize,
}

impl UserSlice {
    pub fn new(ptr: UserPtr, length: usize) -> Self {
        Self { ptr, length }
    }

    pub fn reader(self) -> UserSliceReader {
        UserSliceReader(self)
    }

    pub fn writer(self) -> UserSliceWriter {
        UserSliceWriter(self)
    }

    /// Calls `f` with the first `len` bytes of the slice.
    fn with<R>(&self, len: usize, f: impl FnOnce(&mut Memory, usize) -> Result<R>) -> Result<R> {
        MEMORY.with_borrow_mut(|memory| {
            let start = self.ptr.0.checked_sub(START).ok_or(EFAULT)?;
            let end = start.checked_add(len).ok_or(EFAULT)?;
            if len > self.length || end > memory.bytes.len() {
                return Err(EFAULT);
            }
            f(memory, start)
        })
    }
}

pub struct UserSliceReader(UserSlice);

impl UserSliceReader {
    pub fn read<T: FromBytes>(&mut self) -> Result<T> {
        let bytes = self.bytes(size_of::<T>())?;
        Ok(from_bytes(&bytes))
    }

    pub fn read_extensible<T: FromBytes>(self) -> Result<T> {
        let mut bytes = self.bytes(self.0.length)?;
        let known = bytes.len().min(size_of::<T>());
        if bytes[known..].iter().any(|&b| b != 0) {
            return Err(E2BIG);
        }
        bytes.resize(size_of::<T>(), 0);
        Ok(from_bytes(&bytes))
    }

    pub fn is_zeroed<T>(self) -> Result<bool> {
        Ok(self.bytes(size_of::<T>())?.iter().all(|&b| b == 0))
    }

    fn bytes(&self, len: usize) -> Result<Vec<u8>> {
        self.0
            .with(len, |m, start| Ok(m.bytes[start..start + len].to_vec()))
    }
}

pub struct UserSliceWriter(UserSlice);

impl UserSliceWriter {
    pub fn write<T: AsBytes>(&mut self, value: &T) -> Result {
        // SAFETY: `T` has no padding, so these are all initialized.
        let bytes =
            unsafe { slice::from_raw_parts((value as *const T).cast::<u8>(), size_of::<T>()) };
        self.0.with(bytes.len(), |memory, start| {
            if memory.read_only {
                return Err(EFAULT);
            }
            memory.bytes[start..start + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })
    }
}

fn from_bytes<T: FromBytes>(bytes: &[u8]) -> T {
    assert_eq!(bytes.len(), size_of::<T>());
    let mut out = MaybeUninit::<T>::uninit();
    // SAFETY: `out` has room for as many bytes, and any are a valid `T`.
    unsafe {
        out.as_mut_ptr()
            .cast::<u8>()
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        out.assume_init()
    }
}
