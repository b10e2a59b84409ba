//! `filter` → conditions. A field is the expression that the view shows, and a related row counts only
//! if the view shows it, so a filter can tell nothing that a selection could not.

use super::{
    compile::{Compiler, origin_of},
    model::{self, Shown},
    plan::Input,
    value::{Expected, Node, Origin},
};
use crate::{
    access::select::{Piece, RowRef, Select, Test},
    catalogue::Type,
    error::{Error, Result},
};

/// Whether a test takes a list, and its name in filters.
const TESTS: &[(&str, Test, bool)] = &[
    ("eq", Test::Eq, false),
    ("ne", Test::Ne, false),
    ("in", Test::In, true),
    ("notIn", Test::NotIn, true),
    ("gt", Test::Gt, false),
    ("gte", Test::Gte, false),
    ("lt", Test::Lt, false),
    ("lte", Test::Lte, false),
    ("like", Test::Like, false),
];

const DEEPEST: usize = 12;
/// Conditions of one filter, those that only join others included. SQLite nests 1000 expressions at most.
const LARGEST: usize = 500;

pub fn compile<'a>(
    compiler: &mut Compiler<'a>,
    select: &mut Select<'a>,
    row: RowRef,
    ty: &'static Type,
    node: &Node,
    place: &str,
) -> Result<Piece> {
    if place.matches('.').count() > DEEPEST {
        return Err(Error::Cost(format!("the filter nests deeper than {DEEPEST} levels, simplify it")));
    }
    if !place.contains('.') && size(node) > LARGEST {
        return Err(Error::Cost(format!(
            "the filter has more than {LARGEST} conditions, name the values of a field together with `in`"
        )));
    }
    let Node::Object(parts) = node else {
        return Err(Error::input(format!("`{place}` is no object, expected the fields of {}Filter", ty.name)));
    };
    let mut all = Vec::new();
    for (name, value) in parts {
        let here = format!("{place}.{name}");
        if matches!(value, Node::Null) {
            // as if it were not written
            continue;
        }
        match name.as_str() {
            "and" | "or" => {
                let mut pieces = Vec::new();
                for item in value.items() {
                    pieces.push(compile(compiler, select, row, ty, item, &here)?);
                }
                all.push(if name == "and" { Select::all(pieces) } else { Select::any(pieces) });
            }
            "not" => {
                let piece = compile(compiler, select, row, ty, value, &here)?;
                all.push(Select::negate(&piece));
            }
            _ => {
                let view = compiler.view;
                match model::field(&view.class, ty, name) {
                    Some(Shown::Scalar(i, _)) => scalar(compiler, select, row, ty, i, value, &here, &mut all)?,
                    Some(Shown::One(i, _, to)) => {
                        let piece = select
                            .related(row, i, |select, target| compile(compiler, select, target, to, value, &here))?;
                        all.push(piece);
                    }
                    Some(Shown::Many(list, of)) => {
                        let Node::Object(parts) = value else { return Err(unknown(&here)) };
                        for (word, inner) in parts.iter().filter(|(_, n)| !matches!(n, Node::Null)) {
                            let there = format!("{here}.{word}");
                            let piece = select.some(row, of.id, list.by, |select, target| {
                                compile(compiler, select, target, of, inner, &there)
                            })?;
                            match word.as_str() {
                                "some" => all.push(piece),
                                "none" => all.push(Select::negate(&piece)),
                                _ => return Err(unknown(&there)),
                            }
                        }
                    }
                    None => return Err(unknown(&here)),
                }
            }
        }
    }
    Ok(Select::all(all))
}

fn size(node: &Node) -> usize {
    match node {
        Node::Null | Node::Leaf(..) => 0,
        Node::List(items, ..) => items.iter().map(size).sum(),
        Node::Object(parts) => 1 + parts.values().map(size).sum::<usize>(),
    }
}

fn unknown(place: &str) -> Error {
    Error::input(format!("`{place}` is unknown, see the filter's type in the schema"))
}

#[allow(clippy::too_many_arguments)]
fn scalar<'a>(
    compiler: &mut Compiler<'a>,
    select: &mut Select<'a>,
    row: RowRef,
    ty: &'static Type,
    index: usize,
    node: &Node,
    place: &str,
    all: &mut Vec<Piece>,
) -> Result<()> {
    let Node::Object(tests) = node else {
        return Err(Error::input(format!("`{place}` takes tests, as in `{{ eq: … }}`")));
    };
    for (word, value) in tests {
        let here = format!("{place}.{word}");
        if word == "isNull" {
            match value.json().as_bool() {
                Some(null) => all.push(select.is_null(row, index, null)),
                None if matches!(value, Node::Null) => {}
                None => return Err(Error::input(format!("`{here}` needs true or false"))),
            }
            continue;
        }
        let Some((_, test, list)) = TESTS.iter().find(|(name, ..)| name == word) else { return Err(unknown(&here)) };
        if matches!(value, Node::Null) {
            // a comparison with null asks for it; other tests of null are as if not written
            match test {
                Test::Eq => all.push(select.is_null(row, index, true)),
                Test::Ne => all.push(select.is_null(row, index, false)),
                _ => {}
            }
            continue;
        }
        let mut expected = Expected::of(index, &ty.fields[index], ty.id, here.clone());
        expected.list = *list;
        expected.pattern = *test == Test::Like;
        let origin = origin_of(value).ok_or_else(|| Error::input(format!("`{here}` takes a value, not an object")))?;
        // a wrong value is told now, before anything runs
        let arg = expected.coerce(&value.json(), compiler.codec)?;
        let slot = compiler.input(match origin {
            Origin::Literal(_) => Input::Ready(arg),
            origin => Input::Read { origin, expected },
        });
        all.push(select.test(row, index, *test, slot));
    }
    Ok(())
}
