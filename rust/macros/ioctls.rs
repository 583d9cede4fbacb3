// SPDX-License-Identifier: GPL-2.0

use proc_macro2::{
    Span,
    TokenStream, //
};
use quote::{
    format_ident,
    quote,
    quote_spanned,
    ToTokens, //
};
use syn::{
    parenthesized,
    parse::{
        Parse,
        ParseStream, //
    },
    parse_quote,
    spanned::Spanned,
    Attribute,
    Error,
    Expr,
    FnArg,
    Ident,
    ImplItem,
    ImplItemFn,
    ItemImpl,
    Path,
    Receiver,
    Result,
    ReturnType,
    Signature,
    Token,
    Type, //
};

/// What is said of all commands of an fd: `#[ioctls(magic = …, unknown = …)]`.
pub(crate) struct Args {
    /// The type byte that the numbers share.
    magic: Expr,
    /// The error for a command that is not declared.
    unknown: Ident,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut magic = None;
        let mut unknown = None;

        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            if key == "magic" {
                set_once(&mut magic, input.parse()?, &key)?;
            } else if key == "unknown" {
                set_once(&mut unknown, input.parse()?, &key)?;
            } else {
                return Err(Error::new(key.span(), "expected `magic` or `unknown`"));
            }
            parse_comma(input)?;
        }

        Ok(Self {
            magic: magic.ok_or_else(|| {
                Error::new(
                    Span::call_site(),
                    "missing `magic = …`, the type byte of the ioctl numbers",
                )
            })?,
            unknown: unknown.unwrap_or_else(|| Ident::new("ENOTTY", Span::call_site())),
        })
    }
}

/// How an ioctl number comes about, named as the C macro is.
struct Builder {
    name: Ident,
    has_type: bool,
}

impl Parse for Builder {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const EXPECTED: &str = "expected `_IO(nr)`, `_IOR(nr)`, `_IOW(nr)` or `_IOWR(nr)`";

        let name: Ident = input.parse().map_err(|e| Error::new(e.span(), EXPECTED))?;
        let has_type = match name.to_string().as_str() {
            "_IO" => false,
            "_IOR" | "_IOW" | "_IOWR" => true,
            _ => return Err(Error::new(name.span(), EXPECTED)),
        };
        Ok(Self { name, has_type })
    }
}

/// What is said of one command: `#[ioctl(_IOW(2) = UAPI, also = …, extensible(min = …))]`.
struct Number {
    builder: Builder,
    nr: Expr,
    /// The constant in the UAPI header.
    uapi: Path,
    /// Other numbers that reach the same handler.
    also: Vec<Path>,
    /// The size of the argument's first version, where any size from there on is accepted.
    min: Option<Expr>,
}

impl Parse for Number {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let builder: Builder = input.parse()?;

        let in_parens;
        let parens = parenthesized!(in_parens in input);
        if in_parens.is_empty() {
            return Err(Error::new(
                parens.span.join(),
                format!("missing command number: `{}(nr)`", builder.name),
            ));
        }
        let nr = in_parens.parse()?;
        if !in_parens.is_empty() {
            return Err(in_parens.error(
                "expected the command number alone: the magic is `#[ioctls]`'s, the type is the \
                 handler's argument",
            ));
        }

        if !input.peek(Token![=]) {
            return Err(input.error("expected `= CONSTANT`, the number in the UAPI header"));
        }
        input.parse::<Token![=]>()?;
        let uapi = input.parse()?;
        parse_comma(input)?;

        let mut also = Vec::new();
        let mut min = None;
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if key == "also" {
                input.parse::<Token![=]>()?;
                also.push(input.parse()?);
            } else if key == "extensible" {
                set_once(&mut min, parse_min(&key, input)?, &key)?;
            } else {
                return Err(Error::new(
                    key.span(),
                    "expected `also = CONSTANT` or `extensible(min = SIZE)`",
                ));
            }
            parse_comma(input)?;
        }

        Ok(Self {
            builder,
            nr,
            uapi,
            also,
            min,
        })
    }
}

/// Parses `(min = SIZE)` of `extensible`.
fn parse_min(key: &Ident, input: ParseStream<'_>) -> Result<Expr> {
    let expected = "expected `extensible(min = SIZE)`, the size of the argument's first version";

    if !input.peek(syn::token::Paren) {
        return Err(Error::new(key.span(), expected));
    }
    let in_parens;
    let parens = parenthesized!(in_parens in input);
    match in_parens.parse::<Ident>() {
        Ok(min) if min == "min" => {}
        _ => return Err(Error::new(parens.span.join(), expected)),
    }
    in_parens.parse::<Token![=]>()?;
    in_parens.parse()
}

