// SPDX-License-Identifier: GPL-2.0

//! The listener's fd: its ioctls and its poll.

use crate::{
    addfd::Fd,
    listener::{
        Listener,
        State, //
    },
    state::{
        Event,
        Reply, //
    },
};
use kernel::{
    bindings,
    fs::{
        anon_inode::{
            AnonInodeFile,
            IoctlFile, //
        },
        file::flags,
        File, //
    },
    ioctl::{
        ioctls,
        In,
        Value,
        ZeroedOut, //
    },
    prelude::*,
    seccomp,
    sync::{
        parked::{
            Sleep,
            Table, //
        },
        poll::{
            PollEvents,
            PollTable, //
        },
        Arc,
        ArcBorrow, //
    }, //
};

#[vtable]
impl AnonInodeFile for Listener {
    type Ptr = Arc<Self>;

    const NAME: &'static CStr = c"seccomp notify";

    fn release(this: Arc<Self>, _file: &File) {
        this.close();
    }

    #[inline]
    fn ioctl(this: ArcBorrow<'_, Self>, file: &IoctlFile, cmd: u32, arg: usize) -> Result<isize> {
        this.ioctl(file, cmd, arg)
    }

    fn poll(this: ArcBorrow<'_, Self>, file: &File, table: PollTable<'_>) -> PollEvents {
        table.register_wait(file, this.pollers());
        this.lock().events()
    }
}

/// What a reader has taken from the queue.
pub(crate) struct Received {
    /// The notification as the supervisor gets it.
    pub(crate) notif: seccomp::Notif,
    /// The number of this delivery, for [`Event::ReceiveFailed`].
    pub(crate) delivery: u32,
}

#[ioctls(magic = bindings::SECCOMP_IOC_MAGIC, unknown = EINVAL)]
impl Listener {
    /// Receives the oldest notification of the queue, and waits for one if there is none.
    #[inline]
    #[ioctl(_IOWR(0) = bindings::SECCOMP_IOCTL_NOTIF_RECV)]
    fn recv(&self, file: &IoctlFile, buf: ZeroedOut<seccomp::Notif>) -> Result<isize> {
        let is_nonblocking = file.flags() & flags::O_NONBLOCK != 0;
        let mut received = None;
        let Received { notif, delivery } = self.receive(&mut received, is_nonblocking)?;

        buf.write(notif).inspect_err(|_| {
            // It may be gone by now.
            let _ = self.step(
                self.lock().as_mut(),
                |table| table.get(notif.id),
                Event::ReceiveFailed(*delivery),
            );
        })?;
        Ok(0)
    }

    /// Answers a notification.
    #[inline]
    #[ioctl(_IOWR(1) = bindings::SECCOMP_IOCTL_NOTIF_SEND)]
    fn send(&self, _file: &IoctlFile, In(resp): In<seccomp::NotifResp>) -> Result<isize> {
        let goes_on = resp.flags & bindings::SECCOMP_USER_NOTIF_FLAG_CONTINUE != 0;

        if resp.flags & !bindings::SECCOMP_USER_NOTIF_FLAG_CONTINUE != 0 {
            return Err(EINVAL);
        }
        if goes_on && (resp.error != 0 || resp.val != 0) {
            return Err(EINVAL);
        }

        let reply = Reply {
            error: resp.error,
            val: resp.val,
            flags: resp.flags,
        };
        self.step(
            self.lock().as_mut(),
            |table| table.get(resp.id),
            Event::Reply(reply),
        )?;
        Ok(0)
    }

