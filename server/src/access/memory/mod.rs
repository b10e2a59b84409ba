//! A view, asked about rows that are at hand: the images of an event, what somebody is about to write.
//! It decides what the SQL of the same view decides. What a condition asks of other rows is learned in
//! batches beforehand, so a decision itself is pure and takes less than a microsecond.

mod known;
mod logic;
mod outline;
mod treated;

use entities::Instant;
use uuid::Uuid;

pub use known::{Known, Needs};
pub use outline::{Eye, Outline, Shows};
use treated::{lasts, treated};

use self::logic::Logic;
use super::{
    gate::Gate,
    log::{Past, Position},
    pred::Pred,
    treat::Treatment,
    view::View,
};
use crate::{
    catalogue::{CATALOGUE, TypeId, Value},
    error::{Error, Result},
};

/// One row, as one person in the seat of a view would see it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub view: &'a View,
    pub me: Uuid,
    pub ty: TypeId,
    /// The values of all fields, raw and in the type's order.
    pub row: &'a [Value],
    /// Which fields are asked for. None: whether the row is there at all.
    pub fields: &'a [usize],
}

/// How each field that was asked for is shown; `None`: it is hidden.
pub type Shown = Vec<Option<Treatment>>;

impl Case<'_> {
    /// How the row is shown, `Some(None)` if it is not in the view. Without an answer it lacks facts, and says which.
    pub fn decide(&self, known: &Known, needs: &mut Needs) -> Option<Option<Shown>> {
        let logic = Logic { known, me: self.me };
        let view = self.view.of(self.ty);
        if !self.holds(&logic, &view.row, needs)? {
            return Some(None);
        }
        let mut shown = Shown::with_capacity(self.fields.len());
        let mut open = false;
        for &field in self.fields {
            match self.level(&logic, field, needs) {
                Some(level) => {
                    open |= !self.grounded(level, known, needs);
                    shown.push(level);
                }
                None => open = true,
            }
        }
        (!open).then_some(Some(shown))
    }

    /// The values as the view shows them, by what was known when it was decided how; the secret makes the pseudonyms
    /// of the organisation that asks.
    pub fn values(&self, known: &Known, shown: &[Option<Treatment>], secret: &str) -> Vec<Value> {
        let value = |(field, shown): (&usize, &Option<Treatment>)| match (shown, &self.row[*field]) {
            (Some(how @ Treatment::DaysOfSupply(_)), value) => self.lasting(*how, value, known),
            (shown, value) => treated(*shown, value, secret),
        };
        self.fields.iter().zip(shown).map(value).collect()
    }

    /// How long a stored value lasts.
    fn lasting(&self, how: Treatment, value: &Value, known: &Known) -> Value {
        let Treatment::DaysOfSupply(days) = how else { return Value::Null };
        let need = self.place().and_then(|of| known.demand(self.ty, days, of)).flatten();
        lasts(value, need, days)
    }

    /// Is it known what the value is shown by?
    fn grounded(&self, shown: Option<Treatment>, known: &Known, needs: &mut Needs) -> bool {
        let (Some(Treatment::DaysOfSupply(days)), Some(of)) = (shown, self.place()) else { return true };
        let here = known.demand(self.ty, days, of).is_some();
        if !here {
            needs.demand(self.ty, days, of);
        }
        here
    }

    /// Product and place of a row that is needed.
    fn place(&self) -> Option<[Uuid; 2]> {
        let ty = CATALOGUE.ty(self.ty);
        let key = |column: &str| match self.row[ty.fields.iter().position(|field| field.column == column)?] {
            Value::Id(key) => Some(key),
            _ => None,
        };
        let demand = ty.demand?;
        Some([key(demand.product)?, key(demand.place)?])
    }

    fn level(&self, logic: &Logic<'_>, field: usize, needs: &mut Needs) -> Option<Option<Treatment>> {
        if field == 0 {
            return Some(Some(Treatment::Full));
        }
        for (p, shown) in &self.view.of(self.ty).fields[field].levels {
            if self.holds(logic, p, needs)? {
                return Some(Some(*shown));
            }
        }
        Some(None)
    }

    fn holds(&self, logic: &Logic<'_>, p: &Pred, needs: &mut Needs) -> Option<bool> {
        let holds = logic.is(p, self.ty, self.row, true);
        if holds.is_none() {
            logic.needs(p, self.ty, self.row, true, needs);
        }
        holds
    }
}

/// Whether a condition holds of the case's row, whoever sees it.
pub(in crate::access) fn holds(case: &Case<'_>, p: &Pred, known: &Known, needs: &mut Needs) -> Option<bool> {
    case.holds(&Logic { known, me: case.me }, p, needs)
}

impl Gate {
    /// What these cases ask of other rows at this moment, read in one state of the data.
    pub async fn learn(&self, now: Instant, cases: &[Case<'_>]) -> Result<Known> {
        self.learn_at(None, now, cases).await
    }

    /// The same as the rows stood behind a position of the change log, if one is given.
    pub async fn learn_at(&self, position: Option<Position>, now: Instant, cases: &[Case<'_>]) -> Result<Known> {
        let mut known = Known::at(now);
        let mut session = None;
        let mut open: Vec<&Case<'_>> = cases.iter().collect();
        loop {
            let mut needs = Needs::default();
            open.retain(|case| case.decide(&known, &mut needs).is_none());
            if open.is_empty() {
                break;
            }
            if needs.is_empty() {
                return Err(Error::internal("a decision that lacks facts does not say which"));
            }
            let session = match &mut session {
                Some(session) => session,
                none => none.insert(match position {
                    Some(position) => Past::session(&self.db, position).await?,
                    None => self.db.reader.session(true).await?,
                }),
            };
            known.fetch(session, self.dialect(), &needs).await?;
        }
        if let Some(session) = session {
            session.finish().await?;
        }
        Ok(known)
    }

    /// How the views show these rows at this moment; `None`: the row is not in the view.
    pub async fn decide(&self, now: Instant, cases: &[Case<'_>]) -> Result<Vec<Option<Shown>>> {
        let known = self.learn(now, cases).await?;
        let unlearned = || Error::internal("a decision lacks a fact that it did not ask for");
        cases.iter().map(|case| case.decide(&known, &mut Needs::default()).ok_or_else(unlearned)).collect()
    }
}
