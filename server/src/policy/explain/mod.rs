//! Why can, why can't: the rules that decide, read off the trace of the compiled view, their conditions
//! tried on the row, and what would have to change, each change tried through the same compiler.

mod agreements;
mod ask;
mod change;
mod done;
mod text;
mod verdict;

use std::sync::Arc;

use entities::Instant;
use serde::Serialize;
use uuid::Uuid;

use self::agreements::AgreementPart;
pub use self::ask::{Asked, Asker, ask, what};
use super::{FieldClass, Rules, deed::Deed};
use crate::{
    access::{
        Treatment,
        compile::traced,
        connect::Db,
        facts::{Facts, Record},
        lens::Lens,
        pred::{Pred, and},
        probe::Probe,
        roster::{Seat, SeatName, TakenSeat},
        trace::{Act, Part, Parts, Piece, Trace, paths},
        view::TypeView,
    },
    catalogue::{CATALOGUE, Type},
    error::{Error, Result},
};

/// What is asked.
pub struct Question<'a> {
    pub db: &'a Db,
    pub rules: &'a Rules,
    /// As it was written.
    pub name: &'a SeatName,
    pub seat: &'a Seat,
    pub person: Uuid,
    pub now: Instant,
    pub to: Deed,
    pub ty: &'static Type,
    pub field: Option<usize>,
    pub row: Option<Uuid>,
    /// The seats of whom it is told that they see it.
    pub others: &'a [TakenSeat],
    /// What may be told to whoever asks.
    pub lens: Option<&'a Arc<Lens>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub seat: String,
    /// What is asked about: `read`, `update`.
    pub to: Deed,
    #[serde(rename = "type")]
    pub ty: &'static str,
    pub field: Option<&'static str>,
    pub row: Option<RowPart>,
    /// In a sentence.
    pub verdict: String,
    /// `full`, a treatment, `hidden`, `absent`, `unknown`, or `seen`; of other deeds than reading `allowed`, `refused`,
    /// `absent` or `unknown`.
    pub shown: String,
    pub policies: Vec<PolicyPart>,
    /// Those that permit it, but not to this seat.
    pub for_others: Vec<Named>,
    pub agreements: Vec<AgreementPart>,
    /// What would have to change.
    pub changes: Vec<String>,
    /// Other seats, and how they see it.
    pub seen_by: Vec<SeenBy>,
}

#[derive(Debug, Serialize)]
pub struct SeenBy {
    pub seat: String,
    pub shown: String,
}

#[derive(Debug, Serialize)]
pub struct RowPart {
    pub key: Uuid,
    pub label: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Named {
    pub id: String,
    pub file: String,
    pub line: usize,
    pub doc: String,
}

#[derive(Debug, Serialize)]
pub struct PolicyPart {
    #[serde(flatten)]
    pub policy: Named,
    /// What it speaks of: what is asked about, or the reading that this needs.
    pub to: Deed,
    /// `permit`, `forbid` or `by law`
    pub effect: &'static str,
    /// How a permit shows what it permits.
    pub shown: Option<String>,
    pub agreement: Option<String>,
    pub fields: Vec<&'static str>,
    /// Whether it holds for the row.
    pub holds: Option<bool>,
    pub decides: bool,
    pub conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Condition {
    pub text: String,
    pub holds: Option<bool>,
    /// What the row says there, told where the condition fails.
    pub values: Vec<Told>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Told {
    pub path: String,
    /// `None`: it is not set.
    pub value: Option<String>,
}

/// A rule, under an agreement, with the fields that it decides about.
struct Entry {
    to: Deed,
    part: Part,
    pieces: Vec<Piece>,
    fields: Vec<usize>,
    /// Of the row.
    holds: Option<Vec<bool>>,
}

impl Entry {
    fn held(&self) -> Option<bool> {
        self.holds.as_ref().map(|all| all.iter().all(|holds| *holds))
    }

    fn effect(&self) -> &'static str {
        self.part.rule.effect()
    }
}

/// How the fields are shown in the row; `None`: it is not there.
type Shown = Option<Vec<Option<Treatment>>>;

/// The question with what is known of the answer.
struct Case<'a> {
    q: &'a Question<'a>,
    probe: Probe,
    facts: Facts,
    records: Vec<Record>,
    /// Of the deed.
    view: TypeView,
    /// Of the reading on which it builds.
    seen: TypeView,
    fields: Vec<usize>,
    entries: Vec<Entry>,
    shown: Shown,
    read: Shown,
}

pub async fn explain(q: &Question<'_>) -> Result<Explanation> {
    let case = Case::open(q).await?;
    case.check()?;
    let (decides, (verdict, shown)) = case.verdict().await?;
    let agreements = case.agreements().await?;
    let changes = case.changes().await?;
    let label = match q.row {
        Some(key) => Some(RowPart { key, label: case.probe.label(q.ty, key).await? }),
        None => None,
    };
    let mut policies = Vec::new();
    for (entry, decides) in case.entries.iter().zip(decides) {
        policies.push(case.policy(entry, decides).await?);
    }
    let effect = |p: &PolicyPart| ["by law", "forbid", "permit"].iter().position(|effect| *effect == p.effect);
    policies.sort_by_key(|p| (!p.decides, p.to != q.to, p.holds == Some(false), effect(p), p.policy.id.clone()));
    Ok(Explanation {
        seat: q.name.to_string(),
        to: q.to,
        ty: q.ty.name,
        field: q.field.map(|field| q.ty.fields[field].name.as_str()),
        row: label,
        verdict,
        shown,
        policies,
        for_others: case.for_others(),
        agreements,
        changes,
        seen_by: case.seen_by().await?,
    })
}

fn refused(why: super::Refusal) -> Error {
    Error::internal(format!("the policies do not compile any more: {why}"))
}

impl<'a> Case<'a> {
    async fn open(q: &'a Question<'a>) -> Result<Self> {
        let facts = Facts::read(q.db, q.seat, q.now).await?;
        let records = Record::all(q.db, q.seat.organisation).await?;
        let (_, trace) = traced(q.rules, q.seat, &facts, q.to.glass()).map_err(refused)?;
        let seen = q.to.seen(q.rules, q.seat, &facts, q.ty.id).map_err(refused)?;
        let view = q.to.view(q.rules, q.seat, &facts, q.ty.id).map_err(refused)?;
        let probe = Probe::new(q.db, q.person, q.now).through(q.lens);
        let fields: Vec<usize> = q.field.map_or_else(|| (1..q.ty.fields.len()).collect(), |field| vec![field]);
        let mut case =
            Case { q, probe, facts, records, view, seen, fields, entries: Vec::new(), shown: None, read: None };
        case.enter(&trace, q.to)?;
        if q.to != Deed::Read {
            case.enter(&trace, Deed::Read)?;
        }
        case.look().await?;
        let needed = case.reading();
        case.entries.retain(|entry| entry.to == q.to || entry.fields.iter().any(|field| needed.contains(field)));
        Ok(case)
    }

