// SPDX-License-Identifier: GPL-2.0

//! An intrusive index by id: the caller owns the elements.
//!
//! This knows neither tasks nor locks: only how elements are linked, and which of these pointers
//! are valid when.
//!
//! The elements form a digital search tree: the digits of an id, from the least significant on,
//! say which child to go to at each level, until a free place or the id is found. Any element
//! below another may take its place, so that removing needs no rebalancing; ids that follow one
//! another fill the tree evenly; and no path is longer than an id has digits.

use core::{
    marker::PhantomPinned,
    mem::MaybeUninit,
    ptr, //
};

/// How many bits of an id choose the way down at one level.
const DIGIT_BITS: u32 = 1;

/// How many children an element has.
const FANOUT: usize = 1 << DIGIT_BITS;

/// The part of an element that links it with its neighbours in the tree.
pub(super) struct Links {
    /// The pointer that leads here, a parent's or the root's; null for what is in no index.
    place: *mut *mut Links,
    /// Initialised for what is in an index, like the next one.
    id: MaybeUninit<u64>,
    children: MaybeUninit<[*mut Links; FANOUT]>,
}

/// An index of [`Links`] by their ids, which it hands out.
///
/// # Invariants
///
/// - `root` is null or leads to a tree of elements. The pointer that leads to each is the one that
///   its `place` has, and no other element leads to one of them.
/// - All of them are alive, and only accessed through exclusive access to the index.
/// - The index stays where it is while there are elements.
pub(super) struct Index {
    root: *mut Links,
    next_id: u64,
    // Elements have a pointer to the root: exclusive references to the index must not claim that
    // there is none, as they do for types that are `Unpin`.
    _pin: PhantomPinned,
}

impl Links {
    /// Initialises the links of an element that is in no index.
    ///
    /// # Safety
    ///
    /// `links` must be valid for writing, and nobody else may have access to it.
    #[inline]
    pub(super) unsafe fn init(links: *mut Self) {
        // SAFETY: The caller promises that this can be written to. The rest may stay
        // uninitialised.
        unsafe { (&raw mut (*links).place).write(ptr::null_mut()) };
    }

    /// The id by which the element is found, if it is in an index.
    #[inline]
    pub(super) fn id(&self) -> Option<u64> {
        if self.place.is_null() {
            return None;
        }
        // SAFETY: What is in an index has its id.
        Some(unsafe { self.id.assume_init() })
    }

    /// Takes an element out of the index that it is in, if any.
    ///
    /// # Safety
    ///
    /// `links` must be initialised, and the caller must have exclusive access to the index.
    #[inline]
    pub(super) unsafe fn remove(links: *mut Self) {
        // INVARIANT: The leaf's place is free, and the leaf has taken over the place and the
        // children of the element: the ids of all elements below share the digits that lead to
        // this place. Or the element is the leaf. SAFETY: By the caller's promise and the
        // invariants of the index, the element and all that it is linked with are alive,
        // initialised and ours to access.
        unsafe {
            let place = (*links).place;

            if place.is_null() {
                return;
            }
            (*links).place = ptr::null_mut();

            let leaf = Self::leaf_below(links);
            if leaf == links {
                *place = ptr::null_mut();
                return;
            }

            *(*leaf).place = ptr::null_mut();
            *place = leaf;
            (*leaf).place = place;
            for digit in 0..FANOUT {
                let child = *Self::child(links, digit);

                *Self::child(leaf, digit) = child;
                if !child.is_null() {
                    (*child).place = Self::child(leaf, digit);
                }
            }
        }
    }

    /// An element without children below `links`, or `links` if that has none itself.
    ///
    /// # Safety
    ///
    /// `links` must have been in an index to which the caller has exclusive access.
    #[inline]
    unsafe fn leaf_below(mut links: *mut Self) -> *mut Self {
        // SAFETY: By the caller's promise and the invariants of the index, all elements below are
        // alive, initialised and ours to access.
        unsafe {
            while let Some(digit) =
                (0..FANOUT).find(|&digit| !(*Self::child(links, digit)).is_null())
            {
                links = *Self::child(links, digit);
            }
        }
        links
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

    /// Some element, or null if there is none.
    #[inline]
    pub(super) fn any(&self) -> *mut Links {
        self.root
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
    /// `links` must be initialised, and in no index. The index must stay where it is until the
    /// element is removed; so must the element, and stay alive, and must only be accessed
    /// through exclusive access to this index.
    #[inline]
    pub(super) unsafe fn insert(&mut self, links: *mut Links) -> u64 {
        let id = self.next_id;
        let mut place = &raw mut self.root;
        let mut digits = id;

        self.next_id = id.wrapping_add(1);

        // INVARIANT: The place is free, the digits of the id lead there, and it now leads to the
        // element.
        // SAFETY: By the type invariants, all elements on the way are alive, initialised and ours
        // to access; `links` is ours by the caller's promise. A digit is less than `FANOUT`.
        unsafe {
            while !(*place).is_null() {
                place = Links::child(*place, digits as usize % FANOUT);
                digits >>= DIGIT_BITS;
            }
            *place = links;
            (*links).place = place;
            (*links).id = MaybeUninit::new(id);
            (*links).children = MaybeUninit::new([ptr::null_mut(); FANOUT]);
        }
        id
    }
}
