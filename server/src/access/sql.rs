//! The one place where conditions and treatments become SQL, and where the two dialects differ.
//! Names come from the catalogue, constants from policies and agreements are written as literals,
//! and whatever a request brings is bound.

use std::fmt::Write;

use chrono::{Days, NaiveDate};
use entities::{
    Decimal,
    meta::{Demand, Kind},
};
use uuid::Uuid;

use super::{
    connect::Dialect,
    guess::effort,
    lead::{Link, Noted},
    pred::{Op, Pred, Term, Val},
    treat::Treatment,
    view::FieldView,
};
use crate::catalogue::{CATALOGUE, Field, Type};

const DAY: i64 = 86_400_000;

/// The hexadecimal digits of a pseudonym: enough that a million values hardly ever share one.
pub const PSEUDONYM: usize = 16;

/// What is known only when the query runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// The request's moment in milliseconds moved by `offset`, as microseconds plus `add`.
    Now {
        offset: i64,
        add: i64,
    },
    /// The day that the moved moment lies in, or the first that does not begin before it.
    Today {
        offset: i64,
        ceil: bool,
    },
    Me,
    /// The secret that the organisation's pseudonyms are made with.
    Secret,
    /// A value of the plan.
    Slot(usize),
}

/// The type of a bound value, where PostgreSQL must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindType {
    Int,
    Bool,
    Text,
    Id,
    Date,
    Ints,
    Texts,
    Ids,
    Dates,
}

impl BindType {
    const fn name(self) -> &'static str {
        match self {
            BindType::Int => "int8",
            BindType::Bool => "bool",
            BindType::Text => "text",
            BindType::Id => "uuid",
            BindType::Date => "date",
            BindType::Ints => "int8[]",
            BindType::Texts => "text[]",
            BindType::Ids => "uuid[]",
            BindType::Dates => "date[]",
        }
    }

    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Id => BindType::Id,
            Kind::Text | Kind::Json => BindType::Text,
            Kind::Int | Kind::Decimal | Kind::Instant => BindType::Int,
            Kind::Bool => BindType::Bool,
            Kind::Date => BindType::Date,
        }
    }

    pub const fn list(kind: Kind) -> Self {
        match kind {
            Kind::Id => BindType::Ids,
            Kind::Text | Kind::Json => BindType::Texts,
            Kind::Int | Kind::Decimal | Kind::Instant | Kind::Bool => BindType::Ints,
            Kind::Date => BindType::Dates,
        }
    }
}

/// A statement in the making.
#[derive(Debug)]
pub struct Sql {
    pub dialect: Dialect,
    pub text: String,
    pub binds: Vec<Bind>,
    /// How conditions on referenced rows are written; see [`Reach`].
    pub reach: Reach,
    /// What is being written is one of several alternatives.
    alternative: bool,
    rows: usize,
    /// Sub-selects of memberships; the text holds their tokens.
    sets: Vec<String>,
    /// What else is read than the rows that are asked for.
    pub noted: Noted,
}

/// The forms of a condition on a referenced row, equal in meaning. PostgreSQL sees through `EXISTS` and finds
/// its own way, except where it stands in an alternative: there it would rather read a table whole than be
/// surprised. SQLite takes each form as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Picks rows out of many: a set of keys, `t.series_id IN (SELECT id …)`, or `EXISTS`.
    Many,
    /// Decides about the few rows of a page, each by itself: `EXISTS (SELECT 1 … WHERE id = t.series_id …)`,
    /// in an alternative `(SELECT … WHERE id = t.series_id)`.
    Few,
    /// Decides about one row that is at hand: nothing of it is to be turned into a join.
    One,
}

/// How a condition on a referenced row is written here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Set,
    Exists,
    Value,
}

/// Stands for a membership's sub-select until the statement is whole.
const TOKEN: char = '\u{1}';

