// SPDX-License-Identifier: GPL-2.0

//! Tasks that wait under a lock, each with something for the others to look at.
//!
//! A task that waits for others often has something for them to look at meanwhile: a request to be
//! served, a place to put an answer. In C such a thing is a structure on the waiting task's stack,
//! linked into a list that a lock protects. This is the safe form of that pattern: nothing is
//! allocated, waiting cannot fail, and a waiter is gone from the list before the stack frame that
//! holds it.
//!
//! * With [`WaiterList::wait`], the current task is a waiter of a list for as long as a closure
//!   runs. The closure gets the lock as a [`Held`], with which it sleeps.
//! * Whoever holds the lock finds waiters in the order of the queue, or in a [`WaiterTable`] by
//!   their id, as a [`Waiter`]: changes the value, ends the sleep. The task itself gets at its
//!   waiter with a [`Ticket`], which takes no search.
//! * Ending a sleep gives a [`Wakeup`], to be carried out when the lock is released: whoever is
//!   woken takes the lock, and would run into it.
//!
//! # Why nothing that exists
//!
//! * [`rbtree`](crate::rbtree) and [`xarray`](crate::xarray) allocate, or take a reservation that
//!   was allocated before. What waits here is a system call that must not fail for that.
//! * [`list::List`](crate::list::List) links reference counted objects on the heap. What lies on a
//!   stack has one owner, who goes when it likes.
//! * Wait queues, and [`CondVar`](crate::sync::CondVar) on top of them, wake tasks. They do not
//!   say which task waits for what, and whoever looks for one of them walks past the others. Their
//!   own lock would come on top of the one that protects the condition.
//!
//! # Examples
//!
//! ```
//! use kernel::sync::{
//!     new_mutex,
//!     waiter::{
//!         WaiterList,
//!         Wakeup, //
//!     },
//!     Mutex, //
//! };
//!
//! #[pin_data]
//! struct Inner {
//!     #[pin]
//!     callers: WaiterList<u32>,
//! }
//!
//! impl Inner {
//!     fn callers(self: Pin<&mut Self>) -> Pin<&mut WaiterList<u32>> {
//!         self.project().callers
//!     }
//! }
//!
//! /// Answers the oldest caller with twice its value.
//! fn answer(inner: Pin<&mut Inner>) -> Wakeup {
//!     let Some(mut caller) = inner.callers().first() else {
//!         return Wakeup::NONE;
//!     };
//!
//!     *caller.value() *= 2;
//!     caller.dequeue();
//!     caller.end_sleep()
//! }
//!
//! stack_pin_init!(let lock = new_mutex!(pin_init!(Inner { callers <- WaiterList::new() })));
//! let lock: Pin<&mut Mutex<Inner>> = lock;
//!
//! let guard = lock.lock();
//! let doubled = WaiterList::wait(guard, Inner::callers, 21, &(), |held, ticket| {
//!     held.data().callers().own(ticket)?.enqueue_last();
//!
//!     // Another task would do this while the caller sleeps.
//!     let wakeup = answer(held.data());
//!     assert!(!wakeup.is_due());
//!
//!     Some(*held.data().callers().own(ticket)?.value())
//! });
//! assert_eq!(doubled, Some(42));
//! assert!(lock.lock().as_mut().callers().is_unused());
//! # use pin_init::stack_pin_init;
//! ```

mod index;
mod list;
mod sleep;

pub use self::{
    index::OLDEST,
    sleep::{
        Held,
        Sleep,
        Wakeup, //
    },
};

use self::{
    index::Index,
    list::List,
    sleep::Sleeper, //
};
use crate::{
    container_of,
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
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ptr, //
};

