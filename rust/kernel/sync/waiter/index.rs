// SPDX-License-Identifier: GPL-2.0

//! An intrusive index by id: the caller owns the elements.
//!
//! This knows neither tasks nor locks: only how elements are linked, and which of these pointers
//! are valid when.
//!
//! The elements form a digital search tree: the digits of an id, from the least significant on,
//! say which child to go to at each level, until a free place or the id is found. Ids that follow
//! one another fill the tree evenly, and no path is longer than an id has digits.
//!
//! The tree is a heap as well: an element is older than all below it, as its id tells. Any element
//! below another may take its place, so that the oldest of them does, and nothing has to be
//! rebalanced.

use core::{
    marker::PhantomPinned,
    mem::{
        self,
        MaybeUninit, //
    },
    ptr, //
};

/// How many bits of an id choose the way down at one level.
const DIGIT_BITS: u32 = 1;

/// How many children an element has.
const FANOUT: usize = 1 << DIGIT_BITS;

/// How many ids [`WaiterTable::oldest_ids`](super::WaiterTable::oldest_ids) gives at most.
pub const OLDEST: usize = 64;

/// The part of an element that links it with its neighbours in the tree.
///
/// # Invariants
///
/// `id` and `children` are initialised unless `place` is null.
pub(super) struct Links {
    /// The pointer that leads here, a parent's or the root's; null for what is in no index.
    place: *mut *mut Links,
    id: MaybeUninit<u64>,
    children: MaybeUninit<[*mut Links; FANOUT]>,
}

/// An index of [`Links`] by their ids. Either it hands these out, as [`insert`](Self::insert) does,
/// or another index has, of which it has some elements: [`insert_as`](Self::insert_as).
///
/// # Invariants
///
/// - The digits of each element's id lead to its place. No two elements have the same id.
/// - An element is older than what is below it, see [`is_older`].
/// - `root` is null or leads to a tree of elements. The pointer that leads to each is the one that
///   its `place` has, and no other element leads to one of them.
/// - All of them are alive and initialised, and only accessed through exclusive access to the
///   index.
/// - The index stays where it is while there are elements.
pub(super) struct Index {
    root: *mut Links,
    next_id: u64,
    // Elements have a pointer to the root: exclusive references to the index must not claim that
    // there is none, as they do for types that are `Unpin`.
    _pin: PhantomPinned,
}

/// Whether the id was handed out before another that is in the same index.
///
/// Ids wrap around. Which of two came first can be told as long as fewer than 2^63 lie between
/// them. An id is handed out to what enters an index of all: one of the two would have to stay
/// there while so many others come, which takes 292 years if one comes each nanosecond. What came
/// first would be wrong after that, and nothing else: which pointers are valid does not depend on
/// it.
#[inline]
fn is_older(id: u64, than: u64) -> bool {
    (id.wrapping_sub(than) as i64) < 0
}

/// Whether an id precedes another in the order of the digits, the least significant first.
#[inline]
fn precedes(id: u64, other: u64) -> bool {
    const { assert!(DIGIT_BITS == 1) };
    let different = id ^ other;
    let first = different & different.wrapping_neg();

    different != 0 && id & first == 0
}

impl Links {
    /// Initialises the links of an element that is in no index.
    ///
    /// # Safety
    ///
    /// `links` must be valid for writing, and nobody else may have access to it.
    #[inline]
    pub(super) unsafe fn init(links: *mut Self) {
        // INVARIANT: The rest may stay uninitialised.
        // SAFETY: The caller promises that this can be written to.
        unsafe { (&raw mut (*links).place).write(ptr::null_mut()) };
    }

    /// The id by which the element is found, if it is in an index.
    #[inline]
    pub(super) fn id(&self) -> Option<u64> {
        if self.place.is_null() {
            return None;
        }
        // SAFETY: By the type invariants, as `place` is not null.
        Some(unsafe { self.id.assume_init() })
    }

    /// Whether the element is in an index.
    #[inline]
    pub(super) fn is_linked(&self) -> bool {
        !self.place.is_null()
    }

    /// Takes an element out of the index that it is in.
    ///
    /// # Safety
    ///
    /// `links` must be in an index to which the caller has exclusive access.
    #[inline]
    pub(super) unsafe fn remove(links: *mut Self) {
        // INVARIANT: Nothing leads to the element any more: its place is free, or has one that was
        // below it.
        // SAFETY: By the caller's promise, the element is ours to access. By the invariants of the
        // index, what is in one has children, which are what is below its place, and the place is
        // the index's root or in another element, both alive and ours to access as well.
        unsafe {
            let place = mem::replace(&mut (*links).place, ptr::null_mut());
            let children = (*links).children.assume_init();

            if children == [ptr::null_mut(); FANOUT] {
                *place = ptr::null_mut();
            } else {
                Self::fill(place, children);
            }
        }
    }

