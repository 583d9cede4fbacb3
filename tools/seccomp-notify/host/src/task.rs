// SPDX-License-Identifier: GPL-2.0

//! Tasks: what a thread is to the scheduler, to signals and to the freezer.

use crate::{
    bindings::{
        TASK_FREEZABLE, TASK_FROZEN, TASK_INTERRUPTIBLE, TASK_NORMAL, TASK_RUNNING, TASK_WAKEKILL,
    },
    blocking::{self, thread, thread_local, Changed, Mutex},
    fs::FdTable,
    machine::Machine,
    sync::{aref::AlwaysRefCounted, lock},
    uaccess::Memory,
};
use std::{
    cell::RefCell,
    ptr::NonNull,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        Arc,
    },
};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Task>>> = RefCell::default();
}

/// A task.
pub struct Task {
    pid: i32,
    machine: Arc<Machine>,
    run: Mutex<Run>,
    changed: Changed,
    /// Userspace memory.
    pub memory: Mutex<Memory>,
    pub fds: Mutex<FdTable>,
    /// The task has said that it sleeps, and has not slept. Only it looks, and not at `run`, where
    /// every look is a point at which another thread may go on.
    looks_asleep: AtomicBool,
    /// The task is between the entry of a system call and its beginning.
    in_entry: AtomicBool,
    /// How many files are released when the system call returns.
    put_off: AtomicUsize,
    /// To release them takes as long as somebody else has this.
    pub release: Mutex<()>,
    /// How many wake-ups wanted the task to run on the CPU of the waker.
    pub wakeups_on_current_cpu: AtomicUsize,
}

/// Whether a task runs, and what is asked of it.
#[derive(Debug, Default)]
struct Run {
    state: u32,
    /// The state of a frozen task, for when it is thawed.
    saved_state: u32,
    /// The task is off its CPU.
    is_asleep: bool,
    /// A signal that has a handler.
    signal: bool,
    /// A signal that kills.
    fatal: bool,
    /// What the task looks at to know of a signal: `TIF_SIGPENDING`.
    looks_pending: bool,
    /// `TIF_NOTIFY_SIGNAL`.
    task_work: bool,
    freezing: bool,
    has_exited: bool,
}

impl Run {
    /// `signal_pending_state()`
    fn is_interrupted(&self) -> bool {
        let is_pending = self.looks_pending || self.task_work;

        is_pending
            && (self.state & TASK_INTERRUPTIBLE != 0
                || self.state & TASK_WAKEKILL != 0 && self.fatal)
    }

    fn recalc_sigpending(&mut self) {
        self.looks_pending = self.signal || self.fatal || self.freezing;
    }

    /// `try_to_wake_up()`
    fn wake(&mut self, states: u32) {
        if self.state == TASK_FROZEN {
            // It goes on when it is thawed.
            if self.saved_state & states != 0 {
                self.saved_state = TASK_RUNNING;
            }
        } else if self.state & states != 0 {
            self.state = TASK_RUNNING;
        }
    }
}

impl Task {
    pub fn new(machine: &Arc<Machine>) -> Arc<Self> {
        Arc::new(Self {
            pid: machine.next_pid(),
            machine: machine.clone(),
            run: Mutex::default(),
            changed: Changed::default(),
            looks_asleep: AtomicBool::new(false),
            memory: Mutex::default(),
            fds: Mutex::default(),
            in_entry: AtomicBool::new(false),
            put_off: AtomicUsize::new(0),
            release: Mutex::default(),
            wakeups_on_current_cpu: AtomicUsize::new(0),
        })
    }

