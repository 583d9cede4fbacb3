// SPDX-License-Identifier: GPL-2.0

//! The target's side: a task notifies the supervisor of its system call, and waits.

use crate::{
    listener::{
        Due,
        Inner,
        Listener,
        Wakeups,
        BATCH, //
    },
    notification::{
        Fd,
        Notification,
        NotificationTicket,
        Progress,
        Request, //
    },
    state::{
        Event,
        Reply,
        WaitKillable, //
    },
};
use kernel::{
    prelude::*,
    seccomp::{
        self,
        trace, //
    },
    sync::{
        lock::mutex::MutexBackend,
        waiter::{
            Held,
            Sleep,
            Waiter,
            WaiterList,
            Wakeup, //
        },
    },
    task::SyscallEntry, //
};

/// What the target does next.
enum Next {
    /// It waits no longer.
    Leave,
    /// It installs an fd.
    Install,
    /// It sleeps.
    Sleep(Sleep),
}

/// The wake-ups that are due when the target releases the lock next.
struct Pending {
    /// Who requested the fd that the target has just installed.
    caller: Wakeup,
    others: Wakeups,
}

impl Pending {
    /// Adds those that follow from `event`, which happens to the notification of the current task,
    /// unless it is in no state for that.
    fn add(&mut self, inner: Pin<&mut Inner>, ticket: &NotificationTicket<'_>, event: Event) {
        if let Ok(Due { others, .. }) = inner.step(|table| table.list().own(ticket), event) {
            self.others.add(others);
        }
    }

    fn is_due(&self) -> bool {
        self.caller.is_due() || self.others.is_due()
    }

    /// Carries the wake-ups out, with the lock released. None is left then. It does not sleep.
    ///
    /// Returns false as [`Wakeups::wake`] does.
    fn wake(&mut self, listener: &Listener) -> bool {
        self.caller.wake();
        self.others.wake(listener.pollers())
    }
}

/// Notifies the supervisor of the system call `data` that the current task, `target`, has entered,
/// and waits for the answer.
///
/// It sleeps, until there is an answer, the listener is closed, or a signal interrupts.
pub(crate) fn notify(
    listener: &Listener,
    target: &SyscallEntry,
    data: &seccomp::Data,
    wait_killable: WaitKillable,
) -> Reply {
    let inner = listener.lock();
    if !listener.is_open() {
        return Reply::error(ENOSYS.to_errno());
    }

    WaiterList::wait(
        inner,
        |inner| inner.project().notifications.list(),
        Notification::new(wait_killable),
        data,
        |held, ticket| {
            let (id, mut wakeups) = held.data().enqueue_new(ticket);

            // Nearly every target has its answer when it has slept once.
            if !current!().signal_pending() {
                if !held.sleep(ticket, Sleep::Interruptible, || {
                    wakeups.wake(listener.pollers())
                }) {
                    wakeups = held.data().wake_another_reader();
                } else if has_its_answer(held.data(), ticket) {
                    if let Some(reply) = outcome(held.data(), ticket, id) {
                        return reply;
                    }
                }
            }
            wait_on(listener, target, held, ticket, id, wakeups)
        },
    )
}

/// Whether there is an answer, and no fd to be installed before the target takes it.
#[inline]
fn has_its_answer(inner: Pin<&mut Inner>, ticket: &NotificationTicket<'_>) -> bool {
    let own = inner.project().notifications.list().own(ticket);

    own.is_some_and(|mut own| {
        let notification = own.value();

        notification.state.is_replied() && notification.requests.is_empty()
    })
}

/// What the target's system call results in, if there is an answer.
///
/// The notification had the `id`, which it loses when the listener is closed.
#[inline]
fn outcome(
    inner: Pin<&mut Inner>,
    ticket: &NotificationTicket<'_>,
    id: Option<u64>,
) -> Option<Reply> {
    let mut own = inner.project().notifications.list().own(ticket)?;
    let reply = own.value().state.reply();

    if let Some(id) = id {
        match reply {
            Some(Reply { error, val, flags }) => trace::answered(id, error, val, flags),
            None => trace::aborted(id),
        }
    }
    reply
}

