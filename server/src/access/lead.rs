//! What the rows of a statement depend on beside themselves: rows that they lead to, and sets that are asked about
//! them. The builder notes both as it writes. So for rows that were changed anywhere a statement can tell which of its
//! own can be shown otherwise since, and nobody has to look at all of them.

use std::collections::{BTreeMap, BTreeSet};

use entities::{Instant, meta::Kind};
use uuid::Uuid;

use super::{
    Gate, Reading,
    connect::Dialect,
    log::Change,
    pred::{Term, Val},
    read::{Arg, Cell, Rows},
    select::{Binding, Statement},
    sql::{Bind, BindType, Sql},
};
use crate::{
    catalogue::{CATALOGUE, Field, Type, TypeId},
    error::Result,
};

/// How a row is reached from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// It is the same one, read once more.
    Same,
    /// The other one's field has its key.
    To(usize),
    /// Its field has the other one's key.
    Of(usize),
}

/// Another row by its table's name, and the way from it.
type Source = (String, Link);

/// As the builder notes it, by the names of tables in the text.
#[derive(Debug, Default)]
pub struct Noted {
    rows: Vec<(String, TypeId, Option<Source>)>,
    sets: Vec<(String, usize, &'static str, Term)>,
    whole: Vec<&'static str>,
    /// The argument with the keys of the statement's own rows.
    keys: Option<usize>,
}

/// A table of which a statement reads no other rows than those with certain keys.
pub struct Reached {
    pub alias: String,
    pub ty: TypeId,
    /// What can stand in its place.
    pub name: String,
    /// The keys, as a sub-select of the column `key`.
    pub keys: String,
    /// The rows are those of another that has this name.
    pub again: bool,
}

impl Noted {
    /// The statement's own rows have keys among those in this argument.
    pub fn keys(&mut self, argument: usize) {
        self.keys = Some(argument);
    }

    /// What is read by key, each after what it is reached from; some of the tables stand as they are.
    pub fn by_key(&self, dialect: Dialect, moved: impl Fn(TypeId) -> bool) -> Vec<Reached> {
        let mut all: Vec<Reached> = Vec::new();
        let Some(argument) = self.keys else { return all };
        for (alias, ty, from) in &self.rows {
            let from = match from {
                Some((from, link)) => {
                    let Some(from) = all.iter().find(|reached| reached.alias == *from) else { continue };
                    Some((from, link))
                }
                None => None,
            };
            let keys = match (from, dialect) {
                (None, Dialect::Postgres) => format!("SELECT unnest(${argument}::uuid[]) AS key"),
                (None, Dialect::Sqlite) => format!("SELECT value AS key FROM rarray(?{argument})"),
                (Some((_, Link::Of(_))), _) => continue,
                (Some((from, Link::Same)), _) => from.keys.clone(),
                (Some((from, Link::To(field))), _) => {
                    let column = CATALOGUE.ty(from.ty).fields[*field].column;
                    let among =
                        if moved(from.ty) { String::new() } else { format!(" WHERE \"id\" IN ({})", from.keys) };
                    format!("SELECT \"{column}\" AS key FROM {}{among}", from.name)
                }
            };
            let again = from.filter(|(_, link)| **link == Link::Same).map(|(from, _)| from.name.clone());
            let name = match &again {
                Some(name) => name.clone(),
                None if moved(*ty) => format!("past_{alias}"),
                None => format!("\"{}\"", CATALOGUE.ty(*ty).table),
            };
            all.push(Reached { alias: alias.clone(), ty: *ty, name, keys, again: again.is_some() });
        }
        all
    }

    pub fn root(&mut self, alias: &str, ty: TypeId) {
        self.rows.push((alias.into(), ty, None));
    }

    pub fn row(&mut self, from: &str, link: Link, alias: &str, ty: TypeId) {
        self.rows.push((alias.into(), ty, Some((from.into(), link))));
    }

    /// Whether a value of the row is in a set.
    pub fn member(&mut self, alias: &str, term: &Term, set: &'static str, holder: &Term) {
        match (term, holder) {
            (Term::Col(field), Term::Lit(Val::Id(_)) | Term::Me) => {
                self.sets.push((alias.into(), *field, set, holder.clone()));
            }
            _ => self.whole.extend(CATALOGUE.membership(set).map(|(_, set)| set.sql)),
        }
    }

    /// SQL that may read any row of its tables.
    pub fn whole(&mut self, sql: &'static str) {
        self.whole.push(sql);
    }