    /// Has a thread be this task, and run `f`.
    pub fn spawn<R: Send + 'static>(
        self: &Arc<Self>,
        f: impl FnOnce() -> R + Send + 'static,
    ) -> thread::JoinHandle<R> {
        let task = self.clone();

        thread::spawn(move || {
            set_current(task.clone());
            let result = f();

            task.change(|run| run.has_exited = true);
            result
        })
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    fn change<R>(&self, change: impl FnOnce(&mut Run) -> R) -> R {
        let mut run = blocking::lock(&self.run);
        let result = change(&mut run);

        self.changed.tell_all();
        result
    }

    fn look<R>(&self, look: impl FnOnce(&Run) -> R) -> R {
        look(&blocking::lock(&self.run))
    }

    // What happens to a task.

    /// Sends it a signal that has a handler.
    pub fn signal(&self) {
        self.change(|run| {
            run.signal = true;
            run.looks_pending = true;
            run.wake(TASK_INTERRUPTIBLE);
        });
    }

    /// Another thread takes its signal, which was for either.
    pub fn lose_signal(&self) {
        self.change(|run| run.signal = false);
    }

    /// Sends it `SIGKILL`.
    pub fn kill(&self) {
        self.change(|run| {
            run.fatal = true;
            run.looks_pending = true;
            run.wake(TASK_INTERRUPTIBLE | TASK_WAKEKILL);
        });
    }

    /// Gives it task work to do.
    pub fn add_task_work(&self) {
        self.change(|run| {
            run.task_work = true;
            run.wake(TASK_INTERRUPTIBLE);
        });
    }

    /// Asks it to freeze: `freeze_task()`, once.
    pub fn freeze(&self) {
        self.change(|run| {
            run.freezing = true;
            if run.is_asleep && run.state & TASK_FREEZABLE != 0 {
                run.saved_state = run.state;
                run.state = TASK_FROZEN;
            } else {
                run.looks_pending = true;
                run.wake(TASK_INTERRUPTIBLE);
            }
        });
    }

    /// Has it go on: `thaw_task()`.
    pub fn thaw(&self) {
        self.change(|run| {
            run.freezing = false;
            if run.state == TASK_FROZEN {
                run.state = std::mem::take(&mut run.saved_state);
            }
        });
    }

    // What others wait for.

    fn wait_for(&self, is_met: impl Fn(&Run) -> bool) {
        drop(self.changed.wait(blocking::lock(&self.run), is_met));
    }

    /// Waits until the task sleeps or is gone.
    pub fn until_asleep(&self) {
        self.wait_for(|run| run.has_exited || run.is_asleep && run.state != TASK_RUNNING);
    }

    /// Waits until the task is frozen or gone.
    pub fn until_frozen(&self) {
        self.wait_for(|run| run.has_exited || run.state == TASK_FROZEN);
    }

    /// Asks the task to freeze until it is frozen or gone, as for suspend: what is not frozen when
    /// it goes to sleep is asked again.
    pub fn freeze_for_sure(&self) {
        loop {
            self.freeze();
            self.wait_for(|run| run.has_exited || run.is_asleep && run.state != TASK_RUNNING);
            if self.look(|run| run.has_exited || run.state == TASK_FROZEN) {
                return;
            }
        }
    }

    /// Whether the task sleeps so that only a fatal signal wakes it.
    pub fn sleeps_killable(&self) -> bool {
        self.look(|run| run.is_asleep && run.state & TASK_WAKEKILL != 0)
    }

    /// Whether the task is between the entry of a system call and its beginning.
    pub fn is_in_entry(&self) -> bool {
        self.in_entry.load(SeqCst)
    }

    // What a task does itself.

    /// `task_work_add()`, of the release of a file.
    pub(crate) fn put_off_release(&self) {
        if self.is_in_entry() {
            self.put_off.fetch_add(1, SeqCst);
        }
    }

    /// Who sleeps for something else forgets the state that it has set, or, if it need not sleep,
    /// goes on with it: `might_sleep()`.
    pub(crate) fn might_sleep(&self) {
        let looks_asleep = self.looks_asleep.load(SeqCst);

        assert!(!looks_asleep, "a task that runs looks as if it slept");
    }

    pub(crate) fn set_state(&self, state: u32) {
        self.looks_asleep.store(state != TASK_RUNNING, SeqCst);
        self.change(|run| run.state = state);
    }

    /// `schedule()`
    pub(crate) fn schedule(&self) {
        self.looks_asleep.store(false, SeqCst);
        let mut run = blocking::lock(&self.run);

        if run.is_interrupted() {
            run.state = TASK_RUNNING;
        }
        if run.state == TASK_RUNNING {
            return;
        }
        assert_eq!(
            self.put_off.load(SeqCst),
            0,
            "what waits for a file to be released waits for this task"
        );
        run.is_asleep = true;
        self.changed.tell_all();
        run = self.changed.wait(run, |run| run.state == TASK_RUNNING);
        run.is_asleep = false;
    }

    /// `try_to_freeze()`
    pub fn try_to_freeze(&self) -> bool {
        self.might_sleep();
        let mut run = blocking::lock(&self.run);

        if !run.freezing {
            return false;
        }
        run.state = TASK_FROZEN;
        run.saved_state = TASK_RUNNING;
        run.is_asleep = true;
        self.changed.tell_all();
        run = self.changed.wait(run, |run| run.state != TASK_FROZEN);
        run.is_asleep = false;
        true
    }

    /// Returns to user mode. Returns what made it do so early, of which nothing is left then.
    pub fn exit_to_user_mode(&self) -> Exit {
        self.try_to_freeze();
        self.change(|run| {
            run.task_work = false;
            let exit = if run.fatal {
                Exit::Killed
            } else if std::mem::take(&mut run.signal) {
                Exit::Interrupted
            } else {
                Exit::Uninterrupted
            };

            run.recalc_sigpending();
            exit
        })
    }

    // What the kernel's has.

    /// `WaiterList::wait()` alone asks for this.
    pub fn current_raw() -> *mut Self {
        lock::becomes_waiter();
        Arc::as_ptr(&current()).cast_mut()
    }

    pub fn as_ptr(&self) -> *mut Self {
        std::ptr::from_ref(self).cast_mut()
    }

    /// There is one pid namespace.
    pub fn pid_nr_ns(&self, _pidns: Option<()>) -> i32 {
        self.pid
    }

    pub fn signal_pending(&self) -> bool {
        self.look(|run| run.looks_pending || run.task_work)
    }

    pub fn fatal_signal_pending(&self) -> bool {
        self.look(|run| run.looks_pending && run.fatal)
    }

    pub fn is_frozen(&self) -> bool {
        self.look(|run| run.state == TASK_FROZEN)
    }

    pub fn is_freezing(&self) -> bool {
        self.look(|run| run.freezing)
    }

    pub fn wake_up(&self) {
        assert_eq!(lock::held(), 0, "it would wait for the lock at once");
        self.change(|run| run.wake(TASK_NORMAL));
    }

    pub fn wake_up_on_current_cpu(&self) {
        self.wakeups_on_current_cpu.fetch_add(1, SeqCst);
        self.wake_up();
    }
}

