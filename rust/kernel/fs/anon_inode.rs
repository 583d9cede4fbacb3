// SPDX-License-Identifier: GPL-2.0

//! Files without a name, on an anonymous inode.
//!
//! Some kernel objects are given to userspace as an fd that no path leads to: an epoll instance, a
//! seccomp listener. [`AnonInodeFile`] says what such a file does, [`new_file`] makes one, and
//! [`from_file`] knows it again.
//!
//! C header: [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h).
//!
//! # Examples
//!
//! A counter that an ioctl increments.
//!
//! ```
//! use kernel::{
//!     fs::{
//!         anon_inode::{
//!             from_file,
//!             new_file,
//!             operations,
//!             AnonInodeFile,
//!             IoctlFile,
//!             Operations, //
//!         },
//!         file::flags,
//!     },
//!     sync::{
//!         atomic::{
//!             Atomic,
//!             Relaxed, //
//!         },
//!         Arc,
//!         ArcBorrow, //
//!     },
//! };
//!
//! # struct LocalModule;
//! # impl kernel::ModuleMetadata for LocalModule {
//! #     const NAME: &'static CStr = c"anon_inode_doctest";
//! #
//! #     // SAFETY: The tests are built in: there is no `THIS_MODULE`.
//! #     const THIS_MODULE: kernel::ThisModule = unsafe {
//! #         kernel::ThisModule::from_ptr(core::ptr::null_mut())
//! #     };
//! # }
//! struct Counter(Atomic<i32>);
//!
//! #[vtable]
//! impl AnonInodeFile for Counter {
//! #   type OwnerModule = LocalModule;
//!     type Ptr = Arc<Self>;
//!
//!     const NAME: &'static CStr = c"counter";
//!     const OPERATIONS: &'static Operations<Self> = operations!(Counter);
//!
//!     fn ioctl(
//!         this: ArcBorrow<'_, Self>,
//!         _file: &IoctlFile,
//!         _cmd: u32,
//!         _arg: usize,
//!     ) -> Result<isize> {
//!         Ok(this.0.fetch_add(1, Relaxed) as isize)
//!     }
//! }
//!
//! let counter = Arc::new(Counter(Atomic::new(0)), GFP_KERNEL)?;
//! let file = new_file::<Counter>(counter, flags::O_RDWR)?;
//! // An fd for userspace: `FileDescriptorReservation::fd_install(file)`.
//!
//! // When userspace names it in another call, the counter is found again.
//! assert!(from_file::<Counter>(&file).is_some());
//!
//! // Files of another type are not taken for it, even if all of their code is the same.
//! struct Other(#[expect(dead_code)] Atomic<i32>);
//!
//! #[vtable]
//! impl AnonInodeFile for Other {
//! #   type OwnerModule = LocalModule;
//!     type Ptr = Arc<Self>;
//!
//!     const NAME: &'static CStr = c"other";
//!     const OPERATIONS: &'static Operations<Self> = operations!(Other);
//! }
//!
//! assert!(from_file::<Other>(&file).is_none());
//! # Ok::<(), Error>(())
//! ```

use crate::{
    bindings,
    error::{
        from_err_ptr,
        VTABLE_DEFAULT_ERROR, //
    },
    fs::{
        file::BadFdError,
        File,
        LocalFile, //
    },
    module::this_module,
    prelude::*,
    seq_file::SeqFile,
    sync::{
        aref::ARef,
        poll::{
            PollCondVar,
            PollEvents,
            PollTable, //
        },
    },
    types::{
        ForeignOwnable,
        NotThreadSafe, //
    }, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};

