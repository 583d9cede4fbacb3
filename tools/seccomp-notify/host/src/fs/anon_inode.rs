// SPDX-License-Identifier: GPL-2.0

//! Files without a name.

use crate::{
    blocking,
    fs::{
        file::{File, What},
        FdTable,
    },
    prelude::*,
    seq_file::SeqFile,
    sync::{
        aref::ARef,
        poll::{PollCondVar, PollEvents, PollTable},
        Arc, ArcBorrow,
    },
};
use core::{marker::PhantomData, ops::Deref};

/// What such a file does. The pointer that it has is always an [`Arc`].
pub trait AnonInodeFile: Sized + 'static {
    type Ptr;

    const NAME: &'static CStr;
    const OPERATIONS: &'static Operations<Self>;

    fn release(this: Arc<Self>);
    fn ioctl(this: ArcBorrow<'_, Self>, file: &IoctlFile, cmd: u32, arg: usize) -> Result<isize>;
    fn poll(this: ArcBorrow<'_, Self>, file: &File) -> PollEvents;
    fn pollers<'a>(this: ArcBorrow<'a, Self>) -> &'a PollCondVar
    where
        Self: 'a;
    fn show_fdinfo(this: ArcBorrow<'_, Self>, seq: &SeqFile, file: &File);
}

/// What poll does with such a file.
pub fn poll<T: AnonInodeFile>(this: &Arc<T>, file: &File, table: PollTable<'_>) -> PollEvents {
    table.register_wait(file, T::pollers(this.as_arc_borrow()));
    T::poll(this.as_arc_borrow(), file)
}

/// C's table of what such a file does, of which the host has no use.
pub struct Operations<T>(PhantomData<fn(T) -> T>);

impl<T: 'static> Operations<T> {
    #[doc(hidden)]
    pub const NONE: &'static Self = &Self(PhantomData);
}

#[macro_export]
macro_rules! anon_inode_operations {
    ($type:ty) => {
        $crate::fs::anon_inode::Operations::<$type>::NONE
    };
}
pub use anon_inode_operations as operations;

/// The file on which the current task has called an ioctl.
pub struct IoctlFile(ARef<File>);

impl IoctlFile {
    /// A file that was opened with these flags.
    pub fn new(flags: u32) -> Self {
        Self(File::new(What::Itself(flags)))
    }

    pub fn fget(&self, fd: u32) -> Result<ARef<File>> {
        let task = current!();
        let fds: &FdTable = &blocking::lock(&task.fds);

        fds.get(fd).ok_or(EBADF)
    }
}

impl Deref for IoctlFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}
