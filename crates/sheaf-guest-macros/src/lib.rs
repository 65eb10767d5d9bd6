//! The attributes of `sheaf-guest`: beside a function of Rust they put what a module exports.
//!
//! They write calls of `sheaf-guest` and nothing more: what happens in them is there.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::{
    Error, FnArg, Ident, ImplItem, ItemFn, ItemImpl, Pat, Result, ReturnType, Signature, Type,
    parse_macro_input,
};

/// Exports a function as a scalar function: over values, or with `#[scalar(slices)]` over slices, the last
/// of which is the result.
#[proc_macro_attribute]
pub fn scalar(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let tokens = match attribute.to_string().as_str() {
        "" => scalar_of_values(&function),
        "slices" => scalar_of_slices(&function),
        other => Err(Error::new_spanned(
            &function.sig.ident,
            format!("#[scalar] or #[scalar(slices)], not #[scalar({other})]"),
        )),
    };
    finish(tokens)
}

/// Exports a function that gives an iterator of tuples as a table function.
#[proc_macro_attribute]
pub fn table(_attribute: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    finish(table_of_values(&function))
}

/// Exports an `impl` of `update`, `merge` and `finish` as the aggregate function that the attribute names.
/// The state is `Copy`, `Default` and without references: it is moved about as bytes.
#[proc_macro_attribute]
pub fn aggregate(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let name = parse_macro_input!(attribute as Ident);
    let block = parse_macro_input!(item as ItemImpl);
    finish(aggregate_of_values(&name, &block))
}

fn finish(tokens: Result<Tokens>) -> TokenStream {
    tokens.unwrap_or_else(Error::into_compile_error).into()
}

/// An exported function: `parameters` are all `u32`, as is what it gives.
fn export(name: &Ident, parameters: &[&str], body: &Tokens) -> Tokens {
    let text = name.to_string();
    let parameters = parameters
        .iter()
        .map(|parameter| format_ident!("{parameter}"));
    quote! {
        #[cfg_attr(target_arch = "wasm32", unsafe(export_name = #text))]
        // Only Sheaf calls it, by its export: where there is none (native tests), nobody does.
        #[allow(dead_code, missing_docs)]
        extern "C" fn #name(#(#parameters: u32),*) -> u32 {
            #body
        }
    }
}

/// The names and types of the parameters after `self`.
fn parameters(signature: &Signature) -> Result<Vec<(String, &Type)>> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter),
        FnArg::Receiver(_) => None,
    });
    let named = typed.map(|parameter| match parameter.pat.as_ref() {
        Pat::Ident(name) => Ok((name.ident.to_string(), parameter.ty.as_ref())),
        other => Err(Error::new_spanned(other, "a parameter with a name, please")),
    });
    named.collect()
}

