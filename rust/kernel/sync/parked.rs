// SPDX-License-Identifier: GPL-2.0

//! Entries that waiting tasks park under a lock.
//!
//! A task that waits for others often has something for them to look at meanwhile: a request to
//! be served, a place to put an answer. In C such a thing is a structure on the waiting task's
//! stack, linked into a list that a lock protects. A [`Table`] is the safe form of that pattern:
//! nothing is allocated, parking cannot fail, and an entry is gone from the table before the stack
//! frame that holds it.
//!
//! * [`Table::park`] has an entry for as long as a closure runs, and gives the closure the lock as
//!   a [`Held`], with which it sleeps.
//! * Whoever holds the lock finds entries by their id, or oldest first in the table's queue, as an
//!   [`Entry`]: changes the value, wakes the task. The task itself gets at its entry with a
//!   [`Ticket`], which takes no search.
//!
//! # Examples
//!
//! ```
//! use kernel::sync::{
//!     new_spinlock,
//!     parked::Table,
//!     SpinLock, //
//! };
//!
//! #[pin_data]
//! struct Inner {
//!     #[pin]
//!     callers: Table<u32>,
//! }
//!
//! /// Answers the oldest caller with twice its value.
//! fn answer(inner: Pin<&mut Inner>) {
//!     if let Some(mut caller) = inner.project().callers.first() {
//!         *caller.value() *= 2;
//!         caller.dequeue();
//!         caller.wake();
//!     }
//! }
//!
//! stack_pin_init!(let lock = new_spinlock!(pin_init!(Inner { callers <- Table::new(0) })));
//! let lock: Pin<&mut SpinLock<Inner>> = lock;
//!
//! let guard = lock.lock();
//! let doubled = Table::park(guard, |inner| inner.project().callers, 21, &(), |held, ticket| {
//!     held.data().project().callers.entry(ticket)?.enqueue_last();
//!
//!     // Another task would do this while the caller sleeps.
//!     answer(held.data());
//!
//!     Some(*held.data().project().callers.entry(ticket)?.value())
//! });
//! assert_eq!(doubled, Some(42));
//! assert!(lock.lock().as_mut().project().callers.is_empty());
//! # use pin_init::stack_pin_init;
//! ```

use crate::{
    bindings,
    prelude::*,
    sync::lock::{
        Backend,
        Guard, //
    },
    task::Task,
};
use core::{
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    mem::MaybeUninit,
    ptr, //
};

/// How many bits of an id choose the way down at one level of a table's tree.
const DIGIT_BITS: u32 = 1;

/// How many children a node has.
const FANOUT: usize = 1 << DIGIT_BITS;

/// How a task sleeps in [`Held::sleep`].
///
/// Either way it can be frozen, for suspend or by a cgroup v1, without being woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Any signal ends the sleep.
    Interruptible,
    /// Only a fatal signal ends the sleep.
    Killable,
}

impl Sleep {
    fn state(self) -> c_uint {
        bindings::TASK_FREEZABLE
            | match self {
                Sleep::Interruptible => bindings::TASK_INTERRUPTIBLE,
                Sleep::Killable => bindings::TASK_KILLABLE,
            }
    }
}

/// The lock under which a task has parked an entry.
///
/// It is held whenever the closure that [`Table::park`] runs has it, save within
/// [`sleep`](Self::sleep) and [`unlocked`](Self::unlocked).
// The lifetime is invariant and `park` makes its closure accept any: no two values of this type can
// be exchanged, thus the closure returns with the lock held that it was called with.
pub struct Held<'p, U: ?Sized, B: Backend> {
    guard: Guard<'p, U, B>,
    _invariant: PhantomData<fn(&'p ()) -> &'p ()>,
}