/// The waiters under a lock, some of them queued.
///
/// A list is part of the data that a lock protects. A waiter has a value of type `T`, which
/// whoever holds the lock can change, and refers to something of type `S` that its task keeps for
/// others to look at.
///
/// None of the operations takes longer with the number of waiters, but what has to do with the ids
/// of a [`WaiterTable`], see there.
///
/// # Panics
///
/// A list must not be dropped or replaced while it has waiters, queued or not: that is a bug of
/// its owner.
///
/// # Invariants
///
/// - `waiters` is the number of nodes that [`WaiterList::wait`] has for this list. They are alive.
/// - `list` links the `in_queue` of those whose `place` is `Place::List`.
/// - `queued` is the number of those that have a place.
/// - A node is accessed through an exclusive reference to its list only, or, by its task, under
///   the lock that protects the list.
#[pin_data(PinnedDrop)]
pub struct WaiterList<T, S: ?Sized = ()> {
    list: List,
    waiters: usize,
    queued: usize,
    _nodes: PhantomData<*mut Node<T, S>>,
    // Moved out of the data that the lock protects, a list would give access to its nodes without
    // the lock. And tickets have a pointer to the list, which has to stay valid while there are
    // exclusive references to the list, or to the data around it: neither is `noalias` for a type
    // that is not `Unpin`, nor for one that has such a field.
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A list gives access to values and tasks of other threads under exclusive access to
// itself, and to what they share. That is sound from any thread for values that are `Send`, what
// is shared being `Sync`, and tasks, which are `Sync`.
unsafe impl<T: Send, S: ?Sized + Sync> Send for WaiterList<T, S> {}

/// A [`WaiterList`] whose waiters can be found by an id.
///
/// A waiter that is to be found has to be given an id. Ids are consecutive, from a start of the
/// owner's choice. Giving, finding and taking one away takes time in the depth of a tree: at most
/// the number of an id's bits, whatever the number of waiters, and about the logarithm of that for
/// waiters that come and go in order.
///
/// Those that [`enqueue_by_id`](Self::enqueue_by_id) has put in the queue come before the others
/// there, oldest first. To get there and to leave takes as long as an id has bits, at most.
///
/// # Invariants
///
/// - `index` indexes the `in_index` of nodes of `list`.
/// - `front` indexes the `in_queue` of those whose `place` is `Place::Front`, by the ids that
///   they have in `index`. There are none in a list that is not of a table.
#[pin_data]
pub struct WaiterTable<T, S: ?Sized = ()> {
    #[pin]
    list: WaiterList<T, S>,
    // Where they are, they stay, as all that is pinned with them does: nothing is moved out of the
    // exclusive references to them, which do not leave this module.
    index: Index,
    front: Index,
}

// SAFETY: As for `WaiterList`. The indexes, which a table has besides, know nothing of the thread
// that made them. By the type invariants, they lead to nodes of the list alone, and as only an
// exclusive reference to the table gives access to them, the lock that has the nodes has them, too.
unsafe impl<T: Send, S: ?Sized + Sync> Send for WaiterTable<T, S> {}

/// A waiter as it lies on the stack of its task.
///
/// # Invariants
///
/// - `in_queue` is in the list or in the front that `place` says, of the one list or table that the
///   node belongs to, and initialised as what is there, or in neither; `in_index` is in the index
///   of that table, or in none.
/// - `shared` is valid, and not written to, for as long as the node belongs to a list.
struct Node<T, S: ?Sized> {
    place: Place,
    in_queue: QueueLinks,
    in_index: index::Links,
    sleeper: Sleeper,
    shared: *const S,
    value: T,
}

/// Where a waiter is in the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nowhere.
    None,
    /// In its list.
    List,
    /// In the front of its table, before all that is in the list.
    Front,
}

/// The links of a waiter in the queue, of the kind that its place takes.
#[repr(C)]
union QueueLinks {
    in_list: ManuallyDrop<list::Links>,
    in_front: ManuallyDrop<index::Links>,
}

impl<T, S: ?Sized> Node<T, S> {
    /// The links for [`Place::List`].
    ///
    /// # Safety
    ///
    /// `node` must be alive.
    #[inline]
    unsafe fn in_list(node: *mut Self) -> *mut list::Links {
        // SAFETY: By the caller's promise, this is within the node. All fields of such a union are
        // at its start.
        unsafe { (&raw mut (*node).in_queue).cast() }
    }

    /// The links for [`Place::Front`].
    ///
    /// # Safety
    ///
    /// `node` must be alive.
    #[inline]
    unsafe fn in_front(node: *mut Self) -> *mut index::Links {
        // SAFETY: As in `in_list()`.
        unsafe { (&raw mut (*node).in_queue).cast() }
    }
}

/// What a task finds its own waiter by, in [`WaiterList::own`].
///
/// # Invariants
///
/// `node` is a node of `list`, alive and under the lock that the [`Held`] with the same lifetime
/// is.
// A pointer, which is neither sent to nor shared with another thread, and a lifetime that nobody
// else can name: this stays within the closure that `wait()` runs.
pub struct Ticket<'p, T, S: ?Sized = ()> {
    node: *mut Node<T, S>,
    list: *const WaiterList<T, S>,
    _invariant: PhantomData<fn(&'p ()) -> &'p ()>,
}

