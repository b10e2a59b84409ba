//! The write guard: may this person do this to this row? Asked of the whole row before and after, as it stands in
//! the transaction. What somebody cannot see does not exist for it; what it sees and may not write is said so.

use std::sync::Arc;

use entities::Instant;
use uuid::Uuid;

use super::{Lock, Tx, filled, tx::Reason};
use crate::{
    access::{
        memory::{Case, holds},
        pred::Pred,
        treat::Treatment,
        view::View,
    },
    catalogue::{CATALOGUE, Type, Value},
    error::{Error, Result},
};

pub(super) struct Guard<'a> {
    pub tx: &'a Tx,
    pub view: &'a View,
    /// Who writes, or is stood for.
    pub by: Uuid,
    pub ty: &'a Type,
    pub now: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    /// The row is not in the view.
    Unseen,
    /// The row does not show this field in full.
    Hidden(usize),
    /// No policy permits it in this row; the field, if it is about one.
    Refused(Option<usize>),
}

impl Guard<'_> {
    pub async fn create(&self, key: Uuid, values: &[(usize, Value)]) -> Result<()> {
        self.references(None, values).await?;
        let mut given = vec![(0, key.into())];
        given.extend_from_slice(values);
        given.extend(filled(self.ty, None, self.by, self.now));
        let fields: Vec<usize> = values.iter().map(|(field, _)| *field).collect();
        let permits = vec![(None, self.view.of(self.ty.id).writes.create.clone())];
        if let Err(reason) = self.tx.insert(self.ty, &given).await? {
            let mut row = vec![Value::Null; self.ty.fields.len()];
            given.into_iter().for_each(|(field, value)| row[field] = value);
            return Err(self.refused(reason, &row, &fields, &permits, Doing::Create).await?);
        }
        self.after(key, &fields, &permits, Doing::Create).await
    }

    /// `before` is the row as it is now, locked, if there is one.
    pub async fn update(
        &self,
        key: Uuid,
        before: Option<Vec<Value>>,
        values: &[(usize, Value)],
        seen: Option<i64>,
    ) -> Result<()> {
        let fields: Vec<usize> = values.iter().map(|(field, _)| *field).collect();
        let writes = &self.view.of(self.ty.id).writes;
        let permits: Vec<_> = fields.iter().map(|field| (Some(*field), writes.fields[*field].clone())).collect();
        let before = self.before(before, &fields, &permits, seen, Doing::Update).await?;
        self.references(Some(&before), values).await?;
        let mut given = values.to_vec();
        given.extend(filled(self.ty, Some(&before), self.by, self.now));
        if let Err(reason) = self.tx.update(self.ty, key, &given).await? {
            let mut row = before;
            given.into_iter().for_each(|(field, value)| row[field] = value);
            return Err(self.refused(reason, &row, &fields, &permits, Doing::Update).await?);
        }
        self.after(key, &fields, &permits, Doing::Update).await
    }

    pub async fn delete(&self, key: Uuid, before: Option<Vec<Value>>, seen: Option<i64>) -> Result<()> {
        let permits = [(None, self.view.of(self.ty.id).writes.delete.clone())];
        self.before(before, &[], &permits, seen, Doing::Delete).await?;
        match self.tx.delete(self.ty, key).await? {
            Ok(()) => Ok(()),
            // rows that point here may be none of the writer's business
            Err(_) => Err(self.no(Doing::Delete, None)),
        }
    }

    /// The row, if it is seen, and operations of the domain may be done with it.
    pub async fn manage(&self, row: Option<Vec<Value>>) -> Result<Vec<Value>> {
        let missing = || Error::not_found(format!("there is no such {} that you can see", self.ty.name));
        let row = row.ok_or_else(missing)?;
        let permits = [(None, self.view.of(self.ty.id).writes.manage.clone())];
        match self.judge(&row, &[], &permits).await? {
            Verdict::Allowed => Ok(row),
            Verdict::Unseen => Err(missing()),
            Verdict::Hidden(_) | Verdict::Refused(_) => {
                Err(Error::forbidden(format!("this {} is not yours to manage", self.ty.name)))
            }
        }
    }

    /// The row, if it may be written.
    async fn before(
        &self,
        row: Option<Vec<Value>>,
        fields: &[usize],
        permits: &[(Option<usize>, Arc<Pred>)],
        seen: Option<i64>,
        doing: Doing,
    ) -> Result<Vec<Value>> {
        let missing = || Error::not_found(format!("there is no such {} that you can see", self.ty.name));
        let row = row.ok_or_else(missing)?;
        let version = self.ty.version();
        let read: Vec<usize> = fields.iter().copied().chain(version).collect();
        match self.judge(&row, &read, permits).await? {
            Verdict::Allowed => {}
            Verdict::Unseen => return Err(missing()),
            Verdict::Hidden(field) | Verdict::Refused(Some(field)) => return Err(self.no(doing, Some(field))),
            Verdict::Refused(None) => return Err(self.no(doing, None)),
        }
        match version.map(|field| &row[field]) {
            Some(Value::Int(now)) if seen != Some(*now) => Err(Error::Conflict(format!(
                "this {} was changed since you read it: read it again, and send `rowVersion` {now} if you still want the change",
                self.ty.name
            ))),
            _ => Ok(row),
        }
    }

    /// The row as it has become.
    async fn after(
        &self,
        key: Uuid,
        fields: &[usize],
        permits: &[(Option<usize>, Arc<Pred>)],
        doing: Doing,
    ) -> Result<()> {
        let gone = || Error::internal("a row that was written is not there");
        let row = self.tx.row(self.ty, key, Lock::Write).await?.ok_or_else(gone)?;
        match self.judge(&row, fields, permits).await? {
            Verdict::Allowed => Ok(()),
            verdict => Err(self.not_so(doing, &verdict)),
        }
    }

    /// What is told of a row that the database refuses: that it is taken learns only who could have written it.
    async fn refused(
        &self,
        reason: Reason,
        row: &[Value],
        fields: &[usize],
        permits: &[(Option<usize>, Arc<Pred>)],
        doing: Doing,
    ) -> Result<Error> {
        let verdict = self.judge(row, fields, permits).await?;
        let name = self.ty.name;
        Ok(match (verdict, reason) {
            (Verdict::Allowed, Reason::Taken) => Error::Conflict(format!(
                "another {name} with these values is there already: change that one, or choose other values"
            )),
            (Verdict::Allowed, Reason::Dangling) => self.unknown(None),
            (Verdict::Allowed, Reason::Value) => {
                Error::input(format!("a value is none that a {name} can have: see its fields in the schema"))
            }
            (verdict, _) => self.not_so(doing, &verdict),
        })
    }

    async fn judge(&self, row: &[Value], fields: &[usize], permits: &[(Option<usize>, Arc<Pred>)]) -> Result<Verdict> {
        let case = Case { view: self.view, me: self.by, ty: self.ty.id, row, fields };
        let decided = self.tx.decide(self.now, |known, needs| {
            let Some(shown) = case.decide(known, needs)? else { return Some(Verdict::Unseen) };
            let mut shown = fields.iter().zip(shown);
            if let Some((field, _)) = shown.find(|(_, shown)| *shown != Some(Treatment::Full)) {
                return Some(Verdict::Hidden(*field));
            }
            for (field, permit) in permits {
                if !holds(&case, permit, known, needs)? {
                    return Some(Verdict::Refused(*field));
                }
            }
            Some(Verdict::Allowed)
        });
        decided.await
    }

    /// Every row that is newly pointed at is one that the writer sees.
    async fn references(&self, before: Option<&[Value]>, values: &[(usize, Value)]) -> Result<()> {
        for (field, value) in values {
            let (Some(to), Value::Id(key)) = (self.ty.fields[*field].to, value) else { continue };
            if before.is_some_and(|row| row[*field] == *value) {
                continue;
            }
            let unknown = || self.unknown(Some(*field));
            let row = self.tx.row(CATALOGUE.ty(to), *key, Lock::Share).await?.ok_or_else(unknown)?;
            let case = Case { view: self.view, me: self.by, ty: to, row: &row, fields: &[] };
            if self.tx.decide(self.now, |known, needs| case.decide(known, needs)).await?.is_none() {
                return Err(unknown());
            }
        }
        Ok(())
    }

    /// One answer for what is not there, not seen, or another organisation's.
    fn unknown(&self, field: Option<usize>) -> Error {
        match field.map(|field| (&self.ty.fields[field].name, self.ty.fields[field].to)) {
            Some((name, Some(to))) => {
                Error::not_found(format!("`{name}` names no {} that you can see", CATALOGUE.ty(to).name))
            }
            _ => Error::not_found("an id names no row that you can see"),
        }
    }

    /// The row is seen, and may not be written.
    fn no(&self, doing: Doing, field: Option<usize>) -> Error {
        let name = self.ty.name;
        Error::forbidden(match (doing, field) {
            (Doing::Delete, _) => format!(
                "you cannot delete this {name} now: it is not yours to delete, its time has passed, or other rows need it"
            ),
            (Doing::Create, _) => self.not_made(),
            (Doing::Update, Some(field)) => format!(
                "you cannot change `{}` of this {name} now: its time has passed, or its state does not allow it",
                self.ty.fields[field].name
            ),
            (Doing::Update, None) => format!("you cannot change this {name} now"),
        })
    }

    /// The row may be written, but not with these values.
    fn not_so(&self, doing: Doing, verdict: &Verdict) -> Error {
        let name = self.ty.name;
        Error::forbidden(match (doing, verdict) {
            (Doing::Create, _) => self.not_made(),
            (_, Verdict::Unseen) => {
                format!("with these values the {name} would leave what you can see: ask somebody who sees both sides")
            }
            _ => format!("you cannot give this {name} these values: with them it would not be yours to write"),
        })
    }

    fn not_made(&self) -> String {
        format!(
            "you cannot create this {} now: with these values it would not be yours to write, or its time has passed",
            self.ty.name
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Create,
    Update,
    Delete,
}
