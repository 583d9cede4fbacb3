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
use std::collections::{BTreeSet, HashSet};

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
    /// Its buffer could not be written, or the supervisor has put it back: it counts no more.
    undone: bool,
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
    /// What becomes of it when the target is held no more.
    Later(Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Given(i32, i64, u32),
    Aborted,
    Requeued,
}

/// What the interface promises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Model {
    once_received: bool,
    always: bool,
    answer: Answer,
    marked: bool,
    deliveries: Vec<Delivery>,
    /// How many copy the target's memory: while there is one, the target is held.
    copies: u32,
    /// It was put back by a supervisor: what the one before has begun is protected.
    was_requeued: bool,
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
            copies: 0,
            was_requeued: false,
            in_queue: true,
        }
    }

    /// The target may go.
    fn is_over(&self) -> bool {
        matches!(self.answer, Answer::Given(..) | Answer::Aborted)
    }

    /// It is known how the target will go.
    fn is_decided(&self) -> bool {
        use Outcome::*;

        self.is_over() || matches!(self.answer, Answer::Later(Given(..) | Aborted))
    }

    fn end(&mut self, answer: Answer) {
        self.answer = match answer {
            Answer::Given(error, val, flags) if self.copies > 0 => {
                Answer::Later(Outcome::Given(error, val, flags))
            }
            Answer::Aborted if self.copies > 0 => Answer::Later(Outcome::Aborted),
            answer => answer,
        };
    }

    fn requeue(&mut self) {
        self.was_requeued = true;
        self.answer = Answer::Awaited;
        for delivery in &mut self.deliveries {
            delivery.undone = true;
        }
    }

    fn is_awaited(&self) -> bool {
        self.answer == Answer::Awaited
    }

    fn held(&self) -> usize {
        self.deliveries.iter().filter(|d| !d.undone).count()
    }

    fn told(&self) -> usize {
        self.deliveries
            .iter()
            .filter(|d| d.told && !d.undone)
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
        let is_delivered = self.held() > 0
            || self.was_requeued
            || matches!(self.answer, Answer::Installing { .. });

        self.marked || self.always || (self.once_received && is_delivered)
    }

    /// What must come of `event`: whether it may happen, and what is different then.
    fn step(&mut self, event: Event) -> Result<(), Refusal> {
        let gone = [Answer::Aborted, Answer::Later(Outcome::Aborted)];
        let refusal = if gone.contains(&self.answer) {
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
                    undone: false,
                });
            }
            Event::ReceiveFailed(number) => {
                if let Some(delivery) = self.deliveries.get_mut(number.get() as usize - 1) {
                    delivery.undone = true;
                }
            }
            Event::Reply(_) | Event::AddFd | Event::AddFdReply | Event::Copy | Event::Requeue => {
                if !self.may_be_answered() {
                    return Err(refusal);
                }
                match event {
                    Event::Reply(reply) => self.end(given(reply)),
                    Event::Copy => self.copies += 1,
                    Event::Requeue if self.copies > 0 => {
                        self.answer = Answer::Later(Outcome::Requeued)
                    }
                    Event::Requeue => self.requeue(),
                    Event::AddFdReply => self.answer = Answer::Installing { closed: false },
                    _ => {}
                }
            }
            Event::FdInstalled(fd) => {
                if let Answer::Installing { .. } = self.answer {
                    self.end(Answer::Given(0, fd.into(), 0));
                }
            }
            Event::CopyEnded => {
                self.copies -= 1;
                match self.answer {
                    Answer::Later(outcome) if self.copies == 0 => match outcome {
                        Outcome::Given(error, val, flags) => {
                            self.answer = Answer::Given(error, val, flags)
                        }
                        Outcome::Aborted => self.answer = Answer::Aborted,
                        Outcome::Requeued => self.requeue(),
                    },
                    _ => {}
                }
            }
            Event::FdFailed => match self.answer {
                Answer::Installing { closed: false } => self.answer = Answer::Awaited,
                Answer::Installing { closed: true } => self.end(given(CLOSED)),
                _ => {}
            },
            Event::Close(reply) => match self.answer {
                Answer::Awaited | Answer::Later(Outcome::Requeued) => self.end(given(reply)),
                Answer::Installing { .. } => self.answer = Answer::Installing { closed: true },
                _ => {}
            },
            Event::Signal { fatal, report } => match self.answer {
                Answer::Given(..) | Answer::Aborted => {}
                _ if fatal => self.answer = Answer::Aborted,
                Answer::Installing { closed: true } => {}
                _ if self.is_decided() => {}
                _ if self.marked => {}
                _ if report => self.marked = true,
                _ if self.waits_killable() => {}
                _ => self.end(Answer::Aborted),
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
        Queue::Back | Queue::Last => {
            // To be received once more, one that is there for a signal goes to the front.
            prop_assert!(!model.in_queue || event == Event::Requeue);
            model.in_queue = true;
            // Only to tell of a signal it goes behind those that came later.
            let is_signal = matches!(event, Event::Signal { .. });
            prop_assert_eq!(queue == Queue::Last, is_signal);
        }
    }
    // What is received once more comes before what was not, also if it was there for a signal.
    let is_put_back = match event {
        Event::Requeue => true,
        Event::CopyEnded => model_before.answer == Answer::Later(Outcome::Requeued),
        _ => false,
    };
    if is_put_back && model.answer == Answer::Awaited {
        prop_assert_eq!(queue, Queue::Back);
    }
    prop_assert_eq!(model.in_queue, model.must_be_queued());
    prop_assert_eq!(model.in_queue, real.is_queued());
    prop_assert!(model.told() <= 1, "it is told of the signal once");

    prop_assert_eq!(real.awaits_reply(), model.may_be_answered());
    // What the counts are made of.
    prop_assert_eq!(real.is_awaited(), model.in_queue || model.may_be_answered());
    prop_assert_eq!(real.signalled(), model.marked);
    let name = match (model.in_queue, model.may_be_answered()) {
        (true, true) => "requeued",
        (true, false) => "queued",
        (false, true) => "delivered",
        (false, false) => match model.answer {
            Answer::Installing { .. } => "installing",
            Answer::Later(_) => "held",
            _ => "replied",
        },
    };
    prop_assert_eq!(real.name(), name);
    prop_assert_eq!(real.is_aborted(), model.answer == Answer::Aborted);
    let gone = [Answer::Aborted, Answer::Later(Outcome::Aborted)];
    prop_assert_eq!(real.is_gone(), gone.contains(&model.answer));
    if !model.is_decided() {
        let ignores = model.waits_killable() && !model.marked;
        prop_assert_eq!(real.ignores_signals(), ignores);
    }
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

    if !model.is_decided() {
        prop_assert_eq!(real.waits_killable(), model.waits_killable());
    }
    // Who sleeps has to look if it may go, there is an fd to install, or signals count again.
    let goes = !model_before.is_over()
        && match model.answer {
            Answer::Given(..) => true,
            Answer::Aborted => event == Event::CopyEnded,
            _ => false,
        };
    let fd = matches!(event, Event::AddFd | Event::AddFdReply);
    let counts = model_before.waits_killable() && !model.waits_killable();
    if !model_before.is_decided() {
        prop_assert_eq!(wake, goes || fd || (counts && !model.is_decided()));
    } else {
        prop_assert!(wake || !goes);
    }
    Ok(())
}

