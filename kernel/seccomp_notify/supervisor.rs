// SPDX-License-Identifier: GPL-2.0

//! The supervisor's side: it receives notifications, answers them, and has fds installed.

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
        NotificationWaiter,
        Progress,
        Request,
        RequestTicket, //
    },
    state::{
        Delivery,
        Event,
        Reply, //
    },
};
use kernel::{
    prelude::*,
    seccomp::{
        self,
        trace, //
    },
    sync::{
        aref::ARef,
        lock::mutex::MutexBackend,
        poll::PollEvents,
        waiter::{
            Held,
            Sleep,
            Ticket,
            WaiterList,
            Wakeup, //
        },
        MutexGuard, //
    },
    task::Task,
    time::{
        jiffies,
        jiffies_to_msecs, //
    }, //
};

/// What a reader has taken from the queue.
pub(crate) struct Received {
    /// The notification as the supervisor gets it.
    pub(crate) notif: seccomp::Notif,
    /// The number of this delivery, for [`give_back`].
    delivery: Delivery,
}

/// Takes the oldest notification of the queue, and waits for one if there is none, unless
/// `is_nonblocking`.
///
/// # Errors
///
/// - [`ENOENT`]: no task uses a filter of the listener any more.
/// - [`EAGAIN`]: the queue is empty, and `is_nonblocking`.
/// - [`ERESTARTSYS`]: a signal came while it waited.
#[inline]
pub(crate) fn receive<'a>(
    listener: &Listener,
    received: &'a mut Option<Received>,
    is_nonblocking: bool,
) -> Result<&'a Received> {
    let events = receive_locked(listener.lock(), received, is_nonblocking, || ())?;

    listener.wake(Wakeups::of_pollers(events));
    received.as_ref().ok_or(EAGAIN)
}

/// Answers a notification, if `answer` has its id and what it is, and then does what [`receive`]
/// does, under the same hold of the lock.
///
/// # Errors
///
/// Those of [`reply`], and then nothing has happened. With an answer sent, the result of
/// [`receive`] is in that of this function.
#[inline]
pub(crate) fn reply_and_receive<'a>(
    listener: &Listener,
    answer: Option<(u64, Reply)>,
    received: &'a mut Option<Received>,
    is_nonblocking: bool,
) -> Result<Result<&'a Received>> {
    let mut inner = listener.lock();
    let mut due = match answer {
        Some((id, reply)) => inner
            .as_mut()
            .step(|table| table.get(id), Event::Reply(reply))?,
        None => Due::NONE,
    };
    let result = receive_locked(inner, received, is_nonblocking, || due.wake_target());

    if result.is_ok() {
        // If the target is not woken yet, the caller has not slept, and will not: it has the next
        // to see to.
        due.on_current_cpu = false;
    }
    due.wake(listener);
    Ok(result.and_then(|events| {
        listener.wake(Wakeups::of_pollers(events));
        received.as_ref().ok_or(EAGAIN)
    }))
}

/// Receives, with the lock held at first. Returns what those who poll are told of.
///
/// `before` is called before the caller sleeps, with the lock released.
// A notification is too big to be passed on by value.
#[inline(always)]
fn receive_locked(
    mut inner: MutexGuard<'_, Inner>,
    received: &mut Option<Received>,
    is_nonblocking: bool,
    mut before: impl FnMut(),
) -> Result<PollEvents> {
    // What one that dies would take is for others: they were told of it.
    if inner.notifications.has_queued() && current!().fatal_signal_pending() {
        return Err(ERESTARTSYS);
    }
    if let Some(result) = try_receive(inner.as_mut(), received, is_nonblocking) {
        return result;
    }

    WaiterList::wait(
        inner,
        |inner| inner.project().readers,
        (),
        &(),
        |held, ticket| loop {
            if let Some(mut reader) = held.data().project().readers.own(ticket) {
                reader.enqueue_first();
            }
            held.sleep(ticket, Sleep::Interruptible, || {
                before();
                true
            });
            if current!().signal_pending() && leaves_queue_to_others(held, ticket) {
                return Err(ERESTARTSYS);
            }
            if let Some(result) = try_receive(held.data(), received, is_nonblocking) {
                return result;
            }
        },
    )
}

