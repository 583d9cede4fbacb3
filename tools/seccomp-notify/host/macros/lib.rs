// SPDX-License-Identifier: GPL-2.0

//! The kernel's procedural macros that are tested on the host.

#[path = "../../../../rust/macros/ioctls.rs"]
mod ioctls;

/// What `ioctls.rs` uses of the kernel's `rust/macros/helpers.rs`.
mod helpers {
    pub(crate) fn gather_cfg_attrs(
        attrs: &[syn::Attribute],
    ) -> impl Iterator<Item = &syn::Attribute> {
        attrs.iter().filter(|a| a.path().is_ident("cfg"))
    }
}

#[proc_macro_attribute]
pub fn ioctls(
    attr: proc_macro::TokenStream,
    input: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    ioctls::ioctls(
        syn::parse_macro_input!(attr),
        syn::parse_macro_input!(input),
    )
    .unwrap_or_else(|e| e.into_compile_error())
    .into()
}

/// In the kernel, this has the trait say which of its functions are implemented.
#[proc_macro_attribute]
pub fn vtable(
    _attr: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    item
}

/// KUnit tests are tests here, too.
#[proc_macro_attribute]
pub fn kunit_tests(
    _attr: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let tests: proc_macro::TokenStream = "#[cfg(test)]".parse().expect("this is an attribute");

    tests.into_iter().chain(item).collect()
}
