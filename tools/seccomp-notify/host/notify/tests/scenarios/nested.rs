// SPDX-License-Identifier: GPL-2.0

//! A target has two filters with listeners: the newer one's supervisor is asked first, and of what
//! it lets through, the older one's.

use kernel::{
    blocking::thread::JoinHandle,
    error::{code::*, Result},
    machine::Machine,
    seccomp::{Data, Notif},
    sync::poll::PollEvents,
    task::{set_current, Task},
};
use seccomp_notify::{
    model::explore,
    userspace::{Answer, Fd, Filter, Reply, Wait, CONTINUE},
    world::{CLOSED, FD_SIGNALED, SIGNALED},
};
use std::sync::Arc;

const DATA: Data = Data {
    nr: 1,
    arch: 7,
    instruction_pointer: 8,
    args: [0; 6],
};

const REFUSED: Reply = Reply {
    error: -1,
    val: 0,
    flags: 0,
};

/// Two listeners, and the newer filter, on which a target's system calls come first.
struct Pair {
    machine: Arc<Machine>,
    inner: Fd,
    outer: Fd,
    filter: Arc<Filter>,
}

/// What a supervisor has done.
#[derive(Default)]
struct Done {
    received: Vec<Notif>,
    /// How many of these it has answered.
    answered: usize,
}

struct Target {
    task: Arc<Task>,
    thread: JoinHandle<Answer>,
}

impl Pair {
    fn new() -> Self {
        let machine = Machine::new();
        let [inner, outer] = [(); 2].map(|()| Fd::default());
        let older = Arc::new(Filter::new(&outer, Wait::Interruptible));
        let filter = Arc::new(Filter::nested(&inner, Wait::Interruptible, &older));

        set_current(Task::new(&machine));
        Self {
            machine,
            inner,
            outer,
            filter,
        }
    }

    fn target(&self) -> Target {
        let (task, filter) = (Task::new(&self.machine), self.filter.clone());
        let thread = task.spawn(move || filter.notify(&DATA));

        Target { task, thread }
    }

    /// A supervisor that answers everything with this.
    fn serve(&self, fd: &Fd, reply: Reply) -> JoinHandle<Done> {
        let fd = fd.clone();

        Task::new(&self.machine).spawn(move || {
            let mut done = Done::default();

            loop {
                match fd.recv() {
                    Ok(notif) => {
                        done.received.push(notif);
                        // Its target may be gone.
                        done.answered += usize::from(fd.send(notif.id, reply).is_ok());
                    }
                    Err(err) => {
                        assert_eq!(err, ENOENT);
                        return done;
                    }
                }
            }
        })
    }

    /// All targets are gone: nothing is left, and the supervisors hear of that.
    fn end(self) {
        for fd in [&self.inner, &self.outer] {
            let info = fd.fdinfo();

            assert!(info.notifs.is_empty());
            assert_eq!((info.queued, info.delivered, info.requeued), (0, 0, 0));
        }
        drop(self.filter);
        for fd in [&self.inner, &self.outer] {
            assert!(fd.poll(None) == PollEvents::HUP);
        }
    }
}

impl Target {
    fn join(self) -> Answer {
        self.thread.join().expect("it has not panicked")
    }
}

fn value(val: i64) -> Reply {
    Reply {
        val,
        ..Reply::default()
    }
}

/// Each of them is asked of each call once, and the older one says what comes of it.
#[test]
fn what_one_lets_through_the_other_is_asked_of() {
    explore(|| {
        let pair = Pair::new();
        let inner = pair.serve(&pair.inner, CONTINUE);
        let outer = pair.serve(&pair.outer, value(5));
        let targets = [(); 2].map(|()| pair.target());

        for target in targets {
            assert_eq!(target.join(), Answer::Reply(value(5)));
        }
        pair.end();
        for done in [inner, outer].map(|supervisor| supervisor.join().unwrap()) {
            assert_eq!((done.received.len(), done.answered), (2, 2));
            assert!(done.received.iter().all(|notif| notif.data == DATA));
        }
    });
}

