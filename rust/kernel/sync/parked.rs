// SPDX-License-Identifier: GPL-2.0

//! Entries that waiting tasks park under a lock.
//!
//! A task that waits for others often has something for them to look at meanwhile: a request to
//! be served, a place to put an answer. In C such a thing is a structure on the waiting task's
//! stack, linked into a list that a lock protects. A [`Table`] is the safe form of that pattern:
//! nothing is allocated, parking cannot fail, and an entry is gone from the table before the stack
//! frame that holds it.
//!
//! * [`Table::park`] links an entry for as long as a closure runs, and gives the closure the lock
//!   as a [`Held`], with which it sleeps.
//! * Whoever holds the lock finds entries by their id, or oldest first in the table's queue, as an
//!   [`Entry`]: changes the value, wakes the task.
//!
//! # Examples
//!
//! ```
//! use kernel::sync::{
//!     new_spinlock_irq,
//!     parked::Table,
//!     SpinLockIrq, //
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
//! stack_pin_init!(let lock = new_spinlock_irq!(pin_init!(Inner { callers <- Table::new(0) })));
//! let lock: Pin<&mut SpinLockIrq<Inner>> = lock;
//!
//! let guard = lock.lock();
//! let doubled: Result<u32> = Table::park(guard, |inner| inner.project().callers, 21, |held, id| {
//!     held.data().project().callers.get(id).ok_or(ENOENT)?.enqueue_last();
//!
//!     // Another task would do this while the caller sleeps.
//!     answer(held.data());
//!
//!     Ok(*held.data().project().callers.get(id).ok_or(ENOENT)?.value())
//! });
//! assert_eq!(doubled, Ok(42));
//! assert!(lock.lock().as_mut().project().callers.is_empty());
//! # use pin_init::stack_pin_init;
//! # Ok::<(), Error>(())
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
    ptr, //
};

/// How many bits of an id choose the way down at one level of a table's tree.
const DIGIT_BITS: u32 = 2;

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

/// Entries parked under a lock, found by id, and a queue of some of them.
///
/// A table is part of the data that a lock protects. An entry's id is the number of entries parked
/// before it, counted from a start of the owner's choice; none of the operations takes longer with
/// the number of entries, except by the depth of the tree described below and where noted.
///
/// # Implementation
///
/// The entries form a digital search tree: the digits of an id, from the least significant on, say
/// which child to go to at each level, until a free place or the id is found. Any entry below
/// another may take its place, so that removing needs no rebalancing; ids that follow one another
/// fill the tree evenly; and no path is longer than an id has digits.
///
/// # Invariants
///
/// - `root` is null or points to the root of a tree of [`Node`]s, and `head` and `tail` are both
///   null or point to the ends of a list of nodes of that tree.
/// - Every node reachable from them is alive and has its `table` field point to this table. It is
///   accessed through an exclusive reference to this table only, or, to unlink it, under the lock
///   that protects the table.
#[pin_data(PinnedDrop)]
pub struct Table<T> {
    root: *mut Node<T>,
    head: *mut Node<T>,
    tail: *mut Node<T>,
    next_id: u64,
    // Moved out of the data that the lock protects, a table would give access to its nodes without
    // the lock. It also lets nodes have a pointer to the table that outlives exclusive references,
    // which do not claim that there is none for a type that is not `Unpin`.
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A table gives access to values and tasks of other threads under exclusive access to
// itself. That is sound from any thread for values that are `Send`, and tasks, which are `Sync`.
unsafe impl<T: Send> Send for Table<T> {}

/// An entry as it lies on the stack of the task that parked it.
struct Node<T> {
    id: u64,
    /// The table in which it is, null if that is gone.
    table: *mut Table<T>,
    parent: *mut Node<T>,
    children: [*mut Node<T>; FANOUT],
    is_queued: bool,
    prev: *mut Node<T>,
    next: *mut Node<T>,
    task: *mut bindings::task_struct,
    value: T,
}

impl<T> Table<T> {
    /// Creates an empty table whose first entry gets the id `first_id`.
    pub fn new(first_id: u64) -> impl PinInit<Self> {
        // INVARIANT: There are no nodes.
        pin_init!(Self {
            root: ptr::null_mut(),
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            next_id: first_id,
            _pin: PhantomPinned,
        })
    }