impl<U: ?Sized, B: Backend> Held<'_, U, B> {
    /// The data that the lock protects.
    #[inline]
    pub fn data(&mut self) -> Pin<&mut U> {
        self.guard.as_mut()
    }

    /// Releases the lock, sleeps until woken, and takes the lock again.
    ///
    /// What [`Entry::wake`] does after the lock was released ends the sleep, so that a condition
    /// checked under the lock before calling this cannot change unnoticed. The sleep can end for no
    /// reason: check the condition again.
    ///
    /// It must be called from a context that may sleep.
    #[inline]
    pub fn sleep(&mut self, how: Sleep) {
        // SAFETY: A task may set its own state to any sleeping state. Until `schedule()` below
        // takes notice, it may be preempted, which does not, and does nothing that sleeps:
        // releasing the lock does not.
        unsafe { bindings::set_current_state(how.state()) };

        self.guard.do_unlocked(|| {
            // SAFETY: The lock is released, and the caller promises that it may sleep.
            unsafe { bindings::schedule() }
        });
    }

    /// Runs `f` with the lock released.
    #[inline]
    pub fn unlocked<R>(&mut self, f: impl FnOnce() -> R) -> R {
        self.guard.do_unlocked(f)
    }
}

/// What a task that has parked an entry finds it by, in [`Table::entry`].
///
/// # Invariants
///
/// `node` is parked in `table`.
// A pointer, which is neither sent to nor shared with another thread, and a lifetime that nobody
// else can name: this stays within the closure that `park` runs.
pub struct Ticket<'p, T, S: ?Sized = ()> {
    node: *mut Node<T, S>,
    table: *const Table<T, S>,
    _invariant: PhantomData<fn(&'p ()) -> &'p ()>,
}

/// Entries parked under a lock, a queue of some of them, and a way to find them by id.
///
/// A table is part of the data that a lock protects. An entry has a value of type `T`, which
/// whoever holds the lock can change, and refers to something of type `S` that its task keeps for
/// others to look at.
///
/// An entry that is to be found by its id has to be given one. Ids are consecutive, from a start of
/// the owner's choice. None of the operations takes longer with the number of entries, except by
/// the depth of the tree described below and where noted.
///
/// A table must not be dropped while entries are parked in it. That is a bug of its owner, and a
/// panic.
///
/// # Implementation
///
/// The entries that have an id form a digital search tree: the digits of an id, from the least
/// significant on, say which child to go to at each level, until a free place or the id is found.
/// Any entry below another may take its place, so that removing needs no rebalancing; ids that
/// follow one another fill the tree evenly; and no path is longer than an id has digits.
///
/// # Invariants
///
/// - `parked` is the number of nodes that [`Table::park`] has for this table. They are alive.
/// - `root` is null or points to the root of a tree of such [`Node`]s, and `head` and `tail` are
///   both null or point to the ends of a list of such nodes. `is_indexed` and `is_queued` say
///   whether a node is in either, and whether the fields that this takes are initialised.
/// - A parked node is accessed through an exclusive reference to its table only, or, when its task
///   leaves, under the lock that protects the table.
#[pin_data(PinnedDrop)]
pub struct Table<T, S: ?Sized = ()> {
    root: *mut Node<T, S>,
    head: *mut Node<T, S>,
    tail: *mut Node<T, S>,
    next_id: u64,
    parked: usize,
    // Moved out of the data that the lock protects, a table would give access to its nodes without
    // the lock. It also lets tickets have a pointer to the table that outlives exclusive
    // references, which do not claim that there is none for a type that is not `Unpin`.
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A table gives access to values and tasks of other threads under exclusive access to
// itself, and to what they share. That is sound from any thread for values that are `Send`, what is
// shared being `Sync`, and tasks, which are `Sync`.
unsafe impl<T: Send, S: ?Sized + Sync> Send for Table<T, S> {}

/// An entry as it lies on the stack of the task that parked it.
struct Node<T, S: ?Sized> {
    is_indexed: bool,
    /// Initialised if `is_indexed`, like the next two.
    id: u64,
    parent: *mut Node<T, S>,
    children: [*mut Node<T, S>; FANOUT],
    is_queued: bool,
    /// Initialised if `is_queued`, like the next one.
    prev: *mut Node<T, S>,
    next: *mut Node<T, S>,
    task: *mut bindings::task_struct,
    shared: *const S,
    value: T,
}

impl<T, S: ?Sized> Table<T, S> {
    /// Creates an empty table in which the first entry that asks for an id gets `first_id`.
    pub fn new(first_id: u64) -> impl PinInit<Self> {
        // INVARIANT: There are no nodes.
        pin_init!(Self {
            root: ptr::null_mut(),
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            next_id: first_id,
            parked: 0,
            _pin: PhantomPinned,
        })
    }

