//! Connections: pages of the root and of each row of a list above, with their order and cursors.

use std::sync::Arc;

use async_graphql::parser::types::Field as Asked;
use serde_json::Value as Json;

use super::{
    compile::{Compiler, Wanted},
    filter, model,
    plan::{Cursor, EdgePart, Input, List, ListPart, PagePart, Parent, Step},
    value::Node,
};
use crate::{
    access::{
        View,
        read::Arg,
        select::{OrderBy, RowRef, Select},
    },
    catalogue::Type,
    error::{Error, Result},
};

/// The rows above a list: their step, the column of their key, and our field that points there.
pub type Above = (usize, usize, usize);

/// What of a connection must be read to write what was asked.
#[derive(Default)]
struct Needs {
    rows: bool,
    /// One row more than the page, to tell whether there are any.
    more: bool,
    cursor: bool,
    count: bool,
    /// Of one row.
    cost: usize,
}

impl<'a> Compiler<'a> {
    pub fn list(&mut self, ty: &'static Type, wanted: &Wanted<'a>, above: Option<Above>) -> Result<(List, usize)> {
        let field = wanted.field;
        let (limit, backward) = self.page_size(field)?;
        let order = self.order(ty, field)?;
        let filter = self.argument(field, "filter").filter(|n| !matches!(n, Node::Null));
        let name = list_name(ty, &order);
        let (mut select, row) = self.rows(ty, above);
        select.order(&order, backward);
        let step = self.reserve();
        let mut needs = Needs::default();
        let parts = self.list_parts(ty, wanted, step, &mut select, row, &mut needs)?;
        let mut list = List {
            rows: None,
            count: None,
            parent: above.map(|(_, key, _)| key),
            parts,
            limit,
            backward,
            has_after: false,
            has_before: false,
            cursor: Cursor { list: name.clone(), columns: Vec::new() },
        };
        if !needs.rows {
            // nothing can wait for rows that nobody asked for, so this was the last place given out
            self.give_back(step);
        }
        if needs.count {
            list.count = Some(self.count_step(ty, filter.as_ref(), above)?);
        }
        if needs.rows {
            list.rows = Some(step);
            self.narrow(&mut select, row, ty, filter.as_ref())?;
            list.has_after = self.beyond(&mut select, field, "after", &name)?;
            list.has_before = self.beyond(&mut select, field, "before", &name)?;
            if needs.cursor {
                let columns = select.cursor_columns();
                let kinds = cursor_fields(&order).into_iter().map(|f| ty.fields[f].kind);
                list.cursor.columns = columns.into_iter().zip(kinds).collect();
            }
            let rows = limit + usize::from(needs.more);
            let filled = match above {
                None => {
                    let version = select.version();
                    Step { statement: select.page(rows), parent: None, version: Some(version) }
                }
                Some((of, key, by)) => {
                    let slot = self.parent_slot();
                    let parent = Some(Parent { step: of, key, slot });
                    Step { statement: select.page_of_each(by, slot, rows), parent, version: None }
                }
            };
            self.fill(step, filled);
        }
        Ok((list, needs.cost.saturating_mul(limit).saturating_add(1)))
    }

    fn rows(&self, ty: &'static Type, above: Option<Above>) -> (Select<'a>, RowRef) {
        let view: &'a View = self.view;
        match above {
            None => Select::rows(view, self.dialect, ty.id),
            Some((.., by)) => Select::children(view, self.dialect, ty.id, by),
        }
    }

    fn narrow(&mut self, select: &mut Select<'a>, row: RowRef, ty: &'static Type, filter: Option<&Node>) -> Result<()> {
        if let Some(filter) = filter {
            let condition = filter::compile(self, select, row, ty, filter, "filter")?;
            select.keep(condition);
        }
        Ok(())
    }

    fn count_step(&mut self, ty: &'static Type, filter: Option<&Node>, above: Option<Above>) -> Result<usize> {
        let (mut select, row) = match above {
            None => Select::all_rows(self.view, self.dialect, ty.id),
            Some(_) => self.rows(ty, above),
        };
        self.narrow(&mut select, row, ty, filter)?;
        let index = self.reserve();
        let step = match above {
            None => Step { statement: select.count(), parent: None, version: Some(1) },
            Some((of, key, by)) => {
                let slot = self.parent_slot();
                let parent = Some(Parent { step: of, key, slot });
                Step { statement: select.count_of_each(by, slot), parent, version: None }
            }
        };
        self.fill(index, step);
        Ok(index)
    }

    fn list_parts(
        &mut self,
        ty: &'static Type,
        wanted: &Wanted<'a>,
        step: usize,
        select: &mut Select<'a>,
        row: RowRef,
        needs: &mut Needs,
    ) -> Result<Vec<(String, ListPart)>> {
        let mut parts = Vec::new();
        for (key, wanted) in &self.collect(&wanted.inner, &format!("{}Connection", ty.name), &[])? {
            let part = match wanted.field.name.node.as_str() {
                "__typename" => ListPart::Typename(format!("{}Connection", ty.name)),
                "totalCount" => {
                    needs.count = true;
                    ListPart::TotalCount
                }
                "nodes" => {
                    needs.rows = true;
                    let (object, price) = self.object(select, row, ty, step, &wanted.inner, &["Node"])?;
                    needs.cost = needs.cost.saturating_add(price);
                    ListPart::Nodes(object)
                }
                "edges" => {
                    needs.rows = true;
                    ListPart::Edges(self.edge_parts(ty, wanted, step, select, row, needs)?)
                }
                _ => {
                    needs.rows = true;
                    ListPart::PageInfo(self.page_parts(wanted, needs)?)
                }
            };
            parts.push((key.clone(), part));
        }
        Ok(parts)
    }