    /// The way from the statement's own row; `None`: it does not begin there.
    fn way(&self, alias: &str) -> Option<Way> {
        let (_, ty, from) = self.rows.iter().find(|(name, ..)| name == alias)?;
        let Some((from, link)) = from else { return Some(Vec::new()) };
        let mut way = self.way(from)?;
        if *link != Link::Same {
            way.push((*link, *ty));
        }
        Some(way)
    }
}

type Way = Vec<(Link, TypeId)>;

#[derive(Debug)]
struct Asked {
    way: Way,
    field: usize,
    set: &'static str,
    holder: Term,
    tables: BTreeSet<TypeId>,
}

#[derive(Debug, Default)]
pub struct Leads {
    /// With the fields that count.
    rows: BTreeMap<Way, BTreeSet<usize>>,
    sets: Vec<Asked>,
    /// Types of which any row may decide about any other.
    whole: BTreeSet<TypeId>,
}

/// More rows than these are not looked up one by one.
pub const MOST: usize = 5_000;

impl Leads {
    pub fn of(noted: &Noted, text: &str) -> Self {
        let mut leads = Leads::default();
        let named = columns(text);
        for (alias, ty, _) in &noted.rows {
            let fields = CATALOGUE.ty(*ty).fields.iter().enumerate();
            let counts = fields.filter(|(_, f)| named.contains(&(alias, f.column))).map(|(i, _)| i);
            match noted.way(alias) {
                Some(way) if way.is_empty() => {}
                Some(way) => leads.rows.entry(way).or_default().extend(counts),
                None => _ = leads.whole.insert(*ty),
            }
        }
        for (alias, field, set, holder) in &noted.sets {
            let Some(sql) = CATALOGUE.membership(set).map(|(_, set)| set.sql) else { continue };
            let kind = noted.rows.iter().find(|(name, ..)| name == alias);
            let kind = kind.map(|(_, ty, _)| CATALOGUE.ty(*ty).fields[*field].kind);
            match noted.way(alias).filter(|_| matches!(kind, Some(Kind::Id | Kind::Text))) {
                Some(way) => {
                    let tables = tables(sql).collect();
                    leads.sets.push(Asked { way, field: *field, set, holder: holder.clone(), tables });
                }
                None => leads.whole.extend(tables(sql)),
            }
        }
        leads.whole.extend(noted.whole.iter().flat_map(|sql| tables(sql)));
        leads
    }

    /// Whether a change of such a row can make another one different.
    pub fn follow(&self, ty: TypeId) -> bool {
        self.whole.contains(&ty)
            || self.rows.keys().any(|way| way.last().is_some_and(|(_, to)| *to == ty))
            || self.sets.iter().any(|set| set.tables.contains(&ty))
    }

    /// The rows of this type that may be shown otherwise at the second position than at the first, because of the
    /// changes between the two of other rows; `None`: all of them, or too many. A row that was not changed itself
    /// leads to the same rows at both, up to the first that was: so one look is enough along references, and where
    /// rows point back to it one at each end.
    pub async fn affected(
        &self,
        gate: &Gate,
        ty: TypeId,
        between: (i64, i64),
        (now, me): (Instant, Uuid),
        changes: &[Change],
    ) -> Result<Option<BTreeSet<Uuid>>> {
        let types: BTreeSet<TypeId> = changes.iter().map(|change| change.ty).collect();
        if changes.len() > MOST || !self.whole.is_disjoint(&types) {
            return Ok(None);
        }
        let ends = Ends { gate, between, now, me };
        let mut ways = Vec::new();
        for (way, fields) in &self.rows {
            let of = |change: &&Change| way.last().is_some_and(|(_, to)| *to == change.ty);
            let counts = |change: &&Change| change.fields().is_none_or(|changed| !changed.is_disjoint(fields));
            let keys: BTreeSet<Uuid> = changes.iter().filter(of).filter(counts).map(|change| change.key).collect();
            if !keys.is_empty() {
                ways.push((way, 0, Arg::Ids(keys.into_iter().collect())));
            }
        }
        let asked: Vec<&Asked> = self.sets.iter().filter(|set| !set.tables.is_disjoint(&types)).collect();
        let Some(members) = ends.differences(&asked).await? else { return Ok(None) };
        ways.extend(members.into_iter().map(|(set, values)| (&set.way, set.field, values)));
        ends.rows(ty, &ways).await
    }
}

/// The two states that are compared. Whoever asks holds one connection at a time: those who held one and waited for the
/// next could wait for each other.
struct Ends<'g> {
    gate: &'g Gate,
    between: (i64, i64),
    now: Instant,
    me: Uuid,
}

type Members = (BTreeSet<Uuid>, BTreeSet<String>);

