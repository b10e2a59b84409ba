//! `viewer`: who asks, and what it may see. The rights are read off the compiled view itself.

use super::{
    compile::{Compiler, Wanted},
    json,
    plan::{Input, Root},
};
use crate::{
    access::{Treatment, View, read::Arg, view::FieldView},
    catalogue::{CATALOGUE, Type},
    error::{Error, Result},
};

pub fn compile<'a>(compiler: &mut Compiler<'a>, wanted: &Wanted<'a>) -> Result<(Root, usize)> {
    let view = compiler.view;
    let (mut parts, mut cost) = (Vec::new(), 1usize);
    for (key, wanted) in &compiler.collect(&wanted.inner, "Viewer", &[])? {
        let name = wanted.field.name.node.as_str();
        let root = match name {
            "__typename" => Root::Ready(json::text("Viewer")),
            "seat" => Root::Ready(json::text(&view.name)),
            "role" => Root::Ready(json::text(&view.seat.role)),
            "rights" => Root::Ready(rights(compiler, view, wanted)?),
            "organisation" | "person" => {
                let (ty, input) = match name {
                    "organisation" => ("Organisation", Input::Ready(Arg::Ids(vec![view.seat.organisation]))),
                    _ => ("Principal", Input::Me),
                };
                let ty = CATALOGUE.by_name(ty).ok_or_else(|| Error::internal("the viewer's type is missing"))?;
                let slot = compiler.input(input);
                let (step, object, price) = compiler.by_key(ty, slot, &wanted.inner, 1)?;
                cost = cost.saturating_add(price);
                Root::One { step, object }
            }
            "agreements" => {
                let ty = CATALOGUE
                    .by_name("SharingAgreement")
                    .ok_or_else(|| Error::internal("SharingAgreement is missing"))?;
                let (list, price) = compiler.list(ty, wanted, None)?;
                cost = cost.saturating_add(price);
                Root::List(list)
            }
            _ => return Err(Error::Validation(format!("unknown field `{name}`"))),
        };
        parts.push((key.clone(), root));
    }
    Ok((Root::Parts(parts), cost))
}

fn rights<'a>(compiler: &Compiler<'a>, view: &View, wanted: &Wanted<'a>) -> Result<Vec<u8>> {
    let mut out = vec![b'['];
    for ty in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id) || view.class.guarded(t.id).is_some()) {
        json::comma(&mut out, b'[');
        out.push(b'{');
        for (key, wanted) in &compiler.collect(&wanted.inner, "TypeRight", &[])? {
            json::comma(&mut out, b'{');
            json::string(key, &mut out);
            out.push(b':');
            match wanted.field.name.node.as_str() {
                "type" => json::string(ty.name, &mut out),
                "create" => truth(!view.class.writable(ty.id).create.is_empty(), &mut out),
                "delete" => truth(view.class.writable(ty.id).delete, &mut out),
                "fields" => {
                    out.push(b'[');
                    for (i, access) in shown(view, ty) {
                        json::comma(&mut out, b'[');
                        out.push(b'{');
                        for (key, wanted) in &compiler.collect(&wanted.inner, "FieldRight", &[])? {
                            json::comma(&mut out, b'{');
                            json::string(key, &mut out);
                            out.push(b':');
                            match wanted.field.name.node.as_str() {
                                "field" => json::string(&ty.fields[i].name, &mut out),
                                "access" => json::string(access, &mut out),
                                "writable" => truth(view.class.writable(ty.id).update.contains(&i), &mut out),
                                _ => json::string("FieldRight", &mut out),
                            }
                        }
                        out.push(b'}');
                    }
                    out.push(b']');
                }
                _ => json::string("TypeRight", &mut out),
            }
        }
        out.push(b'}');
    }
    out.push(b']');
    Ok(out)
}

/// The type's fields that are shown, and how.
fn shown(view: &View, ty: &Type) -> Vec<(usize, &'static str)> {
    if let Some(shape) = view.class.guarded(ty.id) {
        return shape.measures.iter().map(|field| (*field, "AGGREGATE")).collect();
    }
    let seen = (0..ty.fields.len()).filter(|i| view.sees(ty.id, *i));
    seen.map(|i| (i, access(i, &view.of(ty.id).fields[i]))).collect()
}

fn truth(is: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if is { b"true" } else { b"false" });
}

/// How a field is shown over all rows of the view.
pub fn access(index: usize, field: &FieldView) -> &'static str {
    match &field.levels[..] {
        _ if index == 0 => "FULL",
        [(p, Treatment::Full)] if p.is_always() => "FULL",
        [(p, _)] if p.is_always() => "TREATED",
        levels if levels.iter().all(|(_, shown)| *shown != Treatment::Full) => "TREATED",
        _ => "CONDITIONAL",
    }
}