/// What each parameter is: its name, the types that it takes, and whether it may be NULL.
fn checks(parameters: &[(String, &Type)]) -> Tokens {
    let checks = parameters.iter().map(|(name, value)| {
        quote! {(
            #name,
            <#value as ::sheaf_guest::Argument>::CODES,
            <#value as ::sheaf_guest::Argument>::TAKES_NULL,
        )}
    });
    quote! { &[#(#checks),*] }
}

/// The arguments of one row.
fn arguments(parameters: &[(String, &Type)]) -> Tokens {
    let arguments = (0..parameters.len()).map(|number| quote! { columns[#number].get(row) });
    quote! { #(#arguments),* }
}

fn scalar_of_values(function: &ItemFn) -> Result<Tokens> {
    let name = &function.sig.ident;
    let parameters = parameters(&function.sig)?;
    let (checks, arguments) = (checks(&parameters), arguments(&parameters));
    let body = quote! {
        ::sheaf_guest::batch(rows, (columns, result), #checks, |columns, row| #name(#arguments))
    };
    let batch = format_ident!("{name}_batch");
    let export = export(&batch, &["rows", "columns", "result"], &body);
    Ok(quote! { #function #export })
}

/// What a slice is of.
fn element(slice: &Type) -> Result<&Type> {
    if let Type::Reference(reference) = slice
        && let Type::Slice(slice) = reference.elem.as_ref()
    {
        return Ok(&slice.elem);
    }
    Err(Error::new_spanned(
        slice,
        "a slice of numbers: &[f64], and &mut [f64] for the result",
    ))
}

fn scalar_of_slices(function: &ItemFn) -> Result<Tokens> {
    let name = &function.sig.ident;
    let parameters = parameters(&function.sig)?;
    let Some(((_, result), parameters)) = parameters.split_last() else {
        return Err(Error::new_spanned(
            name,
            "the last parameter is the result: &mut [f64]",
        ));
    };
    let result = element(result)?;
    let (mut checks, mut slices) = (Vec::new(), Vec::new());
    for (number, (name, slice)) in parameters.iter().enumerate() {
        let element = element(slice)?;
        checks.push(quote! { (#name, <#element as ::sheaf_guest::Number>::CODES, true) });
        slices.push(quote! { columns[#number].slice::<#element>() });
    }
    let body = quote! {
        ::sheaf_guest::slices::<#result>(
            rows,
            (columns, result),
            &[#(#checks),*],
            |columns, result| #name(#(#slices,)* result),
        )
    };
    let batch = format_ident!("{name}_batch");
    let export = export(&batch, &["rows", "columns", "result"], &body);
    Ok(quote! { #function #export })
}

fn table_of_values(function: &ItemFn) -> Result<Tokens> {
    let name = &function.sig.ident;
    if matches!(function.sig.output, ReturnType::Default) {
        return Err(Error::new_spanned(name, "it gives an iterator of tuples"));
    }
    let parameters = parameters(&function.sig)?;
    let (checks, arguments) = (checks(&parameters), arguments(&parameters));
    let body = quote! {
        ::sheaf_guest::push(rows, columns, #checks, |columns, row| #name(#arguments))
    };
    let push = export(&format_ident!("{name}_push"), &["rows", "columns"], &body);
    let body = quote! { ::sheaf_guest::next(rows_max, output) };
    let next = export(
        &format_ident!("{name}_next"),
        &["rows_max", "output"],
        &body,
    );
    Ok(quote! { #function #push #next })
}

fn aggregate_of_values(name: &Ident, block: &ItemImpl) -> Result<Tokens> {
    let state = &block.self_ty;
    let mut functions = block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    });
    let update = functions.find(|function| function.sig.ident == "update");
    let update = update.ok_or_else(|| Error::new_spanned(state, "it has no function update"))?;
    let parameters = parameters(&update.sig)?;
    let (checks, arguments) = (checks(&parameters), arguments(&parameters));
    let parts = [
        (
            "state_bytes",
            vec![],
            quote! { ::core::mem::size_of::<#state>() as u32 },
        ),
        (
            "init",
            vec!["states", "count"],
            quote! {
                ::sheaf_guest::init::<#state>(states, count);
                0
            },
        ),
        (
            "update",
            vec!["states", "groups", "rows", "columns"],
            quote! {
                ::sheaf_guest::update(
                    (states, groups),
                    (rows, columns),
                    #checks,
                    |state: &mut #state, columns, row| state.update(#arguments),
                )
            },
        ),
        (
            "merge",
            vec!["states", "groups", "rows", "others"],
            quote! {
                ::sheaf_guest::merge((states, groups), (rows, others), <#state>::merge)
            },
        ),
        (
            "finish",
            vec!["states", "rows", "result"],
            quote! {
                ::sheaf_guest::finish(states, (rows, result), <#state>::finish)
            },
        ),
    ];
    let exports = parts.map(|(part, parameters, body)| {
        export(&format_ident!("{name}_{part}"), &parameters, &body)
    });
    Ok(quote! { #block #(#exports)* })
}