    /// Fills a place that has become free with the oldest of what is below it.
    ///
    /// # Safety
    ///
    /// `place` must be in an index to which the caller has exclusive access, and `children` lead
    /// to what is below it.
    unsafe fn fill(mut place: *mut *mut Self, mut children: [*mut Self; FANOUT]) {
        // INVARIANT: The oldest child takes the place: the ids of all below share the digits that
        // lead there. It leaves a place of its own, which is filled in turn.
        // SAFETY: By the caller's promise and the invariants of the index, all of them are alive,
        // initialised and ours to access.
        unsafe {
            while let Some(digit) = Self::oldest(&children) {
                let child = mem::replace(&mut children[digit], ptr::null_mut());
                let below = (*child).children.assume_init();

                Self::put(child, place, children);
                place = Self::child(child, digit);
                children = below;
            }
            *place = ptr::null_mut();
        }
    }

    /// Puts an element in a place, with these children.
    ///
    /// # Safety
    ///
    /// The caller must have exclusive access to the index that `place` is in, to `links`, which
    /// must have an id, and to the children, which must be initialised. The digits that lead to
    /// `place` must lead to `links`, and those that lead from there to a child to that.
    #[inline]
    unsafe fn put(links: *mut Self, place: *mut *mut Self, children: [*mut Self; FANOUT]) {
        // SAFETY: By the caller's promise, all of them are ours to access.
        unsafe {
            *place = links;
            (*links).place = place;
            (*links).children = MaybeUninit::new(children);
            for (digit, child) in children.into_iter().enumerate() {
                if !child.is_null() {
                    (*child).place = Self::child(links, digit);
                }
            }
        }
    }

    /// The digit that leads to the oldest of the children, or nothing if there are none.
    ///
    /// # Safety
    ///
    /// The children must be in an index to which the caller has exclusive access.
    #[inline]
    unsafe fn oldest(children: &[*mut Self; FANOUT]) -> Option<usize> {
        let mut oldest = None;

        for (digit, &child) in children.iter().enumerate() {
            if child.is_null() {
                continue;
            }
            // SAFETY: By the invariants of the index, the child is alive, and has an id.
            let id = unsafe { (*child).id.assume_init() };

            if oldest.is_none_or(|(_, than)| is_older(id, than)) {
                oldest = Some((digit, id));
            }
        }
        oldest.map(|(digit, _)| digit)
    }

    /// The first child, in the order of the digits from `digit` on, or null.
    ///
    /// # Safety
    ///
    /// `links` must be in an index to which the caller has exclusive access.
    unsafe fn first_child(links: *mut Self, digit: usize) -> *mut Self {
        // SAFETY: By the caller's promise, the element is ours to access, and has children.
        let children = unsafe { (*links).children.assume_init() };

        children
            .into_iter()
            .skip(digit)
            .find(|child| !child.is_null())
            .unwrap_or(ptr::null_mut())
    }

    /// The pointer to the child of `links` for a digit of its id.
    ///
    /// # Safety
    ///
    /// `links` must be alive, and `digit` less than [`FANOUT`].
    #[inline]
    unsafe fn child(links: *mut Self, digit: usize) -> *mut *mut Self {
        // SAFETY: By the caller's promise, this is within the children. A `MaybeUninit` has the
        // layout of what it holds.
        unsafe { (&raw mut (*links).children).cast::<*mut Self>().add(digit) }
    }
}

impl Index {
    /// Creates an empty index, in which the first element gets `first_id`.
    #[inline]
    pub(super) const fn new(first_id: u64) -> Self {
        // INVARIANT: There are no elements.
        Self {
            root: ptr::null_mut(),
            next_id: first_id,
            _pin: PhantomPinned,
        }
    }

    /// The id that the next element gets.
    #[inline]
    pub(super) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// The oldest element, or null if there is none.
    #[inline]
    pub(super) fn oldest(&self) -> *mut Links {
        self.root
    }

    /// Some element, or null if there is none: one that is quickly removed.
    pub(super) fn any(&mut self) -> *mut Links {
        let mut any = ptr::null_mut();
        let mut links = self.root;

        while !links.is_null() {
            any = links;
            // SAFETY: By the type invariants, all elements are ours to access.
            links = unsafe { Links::first_child(links, 0) };
        }
        any
    }

    /// Puts the ids of the oldest elements in `ids`, oldest first. Returns how many there are.
    pub(super) fn oldest_ids(&mut self, ids: &mut [u64; OLDEST]) -> usize {
        // The elements that may be the next: when one is taken, its children come in place of it.
        let mut next = [ptr::null_mut::<Links>(); OLDEST * (FANOUT - 1) + 1];
        let mut candidates = 1;

        next[0] = self.root;
        for (taken, place) in ids.iter_mut().enumerate() {
            let mut oldest = None;

            for (at, &links) in next[..candidates].iter().enumerate() {
                if links.is_null() {
                    continue;
                }
                // SAFETY: By the type invariants, the element is ours to access, and has an id.
                let id = unsafe { (*links).id.assume_init() };

                if oldest.is_none_or(|(_, than)| is_older(id, than)) {
                    oldest = Some((at, id));
                }
            }
            let Some((at, id)) = oldest else {
                return taken;
            };

            *place = id;
            // SAFETY: By the type invariants, the element is ours to access, and has children.
            let [first, rest @ ..] = unsafe { (*next[at]).children.assume_init() };
            next[at] = first;
            for child in rest {
                next[candidates] = child;
                candidates += 1;
            }
        }
        OLDEST
    }