/// Waits for the answer, does what the target is asked for meanwhile, and heeds signals.
///
/// `others` are the wake-ups that are due.
#[cold]
fn wait_on<'p>(
    listener: &Listener,
    target: &SyscallEntry,
    held: &mut Held<'p, Inner, MutexBackend>,
    ticket: &NotificationTicket<'p>,
    id: Option<u64>,
    others: Wakeups,
) -> Reply {
    let mut due = Pending {
        caller: Wakeup::NONE,
        others,
    };

    loop {
        let mut signal = None;

        // What looks like a signal is settled first, each time that the target wakes.
        if current!().signal_pending() {
            signal = settle(listener, target, held, &mut due);
        }
        match next(held.data(), ticket, signal, &mut due.others) {
            Next::Leave => break,
            Next::Install => install_fd(listener, target, held, ticket, id, &mut due),
            Next::Sleep(how) => {
                // A reader that is frozen does not count: the next is woken.
                if !held.sleep(ticket, how, || due.wake(listener)) {
                    due.others = held.data().wake_another_reader();
                }
            }
        }
    }

    wake_unlocked(listener, held, &mut due);
    while has_requests(held.data(), ticket) {
        end_requests(held, ticket);
    }
    outcome(held.data(), ticket, id).unwrap_or_else(|| {
        // A signal has ended the wait. It may have gone since, while the target was held.
        target.restart();
        Reply::error(ERESTARTSYS.to_errno())
    })
}

/// A signal that the target finds pending.
#[derive(Clone, Copy)]
struct Signal {
    /// The supervisor is told of it.
    report: bool,
}

/// Does what the target is asked for by what only looks like a signal. Returns the signal, if
/// there is one.
#[cold]
fn settle(
    listener: &Listener,
    target: &SyscallEntry,
    held: &mut Held<'_, Inner, MutexBackend>,
    due: &mut Pending,
) -> Option<Signal> {
    wake_unlocked(listener, held, due);
    loop {
        let report = held.data().fd_signalled;
        let is_signal = held.unlocked(|| target.settle_signal_pending(report));

        // It may have been frozen for long: those flags count that are set when it takes notice.
        // For one that is to die they do not, however often they change.
        if held.data().fd_signalled == report || current!().fatal_signal_pending() {
            return is_signal.then_some(Signal { report });
        }
    }
}

/// Releases the lock to carry the wake-ups out, if there are any.
fn wake_unlocked(listener: &Listener, held: &mut Held<'_, Inner, MutexBackend>, due: &mut Pending) {
    while due.is_due() {
        if !held.unlocked(|| due.wake(listener)) {
            due.others = held.data().wake_another_reader();
        }
    }
}

/// Decides what the target of a notification does next. It is the current task.
fn next(
    mut inner: Pin<&mut Inner>,
    ticket: &NotificationTicket<'_>,
    signal: Option<Signal>,
    wakeups: &mut Wakeups,
) -> Next {
    let fatal = signal.is_some() && current!().fatal_signal_pending();

    // What the supervisor asked for comes before its answer, but not before death.
    if !fatal && has_requests(inner.as_mut(), ticket) {
        return Next::Install;
    }
    if let Some(Signal { report }) = signal {
        let event = Event::Signal { fatal, report };

        if let Ok(due) = inner.as_mut().step(|table| table.list().own(ticket), event) {
            *wakeups = due.others;
        }
    }

    let notifications = inner.project().notifications;
    let Some(mut own) = notifications.list().own(ticket) else {
        return Next::Leave;
    };
    let state = &own.value().state;

    if state.is_replied() || state.is_aborted() {
        Next::Leave
    } else if signal.is_some() || state.signalled() {
        Next::Sleep(Sleep::Killable)
    } else {
        // Whoever waits killable for the filter's sake sleeps so only while there is a signal to
        // ignore: the next may have to be reported.
        Next::Sleep(Sleep::Interruptible)
    }
}

/// An fd that the target has taken, to install it.
struct Install {
    /// The id of the request.
    request: u64,
    is_reply: bool,
    fd: Fd,
}

/// Takes the oldest fd that is requested for the current task.
fn take_request(mut inner: Pin<&mut Inner>, ticket: &NotificationTicket<'_>) -> Option<Install> {
    let (id, mut request) = next_request(inner.as_mut(), ticket)?;
    let request = request.value();

    request.progress = Progress::Installing;
    let install = Install {
        request: id,
        is_reply: request.is_reply,
        fd: request.fd.take()?,
    };

    inner
        .project()
        .notifications
        .list()
        .own(ticket)?
        .value()
        .is_installing = true;
    Some(install)
}