    /// Parks an entry in the table while `stay` runs, and returns what that returns.
    ///
    /// `guard` is the lock that protects the table, and `table` says where the table is in its
    /// data. The entry has `value`, and refers to `shared`. `stay` gets the lock, and a ticket for
    /// the entry.
    ///
    /// The entry is in the queue when [`Entry::enqueue_last`] or [`Entry::enqueue_first`] has put
    /// it there, and found by its id when [`Entry::assign_id`] has given it one. The lock is
    /// released when `stay` has returned, and then `value` is dropped.
    #[inline]
    pub fn park<U: ?Sized, B: Backend, R>(
        guard: Guard<'_, U, B>,
        table: impl FnOnce(Pin<&mut U>) -> Pin<&mut Self>,
        value: T,
        shared: &S,
        stay: impl for<'p> FnOnce(&mut Held<'p, U, B>, &Ticket<'p, T, S>) -> R,
    ) -> R
    where
        T: Send,
        S: Sync,
    {
        // From here on, the node is only accessed through this pointer.
        let mut node = MaybeUninit::<Node<T, S>>::uninit();
        let node = node.as_mut_ptr();

        // SAFETY: The node is ours. What the tree and the queue need stays uninitialised until it
        // is put there.
        unsafe {
            (&raw mut (*node).is_indexed).write(false);
            (&raw mut (*node).is_queued).write(false);
            (&raw mut (*node).task).write(Task::current_raw());
            (&raw mut (*node).shared).write(shared);
            (&raw mut (*node).value).write(value);
        }

        let mut held = Held {
            guard,
            _invariant: PhantomData,
        };
        let data = held.data();
        let end_of_data = size_of_val(&*data);
        let start_of_data = ptr::from_ref(&*data).cast::<u8>().addr();
        // SAFETY: Nothing is moved out of the table.
        let this = unsafe { Pin::into_inner_unchecked(table(data)) };
        let start = ptr::from_ref(&*this).addr().wrapping_sub(start_of_data);

        // A table that the data merely points to could be taken away and used without the lock.
        assert!(
            start <= end_of_data && end_of_data - start >= size_of::<Self>(),
            "a table must be part of what its lock protects"
        );

        // INVARIANT: The node stays where it is until it has left the table, below. The table lies
        // within the data of the lock, where it is pinned: an exclusive reference to it implies
        // that the lock is held.
        this.parked += 1;
        let table = &raw mut *this;
        // INVARIANT: The node is parked in the table for as long as `stay` has the ticket.
        let ticket = Ticket {
            node,
            table,
            _invariant: PhantomData,
        };

        let ret = stay(&mut held, &ticket);

        // SAFETY: The lock is held: `stay` cannot have exchanged or dropped `held`, since its type
        // names a lifetime of which `stay` knows nothing. With it we have the only access to the
        // data, in which the table still is, as dropping it would have been a panic.
        unsafe { (*table).leave(node) };

        // The value may be anything, which may not be dropped under the lock.
        drop(held);
        // SAFETY: The value was initialised above, and nothing leads to the node any more.
        unsafe { ptr::drop_in_place(&raw mut (*node).value) };

        ret
    }

    /// Finds an entry by its id.
    #[inline]
    pub fn get(self: Pin<&mut Self>, id: u64) -> Option<Entry<'_, T, S>> {
        let mut node = self.root;
        let mut digits = id;

        while !node.is_null() {
            // SAFETY: By the type invariants, `node` is alive and ours to access.
            unsafe {
                if (*node).id == id {
                    return Some(Entry { table: self, node });
                }
                node = (*node).children[digits as usize % FANOUT];
            }
            digits >>= DIGIT_BITS;
        }
        None
    }

    /// The entry that the current task has parked, for which it has `ticket`.
    ///
    /// There is none if the ticket is for another table.
    #[inline]
    pub fn entry(self: Pin<&mut Self>, ticket: &Ticket<'_, T, S>) -> Option<Entry<'_, T, S>> {
        // INVARIANT: By the invariants of the ticket, its node is parked in its table.
        ptr::eq(ticket.table, &*self).then(|| Entry {
            table: self,
            node: ticket.node,
        })
    }

    /// The first entry of the queue.
    #[inline]
    pub fn first(self: Pin<&mut Self>) -> Option<Entry<'_, T, S>> {
        let node = self.head;

        if node.is_null() {
            return None;
        }
        // INVARIANT: By the type invariants, `node` is parked in this table.
        Some(Entry { table: self, node })
    }