impl Sql {
    pub fn new(dialect: Dialect) -> Self {
        Sql {
            dialect,
            text: String::with_capacity(512),
            binds: Vec::new(),
            reach: Reach::Many,
            alternative: false,
            rows: 0,
            sets: Vec::new(),
            noted: Noted::default(),
        }
    }

    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A fresh name for a table.
    pub fn alias(&mut self) -> String {
        self.rows += 1;
        format!("t{}", self.rows)
    }

    pub fn column(&mut self, alias: &str, column: &str) {
        let _ = write!(self.text, "{alias}.\"{column}\"");
    }

    pub fn bind(&mut self, bind: Bind, ty: BindType) {
        let index = self.binds.iter().position(|b| *b == bind).unwrap_or_else(|| {
            self.binds.push(bind);
            self.binds.len() - 1
        });
        let _ = match self.dialect {
            Dialect::Postgres => write!(self.text, "${}::{}", index + 1, ty.name()),
            Dialect::Sqlite => write!(self.text, "?{}", index + 1),
        };
    }

    /// Behind an expression: it is one of the values in a slot.
    pub fn among(&mut self, slot: usize, kind: Kind) {
        match self.dialect {
            Dialect::Postgres => self.push(" = ANY(").bind(Bind::Slot(slot), BindType::list(kind)),
            Dialect::Sqlite => self.push(" IN (SELECT value FROM rarray(").bind(Bind::Slot(slot), BindType::list(kind)),
        }
        self.add(if self.dialect == Dialect::Postgres { ")" } else { "))" });
    }

    pub fn text_literal(&mut self, text: &str) {
        self.text.push('\'');
        // no text in the database holds a zero byte, and SQLite would end the statement there
        for c in text.chars().filter(|c| *c != '\0') {
            if c == '\'' {
                self.text.push('\'');
            }
            self.text.push(c);
        }
        self.text.push('\'');
    }

    pub fn id_literal(&mut self, id: Uuid) {
        let _ = match self.dialect {
            Dialect::Postgres => write!(self.text, "'{id}'::uuid"),
            Dialect::Sqlite => write!(self.text, "X'{}'", id.simple()),
        };
    }

    fn bool_literal(&mut self, b: bool) {
        self.push(match (self.dialect, b) {
            (Dialect::Postgres, true) => "TRUE",
            (Dialect::Postgres, false) => "FALSE",
            (Dialect::Sqlite, true) => "1",
            (Dialect::Sqlite, false) => "0",
        });
    }

    fn date_literal(&mut self, day: NaiveDate) {
        let _ = match self.dialect {
            Dialect::Postgres => write!(self.text, "DATE '{day}'"),
            Dialect::Sqlite => write!(self.text, "'{day}'"),
        };
    }

    fn literal(&mut self, val: &Val) {
        match val {
            Val::Bool(b) => self.bool_literal(*b),
            Val::Long(n) | Val::Decimal(n) | Val::Time(n) => self.add(&n.to_string()),
            Val::Text(text) => self.text_literal(text),
            Val::Id(id) => self.id_literal(*id),
        }
    }

    /// The rows of a type named `alias` that satisfy the condition.
    pub fn pred(&mut self, ty: &Type, alias: &str, p: &Pred) {
        match p {
            Pred::Const(b) => self.add(if *b { "1 = 1" } else { "1 = 0" }),
            Pred::And(all) => self.joined(ty, alias, all, " AND "),
            Pred::Or(all) => {
                let before = std::mem::replace(&mut self.alternative, true);
                self.joined(ty, alias, all, " OR ");
                self.alternative = before;
            }
            Pred::Not(inner) => match &**inner {
                Pred::Has(field) => {
                    self.column(alias, ty.fields[*field].column);
                    self.push(" IS NULL");
                }
                inner => {
                    self.push("NOT (");
                    self.pred(ty, alias, inner);
                    self.push(")");
                }
            },
            Pred::If(cond, yes, no) => {
                let before = std::mem::replace(&mut self.alternative, true);
                self.push("CASE WHEN ");
                self.pred(ty, alias, cond);
                self.push(" THEN ");
                self.pred(ty, alias, yes);
                self.push(" ELSE ");
                self.pred(ty, alias, no);
                self.push(" END");
                self.alternative = before;
            }
            Pred::Has(field) => {
                self.column(alias, ty.fields[*field].column);
                self.push(" IS NOT NULL");
            }
            Pred::Cmp(op, a, b) => self.compare(ty, alias, *op, a, b),
            Pred::In(term, vals) => {
                self.term(ty, alias, term);
                self.push(" IN (");
                for (i, val) in vals.iter().enumerate() {
                    if i > 0 {
                        self.push(", ");
                    }
                    self.literal(val);
                }
                self.push(")");
            }
            Pred::Like(term, pattern) => self.like(ty, alias, term, pattern),
            Pred::Member(term, name, holder) => self.member(ty, alias, term, name, holder),
            Pred::At(step, inner) => self.at(ty, alias, *step, inner),
        }
    }