/// The fd is installed, or has failed. Returns whether the notification is to be put back in the
/// queue.
fn end_install(inner: Pin<&mut Inner>, ticket: &NotificationTicket<'_>) -> bool {
    let Some(mut own) = inner.project().notifications.list().own(ticket) else {
        return false;
    };
    let own = own.value();
    let requeue_before = own.requeue_before.take();

    own.is_installing = false;
    own.is_abandoned = false;
    // It was asked for what somebody had then, and is to have no other fd.
    requeue_before == Some(own.state.next_delivery()) && own.requests.is_empty()
}

/// Installs the oldest fd that is requested for the current task, with the lock released, and
/// has who requested it woken.
///
/// The wake-ups that are `due` are carried out before, and are others afterwards.
#[cold]
fn install_fd(
    listener: &Listener,
    target: &SyscallEntry,
    held: &mut Held<'_, Inner, MutexBackend>,
    ticket: &NotificationTicket<'_>,
    id: Option<u64>,
    due: &mut Pending,
) {
    let Some(Install {
        request,
        is_reply,
        fd,
    }) = take_request(held.data(), ticket)
    else {
        return;
    };
    let result = held.unlocked(|| {
        if !due.wake(listener) {
            listener.wake_another_reader();
        }
        match fd.number {
            Some(number) => fd.file.receive_replace(number, fd.flags, target),
            None => fd.file.receive(fd.flags, target),
        }
    });

    let requeues = end_install(held.data(), ticket);
    if let Some(id) = id {
        trace::addfd(id, result);
    }
    if is_reply {
        let event = match result {
            Ok(number) => Event::FdInstalled(number),
            Err(_) => Event::FdFailed,
        };

        due.add(held.data(), ticket, event);
    }
    if requeues {
        // If the fd's number is the answer, there is nothing to receive.
        due.add(held.data(), ticket, Event::Requeue);
    }
    if let Some(mut request) = held.data().project().requests.get(request) {
        request.value().progress = Progress::Done(result);
        // The caller drops the file: here that would be put off until the system call returns.
        request.value().fd = Some(fd);
        due.caller = request.end_sleep();
        return;
    }
    // The caller was killed meanwhile. Perhaps this is the last reference to the file, or leads to
    // the last one to the listener: its release would wait for the target to return, which waits
    // for the release. That may take long: nobody else is to wait for it.
    wake_unlocked(listener, held, due);
    held.unlocked(|| {
        drop(fd);
        target.run_task_work();
    });
}

/// Whether fds are requested for the current task that it has not taken.
#[inline]
fn has_requests(inner: Pin<&mut Inner>, ticket: &NotificationTicket<'_>) -> bool {
    let own = inner.project().notifications.list().own(ticket);

    own.is_some_and(|mut own| !own.value().requests.is_empty())
}

/// Ends the requests for fds that the current task will not install, as it stops waiting: as many
/// as one hold of the lock is to deal with.
#[cold]
fn end_requests(held: &mut Held<'_, Inner, MutexBackend>, ticket: &NotificationTicket<'_>) {
    let mut batch = [const { Wakeup::NONE }; BATCH];

    for wakeup in &mut batch {
        let Some(ended) = end_request(held.data(), ticket) else {
            break;
        };

        *wakeup = ended;
    }
    held.unlocked(|| drop(batch));
}

/// Ends the oldest request for the current task.
fn end_request(inner: Pin<&mut Inner>, ticket: &NotificationTicket<'_>) -> Option<Wakeup> {
    let (_, mut request) = next_request(inner, ticket)?;

    request.value().progress = Progress::Done(Err(ESRCH));
    Some(request.end_sleep())
}

/// Takes the oldest request for the current task out of its queue. Returns its id as well.
fn next_request<'a>(
    inner: Pin<&'a mut Inner>,
    ticket: &NotificationTicket<'_>,
) -> Option<(u64, Waiter<'a, Request>)> {
    let mut this = inner.project();
    let mut own = this.notifications.list().own(ticket)?;
    let queue = &mut own.value().requests;
    let id = queue.oldest()?;

    queue.remove(this.requests.as_mut(), id);
    Some((id, this.requests.get(id)?))
}