fn parse_comma(input: ParseStream<'_>) -> Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}

fn set_once<T>(slot: &mut Option<T>, value: T, key: &Ident) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(key.span(), format!("`{key}` is given twice"))),
    }
}

/// A command and its handler.
struct Command {
    cfgs: Vec<Attribute>,
    number: Number,
    handler: Ident,
    receiver: Receiver,
    /// The type of the handler's `file`.
    file: Type,
    /// The type of what follows `file`, which says how the argument is read.
    arg: Option<Type>,
    /// Where the return type is, for errors.
    output: Span,
}

impl Command {
    /// Returns the command that `item` handles, and takes the attribute that says so off it.
    fn take_from(item: &mut ImplItemFn) -> Result<Option<Self>> {
        let (ours, attrs) = std::mem::take(&mut item.attrs)
            .into_iter()
            .partition::<Vec<_>, _>(|a| a.path().is_ident("ioctl"));
        item.attrs = attrs;
        let Some(attr) = ours.first() else {
            return Ok(None);
        };
        if let Some(second) = ours.get(1) {
            return Err(Error::new_spanned(
                second,
                "a handler has one `#[ioctl]`; add another number with `also = CONSTANT`",
            ));
        }

        let number: Number = attr.parse_args()?;
        let (receiver, file, arg, output) = signature(&item.sig)?;

        match &arg {
            None if number.builder.has_type => {
                let builder = &number.builder.name;
                return Err(Error::new(
                    item.sig.ident.span(),
                    format!(
                        "`{builder}` carries a type: the handler takes an argument after `file`"
                    ),
                ));
            }
            None if number.min.is_some() => {
                return Err(Error::new(
                    item.sig.ident.span(),
                    "`extensible`: the handler takes an argument after `file`",
                ));
            }
            _ if number.min.is_some() && !number.builder.has_type => {
                return Err(Error::new(
                    number.builder.name.span(),
                    "`extensible`: an `_IO` number has no size",
                ));
            }
            _ => {}
        }

        Ok(Some(Self {
            cfgs: crate::helpers::gather_cfg_attrs(&item.attrs)
                .cloned()
                .collect(),
            number,
            handler: item.sig.ident.clone(),
            receiver,
            file,
            arg,
            output,
        }))
    }

    /// The name of the constant that holds the number; `also` counts the further ones.
    fn constant(&self, also: Option<usize>) -> Ident {
        let name = self.handler.to_string();
        let name = name.trim_start_matches("r#").to_uppercase();
        match also {
            None => format_ident!("__IOCTL_{name}"),
            Some(i) => format_ident!("__IOCTL_{name}_ALSO_{i}"),
        }
    }

    /// The names of all constants of this command, and where each comes from.
    fn constants(&self) -> impl Iterator<Item = (Ident, &Path)> {
        let also = self.number.also.iter().enumerate();
        std::iter::once((self.constant(None), &self.number.uapi))
            .chain(also.map(|(i, path)| (self.constant(Some(i)), path)))
    }