    /// Says whether a notification waits for an answer.
    #[ioctl(_IOW(2) = bindings::SECCOMP_IOCTL_NOTIF_ID_VALID,
            also = bindings::SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR)]
    fn id_valid(&self, _file: &IoctlFile, In(id): In<u64>) -> Result<isize> {
        let mut state = self.lock();
        let entry = state.as_mut().project().notifications.get(id);

        match entry.map(|mut entry| entry.value().state.awaits_reply()) {
            Some(true) => Ok(0),
            _ => Err(ENOENT),
        }
    }

    /// Installs an fd of the caller in the target. Returns the number that it gets there.
    #[ioctl(_IOW(3) = bindings::SECCOMP_IOCTL_NOTIF_ADDFD,
            extensible(min = bindings::SECCOMP_NOTIFY_ADDFD_SIZE_VER0 as usize))]
    fn addfd(&self, file: &IoctlFile, In(addfd): In<seccomp::NotifAddfd>) -> Result<isize> {
        let is_numbered = addfd.flags & bindings::SECCOMP_ADDFD_FLAG_SETFD != 0;
        let is_reply = addfd.flags & bindings::SECCOMP_ADDFD_FLAG_SEND != 0;
        let known = bindings::SECCOMP_ADDFD_FLAG_SETFD | bindings::SECCOMP_ADDFD_FLAG_SEND;

        if addfd.newfd_flags & !flags::O_CLOEXEC != 0
            || addfd.flags & !known != 0
            || (addfd.newfd != 0 && !is_numbered)
        {
            return Err(EINVAL);
        }

        let fd = Fd {
            file: file.fget(addfd.srcfd)?,
            number: is_numbered.then_some(addfd.newfd),
            flags: addfd.newfd_flags,
        };
        Ok(self.add_fd(addfd.id, fd, is_reply)? as isize)
    }

    /// Sets `SECCOMP_USER_NOTIF_FD_*` flags.
    #[ioctl(_IOW(4) = bindings::SECCOMP_IOCTL_NOTIF_SET_FLAGS)]
    fn set_flags(&self, _file: &IoctlFile, Value(flags): Value<u64>) -> Result<isize> {
        let sync_wake_up = u64::from(bindings::SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        let fd_signalled = u64::from(bindings::SECCOMP_USER_NOTIF_FD_SIGNALED);

        if flags & !(sync_wake_up | fd_signalled) != 0 {
            return Err(EINVAL);
        }

        let mut state = self.lock();
        let state = state.as_mut().project();

        *state.sync_wake_up = flags & sync_wake_up != 0;
        *state.fd_signalled = flags & fd_signalled != 0;
        Ok(0)
    }
}

impl Listener {
    /// Takes the oldest notification of the queue, and waits for one if there is none, unless
    /// `is_nonblocking`.
    // It is too big to be passed on by value.
    #[inline]
    pub(crate) fn receive<'a>(
        &self,
        received: &'a mut Option<Received>,
        is_nonblocking: bool,
    ) -> Result<&'a Received> {
        let mut state = self.lock();

        if let Some(result) = self.try_receive(state.as_mut(), received, is_nonblocking) {
            drop(state);
            result?;
            return received.as_ref().ok_or(EAGAIN);
        }
        Table::park(
            state,
            |state| state.project().readers,
            (),
            &(),
            |held, ticket| loop {
                if let Some(mut reader) = held.data().project().readers.entry(ticket) {
                    reader.enqueue_first();
                }
                held.sleep(Sleep::Interruptible);
                if let Some(result) = self.try_receive(held.data(), received, is_nonblocking) {
                    return result;
                }
            },
        )?;
        received.as_ref().ok_or(EAGAIN)
    }

    /// Takes the first notification from the queue. Returns nothing if the reader has to wait.
    // Twice in `receive()`, where one of them is all that most calls execute.
    #[inline(always)]
    fn try_receive(
        &self,
        mut state: Pin<&mut State>,
        received: &mut Option<Received>,
        is_nonblocking: bool,
    ) -> Option<Result> {
        let current = current!();
        let is_interrupted = current.signal_pending();

        // A reader that is about to die leaves what it was woken for to the next.
        if is_interrupted && current.fatal_signal_pending() {
            if state.notifications.has_queued() {
                state.wake_reader();
            }
            return Some(Err(ERESTARTSYS));
        }
        if state.notifications.has_queued() && self.take_first(state.as_mut(), received) {
            return Some(Ok(()));
        }
        if !state.is_used() {
            return Some(Err(ENOENT));
        }
        if is_nonblocking {
            return Some(Err(EAGAIN));
        }
        is_interrupted.then_some(Err(ERESTARTSYS))
    }

    /// Takes the first notification from the queue. Returns whether there was one.
    #[inline(never)]
    fn take_first(&self, mut state: Pin<&mut State>, received: &mut Option<Received>) -> bool {
        let Some(mut entry) = state.as_mut().project().notifications.first() else {
            return false;
        };

        *received = Some(Received {
            notif: seccomp::Notif {
                id: entry.assign_id(),
                pid: entry.task().pid_nr_ns(None) as u32,
                flags: entry.value().flags(),
                data: *entry.shared(),
            },
            delivery: entry.value().state.next_delivery(),
        });
        self.step(state, |table| table.first(), Event::Receive)
            .is_ok()
    }
}