/// Takes the first notification from the queue. Returns what those who poll are told of, or
/// nothing if the reader has to wait.
// Twice in `receive_locked()`, where one of them is all that most calls execute.
#[inline(always)]
fn try_receive(
    mut inner: Pin<&mut Inner>,
    received: &mut Option<Received>,
    is_nonblocking: bool,
) -> Option<Result<PollEvents>> {
    if inner.notifications.has_queued() {
        if let Some(events) = take_first(inner.as_mut(), received) {
            return Some(Ok(events));
        }
    }
    if inner.is_unused() {
        Some(Err(ENOENT))
    } else if is_nonblocking {
        Some(Err(EAGAIN))
    } else if current!().signal_pending() {
        Some(Err(ERESTARTSYS))
    } else {
        None
    }
}

/// Whether an interrupted reader leaves what there is to receive to others: it may be on its way to
/// a stop, or to its death.
///
/// Whoever is still queued as a reader was not woken for a notification, but by the signal. If it
/// was woken for one, it has another reader take that. If none can, as none sleeps or they are
/// frozen, it takes that itself unless it dies.
#[cold]
fn leaves_queue_to_others<'p>(
    held: &mut Held<'p, Inner, MutexBackend>,
    ticket: &Ticket<'p, ()>,
) -> bool {
    if let Some(mut reader) = held.data().project().readers.own(ticket) {
        if reader.is_queued() {
            reader.dequeue();
            return true;
        }
    }

    // Nobody takes this reader, which does not sleep, for one that can be woken: it is not queued.
    while held.data().notifications.has_queued() {
        let Some(mut other) = held.data().next_reader() else {
            break;
        };

        if held.unlocked(|| other.wake()) {
            return true;
        }
    }
    current!().fatal_signal_pending()
}

/// Takes the first notification from the queue. Returns what those who poll are told of.
#[inline(always)]
fn take_first(inner: Pin<&mut Inner>, received: &mut Option<Received>) -> Option<PollEvents> {
    let due = inner.step(
        |table| {
            let mut first = table.first()?;
            let id = first.id()?;
            let flags = first.value().flags();

            trace::delivered(id, first.task(), flags);
            *received = Some(Received {
                notif: seccomp::Notif {
                    id,
                    pid: first.task().pid_nr_ns(None) as u32,
                    flags,
                    data: *first.shared(),
                },
                delivery: first.value().state.next_delivery(),
            });
            Some(first)
        },
        Event::Receive,
    );

    Some(due.ok()?.others.events())
}

/// Undoes what [`receive`] has done, as the supervisor could not be given `received`.
#[cold]
pub(crate) fn give_back(listener: &Listener, received: &Received) {
    let Received { notif, delivery } = received;
    let event = Event::ReceiveFailed(*delivery);

    // It may be gone by now.
    let _ = step(listener, notif.id, event);
}

/// Answers the notification `id`.
///
/// # Errors
///
/// - [`ENOENT`]: there is no such notification.
/// - [`EINPROGRESS`]: it is not delivered, or answered already.
#[inline]
pub(crate) fn reply(listener: &Listener, id: u64, reply: Reply) -> Result {
    step(listener, id, Event::Reply(reply))
}

#[inline(always)]
fn step(listener: &Listener, id: u64, event: Event) -> Result {
    // The lock is released at the end of the statement.
    let due = listener
        .lock()
        .as_mut()
        .step(|table| table.get(id), event)?;

    due.wake(listener);
    Ok(())
}

/// The notification `id`, if it awaits a reply.
fn awaiting_reply(inner: Pin<&mut Inner>, id: u64) -> Option<NotificationWaiter<'_>> {
    let mut notification = inner.project().notifications.get(id)?;

    notification
        .value()
        .state
        .awaits_reply()
        .then_some(notification)
}

/// Whether the notification `id` awaits a reply.
pub(crate) fn awaits_reply(listener: &Listener, id: u64) -> bool {
    awaiting_reply(listener.lock().as_mut(), id).is_some()
}

/// The target of the notification `id`, if that awaits a reply.
pub(crate) fn target_of(listener: &Listener, id: u64) -> Option<ARef<Task>> {
    awaiting_reply(listener.lock().as_mut(), id).map(|target| target.task().into())
}

/// Runs `copy` on the target of the notification `id`, and holds the target meanwhile: an answer, a
/// signal that is not fatal, or [`requeue`] takes effect when `copy` has returned.
///
/// # Errors
///
/// - [`ENOENT`]: the notification does not await a reply, or a signal has ended it since.
/// - Whatever `copy` fails with.
pub(crate) fn hold_target<R>(
    listener: &Listener,
    id: u64,
    copy: impl FnOnce(&Task) -> Result<R>,
) -> Result<R> {
    let target = begin_copy(listener.lock().as_mut(), id)?;
    let result = copy(&target);

    end_copy(listener, id)?;
    result
}