/// What a file on an anonymous inode does.
#[vtable]
pub trait AnonInodeFile: Sized + 'static {
    /// The pointer that a file holds, its private data.
    type Ptr: ForeignOwnable + Send + Sync + 'static;

    /// The name of this class of files, as `/proc/PID/fd` shows it.
    const NAME: &'static CStr;

    /// The C side's table of what such a file does, as [`operations!`] writes it.
    const OPERATIONS: &'static Operations<Self>;

    /// Called when the last reference to the file is gone.
    ///
    /// It runs in process context and may sleep. No other handler of this file runs then, nor will
    /// any: what the other handlers wait for need not be cut short here. There is no file
    /// to be passed on: its reference count is zero.
    fn release(this: Self::Ptr) {
        drop(this);
    }

    /// Handler for ioctls.
    ///
    /// It may sleep, and copy from and to userspace. `#[ioctls]` of [`kernel::ioctl`] writes the
    /// dispatch.
    ///
    /// [`kernel::ioctl`]: mod@crate::ioctl
    fn ioctl(
        _this: <Self::Ptr as ForeignOwnable>::Borrowed<'_>,
        _file: &IoctlFile,
        _cmd: u32,
        _arg: usize,
    ) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Handler for ioctls of 32-bit userspace on 64-bit platforms.
    ///
    /// It is needed only for structures whose layout differs there. Without it,
    /// [`ioctl`](Self::ioctl) is called.
    #[cfg(CONFIG_COMPAT)]
    fn compat_ioctl(
        _this: <Self::Ptr as ForeignOwnable>::Borrowed<'_>,
        _file: &IoctlFile,
        _cmd: u32,
        _arg: usize,
    ) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Handler for `poll`, `select` and `epoll`: what the file is ready for now.
    ///
    /// Whoever polls is registered with [`pollers`](Self::pollers) by then: what changes after
    /// this has looked has to be told there. It should not sleep longer than for a lock.
    fn poll(_this: <Self::Ptr as ForeignOwnable>::Borrowed<'_>, _file: &File) -> PollEvents {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Where those who poll the file wait. It is needed for [`poll`](Self::poll).
    // The bound is one of words: it has `'a` be a parameter that the implementation can match.
    fn pollers<'a>(_this: <Self::Ptr as ForeignOwnable>::Borrowed<'a>) -> &'a PollCondVar
    where
        Self: 'a,
    {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Handler for `/proc/PID/fdinfo/FD`: writes what is to be read there to `seq`, lines of a key,
    /// a colon, a tab and values.
    ///
    /// It may sleep. It is called again if there is not enough room for what it writes.
    fn show_fdinfo(
        _this: <Self::Ptr as ForeignOwnable>::Borrowed<'_>,
        _seq: &SeqFile,
        _file: &File,
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Creates a file that owns `this`.
///
/// `flags` are the file's status flags: an access mode, and `O_NONBLOCK` perhaps.
///
/// It may sleep.
///
/// # Errors
///
/// `this` is dropped, and it is [`ENOENT`] if the module that defines `T` is being unloaded,
/// [`ENFILE`] if the system has as many files as it may have, [`ENOMEM`] if there is no memory.
#[doc(alias = "anon_inode_getfile")]
pub fn new_file<T: AnonInodeFile>(this: T::Ptr, flags: u32) -> Result<ARef<File>> {
    let this = this.into_foreign();

    // SAFETY: Name and operations live as long as the code that defines `T`, whose module the file
    // holds through `owner`. The operations expect as private data what `into_foreign()` of this
    // type returned, and own it if this succeeds.
    let file = from_err_ptr(unsafe {
        bindings::anon_inode_getfile(
            T::NAME.as_char_ptr(),
            &T::OPERATIONS.0,
            this,
            flags as c_int,
        )
    })
    .inspect_err(|_| {
        // SAFETY: `into_foreign()` returned the pointer above, and no file has it.
        drop(unsafe { T::Ptr::from_foreign(this) })
    })?;

    // SAFETY: The file is new, so that nobody but us has its reference, and no thread is in
    // `fdget_pos()`.
    Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) })
}

