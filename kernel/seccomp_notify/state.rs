// SPDX-License-Identifier: GPL-2.0

//! The states of a notification.
//!
//! This is the whole of the state machine and nothing else: it knows no task, no lock and no file,
//! and needs nothing but `core`, so that it is tested on the host as it is.
//! [`NotificationState::step`] takes an [`Event`] and says as [`Effects`] what is to be done about
//! it.
//!
//! A state is made of what is known: whether there is an answer, whether a signal is to be told
//! of, who received the notification, and who copies the target's memory. Whether it is in the
//! queue, and whether it may be answered, follows from that.

use core::num::NonZeroU32;

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

/// The number of a delivery of one notification, from 1 on.
pub(crate) type Delivery = NonZeroU32;

/// When none but a fatal signal ends a target's wait, as its filter wants it.
// Any number will do: one that is none of these is like `NEVER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitKillable(pub(crate) u8);

impl WaitKillable {
    /// The filter has no flag for it. The supervisor may still ask for such a wait.
    pub(crate) const NEVER: Self = Self(0);
    /// Once a reader has the notification (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`).
    pub(crate) const ONCE_RECEIVED: Self = Self(1);
    /// From the start (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE`).
    pub(crate) const ALWAYS: Self = Self(2);
}

/// Whether there is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is awaited.
    Awaited,
    /// It will be the number of an fd that the target installs.
    Installing {
        /// The answer if the fd is not installed: the listener was closed meanwhile.
        otherwise: Option<Reply>,
    },
    /// What has come of it takes effect when nobody copies the target's memory any more.
    Deferred(Outcome),
    /// The target may go, with this answer.
    Given(Reply),
    /// The target goes without one.
    Aborted,
}

/// What becomes of a notification whose target is held, as its memory is being copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The target goes, with this answer.
    Reply(Reply),
    /// The target goes without one.
    Abort,
    /// It is received once more.
    Requeue,
}

/// What can happen to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A reader takes it from the queue.
    Receive,
    /// The reader of this delivery could not take it after all.
    ReceiveFailed(Delivery),
    /// The supervisor answers.
    Reply(Reply),
    /// The supervisor asks for an fd to be installed.
    AddFd,
    /// The supervisor asks for an fd to be installed, and its number to be the answer.
    AddFdReply,
    /// That fd is installed.
    FdInstalled(u32),
    /// That fd was not installed: it failed, or the supervisor took the request back.
    FdFailed,
    /// The supervisor begins to copy the target's memory. Until it has done so, the target goes on
    /// for a fatal signal only.
    Copy,
    /// The supervisor has done so.
    CopyEnded,
    /// The supervisor wants it to be received once more.
    Requeue,
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
    /// It was there before: it goes to where it was, before those that never left.
    Back,
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
}

impl Effects {
    const NONE: Self = Self {
        queue: Queue::Stay,
        wake: false,
    };
}

/// Why an event cannot happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It needs a notification that a reader has and that is not answered (`EINPROGRESS`).
    NotDelivered,
    /// The target goes without an answer: the notification is no more (`ENOENT`).
    Gone,
}

/// The delivery after the `last`; before the first, that is 0.
// A supervisor whose buffers are bad can have so many that the numbers begin again.
#[inline]
pub(crate) const fn following(last: u32) -> Delivery {
    match Delivery::new(last.wrapping_add(1)) {
        Some(delivery) => delivery,
        None => Delivery::MIN,
    }
}

/// A notification's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotificationState {
    answer: Answer,
    /// A signal came that the supervisor is told of: no other will interrupt the target.
    signalled: bool,
    /// What the filter wants.
    wait_killable: WaitKillable,
    /// The number of the latest delivery.
    deliveries: u32,
    /// The delivery that told of no signal, unless there is none or it failed.
    plain: Option<Delivery>,
    /// The delivery that told of the signal, unless there is none or it failed.
    telling: Option<Delivery>,
    /// How many copy the target's memory.
    copies: u32,
    /// It was put back in the queue by a supervisor.
    requeued: bool,
}

impl NotificationState {
    /// A new notification, to be put at the end of the queue.
    #[inline]
    pub(crate) const fn new(wait_killable: WaitKillable) -> Self {
        Self {
            answer: Answer::Awaited,
            signalled: false,
            wait_killable,
            deliveries: 0,
            plain: None,
            telling: None,
            copies: 0,
            requeued: false,
        }
    }

