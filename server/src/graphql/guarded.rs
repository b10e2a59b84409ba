//! `<type>Aggregate` of a type that is shown in sums only. The statement reads the whole grid whatever is asked,
//! since what may be told of a part depends on all of it; see `access::guard`.

use entities::meta::Kind;

use super::{
    compile::{Compiler, Wanted},
    filter,
    group::COST,
    plan::{GroupPart, GroupValue, Root, Step, Write, key_write},
    value::Node,
};
use crate::{
    access::{
        guard::Shape,
        select::{Cells, Told},
    },
    catalogue::{CATALOGUE, Type, TypeId, pascal, screaming},
    error::{Error, Result},
};

pub fn compile<'a>(
    compiler: &mut Compiler<'a>,
    ty: &'static Type,
    shape: &Shape,
    wanted: &Wanted<'a>,
) -> Result<(Root, usize)> {
    let by = sides(compiler, ty, shape, wanted)?;
    let cells = Cells::new(compiler.view, compiler.dialect, ty.id);
    let mut cells = cells.ok_or_else(|| Error::internal(format!("{} has no guard", ty.name)))?;
    if let Some(node) = compiler.argument(wanted.field, "filter").filter(|n| !matches!(n, Node::Null)) {
        let condition = filter::of_cells(compiler, &mut cells, shape, &node, "filter")?;
        cells.keep(condition);
    }
    let step = compiler.reserve();
    let (statement, told) = cells.groups(by.clone());
    compiler.fill(step, Step { statement, parent: None, version: Some(told.version()) });
    let mut group = Vec::new();
    for (name, wanted) in &compiler.collect(&wanted.inner, &format!("{}Group", ty.name), &[])? {
        let part = match wanted.field.name.node.as_str() {
            "count" => GroupPart::Count(told.rows()),
            "suppressed" => GroupPart::Suppressed(told.suppressed()),
            "__typename" => GroupPart::Typename(format!("{}Group", ty.name)),
            word => {
                let of = format!("{}{}", ty.name, pascal(word));
                let mut values = Vec::new();
                for (name, wanted) in &compiler.collect(&wanted.inner, &of, &[])? {
                    let field = wanted.field.name.node.as_str();
                    let value = match (field, word) {
                        ("__typename", _) => GroupValue::Typename(of.clone()),
                        (_, "key") => key(shape, &by, field),
                        _ => number(ty, shape, told, word, field)?,
                    };
                    values.push((name.clone(), value));
                }
                GroupPart::Values(values)
            }
        };
        group.push((name.clone(), part));
    }
    let mut types: Vec<TypeId> = by.iter().map(|side| shape.grid[*side].of).chain([ty.id]).collect();
    types.sort_unstable();
    types.dedup();
    Ok((Root::Groups { step, group, types }, COST))
}

/// The sides of the grid that are grouped by, as the document names them.
fn sides(compiler: &Compiler<'_>, ty: &Type, shape: &Shape, wanted: &Wanted<'_>) -> Result<Vec<usize>> {
    let node = compiler.argument(wanted.field, "groupBy").filter(|n| !matches!(n, Node::Null));
    let mut by = Vec::new();
    for item in node.iter().flat_map(Node::items) {
        let json = item.json();
        let name = json.as_str().unwrap_or_default();
        let side = shape.grid.iter().position(|side| screaming(&side.name) == name);
        let side = side
            .ok_or_else(|| Error::input(format!("`groupBy` names `{name}`, which is no key of {}GroupBy", ty.name)))?;
        if !by.contains(&side) {
            by.push(side);
        }
    }
    Ok(by)
}

fn key(shape: &Shape, by: &[usize], name: &str) -> GroupValue {
    let column = by.iter().position(|side| shape.grid[*side].name == name);
    column.map_or(GroupValue::Null, |column| {
        let side = &shape.grid[by[column]];
        let field = &CATALOGUE.ty(side.of).fields[side.field];
        GroupValue::Cell { column, write: key_write(field.kind, side.bucket, !field.one_of.is_empty()) }
    })
}

fn number(ty: &Type, shape: &Shape, told: Told, word: &str, name: &str) -> Result<GroupValue> {
    let measure = shape.measures.iter().position(|field| ty.fields[*field].name == name);
    let measure = measure.ok_or_else(|| Error::Validation(format!("unknown field `{name}`")))?;
    let kind = ty.fields[shape.measures[measure]].kind;
    let sum = told.sum(measure);
    Ok(match (word, kind) {
        ("avg", kind) => GroupValue::Average { sum, values: told.values(measure), kind },
        (_, Kind::Int) => GroupValue::Whole(sum),
        _ => GroupValue::Cell { column: sum, write: Write::Decimal },
    })
}
