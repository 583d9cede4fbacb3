// SPDX-License-Identifier: GPL-2.0

//! Userspace memory: of each task its own, a run of bytes that starts at [`START`].

use crate::{
    blocking,
    prelude::*,
    task::Task,
    transmute::{AsBytes, FromBytes},
};
use std::{mem::MaybeUninit, ops::Range, slice};

/// The address of the first byte of userspace memory.
pub const START: usize = 0x10000;

#[derive(Default)]
pub struct Memory {
    bytes: Vec<u8>,
    read_only: bool,
}

impl Memory {
    /// Where `len` bytes at `address` lie, if all of them are there.
    fn range(&self, address: usize, len: usize) -> Result<Range<usize>> {
        let start = address.checked_sub(START).ok_or(EFAULT)?;
        let end = start.checked_add(len).ok_or(EFAULT)?;

        if end > self.bytes.len() {
            return Err(EFAULT);
        }
        Ok(start..end)
    }

    fn read(&self, address: usize, len: usize) -> Result<Vec<u8>> {
        Ok(self.bytes[self.range(address, len)?].to_vec())
    }

    fn write(&mut self, address: usize, bytes: &[u8]) -> Result {
        let range = self.range(address, bytes.len())?;

        if self.read_only {
            return Err(EFAULT);
        }
        self.bytes[range].copy_from_slice(bytes);
        Ok(())
    }
}

impl Task {
    /// Makes `bytes` all there is of the task's memory.
    pub fn set_memory(&self, bytes: &[u8]) {
        *blocking::lock(&self.memory) = Memory {
            bytes: bytes.to_vec(),
            read_only: false,
        };
    }

    /// Makes the task's memory read-only.
    pub fn protect_memory(&self) {
        blocking::lock(&self.memory).read_only = true;
    }

    /// The task's memory as it is now.
    pub fn memory(&self) -> Vec<u8> {
        blocking::lock(&self.memory).bytes.clone()
    }

    pub(crate) fn read_memory(&self, address: usize, len: usize) -> Result<Vec<u8>> {
        blocking::lock(&self.memory).read(address, len)
    }

    pub(crate) fn write_memory(&self, address: usize, bytes: &[u8]) -> Result {
        blocking::lock(&self.memory).write(address, bytes)
    }
}

/// Makes `bytes` all there is of the current task's memory.
pub fn set_memory(bytes: &[u8]) {
    current!().set_memory(bytes);
}

/// Makes the current task's memory read-only.
pub fn protect_memory() {
    current!().protect_memory();
}

/// Returns the current task's memory as it is now.
pub fn memory() -> Vec<u8> {
    current!().memory()
}

#[derive(Clone, Copy)]
pub struct UserPtr(usize);

impl UserPtr {
    pub fn from_addr(addr: usize) -> Self {
        Self(addr)
    }

    pub(crate) fn addr(self) -> usize {
        self.0
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
        if len > self.0.length {
            return Err(EFAULT);
        }
        current!().read_memory(self.0.ptr.0, len)
    }
}

pub struct UserSliceWriter(UserSlice);

impl UserSliceWriter {
    pub fn write<T: AsBytes>(&mut self, value: &T) -> Result {
        let bytes = bytes_of(value);

        if bytes.len() > self.0.length {
            return Err(EFAULT);
        }
        current!().write_memory(self.0.ptr.0, bytes)
    }
}

/// The bytes of a value.
pub fn bytes_of<T: AsBytes>(value: &T) -> &[u8] {
    // SAFETY: `T` has no padding, so these are all initialised.
    unsafe { slice::from_raw_parts((value as *const T).cast::<u8>(), size_of::<T>()) }
}

/// The value that has these bytes.
pub fn from_bytes<T: FromBytes>(bytes: &[u8]) -> T {
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
