// SPDX-License-Identifier: GPL-2.0

//! A listener with its targets and supervisors, and an account of what became of them.
//!
//! What the kernel's side did is known from its tracepoints, which are hit under the listener's
//! lock, and so in the order in which it happened. What userspace got is written down by the calls
//! that are here. [`World::check`] compares the two with what the interface promises.

use crate::userspace::{AddFd, Answer, Buffer, Fd, Fdinfo, Filter, Reply, SendRecv, Wait, KILLED};
use kernel::{
    blocking::{self, thread::JoinHandle},
    error::{code::*, Result},
    fs::file::What,
    machine::Machine,
    seccomp::{Data, Notif},
    sync::lock,
    task::{set_current, Task},
    uaccess::START,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering::SeqCst},
        Arc, Mutex, MutexGuard,
    },
};

pub use kernel::bindings::{
    SECCOMP_NOTIF_FLAG_SIGNALED as SIGNALED, SECCOMP_USER_NOTIF_FD_SIGNALED as FD_SIGNALED,
    SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP as FD_SYNC_WAKE_UP,
};

/// What a notification is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Delivered,
    /// The supervisor was told of a signal.
    Signalled,
    Gone,
}

/// What a target gets whose listener is closed.
pub const CLOSED: Answer = Answer::Reply(Reply {
    error: ENOSYS.to_errno(),
    val: 0,
    flags: 0,
});

/// Where answers start that are values, so that they are not taken for fds.
const FIRST_ANSWER: i64 = 1000;

/// What is in a target's memory at first.
pub const MEMORY: [u8; 4] = *b"mine";

struct Shared {
    machine: Arc<Machine>,
    filter: Mutex<Option<Arc<Filter>>>,
    nrs: AtomicI32,
    answers: AtomicI64,
    files: AtomicU32,
    account: Mutex<Account>,
}

/// What userspace has seen.
#[derive(Default)]
struct Account {
    /// By the number of the system call, which every target has of its own.
    targets: BTreeMap<i32, Outcome>,
    received: Vec<Notif>,
    failed_copies: usize,
    /// Answers that were sent, by id.
    sent: Vec<(u64, i64)>,
    /// Files that targets were to get: their ids, and the results.
    fds: Vec<(u64, What, AddFd, Result<u32>)>,
    requeued: BTreeSet<u64>,
    requeued_all: bool,
    /// What became of a notification, and under which hold of the lock, of what no tracepoint says.
    changes: Vec<(usize, u64, State)>,
    /// What fdinfo said, and of which hold of the lock.
    looks: Vec<(usize, Fdinfo)>,
    signalled: BTreeSet<i32>,
    killed: BTreeSet<i32>,
    closed: bool,
}

struct Outcome {
    task: Arc<Task>,
    answer: Answer,
}

/// A listener with a filter, as a supervisor's thread has it.
pub struct World {
    shared: Arc<Shared>,
    /// The thread's own reference to the fd.
    fd: Mutex<Option<Fd>>,
}

/// A target, in its system call.
pub struct Target {
    world: World,
    pub task: Arc<Task>,
    pub nr: i32,
    thread: JoinHandle<Answer>,
}

/// A supervisor's thread.
pub struct Thread<R> {
    pub task: Arc<Task>,
    thread: JoinHandle<R>,
}

impl<R> Thread<R> {
    pub fn join(self) -> R {
        self.thread.join().expect("it has not panicked")
    }
}

impl World {
    /// The current thread becomes one of its supervisors.
    pub fn new(wait: Wait) -> Self {
        let machine = Machine::new();

        set_current(Task::new(&machine));
        let fd = Fd::default();
        let filter = Filter::new(&fd, wait);

        Self {
            shared: Arc::new(Shared {
                machine,
                filter: Mutex::new(Some(Arc::new(filter))),
                nrs: AtomicI32::new(1),
                answers: AtomicI64::new(FIRST_ANSWER),
                files: AtomicU32::new(1),
                account: Mutex::default(),
            }),
            fd: Mutex::new(Some(fd)),
        }
    }

    /// The same, with this reference to the fd.
    fn with(&self, fd: Option<Fd>) -> Self {
        Self {
            shared: self.shared.clone(),
            fd: Mutex::new(fd),
        }
    }