/// What a task finds when it returns to user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It dies.
    Killed,
    /// A signal's handler has run.
    Interrupted,
    Uninterrupted,
}

// SAFETY: The count is that of the `Arc` that every task is in, see `Task::new()`.
unsafe impl AlwaysRefCounted for Task {
    fn inc_ref(&self) {
        // SAFETY: As above.
        unsafe { Arc::increment_strong_count(self) };
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: As above, and by the safety requirements there is a reference.
        unsafe { Arc::decrement_strong_count(this.as_ptr()) };
    }
}

/// The current task: one of a machine of its own, unless the thread was told otherwise.
pub fn current() -> Arc<Task> {
    CURRENT.with(|current| {
        current
            .borrow_mut()
            .get_or_insert_with(|| Task::new(&Machine::new()))
            .clone()
    })
}

/// Has the thread be a task.
pub fn set_current(task: Arc<Task>) {
    CURRENT.with(|current| *current.borrow_mut() = Some(task));
}

#[macro_export]
macro_rules! current {
    () => {
        $crate::task::current()
    };
}

/// The current task at the entry of a system call, before that has begun.
pub struct SyscallEntry(Arc<Task>);

impl SyscallEntry {
    /// # Safety
    ///
    /// See the kernel's.
    pub unsafe fn assume() -> Self {
        let task = current();

        assert!(!task.in_entry.swap(true, SeqCst));
        Self(task)
    }

    pub fn settle_signal_pending(&self, task_work: bool) -> bool {
        if task_work {
            self.run_task_work();
        }
        self.0.try_to_freeze();
        self.0.change(|run| {
            run.recalc_sigpending();
            run.signal || run.fatal || !task_work && run.task_work
        })
    }

    pub fn run_task_work(&self) {
        assert_eq!(lock::held(), 0, "it may take long");
        drop(blocking::lock(&self.0.release));
        self.0.put_off.store(0, SeqCst);
        self.0.change(|run| run.task_work = false);
    }

    pub fn restart(&self) {
        self.0.change(|run| run.looks_pending = true);
    }
}

impl Drop for SyscallEntry {
    fn drop(&mut self) {
        self.0.put_off.store(0, SeqCst);
        self.0.in_entry.store(false, SeqCst);
    }
}