    fn edge_parts(
        &mut self,
        ty: &'static Type,
        wanted: &Wanted<'a>,
        step: usize,
        select: &mut Select<'a>,
        row: RowRef,
        needs: &mut Needs,
    ) -> Result<Vec<(String, EdgePart)>> {
        let mut parts = Vec::new();
        for (key, wanted) in &self.collect(&wanted.inner, &format!("{}Edge", ty.name), &[])? {
            let part = match wanted.field.name.node.as_str() {
                "cursor" => {
                    needs.cursor = true;
                    EdgePart::Cursor
                }
                "node" => {
                    let (object, price) = self.object(select, row, ty, step, &wanted.inner, &["Node"])?;
                    needs.cost = needs.cost.saturating_add(price);
                    EdgePart::Node(object)
                }
                _ => EdgePart::Typename(format!("{}Edge", ty.name)),
            };
            parts.push((key.clone(), part));
        }
        Ok(parts)
    }

    fn page_parts(&self, wanted: &Wanted<'a>, needs: &mut Needs) -> Result<Vec<(String, PagePart)>> {
        let mut parts = Vec::new();
        for (key, wanted) in &self.collect(&wanted.inner, "PageInfo", &[])? {
            let part = match wanted.field.name.node.as_str() {
                "hasNextPage" => PagePart::HasNext,
                "hasPreviousPage" => PagePart::HasPrevious,
                "startCursor" => PagePart::Start,
                "endCursor" => PagePart::End,
                _ => PagePart::Typename,
            };
            needs.cursor |= matches!(part, PagePart::Start | PagePart::End);
            needs.more |= matches!(part, PagePart::HasNext | PagePart::HasPrevious);
            parts.push((key.clone(), part));
        }
        Ok(parts)
    }

    fn page_size(&self, field: &Asked) -> Result<(usize, bool)> {
        let size = |name: &str| -> Result<Option<usize>> {
            let Some(node) = self.argument(field, name).filter(|n| !matches!(n, Node::Null)) else { return Ok(None) };
            let max = self.limits.page_max;
            let json = node.json();
            match json.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= max) {
                Some(n) => Ok(Some(n)),
                None => Err(Error::input(format!("`{name}` is `{json}`, expected a number from 0 to {max}"))),
            }
        };
        match (size("first")?, size("last")?) {
            (Some(_), Some(_)) => Err(Error::input("give `first` or `last`, not both")),
            (None, Some(n)) => Ok((n, true)),
            (n, None) => Ok((n.unwrap_or(self.limits.page_default), false)),
        }
    }

    fn order(&self, ty: &Type, field: &Asked) -> Result<Vec<OrderBy>> {
        let Some(node) = self.argument(field, "orderBy").filter(|n| !matches!(n, Node::Null)) else {
            return Ok(Vec::new());
        };
        let mut order: Vec<OrderBy> = Vec::new();
        for item in node.items() {
            let Node::Object(parts) = item else { return Err(Error::input("`orderBy` takes `{ field, direction }`")) };
            let name = parts.get("field").map(Node::json);
            let name = name.as_ref().and_then(Json::as_str).unwrap_or_default();
            let found = model::orderable(&self.view.class, ty).find(|(_, f)| model::order_value(f) == name);
            let (index, _) = found
                .ok_or_else(|| Error::input(format!("`orderBy` names `{name}`, which is no field to order by")))?;
            let direction = parts.get("direction").map(Node::json);
            let descending = match direction.as_ref().and_then(Json::as_str) {
                None | Some("ASC") => false,
                Some("DESC") => true,
                Some(other) => return Err(Error::input(format!("`direction` is `{other}`, expected ASC or DESC"))),
            };
            if !order.iter().any(|o| o.field == index) {
                order.push(OrderBy { field: index, descending });
            }
        }
        if order.len() > 8 {
            return Err(Error::input("`orderBy` takes at most eight fields"));
        }
        Ok(order)
    }

    fn beyond(&mut self, select: &mut Select<'a>, field: &Asked, argument: &'static str, list: &str) -> Result<bool> {
        let (json, origin) = match self.argument(field, argument) {
            None | Some(Node::Null) => return Ok(false),
            Some(Node::Leaf(json, origin)) => (json, origin),
            Some(_) => return Err(bad_cursor(argument)),
        };
        let values =
            json.as_str().and_then(|text| self.codec.read_cursor(list, text)).ok_or_else(|| bad_cursor(argument))?;
        let nulls: Vec<bool> = values.iter().map(|v| *v == Arg::Null).collect();
        let list: Arc<str> = list.into();
        let slots: Vec<usize> = (0..values.len())
            .map(|index| self.input(Input::Cursor { origin: origin.clone(), list: list.clone(), index, argument }))
            .collect();
        select.beyond(argument == "before", &nulls, &slots);
        Ok(true)
    }
}

pub fn bad_cursor(argument: &str) -> Error {
    Error::input(format!(
        "`{argument}` is no cursor of this list; use one that the same list gave with the same `orderBy`, or leave it out to start over"
    ))
}

/// What a cursor belongs to: the type and the order.
fn list_name(ty: &Type, order: &[OrderBy]) -> String {
    let terms: Vec<String> =
        order.iter().map(|o| format!("{}{}", ty.fields[o.field].name, if o.descending { "-" } else { "+" })).collect();
    format!("{}:{}", ty.name, terms.join(","))
}

fn cursor_fields(order: &[OrderBy]) -> Vec<usize> {
    let mut fields: Vec<usize> = order.iter().map(|o| o.field).collect();
    if !fields.contains(&0) {
        fields.push(0);
    }
    fields
}
