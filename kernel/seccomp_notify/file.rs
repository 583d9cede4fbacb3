// SPDX-License-Identifier: GPL-2.0

//! The listener's fd: its ioctls, whose arguments it checks, its poll and its fdinfo.

use crate::{
    listener::{
        Inner,
        Listener, //
    },
    notification::Fd,
    state::Reply,
    supervisor::{
        self,
        Outline, //
    }, //
};
use core::mem::{
    self,
    offset_of, //
};
use kernel::{
    bindings,
    fs::{
        anon_inode::{
            operations,
            AnonInodeFile,
            IoctlFile,
            Operations, //
        },
        file::flags,
        pidfd::{
            Pidfd,
            PidfdOf, //
        },
        File, //
    },
    ioctl::{
        ioctls,
        In,
        Out,
        Parts,
        Value,
        ZeroedOut, //
    },
    mm::process_vm::{
        self,
        Direction, //
    },
    prelude::*,
    seccomp,
    seq_file::{
        seq_print,
        SeqFile, //
    },
    sizes::SZ_1M,
    sync::{
        poll::{
            PollCondVar,
            PollEvents, //
        },
        waiter::OLDEST,
        Arc,
        ArcBorrow, //
    },
    uaccess::UserPtr, //
};

#[vtable]
impl AnonInodeFile for Listener {
    type Ptr = Arc<Self>;

    const NAME: &'static CStr = c"seccomp notify";
    const OPERATIONS: &'static Operations<Self> = operations!(Listener);

    fn release(this: Arc<Self>) {
        this.close();
    }

    #[inline]
    fn ioctl(this: ArcBorrow<'_, Self>, file: &IoctlFile, cmd: u32, arg: usize) -> Result<isize> {
        this.ioctl(file, cmd, arg)
    }

    fn poll(this: ArcBorrow<'_, Self>, _file: &File) -> PollEvents {
        this.lock().events()
    }

    fn pollers<'a>(this: ArcBorrow<'a, Self>) -> &'a PollCondVar
    where
        Self: 'a,
    {
        ArcBorrow::get_ref(this).pollers()
    }

    fn show_fdinfo(this: ArcBorrow<'_, Self>, seq: &SeqFile, _file: &File) {
        let mut ids = [0; OLDEST];
        let (is_used, flags, counts, readers, oldest) = {
            let mut inner = this.lock();
            let oldest = inner.as_mut().project().notifications.oldest_ids(&mut ids);

            (
                inner.is_used(),
                flags_of(&inner),
                inner.counts(),
                inner.readers.queued(),
                &ids[..oldest],
            )
        };

        seq_print!(seq, "used:\t{}\n", u32::from(is_used));
        seq_print!(seq, "notif-flags:\t{flags:#x}\n");
        seq_print!(seq, "queued:\t{}\n", counts.queued);
        seq_print!(seq, "delivered:\t{}\n", counts.delivered);
        seq_print!(seq, "requeued:\t{}\n", counts.requeued);
        seq_print!(seq, "readers:\t{readers}\n");
        for &id in oldest {
            // It may be gone by now.
            if let Some(Outline {
                pid,
                arch,
                nr,
                state,
                age,
            }) = supervisor::outline(&this, id)
            {
                seq_print!(
                    seq,
                    "notif:\tid:{id} pid:{pid} arch:{arch:#x} nr:{nr} state:{state} age:{age}\n"
                );
            }
        }
    }
}

#[ioctls(magic = bindings::SECCOMP_IOC_MAGIC, unknown = EINVAL)]
impl Listener {
    /// Receives the oldest notification of the queue, and waits for one if there is none.
    #[inline]
    #[ioctl(_IOWR(0) = bindings::SECCOMP_IOCTL_NOTIF_RECV)]
    fn recv(&self, file: &IoctlFile, buf: ZeroedOut<seccomp::Notif>) -> Result<isize> {
        let is_nonblocking = file.flags() & flags::O_NONBLOCK != 0;
        let mut received = None;
        let received = supervisor::receive(self, &mut received, is_nonblocking)?;

        buf.write(&received.notif)
            .inspect_err(|_| supervisor::give_back(self, received))?;
        Ok(0)
    }