    /// What is held for no longer than the thread runs.
    fn get<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
        of.lock().expect("nothing panics here")
    }

    pub fn machine(&self) -> &Arc<Machine> {
        &self.shared.machine
    }

    pub fn fd(&self) -> Fd {
        Self::get(&self.fd).clone().expect("it is not closed")
    }

    fn account<R>(&self, f: impl FnOnce(&mut Account) -> R) -> R {
        f(&mut Self::get(&self.shared.account))
    }

    /// Closes the thread's fd. Those of other threads stay open until they end.
    pub fn close(&self) {
        let fd = Self::get(&self.fd).take();

        self.account(|account| account.closed = true);
        drop(fd);
    }

    /// The last task that uses the filter goes, save for those that targets still are.
    pub fn end_filter(&self) {
        let filter = Self::get(&self.shared.filter).take();

        drop(filter);
    }

    /// A filter is installed with the listener, in place of the one that there was.
    pub fn new_filter(&self, wait: Wait) {
        let filter = Arc::new(Filter::new(&self.fd(), wait));
        let old = Self::get(&self.shared.filter).replace(filter);

        drop(old);
    }

    /// A task enters a system call that is trapped.
    pub fn target(&self) -> Target {
        let (world, task) = (self.with(None), Task::new(&self.shared.machine));
        let nr = self.shared.nrs.fetch_add(1, SeqCst);
        let filter = Self::get(&self.shared.filter).clone();
        let filter = filter.expect("there is one");
        let is_task = task.clone();

        task.set_memory(&MEMORY);
        let thread = task.spawn(move || {
            let data = Data {
                nr,
                arch: 7,
                instruction_pointer: 8,
                args: [nr as u64; 6],
            };
            let answer = filter.notify(&data);
            let task = is_task;

            world.account(|account| account.targets.insert(nr, Outcome { task, answer }));
            answer
        });

        Target {
            world: self.with(None),
            task,
            nr,
            thread,
        }
    }

    /// A thread of a supervisor does `f`.
    pub fn thread<R: Send + 'static>(
        &self,
        f: impl FnOnce(&World) -> R + Send + 'static,
    ) -> Thread<R> {
        let (world, task) = (self.with(Some(self.fd())), Task::new(&self.shared.machine));
        let thread = task.spawn(move || f(&world));

        Thread { task, thread }
    }

    fn note_received(&self, result: &Result<Notif>) {
        self.account(|account| match result {
            Ok(notif) => account.received.push(*notif),
            Err(EFAULT) => account.failed_copies += 1,
            Err(_) => (),
        });
    }

    pub fn recv(&self) -> Result<Notif> {
        self.recv_from(&self.fd(), Buffer::Writable)
    }

    /// Receives, unless there is nothing.
    pub fn try_recv(&self) -> Result<Notif> {
        self.recv_from(&self.fd().nonblocking(), Buffer::Writable)
    }

    /// Receives to where nothing can be written.
    pub fn recv_in_vain(&self) -> Result<Notif> {
        self.recv_from(&self.fd(), Buffer::ReadOnly)
    }

    fn recv_from(&self, fd: &Fd, buffer: Buffer) -> Result<Notif> {
        let result = fd.recv_to(buffer);

        self.note_received(&result);
        result
    }

    fn next_answer(&self) -> Reply {
        Reply {
            val: self.shared.answers.fetch_add(1, SeqCst),
            ..Reply::default()
        }
    }

    /// Sends an answer that no other is like. Returns what it was.
    pub fn send(&self, id: u64) -> Result<i64> {
        let reply = self.next_answer();
        let (result, hold) = lock::first_hold(|| self.fd().send(id, reply));

        if result.is_ok() {
            self.account(|account| {
                account.sent.push((id, reply.val));
                account
                    .changes
                    .extend(hold.map(|hold| (hold, id, State::Gone)));
            });
        }
        result.map(|()| reply.val)
    }

    /// Answers `id`, if it is one, and receives.
    pub fn send_recv(&self, id: Option<u64>) -> Result<Notif> {
        let answer = id.map(|id| (id, self.next_answer()));
        let (result, SendRecv { flags, notif }) = self.fd().send_recv(answer, Buffer::Writable);

        // The kernel has cleared what asks for an answer to be sent, and has not said that there
        // is nobody who wants it.
        if let (Some((id, reply)), 0) = (answer, flags) {
            self.account(|account| account.sent.push((id, reply.val)));
        }
        let result = result.map(|()| notif);
        self.note_received(&result);
        result
    }

    /// Has a file be installed that no other is like.
    pub fn add_fd(&self, id: u64, how: AddFd) -> Result<u32> {
        let what = What::Other(self.shared.files.fetch_add(1, SeqCst));
        let fd = blocking::lock(&kernel::task::current().fds).open(what);
        let how = AddFd { fd, ..how };
        let result = self.fd().add_fd(id, how);

        self.account(|account| account.fds.push((id, what, how, result)));
        result
    }

    /// The same, by a supervisor that is killed before it has a result.
    pub fn add_fd_and_die(&self, id: u64, how: AddFd) {
        let adder = self.thread(move |world| world.add_fd(id, how));

        adder.task.until_asleep();
        adder.task.kill();
        assert_eq!(adder.join(), Err(KILLED));
    }

    pub fn requeue(&self, id: u64) -> Result {
        // It is received again before this returns, perhaps.
        self.account(|account| account.requeued.insert(id));
        let (result, hold) = lock::first_hold(|| self.fd().requeue(id));

        if result.is_ok() {
            self.account(|account| {
                account
                    .changes
                    .extend(hold.map(|hold| (hold, id, State::Queued)));
            });
        }
        result
    }

    /// Looks at fdinfo, to be compared with what there was at that moment. What there is, only
    /// [`recv`](Self::recv), [`send`](Self::send), [`requeue`](Self::requeue) and signals may have
    /// changed.
    pub fn look(&self) -> Fdinfo {
        let fd = self.fd();
        let (info, hold) = lock::first_hold(|| fd.fdinfo());

        self.account(|account| {
            let hold = hold.expect("it takes the lock");

            account.looks.push((hold, info.clone()));
        });
        info
    }

    pub fn requeue_all(&self) -> usize {
        self.account(|account| account.requeued_all = true);
        self.fd().requeue_all().expect("this cannot fail")
    }

    /// Reads what a target has in its memory.
    pub fn read_memory(&self, id: u64) -> Result<Vec<u8>> {
        self.fd().read_memory(id, START, MEMORY.len())
    }

    /// Receives and answers until there is no filter any more. Returns how many it answered.
    pub fn serve(&self) -> usize {
        let mut count = 0;

        loop {
            match self.recv() {
                Ok(notif) => count += usize::from(self.send(notif.id).is_ok()),
                Err(ENOENT) => return count,
                Err(EINTR) => (),
                Err(err) => panic!("RECV: {err:?}"),
            }
        }
    }

    /// All is over: every target has its answer, and nothing is left. The filter goes, and the fd
    /// is closed.
    pub fn check(&self) {
        self.end_filter();
        let fd = Self::get(&self.fd).take();

        if let Some(fd) = fd {
            let info = fd.fdinfo();

            assert!(!info.is_used);
            assert_eq!((info.queued, info.delivered, info.requeued), (0, 0, 0));
            assert_eq!(info.readers, 0);
            assert!(info.notifs.is_empty());
        }
        self.account(|account| Check::new(account, &self.shared.machine).all());
    }
}