    /// The rules that speak of the deed.
    fn enter(&mut self, trace: &Trace, to: Deed) -> Result<()> {
        let ty = self.q.ty.id;
        for &field in &self.fields {
            let act = if to == self.q.to { to.act(field) } else { Act::Read(field) };
            for part in trace.of(ty, act).into_iter().flat_map(Parts::all) {
                // what is shown anyway needs no look
                let glass = part.rule.glass || part.forbids();
                if (to == Deed::Open && !glass) || (self.q.to == Deed::Open && to == Deed::Read && part.rule.glass) {
                    continue;
                }
                let same = |e: &&mut Entry| {
                    e.to == to
                        && e.part.rule.id == part.rule.id
                        && e.part.agreement == part.agreement
                        && e.part.shown == part.shown
                };
                match self.entries.iter_mut().find(same) {
                    Some(entry) => entry.fields.push(field),
                    None => {
                        let pieces = part.pieces(ty, &self.facts).map_err(|why| Error::internal(why.to_string()))?;
                        self.entries.push(Entry { to, part: part.clone(), pieces, fields: vec![field], holds: None });
                    }
                }
            }
        }
        Ok(())
    }

    /// Tries everything on the row, at once: a row that changes in between would contradict itself.
    async fn look(&mut self) -> Result<()> {
        let Some(key) = self.q.row else { return Ok(()) };
        let pieces = self.entries.iter().flat_map(|e| e.pieces.iter().map(|piece| piece.condition.clone()));
        let (of_view, of_seen) = (self.view.conditions(), self.seen.conditions());
        let (of_view_count, of_seen_count) = (of_view.len(), of_seen.len());
        let all: Vec<Arc<Pred>> = of_view.into_iter().chain(of_seen).chain(pieces).collect();
        let holds = self.probe.on_row(self.q.ty, key, &all).await?.unwrap_or_else(|| vec![false; all.len()]);
        let (of_view, rest) = holds.split_at(of_view_count);
        let (of_seen, mut rest) = rest.split_at(of_seen_count);
        for entry in &mut self.entries {
            let (mine, others) = rest.split_at(entry.pieces.len());
            entry.holds = Some(mine.to_vec());
            rest = others;
        }
        (self.shown, self.read) = (self.view.shown(of_view), self.seen.shown(of_seen));
        Ok(())
    }