    /// Answers a notification.
    #[inline]
    #[ioctl(_IOWR(1) = bindings::SECCOMP_IOCTL_NOTIF_SEND)]
    fn send(&self, _file: &IoctlFile, In(resp): In<seccomp::NotifResp>) -> Result<isize> {
        supervisor::reply(self, resp.id, reply_of(&resp)?)?;
        Ok(0)
    }

    /// Says whether a notification waits for an answer.
    #[ioctl(_IOW(2) = bindings::SECCOMP_IOCTL_NOTIF_ID_VALID,
            also = bindings::SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR)]
    fn id_valid(&self, _file: &IoctlFile, In(id): In<u64>) -> Result<isize> {
        if !supervisor::awaits_reply(self, id) {
            return Err(ENOENT);
        }
        Ok(0)
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
        Ok(supervisor::add_fd(self, addfd.id, fd, is_reply)? as isize)
    }

    /// Sets `SECCOMP_USER_NOTIF_FD_*` flags.
    #[ioctl(_IOW(4) = bindings::SECCOMP_IOCTL_NOTIF_SET_FLAGS)]
    fn set_flags(&self, _file: &IoctlFile, Value(flags): Value<u64>) -> Result<isize> {
        let sync_wake_up = u64::from(bindings::SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        let fd_signalled = u64::from(bindings::SECCOMP_USER_NOTIF_FD_SIGNALED);

        if flags & !(sync_wake_up | fd_signalled) != 0 {
            return Err(EINVAL);
        }

        let was_set = {
            let mut inner = self.lock();
            let inner = inner.as_mut().project();

            *inner.sync_wake_up = flags & sync_wake_up != 0;
            mem::replace(inner.fd_signalled, flags & fd_signalled != 0)
        };
        if !was_set && flags & fd_signalled != 0 {
            supervisor::tell_of_ignored_signals(self);
        }
        Ok(0)
    }

    /// Answers a notification, if asked to, and receives the next.
    // RECV and SEND are better off without it in the same function.
    #[inline(never)]
    #[ioctl(_IOWR(5) = bindings::SECCOMP_IOCTL_NOTIF_SEND_RECV)]
    fn send_recv(
        &self,
        file: &IoctlFile,
        arg: Parts<bindings::seccomp_notif_send_recv>,
    ) -> Result<isize> {
        const SEND: u32 = bindings::SECCOMP_NOTIF_SEND_RECV_SEND;
        const GONE: u32 = bindings::SECCOMP_NOTIF_SEND_RECV_GONE;

        let In(args) = arg.part::<In<seccomp::SendRecvArgs>, 0>()?;
        let buf = arg.part::<ZeroedOut<seccomp::Notif>, { seccomp::SendRecvArgs::SIZE }>()?;
        let set_flags = |flags| {
            arg.part::<Out<u32>, { offset_of!(seccomp::SendRecvArgs, flags) }>()?
                .write(&flags)
        };

        if args.flags & !(SEND | GONE) != 0 || args.reserved != 0 {
            return Err(EINVAL);
        }

        let is_nonblocking = file.flags() & flags::O_NONBLOCK != 0;
        let mut answer = None;
        if args.flags & SEND != 0 {
            answer = Some((args.resp.id, reply_of(&args.resp)?));
            // The answer and the sleep are one hold of the lock, under which nothing can be written
            // to userspace. So this comes first, and is undone if there is no answer. What of it
            // could be written can be written again.
            set_flags(0).inspect_err(|_| {
                let _ = set_flags(args.flags);
            })?;
        }

        let mut received = None;
        let received = loop {
            match supervisor::reply_and_receive(self, answer, &mut received, is_nonblocking) {
                Ok(received) => break received?,
                Err(ENOENT) => {
                    set_flags(GONE)?;
                    answer = None;
                }
                Err(err) => {
                    // Whoever has made the memory read-only meanwhile is told by the error.
                    let _ = set_flags(args.flags);
                    return Err(err);
                }
            }
        };

        buf.write(&received.notif)
            .inspect_err(|_| supervisor::give_back(self, received))?;
        Ok(0)
    }

    /// Gives the caller a pidfd of a notification's target. Returns its number.
    #[ioctl(_IOW(6) = bindings::SECCOMP_IOCTL_NOTIF_PIDFD)]
    fn pidfd(&self, file: &IoctlFile, In(args): In<seccomp::NotifPidfd>) -> Result<isize> {
        let of = match args.flags {
            0 => PidfdOf::Thread,
            bindings::SECCOMP_NOTIF_PIDFD_PROCESS => PidfdOf::Process,
            _ => return Err(EINVAL),
        };

        if args.reserved != 0 {
            return Err(EINVAL);
        }

        let target = supervisor::target_of(self, args.id).ok_or(ENOENT)?;
        let pidfd = Pidfd::new(&target, of, file);

        // As long as it waits, nobody else can have got its pid in an exec.
        if !supervisor::awaits_reply(self, args.id) {
            return Err(ENOENT);
        }
        Ok(pidfd?.install() as isize)
    }

    /// Copies from or to the memory of a notification's target, which is held meanwhile. Returns
    /// how many bytes.
    #[ioctl(_IOWR(7) = bindings::SECCOMP_IOCTL_NOTIF_MEM)]
    fn mem(&self, file: &IoctlFile, In(args): In<seccomp::NotifMem>) -> Result<isize> {
        let direction = match args.flags {
            0 => Direction::Read,
            bindings::SECCOMP_NOTIF_MEM_WRITE => Direction::Write,
            _ => return Err(EINVAL),
        };

        if args.reserved != 0 {
            return Err(EINVAL);
        }

        // The target is held for no longer than this takes.
        let len = args.len.min(SZ_1M as u64) as usize;
        let addr = usize::try_from(args.addr).map_err(|_| EFAULT)?;
        let buf = UserPtr::from_addr(usize::try_from(args.buf).map_err(|_| EFAULT)?);
        let copied = supervisor::hold_target(self, args.id, |target| {
            process_vm::copy(target, addr, buf, len, direction, file)
        })?;

        Ok(copied as isize)
    }

    /// Has notifications be received once more. Returns how many.
    #[ioctl(_IOW(8) = bindings::SECCOMP_IOCTL_NOTIF_REQUEUE)]
    fn requeue(&self, _file: &IoctlFile, In(args): In<seccomp::NotifRequeue>) -> Result<isize> {
        if args.reserved != 0 {
            return Err(EINVAL);
        }
        match (args.flags, args.id) {
            (0, id) => supervisor::requeue(self, id).map(|()| 1),
            (bindings::SECCOMP_NOTIF_REQUEUE_ALL, 0) => Ok(supervisor::requeue_all(self) as isize),
            _ => Err(EINVAL),
        }
    }
}

/// `SECCOMP_USER_NOTIF_FD_*` as they are set.
fn flags_of(inner: &Inner) -> u32 {
    let mut flags = 0;

    if inner.sync_wake_up {
        flags |= bindings::SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
    }
    if inner.fd_signalled {
        flags |= bindings::SECCOMP_USER_NOTIF_FD_SIGNALED;
    }
    flags
}

/// The answer that userspace gives, if it is valid.
#[inline]
fn reply_of(resp: &seccomp::NotifResp) -> Result<Reply> {
    let is_continue = resp.flags & bindings::SECCOMP_USER_NOTIF_FLAG_CONTINUE != 0;

    if resp.flags & !bindings::SECCOMP_USER_NOTIF_FLAG_CONTINUE != 0 {
        return Err(EINVAL);
    }
    if is_continue && (resp.error != 0 || resp.val != 0) {
        return Err(EINVAL);
    }
    Ok(Reply {
        error: resp.error,
        val: resp.val,
        flags: resp.flags,
    })
}
