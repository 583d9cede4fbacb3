// SPDX-License-Identifier: GPL-2.0

//! What C and userspace do with the implementation.

use crate::{listener::Listener, state, target};
use kernel::{
    bindings,
    error::Error,
    fs::{
        anon_inode::{self, AnonInodeFile, IoctlFile},
        file::{flags, What},
        File,
    },
    prelude::*,
    seccomp::{self, Notif, NotifAddfd, NotifMem, NotifPidfd, NotifRequeue, NotifResp},
    seq_file::SeqFile,
    sync::{
        poll::{PollEvents, PollTable, Poller},
        Arc,
    },
    task::{current, Exit, SyscallEntry},
    uaccess::START,
};
use std::slice;

/// What a system call fails with that a fatal signal interrupts: nobody sees this.
pub const KILLED: Error = ERESTARTSYS;

/// What is exchanged with an ioctl.
///
/// # Safety
///
/// Its fields are integers, without padding.
pub unsafe trait Argument: Copy + Default {}

// SAFETY: They are such structures.
unsafe impl Argument for Notif {}
// SAFETY: As above.
unsafe impl Argument for NotifResp {}
// SAFETY: As above.
unsafe impl Argument for NotifAddfd {}
// SAFETY: As above.
unsafe impl Argument for NotifPidfd {}
// SAFETY: As above.
unsafe impl Argument for NotifMem {}
// SAFETY: As above.
unsafe impl Argument for NotifRequeue {}
// SAFETY: As above.
unsafe impl Argument for bindings::seccomp_notif_send_recv {}
// SAFETY: As above.
unsafe impl Argument for u64 {}

fn bytes_of<T: Argument>(value: &T) -> &[u8] {
    // SAFETY: All bytes of the value are initialised.
    unsafe { slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

fn from_bytes<T: Argument>(bytes: &[u8]) -> T {
    let mut value = T::default();

    // SAFETY: Any bytes make a value.
    unsafe { slice::from_raw_parts_mut((&raw mut value).cast(), size_of::<T>()) }
        .copy_from_slice(&bytes[..size_of::<T>()]);
    value
}

/// A listener's fd. The last of its clones that is dropped closes it.
#[derive(Clone)]
pub struct Fd {
    open: std::sync::Arc<Open>,
    flags: u32,
}

struct Open(Arc<Listener>);

impl Drop for Open {
    fn drop(&mut self) {
        <Listener as AnonInodeFile>::release(self.0.clone());
    }
}

impl Default for Fd {
    fn default() -> Self {
        let listener = Listener::new().expect("there is memory");

        Self {
            open: std::sync::Arc::new(Open(listener)),
            flags: 0,
        }
    }
}

/// What to answer with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub error: i32,
    pub val: i64,
    pub flags: u32,
}

/// The system call is executed, if no older filter's supervisor says otherwise.
pub const CONTINUE: Reply = Reply {
    error: 0,
    val: 0,
    flags: bindings::SECCOMP_USER_NOTIF_FLAG_CONTINUE,
};

/// What an ioctl that receives finds of its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    Writable,
    ReadOnly,
}

/// Which fd is wanted in the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddFd {
    /// The supervisor's.
    pub fd: u32,
    /// The target's, if it must be this one.
    pub number: Option<u32>,
    pub is_cloexec: bool,
    /// Its number is the answer.
    pub is_reply: bool,
}

/// What a system call of `SEND_RECV` came to, beside its result.
#[derive(Clone, Copy, Debug)]
pub struct SendRecv {
    /// `SECCOMP_NOTIF_SEND_RECV_*`
    pub flags: u32,
    pub notif: Notif,
}

/// What fdinfo says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fdinfo {
    pub is_used: bool,
    pub flags: u32,
    pub queued: usize,
    pub delivered: usize,
    pub requeued: usize,
    pub readers: usize,
    /// The lines of notifications.
    pub notifs: Vec<String>,
}

impl Fd {
    /// The same file, opened with `O_NONBLOCK`.
    pub fn nonblocking(&self) -> Self {
        Self {
            open: self.open.clone(),
            flags: flags::O_NONBLOCK,
        }
    }

    fn listener(&self) -> &Arc<Listener> {
        &self.open.0
    }

    /// Calls an ioctl whose argument is a value.
    pub fn ioctl_value(&self, cmd: u32, arg: usize) -> Result<isize> {
        let file = IoctlFile::new(self.flags);

        loop {
            let result = <Listener as AnonInodeFile>::ioctl(
                self.listener().as_arc_borrow(),
                &file,
                cmd,
                arg,
            );
            let exit = current!().exit_to_user_mode();

            match (result, exit) {
                (Err(ERESTARTSYS), Exit::Killed) => return Err(KILLED),
                (Err(ERESTARTSYS), Exit::Interrupted) => return Err(EINTR),
                (Err(ERESTARTSYS), Exit::Uninterrupted) => (),
                _ => return result,
            }
        }
    }