    /// The first entry of the queue whose value satisfies `predicate`.
    ///
    /// This takes time linear in the length of the queue.
    pub fn find_queued(
        self: Pin<&mut Self>,
        mut predicate: impl FnMut(&T) -> bool,
    ) -> Option<Entry<'_, T, S>> {
        let mut node = self.head;

        while !node.is_null() {
            // SAFETY: By the type invariants, `node` is alive and ours to access.
            unsafe {
                if predicate(&(*node).value) {
                    return Some(Entry { table: self, node });
                }
                node = (*node).next;
            }
        }
        None
    }

    /// The id that the next entry gets that asks for one.
    #[inline]
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Whether the queue has any entry.
    #[inline]
    pub fn has_queued(&self) -> bool {
        !self.head.is_null()
    }

    /// Whether the table has any entry, in the queue or not.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.parked == 0
    }

    /// Puts every entry that has an id and is not in the queue at its end, in no particular order.
    ///
    /// This takes time linear in the number of entries.
    pub fn enqueue_all(self: Pin<&mut Self>) {
        // SAFETY: Nothing is moved out of the table.
        let this = unsafe { Pin::into_inner_unchecked(self) };
        let mut node = this.root;

        while !node.is_null() {
            // SAFETY: By the type invariants, `node` is alive and in this table's tree, as are the
            // nodes that it is linked with.
            unsafe {
                if !(*node).is_queued {
                    this.link(node, this.tail, ptr::null_mut());
                }
                node = Self::next_in_preorder(node);
            }
        }
    }

    /// The node after `node` when parents come before their children.
    ///
    /// # Safety
    ///
    /// `node` must be in the tree of a table to which the caller has exclusive access.
    unsafe fn next_in_preorder(mut node: *mut Node<T, S>) -> *mut Node<T, S> {
        // SAFETY: By the safety requirements and the type invariants, all nodes that `node` is
        // linked with are alive and ours to access.
        unsafe {
            if let Some(&child) = (*node).children.iter().find(|child| !child.is_null()) {
                return child;
            }
            while !(*node).parent.is_null() {
                let siblings = &(*(*node).parent).children;
                let mut later = siblings.iter().skip_while(|&&child| child != node).skip(1);

                if let Some(&sibling) = later.find(|child| !child.is_null()) {
                    return sibling;
                }
                node = (*node).parent;
            }
        }
        ptr::null_mut()
    }

    /// Gives `node` an id and links it into the tree.
    ///
    /// # Safety
    ///
    /// `node` must be parked in this table and not in the tree.
    #[inline]
    unsafe fn index(&mut self, node: *mut Node<T, S>) {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);

        let mut place = &raw mut self.root;
        let mut parent = ptr::null_mut();
        let mut digits = id;

        // SAFETY: `node` is ours to access by the safety requirements; the nodes on the way are so
        // by the type invariants.
        unsafe {
            while !(*place).is_null() {
                parent = *place;
                place = &raw mut (*parent).children[digits as usize % FANOUT];
                digits >>= DIGIT_BITS;
            }
            *place = node;
            (*node).id = id;
            (*node).parent = parent;
            (*node).children = [ptr::null_mut(); FANOUT];
            (*node).is_indexed = true;
        }
    }

    /// Has `node` leave the table.
    ///
    /// # Safety
    ///
    /// `node` must be parked in this table, and is not any more.
    #[inline]
    unsafe fn leave(&mut self, node: *mut Node<T, S>) {
        // SAFETY: By the safety requirements, `node` is ours to access.
        unsafe {
            if (*node).is_queued {
                self.unlink_queued(node);
            }
            if (*node).is_indexed {
                self.unlink_indexed(node);
            }
        }
        // INVARIANT: Nothing leads to the node.
        self.parked -= 1;
    }

    /// Takes `node` out of the tree.
    ///
    /// # Safety
    ///
    /// `node` must be in the tree of this table.
    #[inline]
    unsafe fn unlink_indexed(&mut self, node: *mut Node<T, S>) {
        // SAFETY: By the safety requirements and the type invariants, `node` and all nodes that it
        // is linked with are alive and ours to access.
        unsafe {
            let leaf = Self::leaf_below(node);
            *self.place_of(leaf) = ptr::null_mut();

            // All ids below `node` lead to its place first, so that the leaf may take it.
            if leaf != node {
                *self.place_of(node) = leaf;
                (*leaf).parent = (*node).parent;
                (*leaf).children = (*node).children;
                for child in (*leaf).children {
                    if !child.is_null() {
                        (*child).parent = leaf;
                    }
                }
            }
        }
    }

    /// A node without children below `node`, or `node` if that has none itself.
    ///
    /// # Safety
    ///
    /// `node` must be in the tree of a table to which the caller has exclusive access.
    #[inline]
    unsafe fn leaf_below(mut node: *mut Node<T, S>) -> *mut Node<T, S> {
        // SAFETY: By the safety requirements and the type invariants, all nodes below `node` are
        // alive and ours to access.
        while let Some(&child) = unsafe { (*node).children.iter().find(|child| !child.is_null()) } {
            node = child;
        }
        node
    }

    /// The pointer that leads to `node` in the tree.
    ///
    /// # Safety
    ///
    /// `node` must be in the tree of this table.
    #[inline]
    unsafe fn place_of(&mut self, node: *mut Node<T, S>) -> *mut *mut Node<T, S> {
        // SAFETY: By the safety requirements and the type invariants, `node` and its parent, if it
        // has one, are alive and ours to access.
        unsafe {
            let parent = (*node).parent;

            if parent.is_null() {
                return &raw mut self.root;
            }
            let mut digit = 0;
            while digit < FANOUT - 1 && (*parent).children[digit] != node {
                digit += 1;
            }
            &raw mut (*parent).children[digit]
        }
    }

    /// Links `node` into the queue between two neighbours, either of which may be null.
    ///
    /// # Safety
    ///
    /// `node` must be parked in this table and not in the queue, in which `prev` and `next` must
    /// follow each other, or be its end and null.
    #[inline]
    unsafe fn link(&mut self, node: *mut Node<T, S>, prev: *mut Node<T, S>, next: *mut Node<T, S>) {
        // SAFETY: By the safety requirements and the type invariants, all three nodes are alive, or
        // null, and ours to access.
        unsafe {
            (*node).is_queued = true;
            (*node).prev = prev;
            (*node).next = next;
            *self.next_of(prev) = node;
            *self.prev_of(next) = node;
        }
    }

    /// Takes `node` out of the queue.
    ///
    /// # Safety
    ///
    /// `node` must be in the queue of this table.
    #[inline]
    unsafe fn unlink_queued(&mut self, node: *mut Node<T, S>) {
        // SAFETY: By the safety requirements and the type invariants, `node` and its neighbours are
        // alive, or null, and ours to access.
        unsafe {
            (*node).is_queued = false;
            *self.next_of((*node).prev) = (*node).next;
            *self.prev_of((*node).next) = (*node).prev;
        }
    }

    /// The pointer to what follows `node` in the queue, or to its head for null.
    ///
    /// # Safety
    ///
    /// `node` must be null or in the queue of this table.
    #[inline]
    unsafe fn next_of(&mut self, node: *mut Node<T, S>) -> *mut *mut Node<T, S> {
        if node.is_null() {
            &raw mut self.head
        } else {
            // SAFETY: By the safety requirements and the type invariants, `node` is alive.
            unsafe { &raw mut (*node).next }
        }
    }

    /// The pointer to what precedes `node` in the queue, or to its tail for null.
    ///
    /// # Safety
    ///
    /// `node` must be null or in the queue of this table.
    #[inline]
    unsafe fn prev_of(&mut self, node: *mut Node<T, S>) -> *mut *mut Node<T, S> {
        if node.is_null() {
            &raw mut self.tail
        } else {
            // SAFETY: By the safety requirements and the type invariants, `node` is alive.
            unsafe { &raw mut (*node).prev }
        }
    }
}

