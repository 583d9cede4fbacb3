// SPDX-License-Identifier: GPL-2.0

//! The states of a notification, compiled as they are in the kernel.
//!
//! First each event in each state, against a table written out here. Then random sequences of
//! events, against what the interface promises whatever happens.

#[path = "../../../../kernel/seccomp_notify/state.rs"]
mod state;

use proptest::prelude::*;
use state::{Effects, Event, NotDelivered, Notification, Queue, Reply};

const CLOSED: Reply = Reply::error(-38);
const ANSWER: Reply = Reply {
    error: -13,
    val: 0,
    flags: 0,
};

/// The states that can be told apart, and the events that lead there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum In {
    Queued,
    QueuedSignalled,
    Delivered,
    DeliveredSignalled,
    Requeued,
    DeliveredAgain,
    Replying,
    ReplyingSignalled,
    ReplyingRequeued,
    ReplyingClosed,
    Replied,
}

const STATES: [In; 11] = [
    In::Queued,
    In::QueuedSignalled,
    In::Delivered,
    In::DeliveredSignalled,
    In::Requeued,
    In::DeliveredAgain,
    In::Replying,
    In::ReplyingSignalled,
    In::ReplyingRequeued,
    In::ReplyingClosed,
    In::Replied,
];

const REPORTED: Event = Event::Signal {
    fatal: false,
    report: true,
};
const UNREPORTED: Event = Event::Signal {
    fatal: false,
    report: false,
};
const FATAL: Event = Event::Signal {
    fatal: true,
    report: false,
};
const FATAL_REPORTED: Event = Event::Signal {
    fatal: true,
    report: true,
};

/// A notification that was brought into `state`.
fn made(state: In, wait_killable_recv: bool) -> Notification {
    let mut notification = Notification::new(wait_killable_recv);
    let events: &[Event] = match state {
        In::Queued => &[],
        In::QueuedSignalled => &[REPORTED],
        In::Delivered => &[Event::Receive],
        In::DeliveredSignalled => &[REPORTED, Event::Receive],
        In::Requeued => &[Event::Receive, REPORTED],
        In::DeliveredAgain => &[Event::Receive, REPORTED, Event::Receive],
        In::Replying => &[Event::Receive, Event::AddFdReply],
        In::ReplyingSignalled => &[REPORTED, Event::Receive, Event::AddFdReply],
        In::ReplyingRequeued => &[Event::Receive, REPORTED, Event::AddFdReply],
        In::ReplyingClosed => &[Event::Receive, Event::AddFdReply, Event::Close(CLOSED)],
        In::Replied => &[Event::Receive, Event::Reply(ANSWER)],
    };

    for event in events {
        notification.step(*event).unwrap();
    }
    notification
}

const NOTHING: Effects = Effects {
    queue: Queue::Stay,
    wake: false,
    abort: false,
};
const WAKES: Effects = Effects {
    wake: true,
    ..NOTHING
};
const ABORTS: Effects = Effects {
    abort: true,
    ..NOTHING
};

const fn moves(queue: Queue) -> Effects {
    Effects { queue, ..NOTHING }
}

const fn moves_and_wakes(queue: Queue) -> Effects {
    Effects { queue, ..WAKES }
}