    /// Calls an ioctl whose argument points to these bytes, which are all memory there is.
    pub fn ioctl(&self, cmd: u32, arg: &[u8], buffer: Buffer) -> Result<isize> {
        let task = current!();

        task.set_memory(arg);
        if buffer == Buffer::ReadOnly {
            task.protect_memory();
        }
        self.ioctl_value(cmd, START)
    }

    /// Calls an ioctl whose argument points to this.
    pub fn ioctl_with<T: Argument>(&self, cmd: u32, arg: &T) -> Result<isize> {
        self.ioctl(cmd, bytes_of(arg), Buffer::Writable)
    }

    pub fn recv_to(&self, buffer: Buffer) -> Result<Notif> {
        let zeroes = [0; size_of::<Notif>()];

        self.ioctl(bindings::SECCOMP_IOCTL_NOTIF_RECV, &zeroes, buffer)?;
        Ok(from_bytes(&current!().memory()))
    }

    pub fn recv(&self) -> Result<Notif> {
        self.recv_to(Buffer::Writable)
    }

    pub fn send(&self, id: u64, reply: Reply) -> Result {
        let resp = resp_of(id, reply);

        self.ioctl_with(bindings::SECCOMP_IOCTL_NOTIF_SEND, &resp)
            .map(|_| ())
    }

    pub fn send_recv(&self, answer: Option<(u64, Reply)>, buffer: Buffer) -> (Result, SendRecv) {
        let mut arg = bindings::seccomp_notif_send_recv::default();

        if let Some((id, reply)) = answer {
            arg.flags = bindings::SECCOMP_NOTIF_SEND_RECV_SEND;
            arg.resp = resp_of(id, reply);
        }
        let result = self.ioctl(
            bindings::SECCOMP_IOCTL_NOTIF_SEND_RECV,
            bytes_of(&arg),
            buffer,
        );
        let after: bindings::seccomp_notif_send_recv = from_bytes(&current!().memory());
        let after = SendRecv {
            flags: after.flags,
            notif: after.notif,
        };

        (result.map(|_| ()), after)
    }

    pub fn id_valid(&self, id: u64) -> Result {
        self.ioctl_with(bindings::SECCOMP_IOCTL_NOTIF_ID_VALID, &id)
            .map(|_| ())
    }

    pub fn add_fd(&self, id: u64, fd: AddFd) -> Result<u32> {
        let mut arg = NotifAddfd {
            id,
            srcfd: fd.fd,
            newfd: fd.number.unwrap_or(0),
            newfd_flags: if fd.is_cloexec { flags::O_CLOEXEC } else { 0 },
            ..NotifAddfd::default()
        };

        if fd.number.is_some() {
            arg.flags |= bindings::SECCOMP_ADDFD_FLAG_SETFD;
        }
        if fd.is_reply {
            arg.flags |= bindings::SECCOMP_ADDFD_FLAG_SEND;
        }
        self.ioctl_with(bindings::SECCOMP_IOCTL_NOTIF_ADDFD, &arg)
            .map(|number| number as u32)
    }

    pub fn set_flags(&self, flags: u32) -> Result {
        self.ioctl_value(bindings::SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags as usize)
            .map(|_| ())
    }

    pub fn pidfd(&self, id: u64, flags: u32) -> Result<u32> {
        let arg = NotifPidfd {
            id,
            flags,
            reserved: 0,
        };

        self.ioctl_with(bindings::SECCOMP_IOCTL_NOTIF_PIDFD, &arg)
            .map(|fd| fd as u32)
    }

    /// Reads the target's memory.
    pub fn read_memory(&self, id: u64, addr: usize, len: usize) -> Result<Vec<u8>> {
        let (copied, memory) = self.copy_memory(id, addr, &vec![0; len], 0)?;

        Ok(memory[..copied].to_vec())
    }

    /// Writes the target's memory. Returns how much.
    pub fn write_memory(&self, id: u64, addr: usize, bytes: &[u8]) -> Result<usize> {
        self.copy_memory(id, addr, bytes, bindings::SECCOMP_NOTIF_MEM_WRITE)
            .map(|(copied, _)| copied)
    }

    fn copy_memory(
        &self,
        id: u64,
        addr: usize,
        bytes: &[u8],
        flags: u32,
    ) -> Result<(usize, Vec<u8>)> {
        let arg = NotifMem {
            id,
            addr: addr as u64,
            buf: (START + size_of::<NotifMem>()) as u64,
            len: bytes.len() as u64,
            flags,
            reserved: 0,
        };
        let memory = [bytes_of(&arg), bytes].concat();
        let copied = self.ioctl(bindings::SECCOMP_IOCTL_NOTIF_MEM, &memory, Buffer::Writable)?;

        Ok((
            copied as usize,
            current!().memory()[size_of::<NotifMem>()..].to_vec(),
        ))
    }

    pub fn requeue(&self, id: u64) -> Result {
        self.requeue_with(id, 0).map(|count| assert_eq!(count, 1))
    }

    pub fn requeue_all(&self) -> Result<usize> {
        self.requeue_with(0, bindings::SECCOMP_NOTIF_REQUEUE_ALL)
    }

