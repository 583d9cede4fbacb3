// SPDX-License-Identifier: GPL-2.0

//! The states of a notification, compiled as they are in the kernel.
//!
//! What the interface promises is written out here as a model: it remembers every delivery, and
//! says of each event what must come of it. All states that some sequence of events leads to are
//! compared with it, and random sequences that are longer than those.

#[path = "../../../../kernel/seccomp_notify/state.rs"]
mod state;

use proptest::prelude::*;
use state::{
    Delivery as Number, Effects, Event, NotificationState, Queue, Refusal, Reply, WaitKillable,
};
use std::collections::HashSet;

const CLOSED: Reply = Reply::error(-38);
const ANSWER: Reply = Reply {
    error: -13,
    val: 5,
    flags: 3,
};

/// What filters can want: a filter has one flag at most.
const WAITS: [WaitKillable; 3] = [
    WaitKillable::NEVER,
    WaitKillable::ONCE_RECEIVED,
    WaitKillable::ALWAYS,
];

const REPORTED: Event = signal(false, true);
const UNREPORTED: Event = signal(false, false);
const FATAL: Event = signal(true, false);
const FATAL_REPORTED: Event = signal(true, true);

const fn signal(fatal: bool, report: bool) -> Event {
    Event::Signal { fatal, report }
}

fn failed(number: u32) -> Event {
    Event::ReceiveFailed(Number::new(number).unwrap())
}

/// A RECV that took the notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Delivery {
    /// It said `SECCOMP_NOTIF_FLAG_SIGNALED`.
    told: bool,
    /// Its buffer could not be written: to the supervisor, it did not happen.
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Awaited,
    /// An fd is being installed, whose number will be the answer. The listener may be closed since.
    Installing {
        closed: bool,
    },
    Given(i32, i64, u32),
    Aborted,
}

/// What the interface promises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Model {
    once_received: bool,
    always: bool,
    answer: Answer,
    marked: bool,
    deliveries: Vec<Delivery>,
    /// It is in the queue, as the effects of all events leave it.
    in_queue: bool,
}

fn given(reply: Reply) -> Answer {
    Answer::Given(reply.error, reply.val, reply.flags)
}

impl Model {
    fn new(wait: WaitKillable) -> Self {
        Self {
            once_received: wait == WaitKillable::ONCE_RECEIVED,
            always: wait == WaitKillable::ALWAYS,
            answer: Answer::Awaited,
            marked: false,
            deliveries: Vec::new(),
            in_queue: true,
        }
    }

    fn is_awaited(&self) -> bool {
        self.answer == Answer::Awaited
    }

    fn held(&self) -> usize {
        self.deliveries.iter().filter(|d| !d.failed).count()
    }

    fn told(&self) -> usize {
        self.deliveries
            .iter()
            .filter(|d| d.told && !d.failed)
            .count()
    }

    /// Who has it may answer, until somebody has.
    fn may_be_answered(&self) -> bool {
        self.is_awaited() && self.held() > 0
    }

    /// Nobody has it; or a signal came, and nobody who has it was told.
    fn must_be_queued(&self) -> bool {
        self.is_awaited()
            && if self.marked {
                self.told() == 0
            } else {
                self.held() == 0
            }
    }

    fn waits_killable(&self) -> bool {
        let is_delivered = self.held() > 0 || matches!(self.answer, Answer::Installing { .. });

        self.marked || self.always || (self.once_received && is_delivered)
    }