#[pinned_drop]
impl<T, S: ?Sized> PinnedDrop for Table<T, S> {
    fn drop(self: Pin<&mut Self>) {
        // Nobody could keep the tasks that have parked from coming back to it.
        assert!(self.parked == 0, "a table is dropped with entries in it");
    }
}

/// An entry of a [`Table`], with exclusive access to it.
///
/// # Invariants
///
/// `node` is parked in `table`.
pub struct Entry<'a, T, S: ?Sized = ()> {
    table: Pin<&'a mut Table<T, S>>,
    node: *mut Node<T, S>,
}

impl<T, S: ?Sized> Entry<'_, T, S> {
    /// The entry's id, if it has one.
    #[inline]
    pub fn id(&self) -> Option<u64> {
        // SAFETY: By the type invariants, `node` is alive and ours to access.
        unsafe { (*self.node).is_indexed.then(|| (*self.node).id) }
    }

    /// Returns the entry's id, by which it is found from now on.
    #[inline]
    pub fn assign_id(&mut self) -> u64 {
        let (table, node) = self.table();

        // SAFETY: By the type invariants, `node` is parked in the table and ours to access.
        unsafe {
            if !(*node).is_indexed {
                table.index(node);
            }
            (*node).id
        }
    }

    /// What the task keeps for others to look at.
    #[inline]
    pub fn shared(&self) -> &S {
        // SAFETY: By the type invariants, `node` is alive, and thus what it refers to is, which is
        // borrowed for as long as the task is in `Table::park()`.
        unsafe { &*(*self.node).shared }
    }

    /// The parked value.
    #[inline]
    pub fn value(&mut self) -> &mut T {
        // SAFETY: By the type invariants, `node` is alive and ours to access for as long as the
        // table is borrowed.
        unsafe { &mut (*self.node).value }
    }

    /// The task that parked the entry.
    #[inline]
    pub fn task(&self) -> &Task {
        // SAFETY: By the type invariants, `node` is alive, and thus the task is, which is in
        // `Table::park()`. `Task` has the layout of `struct task_struct`.
        unsafe { &*(*self.node).task.cast() }
    }

    /// Wakes the task that parked the entry, if it sleeps in [`Held::sleep`].
    #[inline]
    pub fn wake(&self) {
        self.task().wake_up();
    }

    /// Like [`wake`](Self::wake), and has the task run on this CPU if it can.
    ///
    /// That pays off when the calling task is about to sleep.
    #[inline]
    pub fn wake_on_current_cpu(&self) {
        self.task().wake_up_on_current_cpu();
    }

    /// Whether the entry is in the queue.
    #[inline]
    pub fn is_queued(&self) -> bool {
        // SAFETY: By the type invariants, `node` is alive and ours to access.
        unsafe { (*self.node).is_queued }
    }

    /// Puts the entry at the end of the queue, unless it is in the queue.
    #[inline]
    pub fn enqueue_last(&mut self) {
        if !self.is_queued() {
            let (table, node) = self.table();
            // SAFETY: By the type invariants, `node` is parked in the table, and it is not in the
            // queue.
            unsafe { table.link(node, table.tail, ptr::null_mut()) };
        }
    }

    /// Puts the entry at the start of the queue, unless it is in the queue.
    #[inline]
    pub fn enqueue_first(&mut self) {
        if !self.is_queued() {
            let (table, node) = self.table();
            // SAFETY: By the type invariants, `node` is parked in the table, and it is not in the
            // queue.
            unsafe { table.link(node, ptr::null_mut(), table.head) };
        }
    }

    /// Takes the entry out of the queue, if it is there.
    #[inline]
    pub fn dequeue(&mut self) {
        if self.is_queued() {
            let (table, node) = self.table();
            // SAFETY: By the type invariants, `node` is parked in the table, and `is_queued` says
            // that it is in the queue.
            unsafe { table.unlink_queued(node) };
        }
    }

    /// The table, from which nothing may be moved, and the node.
    #[inline]
    fn table(&mut self) -> (&mut Table<T, S>, *mut Node<T, S>) {
        // SAFETY: The callers move nothing out of the table.
        let table = unsafe { self.table.as_mut().get_unchecked_mut() };

        (table, self.node)
    }
}
