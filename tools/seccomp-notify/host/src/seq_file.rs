// SPDX-License-Identifier: GPL-2.0

//! What a file of `/proc` says.

use std::{cell::RefCell, fmt};

/// The text so far.
#[derive(Default)]
pub struct SeqFile(RefCell<String>);

impl SeqFile {
    #[doc(hidden)]
    pub fn call_printf(&self, args: fmt::Arguments<'_>) {
        fmt::write(&mut *self.0.borrow_mut(), args).expect("a string takes it");
    }

    pub fn into_text(self) -> String {
        self.0.into_inner()
    }
}

#[macro_export]
macro_rules! seq_print {
    ($seq:expr, $($arg:tt)+) => {
        $seq.call_printf(format_args!($($arg)+))
    };
}
pub use seq_print;
