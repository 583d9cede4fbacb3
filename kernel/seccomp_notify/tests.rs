// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the listener, with kernel threads as targets.

use crate::{
    listener::Listener,
    state::{
        Reply,
        WaitKillable, //
    },
    supervisor::{
        self,
        reply,
        Received, //
    },
    target, //
};
use kernel::{
    bindings,
    macros::kunit_tests,
    prelude::*,
    seccomp,
    sync::{
        poll::PollEvents,
        Arc,
        Completion,
        SetOnce, //
    },
    task::SyscallEntry,
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// A kernel thread that makes a notification and waits for the answer.
#[pin_data]
struct Target {
    reply: SetOnce<Reply>,
    #[pin]
    is_done: Completion,
}

impl Target {
    /// Starts a target whose system call has the number `nr`. Returns when it was put in the
    /// queue.
    fn start(listener: &Arc<Listener>, nr: i32) -> Result<Arc<Self>> {
        let target = Arc::pin_init(
            pin_init!(Self {
                reply: SetOnce::new(),
                is_done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let id = listener.lock().as_mut().project().notifications.next_id();

        let (this, its_listener) = (target.clone(), listener.clone());
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let data = seccomp::Data {
                nr,
                ..pin_init::zeroed()
            };

            // SAFETY: A worker uses no files, and is done with this before its work ends.
            let entry = unsafe { SyscallEntry::assume() };
            this.reply.populate(target::notify(
                &its_listener,
                &entry,
                &data,
                WaitKillable::NEVER,
            ));
            this.is_done.complete_all();
        })?;

        // A reader may have been quick with the answer.
        wait_until(|| is_known(listener, id) || target.reply.as_ref().is_some())?;
        Ok(target)
    }

    /// Starts targets with the numbers from 0 on.
    fn start_many(listener: &Arc<Listener>, number: i32) -> Result<KVec<Arc<Self>>> {
        let mut targets = KVec::new();

        for nr in 0..number {
            targets.push(Self::start(listener, nr)?, GFP_KERNEL)?;
        }
        Ok(targets)
    }

    /// Waits for the target to have its answer.
    fn join(&self) -> Option<Reply> {
        self.is_done.wait_for_completion();
        self.reply.copy()
    }
}

/// Looks until `condition` is true: of what changes inside of a listener, nothing else tells.
fn wait_until(condition: impl Fn() -> bool) -> Result {
    for _ in 0..10_000 {
        if condition() {
            return Ok(());
        }
        fsleep(Delta::from_millis(1));
    }
    Err(ETIMEDOUT)
}

/// Receives a notification.
fn receive(listener: &Listener, is_nonblocking: bool) -> Result<seccomp::Notif> {
    let mut received = None;

    Ok(supervisor::receive(listener, &mut received, is_nonblocking)?.notif)
}

/// Receives a notification, and fails to hand it on.
fn receive_in_vain(listener: &Listener) -> Result<seccomp::Notif> {
    let mut received = None;
    let received: &Received = supervisor::receive(listener, &mut received, true)?;

    supervisor::give_back(listener, received);
    Ok(received.notif)
}

fn events(listener: &Listener) -> PollEvents {
    listener.lock().events()
}

fn is_known(listener: &Listener, id: u64) -> bool {
    let mut inner = listener.lock();

    inner.as_mut().project().notifications.get(id).is_some()
}

const NOBODY: Reply = Reply::error(-(bindings::ENOSYS as i32));

#[kunit_tests(rust_seccomp_notify)]
mod listener {
    use super::*;

    #[test]
    fn the_queue_is_in_order() -> Result {
        let listener = Listener::new()?;
        let targets = Target::start_many(&listener, 5)?;
        let mut first_id = None;

        for (nr, target) in targets.iter().enumerate() {
            let notif = receive(&listener, true)?;
            let first_id = *first_id.get_or_insert(notif.id);

            assert_eq!(notif.data.nr, nr as i32);
            assert_eq!(notif.id, first_id.wrapping_add(nr as u64));
            reply(&listener, notif.id, Reply::value(nr as i64))?;
            assert_eq!(target.join(), Some(Reply::value(nr as i64)));
            assert!(!is_known(&listener, notif.id));
        }
        assert!(matches!(receive(&listener, true), Err(EAGAIN)));
        Ok(())
    }

    #[test]
    fn any_of_many_is_found_and_leaves() -> Result {
        const NUMBER: usize = 50;
        // It has no factor in common with the number, and thus visits all.
        const STRIDE: usize = 19;

        let listener = Listener::new()?;
        let targets = Target::start_many(&listener, NUMBER as i32)?;
        let mut ids = KVec::new();

        for _ in 0..NUMBER {
            ids.push(Some(receive(&listener, true)?.id), GFP_KERNEL)?;
        }
        for i in 0..NUMBER {
            let nr = i * STRIDE % NUMBER;
            let Some(id) = ids[nr].take() else {
                return Err(EINVAL);
            };

            reply(&listener, id, Reply::value(nr as i64))?;
            assert_eq!(targets[nr].join(), Some(Reply::value(nr as i64)));
            assert!(!is_known(&listener, id));
            assert!(ids.iter().flatten().all(|&id| is_known(&listener, id)));
        }
        assert!(events(&listener) == PollEvents::NONE);
        Ok(())
    }

    #[test]
    fn poll_tells_each_state() -> Result {
        let listener = Listener::new()?;
        assert!(events(&listener) == PollEvents::NONE);

        let target = Target::start(&listener, 0)?;
        assert!(events(&listener) == PollEvents::IN);

        let notif = receive_in_vain(&listener)?;
        assert!(events(&listener) == PollEvents::IN);

        assert_eq!(receive(&listener, true)?.id, notif.id);
        assert!(events(&listener) == PollEvents::OUT);

        let other = Target::start(&listener, 1)?;
        assert!(events(&listener) == PollEvents::IN | PollEvents::OUT);

        reply(&listener, notif.id, Reply::value(0))?;
        target.join();
        assert!(events(&listener) == PollEvents::IN);

        listener.add_filter();
        assert!(events(&listener) == PollEvents::IN);
        listener.remove_filter();
        assert!(events(&listener) == PollEvents::IN | PollEvents::HUP);

        reply(&listener, receive(&listener, true)?.id, Reply::value(0))?;
        other.join();
        assert!(events(&listener) == PollEvents::HUP);
        assert!(matches!(receive(&listener, false), Err(ENOENT)));
        Ok(())
    }

    #[test]
    fn the_last_of_its_filters_ends_a_listener_until_the_next() -> Result {
        let listener = Listener::new()?;
        assert!(matches!(receive(&listener, true), Err(EAGAIN)));

        listener.add_filter();
        listener.add_filter();
        listener.remove_filter();
        assert!(matches!(receive(&listener, true), Err(EAGAIN)));
        assert!(events(&listener) == PollEvents::NONE);

        listener.remove_filter();
        assert!(matches!(receive(&listener, true), Err(ENOENT)));
        assert!(events(&listener) == PollEvents::HUP);

        listener.add_filter();
        assert!(matches!(receive(&listener, true), Err(EAGAIN)));
        assert!(events(&listener) == PollEvents::NONE);
        Ok(())
    }

    #[test]
    fn a_reply_needs_a_reader() -> Result {
        let listener = Listener::new()?;
        let target = Target::start(&listener, 0)?;
        let id = listener
            .lock()
            .as_mut()
            .project()
            .notifications
            .next_id()
            .wrapping_sub(1);

        assert_eq!(reply(&listener, id, Reply::value(1)), Err(EINPROGRESS));
        assert_eq!(
            reply(&listener, id.wrapping_add(1), Reply::value(1)),
            Err(ENOENT)
        );

        assert_eq!(receive(&listener, true)?.id, id);
        reply(&listener, id, Reply::value(1))?;
        assert_eq!(target.join(), Some(Reply::value(1)));
        assert_eq!(reply(&listener, id, Reply::value(2)), Err(ENOENT));
        Ok(())
    }

    #[test]
    fn closing_ends_every_wait() -> Result {
        let listener = Listener::new()?;
        let delivered = Target::start(&listener, 0)?;
        receive(&listener, true)?;
        let queued = Target::start_many(&listener, 40)?;

        listener.close();
        assert!(!listener.is_open());
        assert_eq!(delivered.join(), Some(NOBODY));
        for target in &queued {
            assert_eq!(target.join(), Some(NOBODY));
        }

        // Nobody waits for a listener that is closed.
        // SAFETY: A test uses no files.
        let entry = unsafe { SyscallEntry::assume() };
        let answer = target::notify(&listener, &entry, &pin_init::zeroed(), WaitKillable::NEVER);
        assert_eq!(answer, NOBODY);
        assert!(listener.lock().notifications.is_unused());
        Ok(())
    }

    #[test]
    fn a_reader_sleeps_until_there_is_something() -> Result {
        let listener = Listener::new()?;
        let received = Arc::pin_init(Completion::new(), GFP_KERNEL)?;

        let (its_listener, its_received) = (listener.clone(), received.clone());
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            if let Ok(notif) = receive(&its_listener, false) {
                let _ = reply(&its_listener, notif.id, Reply::value(7));
            }
            its_received.complete_all();
        })?;

        // It sleeps before there is anything to receive.
        wait_until(|| listener.lock().readers.has_queued())?;
        let target = Target::start(&listener, 0)?;
        received.wait_for_completion();
        assert_eq!(target.join(), Some(Reply::value(7)));
        Ok(())
    }
}