    /// The answer, once there is one.
    #[inline]
    pub(crate) const fn reply(&self) -> Option<Reply> {
        match self.answer {
            Answer::Given(reply) => Some(reply),
            _ => None,
        }
    }

    /// Whether there is an answer.
    #[inline]
    pub(crate) const fn is_replied(&self) -> bool {
        matches!(self.answer, Answer::Given(_))
    }

    /// Whether the target goes without an answer.
    #[inline]
    pub(crate) const fn is_aborted(&self) -> bool {
        matches!(self.answer, Answer::Aborted)
    }

    /// Whether the target goes without an answer, if not at once.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(
            self.answer,
            Answer::Aborted | Answer::Deferred(Outcome::Abort)
        )
    }

    /// Whether an answer is awaited: the notification is in the queue, or a reader has it, or both.
    #[inline]
    pub(crate) const fn is_awaited(&self) -> bool {
        matches!(self.answer, Answer::Awaited)
    }

    /// Whether the notification waits in the queue for a reader.
    #[inline]
    pub(crate) const fn is_queued(&self) -> bool {
        self.is_awaited()
            && if self.signalled {
                self.telling.is_none()
            } else {
                self.plain.is_none()
            }
    }

    /// Whether a reader has the notification and may answer.
    #[inline]
    pub(crate) const fn awaits_reply(&self) -> bool {
        self.is_awaited() && self.is_held()
    }

    /// Whether a reader has the notification.
    #[inline]
    const fn is_held(&self) -> bool {
        self.plain.is_some() || self.telling.is_some()
    }

    /// Whether the supervisor is to be told, or was told, of a signal.
    #[inline]
    pub(crate) const fn signalled(&self) -> bool {
        self.signalled
    }

    /// Whether a signal may be pending for the target of which the supervisor was not told, and
    /// which does not interrupt it.
    pub(crate) const fn ignores_signals(&self) -> bool {
        let may_be_told_of = matches!(
            self.answer,
            Answer::Awaited | Answer::Installing { .. } | Answer::Deferred(Outcome::Requeue)
        );

        may_be_told_of && self.waits_killable() && !self.signalled
    }

    /// What the state is called, as in the documentation.
    pub(crate) const fn name(&self) -> &'static str {
        match self.answer {
            Answer::Awaited => match (self.is_queued(), self.is_held()) {
                (true, true) => "requeued",
                (true, false) => "queued",
                (false, _) => "delivered",
            },
            Answer::Installing { .. } => "installing",
            Answer::Deferred(_) => "held",
            Answer::Given(_) | Answer::Aborted => "replied",
        }
    }

    /// The next delivery, for [`Event::ReceiveFailed`].
    #[inline]
    pub(crate) const fn next_delivery(&self) -> Delivery {
        following(self.deliveries)
    }

    /// Whether none but a fatal signal ends the target's wait.
    #[inline]
    pub(crate) const fn waits_killable(&self) -> bool {
        self.signalled
            || match self.wait_killable {
                WaitKillable::ALWAYS => true,
                // What a supervisor has begun stays protected when another one goes on.
                WaitKillable::ONCE_RECEIVED => {
                    self.is_held() || self.is_replying() || self.requeued
                }
                _ => false,
            }
    }

    /// Whether it is answered when an fd is installed.
    #[inline]
    pub(crate) const fn is_replying(&self) -> bool {
        matches!(self.answer, Answer::Installing { .. })
    }

    /// Applies `event`, and says what is to be done about it.
    // Each caller has one kind of event: with that known, little is left of this.
    #[inline(always)]
    pub(crate) fn step(&mut self, event: Event) -> Result<Effects, Refusal> {
        use Answer::*;

        match event {
            Event::Receive => {
                if !self.is_queued() {
                    return Err(self.refusal());
                }
                let delivery = self.next_delivery();

                self.deliveries = delivery.get();
                if self.signalled {
                    self.telling = Some(delivery);
                } else {
                    self.plain = Some(delivery);
                }
                Ok(Effects {
                    queue: Queue::Leave,
                    ..Effects::NONE
                })
            }
            Event::ReceiveFailed(delivery) => Ok(self.change(Queue::Back, |this| {
                if this.plain == Some(delivery) {
                    this.plain = None;
                }
                if this.telling == Some(delivery) {
                    this.telling = None;
                }
            })),

            Event::Reply(_) | Event::AddFd | Event::AddFdReply | Event::Copy | Event::Requeue
                if !self.awaits_reply() =>
            {
                Err(self.refusal())
            }
            Event::Reply(reply) => Ok(self.answer(reply)),
            Event::AddFd => Ok(Effects {
                wake: true,
                ..Effects::NONE
            }),
            Event::AddFdReply => {
                self.answer = Installing { otherwise: None };
                Ok(Effects {
                    queue: Queue::Leave,
                    wake: true,
                })
            }

            Event::FdInstalled(fd) => Ok(match self.answer {
                Installing { .. } => self.answer(Reply::value(fd.into())),
                _ => Effects::NONE,
            }),
            Event::FdFailed => Ok(match self.answer {
                Installing { otherwise: None } => {
                    self.change(Queue::Back, |this| this.answer = Awaited)
                }
                Installing {
                    otherwise: Some(reply),
                } => self.answer(reply),
                _ => Effects::NONE,
            }),

            Event::Copy => {
                self.copies += 1;
                Ok(Effects::NONE)
            }
            Event::CopyEnded => {
                self.copies -= 1;
                Ok(match self.answer {
                    Deferred(outcome) if self.copies == 0 => self.settle(outcome),
                    _ => Effects::NONE,
                })
            }
            Event::Requeue if self.copies > 0 => Ok(self.defer(Outcome::Requeue)),
            Event::Requeue => Ok(self.requeue()),

            Event::Close(reply) => Ok(match self.answer {
                Awaited | Deferred(Outcome::Requeue) => self.answer(reply),
                // The supervisor was killed after it asked for this.
                Installing { .. } => {
                    self.answer = Installing {
                        otherwise: Some(reply),
                    };
                    Effects::NONE
                }
                _ => Effects::NONE,
            }),

            Event::Signal { fatal, report } => Ok(match self.answer {
                // The signal comes too late to matter.
                Given(_) | Aborted => Effects::NONE,
                _ if fatal => self.abort(),
                // The fd is closed: nobody is left to be told.
                Installing { otherwise: Some(_) } => Effects::NONE,
                // It is answered already, save that the target is held.
                Deferred(Outcome::Reply(_) | Outcome::Abort) => Effects::NONE,
                _ if self.signalled => Effects::NONE,
                _ if report => self.change(Queue::Last, |this| this.signalled = true),
                _ if self.waits_killable() => Effects::NONE,
                _ if self.copies > 0 => self.defer(Outcome::Abort),
                _ => self.abort(),
            }),
        }
    }

    #[cold]
    fn refusal(&self) -> Refusal {
        if self.is_gone() {
            Refusal::Gone
        } else {
            Refusal::NotDelivered
        }
    }

    /// Makes a change that leaves the notification without an answer, but perhaps in the queue, at
    /// `place`, or in need of another way to wait.
    #[inline]
    fn change(&mut self, place: Queue, change: impl FnOnce(&mut Self)) -> Effects {
        let before = *self;

        change(self);
        Effects {
            queue: if self.is_queued() && !before.is_queued() {
                place
            } else {
                Queue::Stay
            },
            wake: before.waits_killable() && !self.waits_killable(),
        }
    }

    #[inline]
    fn answer(&mut self, reply: Reply) -> Effects {
        if self.copies > 0 {
            return self.defer(Outcome::Reply(reply));
        }
        self.answer = Answer::Given(reply);
        Effects {
            queue: Queue::Leave,
            wake: true,
        }
    }

    fn abort(&mut self) -> Effects {
        self.answer = Answer::Aborted;
        Effects {
            queue: Queue::Leave,
            wake: false,
        }
    }

    /// The target is held, and stays so.
    #[cold]
    fn defer(&mut self, outcome: Outcome) -> Effects {
        self.answer = Answer::Deferred(outcome);
        Effects {
            queue: Queue::Leave,
            wake: false,
        }
    }

    /// The target is not held any more: what was put off happens.
    #[cold]
    fn settle(&mut self, outcome: Outcome) -> Effects {
        match outcome {
            Outcome::Reply(reply) => self.answer(reply),
            Outcome::Abort => Effects {
                wake: true,
                ..self.abort()
            },
            Outcome::Requeue => self.requeue(),
        }
    }

    fn requeue(&mut self) -> Effects {
        let effects = self.change(Queue::Back, |this| {
            this.answer = Answer::Awaited;
            this.plain = None;
            this.telling = None;
            this.requeued = true;
        });

        // For a signal, it may be in the queue already.
        Effects {
            queue: Queue::Back,
            ..effects
        }
    }
}
