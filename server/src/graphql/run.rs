//! Runs a plan: binds, asks the database a fixed number of times, writes the answer.

use entities::{Instant, meta::Kind};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{
    ids::Codec,
    json,
    page::bad_cursor,
    plan::{EdgePart, GROUPS, GroupPart, GroupValue, Input, List, ListPart, Object, PagePart, Part, Plan, Root, Write},
    tools::Asker,
};
use crate::{
    access::{
        Gate, Reading, View,
        read::{Arg, Cell, Rows},
        select::{Binding, day_of},
    },
    audit::Delivered,
    catalogue::{CATALOGUE, TypeId},
    error::{Error, Result},
};

pub struct Run<'a> {
    pub gate: &'a Gate,
    pub view: &'a View,
    pub plan: &'a Plan,
    pub codec: &'a Codec,
    pub variables: &'a Map<String, Json>,
    pub me: Uuid,
    pub now: Instant,
    /// Who calls an operator's tools; a subscription has none.
    pub asker: Option<Asker<'a>>,
    /// What the schema answered to introspection, by answer key.
    pub introspection: Option<Json>,
}

/// The rows of a step, and where those of each parent are.
pub struct Found {
    rows: Rows,
    /// The first column is the parent's key.
    offset: usize,
    of: Spans,
}

impl Found {
    /// Of a step that waits for no other.
    pub fn of(rows: Rows) -> Self {
        Found { rows, offset: 0, of: Spans::default() }
    }