impl<T, S: ?Sized> Ticket<'_, T, S> {
    #[inline]
    fn sleeper(&self) -> *mut Sleeper {
        // SAFETY: By the type invariants, the node is alive.
        unsafe { &raw mut (*self.node).sleeper }
    }
}

impl<T, S: ?Sized> WaiterList<T, S> {
    /// Creates a list without waiters.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: There are no nodes.
        pin_init!(Self {
            list: List::new(),
            waiters: 0,
            queued: 0,
            _nodes: PhantomData,
            _pin: PhantomPinned,
        })
    }

    /// Has the current task be a waiter while `f` runs, and returns what that returns.
    ///
    /// `guard` is the lock that protects the list, and `list` says where the list is in its data.
    /// The waiter has `value`, and refers to `shared`. `f` gets the lock, and a ticket for the
    /// waiter.
    ///
    /// The waiter is queued when [`Waiter::enqueue_last`], [`Waiter::enqueue_first`] or
    /// [`WaiterTable::enqueue_by_id`] has put it in the queue, and found by an id when
    /// [`WaiterTable::assign_id`] has given it one. When `f` has returned, it leaves the list, the
    /// lock is released, and then `value` is dropped.
    ///
    /// # Panics
    ///
    /// If the list is not part of the data that the lock protects.
    ///
    /// If `f` panics, which is a `BUG()`, the task dies with its waiter still in the list, where
    /// others find it: as ever after that, the kernel cannot be trusted.
    #[inline]
    pub fn wait<U: ?Sized, B: Backend, R>(
        guard: Guard<'_, U, B>,
        list: impl FnOnce(Pin<&mut U>) -> Pin<&mut Self>,
        value: T,
        shared: &S,
        f: impl for<'p> FnOnce(&mut Held<'p, U, B>, &Ticket<'p, T, S>) -> R,
    ) -> R
    where
        T: Send,
        S: Sync,
    {
        // From here on, the node is only accessed through this pointer.
        let mut node = MaybeUninit::<Node<T, S>>::uninit();
        let node = node.as_mut_ptr();

        // SAFETY: The node is ours, and gone before the current task leaves this function.
        unsafe {
            (&raw mut (*node).place).write(Place::None);
            index::Links::init(&raw mut (*node).in_index);
            (&raw mut (*node).sleeper).write(Sleeper::current());
            (&raw mut (*node).shared).write(shared);
            (&raw mut (*node).value).write(value);
        }

        let mut held = Held::new(guard);
        let data = held.data();
        let end_of_data = size_of_val(&*data);
        let start_of_data = ptr::from_ref(&*data).cast::<u8>().addr();
        // SAFETY: Nothing is moved out of the list.
        let this = unsafe { Pin::into_inner_unchecked(list(data)) };
        let start = ptr::from_ref(&*this).addr().wrapping_sub(start_of_data);

        // A list that the data merely points to could be taken away and used without the lock.
        assert!(
            start <= end_of_data && end_of_data - start >= size_of::<Self>(),
            "a list must be part of what its lock protects"
        );

        // INVARIANT: The node stays where it is until it has left the list, below. The list lies
        // within the data of the lock, where it is pinned: an exclusive reference to it implies
        // that the lock is held.
        this.waiters += 1;
        let list = &raw mut *this;
        // INVARIANT: The node is one of the list for as long as `f` has the ticket, whose lifetime
        // is that of `held`.
        let ticket = Ticket {
            node,
            list,
            _invariant: PhantomData,
        };

        let ret = f(&mut held, &ticket);

        // SAFETY: The lock is held: `f` cannot have exchanged or dropped `held`, since its type
        // names a lifetime of which `f` knows nothing. With it we have the only access to the
        // data, in which the list still is, as dropping it would have been a panic. If the list is
        // that of a table, the table with its indexes is there as well, and dropped with its list
        // only. `f` does not return if it panics, which is a `BUG()`: as with whatever else is on
        // the stack of a task that dies of one, the kernel cannot be trusted after that.
        unsafe {
            (*list).dequeue(node);
            if (*node).in_index.is_linked() {
                index::Links::remove(&raw mut (*node).in_index);
            }
            // INVARIANT: Nothing leads to the node any more.
            (*list).waiters -= 1;
        }

        // The value may be anything, which may not be dropped under the lock.
        drop(held);
        // SAFETY: The value was initialised above, and nothing leads to the node any more.
        unsafe { ptr::drop_in_place(&raw mut (*node).value) };

        ret
    }

    /// The waiter of the current task, which has `ticket` for it.
    ///
    /// There is none if the ticket is for another list.
    #[inline]
    pub fn own(self: Pin<&mut Self>, ticket: &Ticket<'_, T, S>) -> Option<Waiter<'_, T, S>> {
        if !ptr::eq(ticket.list, &*self) {
            return None;
        }
        // INVARIANT: By the invariants of the ticket, its node is one of its list.
        Some(Waiter {
            list: self,
            node: ticket.node,
        })
    }

    /// The first waiter in the queue. Those that are queued by id are not looked at, although they
    /// are queued: for them see [`WaiterTable::first`].
    #[inline]
    pub fn first(self: Pin<&mut Self>) -> Option<Waiter<'_, T, S>> {
        let links = self.list.first();

        if links.is_null() {
            return None;
        }
        // SAFETY: By the type invariants, this is the `in_queue` of a node.
        let node = unsafe { container_of!(links.cast::<QueueLinks>(), Node<T, S>, in_queue) };
        // INVARIANT: The node is one of this list.
        Some(Waiter { list: self, node })
    }

    /// How many waiters are queued.
    #[inline]
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Whether any waiter is queued.
    #[inline]
    pub fn has_queued(&self) -> bool {
        self.queued > 0
    }

    /// Whether there is no waiter, queued or not.
    #[inline]
    pub fn is_unused(&self) -> bool {
        self.waiters == 0
    }

    /// Takes a node out of the queue, if it is there.
    ///
    /// # Safety
    ///
    /// `node` must be one of this list.
    #[inline]
    unsafe fn dequeue(&mut self, node: *mut Node<T, S>) {
        // INVARIANT: The node leaves the place that it has.
        // SAFETY: By the caller's promise, the node is alive and ours to access, and in this list
        // if it is in one. What has access to the list of a table has it to the front, too: who
        // gets at the list, by `WaiterTable::list()` or as a waiter, has borrowed the whole table,
        // and whoever is in `wait()` has the lock that protects it.
        unsafe {
            match (*node).place {
                Place::None => return,
                Place::List => self.list.remove(Node::in_list(node)),
                Place::Front => index::Links::remove(Node::in_front(node)),
            }
            (*node).place = Place::None;
        }
        self.queued -= 1;
    }
}