/// What must come of `event` in `state`: the effects, and the state after it.
fn expected(
    state: In,
    event: Event,
    wait_killable_recv: bool,
) -> Result<(Effects, In), NotDelivered> {
    use In::*;

    let has_reader = matches!(
        state,
        Delivered | DeliveredSignalled | Requeued | DeliveredAgain
    );
    Ok(match event {
        Event::Receive => match state {
            Queued => (moves(Queue::Leave), Delivered),
            QueuedSignalled => (moves(Queue::Leave), DeliveredSignalled),
            Requeued => (moves(Queue::Leave), DeliveredAgain),
            _ => return Err(NotDelivered),
        },
        // Of the latest delivery.
        Event::ReceiveFailed(_) => match state {
            Delivered => (moves_and_wakes(Queue::First), Queued),
            DeliveredSignalled => (moves_and_wakes(Queue::First), QueuedSignalled),
            DeliveredAgain => (moves_and_wakes(Queue::First), Requeued),
            Requeued => (NOTHING, QueuedSignalled),
            other => (NOTHING, other),
        },
        Event::Reply(_) if has_reader => (moves_and_wakes(Queue::Leave), Replied),
        Event::AddFd if has_reader => (WAKES, state),
        Event::AddFdReply if has_reader => (
            moves_and_wakes(Queue::Leave),
            match state {
                Requeued => ReplyingRequeued,
                Delivered => Replying,
                _ => ReplyingSignalled,
            },
        ),
        Event::Reply(_) | Event::AddFd | Event::AddFdReply => return Err(NotDelivered),
        Event::FdInstalled(_) => match state {
            Replying | ReplyingSignalled | ReplyingRequeued | ReplyingClosed => {
                (moves_and_wakes(Queue::Leave), Replied)
            }
            other => (NOTHING, other),
        },
        Event::FdFailed => match state {
            Replying => (NOTHING, Delivered),
            ReplyingSignalled => (NOTHING, DeliveredSignalled),
            ReplyingRequeued => (moves(Queue::First), Requeued),
            ReplyingClosed => (moves_and_wakes(Queue::Leave), Replied),
            other => (NOTHING, other),
        },
        Event::Close(_) => match state {
            Replied => (NOTHING, Replied),
            Replying | ReplyingSignalled | ReplyingRequeued | ReplyingClosed => {
                (NOTHING, ReplyingClosed)
            }
            _ => (moves_and_wakes(Queue::Leave), Replied),
        },
        Event::Signal { fatal, report } => match state {
            Replied => (NOTHING, Replied),
            _ if fatal => (ABORTS, state),
            QueuedSignalled | DeliveredSignalled | Requeued | DeliveredAgain
            | ReplyingSignalled | ReplyingRequeued | ReplyingClosed => (NOTHING, state),
            Queued if report => (NOTHING, QueuedSignalled),
            Delivered if report => (moves(Queue::Last), Requeued),
            Replying if report => (NOTHING, ReplyingRequeued),
            Delivered | Replying if wait_killable_recv => (NOTHING, state),
            _ => (ABORTS, state),
        },
    })
}

/// Whether `a` and `b` cannot be told apart from outside but for their answers.
fn looks_like(a: &Notification, b: &Notification) -> bool {
    a.reply().is_some() == b.reply().is_some()
        && a.awaits_reply() == b.awaits_reply()
        && a.waits_killable() == b.waits_killable()
        // An answer ends it all, signalled or not.
        && (a.signalled() == b.signalled() || a.reply().is_some())
}

/// The number of the latest delivery.
fn latest_delivery(notification: &Notification) -> u32 {
    notification.next_delivery() - 1
}