    fn keys(&self, column: usize) -> Vec<Uuid> {
        let mut keys: Vec<Uuid> = (0..self.rows.len()).filter_map(|r| self.rows.id(r, column + self.offset)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// What a run gives.
pub struct Answered {
    /// The answer as far as the end of the fields.
    out: Vec<u8>,
    /// Paths of the fields that the row hides, written.
    hidden: Vec<u8>,
    /// The rows that are in it, by type in the catalogue's order.
    pub delivered: Vec<Delivered>,
}

/// How an answer begins.
const HEAD: &[u8] = b"{\"data\":{";

impl Answered {
    /// `"customers":{…}`
    pub fn fields(&self) -> &[u8] {
        &self.out[HEAD.len()..]
    }

    /// `["customers","nodes",0,"city"]`
    pub fn hidden(&self) -> &[u8] {
        &self.hidden
    }

    pub fn into_body(mut self) -> Vec<u8> {
        self.out.push(b'}');
        access(&mut self.out, &self.hidden);
        self.out.push(b'}');
        self.out
    }
}

/// Tells which fields are null because the row hides them.
pub fn access(out: &mut Vec<u8>, hidden: &[u8]) {
    if !hidden.is_empty() {
        out.extend_from_slice(b",\"extensions\":{\"access\":[");
        out.extend_from_slice(hidden);
        out.extend_from_slice(b"]}");
    }
}

/// `None`: the view was stale, the answer is thrown away.
pub async fn run(run: &Run<'_>) -> Result<Option<Answered>> {
    let plan = run.plan;
    let (mut results, mut current) = (Vec::new(), false);
    if !plan.steps.is_empty() {
        let mut session = run.gate.session(plan.steps.len() > 1).await?;
        results = gather(run, &mut session, run.slots()?, true).await?;
        session.finish().await?;
    }
    for (step, found) in plan.steps.iter().zip(&results) {
        if let Some(column) = step.version
            && !found.rows.is_empty()
        {
            if found.rows.int(0, column) != Some(run.view.version) {
                return Ok(None);
            }
            current = true;
        }
    }
    // no row came that could have told the version
    if !current && run.gate.version().await? != run.view.version {
        return Ok(None);
    }
    let mut told = Vec::with_capacity(plan.calls.len());
    if let Some(asker) = &run.asker {
        for call in &plan.calls {
            told.push(call.run(asker, run.variables).await?);
        }
    }
    let mut writer = Writer {
        run,
        results: &results,
        told: &told,
        out: Vec::with_capacity(4096),
        path: Vec::new(),
        hidden: Vec::new(),
        delivered: vec![Delivered::default(); CATALOGUE.types.len()],
    };
    writer.out.extend_from_slice(HEAD);
    for (key, root) in &plan.roots {
        writer.key(key);
        writer.path.push(Segment::Key(key));
        writer.root(key, root)?;
        writer.path.pop();
    }
    Ok(Some(Answered { out: writer.out, hidden: writer.hidden, delivered: writer.delivered }))
}

/// The rows of a plan's steps, one after the other. With `ends` the last one ends the reading's snapshot.
pub async fn gather(run: &Run<'_>, reading: &mut Reading<'_>, mut slots: Vec<Arg>, ends: bool) -> Result<Vec<Found>> {
    let steps = &run.plan.steps;
    let mut results: Vec<Found> = Vec::with_capacity(steps.len());
    for (i, step) in steps.iter().enumerate() {
        if let Some(parent) = &step.parent {
            let keys = results[parent.step].keys(parent.key);
            if keys.is_empty() {
                results.push(Found { rows: Rows::none(), offset: 1, of: Spans::default() });
                continue;
            }
            slots[parent.slot] = Arg::Ids(keys);
        }
        let binding = Binding { now: run.now, me: run.me, secret: run.codec.secret(), slots: &slots };
        let rows = match ends && i + 1 == steps.len() {
            true => reading.run_last(&step.statement, &binding).await?,
            false => reading.run(&step.statement, &binding).await?,
        };
        let offset = usize::from(step.parent.is_some());
        let of = if offset == 1 { Spans::of(&rows) } else { Spans::default() };
        results.push(Found { rows, offset, of });
    }
    Ok(results)
}

/// An object of an answer that is written piece by piece.
#[derive(Debug, Default)]
pub struct Written {
    pub body: Vec<u8>,
    /// Paths of the fields that the row hides.
    pub hidden: Vec<u8>,
    pub delivered: Vec<(TypeId, Delivered)>,
}

/// The row with this key, at this path of its answer; null if the step has none.
pub fn node(run: &Run<'_>, results: &[Found], step: usize, key: Uuid, object: &Object, path: [&str; 2]) -> Written {
    let rows = &results[step].rows;
    let Some(row) = (0..rows.len()).find(|r| rows.id(*r, object.present) == Some(key)) else {
        return Written { body: b"null".to_vec(), ..Written::default() };
    };
    let mut writer = Writer {
        run,
        results,
        told: &[],
        out: Vec::with_capacity(512),
        path: path.into_iter().map(Segment::Key).collect(),
        hidden: Vec::new(),
        delivered: vec![Delivered::default(); CATALOGUE.types.len()],
    };
    writer.object(step, row, object);
    let delivered = writer.delivered.into_iter().enumerate().filter(|(_, d)| d.rows > 0);
    Written {
        body: writer.out,
        hidden: writer.hidden,
        delivered: delivered.map(|(ty, delivered)| (TypeId(ty), delivered)).collect(),
    }
}

/// The rows of each parent, which stand together: parent, first row and number, in the parents' order.
#[derive(Default)]
struct Spans(Vec<(Uuid, usize, usize)>);

impl Spans {
    fn of(rows: &Rows) -> Self {
        let mut all: Vec<(Uuid, usize, usize)> = Vec::new();
        for r in 0..rows.len() {
            let Some(parent) = rows.id(r, 0) else { continue };
            match all.last_mut() {
                Some((last, _, count)) if *last == parent => *count += 1,
                _ => all.push((parent, r, 1)),
            }
        }
        all.sort_unstable();
        Spans(all)
    }

    fn get(&self, parent: Uuid) -> Option<(usize, usize)> {
        let found = self.0.binary_search_by_key(&parent, |(of, ..)| *of).ok()?;
        let (_, first, count) = self.0[found];
        Some((first, count))
    }
}

impl Run<'_> {
    /// Those of the inputs are filled.
    pub fn slots(&self) -> Result<Vec<Arg>> {
        let mut slots = Vec::with_capacity(self.plan.slots);
        for input in &self.plan.inputs {
            slots.push(self.input(input)?);
        }
        slots.resize(self.plan.slots, Arg::Null);
        Ok(slots)
    }

    fn input(&self, input: &Input) -> Result<Arg> {
        Ok(match input {
            Input::Ready(arg) => arg.clone(),
            Input::Me => Arg::Ids(vec![self.me]),
            Input::Read { origin, expected } => expected.coerce(&origin.json(self.variables), self.codec)?,
            Input::Cursor { origin, list, index, argument } => {
                let json = origin.json(self.variables);
                let values =
                    json.as_str().and_then(|t| self.codec.read_cursor(list, t)).ok_or_else(|| bad_cursor(argument))?;
                values.into_iter().nth(*index).ok_or_else(|| bad_cursor(argument))?
            }
            Input::KeysOf { origin, ty } => {
                let json = origin.json(self.variables);
                let items = json.as_array().map_or(std::slice::from_ref(&*json), Vec::as_slice);
                let keys = items.iter().filter_map(Json::as_str).filter_map(|t| self.codec.read_id(t));
                Arg::Ids(keys.filter(|(of, _)| of == ty).map(|(_, id)| id).collect())
            }
        })
    }
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

struct Writer<'a> {
    run: &'a Run<'a>,
    results: &'a [Found],
    /// What the tools told.
    told: &'a [Json],
    out: Vec<u8>,
    path: Vec<Segment<'a>>,
    /// Paths of the fields that the row hides, written.
    hidden: Vec<u8>,
    delivered: Vec<Delivered>,
}

impl<'a> Writer<'a> {
    fn key(&mut self, key: &str) {
        json::comma(&mut self.out, b'{');
        // a name of GraphQL has nothing to escape
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn root(&mut self, key: &str, root: &'a Root) -> Result<()> {
        match root {
            Root::Typename => json::string("Query", &mut self.out),
            Root::Ready(bytes) => self.out.extend_from_slice(bytes),
            Root::Null => self.null(),
            Root::Introspection => {
                let value = self.run.introspection.as_ref().and_then(|v| v.get(key)).unwrap_or(&Json::Null);
                self.out.extend_from_slice(value.to_string().as_bytes());
            }
            Root::List(list) => self.list(list, None),
            Root::One { step, object } => {
                if self.results[*step].rows.is_empty() {
                    self.null();
                } else {
                    self.object(*step, 0, object);
                }
            }
            Root::Nodes { ids, types } => {
                let ids = ids.json(self.run.variables);
                let items = ids.as_array().map_or(std::slice::from_ref(&*ids), Vec::as_slice);
                self.out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    json::comma(&mut self.out, b'[');
                    self.path.push(Segment::Index(i));
                    let read = item.as_str().and_then(|t| self.run.codec.read_id(t));
                    let found = read.and_then(|(ty, id)| {
                        let (_, step, object) = types.iter().find(|(of, ..)| *of == ty)?;
                        let rows = &self.results[*step].rows;
                        let row = (0..rows.len()).find(|r| rows.id(*r, object.present) == Some(id))?;
                        Some((*step, row, object))
                    });
                    match found {
                        Some((step, row, object)) => self.object(step, row, object),
                        None => self.null(),
                    }
                    self.path.pop();
                }
                self.out.push(b']');
            }
            Root::Groups { step, group, types } => {
                self.groups(*step, group)?;
                for _ in 0..self.results[*step].rows.len() {
                    types.iter().for_each(|ty| self.delivered[ty.0].add(None));
                }
            }
            Root::Told { call, shape } => shape.write(&self.told[*call], &mut self.out),
            Root::Parts(parts) => {
                self.out.push(b'{');
                for (key, part) in parts {
                    self.key(key);
                    self.path.push(Segment::Key(key));
                    self.root(key, part)?;
                    self.path.pop();
                }
                self.out.push(b'}');
            }
        }
        Ok(())
    }

    fn object(&mut self, step: usize, row: usize, object: &'a Object) {
        let result = &self.results[step];
        if result.rows.is_null(row, object.present + result.offset) {
            return self.null();
        }
        self.delivered[object.ty.0].add(result.rows.id(row, object.present + result.offset));
        self.out.push(b'{');
        for (key, part) in &object.parts {
            self.key(key);
            match part {
                Part::Typename(name) => json::string(name, &mut self.out),
                Part::Value { column, write, flag } => {
                    self.note(step, row, *flag, key);
                    json::cell(result.rows.cell(row, column + result.offset), *write, self.run.codec, &mut self.out);
                }
                Part::One { object, flag } => {
                    self.note(step, row, *flag, key);
                    self.path.push(Segment::Key(key));
                    self.object(step, row, object);
                    self.path.pop();
                }
                Part::List(list) => {
                    let parent = list.parent.and_then(|column| result.rows.id(row, column + result.offset));
                    self.path.push(Segment::Key(key));
                    self.list(list, parent);
                    self.path.pop();
                }
            }
        }
        self.out.push(b'}');
    }

    /// Remembers that the row hides this field.
    fn note(&mut self, step: usize, row: usize, flag: Option<usize>, key: &str) {
        let result = &self.results[step];
        let Some(flag) = flag else { return };
        if result.rows.int(row, flag + result.offset) == Some(1) {
            return;
        }
        let out = &mut self.hidden;
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'[');
        for segment in &self.path {
            match segment {
                Segment::Key(key) => json::string(key, out),
                Segment::Index(i) => json::int(*i as i64, out),
            }
            out.push(b',');
        }
        json::string(key, out);
        out.push(b']');
    }

    fn list(&mut self, list: &'a List, parent: Option<Uuid>) {
        let (start, found) = match (list.rows, parent) {
            (None, _) => (0, 0),
            (Some(step), None) => (0, self.results[step].rows.len()),
            (Some(step), Some(parent)) => self.results[step].of.get(parent).unwrap_or((0, 0)),
        };
        let count = found.min(list.limit);
        let row = |i: usize| if list.backward { start + count - 1 - i } else { start + i };
        self.out.push(b'{');
        for (key, part) in &list.parts {
            self.key(key);
            self.path.push(Segment::Key(key));
            match part {
                ListPart::Typename(name) => json::string(name, &mut self.out),
                ListPart::TotalCount => {
                    let total = list.count.map_or(0, |step| {
                        let result = &self.results[step];
                        match parent {
                            None => result.rows.int(0, 0).unwrap_or(0),
                            Some(parent) => result.of.get(parent).and_then(|(r, _)| result.rows.int(r, 1)).unwrap_or(0),
                        }
                    });
                    json::int(total, &mut self.out);
                }
                ListPart::Nodes(object) => {
                    self.out.push(b'[');
                    for i in 0..count {
                        json::comma(&mut self.out, b'[');
                        self.path.push(Segment::Index(i));
                        self.object(list.rows.unwrap_or(0), row(i), object);
                        self.path.pop();
                    }
                    self.out.push(b']');
                }
                ListPart::Edges(parts) => {
                    self.out.push(b'[');
                    for i in 0..count {
                        json::comma(&mut self.out, b'[');
                        self.path.push(Segment::Index(i));
                        self.edge(list, row(i), parts);
                        self.path.pop();
                    }
                    self.out.push(b']');
                }
                ListPart::PageInfo(parts) => {
                    self.out.push(b'{');
                    let more = found > list.limit;
                    for (key, part) in parts {
                        self.key(key);
                        let end = |last: bool| (count > 0).then(|| row(if last { count - 1 } else { 0 }));
                        match part {
                            PagePart::Typename => json::string("PageInfo", &mut self.out),
                            PagePart::HasNext => self.bool(if list.backward { list.has_before } else { more }),
                            PagePart::HasPrevious => self.bool(if list.backward { more } else { list.has_after }),
                            PagePart::Start => self.cursor(list, end(false)),
                            PagePart::End => self.cursor(list, end(true)),
                        }
                    }
                    self.out.push(b'}');
                }
            }
            self.path.pop();
        }
        self.out.push(b'}');
    }

    fn edge(&mut self, list: &'a List, row: usize, parts: &'a [(String, EdgePart)]) {
        self.out.push(b'{');
        for (key, part) in parts {
            self.key(key);
            match part {
                EdgePart::Typename(name) => json::string(name, &mut self.out),
                EdgePart::Cursor => self.cursor(list, Some(row)),
                EdgePart::Node(object) => {
                    self.path.push(Segment::Key(key));
                    self.object(list.rows.unwrap_or(0), row, object);
                    self.path.pop();
                }
            }
        }
        self.out.push(b'}');
    }

    fn bool(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn cursor(&mut self, list: &List, row: Option<usize>) {
        let (Some(row), Some(step)) = (row, list.rows) else { return self.null() };
        let result = &self.results[step];
        let values: Vec<Arg> = list
            .cursor
            .columns
            .iter()
            .map(|(column, kind)| match (result.rows.cell(row, column + result.offset), kind) {
                (cell @ (Cell::Text(_) | Cell::Day(_)), Kind::Date) => day_of(cell).map_or(Arg::Null, Arg::Date),
                (Cell::Int(n), Kind::Bool) => Arg::Bool(n != 0),
                (Cell::Int(n), _) => Arg::Int(n),
                (Cell::Text(text), _) => Arg::Text(text.to_string()),
                (Cell::Id(id), _) => Arg::Id(id),
                (Cell::Bool(b), _) => Arg::Bool(b),
                _ => Arg::Null,
            })
            .collect();
        let cursor = self.run.codec.cursor(&list.cursor.list, &values);
        json::string(&cursor, &mut self.out);
    }

    fn groups(&mut self, step: usize, group: &[(String, GroupPart)]) -> Result<()> {
        let rows = &self.results[step].rows;
        if rows.len() > GROUPS {
            return Err(Error::input(format!(
                "the answer has more than {GROUPS} groups; group more coarsely or filter"
            )));
        }
        self.out.push(b'[');
        for row in 0..rows.len() {
            json::comma(&mut self.out, b'[');
            self.out.push(b'{');
            for (key, part) in group {
                self.key(key);
                match part {
                    GroupPart::Typename(name) => json::string(name, &mut self.out),
                    GroupPart::Suppressed(column) => self.bool(rows.int(row, *column) == Some(1)),
                    GroupPart::Count(column) => json::int(rows.int(row, *column).unwrap_or(0), &mut self.out),
                    GroupPart::Values(values) => {
                        self.out.push(b'{');
                        for (key, value) in values {
                            self.key(key);
                            self.group_value(rows, row, value);
                        }
                        self.out.push(b'}');
                    }
                }
            }
            self.out.push(b'}');
        }
        self.out.push(b']');
        Ok(())
    }

    fn group_value(&mut self, rows: &Rows, row: usize, value: &GroupValue) {
        match value {
            GroupValue::Typename(name) => json::string(name, &mut self.out),
            GroupValue::Null => self.null(),
            GroupValue::Cell { column, write } => {
                json::cell(rows.cell(row, *column), *write, self.run.codec, &mut self.out)
            }
            GroupValue::Whole(column) => match rows.int(row, *column) {
                Some(n) => json::string(itoa::Buffer::new().format(n), &mut self.out),
                None => self.null(),
            },
            GroupValue::Average { sum, values, kind } => match (rows.int(row, *sum), rows.int(row, *values)) {
                (Some(sum), Some(count)) if count > 0 => {
                    // in ten-thousandths, rounded to the nearest, half away from zero
                    let sum = i128::from(sum) * if *kind == Kind::Int { 10_000 } else { 1 };
                    let count = i128::from(count);
                    let rounded = (2 * sum + sum.signum() * count) / (2 * count);
                    json::cell(
                        Cell::Int(i64::try_from(rounded).unwrap_or(i64::MAX)),
                        Write::Decimal,
                        self.run.codec,
                        &mut self.out,
                    );
                }
                _ => self.null(),
            },
        }
    }
}
