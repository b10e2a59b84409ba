//! `<type>Aggregate`: numbers over the rows of the view. What is summed or grouped by is the value that
//! the view shows, so a hidden row or field moves no number.

use super::{
    compile::{Compiler, Selected, Wanted},
    filter,
    model::{self, GroupKey},
    plan::{GROUPS, GroupPart, GroupValue, Root, Step, Write, key_write},
    value::Node,
};
use crate::{
    access::select::{Aggregate, Select},
    catalogue::{CATALOGUE, Type, pascal},
    error::{Error, Result},
};

/// What an aggregate weighs against pages: it reads many rows and returns few.
pub const COST: usize = 100;

pub fn compile<'a>(compiler: &mut Compiler<'a>, ty: &'static Type, wanted: &Wanted<'a>) -> Result<(Root, usize)> {
    let keys = keys(compiler, ty, wanted)?;
    let view = compiler.view;
    let (mut select, row) = Select::all_rows(view, compiler.dialect, ty.id);
    let mut columns = Vec::with_capacity(keys.len());
    for key in &keys {
        let from = match key.over {
            None => row,
            Some(over) => select.join(row, over).ok_or_else(|| Error::internal("a group key leads nowhere"))?,
        };
        columns.push(select.key(from, key.field, key.bucket));
    }
    let mut group = Vec::new();
    for (name, wanted) in &compiler.collect(&wanted.inner, &format!("{}Group", ty.name), &[])? {
        let word = wanted.field.name.node.as_str();
        let part = match word {
            "count" => GroupPart::Count(select.count_column()),
            "__typename" => GroupPart::Typename(format!("{}Group", ty.name)),
            _ => {
                let of = format!("{}{}", ty.name, pascal(word));
                let asked = compiler.collect(&wanted.inner, &of, &[])?;
                GroupPart::Values(values(&mut select, ty, word, &of, &asked, &keys, &columns)?)
            }
        };
        group.push((name.clone(), part));
    }
    if let Some(node) = compiler.argument(wanted.field, "filter").filter(|n| !matches!(n, Node::Null)) {
        let condition = filter::compile(compiler, &mut select, row, ty, &node, "filter")?;
        select.keep(condition);
    }
    if columns.is_empty() {
        // one group, whatever is asked of it: without an aggregate it would be one for each row
        select.count_column();
    }
    let step = compiler.reserve();
    let (statement, version) = select.groups(&columns, GROUPS + 1);
    compiler.fill(step, Step { statement, parent: None, version: Some(version) });
    let mut types = vec![ty.id];
    types.extend(keys.iter().map(|key| key.ty));
    types.sort_unstable();
    types.dedup();
    Ok((Root::Groups { step, group, types }, COST))
}

fn keys(compiler: &Compiler<'_>, ty: &Type, wanted: &Wanted<'_>) -> Result<Vec<GroupKey>> {
    let Some(node) = compiler.argument(wanted.field, "groupBy").filter(|n| !matches!(n, Node::Null)) else {
        return Ok(Vec::new());
    };
    let known = model::group_keys(&compiler.view.class, ty);
    let mut keys: Vec<GroupKey> = Vec::new();
    for item in node.items() {
        let json = item.json();
        let name = json.as_str().unwrap_or_default();
        let key = known.iter().find(|k| k.value == name);
        let key = key
            .ok_or_else(|| Error::input(format!("`groupBy` names `{name}`, which is no key of {}GroupBy", ty.name)))?;
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    if keys.len() > 8 {
        return Err(Error::input("`groupBy` takes at most eight keys"));
    }
    Ok(keys)
}

fn values(
    select: &mut Select<'_>,
    ty: &Type,
    word: &str,
    of: &str,
    asked: &Selected<'_>,
    keys: &[GroupKey],
    columns: &[usize],
) -> Result<Vec<(String, GroupValue)>> {
    let mut out = Vec::new();
    for (name, wanted) in asked {
        let field = wanted.field.name.node.as_str();
        let value = if field == "__typename" {
            GroupValue::Typename(of.to_string())
        } else if word == "key" {
            // a key that was not grouped by is null
            keys.iter().position(|k| k.name == field).map_or(GroupValue::Null, |i| {
                let key = &keys[i];
                let def = &CATALOGUE.ty(key.ty).fields[key.field];
                GroupValue::Cell { column: columns[i], write: key_write(def.kind, key.bucket, !def.one_of.is_empty()) }
            })
        } else {
            let index = ty.field_index(field).ok_or_else(|| Error::Validation(format!("unknown field `{field}`")))?;
            let kind = ty.fields[index].kind;
            match word {
                "sum" if kind == entities::meta::Kind::Int => {
                    GroupValue::Whole(select.aggregate(index, Aggregate::Sum))
                }
                "sum" => GroupValue::Cell { column: select.aggregate(index, Aggregate::Sum), write: Write::Decimal },
                "avg" => GroupValue::Average {
                    sum: select.aggregate(index, Aggregate::Sum),
                    values: select.aggregate(index, Aggregate::Values),
                    kind,
                },
                "min" => {
                    GroupValue::Cell { column: select.aggregate(index, Aggregate::Min), write: Write::of(kind, false) }
                }
                _ => {
                    GroupValue::Cell { column: select.aggregate(index, Aggregate::Max), write: Write::of(kind, false) }
                }
            }
        };
        out.push((name.clone(), value));
    }
    Ok(out)
}
