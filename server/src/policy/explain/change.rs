//! What would have to change. Every change is tried: the seat's facts are changed by that one thing, the
//! type is compiled again, and what is then shown is compared with what is shown now.

use entities::Instant;

use super::{Case, SeenBy, Shown, agreements::day, listed, refused};
use crate::{
    access::{
        Treatment,
        compile::speaks_of,
        facts::{Facts, FieldRow, ScopeRow},
        pred::or,
        probe::Probe,
        trace::{instants, moments},
        view::TypeView,
    },
    error::Result,
    policy::deed::{Deed, May},
};

/// How many moments ahead are tried, and how many are told.
const MOMENTS: usize = 8;
const TOLD: usize = 3;
/// Seats that are compared on a small hub; on a large one those of the same organisation.
const SEATS: usize = 60;

/// What is shown: of the row, or in how many rows.
#[derive(Clone, PartialEq)]
enum Measure {
    Row(Shown),
    Rows(i64),
    /// In how many rows' sums, while none is shown.
    Summed(i64),
}

impl Case<'_> {
    pub(super) async fn changes(&self) -> Result<Vec<String>> {
        let now = self.measure(&self.view, &self.probe).await?;
        let mut out = self.later(&now).await?;
        if self.is_all(&now) {
            return Ok(out);
        }
        self.forbids(&mut out);
        self.nearest(&mut out);
        self.agreed(&now, &mut out).await?;
        Ok(out)
    }

    async fn measure(&self, view: &TypeView, probe: &Probe) -> Result<Measure> {
        Ok(match self.q.row {
            Some(key) => Measure::Row(probe.shown(self.q.ty, key, view).await?),
            None => match self.fields.iter().find_map(|field| view.guarding(*field)) {
                Some(guard) => Measure::Summed(probe.count(self.q.ty, guard.row()).await?),
                None => Measure::Rows(probe.count(self.q.ty, &self.access(view)).await?),
            },
        })
    }

    /// Nothing more could be shown.
    fn is_all(&self, now: &Measure) -> bool {
        match now {
            Measure::Row(Some(shown)) => self.fields.iter().all(|field| shown[*field] == Some(Treatment::Full)),
            _ => false,
        }
    }

    /// What more is shown, as the end of a sentence; `None`: nothing.
    fn more(&self, now: &Measure, then: &Measure) -> Option<String> {
        match (now, then) {
            (Measure::Rows(now), Measure::Rows(then)) if then > now => Some(self.in_rows(*then, *now)),
            (Measure::Rows(0), Measure::Summed(then)) if *then > 0 => {
                Some(format!("it is told in sums over {then} rows"))
            }
            (Measure::Summed(now), Measure::Summed(then)) if then > now => {
                Some(format!("its sums are over {then} rows instead of {now}"))
            }
            (Measure::Summed(_), Measure::Rows(then)) if *then > 0 => Some(format!("it is seen in {then} rows")),
            (Measure::Row(now), Measure::Row(Some(then))) => {
                let rank = |shown: Option<Treatment>| shown.map(Treatment::fullness);
                let was = |field: usize| now.as_ref().and_then(|now| now[field]);
                let fuller: Vec<usize> =
                    self.fields.iter().copied().filter(|f| rank(then[*f]) > rank(was(*f))).collect();
                let passive = self.q.to.passive();
                match self.q.field {
                    _ if fuller.is_empty() => None,
                    _ if self.q.to == Deed::Update && self.q.field.is_none() => {
                        let names: Vec<&str> = fuller.iter().map(|f| self.q.ty.fields[*f].name.as_str()).collect();
                        Some(format!("{} {passive}", listed(&names)))
                    }
                    _ if self.q.to != Deed::Read => Some(format!("it {passive}")),
                    Some(field) => then[field].map(|shown| format!("it is shown {}", how(shown))),
                    None => {
                        let names: Vec<&str> = fuller.iter().map(|f| self.q.ty.fields[*f].name.as_str()).collect();
                        let also = if now.is_some() { "more is shown of it" } else { "the row is there" };
                        Some(format!("{also}: {}", listed(&names)))
                    }
                }
            }
            _ => None,
        }
    }

    /// What is shown less.
    fn less(&self, now: &Measure, then: &Measure) -> Option<String> {
        match (now, then) {
            (Measure::Rows(now), Measure::Rows(then)) if then < now => Some(self.in_rows(*then, *now)),
            (Measure::Summed(_), Measure::Rows(0)) => Some("it is told in no sum".into()),
            (Measure::Summed(now), Measure::Summed(then)) if then < now => {
                Some(format!("its sums are over {then} rows instead of {now}"))
            }
            (Measure::Row(Some(_)), Measure::Row(None)) if self.q.to != Deed::Read => {
                Some(format!("it {} no more", self.q.to.passive()))
            }
            (Measure::Row(Some(_)), Measure::Row(None)) => Some("the row is gone".into()),
            (Measure::Row(Some(now)), Measure::Row(Some(then))) => {
                let rank = |shown: Option<Treatment>| shown.map(Treatment::fullness);
                let lost = self.fields.iter().filter(|f| rank(then[**f]) < rank(now[**f]));
                let lost: Vec<String> = lost
                    .map(|f| match self.q.to {
                        Deed::Read => {
                            format!("{} is {}", self.q.ty.fields[*f].name, then[*f].map_or("hidden".into(), how))
                        }
                        to => format!("{} {} no more", self.q.ty.fields[*f].name, to.passive()),
                    })
                    .collect();
                (!lost.is_empty()).then(|| lost.join(", "))
            }
            _ => None,
        }
    }

    fn in_rows(&self, then: i64, now: i64) -> String {
        match self.q.to {
            Deed::Create => format!("such rows as {then} of those that are there may be created, instead of {now}"),
            to => format!("it {} in {then} rows instead of {now}", to.passive()),
        }
    }

    /// What time alone changes: the moments in the conditions and at the edges of agreements are tried.
    async fn later(&self, now: &Measure) -> Result<Vec<String>> {
        let mut at: Vec<i64> = Vec::new();
        for piece in self.entries.iter().flat_map(|entry| &entry.pieces) {
            at.extend(instants(&piece.condition));
            for (path, moved) in moments(&piece.condition) {
                let now = self.q.now.0.div_euclid(1000);
                let stored = match self.q.row {
                    Some(key) => self.probe.moment(self.q.ty, key, &path).await?,
                    None => self.probe.next_moment(self.q.ty, &path, now.saturating_add(moved)).await?,
                };
                at.extend(stored.map(|stored| stored.saturating_sub(moved)));
            }
        }
        let dates = self.records.iter().flat_map(|r| [Some(r.from), r.until]).flatten();
        at.extend(dates.map(|at| at.0.div_euclid(1000)));
        at.retain(|ms| *ms > self.q.now.0.div_euclid(1000));
        at.sort_unstable();
        at.dedup();
        let (mut out, mut before) = (Vec::new(), now.clone());
        for ms in at.into_iter().take(MOMENTS) {
            // a condition may hold up to the moment or up to and with it
            for ms in [ms, ms + 1] {
                let instant = Instant(ms.saturating_mul(1000));
                let facts = Facts::read(self.q.db, self.q.seat, instant).await?;
                let view = self.q.to.view(self.q.rules, self.q.seat, &facts, self.q.ty.id).map_err(refused)?;
                let then = self.measure(&view, &self.probe.at(instant)).await?;
                let told = self.more(&before, &then).or_else(|| self.less(&before, &then));
                if let Some(told) = told.filter(|_| out.len() < TOLD) {
                    out.push(format!("from {} on, by itself: {told}", day(instant)));
                }
                before = then;
            }
        }
        Ok(out)
    }

    /// A forbid that holds where something else would show more.
    fn forbids(&self, out: &mut Vec<String>) {
        let mine: Vec<_> = self.entries.iter().filter(|e| e.to == self.q.to && e.held() == Some(true)).collect();
        let held: Vec<_> = mine.iter().filter(|e| e.part.forbids()).collect();
        let mut told: Vec<Vec<&str>> = Vec::new();
        for &field in &self.fields {
            let best = mine.iter().filter(|e| e.fields.contains(&field) && !e.part.forbids());
            let best = best.filter_map(|e| e.part.shown).max_by_key(|s| s.fullness());
            let hit: Vec<&str> =
                held.iter().filter(|e| e.fields.contains(&field)).map(|e| e.part.rule.id.as_str()).collect();
            let stands = !hit.is_empty() && !told.contains(&hit) && self.is_readable(field);
            let Some(best) = best.filter(|_| stands) else { continue };
            if self.shown.as_ref().and_then(|shown| shown[field]).is_some() {
                continue;
            }
            let name = &self.q.ty.fields[field].name;
            out.push(match self.q.to {
                Deed::Read => format!("were it not for {}: {name} is shown {}", listed(&hit), how(best)),
                to if to.is_whole() => format!("were it not for {}: it {}", listed(&hit), to.passive()),
                to => format!("were it not for {}: {name} {}", listed(&hit), to.passive()),
            });
            told.push(hit);
        }
    }

    /// A permit that would show more and lacks one condition.
    fn nearest(&self, out: &mut Vec<String>) {
        let asked = if self.q.to.is_whole() { self.fields.first().copied() } else { self.q.field };
        let Some(field) = asked.filter(|field| self.q.row.is_some() && self.is_readable(*field)) else { return };
        for entry in self.entries.iter().filter(|e| e.to == self.q.to && !e.part.forbids()) {
            let Some(holds) = &entry.holds else { continue };
            let mut failing: Vec<usize> = (0..holds.len()).filter(|i| !holds[*i]).collect();
            // that a value is there says nothing beside what it must be
            if failing.len() > 1 {
                failing.retain(|i| !entry.pieces[*i].text.contains(" has "));
            }
            let Some(then) = entry.part.shown.or(entry.part.rule.legal.then_some(Treatment::Full)) else { continue };
            let current = self.shown.as_ref().and_then(|shown| shown[field]);
            let fuller = Some(then.fullness()) > current.map(Treatment::fullness);
            if let ([missing], true) = (&failing[..], fuller) {
                let text = &entry.pieces[*missing].text;
                let then = match self.q.to {
                    Deed::Read => format!("it is shown {}", how(then)),
                    to => format!("it {}", to.passive()),
                };
                out.push(format!("`{}` lacks one condition, `{text}`: with it, {then}", entry.part.rule.id));
            }
        }
    }

    /// The agreements: in force, without a date, with a field listed, with a scope more or an exclusion less.
    async fn agreed(&self, now: &Measure, out: &mut Vec<String>) -> Result<()> {
        let objects = self.objects();
        for record in &self.records {
            let title = &record.title;
            let Some(obstacle) = super::agreements::obstacle(record, self.q.now) else { continue };
            let mut facts = self.facts.clone();
            let mut terms = record.terms.clone();
            (terms.from, terms.until) = (0, None);
            facts.agreements.push(terms);
            if let Some(more) = self.tried(&facts, now).await? {
                out.push(format!("the agreement “{title}” is not in force, {obstacle}: were it in force, {more}"));
            }
        }
        for (i, agreement) in self.facts.agreements.iter().enumerate() {
            let Some(record) = self.records.iter().find(|r| r.terms.id == agreement.id) else { continue };
            let title = &record.title;
            let changed = |change: &dyn Fn(&mut crate::access::facts::Agreement)| {
                let mut facts = self.facts.clone();
                change(&mut facts.agreements[i]);
                facts
            };
            for scope in record.terms.scopes.iter().filter(|s| objects.contains(&s.object.as_str())) {
                let text = self.scope_text(scope).await?;
                if !self.runs(scope) && !scope.exclude {
                    let facts = changed(&|a| a.scopes.push(ScopeRow { from: None, until: None, ..scope.clone() }));
                    if let Some(more) = self.tried(&facts, now).await? {
                        out.push(format!("a scope of “{title}” is not in force ({text}): were it in force, {more}"));
                    }
                }
            }
            if agreement.scopes.iter().any(|scope| scope.exclude && objects.contains(&scope.object.as_str())) {
                let facts = changed(&|a| a.scopes.retain(|scope| !scope.exclude));
                if let Some(more) = self.tried(&facts, now).await? {
                    let mut hit = Vec::new();
                    for scope in
                        record.terms.scopes.iter().filter(|s| s.exclude && objects.contains(&s.object.as_str()))
                    {
                        if self.covers(record, scope).await? != Some(false) {
                            hit.push(self.scope_text(scope).await?.trim_start_matches("but not ").to_string());
                        }
                    }
                    out.push(format!("“{title}” takes out {}: without that, {more}", hit.join("; ")));
                }
            }
            if let Some(field) = self.q.field {
                let (ty, field) = (self.q.ty, &self.q.ty.fields[field]);
                let listed = agreement.fields.iter().find(|row| speaks_of(row, ty, field));
                let row =
                    FieldRow { object: ty.singular(), field: field.name.clone(), treatment: Some(Treatment::Full) };
                let facts = changed(&|a| {
                    a.fields.retain(|row| !speaks_of(row, ty, field));
                    a.fields.push(row.clone());
                });
                if let Some(more) = self.tried(&facts, now).await? {
                    let said = match listed.map(|row| row.treatment) {
                        None => format!("“{title}” does not list {}", field.name),
                        Some(shown) => format!(
                            "“{title}” shows {} as {}",
                            field.name,
                            shown.map_or_else(|| "hidden".into(), |shown| shown.to_string())
                        ),
                    };
                    out.push(format!("{said}: listed in full, {more}"));
                }
            }
            let wider = objects.iter().map(|object| ScopeRow {
                object: (*object).to_string(),
                exclude: false,
                product: None,
                family: None,
                region: None,
                customer: None,
                from: None,
                until: None,
            });
            let wider: Vec<ScopeRow> = wider.collect();
            if !wider.is_empty() && self.q.row.is_some() {
                let facts = changed(&|a| a.scopes.extend(wider.iter().cloned()));
                if let Some(more) = self.tried(&facts, now).await? {
                    out.push(format!("no scope of “{title}” covers it: with one, {more}"));
                }
            }
        }
        Ok(())
    }

    async fn tried(&self, facts: &Facts, now: &Measure) -> Result<Option<String>> {
        let view = self.q.to.view(self.q.rules, self.q.seat, facts, self.q.ty.id).map_err(refused)?;
        let then = self.measure(&view, &self.probe).await?;
        Ok(self.more(now, &then))
    }

    /// Who else sees it, and how.
    pub(super) async fn seen_by(&self) -> Result<Vec<SeenBy>> {
        let few = self.q.others.len() <= SEATS;
        let mut out = Vec::new();
        for taken in self.q.others {
            if taken.seat == *self.q.seat || !(few || taken.seat.organisation == self.q.seat.organisation) {
                continue;
            }
            let facts = Facts::read(self.q.db, &taken.seat, self.q.now).await?;
            let view = self.q.to.view(self.q.rules, &taken.seat, &facts, self.q.ty.id).map_err(refused)?;
            let probe = Probe::new(self.q.db, taken.principal, self.q.now).through(self.q.lens);
            let told = match (self.q.row, self.q.field) {
                _ if self.q.to != Deed::Read => self.done_by(&view, &probe).await?,
                (Some(key), field) => match (probe.shown(self.q.ty, key, &view).await?, field) {
                    (None, _) => None,
                    (Some(shown), Some(field)) => shown[field].map(|shown| shown.to_string()),
                    (Some(shown), None) => Some(format!("{} fields", shown.iter().flatten().count())),
                },
                (None, Some(field)) => {
                    let levels = &view.fields[field].levels;
                    if let Some(guard) = view.guarding(field) {
                        out.push(SeenBy { seat: taken.name.to_string(), shown: guard.treatment().to_string() });
                    }
                    let words: Vec<String> = levels.iter().map(|(_, shown)| shown.to_string()).collect();
                    (!or(levels.iter().map(|(p, _)| p.clone())).is_never()).then(|| words.join(", "))
                }
                (None, None) => {
                    let seen = view.fields.iter().filter(|field| !field.is_hidden()).count();
                    (seen > 0).then(|| format!("{seen} fields"))
                }
            };
            out.extend(told.map(|shown| SeenBy { seat: taken.name.to_string(), shown }));
        }
        Ok(out)
    }
}

impl Case<'_> {
    /// A deed's view of somebody else, in a word.
    async fn done_by(&self, view: &TypeView, probe: &Probe) -> Result<Option<String>> {
        let fields = self.fields.iter().filter(|field| !view.fields[**field].is_hidden()).count();
        Ok(match self.q.row {
            Some(key) => probe.shown(self.q.ty, key, view).await?.and_then(|shown| {
                let may = view.may(&self.fields, Some(&shown), Some(&shown));
                (may == May::Yes).then(|| may.word().to_owned())
            }),
            None if fields == 0 || view.row.is_never() => None,
            None => Some("in some rows".to_owned()),
        })
    }
}

fn how(shown: Treatment) -> String {
    match shown {
        Treatment::Full => "in full".into(),
        shown if shown.is_in_sums() => format!("in sums only, as {shown}"),
        shown => format!("as {shown}"),
    }
}