/// Returns the target that is held from now on.
fn begin_copy(inner: Pin<&mut Inner>, id: u64) -> Result<ARef<Task>> {
    let mut target = inner.project().notifications.get(id).ok_or(ENOENT)?;

    // This has no effect on the queue, nor on what is counted there, and wakes nobody.
    target.value().state.step(Event::Copy).map_err(|_| ENOENT)?;
    Ok(target.task().into())
}

/// Lets the target go that [`begin_copy`] has held.
fn end_copy(listener: &Listener, id: u64) -> Result {
    let mut inner = listener.lock();
    let due = inner
        .as_mut()
        .step(|table| table.get(id), Event::CopyEnded)?;
    let notification = inner.as_mut().project().notifications.get(id);
    let is_gone = notification.is_none_or(|mut target| target.value().state.is_gone());

    drop(inner);
    due.wake(listener);
    if is_gone {
        return Err(ENOENT);
    }
    Ok(())
}

/// Has those targets look again that ignore a signal: the supervisor is to be told of it now.
///
/// It takes the lock for a few of them at a time.
pub(crate) fn tell_of_ignored_signals(listener: &Listener) {
    let mut at = None;

    while listener.wake_batch(|inner| {
        let mut target = inner.project().notifications.next(at)?;

        at = target.id();
        Some(if target.value().state.ignores_signals() {
            target.end_sleep()
        } else {
            Wakeup::NONE
        })
    }) {}
}

/// Puts the notification `id` back in the queue, to be received once more.
///
/// # Errors
///
/// - [`ENOENT`]: the notification does not await a reply.
/// - [`EBUSY`]: the target has not installed all fds that were requested for it.
pub(crate) fn requeue(listener: &Listener, id: u64) -> Result {
    let mut inner = listener.lock();
    let due = put_back(inner.as_mut(), id)?;

    drop(inner);
    due.wake(listener);
    Ok(())
}

/// Does what [`requeue`] does with all notifications for which that succeeds. Returns how many
/// these were. Those of which a killed supervisor has left their target with an fd to install
/// follow when that is done.
///
/// It takes the lock for a few of them at a time.
pub(crate) fn requeue_all(listener: &Listener) -> usize {
    let mut count = 0;
    let mut at = None;

    loop {
        let mut inner = listener.lock();
        let mut due = None;

        for _ in 0..BATCH {
            let Some(next) = inner.as_mut().project().notifications.next(at) else {
                return count;
            };

            at = next.id();
            let Some(id) = at else {
                continue;
            };
            due = put_back(inner.as_mut(), id).ok();
            if due.is_some() {
                count += 1;
                break;
            }
            put_back_when_installed(inner.as_mut(), id);
        }
        drop(inner);
        if let Some(due) = due {
            due.wake(listener);
        }
    }
}

fn put_back(mut inner: Pin<&mut Inner>, id: u64) -> Result<Due> {
    let notifications = inner.as_mut().project().notifications;
    let mut notification = notifications.get(id).ok_or(ENOENT)?;
    let notification = notification.value();

    if !notification.state.awaits_reply() && !notification.state.is_replying() {
        return Err(ENOENT);
    }
    if !notification.requests.is_empty() || notification.is_installing {
        return Err(EBUSY);
    }
    inner.step(|table| table.get(id), Event::Requeue)
}

/// Has the notification `id` put back when its target has installed an fd, if whoever requested
/// that was killed: it does not wait for the target, and nobody else knows when that is.
fn put_back_when_installed(inner: Pin<&mut Inner>, id: u64) {
    if let Some(mut notification) = inner.project().notifications.get(id) {
        let notification = notification.value();

        if notification.is_abandoned {
            notification.requeue_before = Some(notification.state.next_delivery());
        }
    }
}

/// A notification as it is listed.
pub(crate) struct Outline {
    /// The pid of the target in the namespace of the current task, or 0.
    pub(crate) pid: u32,
    pub(crate) arch: u32,
    pub(crate) nr: i32,
    pub(crate) state: &'static str,
    /// How long ago it was made, in milliseconds.
    pub(crate) age: u64,
}

/// Tells of the notification `id`, if there is one.
pub(crate) fn outline(listener: &Listener, id: u64) -> Option<Outline> {
    let mut inner = listener.lock();
    let mut notification = inner.as_mut().project().notifications.get(id)?;
    let seccomp::Data { arch, nr, .. } = *notification.shared();
    let pid = notification.task().pid_nr_ns(None) as u32;
    let notification = notification.value();

    Some(Outline {
        pid,
        arch,
        nr,
        state: notification.state.name(),
        age: jiffies_to_msecs(jiffies().wrapping_sub(notification.since)),
    })
}

