//! The agreements that matter to a question: in force or not, and why; what they cover of the row, and how
//! they show the fields.

use entities::Instant;
use serde::Serialize;
use uuid::Uuid;

use super::Case;
use crate::{
    access::{
        compile::speaks_of,
        facts::{Agreement, Record, ScopeRow},
        trace::Piece,
    },
    catalogue::CATALOGUE,
    error::Result,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgreementPart {
    pub title: String,
    pub status: String,
    pub from: Instant,
    pub until: Option<Instant>,
    pub in_force: bool,
    /// Why it is not in force.
    pub obstacle: Option<String>,
    /// Whether a scope of it covers the row, were it in force; without a row nobody knows.
    pub covers: Option<bool>,
    pub scopes: Vec<ScopePart>,
    /// How many scopes it has for this type that do not cover the row.
    pub other_scopes: usize,
    pub fields: Vec<FieldPart>,
}

/// How the agreement shows a field.
#[derive(Debug, Serialize)]
pub struct FieldPart {
    pub field: String,
    pub shown: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopePart {
    pub text: String,
    pub in_force: bool,
    pub covers: Option<bool>,
}

/// Why an agreement is not in force, as the end of a sentence; `None`: it is.
pub(super) fn obstacle(record: &Record, now: Instant) -> Option<String> {
    if record.in_force(now) {
        return None;
    }
    Some(match (record.status.as_str(), record.until) {
        ("active" | "ended", Some(until)) if until <= now => format!("it ended on {}", day(until)),
        ("active", _) if record.from > now => format!("it begins on {}", day(record.from)),
        ("active", _) => "it is not signed by both sides".into(),
        ("draft", _) if !record.signed_by_grantor && !record.signed_by_grantee => {
            "it is a draft that nobody has signed".into()
        }
        ("draft", _) if !record.signed_by_grantee => "it is a draft that the other side has not signed".into(),
        (status, _) => format!("its status is {status}"),
    })
}

/// The last day is told as people do: an end at midnight belongs to the day before it.
pub(super) fn day(at: Instant) -> String {
    let text = at.to_string();
    text.strip_suffix("T00:00:00Z").map_or(text.clone(), String::from)
}

/// The agreement with this scope alone, as if it had no dates.
pub(super) fn alone(id: Uuid, scope: &ScopeRow) -> Agreement {
    let scope = ScopeRow { exclude: false, from: None, until: None, ..scope.clone() };
    Agreement { id, from: 0, until: None, scopes: vec![scope], fields: Vec::new() }
}

impl Case<'_> {
    /// The conditions that ask for a scope and nothing else, each with the entry that has it.
    fn asked(&self) -> Vec<(usize, usize, &Piece)> {
        let mut out: Vec<(usize, usize, &Piece)> = Vec::new();
        for (i, entry) in self.entries.iter().enumerate().filter(|(_, e)| !e.part.forbids()) {
            for (j, piece) in entry.pieces.iter().enumerate() {
                let plain = piece.scopes.len() == 1 && !piece.text.contains("||") && !piece.text.contains('!');
                if plain && !out.iter().any(|(.., other)| other.text == piece.text) {
                    out.push((i, j, piece));
                }
            }
        }
        out
    }

    /// The kinds of scope that the permits ask for.
    pub(super) fn objects(&self) -> Vec<&'static str> {
        let pieces = self.entries.iter().filter(|e| !e.part.forbids()).flat_map(|e| &e.pieces);
        let mut all: Vec<&str> = pieces.flat_map(|piece| piece.scopes.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the scope covers what the permits ask for of the row.
    pub(super) async fn covers(&self, record: &Record, scope: &ScopeRow) -> Result<Option<bool>> {
        let Some(key) = self.q.row else { return Ok(None) };
        let alone = [alone(record.terms.id, scope)];
        let mut conditions = Vec::new();
        for (i, j, piece) in
            self.asked().into_iter().filter(|(.., piece)| piece.scopes.contains(&scope.object.as_str()))
        {
            let part = &self.entries[i].part;
            let pieces = part.pieces_under(self.q.ty.id, self.facts.organisation, &alone);
            conditions.push(
                pieces.ok().and_then(|all| all.get(j).map(|p| p.condition.clone())).unwrap_or(piece.condition.clone()),
            );
        }
        if conditions.is_empty() {
            return Ok(None);
        }
        let holds = self.probe.on_row(self.q.ty, key, &conditions).await?;
        Ok(holds.map(|all| all.contains(&true)))
    }

    pub(super) async fn agreements(&self) -> Result<Vec<AgreementPart>> {
        const SCOPES: usize = 8;
        let objects = self.objects();
        let mut out = Vec::new();
        for record in &self.records {
            let mut fields: Vec<FieldPart> = Vec::new();
            for row in &record.terms.fields {
                let meant = self.fields.iter().find(|field| speaks_of(row, self.q.ty, &self.q.ty.fields[**field]));
                if let Some(field) = meant {
                    let shown = row.treatment.map_or_else(|| "hidden".into(), |shown| shown.to_string());
                    fields.push(FieldPart { field: self.q.ty.fields[*field].name.clone(), shown });
                }
            }
            let mine: Vec<&ScopeRow> =
                record.terms.scopes.iter().filter(|scope| objects.contains(&scope.object.as_str())).collect();
            if mine.is_empty() && fields.is_empty() {
                continue;
            }
            let (mut scopes, mut covered, mut barred, mut asked) = (Vec::new(), false, false, false);
            for scope in &mine {
                let covers = self.covers(record, scope).await?;
                asked |= covers.is_some();
                covered |= covers == Some(true) && !scope.exclude;
                barred |= covers == Some(true) && scope.exclude;
                if covers != Some(false) && scopes.len() < SCOPES {
                    let text = self.scope_text(scope).await?;
                    scopes.push(ScopePart { text, in_force: self.runs(scope), covers });
                }
            }
            out.push(AgreementPart {
                title: record.title.clone(),
                status: record.status.clone(),
                from: record.from,
                until: record.until,
                in_force: record.in_force(self.q.now),
                obstacle: obstacle(record, self.q.now),
                covers: asked.then_some(covered && !barred),
                other_scopes: mine.len() - scopes.len(),
                scopes,
                fields,
            });
        }
        // those in force first
        out.sort_by_key(|part| !part.in_force);
        Ok(out)
    }

    pub(super) fn runs(&self, scope: &ScopeRow) -> bool {
        let now = self.q.now.0.div_euclid(1000);
        scope.from.is_none_or(|from| from <= now) && scope.until.is_none_or(|until| now < until)
    }

    pub(super) async fn scope_text(&self, scope: &ScopeRow) -> Result<String> {
        let mut named = Vec::new();
        for (ty, key) in [("Product", scope.product), ("Customer", scope.customer)] {
            if let (Some(ty), Some(key)) = (CATALOGUE.by_name(ty), key) {
                let label = self.probe.label(ty, key).await?;
                let kind = ty.name.to_lowercase();
                named.push(if scope.object == kind { label } else { format!("{kind} {label}") });
            }
        }
        named.extend(scope.family.iter().map(|family| format!("product family {family}")));
        named.extend(scope.region.iter().map(|region| format!("region {region}")));
        let what = if named.is_empty() { "everything".to_string() } else { named.join(" and ") };
        let sign = if scope.exclude { "but not " } else { "" };
        let at = |ms: i64| day(Instant(ms.saturating_mul(1000)));
        let from = scope.from.map_or_else(String::new, |from| format!(" from {}", at(from)));
        let until = scope.until.map_or_else(String::new, |until| format!(" until {}", at(until)));
        Ok(format!("{sign}{}: {what}{from}{until}", scope.object))
    }
}
