// SPDX-License-Identifier: GPL-2.0

//! Files on anonymous inodes, their ioctls, and tasks that wait in them.
//!
//! An ioctl on `/dev/rust-anon-inode` returns an fd for a new *mailbox*. Whoever puts a number into
//! a mailbox waits until somebody takes it, and gets that one's answer: a rendezvous, with nothing
//! allocated for it. `poll` tells whether there is a number to take.
//!
//! In C, on an fd `dev` of the device:
//!
//! ```c
//! #define NEW  _IO('|', 0xc0)
//! #define PUT  _IOW('|', 0xc1, __u64)
//! #define TAKE _IOWR('|', 0xc2, __u64)
//!
//! int box = ioctl(dev, NEW);
//! __u64 number = 21, zero = 0;
//!
//! ioctl(box, PUT, &number); /* waits; returns how many were taken before */
//! ioctl(box, TAKE, &zero);   /* in another thread; or fails with EAGAIN */
//! ```

use kernel::{
    fs::{
        anon_inode::{
            new_file,
            operations,
            AnonInodeFile,
            IoctlFile,
            Operations, //
        },
        file::{
            flags,
            FileDescriptorReservation, //
        },
        File, //
    },
    ioctl::{
        ioctls,
        In,
        ZeroedOut,
        _IO,
        _IOW,
        _IOWR, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
    sync::{
        new_mutex,
        poll::{
            PollCondVar,
            PollCondVarBox,
            PollEvents, //
        },
        static_lock_class,
        waiter::{
            Sleep,
            WaiterList, //
        },
        Arc,
        ArcBorrow,
        Mutex, //
    }, //
};

const MAGIC: u32 = b'|' as u32;

// A real interface has these in a header under `include/uapi/`.
const NEW: u32 = _IO(MAGIC, 0xc0);
const PUT: u32 = _IOW::<u64>(MAGIC, 0xc1);
const TAKE: u32 = _IOWR::<u64>(MAGIC, 0xc2);

module! {
    type: RustAnonInodeModule,
    name: "rust_anon_inode",
    authors: ["Rust for Linux Contributors"],
    description: "Rust sample of files on anonymous inodes",
    license: "GPL",
}

#[pin_data]
struct RustAnonInodeModule {
    #[pin]
    _device: MiscDeviceRegistration<Device>,
}

impl kernel::InPlaceModule for RustAnonInodeModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _device <- MiscDeviceRegistration::register(MiscDeviceOptions {
                name: c"rust-anon-inode",
            }),
        })
    }
}

/// `/dev/rust-anon-inode`, where mailboxes come from.
struct Device;

#[vtable]
impl MiscDevice for Device {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        Ok(KBox::new(Self, GFP_KERNEL)?)
    }

    fn ioctl(this: &Self, file: &File, cmd: u32, arg: usize) -> Result<isize> {
        this.ioctl(file, cmd, arg)
    }
}

#[ioctls(magic = MAGIC)]
impl Device {
    /// Returns an fd for a new mailbox.
    #[ioctl(_IO(0xc0) = NEW)]
    fn create(&self, _file: &File) -> Result<isize> {
        let fd = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
        let number = fd.reserved_fd();

        fd.fd_install(new_file::<Mailbox>(Mailbox::new()?, flags::O_RDWR)?);
        Ok(number as isize)
    }
}

/// A mailbox.
#[pin_data]
struct Mailbox {
    #[pin]
    inner: Mutex<Inner>,
    pollers: PollCondVarBox,
}

/// What the lock of a mailbox protects.
#[pin_data]
struct Inner {
    /// Those who wait for their number to be taken.
    #[pin]
    letters: WaiterList<Letter>,
    taken: u64,
}

/// A number in a mailbox.
struct Letter {
    number: u64,
    /// How many were taken before it, once it was taken.
    answer: Option<u64>,
}

impl Mailbox {
    fn new() -> Result<Arc<Self>> {
        let pollers = PollCondVarBox::new(c"rust_anon_inode", static_lock_class!())?;

        Arc::pin_init(
            pin_init!(Self {
                inner <- new_mutex!(pin_init!(Inner {
                    letters <- WaiterList::new(),
                    taken: 0,
                })),
                pollers,
            }),
            GFP_KERNEL,
        )
    }
}

#[vtable]
impl AnonInodeFile for Mailbox {
    type Ptr = Arc<Self>;

    const NAME: &'static CStr = c"rust-anon-inode";
    const OPERATIONS: &'static Operations<Self> = operations!(Mailbox);

    fn ioctl(this: ArcBorrow<'_, Self>, file: &IoctlFile, cmd: u32, arg: usize) -> Result<isize> {
        this.ioctl(file, cmd, arg)
    }

    fn poll(this: ArcBorrow<'_, Self>, _file: &File) -> PollEvents {
        if this.inner.lock().letters.has_queued() {
            PollEvents::IN
        } else {
            PollEvents::NONE
        }
    }

    fn pollers<'a>(this: ArcBorrow<'a, Self>) -> &'a PollCondVar
    where
        Self: 'a,
    {
        &ArcBorrow::get_ref(this).pollers
    }
}

#[ioctls(magic = MAGIC)]
impl Mailbox {
    /// Puts a number into the mailbox, and waits until it is taken.
    #[ioctl(_IOW(0xc1) = PUT)]
    fn put(&self, _file: &IoctlFile, In(number): In<u64>) -> Result<isize> {
        let letter = Letter {
            number,
            answer: None,
        };

        WaiterList::wait(
            self.inner.lock(),
            |inner| inner.project().letters,
            letter,
            &(),
            |held, ticket| {
                if let Some(mut letter) = held.data().project().letters.own(ticket) {
                    letter.enqueue_last();
                }

                loop {
                    let mut letter = held.data().project().letters.own(ticket).ok_or(EIO)?;

                    if let Some(answer) = letter.value().answer {
                        return Ok(answer as isize);
                    }
                    if current!().signal_pending() {
                        return Err(ERESTARTSYS);
                    }
                    held.sleep(ticket, Sleep::Interruptible, || {
                        if self.pollers.has_waiters() {
                            self.pollers.notify_poll(PollEvents::IN);
                        }
                        true
                    });
                }
            },
        )
    }

    /// Takes the number that has waited longest.
    #[ioctl(_IOWR(0xc2) = TAKE)]
    fn take(&self, _file: &IoctlFile, to: ZeroedOut<u64>) -> Result<isize> {
        let mut wakeup = {
            let mut inner = self.inner.lock();
            let inner = inner.as_mut().project();
            let mut letter = inner.letters.first().ok_or(EAGAIN)?;

            // The lock is a mutex, under which this may sleep. If it fails, nothing is taken. It is
            // for what is as small as this: who waits for the lock is not to be killed meanwhile.
            to.write(&letter.value().number)?;
            letter.dequeue();
            letter.value().answer = Some(*inner.taken);
            *inner.taken += 1;
            letter.end_sleep()
        };

        // The lock is released: whoever is woken takes it.
        wakeup.wake();
        Ok(0)
    }
}
