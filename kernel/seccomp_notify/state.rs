// SPDX-License-Identifier: GPL-2.0

//! The states of a notification.
//!
//! This is the whole of the state machine and nothing else: it knows no task, no lock and no file,
//! and needs nothing but `core`, so that it is tested on the host as it is. [`Notification::step`]
//! takes an [`Event`] and says as [`Effects`] what is to be done about it.

/// An answer: what the target's system call results in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// A negative errno, or 0.
    pub(crate) error: i32,
    /// The value that the system call returns if `error` is 0.
    pub(crate) val: i64,
    /// `SECCOMP_USER_NOTIF_FLAG_*`.
    pub(crate) flags: u32,
}

impl Reply {
    /// The system call fails with `error`, a negative errno.
    pub(crate) const fn error(error: i32) -> Self {
        Self {
            error,
            val: 0,
            flags: 0,
        }
    }

    /// The system call returns `val`.
    pub(crate) const fn value(val: i64) -> Self {
        Self {
            error: 0,
            val,
            flags: 0,
        }
    }
}

/// How far a notification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is in the queue, and no reader has it.
    Queued,
    /// A reader has it, and has not answered.
    Delivered {
        /// An earlier reader has it as well.
        again: bool,
    },
    /// A reader has it, and it is in the queue again, to tell that a signal came.
    Requeued,
    /// The target is installing an fd whose number will be the answer.
    Replying {
        /// What becomes of it otherwise.
        otherwise: Otherwise,
    },
    /// The target may go, with this answer.
    Replied(Reply),
}

/// Where a notification goes if the fd is not installed whose number was to be the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// It is delivered, as before.
    Delivered,
    /// It is in the queue, as before, or because a signal came since.
    Requeued,
    /// The listener was closed since: this is the answer.
    Replied(Reply),
}

/// What can happen to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A reader takes it from the queue.
    Receive,
    /// The reader to which the delivery of this number went could not take it after all.
    ReceiveFailed(u32),
    /// The supervisor answers.
    Reply(Reply),
    /// The supervisor asks for an fd to be installed.
    AddFd,
    /// The supervisor asks for an fd to be installed, and its number to be the answer.
    AddFdReply,
    /// That fd is installed.
    FdInstalled(u32),
    /// That fd was not installed: it failed, or the supervisor thought better of it.
    FdFailed,
    /// The listener is closed, and this is the answer.
    Close(Reply),
    /// The waiting target finds a signal pending.
    Signal {
        /// The signal will kill it.
        fatal: bool,
        /// The supervisor has asked to be told of signals.
        report: bool,
    },
}

/// What an event does to the notification's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// It stays as it is, in the queue or not.
    Stay,
    /// It leaves the queue.
    Leave,
    /// It goes to the start of the queue: it was there before.
    First,
    /// It goes to the end of the queue.
    Last,
}

/// What is to be done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Where the notification goes.
    pub(crate) queue: Queue,
    /// The target must be woken, to look at its notification.
    pub(crate) wake: bool,
    /// The target stops waiting without an answer, and the notification is gone.
    pub(crate) abort: bool,
}

impl Effects {
    const NONE: Self = Self {
        queue: Queue::Stay,
        wake: false,
        abort: false,
    };

    const WAKE: Self = Self {
        wake: true,
        ..Self::NONE
    };

    const ABORT: Self = Self {
        abort: true,
        ..Self::NONE
    };

    const fn queue(queue: Queue) -> Self {
        Self {
            queue,
            ..Self::NONE
        }
    }
}

/// The event needs a notification that a reader has and that is not answered (`EINPROGRESS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDelivered;

/// A notification's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    phase: Phase,
    /// A signal came that the supervisor is told of: no other will interrupt the target.
    signalled: bool,
    /// The filter has `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
    wait_killable_recv: bool,
    /// How many times a reader took it.
    deliveries: u32,
}

impl Notification {
    /// A new notification, to be put at the end of the queue.
    pub(crate) const fn new(wait_killable_recv: bool) -> Self {
        Self {
            phase: Phase::Queued,
            signalled: false,
            wait_killable_recv,
            deliveries: 0,
        }
    }

    /// The answer, once there is one.
    #[inline]
    pub(crate) const fn reply(&self) -> Option<Reply> {
        match self.phase {
            Phase::Replied(reply) => Some(reply),
            _ => None,
        }
    }

    /// Whether a reader has the notification and may answer.
    #[inline]
    pub(crate) const fn awaits_reply(&self) -> bool {
        matches!(self.phase, Phase::Delivered { .. } | Phase::Requeued)
    }

    /// Whether the supervisor is to be told, or was told, of a signal.
    #[inline]
    pub(crate) const fn signalled(&self) -> bool {
        self.signalled
    }

    /// The number of the next delivery, for [`Event::ReceiveFailed`].
    #[inline]
    pub(crate) const fn next_delivery(&self) -> u32 {
        self.deliveries.wrapping_add(1)
    }