impl Target {
    pub fn signal(&self) {
        self.world
            .account(|account| account.signalled.insert(self.nr));
        self.task.signal();
    }

    pub fn kill(&self) {
        self.world.account(|account| account.killed.insert(self.nr));
        self.task.kill();
    }

    pub fn join(self) -> Answer {
        self.thread.join().expect("it has not panicked")
    }
}

/// What the tracepoints say of a notification.
#[derive(Debug, Default)]
struct Traced {
    nr: i32,
    /// When it was first received, in the order of all hits.
    first_delivery: Option<usize>,
    /// The flags of each delivery.
    deliveries: Vec<u32>,
    /// The answer, or none if it went without.
    end: Option<Option<Reply>>,
    fds: Vec<i32>,
}

struct Check<'a> {
    account: &'a Account,
    /// What each notification became, in order, with the holds of the lock.
    changes: Vec<(usize, u64, State)>,
    /// In the order in which they were queued.
    traced: Vec<(u64, Traced)>,
}

impl<'a> Check<'a> {
    fn new(account: &'a Account, machine: &Machine) -> Self {
        let mut traced: Vec<(u64, Traced)> = Vec::new();
        let mut changes = account.changes.clone();

        for (at, hit) in machine.trace().into_iter().enumerate() {
            let id = hit.args[0] as u64;

            if hit.name == "seccomp_notify_queued" {
                assert!(traced.iter().all(|(other, _)| *other != id), "an id twice");
                let nr = hit.args[1] as i32;

                changes.push((hit.hold, id, State::Queued));
                traced.push((
                    id,
                    Traced {
                        nr,
                        ..Traced::default()
                    },
                ));
                continue;
            }
            let (_, of) = traced
                .iter_mut()
                .find(|(other, _)| *other == id)
                .expect("it was queued before");

            assert!(of.end.is_none(), "{hit:?} of one that is over");
            match (hit.name, &hit.args[1..]) {
                ("seccomp_notify_delivered", &[pid, flags]) => {
                    let outcome = &account.targets[&of.nr];

                    assert_eq!(pid, outcome.task.pid().into());
                    of.first_delivery.get_or_insert(at);
                    of.deliveries.push(flags as u32);
                    let state = match flags as u32 {
                        SIGNALED => State::Signalled,
                        _ => State::Delivered,
                    };
                    changes.push((hit.hold, id, state));
                }
                ("seccomp_notify_answered", &[error, val, flags]) => {
                    of.end = Some(Some(Reply {
                        error: error as i32,
                        val,
                        flags: flags as u32,
                    }));
                    changes.push((hit.hold, id, State::Gone));
                }
                ("seccomp_notify_aborted", &[]) => {
                    of.end = Some(None);
                    changes.push((hit.hold, id, State::Gone));
                }
                ("seccomp_notify_addfd", &[ret]) => of.fds.push(ret as i32),
                _ => panic!("unknown: {hit:?}"),
            }
        }
        changes.sort_by_key(|&(hold, _, _)| hold);
        Self {
            account,
            changes,
            traced,
        }
    }