#[test]
fn every_state_that_there_is() {
    // With more deliveries than these, nothing new happens.
    const DELIVERIES: usize = 4;
    const COPIES: u32 = 2;

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
            Event::Copy,
            Event::CopyEnded,
            Event::Requeue,
            Event::Close(CLOSED),
            REPORTED,
            UNREPORTED,
            FATAL,
            FATAL_REPORTED,
        ];

        for event in failures.chain(others) {
            let (mut model, mut real) = (model.clone(), real);

            let is_out_of_bounds = match event {
                Event::Receive => model.deliveries.len() == DELIVERIES,
                Event::Copy => model.copies == COPIES,
                Event::CopyEnded => model.copies == 0,
                _ => false,
            };
            if is_out_of_bounds {
                continue;
            }
            step_both(&mut model, &mut real, event)
                .unwrap_or_else(|err| panic!("{event:?}: {model:?}, {real:?}: {err}"));
            todo.push((model, real));
        }
    }
    assert!(states > 500, "only {states} states");
}

/// From one state to another, for this event.
type Edge = (String, String, String);

/// The edges of a figure, in dot's language: `FROM -> TO [label="EVENT\nEVENT"]`, one a line.
fn drawn(figure: &str) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();

    for line in figure.lines().filter(|line| line.contains("->")) {
        let (from, rest) = line.split_once("->").unwrap();
        let (to, rest) = rest.split_once(" [label=\"").expect("an edge has a label");
        let (label, _) = rest.split_once('"').expect("a label ends on its line");

        for event in label.split("\\n") {
            let edge = [from, to, event].map(|name| name.trim().to_owned());

            assert!(edges.insert(edge.into()), "{line}: drawn twice");
        }
    }
    edges
}