/// What `file` holds, if [`new_file`] made it for `T`.
#[inline]
pub fn from_file<T: AnonInodeFile>(
    file: &LocalFile,
) -> Option<<T::Ptr as ForeignOwnable>::Borrowed<'_>> {
    let file = file.as_ptr();

    // SAFETY: There is a reference to the file. The operations of some are replaced while they are
    // open, as by `__tty_hangup()`, hence the volatile read; those of our files never are.
    let operations = unsafe { (&raw const (*file).f_op).read_volatile() };

    if !ptr::eq(operations, &T::OPERATIONS.0) {
        return None;
    }
    // SAFETY: By the type invariants of `Operations`, this table is that of `T` alone, and only
    // `new_file()` gives it to a file. There is a reference to the file for the lifetime of what is
    // returned.
    Some(unsafe { Operations::<T>::borrow(file) })
}

/// The file on which an ioctl was called, in the handler of that ioctl.
///
/// # Invariants
///
/// It exists only while the current thread is in the ioctl handler of a file, in the system call
/// ioctl(2). So its task has memory and an fd table, and no use of a file position ([`File`] tells
/// of `fdget_pos()`) is active in that thread.
#[repr(transparent)]
pub struct IoctlFile(File, NotThreadSafe);

impl IoctlFile {
    /// # Safety
    ///
    /// `file` must be a file that [`new_file`] made, and be valid for `'a`, during which the
    /// current thread must be in its ioctl handler, in the system call ioctl(2).
    unsafe fn from_raw<'a>(file: *mut bindings::file) -> &'a Self {
        // INVARIANT: The caller promises that this is ioctl(2). The task has come from user mode,
        // thus it has memory; it has found the file in its fd table, by `fdget()` and not by
        // `fdget_pos()`.
        // SAFETY: The file is valid by the safety requirements, and `new_file()` gives it no
        // operation that uses a position, for which `fdget_pos()` matters. `Self` has the layout
        // of `File`, which has that of `struct file`.
        unsafe { &*file.cast() }
    }

    /// Takes a reference to the file that has the number `fd` in the current thread's fd table.
    ///
    /// It fails if there is none, or if it is of `O_PATH`. It does not sleep. Nor does dropping the
    /// reference: if that is the last, the file is released when the system call returns.
    #[inline]
    pub fn fget(&self, fd: u32) -> Result<ARef<File>, BadFdError> {
        let file = LocalFile::fget(fd)?;

        // SAFETY: By the type invariants, this thread has no active call of `fdget_pos()`.
        Ok(unsafe { LocalFile::assume_no_fdget_pos(file) })
    }
}

impl Deref for IoctlFile {
    type Target = File;

    #[inline]
    fn deref(&self) -> &File {
        &self.0
    }
}

/// The C side's table of what files of type `T` do.
///
/// # Invariants
///
/// It is a `static`: no table of another type has its address, even if the contents are the same.
#[repr(transparent)]
// `T` is invariant: with a subtype of `T`, which is another type, the table would be another's.
pub struct Operations<T: AnonInodeFile>(bindings::file_operations, PhantomData<fn(T) -> T>);

// SAFETY: The table is only read, and what it points to, functions and the module that owns them,
// may be used by any thread.
unsafe impl<T: AnonInodeFile> Sync for Operations<T> {}

/// Defines the [`Operations`](anon_inode::Operations) of files of a type, once for each type, in
/// its [`OPERATIONS`](anon_inode::AnonInodeFile::OPERATIONS).
#[macro_export]
#[doc(hidden)]
macro_rules! anon_inode_operations {
    ($type:ty) => {{
        // SAFETY: This is the initial value of a `static`.
        static OPERATIONS: $crate::fs::anon_inode::Operations<$type> =
            unsafe { $crate::fs::anon_inode::Operations::new() };

        &OPERATIONS
    }};
}
pub use anon_inode_operations as operations;

impl<T: AnonInodeFile> Operations<T> {
    /// # Safety
    ///
    /// It may only be the initial value of a `static`.
    #[doc(hidden)]
    pub const unsafe fn new() -> Self {
        // INVARIANT: The caller promises that this becomes a `static`.
        Self(Self::VTABLE, PhantomData)
    }

