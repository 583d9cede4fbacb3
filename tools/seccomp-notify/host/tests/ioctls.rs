// SPDX-License-Identifier: GPL-2.0

//! What `#[ioctls]` makes of a well-formed declaration.

use kernel::{
    error::Error,
    fs::anon_inode::IoctlFile as File,
    ioctl::{
        ioctls, Arg, In, Out, Parts, Value, ZeroedOut, _IO, _IOC_NR, _IOC_SIZE, _IOC_TYPE, _IOR,
        _IOW, _IOWR,
    },
    prelude::*,
    uaccess::{memory, protect_memory, set_memory, START},
};
use proptest::prelude::*;
use std::{cell::RefCell, sync::Arc};

/// The numbers, as a UAPI header has them.
mod header {
    use super::*;

    pub const MAGIC: u8 = b'!';
    pub const RECV: u32 = _IOWR::<[u64; 2]>(MAGIC as u32, 0);
    pub const SEND: u32 = _IOWR::<[u64; 3]>(MAGIC as u32, 1);
    pub const ID_VALID: u32 = _IOW::<u64>(MAGIC as u32, 2);
    pub const ID_VALID_WRONG_DIR: u32 = _IOR::<u64>(MAGIC as u32, 2);
    pub const ADDFD: u32 = _IOW::<[u64; 3]>(MAGIC as u32, 3);
    pub const SET_FLAGS: u32 = _IOW::<u64>(MAGIC as u32, 4);
    pub const RESET: u32 = _IO(MAGIC as u32, 5);
    pub const GET: u32 = _IOR::<u64>(MAGIC as u32, 6);
    pub const ABSENT: u32 = _IO(MAGIC as u32, 7);
}

/// The size of `ADDFD`'s first version.
const MIN: usize = 16;

/// Which handler was called, and with what.
#[derive(Debug, Eq, PartialEq)]
enum Call {
    Recv(Result),
    Send([u64; 3]),
    IdValid(u64),
    AddFd([u64; 3]),
    SetFlags(u64),
    Reset,
    Get,
}

#[derive(Default)]
struct Listener(RefCell<Option<Call>>);

#[ioctls(magic = header::MAGIC, unknown = EINVAL)]
impl Listener {
    /// Documented.
    #[ioctl(_IOWR(0) = header::RECV)]
    fn recv(&self, _file: &File, to: ZeroedOut<[u64; 2]>) -> Result<isize> {
        let written = to.write(&[7, 8]);
        self.0.replace(Some(Call::Recv(written)));
        written.map(|()| 10)
    }

    #[ioctl(_IOWR(1) = header::SEND)]
    fn send(&self, _file: &File, In(resp): In<[u64; 3]>) -> Result<isize> {
        self.called(Call::Send(resp), 11)
    }

    #[ioctl(_IOW(2) = header::ID_VALID, also = header::ID_VALID_WRONG_DIR)]
    fn id_valid(&self, _file: &File, id: In<u64>) -> Result<isize> {
        self.called(Call::IdValid(*id), 12)
    }

    #[ioctl(_IOW(3) = header::ADDFD, extensible(min = MIN))]
    fn addfd(&self, _file: &File, In(addfd): In<[u64; 3]>) -> Result<isize> {
        self.called(Call::AddFd(addfd), 13)
    }

    #[ioctl(_IOW(4) = header::SET_FLAGS)]
    fn set_flags(&self, _file: &File, Value(flags): Value<u64>) -> Result<isize> {
        self.called(Call::SetFlags(flags), 14)
    }

    #[ioctl(_IO(5) = header::RESET)]
    fn reset(&self, _file: &File) -> Result<isize> {
        self.called(Call::Reset, 15)
    }

    #[ioctl(_IOR(6) = header::GET)]
    fn get(&self, _file: &File, to: Out<u64>) -> Result<isize> {
        to.write(&9)?;
        self.called(Call::Get, 16)
    }

    #[cfg(CONFIG_NOT_SET)]
    #[ioctl(_IO(7) = header::NOT_THERE)]
    fn absent(&self, _file: &File) -> Result<isize> {
        Ok(17)
    }

    fn called(&self, call: Call, ret: isize) -> Result<isize> {
        self.0.replace(Some(call));
        Ok(ret)
    }
}

/// Issues an ioctl, and returns its result and the call that came of it.
fn issue(cmd: u32, arg: usize) -> (Result<isize>, Option<Call>) {
    let listener = Listener::default();
    let result = listener.ioctl(&File::new(0), cmd, arg);
    (result, listener.0.into_inner())
}