    /// What must come of `event`: whether it may happen, and what is different then.
    fn step(&mut self, event: Event) -> Result<(), Refusal> {
        let refusal = if self.answer == Answer::Aborted {
            Refusal::Gone
        } else {
            Refusal::NotDelivered
        };

        match event {
            Event::Receive => {
                if !self.must_be_queued() {
                    return Err(refusal);
                }
                self.deliveries.push(Delivery {
                    told: self.marked,
                    failed: false,
                });
            }
            Event::ReceiveFailed(number) => {
                if let Some(delivery) = self.deliveries.get_mut(number.get() as usize - 1) {
                    delivery.failed = true;
                }
            }
            Event::Reply(_) | Event::AddFd | Event::AddFdReply => {
                if !self.may_be_answered() {
                    return Err(refusal);
                }
                match event {
                    Event::Reply(reply) => self.answer = given(reply),
                    Event::AddFdReply => self.answer = Answer::Installing { closed: false },
                    _ => {}
                }
            }
            Event::FdInstalled(fd) => {
                if let Answer::Installing { .. } = self.answer {
                    self.answer = Answer::Given(0, fd.into(), 0);
                }
            }
            Event::FdFailed => match self.answer {
                Answer::Installing { closed: false } => self.answer = Answer::Awaited,
                Answer::Installing { closed: true } => self.answer = given(CLOSED),
                _ => {}
            },
            Event::Close(reply) => match self.answer {
                Answer::Awaited => self.answer = given(reply),
                Answer::Installing { .. } => self.answer = Answer::Installing { closed: true },
                _ => {}
            },
            Event::Signal { fatal, report } => match self.answer {
                Answer::Given(..) | Answer::Aborted => {}
                _ if fatal => self.answer = Answer::Aborted,
                Answer::Installing { closed: true } => {}
                _ if self.marked => {}
                _ if report => self.marked = true,
                _ if self.waits_killable() => {}
                _ => self.answer = Answer::Aborted,
            },
        }
        Ok(())
    }
}

/// Has `event` happen to both, and compares what comes of it.
fn step_both(
    model: &mut Model,
    real: &mut NotificationState,
    event: Event,
) -> Result<(), TestCaseError> {
    let (model_before, real_before) = (model.clone(), *real);
    let got = real.step(event);

    if let Err(refusal) = model.step(event) {
        prop_assert_eq!(got, Err(refusal));
        prop_assert_eq!(*real, real_before, "a refused event changes nothing");
        return Ok(());
    }
    prop_assert!(got.is_ok(), "{:?}", got);
    let Ok(Effects { queue, wake }) = got else {
        unreachable!()
    };

    // The listener keeps its queue by the effects alone.
    match queue {
        Queue::Stay => {}
        Queue::Leave => model.in_queue = false,
        Queue::First | Queue::Last => {
            prop_assert!(!model.in_queue, "it is in the queue once");
            model.in_queue = true;
            // Only to tell of a signal it goes behind those that came later.
            let is_signal = matches!(event, Event::Signal { .. });
            prop_assert_eq!(queue == Queue::Last, is_signal);
        }
    }
    prop_assert_eq!(model.in_queue, model.must_be_queued());
    prop_assert_eq!(model.in_queue, real.is_queued());
    prop_assert!(model.told() <= 1, "it is told of the signal once");

    prop_assert_eq!(real.awaits_reply(), model.may_be_answered());
    prop_assert_eq!(real.signalled(), model.marked);
    prop_assert_eq!(real.is_aborted(), model.answer == Answer::Aborted);
    let answer = match model.answer {
        answer @ Answer::Given(..) => Some(answer),
        _ => None,
    };
    prop_assert_eq!(real.reply().map(given), answer);
    prop_assert_eq!(real.is_replied(), answer.is_some());
    prop_assert_eq!(
        real.next_delivery().get() as usize,
        model.deliveries.len() + 1
    );

    let ended = |answer| matches!(answer, Answer::Given(..) | Answer::Aborted);
    if !ended(model.answer) {
        prop_assert_eq!(real.waits_killable(), model.waits_killable());
    }
    // Who sleeps has to look if there is an answer, an fd to install, or signals count again.
    let answered = matches!(model.answer, Answer::Given(..)) && !ended(model_before.answer);
    let fd = matches!(event, Event::AddFd | Event::AddFdReply);
    let counts = model_before.waits_killable() && !model.waits_killable();
    if !ended(model_before.answer) {
        prop_assert_eq!(wake, answered || fd || (counts && !ended(model.answer)));
    }
    Ok(())
}