    /// Whether none but a fatal signal ends the target's wait.
    #[inline]
    pub(crate) const fn waits_killable(&self) -> bool {
        self.signalled || (self.wait_killable_recv && !matches!(self.phase, Phase::Queued))
    }

    /// Has `event` happen, and says what is to be done about it.
    // Each caller has one kind of event: with that known, little is left of this.
    #[inline(always)]
    pub(crate) fn step(&mut self, event: Event) -> Result<Effects, NotDelivered> {
        use Phase::*;

        match (self.phase, event) {
            (Queued, Event::Receive) => {
                self.deliver(false);
                Ok(Effects::queue(Queue::Leave))
            }
            (Requeued, Event::Receive) => {
                self.deliver(true);
                Ok(Effects::queue(Queue::Leave))
            }
            // Only what is in the queue can be taken from it.
            (_, Event::Receive) => Err(NotDelivered),

            (Delivered { again }, Event::ReceiveFailed(delivery))
                if delivery == self.deliveries =>
            {
                self.phase = if again { Requeued } else { Queued };
                Ok(Effects {
                    queue: Queue::First,
                    // It may have to wait in another way now.
                    wake: true,
                    abort: false,
                })
            }
            // The latest delivery was a good one, or is in the queue again: then it was the first
            // delivery that failed, and the others are not affected.
            (Delivered { .. }, Event::ReceiveFailed(_)) => {
                self.phase = Delivered { again: false };
                Ok(Effects::NONE)
            }
            (Requeued, Event::ReceiveFailed(_)) => {
                self.phase = Queued;
                Ok(Effects::NONE)
            }
            (_, Event::ReceiveFailed(_)) => Ok(Effects::NONE),

            (Delivered { .. } | Requeued, Event::Reply(reply)) => Ok(self.answer(reply)),
            (Delivered { .. } | Requeued, Event::AddFd) => Ok(Effects::WAKE),
            (Delivered { .. } | Requeued, Event::AddFdReply) => {
                self.phase = Replying {
                    otherwise: match self.phase {
                        Requeued => Otherwise::Requeued,
                        _ => Otherwise::Delivered,
                    },
                };
                Ok(Effects {
                    queue: Queue::Leave,
                    wake: true,
                    abort: false,
                })
            }
            (_, Event::Reply(_) | Event::AddFd | Event::AddFdReply) => Err(NotDelivered),

            (Replying { .. }, Event::FdInstalled(fd)) => Ok(self.answer(Reply::value(fd.into()))),
            (Replying { otherwise }, Event::FdFailed) => match otherwise {
                Otherwise::Delivered => {
                    self.phase = Delivered { again: false };
                    Ok(Effects::NONE)
                }
                Otherwise::Requeued => {
                    self.phase = Requeued;
                    Ok(Effects::queue(Queue::First))
                }
                Otherwise::Replied(reply) => Ok(self.answer(reply)),
            },
            (_, Event::FdInstalled(_) | Event::FdFailed) => Ok(Effects::NONE),

            (Replied(_), Event::Close(_)) => Ok(Effects::NONE),
            // The supervisor was killed after it asked for this.
            (Replying { .. }, Event::Close(reply)) => {
                self.phase = Replying {
                    otherwise: Otherwise::Replied(reply),
                };
                Ok(Effects::NONE)
            }
            (_, Event::Close(reply)) => Ok(self.answer(reply)),

            // The answer is there: the signal comes too late to matter.
            (Replied(_), Event::Signal { .. }) => Ok(Effects::NONE),
            (_, Event::Signal { fatal: true, .. }) => Ok(Effects::ABORT),
            (
                Replying {
                    otherwise: Otherwise::Replied(_),
                },
                Event::Signal { .. },
            ) => Ok(Effects::NONE),
            (_, Event::Signal { .. }) if self.signalled => Ok(Effects::NONE),
            (_, Event::Signal { report: true, .. }) => Ok(self.signal()),
            (_, Event::Signal { .. }) if self.waits_killable() => Ok(Effects::NONE),
            (_, Event::Signal { .. }) => Ok(Effects::ABORT),
        }
    }

    fn deliver(&mut self, again: bool) {
        self.phase = Phase::Delivered { again };
        self.deliveries = self.next_delivery();
    }

    fn answer(&mut self, reply: Reply) -> Effects {
        self.phase = Phase::Replied(reply);
        Effects {
            queue: Queue::Leave,
            wake: true,
            abort: false,
        }
    }

    /// Marks the notification, and puts it in the queue again if a reader has it.
    fn signal(&mut self) -> Effects {
        self.signalled = true;
        match self.phase {
            Phase::Delivered { .. } => {
                self.phase = Phase::Requeued;
                Effects::queue(Queue::Last)
            }
            Phase::Replying {
                otherwise: Otherwise::Delivered,
            } => {
                self.phase = Phase::Replying {
                    otherwise: Otherwise::Requeued,
                };
                Effects::NONE
            }
            _ => Effects::NONE,
        }
    }
}