    fn all(&self) {
        self.counts();
        self.targets();
        self.answers();
        self.deliveries();
        self.order();
        self.fds();
    }

    fn of(&self, id: u64) -> &Traced {
        let of = self.traced.iter().find(|(other, _)| *other == id);

        &of.expect("an id that was made up").1
    }

    fn outcome(&self, id: u64) -> &Outcome {
        &self.account.targets[&self.of(id).nr]
    }

    /// fdinfo counts what there is.
    fn counts(&self) {
        for (hold, info) in &self.account.looks {
            let mut states = BTreeMap::new();

            for &(_, id, state) in self.changes.iter().filter(|(at, _, _)| at < hold) {
                // Whoever is answered notices later.
                if states.get(&id) != Some(&State::Gone) {
                    states.insert(id, state);
                }
            }
            let count = |state| states.values().filter(|&&other| other == state).count();
            let delivered = count(State::Delivered) + count(State::Signalled);
            // When the target has noticed a signal, and has it told, nobody says.
            let may_be_requeued = states
                .iter()
                .filter(|(id, state)| {
                    **state == State::Delivered
                        && self.account.signalled.contains(&self.of(**id).nr)
                })
                .count();

            assert_eq!(info.queued, count(State::Queued));
            assert_eq!(info.delivered + info.requeued, delivered);
            assert!(info.requeued <= may_be_requeued);
        }
    }

    /// Each target has what its last notification ended with; others were aborted.
    fn targets(&self) {
        for (nr, outcome) in &self.account.targets {
            let ends: Vec<_> = self
                .traced
                .iter()
                .filter(|(_, of)| of.nr == *nr)
                .map(|(_, of)| of.end.expect("all is over"))
                .collect();
            let is_hit = self.account.signalled.contains(nr) || self.account.killed.contains(nr);

            let last = match ends.split_last() {
                Some((last, earlier)) => {
                    assert!(earlier.iter().all(Option::is_none));
                    *last
                }
                // It found the fd closed.
                None => {
                    assert_eq!(outcome.answer, CLOSED);
                    assert!(self.account.closed);
                    continue;
                }
            };
            match outcome.answer {
                Answer::Reply(reply) => assert_eq!(last, Some(reply)),
                Answer::Killed => assert!(last.is_none() && self.account.killed.contains(nr)),
                Answer::Interrupted => assert!(last.is_none() && is_hit),
            }
            if outcome.answer == CLOSED {
                assert!(self.account.closed);
            }
        }
    }