/// What the newer one refuses, the older one does not hear of.
#[test]
fn what_one_refuses_the_other_is_not_asked_of() {
    explore(|| {
        let pair = Pair::new();
        let inner = pair.serve(&pair.inner, REFUSED);
        let outer = pair.serve(&pair.outer, CONTINUE);

        assert_eq!(pair.target().join(), Answer::Reply(REFUSED));
        pair.end();
        assert_eq!(inner.join().unwrap().received.len(), 1);
        assert!(outer.join().unwrap().received.is_empty());
    });
}

/// A signal ends either wait, and nothing is left at the other listener.
#[test]
fn a_signal_ends_either_wait() {
    explore(|| {
        let pair = Pair::new();
        let inner = pair.serve(&pair.inner, CONTINUE);
        let outer = pair.serve(&pair.outer, CONTINUE);
        let target = pair.target();

        target.task.signal();
        let answer = target.join();
        assert!(answer == Answer::Interrupted || answer == Answer::Reply(CONTINUE));
        pair.end();
        let [inner, outer] = [inner, outer].map(|supervisor| supervisor.join().unwrap());
        assert!(outer.received.len() <= inner.answered && inner.received.len() <= 1);
        assert_eq!(outer.answered == 1, answer == Answer::Reply(CONTINUE));
    });
}

/// What looks like a signal has the call begin anew, with the newer one.
#[test]
fn a_call_begins_anew_with_the_newer_one() {
    explore(|| {
        let pair = Pair::new();
        let target = pair.target();
        let id = pair.inner.recv().unwrap().id;

        pair.inner.send(id, CONTINUE).unwrap();
        let first = pair.outer.recv().unwrap().id;
        target.task.add_task_work();
        let again = pair.inner.recv().unwrap().id;
        assert_ne!(again, id);
        // Nobody waits at the older one meanwhile.
        assert_eq!(pair.outer.send(first, CONTINUE), Err(ENOENT));
        pair.inner.send(again, CONTINUE).unwrap();
        let second = pair.outer.recv().unwrap().id;
        assert_ne!(second, first);
        pair.outer.send(second, value(6)).unwrap();
        assert_eq!(target.join(), Answer::Reply(value(6)));
        pair.end();
    });
}

/// Each heeds a signal by its own flags: the newer one is told of it, and the older one is not.
#[test]
fn each_has_flags_of_its_own() {
    explore(|| {
        let pair = Pair::new();

        pair.inner.set_flags(FD_SIGNALED).unwrap();
        let target = pair.target();
        let id = pair.inner.recv().unwrap().id;
        target.task.signal();
        assert_eq!(pair.inner.recv().unwrap().flags, SIGNALED);
        pair.inner.send(id, CONTINUE).unwrap();
        assert_eq!(target.join(), Answer::Interrupted);
        let outer = pair.outer.nonblocking().recv();
        assert_eq!(outer, Err(EAGAIN));
        pair.end();
    });
}

/// A listener that is closed answers `ENOSYS`, whichever it is and whenever that happens.
#[test]
fn either_is_closed_at_any_moment() {
    for is_inner in [false, true] {
        explore(move || {
            let Pair {
                machine,
                inner,
                outer,
                filter,
            } = Pair::new();
            let (closed, served) = if is_inner {
                (inner, outer)
            } else {
                (outer, inner)
            };
            let task = Task::new(&machine);
            let target = task.spawn(move || filter.notify(&DATA));
            let supervisor = Task::new(&machine).spawn(move || -> Result<()> {
                loop {
                    let id = served.recv()?.id;
                    served.send(id, CONTINUE)?;
                }
            });

            drop(closed);
            assert_eq!(target.join().unwrap(), CLOSED);
            assert_eq!(supervisor.join().unwrap(), Err(ENOENT));
        });
    }
}