    fn joined(&mut self, ty: &Type, alias: &str, all: &[std::sync::Arc<Pred>], word: &str) {
        let mut all: Vec<&Pred> = all.iter().map(|p| &**p).collect();
        // both databases test in this order, and stop where they can
        all.sort_by_key(|p| effort(p));
        self.push("(");
        for (i, p) in all.into_iter().enumerate() {
            if i > 0 {
                self.push(word);
            }
            self.pred(ty, alias, p);
        }
        self.push(")");
    }

    fn at(&mut self, ty: &Type, alias: &str, step: usize, inner: &Pred) {
        let field = &ty.fields[step];
        let Some(to) = field.to else { return self.add("1 = 0") };
        let (to, row) = (CATALOGUE.ty(to), self.alias());
        self.noted.row(alias, Link::To(step), &row, to.id);
        let key = format!("{alias}.\"{}\"", field.column);
        let form = match (self.dialect, self.reach, self.alternative) {
            (Dialect::Sqlite, Reach::Many, _) => Form::Set,
            (Dialect::Postgres, Reach::One, _) | (Dialect::Postgres, Reach::Few, true) => Form::Value,
            _ => Form::Exists,
        };
        let before = self.alternative;
        // a value is no condition of its own: what it holds stays one of the alternatives
        self.alternative = form == Form::Value;
        let table = to.table;
        let _ = match form {
            Form::Set => write!(self.text, "{key} IN (SELECT {row}.\"id\" FROM \"{table}\" {row} WHERE "),
            Form::Exists => {
                write!(self.text, "EXISTS (SELECT 1 FROM \"{table}\" {row} WHERE {row}.\"id\" = {key} AND ")
            }
            Form::Value => write!(self.text, "(SELECT "),
        };
        self.pred(to, &row, inner);
        if form == Form::Value {
            let _ = write!(self.text, " FROM \"{table}\" {row} WHERE {row}.\"id\" = {key}");
        }
        self.add(")");
        self.alternative = before;
    }

    fn member(&mut self, ty: &Type, alias: &str, term: &Term, name: &'static str, holder: &Term) {
        if CATALOGUE.membership(name).is_none() {
            return self.add("1 = 0");
        }
        self.noted.member(alias, term, name, holder);
        self.term(ty, alias, term);
        let before = std::mem::take(&mut self.text);
        self.members(name, |sql| sql.term(ty, alias, holder));
        let set = std::mem::replace(&mut self.text, before);
        let index = self.sets.iter().position(|s| *s == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        let _ = write!(self.text, " IN ({TOKEN}{index}{TOKEN})");
    }

    /// The sub-select of a membership's members.
    pub fn members(&mut self, name: &str, holder: impl Fn(&mut Self)) {
        let text = CATALOGUE.membership(name).map_or("SELECT NULL WHERE 1 = 0", |(_, m)| m.sql);
        self.filled(text, |sql, _| holder(sql));
    }

    /// SQL of the catalogue with its placeholders filled in: the moment is known, the others are by name.
    pub fn filled(&mut self, text: &str, named: impl Fn(&mut Self, &str)) {
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            self.push(&rest[..open]);
            let close = rest[open..].find('}').map_or(rest.len(), |i| open + i);
            match &rest[open + 1..close] {
                "now" => self.bind(Bind::Now { offset: 0, add: 0 }, BindType::Int),
                "today" => self.bind(Bind::Today { offset: 0, ceil: false }, BindType::Date),
                name => named(self, name),
            }
            rest = rest.get(close + 1..).unwrap_or_default();
        }
        self.push(rest);
    }