    /// A value that a target gets was sent once, and what was sent, a target gets unless it dies.
    fn answers(&self) {
        let mut answers: Vec<_> = self.account.sent.clone();

        for &(id, _, how, result) in &self.account.fds {
            if let (true, Ok(number)) = (how.is_reply, result) {
                answers.push((id, number.into()));
            }
        }
        for (at, &(id, val)) in answers.iter().enumerate() {
            let nr = self.of(id).nr;

            assert!(
                answers[..at].iter().all(|&(other, _)| other != id),
                "answered twice"
            );
            match self.of(id).end {
                Some(Some(reply)) => assert_eq!((reply.error, reply.val), (0, val)),
                _ => assert!(self.account.killed.contains(&nr), "an answer is lost"),
            }
        }
        for (id, of) in &self.traced {
            match of.end {
                // An adder that dies while its fd is installed does not hear of the answer.
                Some(Some(reply)) if reply.error == 0 => assert!(
                    answers.contains(&(*id, reply.val))
                        || self.account.fds.iter().any(|&(other, _, how, result)| {
                            other == *id && how.is_reply && result == Err(crate::userspace::KILLED)
                        }),
                    "an answer that nobody has sent"
                ),
                _ => (),
            }
        }
    }

    /// Each is received once, and once more with a signal, unless userspace has given it back.
    fn deliveries(&self) {
        let mut failed = 0;

        for (id, of) in &self.traced {
            let is_requeued = self.account.requeued_all || self.account.requeued.contains(id);
            let received: Vec<_> = self
                .account
                .received
                .iter()
                .filter(|notif| notif.id == *id)
                .collect();
            let told = received
                .iter()
                .filter(|notif| notif.flags == SIGNALED)
                .count();
            let plain = received.iter().filter(|notif| notif.flags == 0).count();

            assert_eq!(told + plain, received.len(), "unknown flags");
            assert!(is_requeued || told <= 1 && plain <= 1, "received twice");
            assert!(told == 0 || self.account.signalled.contains(&of.nr));
            for notif in &received {
                let nr = of.nr;

                assert_eq!(notif.pid as i32, self.outcome(*id).task.pid());
                assert_eq!((notif.data.nr, notif.data.arch), (nr, 7));
                assert_eq!(notif.data.instruction_pointer, 8);
                assert_eq!(notif.data.args, [nr as u64; 6]);
            }
            // What it is told of a signal, it is told last.
            assert!(is_requeued || of.deliveries.is_sorted());
            failed += of.deliveries.len() - received.len();
        }
        assert_eq!(failed, self.account.failed_copies);
    }

    /// They are received in the order in which they came, save for what was given back or had a
    /// signal.
    fn order(&self) {
        let deliveries = self
            .traced
            .iter()
            .filter(|(id, of)| {
                of.deliveries.len() == 1
                    && of.deliveries[0] == 0
                    && !self.account.requeued_all
                    && !self.account.requeued.contains(id)
            })
            .map(|(_, of)| of.first_delivery);

        assert!(deliveries.is_sorted(), "one is received before its turn");
    }

    /// A file is installed in the target whose notification it was sent to, and nowhere else.
    fn fds(&self) {
        for &(id, what, how, result) in &self.account.fds {
            for (nr, outcome) in &self.account.targets {
                let fds = blocking::lock(&outcome.task.fds);
                let installed: Vec<_> = fds.installed.iter().filter(|fd| fd.what == what).collect();

                if *nr != self.of(id).nr {
                    assert!(installed.is_empty(), "a file in another process");
                    continue;
                }
                match result {
                    Ok(number) => {
                        assert_eq!(installed.len(), 1, "a file is installed once");
                        assert_eq!(installed[0].number, number);
                        assert!(how.number.is_none_or(|wanted| wanted == number));
                    }
                    Err(crate::userspace::KILLED) => assert!(installed.len() <= 1),
                    Err(_) => assert!(installed.is_empty(), "a file that was taken back"),
                }
            }
        }
        for (id, of) in &self.traced {
            let numbers = of.fds.iter().filter(|&&ret| ret >= 0).count();
            let results = self
                .account
                .fds
                .iter()
                .filter(|(other, _, _, result)| other == id && result.is_ok())
                .count();

            assert!(numbers >= results);
        }
    }
}