/// What leads from one state to another, of the events that `name` has a name for.
fn explored(name: fn(Event) -> Option<String>) -> BTreeSet<Edge> {
    const DELIVERIES: u32 = 4;
    const COPIES: u32 = 2;

    let name_of = |state: &NotificationState| {
        if state.is_aborted() {
            "aborted"
        } else {
            state.name()
        }
    };
    let mut edges = BTreeSet::new();
    let mut known = HashSet::new();
    let mut todo: Vec<_> = WAITS.map(|wait| (NotificationState::new(wait), 0)).into();

    while let Some((state, copies)) = todo.pop() {
        if !known.insert(format!("{state:?}")) {
            continue;
        }
        let deliveries = state.next_delivery().get() - 1;
        let mut events: Vec<_> = (1..=deliveries).map(failed).collect();

        events.extend([
            Event::Reply(ANSWER),
            Event::AddFd,
            Event::AddFdReply,
            Event::FdInstalled(7),
            Event::FdFailed,
            Event::Requeue,
            Event::Close(CLOSED),
            REPORTED,
            UNREPORTED,
            FATAL,
        ]);
        events.extend((deliveries < DELIVERIES).then_some(Event::Receive));
        events.extend((copies < COPIES).then_some(Event::Copy));
        events.extend((copies > 0).then_some(Event::CopyEnded));

        for event in events {
            let mut next = state;

            let Some(event_name) = name(event) else {
                continue;
            };
            if next.step(event).is_err() {
                continue;
            }
            if name_of(&next) != name_of(&state) {
                edges.insert((name_of(&state).into(), name_of(&next).into(), event_name));
            }
            todo.push((
                next,
                match event {
                    Event::Copy => copies + 1,
                    Event::CopyEnded => copies - 1,
                    _ => copies,
                },
            ));
        }
    }
    edges
}

/// The figure for reviewers has all, save what the text says of every state.
#[test]
fn the_figure_for_reviewers_is_the_state_machine() {
    let figure = include_str!("../../../../Documentation/security/seccomp-notify-states.dot");

    assert_eq!(
        drawn(figure),
        explored(|event| match event {
            Event::Close(_) | FATAL => None,
            event => Some(format!("{event:?}").split(['(', ' ']).next()?.to_owned()),
        })
    );
}

/// The one for those who write supervisors has what an exchange is made of.
#[test]
fn the_figure_for_supervisors_is_a_part_of_it() {
    let figure = include_str!("../../../../Documentation/userspace-api/seccomp_notify_states.dot");

    assert_eq!(
        drawn(figure),
        explored(|event| {
            Some(match event {
                Event::Receive => "RECV".to_owned(),
                Event::ReceiveFailed(_) => "RECV fails".to_owned(),
                Event::Reply(_) => "SEND".to_owned(),
                REPORTED => "signal".to_owned(),
                _ => return None,
            })
        })
    );
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
fn a_held_target_does_not_go() {
    use Event::*;

    let state = after(&[Receive, Copy, Event::Reply(ANSWER)]);
    assert!(!state.is_replied() && !state.awaits_reply());
    let state = after(&[Receive, Copy, Copy, Event::Reply(ANSWER), CopyEnded]);
    assert!(!state.is_replied());
    let state = after(&[Receive, Copy, Event::Reply(ANSWER), UNREPORTED, CopyEnded]);
    assert_eq!(state.reply(), Some(ANSWER));

    let state = after(&[Receive, Copy, UNREPORTED]);
    assert!(!state.is_aborted() && !state.awaits_reply());
    let state = after(&[Receive, Copy, UNREPORTED, CopyEnded]);
    assert!(state.is_aborted());

    // Death does not wait.
    let state = after(&[Receive, Copy, Event::Reply(ANSWER), FATAL]);
    assert!(state.is_aborted());
}

#[test]
fn who_had_one_that_is_received_once_more_has_it_no_longer() {
    use Event::*;

    let state = after(&[Receive, Requeue]);
    assert!(state.is_queued() && !state.awaits_reply());
    let state = after(&[Receive, Copy, Requeue]);
    assert!(!state.is_queued() && !state.awaits_reply());
    let state = after(&[Receive, Copy, Requeue, CopyEnded]);
    assert!(state.is_queued() && !state.awaits_reply());

    // The signal is told of again.
    let state = after(&[Receive, REPORTED, Receive, Requeue]);
    assert!(state.is_queued() && !state.awaits_reply() && state.signalled());
    // A copy that fails after that was of a delivery that counts no more.
    let state = after(&[Receive, Requeue, Receive, failed(1)]);
    assert!(state.awaits_reply());
}

#[test]
fn the_numbers_of_deliveries_begin_again() {
    assert_eq!(state::following(0).get(), 1);
    assert_eq!(state::following(u32::MAX - 1).get(), u32::MAX);
    assert_eq!(state::following(u32::MAX).get(), 1);
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
        3 => Just(Event::Copy),
        3 => Just(Event::CopyEnded),
        2 => Just(Event::Requeue),
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
            if event == Event::CopyEnded && model.copies == 0 {
                continue;
            }
            step_both(&mut model, &mut real, event)?;
        }
    }
}