    /// What the rules say of the row, one by one, must be what the view does.
    fn check(&self) -> Result<()> {
        if self.q.row.is_none() {
            return Ok(());
        }
        for &field in &self.fields {
            let of = |forbids: bool, legal: bool| {
                self.entries.iter().filter(move |e| {
                    e.to == self.q.to
                        && e.fields.contains(&field)
                        && e.held() == Some(true)
                        && e.part.forbids() == forbids
                        && e.part.rule.legal == legal
                })
            };
            let told = if of(false, true).next().is_some() {
                Some(Treatment::Full)
            } else if of(true, false).next().is_some() {
                None
            } else {
                let shown = of(false, false).filter_map(|e| e.part.shown).filter(|shown| !shown.is_in_sums());
                shown.max_by_key(|shown| shown.fullness())
            };
            if told.filter(|_| self.is_readable(field)) != self.shown.as_ref().and_then(|shown| shown[field]) {
                let name = &self.q.ty.fields[field].name;
                return Err(Error::internal(format!(
                    "the trace of {}.{name} is not what its view does",
                    self.q.ty.name
                )));
            }
        }
        Ok(())
    }

    /// How many rows show one of the fields that are asked for.
    async fn rows(&self, view: &TypeView) -> Result<i64> {
        self.probe.count(self.q.ty, &self.access(view)).await
    }

    fn access(&self, view: &TypeView) -> Arc<Pred> {
        use crate::access::pred::or;
        match self.q.field {
            None => view.row.clone(),
            Some(field) => and([view.row.clone(), or(view.fields[field].levels.iter().map(|(p, _)| p.clone()))]),
        }
    }

    fn title(&self, id: Uuid) -> Option<&str> {
        self.records.iter().find(|r| r.terms.id == id).map(|r| r.title.as_str())
    }

    async fn policy(&self, entry: &Entry, decides: bool) -> Result<PolicyPart> {
        let mut conditions = Vec::new();
        for (i, piece) in entry.pieces.iter().enumerate() {
            let holds = entry.holds.as_ref().map(|holds| holds[i]);
            let mut values = Vec::new();
            // a forbid that does not hold is none of the row's
            let telling = holds == Some(entry.part.forbids());
            if let (Some(key), true) = (self.q.row, telling) {
                for path in paths(&piece.condition).into_iter().filter(|path| told(self.q.ty, path)).take(4) {
                    let value = self.probe.value(self.q.ty, key, &path).await?;
                    values.push(Told { path: path_text(self.q.ty, &path), value });
                }
            }
            conditions.push(Condition { text: piece.text.clone(), holds, values });
        }
        let rule = &entry.part.rule;
        Ok(PolicyPart {
            policy: named(rule),
            to: entry.to,
            effect: entry.effect(),
            shown: match entry.effect() {
                "permit" if entry.to == Deed::Read => {
                    Some(entry.part.shown.map_or_else(|| "as an agreement says".into(), |shown| shown.to_string()))
                }
                _ => None,
            },
            agreement: entry.part.agreement.and_then(|id| self.title(id)).map(String::from),
            fields: match entry.to.is_whole() {
                true => Vec::new(),
                false => entry.fields.iter().map(|field| self.q.ty.fields[*field].name.as_str()).collect(),
            },
            holds: entry.held(),
            decides,
            conditions,
        })
    }

    /// Permits that speak of what is asked for and are left out for this seat.
    fn for_others(&self) -> Vec<Named> {
        let mut out: Vec<Named> = Vec::new();
        let (rules, ty, to) = (self.q.rules, self.q.ty.id.0, self.q.to);
        let classes: Vec<&FieldClass> = match to {
            Deed::Read | Deed::Open => rules.classes[ty].iter().collect(),
            Deed::Create => rules.writes[ty].create.iter().collect(),
            Deed::Update => rules.writes[ty].fields.iter().collect(),
            Deed::Delete => rules.writes[ty].delete.iter().collect(),
            Deed::Manage => rules.writes[ty].manage.iter().collect(),
            Deed::Export => vec![&rules.exports[ty]],
        };
        for class in classes {
            if !to.is_whole() && !class.fields.iter().any(|field| self.fields.contains(field)) {
                continue;
            }
            for rule in class.rules.iter().filter(|rule| to != Deed::Open || rule.glass) {
                let mine = self.entries.iter().any(|e| e.part.rule.id == rule.id);
                let permit = rule.policy.effect() == cedar_policy::Effect::Permit;
                if permit && !mine && !out.iter().any(|named| named.id == rule.id) {
                    out.push(named(rule));
                }
            }
        }
        out
    }
}

/// Whether a value may be told: it is the condition that is explained, not the person behind it.
fn told(ty: &Type, path: &[usize]) -> bool {
    let mut of = ty;
    path.iter().all(|step| {
        let field = &of.fields[*step];
        if let Some(to) = field.to {
            of = CATALOGUE.ty(to);
        }
        field.class != entities::meta::Class::Per
    })
}

fn path_text(ty: &Type, path: &[usize]) -> String {
    let mut of = ty;
    let steps = path.iter().map(|step| {
        let field = &of.fields[*step];
        if let Some(to) = field.to {
            of = CATALOGUE.ty(to);
        }
        field.name.as_str()
    });
    steps.collect::<Vec<_>>().join(".")
}

fn named(rule: &super::Rule) -> Named {
    let place = rule.place.clone();
    Named { id: rule.id.clone(), file: place.file, line: place.line, doc: rule.doc.clone() }
}

fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