    fn requeue_with(&self, id: u64, flags: u32) -> Result<usize> {
        let arg = NotifRequeue {
            id,
            flags,
            reserved: 0,
        };

        self.ioctl_with(bindings::SECCOMP_IOCTL_NOTIF_REQUEUE, &arg)
            .map(|count| count as usize)
    }

    /// What it is ready for. `poller` is registered, if there is one.
    pub fn poll(&self, poller: Option<&std::sync::Arc<Poller>>) -> PollEvents {
        let file = File::new(What::Itself(self.flags));

        anon_inode::poll(self.listener(), &file, PollTable::new(poller))
    }

    /// What fdinfo says, word for word.
    pub fn fdinfo_text(&self) -> String {
        let file = File::new(What::Itself(self.flags));
        let seq = SeqFile::default();

        <Listener as AnonInodeFile>::show_fdinfo(self.listener().as_arc_borrow(), &seq, &file);
        seq.into_text()
    }

    pub fn fdinfo(&self) -> Fdinfo {
        let mut info = Fdinfo::default();

        for line in self.fdinfo_text().lines() {
            let (key, value) = line.split_once(":\t").expect("a key and a value");
            let number = || value.parse().expect("a number");

            match key {
                "used" => info.is_used = number() != 0,
                "notif-flags" => {
                    let digits = value.strip_prefix("0x").expect("it is hexadecimal");

                    info.flags = u32::from_str_radix(digits, 16).expect("a number");
                }
                "queued" => info.queued = number(),
                "delivered" => info.delivered = number(),
                "requeued" => info.requeued = number(),
                "readers" => info.readers = number(),
                "notif" => info.notifs.push(value.to_owned()),
                _ => panic!("unknown key {key}"),
            }
        }
        info
    }

    /// Whether C may take it for open.
    pub fn is_open(&self) -> bool {
        self.listener().is_open()
    }
}

fn resp_of(id: u64, reply: Reply) -> NotifResp {
    NotifResp {
        id,
        val: reply.val,
        error: reply.error,
        flags: reply.flags,
    }
}

/// How the targets of a filter wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    #[default]
    Interruptible,
    /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`
    KillableOnceReceived,
    /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE`
    Killable,
}

/// A filter with a listener. When it is dropped, the last of its tasks is gone.
pub struct Filter {
    listener: Arc<Listener>,
    wait: Wait,
    /// The next older one whose supervisor is asked of what this one's lets through.
    older: Option<std::sync::Arc<Filter>>,
    is_installed: bool,
}

/// What a system call came to for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Reply(Reply),
    /// A signal's handler ran, and the call fails with `EINTR`.
    Interrupted,
    /// A signal killed it before there was an answer.
    Killed,
}

impl Filter {
    /// Installs a filter with this listener.
    pub fn new(fd: &Fd, wait: Wait) -> Self {
        let listener = fd.listener().clone();

        listener.add_filter();
        Self {
            listener,
            wait,
            older: None,
            is_installed: true,
        }
    }

    /// Installs a filter on top of another, as nested listeners have them.
    pub fn nested(fd: &Fd, wait: Wait, older: &std::sync::Arc<Self>) -> Self {
        let mut this = Self::new(fd, wait);

        this.older = Some(older.clone());
        this
    }

    /// It could not be installed.
    pub fn cancel(mut self) {
        self.is_installed = false;
    }

    /// Whether C may take the listener for open.
    pub fn is_open(&self) -> bool {
        self.listener.is_open()
    }

    /// The current task enters a system call.
    pub fn notify(&self, data: &seccomp::Data) -> Answer {
        loop {
            let reply = self.ask(data);

            if reply.error != ERESTARTSYS.to_errno() {
                current().exit_to_user_mode();
                return Answer::Reply(Reply {
                    error: reply.error,
                    val: reply.val,
                    flags: reply.flags,
                });
            }
            assert!(
                current().signal_pending(),
                "only the way to a signal's handler knows this error"
            );
            match current().exit_to_user_mode() {
                Exit::Killed => return Answer::Killed,
                Exit::Interrupted => return Answer::Interrupted,
                Exit::Uninterrupted => (),
            }
        }
    }

    /// Asks the supervisor, and those of older filters of what each lets through.
    fn ask(&self, data: &seccomp::Data) -> state::Reply {
        let wait = match self.wait {
            Wait::Interruptible => state::WaitKillable::NEVER,
            Wait::KillableOnceReceived => state::WaitKillable::ONCE_RECEIVED,
            Wait::Killable => state::WaitKillable::ALWAYS,
        };
        let reply = {
            // SAFETY: The task does nothing else.
            let entry = unsafe { SyscallEntry::assume() };

            target::notify(&self.listener, &entry, data, wait)
        };

        match &self.older {
            Some(older) if reply.flags == CONTINUE.flags => older.ask(data),
            _ => reply,
        }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        if self.is_installed {
            self.listener.remove_filter();
        } else {
            self.listener.cancel_filter();
        }
    }
}