#[test]
fn every_state_that_there_is() {
    // With more deliveries than these, nothing new happens.
    const DELIVERIES: usize = 4;

    let mut known = HashSet::new();
    let mut states = 0;
    let mut todo: Vec<_> = WAITS
        .map(|wait| (Model::new(wait), NotificationState::new(wait)))
        .into();

    while let Some((model, real)) = todo.pop() {
        if !known.insert((model.clone(), format!("{real:?}"))) {
            continue;
        }
        states += 1;

        let failures = (1..=model.deliveries.len()).map(|n| failed(n as u32));
        let others = [
            Event::Receive,
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
        ];

        for event in failures.chain(others) {
            let (mut model, mut real) = (model.clone(), real);

            if event == Event::Receive && model.deliveries.len() == DELIVERIES {
                continue;
            }
            step_both(&mut model, &mut real, event)
                .unwrap_or_else(|err| panic!("{event:?}: {model:?}, {real:?}: {err}"));
            todo.push((model, real));
        }
    }
    assert!(states > 500, "only {states} states");
}

fn after(events: &[Event]) -> NotificationState {
    let mut state = NotificationState::new(WAITS[0]);

    for event in events {
        state.step(*event).unwrap();
    }
    state
}

#[test]
fn answers_are_what_was_given() {
    use Event::*;

    let reply = |events: &[Event]| after(events).reply();

    assert_eq!(reply(&[Receive, Event::Reply(ANSWER)]), Some(ANSWER));
    assert_eq!(reply(&[Receive, Close(CLOSED)]), Some(CLOSED));
    assert_eq!(
        reply(&[Receive, AddFdReply, FdInstalled(7)]),
        Some(state::Reply::value(7))
    );
    assert_eq!(
        reply(&[Receive, AddFdReply, Close(CLOSED), FdInstalled(7)]),
        Some(state::Reply::value(7))
    );
    assert_eq!(
        reply(&[Receive, AddFdReply, Close(CLOSED), FdFailed]),
        Some(CLOSED)
    );
}

#[test]
fn who_holds_a_notification_keeps_it() {
    use Event::*;

    // A second delivery tells of the signal, and fails while an fd is on its way that is not
    // installed in the end. The first reader has it all along.
    let state = after(&[Receive, REPORTED, Receive, AddFdReply, failed(2), FdFailed]);
    assert!(state.awaits_reply() && state.is_queued() && state.signalled());

    let state = after(&[Receive, REPORTED, Receive, AddFdReply, FdFailed, failed(2)]);
    assert!(state.awaits_reply() && state.is_queued() && state.signalled());

    // The first of two deliveries fails late: the second is a good one, and was told.
    let state = after(&[Receive, REPORTED, Receive, failed(1)]);
    assert!(state.awaits_reply() && !state.is_queued());

    // When that fails as well, it is as if it had never been taken.
    let state = after(&[Receive, REPORTED, Receive, failed(1), failed(2)]);
    assert!(!state.awaits_reply() && state.is_queued() && state.signalled());
}

#[test]
fn no_two_deliveries_have_a_number() {
    let mut model = Model::new(WAITS[0]);
    let mut real = NotificationState::new(WAITS[0]);

    for number in 1..1000 {
        step_both(&mut model, &mut real, Event::Receive).unwrap();
        step_both(&mut model, &mut real, failed(number)).unwrap();
        assert!(real.is_queued());
    }
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Receive),
        3 => (1..5u32).prop_map(failed),
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

    #[test]
    fn whatever_happens(wait in prop::sample::select(&WAITS[..]), events in prop::collection::vec(events(), 0..40)) {
        let mut model = Model::new(wait);
        let mut real = NotificationState::new(wait);

        for event in events {
            step_both(&mut model, &mut real, event)?;
        }
    }
}