#[pinned_drop]
impl<T, S: ?Sized> PinnedDrop for WaiterList<T, S> {
    fn drop(self: Pin<&mut Self>) {
        // Nobody could keep the tasks that wait from coming back to it.
        assert!(self.waiters == 0, "a list is dropped that has waiters");
    }
}

impl<T, S: ?Sized> WaiterTable<T, S> {
    /// Creates a table without waiters, of which the first that gets an id gets `first_id`.
    pub fn new(first_id: u64) -> impl PinInit<Self> {
        // INVARIANT: There are no nodes.
        pin_init!(Self {
            list <- WaiterList::new(),
            index: Index::new(first_id),
            // It hands no ids out.
            front: Index::new(0),
        })
    }

    /// The waiters, and their queue.
    #[inline]
    pub fn list(self: Pin<&mut Self>) -> Pin<&mut WaiterList<T, S>> {
        self.project().list
    }

    /// How many waiters are queued.
    #[inline]
    pub fn queued(&self) -> usize {
        self.list.queued()
    }

    /// Whether any waiter is queued.
    #[inline]
    pub fn has_queued(&self) -> bool {
        self.list.has_queued()
    }

    /// The first waiter in the queue.
    #[inline]
    pub fn first(self: Pin<&mut Self>) -> Option<Waiter<'_, T, S>> {
        let links = self.front.oldest();