    /// Parks `value` in the table while `stay` runs, and returns what that returns.
    ///
    /// `guard` is the lock that protects the table, and `table` says where the table is in its
    /// data. `stay` gets the lock, and the entry's id.
    ///
    /// The entry is not in the queue until [`Entry::enqueue_last`] or [`Entry::enqueue_first`] puts
    /// it there. The lock is released when `stay` has returned, and then `value` is dropped.
    #[inline]
    pub fn park<U: ?Sized, B: Backend, R>(
        guard: Guard<'_, U, B>,
        table: impl FnOnce(Pin<&mut U>) -> Pin<&mut Table<T>>,
        value: T,
        stay: impl for<'p> FnOnce(&mut Held<'p, U, B>, u64) -> R,
    ) -> R
    where
        T: Send,
    {
        // Declared before `held`, and thus dropped after the lock is released.
        let mut node = Node {
            id: 0,
            table: ptr::null_mut(),
            parent: ptr::null_mut(),
            children: [ptr::null_mut(); FANOUT],
            is_queued: false,
            prev: ptr::null_mut(),
            next: ptr::null_mut(),
            task: Task::current_raw(),
            value,
        };
        let mut held = Held {
            guard,
            _invariant: PhantomData,
        };

        // Once linked, the node is only accessed through this pointer.
        let node = &raw mut node;

        let data = held.data();
        let end_of_data = size_of_val(&*data);
        let start_of_data = ptr::from_ref(&*data).cast::<u8>().addr();
        // SAFETY: Nothing is moved out of the table.
        let table = unsafe { Pin::into_inner_unchecked(table(data)) };
        let start = ptr::from_ref(&*table).addr().wrapping_sub(start_of_data);

        // A table that the data merely points to could be taken away and used without the lock.
        assert!(
            start <= end_of_data && end_of_data - start >= size_of::<Self>(),
            "a table must be part of what its lock protects"
        );

        // SAFETY: `node` was just created. It stays where it is until it is unlinked below.
        // INVARIANT: The table lies within the data of the lock, where it is pinned: an exclusive
        // reference to it implies that the lock is held.
        let id = unsafe { table.insert(node) };

        let ret = stay(&mut held, id);

        // SAFETY: The lock is held: `stay` cannot have exchanged or dropped `held`, since its type
        // names a lifetime of which `stay` knows nothing. With it we have the only access to the
        // data, in which the table still is, unless it was dropped: then `table` is null.
        unsafe {
            if !(*node).table.is_null() {
                (*(*node).table).unlink(node);
            }
        }

        ret
    }

    /// Finds an entry by its id.
    #[inline]
    pub fn get(self: Pin<&mut Self>, id: u64) -> Option<Entry<'_, T>> {
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

    /// The first entry of the queue.
    #[inline]
    pub fn first(self: Pin<&mut Self>) -> Option<Entry<'_, T>> {
        let node = self.head;