/// Makes an ioctl number from its parts.
fn number(dir: u32, nr: u32, size: usize) -> u32 {
    _IO(header::MAGIC.into(), nr) | dir << 30 | (size as u32) << 16
}

fn bytes(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_ne_bytes()).collect()
}

const BAD: usize = START - 1;

#[test]
fn in_is_copied_before_the_handler_is_called() {
    set_memory(&bytes(&[1, 2, 3]));
    assert_eq!(
        issue(header::SEND, START),
        (Ok(11), Some(Call::Send([1, 2, 3])))
    );
    assert_eq!(issue(header::SEND, START + 1), (Err(EFAULT), None));
    assert_eq!(issue(header::SEND, BAD), (Err(EFAULT), None));
}

#[test]
fn out_is_written_and_not_read() {
    set_memory(&[0xff; 9]);
    assert_eq!(issue(header::GET, START), (Ok(16), Some(Call::Get)));
    assert_eq!(memory(), [&9u64.to_ne_bytes()[..], &[0xff]].concat());
    assert_eq!(issue(header::GET, BAD), (Err(EFAULT), None));
}

#[test]
fn parts_are_taken_on_their_own() {
    set_memory(&bytes(&[1, 0, 3]));
    let arg = Parts::<[u64; 3]>::from_user(START).unwrap();

    assert_eq!(arg.part::<In<u64>, 16>().map(|part| part.0), Ok(3));
    assert_eq!(arg.part::<ZeroedOut<u64>, 0>().map(|_| ()), Err(EINVAL));
    assert_eq!(arg.part::<ZeroedOut<u64>, 8>().unwrap().write(&2), Ok(()));
    assert_eq!(memory(), bytes(&[1, 2, 3]));
}

#[test]
fn zeroed_out_is_zero_before_the_handler_is_called() {
    for i in 0..17 {
        let mut before = [0; 17];
        before[i] = 1;
        set_memory(&before);
        if i < 16 {
            assert_eq!(issue(header::RECV, START), (Err(EINVAL), None));
            assert_eq!(memory(), before);
        } else {
            assert_eq!(
                issue(header::RECV, START),
                (Ok(10), Some(Call::Recv(Ok(()))))
            );
            assert_eq!(memory(), [&bytes(&[7, 8])[..], &[1]].concat());
        }
    }
    assert_eq!(issue(header::RECV, BAD), (Err(EFAULT), None));
    assert_eq!(issue(header::RECV, START + 2), (Err(EFAULT), None));
}

#[test]
fn a_handler_learns_that_its_copy_failed() {
    set_memory(&[0; 16]);
    protect_memory();
    assert_eq!(
        issue(header::RECV, START),
        (Err(EFAULT), Some(Call::Recv(Err(EFAULT))))
    );
}

#[test]
fn value_is_the_argument_itself() {
    set_memory(&[]);
    assert_eq!(
        issue(header::SET_FLAGS, usize::MAX),
        (Ok(14), Some(Call::SetFlags(u64::MAX)))
    );
}

#[test]
fn a_command_can_do_without_an_argument() {
    assert_eq!(issue(header::RESET, BAD), (Ok(15), Some(Call::Reset)));
}

#[test]
fn another_number_does_the_same() {
    set_memory(&bytes(&[5]));
    for cmd in [header::ID_VALID, header::ID_VALID_WRONG_DIR] {
        assert_eq!(issue(cmd, START), (Ok(12), Some(Call::IdValid(5))));
    }
}

#[test]
fn a_command_can_be_configured_out() {
    assert_eq!(issue(header::ABSENT, 0), (Err(EINVAL), None));
}

#[test]
fn an_extensible_argument_has_any_size_and_direction() {
    for dir in 0..4 {
        let issue = |size| issue(number(dir, 3, size), START);

        set_memory(&bytes(&[1, 2, 3]));
        assert_eq!(issue(0), (Err(EINVAL), None));
        assert_eq!(issue(MIN - 1), (Err(EINVAL), None));
        assert_eq!(issue(MIN), (Ok(13), Some(Call::AddFd([1, 2, 0]))));
        assert_eq!(issue(24), (Ok(13), Some(Call::AddFd([1, 2, 3]))));
        assert_eq!(issue(25), (Err(EFAULT), None));

        let mut page = bytes(&[1, 2, 3]);
        page.resize(4096, 0);
        set_memory(&page);
        assert_eq!(issue(4095), (Ok(13), Some(Call::AddFd([1, 2, 3]))));
        assert_eq!(issue(4096), (Err(EINVAL), None));

        page[4000] = 1;
        set_memory(&page);
        assert_eq!(issue(4000), (Ok(13), Some(Call::AddFd([1, 2, 3]))));
        assert_eq!(issue(4001), (Err(E2BIG), None));
    }
}

