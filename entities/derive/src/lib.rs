//! `#[derive(Catalogued)]`: an entity file is one struct, and what the hub must know of each field
//! stands beside it. The derive reads the class, the reference and the doc comment and writes them
//! down as a constant; it adds nothing that the file does not say.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Type, parse_macro_input};

#[proc_macro_derive(Catalogued, attributes(catalogue, field))]
pub fn catalogued(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> syn::Result<Tokens> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "an entity is a struct"));
    };
    let mut table = None;
    for attr in input.attrs.iter().filter(|a| a.path().is_ident("sea_orm")) {
        attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("table_name") {
                table = Some(meta.value()?.parse::<LitStr>()?);
            }
            Ok(())
        })?;
    }
    let table =
        table.ok_or_else(|| syn::Error::new_spanned(&input.ident, "`#[sea_orm(table_name = …)]` is missing"))?;

    let (mut name, mut plural, mut scope, mut demand, mut owner) = (None, None, None, None, None);
    let (mut behind, mut closed) = (None, false);
    let mut memberships = Vec::new();
    for attr in input.attrs.iter().filter(|a| a.path().is_ident("catalogue")) {
        attr.parse_nested_meta(|meta| {
            let value = || meta.value()?.parse::<LitStr>();
            if meta.path.is_ident("name") {
                name = Some(value()?);
            } else if meta.path.is_ident("plural") {
                plural = Some(value()?);
            } else if meta.path.is_ident("owner") {
                owner = Some(value()?);
            } else if meta.path.is_ident("scope") {
                scope = Some(meta.value()?.parse::<Expr>()?);
            } else if meta.path.is_ident("demand") {
                demand = Some(meta.value()?.parse::<Expr>()?);
            } else if meta.path.is_ident("behind") {
                behind = Some(meta.value()?.parse::<Expr>()?);
            } else if meta.path.is_ident("membership") {
                memberships.push(meta.value()?.parse::<Expr>()?);
            } else if meta.path.is_ident("closed") {
                closed = true;
            } else {
                return Err(meta.error(
                    "expected `name`, `plural`, `owner`, `scope`, `behind`, `demand`, `membership` or `closed`",
                ));
            }
            Ok(())
        })?;
    }
    let name = name.ok_or_else(|| syn::Error::new_spanned(&input.ident, "`#[catalogue(name = …)]` is missing"))?;
    let plural = plural.unwrap_or_else(|| LitStr::new(&format!("{}s", lower_first(&name.value())), name.span()));
    let scope = scope.map_or(quote!(None), |s| quote!(Some(#s)));
    let demand = demand.map_or(quote!(None), |d| quote!(Some(#d)));
    let owner = owner.map_or(quote!(None), |o| quote!(Some(#o)));
    let behind = behind.map_or(quote!(None), |b| quote!(Some(#b)));
    let doc = doc(&input.attrs);
    let fields = data.fields.iter().map(field).collect::<syn::Result<Vec<_>>>()?;

    Ok(quote! {
        impl crate::meta::Catalogued for Entity {
            const DEF: crate::meta::EntityDef = crate::meta::EntityDef {
                name: #name,
                plural: #plural,
                table: #table,
                doc: #doc,
                scope: #scope,
                demand: #demand,
                owner: #owner,
                behind: #behind,
                memberships: &[#(#memberships),*],
                closed: #closed,
                fields: &[#(#fields),*],
            };
        }

        /// References are read off the fields, so the typed relations of SeaORM stay empty.
        #[derive(Copy, Clone, Debug, sea_orm::EnumIter, sea_orm::DeriveRelation)]
        pub enum Relation {}

        impl sea_orm::ActiveModelBehavior for ActiveModel {}
    })
}

fn field(field: &syn::Field) -> syn::Result<Tokens> {
    let ident = field.ident.as_ref().ok_or_else(|| syn::Error::new_spanned(field, "fields have names"))?;
    let column = ident.to_string();
    let (kind, wide, optional) = kind(&field.ty)?;
    let small = {
        let ty = &field.ty;
        quote!(#ty).to_string().contains("i16")
    };
    // a field that nobody classified is internal
    let mut class = quote!(Int);
    let (mut to, mut many, mut code, mut unit) = (quote!(None), quote!(None), quote!(None), quote!(None));
    let (mut least, mut most, mut filled) = (quote!(None), quote!(None), quote!(None));
    let (mut groups, mut one_of) = (Vec::<LitStr>::new(), Vec::<LitStr>::new());
    for attr in field.attrs.iter().filter(|a| a.path().is_ident("field")) {
        attr.parse_nested_meta(|meta| {
            let words = |lit: LitStr| -> Vec<LitStr> {
                lit.value().split_whitespace().map(|w| LitStr::new(w, lit.span())).collect()
            };
            let Some(key) = meta.path.get_ident().map(Ident::to_string) else { return Err(meta.error("unknown word")) };
            match key.as_str() {
                "PUB" => class = quote!(Pub),
                "SHR" => class = quote!(Shr),
                "INT" => class = quote!(Int),
                "PER" => class = quote!(Per),
                "SEC" => class = quote!(Sec),
                "to" | "many" | "code" | "unit" => {
                    let value: LitStr = meta.value()?.parse()?;
                    let value = quote!(Some(#value));
                    match key.as_str() {
                        "to" => to = value,
                        "many" => many = value,
                        "code" => code = value,
                        _ => unit = value,
                    }
                }
                "least" | "most" => {
                    let bound: LitInt = meta.value()?.parse()?;
                    let bound = quote!(Some(#bound));
                    if key == "least" { least = bound } else { most = bound }
                }
                "groups" => groups = words(meta.value()?.parse()?),
                "one_of" => one_of = words(meta.value()?.parse()?),
                "filled" => {
                    let value: LitStr = meta.value()?.parse()?;
                    let what = match value.value().as_str() {
                        "created_at" => quote!(CreatedAt),
                        "created_by" => quote!(CreatedBy),
                        "changed_at" => quote!(ChangedAt),
                        "changed_by" => quote!(ChangedBy),
                        "version" => quote!(Version),
                        _ => {
                            return Err(syn::Error::new_spanned(
                                value,
                                "expected `created_at`, `created_by`, `changed_at`, `changed_by` or `version`",
                            ));
                        }
                    };
                    filled = quote!(Some(crate::meta::Filled::#what));
                }
                _ => {
                    return Err(meta.error(
                        "expected a class (PUB, SHR, INT, PER, SEC), `to`, `many`, `code`, `unit`, `least`, `most`, `groups`, `one_of` or `filled`",
                    ));
                }
            }
            Ok(())
        })?;
    }
    let doc = doc(&field.attrs);
    Ok(quote! {
        crate::meta::FieldDef {
            column: #column,
            kind: crate::meta::Kind::#kind,
            wide: #wide,
            optional: #optional,
            small: #small,
            class: crate::meta::Class::#class,
            groups: &[#(#groups),*],
            to: #to,
            many: #many,
            code: #code,
            unit: #unit,
            least: #least,
            most: #most,
            one_of: &[#(#one_of),*],
            filled: #filled,
            doc: #doc,
        }
    })
}

/// The kind, whether it is the wider one of two, and whether it is optional.
fn kind(ty: &Type) -> syn::Result<(Ident, bool, bool)> {
    let Type::Path(path) = ty else { return Err(syn::Error::new_spanned(ty, "unsupported type")) };
    let Some(last) = path.path.segments.last() else { return Err(syn::Error::new_spanned(ty, "unsupported type")) };
    if last.ident == "Option" {
        if let syn::PathArguments::AngleBracketed(args) = &last.arguments
            && let Some(syn::GenericArgument::Type(inner)) = args.args.first()
        {
            let (kind, wide, _) = kind(inner)?;
            return Ok((kind, wide, true));
        }
        return Err(syn::Error::new_spanned(ty, "unsupported type"));
    }
    let kind = match last.ident.to_string().as_str() {
        "Uuid" => "Id",
        "String" => "Text",
        "i16" | "i32" | "i64" => "Int",
        "bool" => "Bool",
        "Decimal" => "Decimal",
        "Instant" => "Instant",
        "Date" => "Date",
        "Json" => "Json",
        other => return Err(syn::Error::new_spanned(ty, format!("`{other}` is not a kind of field; see meta::Kind"))),
    };
    Ok((Ident::new(kind, last.ident.span()), last.ident == "i64", false))
}

fn doc(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(nv) if nv.path.is_ident("doc") => match &nv.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_string()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_string()
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