    /// The statement, whole: a set that it asks for once stands where it is asked for, one that it asks
    /// for again is made once.
    pub fn assemble(&self, text: &str) -> String {
        let mut with = Vec::new();
        let mut text = text.to_string();
        for (i, set) in self.sets.iter().enumerate() {
            let token = format!("{TOKEN}{i}{TOKEN}");
            match text.matches(&token).count() {
                0 => {}
                1 => text = text.replace(&token, set),
                _ => {
                    with.push(format!("m{i} AS MATERIALIZED ({set})"));
                    text = text.replace(&token, &format!("SELECT * FROM m{i}"));
                }
            }
        }
        if with.is_empty() { text } else { format!("WITH {} {text}", with.join(", ")) }
    }

    fn like(&mut self, ty: &Type, alias: &str, term: &Term, pattern: &[Option<char>]) {
        self.term(ty, alias, term);
        let mut text = String::new();
        match self.dialect {
            // SQLite's LIKE folds case, Cedar's does not
            Dialect::Sqlite => {
                for part in pattern {
                    match part {
                        None => text.push('*'),
                        Some(c @ ('*' | '?' | '[')) => text.extend(['[', *c, ']']),
                        Some(c) => text.push(*c),
                    }
                }
                self.push(" GLOB ");
                self.text_literal(&text);
            }
            Dialect::Postgres => {
                for part in pattern {
                    match part {
                        None => text.push('%'),
                        Some(c @ ('%' | '_' | '\\')) => text.extend(['\\', *c]),
                        Some(c) => text.push(*c),
                    }
                }
                self.push(" LIKE ");
                self.text_literal(&text);
            }
        }
    }

    fn compare(&mut self, ty: &Type, alias: &str, op: Op, a: &Term, b: &Term) {
        let time = |t: &Term| matches!(t, Term::Now(_) | Term::Lit(Val::Time(_)));
        let kind = |t: &Term| match t {
            Term::Col(i) => Some(ty.fields[*i].kind),
            _ => None,
        };
        match (kind(a), kind(b)) {
            (Some(kind @ (Kind::Date | Kind::Instant)), _) if time(b) => {
                self.column_moment(ty, alias, op, a, b, kind, false)
            }
            (_, Some(kind @ (Kind::Date | Kind::Instant))) if time(a) => {
                self.column_moment(ty, alias, op, b, a, kind, true)
            }
            _ if time(a) && time(b) => {
                self.moment(a, Kind::Instant, false);
                self.push(sign(op));
                self.moment(b, Kind::Instant, false);
            }
            _ => {
                // two stored moments are compared as Cedar sees them, by the millisecond
                let cut = kind_of(ty, a) == Some(Kind::Instant) && kind_of(ty, b) == Some(Kind::Instant);
                self.side(ty, alias, a, cut);
                self.push(sign(op));
                self.side(ty, alias, b, cut);
            }
        }
    }

    fn side(&mut self, ty: &Type, alias: &str, term: &Term, cut: bool) {
        match term {
            Term::Col(i) if cut => self.millis(alias, ty.fields[*i].column),
            Term::Far(path) => self.far(ty, alias, path, cut),
            _ => self.term(ty, alias, term),
        }
    }

    /// Whole milliseconds; `%` takes the sign of what it divides.
    fn millis(&mut self, alias: &str, column: &str) {
        let c = format!("{alias}.\"{column}\"");
        let _ = write!(self.text, "({c} - ((({c} % 1000) + 1000) % 1000))");
    }