/// What a dispatch in the way of `seccomp_notify_ioctl()` in `kernel/seccomp.c` would say.
fn expected(cmd: u32) -> Result<isize, Error> {
    match cmd {
        header::RECV => return Ok(10),
        header::SEND => return Ok(11),
        header::ID_VALID | header::ID_VALID_WRONG_DIR => return Ok(12),
        header::SET_FLAGS => return Ok(14),
        header::RESET => return Ok(15),
        header::GET => return Ok(16),
        _ => {}
    }
    match (_IOC_TYPE(cmd), _IOC_NR(cmd), _IOC_SIZE(cmd)) {
        (0x21, 3, MIN..=4095) => Ok(13),
        _ => Err(EINVAL),
    }
}

proptest! {
    #[test]
    fn other_numbers_are_unknown(cmd: u32) {
        set_memory(&[0; 4096]);
        prop_assert_eq!(issue(cmd, START).0, expected(cmd));
    }

    #[test]
    fn so_are_those_that_differ_a_little(
        base in prop::sample::select(vec![
            header::RECV,
            header::SEND,
            header::ID_VALID,
            header::ID_VALID_WRONG_DIR,
            header::ADDFD,
            header::SET_FLAGS,
            header::RESET,
            header::GET,
        ]),
        bit in 0..33u32,
    ) {
        set_memory(&[0; 4096]);
        let cmd = base ^ (1u64 << bit) as u32;
        prop_assert_eq!(issue(cmd, START).0, expected(cmd));
    }

    #[test]
    fn an_extensible_argument_is_read_as_its_version(
        size in MIN..64usize,
        content in prop::collection::vec(prop_oneof![4 => Just(0u8), 1 => any::<u8>()], 64),
    ) {
        set_memory(&content);
        let mut known = content[..size.min(24)].to_vec();
        known.resize(24, 0);
        let known = core::array::from_fn(|i| {
            u64::from_ne_bytes(known[i * 8..][..8].try_into().unwrap())
        });
        let got = issue(number(1, 3, size), START);
        if content[size.min(24)..size].iter().all(|&b| b == 0) {
            prop_assert_eq!(got, (Ok(13), Some(Call::AddFd(known))));
        } else {
            prop_assert_eq!(got, (Err(E2BIG), None));
        }
    }
}

/// A type with another receiver, and without an `unknown`.
struct Counter(u64);

#[ioctls(magic = '!')]
impl Counter {
    #[ioctl(_IOR(6) = header::GET)]
    fn get(self: Arc<Self>, _file: &File, to: Out<u64>) -> Result<isize> {
        to.write(&self.0)?;
        Ok(0)
    }
}

#[test]
fn a_receiver_can_be_another_pointer() {
    set_memory(&[0; 8]);
    let counter = Arc::new(Counter(3));
    assert_eq!(
        counter.clone().ioctl(&File::new(0), header::GET, START),
        Ok(0)
    );
    assert_eq!(memory(), bytes(&[3]));
    assert_eq!(
        counter.ioctl(&File::new(0), header::RESET, START),
        Err(ENOTTY)
    );
}

/// Type parameters, where the argument has none, and names that the expansion could take for its
/// own.
struct Generic<T>(T);

const SEND: u32 = header::SEND;

#[ioctls(magic = header::MAGIC)]
impl<T: Copy + Into<u64>> Generic<T> {
    #[ioctl(_IOWR(1) = SEND)]
    fn send(&self, cmd: &File, arg: In<[u64; 3]>) -> Result<isize> {
        let _ = cmd;
        Ok((arg[0] + self.0.into()) as isize)
    }
}

#[test]
fn the_type_can_be_generic() {
    set_memory(&bytes(&[1, 2, 3]));
    assert_eq!(Generic(4u8).ioctl(&File::new(0), SEND, START), Ok(5));
}

/// A name that the macro uses itself would be another thing there.
const BUILT: u32 = 1;

struct Named;

#[ioctls(magic = header::MAGIC)]
impl Named {
    #[ioctl(_IOWR(BUILT) = SEND)]
    fn send(&self, _file: &File, In(arg): In<[u64; 3]>) -> Result<isize> {
        Ok(arg[0] as isize)
    }
}

#[test]
fn a_number_can_be_a_constant() {
    set_memory(&bytes(&[1, 2, 3]));
    assert_eq!(Named.ioctl(&File::new(0), SEND, START), Ok(1));
}