/// Has the target of the notification `id` install `fd`, and waits for it.
///
/// Returns the number that the fd got there. With `is_reply` that is the answer as well, once it
/// is installed.
///
/// # Errors
///
/// - [`ENOENT`]: there is no such notification.
/// - [`EINPROGRESS`]: it is not delivered, or answered already.
/// - [`EBUSY`]: with `is_reply`, while the target has not taken other fds.
/// - [`ESRCH`]: the target stopped waiting before it took the fd.
/// - [`ERESTARTSYS`]: a signal came before the target took the fd, or a fatal one since.
/// - Whatever installing the fd fails with.
pub(crate) fn add_fd(listener: &Listener, id: u64, fd: Fd, is_reply: bool) -> Result<u32> {
    let mut inner = listener.lock();

    let event = if is_reply {
        let notifications = inner.as_mut().project().notifications;
        let mut notification = notifications.get(id).ok_or(ENOENT)?;
        let notification = notification.value();

        // An answer while other fds are pending: it could overtake them.
        if notification.state.awaits_reply() && !notification.requests.is_empty() {
            return Err(EBUSY);
        }
        Event::AddFdReply
    } else {
        Event::AddFd
    };
    let mut due = inner.as_mut().step(|table| table.get(id), event)?;

    let result = WaiterList::wait(
        inner,
        |inner| inner.project().requests.list(),
        Request::new(fd, is_reply),
        &(),
        |held, ticket| {
            queue_request(held.data(), id, ticket);
            loop {
                match await_fd(held.data(), id, ticket, &mut due) {
                    Ok(how) => {
                        held.sleep(ticket, how, || {
                            due.target.wake();
                            true
                        });
                    }
                    Err(result) => return result,
                }
            }
        },
    );

    due.wake(listener);
    result
}

/// Puts the request of the current task, for the notification `id`, where its target finds it.
fn queue_request(inner: Pin<&mut Inner>, id: u64, ticket: &RequestTicket<'_>) {
    let this = inner.project();

    if let Some(mut notification) = this.notifications.get(id) {
        notification.value().requests.push(this.requests, ticket);
    }
}

/// Decides how the caller sleeps that has requested an fd for the notification `id`, or what it
/// returns.
fn await_fd(
    mut inner: Pin<&mut Inner>,
    id: u64,
    ticket: &RequestTicket<'_>,
    due: &mut Due,
) -> Result<Sleep, Result<u32>> {
    let requests = inner.as_mut().project().requests;
    let mut own = requests.list().own(ticket).ok_or(Err(ESRCH))?;

    match own.value().progress {
        Progress::Done(result) => Err(result),
        // The target is at it, and may be for long: an fd that is replaced may have to be flushed.
        Progress::Installing if current!().fatal_signal_pending() => {
            abandon(inner, id);
            Err(Err(ERESTARTSYS))
        }
        Progress::Installing => Ok(Sleep::Killable),
        Progress::Pending if current!().signal_pending() => {
            take_back(inner, id, ticket, due);
            Err(Err(ERESTARTSYS))
        }
        Progress::Pending => Ok(Sleep::Interruptible),
    }
}

/// Leaves the target of the notification `id` with the fd that it is installing.
#[cold]
fn abandon(inner: Pin<&mut Inner>, id: u64) {
    if let Some(mut notification) = inner.project().notifications.get(id) {
        notification.value().is_abandoned = true;
    }
}

/// Takes the request of the current task, for the notification `id`, back.
#[cold]
fn take_back(mut inner: Pin<&mut Inner>, id: u64, ticket: &RequestTicket<'_>, due: &mut Due) {
    let mut this = inner.as_mut().project();
    let Some(mut own) = this.requests.as_mut().list().own(ticket) else {
        return;
    };
    let is_reply = own.value().is_reply;

    if let (Some(request), Some(mut notification)) = (own.id(), this.notifications.get(id)) {
        notification.value().requests.remove(this.requests, request);
    }
    if is_reply {
        if let Ok(more) = inner.step(|table| table.get(id), Event::FdFailed) {
            due.others.add(more.others);
            // It is woken once: in one of them there is nobody.
            if more.target.is_due() {
                due.target = more.target;
            }
        }
    }
}