    /// A stored time against a moment. Cedar counts milliseconds and sees a day as its midnight, so the
    /// moment is rounded to what is stored; the column stays bare and its index useful.
    #[allow(clippy::too_many_arguments)]
    fn column_moment(&mut self, ty: &Type, alias: &str, op: Op, col: &Term, at: &Term, kind: Kind, flipped: bool) {
        let side = |sql: &mut Self, sign: &str, up: bool| {
            sql.term(ty, alias, col);
            sql.push(sign);
            sql.moment(at, kind, up);
        };
        // of a stored instant `up` is the last microsecond of the millisecond, of a day the next midnight
        let late = kind == Kind::Instant;
        match (op, flipped) {
            (Op::Eq, _) => {
                self.push("(");
                side(self, " >= ", !late);
                self.push(" AND ");
                side(self, " <= ", late);
                self.push(")");
            }
            (Op::Le, false) => side(self, " <= ", late),
            (Op::Lt, false) => side(self, " < ", !late),
            (Op::Le, true) => side(self, " >= ", !late),
            (Op::Lt, true) => side(self, " > ", late),
        }
    }

    fn moment(&mut self, at: &Term, kind: Kind, up: bool) {
        match (at, kind) {
            (Term::Now(offset), Kind::Date) => self.bind(Bind::Today { offset: *offset, ceil: up }, BindType::Date),
            (Term::Now(offset), _) => {
                self.bind(Bind::Now { offset: *offset, add: if up { 999 } else { 0 } }, BindType::Int);
            }
            (Term::Lit(Val::Time(ms)), Kind::Date) => self.date_literal(day(*ms, up)),
            (Term::Lit(Val::Time(ms)), _) => {
                self.add(&ms.saturating_mul(1000).saturating_add(if up { 999 } else { 0 }).to_string());
            }
            _ => self.add("NULL"),
        }
    }

    fn term(&mut self, ty: &Type, alias: &str, term: &Term) {
        match term {
            Term::Col(i) => self.column(alias, ty.fields[*i].column),
            Term::Far(path) => self.far(ty, alias, path, false),
            Term::Lit(val) => self.literal(val),
            Term::Now(_) => self.moment(term, Kind::Instant, false),
            Term::Me => self.bind(Bind::Me, BindType::Id),
        }
    }

    fn far(&mut self, ty: &Type, alias: &str, path: &[usize], cut: bool) {
        let field = &ty.fields[path[0]];
        match (path.len(), field.to) {
            (1, _) | (_, None) if cut => self.millis(alias, field.column),
            (1, _) | (_, None) => self.column(alias, field.column),
            (_, Some(to)) => {
                let (to, row) = (CATALOGUE.ty(to), self.alias());
                self.noted.row(alias, Link::To(path[0]), &row, to.id);
                self.push("(SELECT ");
                self.far(to, &row, &path[1..], cut);
                let _ = write!(self.text, " FROM \"{}\" {row} WHERE {row}.\"id\" = ", to.table);
                self.column(alias, field.column);
                self.push(")");
            }
        }
    }

    /// The field as the view shows it: what is selected, filtered, ordered and aggregated.
    pub fn shown(&mut self, ty: &Type, alias: &str, field: usize, view: &FieldView) {
        let def = &ty.fields[field];
        match &view.levels[..] {
            _ if field == 0 => self.column(alias, def.column),
            [] => self.add("NULL"),
            [(p, shown)] if p.is_always() => self.treated(ty, alias, def, *shown),
            levels => {
                self.push("CASE");
                for (p, shown) in levels {
                    self.push(" WHEN ");
                    self.pred(ty, alias, p);
                    self.push(" THEN ");
                    self.treated(ty, alias, def, *shown);
                }
                self.push(" END");
            }
        }
    }

