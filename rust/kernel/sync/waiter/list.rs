// SPDX-License-Identifier: GPL-2.0

//! An intrusive list: the caller owns the elements.
//!
//! This knows neither tasks nor locks: only how elements are linked, and which of these pointers
//! are valid when. Which elements are in a list is for the caller to know.

use core::{
    marker::PhantomPinned,
    ptr, //
};

/// The part of an element that links it with its neighbours.
pub(super) struct Links {
    /// Null at the start of the list.
    prev: *mut Links,
    /// Null at the end of the list.
    next: *mut Links,
}

/// A list of [`Links`].
///
/// # Invariants
///
/// - `first` and `last` are the ends of a chain of elements, or both null. No other element has a
///   pointer to one of them.
/// - All of them are alive, and only accessed through exclusive access to the list.
pub(super) struct List {
    first: *mut Links,
    last: *mut Links,
    // Not `Unpin`, so that exclusive references to the list claim nothing about its elements.
    _pin: PhantomPinned,
}

impl List {
    /// Creates an empty list.
    #[inline]
    pub(super) const fn new() -> Self {
        // INVARIANT: There are no elements.
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
            _pin: PhantomPinned,
        }
    }

    /// The first element, or null.
    #[inline]
    pub(super) fn first(&self) -> *mut Links {
        self.first
    }

    /// Puts an element at the start of the list.
    ///
    /// # Safety
    ///
    /// `links` must be valid for writing, and in no list. Until it is removed it must stay alive
    /// and where it is, and must only be accessed through exclusive access to this list.
    #[inline]
    pub(super) unsafe fn insert_first(&mut self, links: *mut Links) {
        // SAFETY: Null and the first element are neighbours; the rest is what the caller promises.
        unsafe { self.insert(links, ptr::null_mut(), self.first) };
    }

    /// Puts an element at the end of the list.
    ///
    /// # Safety
    ///
    /// See [`insert_first`](Self::insert_first).
    #[inline]
    pub(super) unsafe fn insert_last(&mut self, links: *mut Links) {
        // SAFETY: The last element and null are neighbours; the rest is what the caller promises.
        unsafe { self.insert(links, self.last, ptr::null_mut()) };
    }

    /// Puts an element between two neighbours.
    ///
    /// # Safety
    ///
    /// `prev` and `next` must follow each other in this list, where null precedes the first
    /// element and follows the last. For `links` see [`insert_first`](Self::insert_first).
    #[inline]
    unsafe fn insert(&mut self, links: *mut Links, prev: *mut Links, next: *mut Links) {
        // INVARIANT: The two neighbours, or the ends in place of null, lead to the new element,
        // and it leads to them.
        // SAFETY: The caller promises that `links` is ours to access. The neighbours are in this
        // list, or null, so that `next_of()` and `prev_of()` may be asked for their pointers.
        unsafe {
            links.write(Links { prev, next });
            *self.next_of(prev) = links;
            *self.prev_of(next) = links;
        }
    }

    /// Takes an element out of the list.
    ///
    /// # Safety
    ///
    /// `links` must be in this list.
    #[inline]
    pub(super) unsafe fn remove(&mut self, links: *mut Links) {
        // INVARIANT: The neighbours lead to each other, and nothing leads to the element.
        // SAFETY: By the type invariants, the element is ours to access, and its neighbours are in
        // this list or null.
        unsafe {
            let Links { prev, next } = *links;

            *self.next_of(prev) = next;
            *self.prev_of(next) = prev;
        }
    }

    /// The pointer to what follows `links`, or to the first element for null.
    ///
    /// # Safety
    ///
    /// `links` must be null or in this list.
    #[inline]
    unsafe fn next_of(&mut self, links: *mut Links) -> *mut *mut Links {
        if links.is_null() {
            &raw mut self.first
        } else {
            // SAFETY: By the type invariants, what is in this list is alive.
            unsafe { &raw mut (*links).next }
        }
    }

    /// The pointer to what precedes `links`, or to the last element for null.
    ///
    /// # Safety
    ///
    /// `links` must be null or in this list.
    #[inline]
    unsafe fn prev_of(&mut self, links: *mut Links) -> *mut *mut Links {
        if links.is_null() {
            &raw mut self.last
        } else {
            // SAFETY: By the type invariants, what is in this list is alive.
            unsafe { &raw mut (*links).prev }
        }
    }
}