        if links.is_null() {
            return self.list().first();
        }
        // SAFETY: By the type invariants, this is the `in_queue` of a node.
        let node = unsafe { container_of!(links.cast::<QueueLinks>(), Node<T, S>, in_queue) };
        // INVARIANT: The node is one of the table's list.
        Some(Waiter {
            list: self.list(),
            node,
        })
    }

    /// Whether there is no waiter, with an id or without.
    #[inline]
    pub fn is_unused(&self) -> bool {
        self.list.is_unused()
    }

    /// Gives the waiter of the current task the next id, by which it is found from now on, unless
    /// it has one. Returns its id, or nothing if the ticket is for another list.
    #[inline]
    pub fn assign_id(self: Pin<&mut Self>, ticket: &Ticket<'_, T, S>) -> Option<u64> {
        let this = self.project();

        if !ptr::eq(ticket.list, &*this.list) {
            return None;
        }
        // SAFETY: By the invariants of the ticket and of the list, the node is alive and ours to
        // access. It is in no other index: those of other tables are refused above. It leaves the
        // index before it dies, while the table is where it is, pinned.
        unsafe {
            let links = &raw mut (*ticket.node).in_index;

            Some(match (*links).id() {
                Some(id) => id,
                None => this.index.insert(links),
            })
        }
    }

    /// The id that the next waiter gets that is given one.
    #[inline]
    pub fn next_id(&self) -> u64 {
        self.index.next_id()
    }

    /// Finds a waiter by its id.
    #[inline]
    pub fn get(mut self: Pin<&mut Self>, id: u64) -> Option<Waiter<'_, T, S>> {
        let links = self.as_mut().project().index.get(id);

        // SAFETY: This is what the index has for the id.
        unsafe { self.waiter(links) }
    }

    /// Some waiter that has an id.
    pub fn any(mut self: Pin<&mut Self>) -> Option<Waiter<'_, T, S>> {
        let links = self.as_mut().project().index.any();

        // SAFETY: This is what the index has.
        unsafe { self.waiter(links) }
    }

    /// Puts the ids of the oldest waiters that have one in `ids`, oldest first. Returns how many
    /// these are.
    pub fn oldest_ids(self: Pin<&mut Self>, ids: &mut [u64; OLDEST]) -> usize {
        self.project().index.oldest_ids(ids)
    }

    /// The waiter that follows the one with the id `after`, or the first. It has an id.
    ///
    /// This is neither the order of the queue nor that of the ids. But who releases the lock and
    /// goes on with the id of the waiter that it was at, even if that is gone, comes past all that
    /// have been there since, and past no id twice.
    pub fn next(mut self: Pin<&mut Self>, after: Option<u64>) -> Option<Waiter<'_, T, S>> {
        let links = self.as_mut().project().index.next(after);

        // SAFETY: This is what the index has next.
        unsafe { self.waiter(links) }
    }

    /// Puts the waiter with this id in the queue, before those that were not put there by this,
    /// and before younger ones. It may be queued already, and has a new place then. Nothing happens
    /// if there is none.
    pub fn enqueue_by_id(mut self: Pin<&mut Self>, id: u64) {
        let Some(mut waiter) = self.as_mut().get(id) else {
            return;
        };
        let node = waiter.node;

        waiter.dequeue();
        let this = self.project();
        // INVARIANT: The node has this place now.
        // SAFETY: By the invariants of `Waiter`, the node is one of the list, thus alive and ours
        // to access. It is in no place, and leaves this one before it dies, while the table is
        // where it is, pinned. By the invariants of `index`, no other waiter has the id, and
        // `front` has ids of that alone.
        unsafe {
            this.front.insert_as(Node::in_front(node), id);
            (*node).place = Place::Front;
        }
        *this.list.project().queued += 1;
    }

    /// The waiter whose links are in the index, or none for null.
    ///
    /// # Safety
    ///
    /// `links` must be null or in `index`.
    #[inline]
    unsafe fn waiter(self: Pin<&mut Self>, links: *mut index::Links) -> Option<Waiter<'_, T, S>> {
        if links.is_null() {
            return None;
        }
        // SAFETY: By the caller's promise and the type invariants, this is the `in_index` of a
        // node.
        let node = unsafe { container_of!(links, Node<T, S>, in_index) };
        // INVARIANT: The node is one of the table's list.
        Some(Waiter {
            list: self.list(),
            node,
        })
    }
}

/// A waiter, with exclusive access to it and to its list.
///
/// # Invariants
///
/// `node` is one of `list`.
pub struct Waiter<'a, T, S: ?Sized = ()> {
    list: Pin<&'a mut WaiterList<T, S>>,
    node: *mut Node<T, S>,
}