    pub fn treated(&mut self, ty: &Type, alias: &str, field: &Field, shown: Treatment) {
        let c = format!("{alias}.\"{}\"", field.column);
        let _ = match shown {
            Treatment::Full => write!(self.text, "{c}"),
            Treatment::Prefix(n) => write!(self.text, "substr({c}, 1, {n})"),
            Treatment::EmailMask => {
                let find = match self.dialect {
                    Dialect::Postgres => "strpos",
                    Dialect::Sqlite => "instr",
                };
                write!(
                    self.text,
                    "CASE WHEN {find}({c}, '@') > 1 THEN substr({c}, 1, 1) || '***' || substr({c}, {find}({c}, '@')) END"
                )
            }
            Treatment::Band(width) => {
                let w = if field.kind == Kind::Decimal { width } else { (width / Decimal::SCALE).max(1) };
                write!(self.text, "({c} - ((({c} % {w}) + {w}) % {w}))")
            }
            Treatment::DaysOfSupply(days) => return self.days_of_supply(ty, alias, &c, days),
            Treatment::Pseudonym => return self.pseudonym(&c),
            // no row shows it; see `select::cells`
            Treatment::Aggregate(_) => write!(self.text, "NULL"),
        };
    }

    /// Whole days, as ten-thousandths; null where nothing is needed. What is not less than the demand of all the
    /// days lasts for them, so that no product grows beyond 64 bits.
    fn days_of_supply(&mut self, ty: &Type, alias: &str, c: &str, days: u32) {
        let Some(demand) = ty.demand else { return self.add("NULL") };
        let need = format!("CAST({} AS bigint)", demand.sum);
        let scale = Decimal::SCALE;
        let _ = write!(
            self.text,
            "(SELECT CASE WHEN {need} > 0 THEN {scale} * CASE WHEN {c} <= 0 THEN 0 WHEN {c} >= {need} THEN {days} \
             ELSE {c} * {days} / {need} END END FROM "
        );
        self.demanded(&demand, days, |sql, column| sql.column(alias, column));
        self.add(")");
    }

    /// The rows that say what is needed in so many days.
    pub fn demanded(&mut self, demand: &Demand, days: u32, column: impl Fn(&mut Self, &str)) {
        self.noted.whole(demand.from);
        let until = Bind::Today { offset: i64::from(days) * DAY, ceil: false };
        self.filled(demand.from, |sql, name| match name {
            "product" => column(sql, demand.product),
            "place" => column(sql, demand.place),
            _ => sql.bind(until, BindType::Date),
        });
    }

    fn pseudonym(&mut self, c: &str) {
        match self.dialect {
            Dialect::Postgres => {
                self.push("substr(encode(sha256(convert_to(");
                self.bind(Bind::Secret, BindType::Text);
                let _ = write!(self.text, " || {c}, 'UTF8')), 'hex'), 1, {PSEUDONYM})");
            }
            // a function that each connection of the hub brings along
            Dialect::Sqlite => {
                self.push("pseudonym(");
                self.bind(Bind::Secret, BindType::Text);
                let _ = write!(self.text, ", {c})");
            }
        }
    }
}

fn kind_of(ty: &Type, term: &Term) -> Option<Kind> {
    let (last, path) = match term {
        Term::Col(i) => (i, &[][..]),
        Term::Far(path) => path.split_last()?,
        _ => return None,
    };
    let ty = path.iter().try_fold(ty, |ty, step| ty.fields[*step].to.map(|to| CATALOGUE.ty(to)))?;
    Some(ty.fields[*last].kind)
}

const fn sign(op: Op) -> &'static str {
    match op {
        Op::Eq => " = ",
        Op::Lt => " < ",
        Op::Le => " <= ",
    }
}

/// The day of a moment, or the next one unless the moment is its midnight.
pub fn day(ms: i64, ceil: bool) -> NaiveDate {
    let days = ms.div_euclid(DAY) + i64::from(ceil && ms.rem_euclid(DAY) != 0);
    let (epoch, count) = (NaiveDate::default(), Days::new(days.unsigned_abs()));
    let day = if days < 0 { epoch.checked_sub_days(count) } else { epoch.checked_add_days(count) };
    day.unwrap_or(if days < 0 { NaiveDate::MIN } else { NaiveDate::MAX })
}