#[test]
fn every_event_in_every_state() {
    for wait_killable_recv in [false, true] {
        for state in STATES {
            let delivery = latest_delivery(&made(state, wait_killable_recv));
            for event in [
                Event::Receive,
                Event::ReceiveFailed(delivery),
                Event::Reply(ANSWER),
                Event::AddFd,
                Event::AddFdReply,
                Event::FdInstalled(7),
                Event::FdFailed,
                Event::Close(CLOSED),
                REPORTED,
                UNREPORTED,
                FATAL,
                FATAL_REPORTED,
            ] {
                let mut notification = made(state, wait_killable_recv);
                let before = notification;
                let got = notification.step(event);
                let what = format!("{event:?} in {state:?}, killable {wait_killable_recv}");

                match expected(state, event, wait_killable_recv) {
                    Ok((effects, after)) => {
                        assert_eq!(got, Ok(effects), "{what}");
                        if after == In::ReplyingClosed {
                            // Signalled or not: nobody will be told any more.
                            let pending = notification.reply().is_none();
                            assert!(pending && !notification.awaits_reply(), "{what}");
                        } else if after == state {
                            assert_eq!(notification, before, "{what}");
                        } else {
                            let after = made(after, wait_killable_recv);
                            let replied = after.reply().is_some();
                            assert!(
                                looks_like(&notification, &after)
                                    || (replied && notification.reply().is_some()),
                                "{what}: {notification:?}, not {after:?}"
                            );
                        }
                    }
                    Err(refused) => {
                        assert_eq!(got, Err(refused), "{what}");
                        assert_eq!(notification, before, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn answers_are_what_was_given() {
    let mut closed = made(In::Delivered, false);
    closed.step(Event::Close(CLOSED)).unwrap();
    assert_eq!(closed.reply(), Some(CLOSED));

    let mut closed = made(In::ReplyingClosed, false);
    closed.step(Event::FdFailed).unwrap();
    assert_eq!(closed.reply(), Some(CLOSED));

    let mut closed = made(In::ReplyingClosed, false);
    closed.step(Event::FdInstalled(7)).unwrap();
    assert_eq!(closed.reply(), Some(Reply::value(7)));

    let mut installed = made(In::Replying, false);
    installed.step(Event::FdInstalled(7)).unwrap();
    assert_eq!(installed.reply(), Some(Reply::value(7)));

    assert_eq!(made(In::Replied, false).reply(), Some(ANSWER));
}

#[test]
fn a_late_failure_does_not_take_another_reader_s_notification_away() {
    let mut notification = made(In::DeliveredAgain, false);
    let before = latest_delivery(&notification);

    // The first of the two deliveries failed; the second is good.
    assert_eq!(
        notification.step(Event::ReceiveFailed(before - 1)),
        Ok(NOTHING)
    );
    assert!(notification.awaits_reply());

    // Now nobody else has it: if the second fails as well, it is as if it had never been taken.
    let failed = notification.step(Event::ReceiveFailed(before));
    assert_eq!(failed, Ok(moves_and_wakes(Queue::First)));
    assert!(!notification.awaits_reply());
    assert!(notification.signalled());
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Receive),
        2 => (0..4u32).prop_map(Event::ReceiveFailed),
        1 => (-200..0i32).prop_map(|error| Event::Reply(Reply::error(error))),
        2 => Just(Event::AddFd),
        2 => Just(Event::AddFdReply),
        1 => (0..9u32).prop_map(Event::FdInstalled),
        2 => Just(Event::FdFailed),
        1 => Just(Event::Close(CLOSED)),
        3 => (prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(fatal, report)| Event::Signal { fatal, report }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..Default::default() })]

    /// The listener keeps a queue by the effects alone. Whatever happens, that queue has what may be
    /// received, answers are final, and the supervisor hears of a signal once.
    #[test]
    fn whatever_happens(wait_killable_recv: bool, events in prop::collection::vec(events(), 0..40)) {
        let mut notification = Notification::new(wait_killable_recv);
        let mut queued = true;
        let mut told_of_signal = 0;
        let mut heard = false;
        let mut gone = false;

        for event in events {
            if gone {
                break;
            }
            let before = notification;
            let receivable = queued;
            let got = notification.step(event);

            // A refused event changes nothing.
            let Ok(effects) = got else {
                prop_assert_eq!(notification, before);
                if event == Event::Receive {
                    prop_assert!(!receivable, "what is in the queue can be received");
                } else {
                    prop_assert!(!before.awaits_reply());
                }
                continue;
            };
            match effects.queue {
                Queue::Stay => {}
                Queue::Leave => queued = false,
                Queue::First | Queue::Last => {
                    prop_assert!(!queued, "it is in the queue once");
                    queued = true;
                }
            }

            if event == Event::Receive {
                prop_assert!(receivable, "only what is in the queue is received");
                prop_assert!(notification.awaits_reply());
                if notification.signalled() && !heard {
                    heard = true;
                    told_of_signal += 1;
                }
            }
            if let Event::ReceiveFailed(_) = event {
                // Nobody lost it, and who failed to hear of the signal is told again.
                if effects.queue == Queue::First {
                    if heard {
                        told_of_signal -= 1;
                    }
                    heard = false;
                }
            }

            // The first answer stays.
            if before.reply().is_some() {
                prop_assert_eq!(notification.reply(), before.reply());
            }
            if notification.reply().is_some() {
                prop_assert!(!queued && !notification.awaits_reply());
            }
            // The mark stays, and with it none but a fatal signal interrupts.
            prop_assert!(notification.signalled() >= before.signalled());
            prop_assert!(!notification.signalled() || notification.waits_killable());
            if let Event::Signal { fatal: false, .. } = event {
                prop_assert!(!(effects.abort && (before.waits_killable())));
            }
            prop_assert!(told_of_signal <= 1);
            gone = effects.abort;
        }
    }
}