    const VTABLE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        release: Some(Self::release),
        unlocked_ioctl: if T::HAS_IOCTL {
            Some(Self::ioctl)
        } else {
            None
        },
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: if T::HAS_COMPAT_IOCTL {
            Some(Self::compat_ioctl)
        } else if T::HAS_IOCTL {
            bindings::compat_ptr_ioctl
        } else {
            None
        },
        poll: if T::HAS_POLL { Some(Self::poll) } else { None },
        show_fdinfo: if T::HAS_SHOW_FDINFO {
            Some(Self::show_fdinfo)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` must be a file that [`new_file`] made for `T`, and not have been released for `'a`.
    #[inline]
    unsafe fn borrow<'a>(file: *mut bindings::file) -> <T::Ptr as ForeignOwnable>::Borrowed<'a> {
        // SAFETY: The private data is what `into_foreign()` returned in `new_file()`, and only
        // `release()` takes it back.
        unsafe { T::Ptr::borrow((*file).private_data) }
    }

    /// # Safety
    ///
    /// `file` must be a file that [`new_file`] made for `T`, undergoing release.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The private data is what `into_foreign()` returned in `new_file()`. The file is
        // released once, and its other operations are over by then.
        let this = unsafe { T::Ptr::from_foreign((*file).private_data) };

        T::release(this);
        0
    }

    /// # Safety
    ///
    /// `file` must be a file that [`new_file`] made for `T`, in an ioctl(2) of the current thread.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: The caller has a reference to the file during this call, which is its ioctl(2).
        let (this, file) = unsafe { (Self::borrow(file), IoctlFile::from_raw(file)) };

        T::ioctl(this, file, cmd, arg).unwrap_or_else(|err| err.to_errno() as isize) as c_long
    }

    /// # Safety
    ///
    /// `file` must be a file that [`new_file`] made for `T`, in an ioctl(2) of the current thread.
    #[cfg(CONFIG_COMPAT)]
    unsafe extern "C" fn compat_ioctl(
        file: *mut bindings::file,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        // SAFETY: The caller has a reference to the file during this call, which is its ioctl(2).
        let (this, file) = unsafe { (Self::borrow(file), IoctlFile::from_raw(file)) };

        T::compat_ioctl(this, file, cmd, arg).unwrap_or_else(|err| err.to_errno() as isize)
            as c_long
    }

    /// # Safety
    ///
    /// `file` must be a file that [`new_file`] made for `T`, and `table` null or valid.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: The caller has a reference to the file during this call. Who waits at what
        // `pollers()` returns leaves before the file is released: who sleeps in poll(2) or
        // select(2) has a reference to the file, and an epoll instance forgets it first. Until
        // then, that is there: `pollers()` returns it for any time for which the pointer is
        // borrowed, and thus for as long as the file has that. What `PollCondVar` tells when it is
        // dropped would be heard by epoll and its like, but neither by poll(2) nor by select(2).
        let (this, pollers) = unsafe { (Self::borrow(file), T::pollers(Self::borrow(file))) };
        // SAFETY: As above. `new_file()` gives the file no operation that uses a position, for
        // which `fdget_pos()` matters. `table` is as `PollTable` demands.
        let (file, table) = unsafe { (File::from_raw_file(file), PollTable::from_raw(table)) };

        table.register_wait(file, pollers);
        T::poll(this, file).bits()
    }

    /// # Safety
    ///
    /// `file` must be a file that [`new_file`] made for `T`, and `seq` valid, with nobody else to
    /// access it.
    unsafe extern "C" fn show_fdinfo(seq: *mut bindings::seq_file, file: *mut bindings::file) {
        // SAFETY: The caller has a reference to the file during this call. `new_file()` gives it no
        // operation that uses a position, for which `fdget_pos()` matters. `seq` is as `SeqFile`
        // demands.
        let (this, file, seq) = unsafe {
            (
                Self::borrow(file),
                File::from_raw_file(file),
                SeqFile::from_raw(seq),
            )
        };

        T::show_fdinfo(this, seq, file);
    }
}