impl<T, S: ?Sized> Waiter<'_, T, S> {
    /// The id by which the waiter is found, if it has one.
    #[inline]
    pub fn id(&self) -> Option<u64> {
        // SAFETY: By the type invariants, the node is alive and ours to access.
        unsafe { (*self.node).in_index.id() }
    }

    /// Takes the waiter's id away: it is not found by that any more, and leaves the queue if it is
    /// there by its id.
    #[inline]
    pub fn remove_id(&mut self) {
        // SAFETY: By the type invariants, the node is alive and ours to access. If it is in an
        // index, that is one of the table that has the list: `assign_id()` takes no ticket of
        // another list, and `enqueue_by_id()` finds waiters of its own table alone. We have the
        // only access to that: only `WaiterTable::list()` leads to the list of a table, and what it
        // returns, of which we have the list, borrows the whole table. A pointer into an index may
        // be used beside that reference, as an index is not `Unpin`.
        unsafe {
            if (*self.node).place == Place::Front {
                self.dequeue();
            }
            if (*self.node).in_index.is_linked() {
                index::Links::remove(&raw mut (*self.node).in_index);
            }
        }
    }

    /// What the task keeps for others to look at.
    #[inline]
    pub fn shared(&self) -> &S {
        // SAFETY: By the type invariants, the node is alive, and thus what it refers to is, which
        // is borrowed for as long as the task is in `WaiterList::wait()`.
        unsafe { &*(*self.node).shared }
    }

    /// The waiter's value.
    #[inline]
    pub fn value(&mut self) -> &mut T {
        // SAFETY: By the type invariants, the node is alive and ours to access for as long as the
        // list is borrowed.
        unsafe { &mut (*self.node).value }
    }

    /// The task that waits.
    #[inline]
    pub fn task(&self) -> &Task {
        // SAFETY: By the type invariants, the node is alive and ours to access.
        unsafe { (*self.node).sleeper.task() }
    }

    /// Ends the task's sleep in [`Held::sleep`], or the one that it is about to begin, by the
    /// wake-up that this returns. There is none if the task does not sleep: it holds or awaits the
    /// lock, and will see what was changed, or is in [`Held::unlocked`].
    #[inline]
    pub fn end_sleep(&mut self) -> Wakeup {
        // SAFETY: By the type invariants, the node is alive and ours to access.
        unsafe { (*self.node).sleeper.end_sleep() }
    }

    /// Whether the waiter is queued.
    #[inline]
    pub fn is_queued(&self) -> bool {
        // SAFETY: By the type invariants, the node is alive and ours to access.
        unsafe { (*self.node).place != Place::None }
    }

    /// Puts the waiter at the end of the queue, unless it is queued.
    #[inline]
    pub fn enqueue_last(&mut self) {
        // SAFETY: The links are in no list, and leave this one before their node dies. Only who has
        // access to this list has access to the node.
        self.enter_list(|list, links| unsafe { list.insert_last(links) });
    }

    /// Puts the waiter at the start of the queue, unless it is queued. Those that are queued by id
    /// come before it.
    #[inline]
    pub fn enqueue_first(&mut self) {
        // SAFETY: As in `enqueue_last()`.
        self.enter_list(|list, links| unsafe { list.insert_first(links) });
    }

    /// Takes the waiter out of the queue, if it is there.
    #[inline]
    pub fn dequeue(&mut self) {
        // SAFETY: By the type invariants, the node is one of the list, from which nothing is moved.
        unsafe { Pin::into_inner_unchecked(self.list.as_mut()).dequeue(self.node) };
    }

    /// Gives the node a place in the list, unless it has one: `insert` puts its links there.
    #[inline]
    fn enter_list(&mut self, insert: impl FnOnce(&mut List, *mut list::Links)) {
        if self.is_queued() {
            return;
        }

        let list = self.list.as_mut().project();

        // INVARIANT: The node has this place now.
        *list.queued += 1;
        // SAFETY: By the type invariants, the node is alive and ours to access.
        let links = unsafe {
            (*self.node).place = Place::List;
            Node::in_list(self.node)
        };
        insert(list.list, links);
    }
}

#[cfg(CONFIG_RUST_SYNC_WAITER_KUNIT_TEST)]
#[macros::kunit_tests(rust_sync_waiter)]
mod tests {
    use super::*;
    use crate::sync::{
        new_mutex,
        Mutex, //
    };
    use pin_init::stack_pin_init;

    #[pin_data]
    struct Data {
        #[pin]
        list: WaiterList<u32>,
    }

    impl Data {
        fn new() -> impl PinInit<Self> {
            pin_init!(Self {
                list <- WaiterList::new(),
            })
        }

        fn list(self: Pin<&mut Self>) -> Pin<&mut WaiterList<u32>> {
            self.project().list
        }
    }

