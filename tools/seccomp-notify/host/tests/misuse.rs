// SPDX-License-Identifier: GPL-2.0

//! What the compiler says of a declaration that `#[ioctls]` cannot make sense of.
//!
//! Each file of `misuse/` holds mistakes of one kind, and beside it what the compiler is to say,
//! which `TRYBUILD=overwrite` writes anew. The words around the macro's own are the compiler's, so
//! a new compiler can ask for that.

#[test]
fn misuse() {
    trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
}