impl Ends<'_> {
    async fn ask(&self, reading: &mut Reading<'_>, sql: Sql, slots: &[Arg]) -> Result<Rows> {
        let binding = Binding { now: self.now, me: self.me, secret: "", slots };
        reading.run(&Statement::written(sql), &binding).await
    }

    /// The rows whose ways lead to rows with these values; `None`: too many.
    async fn rows(&self, ty: TypeId, ways: &[(&Way, usize, Arg)]) -> Result<Option<BTreeSet<Uuid>>> {
        let mut found = BTreeSet::new();
        let is_back = |way: &Way| way.iter().any(|(link, _)| matches!(link, Link::Of(_)));
        for before in [true, false] {
            let ways: Vec<_> = ways.iter().filter(|(way, ..)| !before || is_back(way)).collect();
            if ways.is_empty() {
                continue;
            }
            let position = if before { self.between.0 } else { self.between.1 };
            // no index finds rows by what they led to then
            if self.gate.is_far(position).await? {
                return Ok(None);
            }
            let mut reading = self.gate.past(position).await?;
            for (way, field, values) in ways {
                let mut sql = Sql::new(self.gate.dialect());
                sql.push(&format!("SELECT \"id\" FROM \"{}\" WHERE ", CATALOGUE.ty(ty).table));
                leading(&mut sql, CATALOGUE.ty(ty), way, *field);
                sql.push(&format!(" LIMIT {}", MOST + 1));
                let rows = self.ask(&mut reading, sql, std::slice::from_ref(values)).await?;
                found.extend((0..rows.len()).filter_map(|row| rows.id(row, 0)));
                if found.len() > MOST {
                    return Ok(None);
                }
            }
            reading.finish().await?;
        }
        Ok(Some(found))
    }

    /// The members that are only of one of the states, by set; `None`: too many.
    async fn differences<'s>(&self, asked: &[&'s Asked]) -> Result<Option<Vec<(&'s Asked, Arg)>>> {
        let mut found = Vec::new();
        if asked.is_empty() {
            return Ok(Some(found));
        }
        let (before, after) = (self.members(asked, self.between.0).await?, self.members(asked, self.between.1).await?);
        for (set, (before, after)) in asked.iter().zip(before.iter().zip(&after)) {
            let ids: Vec<Uuid> = before.0.symmetric_difference(&after.0).copied().collect();
            let texts: Vec<String> = before.1.symmetric_difference(&after.1).cloned().collect();
            if ids.len() + texts.len() > MOST {
                return Ok(None);
            }
            if !ids.is_empty() {
                found.push((*set, Arg::Ids(ids)));
            }
            if !texts.is_empty() {
                found.push((*set, Arg::Texts(texts)));
            }
        }
        Ok(Some(found))
    }

    /// The members of each set behind a position.
    async fn members(&self, asked: &[&Asked], position: i64) -> Result<Vec<Members>> {
        let mut reading = self.gate.past(position).await?;
        let mut all = Vec::with_capacity(asked.len());
        for asked in asked {
            let mut sql = Sql::new(self.gate.dialect());
            sql.push("SELECT * FROM (");
            sql.members(asked.set, |sql| match &asked.holder {
                Term::Lit(Val::Id(id)) => sql.id_literal(*id),
                _ => sql.bind(Bind::Me, BindType::Id),
            });
            sql.push(") s");
            let rows = self.ask(&mut reading, sql, &[]).await?;
            let mut members = Members::default();
            for row in 0..rows.len() {
                match rows.cell(row, 0) {
                    Cell::Id(id) => _ = members.0.insert(id),
                    Cell::Text(text) => _ = members.1.insert(text.to_owned()),
                    _ => {}
                }
            }
            all.push(members);
        }
        reading.finish().await?;
        Ok(all)
    }
}

/// A condition on rows of a type: at the end of the way the field has one of the values in the first slot.
fn leading(sql: &mut Sql, ty: &Type, way: &[(Link, TypeId)], field: usize) {
    let column = |field: &Field| format!("\"{}\"", field.column);
    match way {
        // the key is at hand
        [(Link::To(by), _)] if field == 0 => {
            sql.push(&column(&ty.fields[*by]));
            sql.among(0, Kind::Id);
        }
        [(link, to), rest @ ..] => {
            let to = CATALOGUE.ty(*to);
            let (here, there) = match link {
                Link::To(by) => (column(&ty.fields[*by]), column(&to.fields[0])),
                Link::Of(by) => (column(&ty.fields[0]), column(&to.fields[*by])),
                Link::Same => (column(&ty.fields[0]), column(&to.fields[0])),
            };
            sql.push(&format!("{here} IN (SELECT {there} FROM \"{}\" WHERE ", to.table));
            leading(sql, to, rest, field);
            sql.push(")");
        }
        [] => {
            sql.push(&column(&ty.fields[field]));
            sql.among(0, ty.fields[field].kind);
        }
    }
}

/// The types that SQL of the catalogue names.
fn tables(sql: &str) -> impl Iterator<Item = TypeId> {
    let words: BTreeSet<&str> = sql.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    CATALOGUE.types.iter().filter(move |ty| words.contains(ty.table)).map(|ty| ty.id)
}

/// The columns that a statement names, each with its table's alias.
fn columns(text: &str) -> BTreeSet<(&str, &str)> {
    let named = text.match_indices(".\"").filter_map(|(at, _)| {
        let alias = text[..at].rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
        let column = text[at + 2..].split('"').next()?;
        Some((alias, column))
    });
    named.collect()
}