    #[test]
    fn leaves_the_queue_when_it_returns() {
        stack_pin_init!(let lock = new_mutex!(Data::new()));
        let lock: &Mutex<Data> = &lock;

        WaiterList::wait(lock.lock(), Data::list, 1, &(), |held, ticket| {
            assert!(!held.data().list().is_unused());
            // It has one place.
            for _ in 0..2 {
                if let Some(mut own) = held.data().list().own(ticket) {
                    own.enqueue_last();
                    own.enqueue_first();
                }
            }
            assert_eq!(held.data().list().queued(), 1);
        });

        let mut guard = lock.lock();
        let list = guard.as_mut().list();
        assert!(list.is_unused());
        assert!(!list.has_queued());
        assert_eq!(list.queued(), 0);
        assert!(list.first().is_none());
    }

    #[test]
    fn has_its_place_among_others() {
        stack_pin_init!(let lock = new_mutex!(Data::new()));
        let lock: &Mutex<Data> = &lock;
        let first = |list: Pin<&mut WaiterList<u32>>| list.first().map(|mut first| *first.value());

        WaiterList::wait(lock.lock(), Data::list, 1, &(), |held, one| {
            if let Some(mut own) = held.data().list().own(one) {
                own.enqueue_last();
            }
            held.unlocked(|| {
                WaiterList::wait(lock.lock(), Data::list, 2, &(), |held, two| {
                    if let Some(mut own) = held.data().list().own(two) {
                        own.enqueue_first();
                    }
                    assert_eq!(first(held.data().list()), Some(2));
                    if let Some(mut own) = held.data().list().own(two) {
                        own.dequeue();
                        own.enqueue_last();
                    }
                    assert_eq!(first(held.data().list()), Some(1));
                    assert_eq!(held.data().list().queued(), 2);
                });
            });
            assert_eq!(first(held.data().list()), Some(1));
            assert_eq!(held.data().list().queued(), 1);
        });
        assert!(lock.lock().as_mut().list().is_unused());
    }

    #[test]
    fn is_of_one_list_alone() {
        stack_pin_init!(let lock = new_mutex!(Data::new()));
        stack_pin_init!(let other = new_mutex!(Data::new()));
        let (lock, other): (&Mutex<Data>, &Mutex<Data>) = (&lock, &other);

        WaiterList::wait(lock.lock(), Data::list, 1, &(), |held, ticket| {
            held.unlocked(|| assert!(other.lock().as_mut().list().own(ticket).is_none()));
            assert!(held.data().list().own(ticket).is_some());
        });
    }

    #[pin_data]
    struct Table {
        #[pin]
        table: WaiterTable<u32>,
    }

    impl Table {
        fn new(first_id: u64) -> impl PinInit<Self> {
            pin_init!(Self {
                table <- WaiterTable::new(first_id),
            })
        }

        fn table(self: Pin<&mut Self>) -> Pin<&mut WaiterTable<u32>> {
            self.project().table
        }

        fn list(self: Pin<&mut Self>) -> Pin<&mut WaiterList<u32>> {
            self.table().list()
        }
    }

    fn id(waiter: Option<Waiter<'_, u32>>) -> Option<u64> {
        waiter.and_then(|waiter| waiter.id())
    }

    /// Nothing is left of a waiter that returns.
    fn expect_unused(lock: &Mutex<Table>, id: u64) {
        let mut guard = lock.lock();
        let mut table = guard.as_mut().table();

        assert!(table.is_unused());
        assert!(!table.has_queued());
        assert_eq!(table.queued(), 0);
        assert!(table.as_mut().first().is_none());
        assert!(table.as_mut().get(id).is_none());
        assert!(table.as_mut().next(None).is_none());
        assert_eq!(table.oldest_ids(&mut [0; OLDEST]), 0);
    }

    #[test]
    fn is_found_by_its_id() {
        stack_pin_init!(let lock = new_mutex!(Table::new(7)));
        let lock: &Mutex<Table> = &lock;

        WaiterList::wait(lock.lock(), Table::list, 1, &(), |held, ticket| {
            assert!(!held.data().table().is_unused());
            assert_eq!(held.data().table().next_id(), 7);
            // It has one id.
            for _ in 0..2 {
                assert_eq!(held.data().table().assign_id(ticket), Some(7));
            }
            assert_eq!(held.data().table().next_id(), 8);
            assert_eq!(id(held.data().table().get(7)), Some(7));
            assert_eq!(id(held.data().table().get(8)), None);
            assert_eq!(id(held.data().table().any()), Some(7));
            assert_eq!(id(held.data().table().next(None)), Some(7));
            assert_eq!(id(held.data().table().next(Some(7))), None);

            // Another, if the first is taken away.
            if let Some(mut own) = held.data().list().own(ticket) {
                own.remove_id();
                own.enqueue_last();
            }
            assert!(held.data().table().get(7).is_none());
            assert_eq!(held.data().table().assign_id(ticket), Some(8));
            assert_eq!(id(held.data().table().first()), Some(8));
        });
        expect_unused(lock, 8);
    }