    /// The element that follows the one with the id `after`, which may be gone, or the first
    /// element. Null if there is none.
    ///
    /// The order is that of the digits. An element that stays in the index keeps its place in
    /// it: who goes on from where it was misses none.
    pub(super) fn next(&mut self, after: Option<u64>) -> *mut Links {
        let mut next = ptr::null_mut();
        let mut next_id = None;
        let mut consider = |links: *mut Links| {
            // SAFETY: By the type invariants, the element is ours to access, and has an id.
            let id = unsafe { (*links).id.assume_init() };

            if after.is_none_or(|after| precedes(after, id))
                && next_id.is_none_or(|next_id| precedes(id, next_id))
            {
                next = links;
                next_id = Some(id);
            }
        };

        // All below this follow, and precede what else does.
        let mut following = self.root;
        if let Some(mut digits) = after {
            let mut links = mem::replace(&mut following, ptr::null_mut());

            while !links.is_null() {
                let digit = digits as usize % FANOUT;

                consider(links);
                // SAFETY: By the type invariants, the element is ours to access. A digit is less
                // than `FANOUT`.
                unsafe {
                    let greater = Links::first_child(links, digit + 1);

                    if !greater.is_null() {
                        following = greater;
                    }
                    links = *Links::child(links, digit);
                }
                digits >>= DIGIT_BITS;
            }
        }
        while !following.is_null() {
            consider(following);
            // SAFETY: By the type invariants, the element is ours to access.
            following = unsafe { Links::first_child(following, 0) };
        }
        next
    }

    /// The element with this id, or null.
    // Exclusive access to the index is exclusive access to its elements.
    #[inline]
    pub(super) fn get(&mut self, id: u64) -> *mut Links {
        let mut links = self.root;
        let mut digits = id;

        // SAFETY: By the type invariants, all elements are alive, initialised and ours to access.
        // A digit is less than `FANOUT`.
        unsafe {
            while !links.is_null() && (*links).id.assume_init() != id {
                links = *Links::child(links, digits as usize % FANOUT);
                digits >>= DIGIT_BITS;
            }
        }
        links
    }

    /// Gives an element the next id, and puts it in the index. Returns the id.
    ///
    /// # Safety
    ///
    /// `links` must be valid for writing, and in no index. The index must stay where it is until
    /// the element is removed; so must the element, and stay alive, and must only be accessed
    /// through exclusive access to this index.
    #[inline]
    pub(super) unsafe fn insert(&mut self, links: *mut Links) -> u64 {
        let id = self.next_id;
        let mut place = &raw mut self.root;
        let mut digits = id;

        self.next_id = id.wrapping_add(1);

        // INVARIANT: The place is free, the digits of the id lead there, past older elements only,
        // and it now leads to the element. No other has the id: it would have stayed while 2^64
        // were handed out, see `is_older()`.
        // SAFETY: By the type invariants, all elements on the way are alive, initialised and ours
        // to access; `links` is ours by the caller's promise. A digit is less than `FANOUT`.
        unsafe {
            while !(*place).is_null() {
                place = Links::child(*place, digits as usize % FANOUT);
                digits >>= DIGIT_BITS;
            }
            (*links).id = MaybeUninit::new(id);
            Links::put(links, place, [ptr::null_mut(); FANOUT]);
        }
        id
    }

    /// Puts an element in the index, with an `id` that another index has handed out.
    ///
    /// # Safety
    ///
    /// See [`insert`](Self::insert). No element must have the id.
    pub(super) unsafe fn insert_as(&mut self, mut links: *mut Links, mut id: u64) {
        let mut place = &raw mut self.root;

        // INVARIANT: Where the way to the free place meets a younger element, they change roles:
        // the digits up to there lead to both. The younger is in no place then, until it gets the
        // next one. All levels have a digit: what is met at a level has the digits of `id` below
        // that, so that below the last, the 64th, it would have the same id. There are no two with
        // the same, as the caller promises.
        // SAFETY: As in `insert()`.
        unsafe {
            (*links).id = MaybeUninit::new(id);
            for level in 0.. {
                let there = *place;

                if there.is_null() {
                    break;
                }
                let other = (*there).id.assume_init();

                if is_older(id, other) {
                    Links::put(links, place, (*there).children.assume_init());
                    (links, id) = (there, other);
                }
                place = Links::child(*place, (id >> (level * DIGIT_BITS)) as usize % FANOUT);
            }
            Links::put(links, place, [ptr::null_mut(); FANOUT]);
        }
    }
}
