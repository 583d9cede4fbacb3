// SPDX-License-Identifier: GPL-2.0

//! Arguments of ioctls that are refused: nothing has happened then.

use kernel::{
    bindings::*,
    error::code::*,
    fs::file::flags::O_CLOEXEC,
    seccomp::{NotifAddfd, NotifMem, NotifPidfd, NotifRequeue},
};
use seccomp_notify::{
    model::once,
    userspace::{Argument, Wait},
    world::World,
};

/// Calls an ioctl with what is wrong of a notification that has been received.
fn refused<T: Argument>(cmd: u32, wrong: impl Fn(u64) -> Vec<T> + Send + Sync + 'static) {
    once(move || {
        let world = World::new(Wait::Interruptible);
        let target = world.target();
        let id = world.recv().unwrap().id;

        for (at, arg) in wrong(id).iter().enumerate() {
            assert_eq!(
                world.fd().ioctl_with(cmd, arg),
                Err(EINVAL),
                "argument {at}"
            );
        }
        assert_eq!(world.fd().fdinfo().delivered, 1);
        world.send(id).unwrap();
        target.join();
        world.check();
    });
}

#[test]
fn of_addfd() {
    refused(SECCOMP_IOCTL_NOTIF_ADDFD, |id| {
        let arg = NotifAddfd {
            id,
            ..NotifAddfd::default()
        };

        vec![
            NotifAddfd { flags: 4, ..arg },
            NotifAddfd {
                flags: 1 << 31 | SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND,
                ..arg
            },
            NotifAddfd {
                newfd_flags: 1,
                ..arg
            },
            NotifAddfd {
                newfd_flags: O_CLOEXEC | 1,
                ..arg
            },
            // A number that is not asked for.
            NotifAddfd { newfd: 5, ..arg },
            NotifAddfd {
                newfd: 5,
                flags: SECCOMP_ADDFD_FLAG_SEND,
                ..arg
            },
        ]
    });
}

#[test]
fn of_send_recv() {
    refused(SECCOMP_IOCTL_NOTIF_SEND_RECV, |id| {
        let mut arg = seccomp_notif_send_recv {
            flags: SECCOMP_NOTIF_SEND_RECV_SEND,
            ..seccomp_notif_send_recv::default()
        };

        arg.resp.id = id;
        vec![
            seccomp_notif_send_recv {
                flags: arg.flags | 4,
                ..arg
            },
            seccomp_notif_send_recv { reserved: 1, ..arg },
        ]
    });
}

#[test]
fn of_pidfd() {
    refused(SECCOMP_IOCTL_NOTIF_PIDFD, |id| {
        let arg = NotifPidfd {
            id,
            ..NotifPidfd::default()
        };

        vec![
            NotifPidfd { flags: 2, ..arg },
            NotifPidfd { flags: 3, ..arg },
            NotifPidfd { reserved: 1, ..arg },
        ]
    });
}

#[test]
fn of_mem() {
    refused(SECCOMP_IOCTL_NOTIF_MEM, |id| {
        let arg = NotifMem {
            id,
            ..NotifMem::default()
        };

        vec![
            NotifMem { flags: 2, ..arg },
            NotifMem { flags: 3, ..arg },
            NotifMem { reserved: 1, ..arg },
        ]
    });
}

#[test]
fn of_requeue() {
    refused(SECCOMP_IOCTL_NOTIF_REQUEUE, |id| {
        let arg = NotifRequeue {
            id,
            ..NotifRequeue::default()
        };
        let all = NotifRequeue {
            flags: SECCOMP_NOTIF_REQUEUE_ALL,
            ..NotifRequeue::default()
        };

        vec![
            NotifRequeue { flags: 2, ..arg },
            NotifRequeue { reserved: 1, ..arg },
            NotifRequeue { reserved: 1, ..all },
            // All, and one of them.
            NotifRequeue { id, ..all },
        ]
    });
}