        // By the type invariants, `node` is a node of this table.
        (!node.is_null()).then_some(Entry { table: self, node })
    }

    /// The first entry of the queue whose value satisfies `predicate`.
    ///
    /// This takes time linear in the length of the queue.
    pub fn find_queued(
        self: Pin<&mut Self>,
        mut predicate: impl FnMut(&T) -> bool,
    ) -> Option<Entry<'_, T>> {
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

    /// The id that the next entry gets.
    #[inline]
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Whether the queue has any entry.
    #[inline]
    pub fn has_queued(&self) -> bool {
        !self.head.is_null()
    }

    /// Whether the table has any entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.root.is_null()
    }

    /// Puts every entry that is not in the queue at its end, in no particular order.
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
    unsafe fn next_in_preorder(mut node: *mut Node<T>) -> *mut Node<T> {
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
    /// `node` must not be linked, and stay valid, in its place, and accessed by nobody but this
    /// table until it is unlinked, which must happen under the lock that protects this table.
    #[inline]
    unsafe fn insert(&mut self, node: *mut Node<T>) -> u64 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);

        let mut place = &raw mut self.root;
        let mut parent = ptr::null_mut();
        let mut digits = id;

        // SAFETY: `node` is valid by the safety requirements; the nodes on the way are so by the
        // type invariants.
        unsafe {
            while !(*place).is_null() {
                parent = *place;
                place = &raw mut (*parent).children[digits as usize % FANOUT];
                digits >>= DIGIT_BITS;
            }
            *place = node;
            (*node).id = id;
            (*node).table = self;
            (*node).parent = parent;
        }
        id
    }

    /// Takes `node` out of the queue, if it is there, and out of the tree.
    ///
    /// # Safety
    ///
    /// `node` must be in this table.
    #[inline]
    unsafe fn unlink(&mut self, node: *mut Node<T>) {
        // SAFETY: By the safety requirements and the type invariants, `node` and all nodes that it
        // is linked with are alive and ours to access.
        unsafe {
            if (*node).is_queued {
                self.unlink_queued(node);
            }

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
    unsafe fn leaf_below(mut node: *mut Node<T>) -> *mut Node<T> {
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
    /// `node` must be in this table.
    #[inline]
    unsafe fn place_of(&mut self, node: *mut Node<T>) -> *mut *mut Node<T> {
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
    /// `node` must be in this table and not in the queue, in which `prev` and `next` must follow
    /// each other, or be its end and null.
    #[inline]
    unsafe fn link(&mut self, node: *mut Node<T>, prev: *mut Node<T>, next: *mut Node<T>) {
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
    /// `node` must be in this table and in the queue.
    #[inline]
    unsafe fn unlink_queued(&mut self, node: *mut Node<T>) {
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
    unsafe fn next_of(&mut self, node: *mut Node<T>) -> *mut *mut Node<T> {
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
    unsafe fn prev_of(&mut self, node: *mut Node<T>) -> *mut *mut Node<T> {
        if node.is_null() {
            &raw mut self.tail
        } else {
            // SAFETY: By the safety requirements and the type invariants, `node` is alive.
            unsafe { &raw mut (*node).prev }
        }
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Table<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Nothing is moved out of the table.
        let this = unsafe { Pin::into_inner_unchecked(self) };

        while !this.root.is_null() {
            let node = this.root;

            // SAFETY: By the type invariants, `node` is alive and in this table. With `table` null,
            // the task that parked it finds that there is nothing left to unlink it from.
            unsafe {
                this.unlink(node);
                (*node).table = ptr::null_mut();
            }
        }
    }
}

/// An entry of a [`Table`], with exclusive access to it.
///
/// # Invariants
///
/// `node` is in `table`.
pub struct Entry<'a, T> {
    table: Pin<&'a mut Table<T>>,
    node: *mut Node<T>,
}

impl<T> Entry<'_, T> {
    /// The entry's id.
    #[inline]
    pub fn id(&self) -> u64 {
        // SAFETY: By the type invariants, `node` is alive and ours to access.
        unsafe { (*self.node).id }
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
            let table = self.table();
            // SAFETY: By the type invariants, `node` is in the table, and it is not in the queue.
            unsafe { table.0.link(table.1, table.0.tail, ptr::null_mut()) };
        }
    }

    /// Puts the entry at the start of the queue, unless it is in the queue.
    #[inline]
    pub fn enqueue_first(&mut self) {
        if !self.is_queued() {
            let table = self.table();
            // SAFETY: By the type invariants, `node` is in the table, and it is not in the queue.
            unsafe { table.0.link(table.1, ptr::null_mut(), table.0.head) };
        }
    }

    /// Takes the entry out of the queue, if it is there.
    #[inline]
    pub fn dequeue(&mut self) {
        if self.is_queued() {
            let table = self.table();
            // SAFETY: By the type invariants, `node` is in the table, and it is in the queue.
            unsafe { table.0.unlink_queued(table.1) };
        }
    }

    /// The table, from which nothing may be moved, and the node.
    #[inline]
    fn table(&mut self) -> (&mut Table<T>, *mut Node<T>) {
        // SAFETY: The callers move nothing out of the table.
        let table = unsafe { self.table.as_mut().get_unchecked_mut() };

        (table, self.node)
    }
}