    /// Declares the constants, and compares them with what the declaration says.
    fn declare(&self, magic: &Expr) -> TokenStream {
        let cfgs = &self.cfgs;
        let handler = &self.handler;
        let Number { builder, nr, .. } = &self.number;
        let name = &builder.name;

        let constants = self.constants().map(|(constant, path)| {
            quote! {
                #(#cfgs)*
                const #constant: u32 = #path;
            }
        });

        let data = match &self.arg {
            Some(ty) if builder.has_type => {
                quote_spanned!(ty.span()=> ::<<#ty as ::kernel::ioctl::Arg>::Data>)
            }
            _ => quote!(),
        };

        let mut checks = TokenStream::new();
        let mut check = |span: Span, condition: TokenStream, message: &str| {
            let message = format!("ioctl `{handler}`: {message}");
            checks.extend(quote_spanned!(span=> ::core::assert!(#condition, #message);));
        };

        let uapi = self.constant(None);
        let at = last_segment(&self.number.uapi);
        for (getter, what) in [
            ("_IOC_TYPE", "magic"),
            ("_IOC_NR", "command number"),
            ("_IOC_DIR", "direction"),
            ("_IOC_SIZE", "size of the argument"),
        ] {
            let getter = Ident::new(getter, Span::call_site());
            check(
                at,
                quote!(::kernel::ioctl::#getter(#uapi) == ::kernel::ioctl::#getter(__IOCTLS_BUILT)),
                &format!("the UAPI constant has another {what}"),
            );
        }
        for (also, path) in self.constants().skip(1) {
            for (getter, what) in [
                ("_IOC_TYPE", "magic"),
                ("_IOC_NR", "command number"),
                ("_IOC_SIZE", "size of the argument"),
            ] {
                // What is extensible comes with any size.
                if getter == "_IOC_SIZE" && self.number.min.is_some() {
                    continue;
                }
                let getter = Ident::new(getter, Span::call_site());
                check(
                    last_segment(path),
                    quote!(::kernel::ioctl::#getter(#also) == ::kernel::ioctl::#getter(#uapi)),
                    &format!("the other number has another {what}"),
                );
            }
        }
        if let Some(ty) = &self.arg {
            check(
                builder.name.span(),
                quote! {
                    ::kernel::ioctl::_IOC_DIR(__IOCTLS_BUILT) & <#ty as ::kernel::ioctl::Arg>::DIR
                        == <#ty as ::kernel::ioctl::Arg>::DIR
                },
                "the argument is copied in a direction that the number does not have",
            );
            if let Some(min) = &self.number.min {
                check(
                    min.span(),
                    quote! {
                        0 < #min && #min
                            <= ::core::mem::size_of::<<#ty as ::kernel::ioctl::Arg>::Data>()
                    },
                    "`min` is not a size that the argument can have",
                );
            }
        }

        quote! {
            #(#constants)*

            #(#cfgs)*
            const _: () = {
                const __IOCTLS_BUILT: u32 = ::kernel::ioctl::#name #data((#magic) as u32, #nr);
                #checks
            };
        }
    }

    /// Checks that no number reaches both this handler and that of `earlier`.
    fn compare(&self, earlier: &Self) -> TokenStream {
        let message = format!(
            "ioctl `{}`: the number is that of `{}` already",
            self.handler, earlier.handler
        );
        let extensible = self.number.min.is_some() || earlier.number.min.is_some();

        let mut checks = TokenStream::new();
        for (this, path) in self.constants() {
            for (that, _) in earlier.constants() {
                let clash = if extensible {
                    quote!(::kernel::ioctl::is_version_of(#this, #that))
                } else {
                    quote!(#this == #that)
                };
                checks.extend(quote_spanned! {last_segment(path)=>
                    ::core::assert!(!(#clash), #message);
                });
            }
        }

        let cfgs = self.cfgs.iter().chain(&earlier.cfgs);
        quote! {
            #(#cfgs)*
            const _: () = { #checks };
        }
    }

    /// The arm of the dispatch: reads the argument and calls the handler.
    fn arm(&self, file: &Ident, cmd: &Ident, arg: &Ident) -> TokenStream {
        let cfgs = &self.cfgs;
        let handler = &self.handler;
        let this = &self.receiver.self_token;
        let constants = self.constants().map(|(constant, _)| constant);

        let (pattern, value) = match (&self.number.min, &self.arg) {
            (Some(min), Some(ty)) => (
                quote!(_ if #(::kernel::ioctl::is_version_of(#cmd, #constants))||*),
                quote! {
                    , <#ty as ::kernel::ioctl::ExtensibleArg>::from_user_sized(
                        #arg,
                        ::kernel::ioctl::_IOC_SIZE(#cmd),
                        #min,
                    )?
                },
            ),
            (_, Some(ty)) => (
                quote!(#(#constants)|*),
                quote!(, <#ty as ::kernel::ioctl::Arg>::from_user(#arg)?),
            ),
            (_, None) => (quote!(#(#constants)|*), quote!()),
        };

        let call = quote_spanned!(self.output=> Self::#handler(#this, #file #value));
        quote! {
            #(#cfgs)*
            #pattern => #call,
        }
    }
}

/// Takes the signature of a handler apart: `fn(receiver, file[, argument]) -> output`.
fn signature(sig: &Signature) -> Result<(Receiver, Type, Option<Type>, Span)> {
    const EXPECTED: &str = "expected `fn(&self, file: &File[, argument]) -> Result<isize>`";

    if let Some(unsafety) = &sig.unsafety {
        return Err(Error::new(
            unsafety.span(),
            "an ioctl handler is a safe function",
        ));
    }
    if let Some(asyncness) = &sig.asyncness {
        return Err(Error::new(
            asyncness.span(),
            "an ioctl handler is not `async`",
        ));
    }
    if !sig.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &sig.generics,
            "an ioctl handler has no parameters of its own; write `'_` for a lifetime",
        ));
    }

    let mut inputs = sig.inputs.iter();
    let receiver = match inputs.next() {
        Some(FnArg::Receiver(receiver)) => receiver,
        Some(other) => return Err(Error::new_spanned(other, EXPECTED)),
        None => return Err(Error::new(sig.paren_token.span.join(), EXPECTED)),
    };
    if receiver.reference.is_some() && receiver.mutability.is_some() {
        return Err(Error::new_spanned(
            receiver,
            "several threads can be in an fd's ioctls at once: expected `&self`",
        ));
    }

    let mut types = inputs.map(|input| match input {
        FnArg::Typed(input) => Ok((*input.ty).clone()),
        FnArg::Receiver(_) => Err(Error::new_spanned(input, EXPECTED)),
    });
    let Some(file) = types.next().transpose()? else {
        return Err(Error::new(sig.paren_token.span.join(), EXPECTED));
    };
    let arg = types.next().transpose()?;
    if let Some(extra) = types.next().transpose()? {
        return Err(Error::new_spanned(
            extra,
            "an ioctl has one argument, given after `file`",
        ));
    }

    let ReturnType::Type(_, output) = &sig.output else {
        return Err(Error::new(sig.ident.span(), EXPECTED));
    };
    Ok((receiver.clone(), file, arg, output.span()))
}

/// Where the name at the end of `path` is.
fn last_segment(path: &Path) -> Span {
    path.segments
        .last()
        .map_or_else(|| path.span(), |s| s.ident.span())
}

/// Checks that a handler is called with the same `what` as the first one.
fn same(this: &impl ToTokens, that: &impl ToTokens, what: &str, first: &Ident) -> Result<()> {
    if this.to_token_stream().to_string() == that.to_token_stream().to_string() {
        return Ok(());
    }
    Err(Error::new_spanned(
        this,
        format!("the handlers of an fd have the same {what}, and that of `{first}` is another"),
    ))
}

/// Please see [`crate::ioctls`] for documentation.
pub(crate) fn ioctls(args: Args, mut item: ItemImpl) -> Result<TokenStream> {
    if let Some((_, path, _)) = &item.trait_ {
        return Err(Error::new_spanned(
            path,
            "`#[ioctls]` applies to a type's own impl block, not to that of a trait",
        ));
    }

    let mut commands = Vec::new();
    let mut errors: Option<Error> = None;
    for item in &mut item.items {
        let command = match item {
            ImplItem::Fn(item) => Command::take_from(item),
            _ => continue,
        };
        match command {
            Ok(command) => commands.extend(command),
            Err(error) => match &mut errors {
                None => errors = Some(error),
                Some(errors) => errors.combine(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }

    let Some(first) = commands.first() else {
        return Err(Error::new_spanned(
            &item.self_ty,
            "no function of this impl block is marked `#[ioctl(…)]`",
        ));
    };
    let (receiver, file_type) = (&first.receiver, &first.file);
    for command in &commands {
        same(&command.receiver, receiver, "receiver", &first.handler)?;
        same(&command.file, file_type, "type of `file`", &first.handler)?;
    }

    // Variables by names that no code of the caller's can mean.
    let file = Ident::new("file", Span::mixed_site());
    let cmd = Ident::new("cmd", Span::mixed_site());
    let arg = Ident::new("arg", Span::mixed_site());

    let declarations = commands.iter().map(|c| c.declare(&args.magic));
    let comparisons = commands
        .iter()
        .enumerate()
        .flat_map(|(i, this)| commands[..i].iter().map(|that| this.compare(that)));
    // Exact numbers first: these are what a compare chain or a jump table is made of.
    let (extensible, exact): (Vec<_>, Vec<_>) =
        commands.iter().partition(|c| c.number.min.is_some());
    let arms = exact
        .iter()
        .chain(&extensible)
        .map(|c| c.arm(&file, &cmd, &arg));
    let unknown = &args.unknown;

    item.items.push(parse_quote! {
        /// Reads the argument of the command `cmd` and calls its handler.
        #[inline]
        #[allow(unused_variables)]
        fn ioctl(
            #receiver,
            #file: #file_type,
            #cmd: u32,
            #arg: usize,
        ) -> ::kernel::error::Result<isize> {
            #(#declarations)*
            #(#comparisons)*

            match #cmd {
                #(#arms)*
                _ => ::core::result::Result::Err(::kernel::error::code::#unknown),
            }
        }
    });

    Ok(item.into_token_stream())
}
