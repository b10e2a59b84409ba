//! `filter` → conditions. A field is the expression that the view shows, and a related row counts only
//! if the view shows it, so a filter can tell nothing that a selection could not.

use super::{
    compile::{Compiler, origin_of},
    model::{self, Shown},
    plan::Input,
    value::{Expected, Node, Origin},
};
use crate::{
    access::{
        guard::Shape,
        select::{Cells, Piece, RowRef, Select, Test},
    },
    catalogue::{CATALOGUE, Type},
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
    within_limits(node, place)?;
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

fn within_limits(node: &Node, place: &str) -> Result<()> {
    if place.matches('.').count() > DEEPEST {
        return Err(Error::Cost(format!("the filter nests deeper than {DEEPEST} levels, simplify it")));
    }
    if !place.contains('.') && size(node) > LARGEST {
        return Err(Error::Cost(format!(
            "the filter has more than {LARGEST} conditions, name the values of a field together with `in`"
        )));
    }
    Ok(())
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

/// What a test of a value becomes.
enum Tested {
    Null(bool),
    Value(Test, usize),
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
    let expected = Expected::of(index, &ty.fields[index], ty.id, String::new());
    for tested in tests(compiler, node, place, &expected)? {
        all.push(match tested {
            Tested::Null(null) => select.is_null(row, index, null),
            Tested::Value(test, slot) => select.test(row, index, test, slot),
        });
    }
    Ok(())
}

fn tests(compiler: &mut Compiler<'_>, node: &Node, place: &str, expected: &Expected) -> Result<Vec<Tested>> {
    let Node::Object(tests) = node else {
        return Err(Error::input(format!("`{place}` takes tests, as in `{{ eq: … }}`")));
    };
    let mut all = Vec::new();
    for (word, value) in tests {
        let here = format!("{place}.{word}");
        if word == "isNull" {
            match value.json().as_bool() {
                Some(null) => all.push(Tested::Null(null)),
                None if matches!(value, Node::Null) => {}
                None => return Err(Error::input(format!("`{here}` needs true or false"))),
            }
            continue;
        }
        let Some((_, test, list)) = TESTS.iter().find(|(name, ..)| name == word) else { return Err(unknown(&here)) };
        if matches!(value, Node::Null) {
            // a comparison with null asks for it; other tests of null are as if not written
            match test {
                Test::Eq => all.push(Tested::Null(true)),
                Test::Ne => all.push(Tested::Null(false)),
                _ => {}
            }
            continue;
        }
        let mut expected = expected.clone();
        expected.place = here.clone();
        expected.list = *list;
        expected.pattern = *test == Test::Like;
        let origin = origin_of(value).ok_or_else(|| Error::input(format!("`{here}` takes a value, not an object")))?;
        // a wrong value is told now, before anything runs
        let arg = expected.coerce(&value.json(), compiler.codec)?;
        let slot = compiler.input(match origin {
            Origin::Literal(_) => Input::Ready(arg),
            origin => Input::Read { origin, expected },
        });
        all.push(Tested::Value(*test, slot));
    }
    Ok(all)
}

/// The filter of a guarded aggregate: it knows the sides of the grid and nothing else, so that it picks whole
/// cells.
pub fn of_cells(
    compiler: &mut Compiler<'_>,
    cells: &mut Cells<'_>,
    shape: &Shape,
    node: &Node,
    place: &str,
) -> Result<Piece> {
    within_limits(node, place)?;
    let Node::Object(parts) = node else {
        return Err(Error::input(format!("`{place}` is no object, expected the keys to filter by")));
    };
    let mut all = Vec::new();
    for (name, value) in parts.iter().filter(|(_, value)| !matches!(value, Node::Null)) {
        let here = format!("{place}.{name}");
        match name.as_str() {
            "and" | "or" => {
                let items = value.items();
                let pieces = items.into_iter().map(|item| of_cells(compiler, cells, shape, item, &here));
                let pieces = pieces.collect::<Result<Vec<_>>>()?;
                all.push(if name == "and" { Select::all(pieces) } else { Select::any(pieces) });
            }
            "not" => {
                let piece = of_cells(compiler, cells, shape, value, &here)?;
                all.push(Select::negate(&piece));
            }
            _ => {
                let side = shape.grid.iter().position(|side| side.name == *name).ok_or_else(|| unknown(&here))?;
                let dimension = &shape.grid[side];
                let field = &CATALOGUE.ty(dimension.of).fields[dimension.field];
                let mut expected = Expected::of(dimension.field, field, dimension.of, String::new());
                expected.kind = dimension.kind();
                for tested in tests(compiler, value, &here, &expected)? {
                    all.push(match tested {
                        Tested::Null(null) => cells.is_null(side, null),
                        Tested::Value(test, slot) => cells.test(side, test, slot),
                    });
                }
            }
        }
    }
    Ok(Select::all(all))
}