    #[test]
    fn is_of_one_table_alone() {
        stack_pin_init!(let lock = new_mutex!(Table::new(7)));
        stack_pin_init!(let other = new_mutex!(Table::new(7)));
        let (lock, other): (&Mutex<Table>, &Mutex<Table>) = (&lock, &other);

        WaiterList::wait(lock.lock(), Table::list, 1, &(), |held, ticket| {
            held.unlocked(|| assert!(other.lock().as_mut().table().assign_id(ticket).is_none()));
        });
        expect_unused(other, 7);
    }

    #[test]
    fn leaves_the_front_with_its_id() {
        stack_pin_init!(let lock = new_mutex!(Table::new(7)));
        let lock: &Mutex<Table> = &lock;

        WaiterList::wait(lock.lock(), Table::list, 1, &(), |held, ticket| {
            held.data().table().assign_id(ticket);
            held.data().table().enqueue_by_id(7);
            if let Some(mut own) = held.data().list().own(ticket) {
                own.remove_id();
                assert!(own.id().is_none());
                assert!(!own.is_queued());
            }
            assert!(held.data().table().first().is_none());
            // In the list, it stays.
            assert_eq!(held.data().table().assign_id(ticket), Some(8));
            if let Some(mut own) = held.data().list().own(ticket) {
                own.enqueue_last();
                own.remove_id();
                assert!(own.is_queued());
            }
        });
        expect_unused(lock, 8);
    }

    #[test]
    fn leaves_the_front_when_it_returns() {
        stack_pin_init!(let lock = new_mutex!(Table::new(7)));
        let lock: &Mutex<Table> = &lock;

        WaiterList::wait(lock.lock(), Table::list, 1, &(), |held, ticket| {
            // Without an id, there is nothing to queue it by.
            held.data().table().enqueue_by_id(7);
            assert!(!held.data().table().has_queued());

            held.data().table().assign_id(ticket);
            for _ in 0..2 {
                held.data().table().enqueue_by_id(7);
                assert_eq!(held.data().table().queued(), 1);
                assert!(held.data().list().first().is_none());
            }
            if let Some(mut own) = held.data().list().own(ticket) {
                assert!(own.is_queued());
                own.dequeue();
                own.dequeue();
                assert!(!own.is_queued());
                own.enqueue_last();
            }
            // From the queue, too.
            held.data().table().enqueue_by_id(7);
            assert_eq!(held.data().table().queued(), 1);
        });
        expect_unused(lock, 7);
    }

    #[test]
    fn comes_first_by_its_id() {
        stack_pin_init!(let lock = new_mutex!(Table::new(u64::MAX)));
        let lock: &Mutex<Table> = &lock;
        let first =
            |table: Pin<&mut WaiterTable<u32>>| table.first().map(|mut first| *first.value());

        WaiterList::wait(lock.lock(), Table::list, 1, &(), |held, one| {
            held.data().table().assign_id(one);
            held.unlocked(|| {
                WaiterList::wait(lock.lock(), Table::list, 2, &(), |held, two| {
                    // The next one: ids wrap around.
                    assert_eq!(held.data().table().assign_id(two), Some(0));
                    let mut ids = [1; OLDEST];
                    assert_eq!(held.data().table().oldest_ids(&mut ids), 2);
                    assert_eq!(ids[..2], [u64::MAX, 0]);
                    if let Some(mut own) = held.data().list().own(one) {
                        own.enqueue_last();
                    }
                    assert_eq!(first(held.data().table()), Some(1));
                    held.data().table().enqueue_by_id(0);
                    assert_eq!(first(held.data().table()), Some(2));
                    held.data().table().enqueue_by_id(u64::MAX);
                    assert_eq!(first(held.data().table()), Some(1));
                    assert_eq!(held.data().table().queued(), 2);
                });
            });
            assert_eq!(first(held.data().table()), Some(1));
        });
        expect_unused(lock, 0);
    }
}
