// SPDX-License-Identifier: GPL-2.0

//! The index of waiters by their ids, compiled as it is in the kernel, beside an ordered map.

#[path = "../../../../rust/kernel/sync/waiter/index.rs"]
mod index;

use index::{Index, Links, OLDEST};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem::MaybeUninit,
};

/// An element of both indexes.
struct Element {
    links: Links,
    in_front: Links,
}

/// Two indexes as a table of waiters has them, and what should be in them, by its age.
struct Both {
    first_id: u64,
    all: Box<Index>,
    front: Box<Index>,
    elements: BTreeMap<u64, *mut Element>,
    at_front: BTreeSet<u64>,
}

impl Both {
    fn new(first_id: u64) -> Self {
        Self {
            first_id,
            all: Box::new(Index::new(first_id)),
            front: Box::new(Index::new(0)),
            elements: BTreeMap::new(),
            at_front: BTreeSet::new(),
        }
    }

    fn id(&self, age: u64) -> u64 {
        self.first_id.wrapping_add(age)
    }

    fn insert(&mut self) {
        let element = Box::into_raw(Box::<MaybeUninit<Element>>::new_uninit()).cast::<Element>();

        // SAFETY: The element is ours, and is in no index when `remove()` frees it.
        let id = unsafe {
            Links::init(&raw mut (*element).links);
            Links::init(&raw mut (*element).in_front);
            self.all.insert(&raw mut (*element).links)
        };
        self.elements
            .insert(id.wrapping_sub(self.first_id), element);
    }

    fn remove(&mut self, age: u64) {
        let element = self.elements.remove(&age).unwrap();

        let is_in_front = self.at_front.remove(&age);
        // SAFETY: The element is in the map, and so is alive, and in no other index.
        unsafe {
            Links::remove(&raw mut (*element).links);
            if is_in_front {
                Links::remove(&raw mut (*element).in_front);
            }
            drop(Box::from_raw(element.cast::<MaybeUninit<Element>>()));
        }
    }

    /// In the front, or out of it.
    fn toggle(&mut self, age: u64) {
        let element = self.elements[&age];
        let id = self.id(age);

        // SAFETY: The element is in the map, and so is alive, and in no other index.
        unsafe {
            assert_eq!(
                (*element).in_front.is_linked(),
                self.at_front.contains(&age)
            );
            if self.at_front.remove(&age) {
                Links::remove(&raw mut (*element).in_front);
            } else {
                self.at_front.insert(age);
                self.front.insert_as(&raw mut (*element).in_front, id);
            }
        }
    }

    /// The age of one of the elements.
    fn pick(&self, choice: prop::sample::Index) -> Option<u64> {
        let count = self.elements.len();

        (count > 0).then(|| *self.elements.keys().nth(choice.index(count)).unwrap())
    }

    fn check(&mut self) {
        let links = |&element: &*mut Element| unsafe { &raw mut (*element).links };
        let oldest = self
            .elements
            .values()
            .next()
            .map_or(std::ptr::null_mut(), links);
        let in_front = self.at_front.first().map_or(std::ptr::null_mut(), |age| {
            // SAFETY: What is in the map is alive.
            unsafe { &raw mut (*self.elements[age]).in_front }
        });

        assert_eq!(self.all.oldest(), oldest);
        assert_eq!(self.front.oldest(), in_front);
        assert_eq!(self.all.any().is_null(), self.elements.is_empty());
        for (&age, element) in &self.elements {
            assert_eq!(
                self.all.get(self.first_id.wrapping_add(age)),
                links(element)
            );
        }
        let next = self.all.next_id();
        assert!(self.all.get(next).is_null());
    }

    fn check_oldest(&mut self) {
        let mut ids = [0; OLDEST];
        let count = self.all.oldest_ids(&mut ids);
        let ages = ids[..count].iter().map(|id| id.wrapping_sub(self.first_id));

        assert!(ages.eq(self.elements.keys().copied().take(OLDEST)));
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        while let Some((&age, _)) = self.elements.first_key_value() {
            self.remove(age);
        }
        assert!(self.all.oldest().is_null() && self.front.oldest().is_null());
    }
}

#[derive(Clone, Debug)]
enum Action {
    Insert,
    Remove(prop::sample::Index),
    Toggle(prop::sample::Index),
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Action::Insert),
        2 => any::<prop::sample::Index>().prop_map(Action::Remove),
        3 => any::<prop::sample::Index>().prop_map(Action::Toggle),
    ]
}

/// Ids wrap around.
fn first_ids() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), (u64::MAX - 100)..=u64::MAX, 0..100u64]
}

fn act(both: &mut Both, action: Action) {
    match action {
        Action::Insert => both.insert(),
        Action::Remove(choice) => {
            if let Some(age) = both.pick(choice) {
                both.remove(age);
            }
        }
        Action::Toggle(choice) => {
            if let Some(age) = both.pick(choice) {
                both.toggle(age);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn finds_what_is_there(first_id in first_ids(), actions in prop::collection::vec(actions(), 0..300)) {
        let mut both = Both::new(first_id);

        for action in actions {
            act(&mut both, action);
            both.check();
        }
        both.check_oldest();
    }

    /// Elements come and go while somebody goes through them.
    #[test]
    fn misses_none_that_stays(first_id in first_ids(), count in 0..200, actions in prop::collection::vec(actions(), 400)) {
        let mut both = Both::new(first_id);
        let mut seen = BTreeSet::new();
        let mut at = None;

        for _ in 0..count {
            both.insert();
        }
        both.check_oldest();
        let mut stay: BTreeSet<_> = both.elements.keys().copied().collect();
        for action in actions {
            let links = both.all.next(at);

            if links.is_null() {
                break;
            }
            // SAFETY: It is in the index, thus alive.
            at = unsafe { (*links).id() };
            prop_assert!(seen.insert(at.unwrap().wrapping_sub(first_id)), "none is seen twice");
            act(&mut both, action);
            stay.retain(|age| both.elements.contains_key(age));
        }
        if both.all.next(at).is_null() {
            prop_assert!(stay.is_subset(&seen));
        }
    }
}
