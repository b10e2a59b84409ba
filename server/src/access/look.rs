//! Breaking the glass: a look at one hidden field of one row. Permits of the tier `glass` say who may open what;
//! here it is opened, for an hour and one person. The look, the line in the access log and the mail to whoever
//! answers for the row are one transaction. Views ask for looks as for any set, so that it holds at once, in every
//! process.

use entities::{Instant, break_glass, mail, organisation, principal};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::json;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{
    Gate, Treatment, View,
    compile::{Glass, through},
    connect::Db,
    facts::Facts,
    roster::Caller,
    select::{Binding, Select, Statement},
    sql::{Bind, BindType, Sql},
};
use crate::{
    access::read::Arg,
    audit::{Line, append},
    catalogue::{CATALOGUE, Type},
    error::{Error, Result},
    mail::Post,
};

const LASTS: i64 = 60 * 60 * 1_000_000;
/// Characters of a reason: enough to say something, few enough to be read.
const REASON: std::ops::RangeInclusive<usize> = 10..=500;

/// What somebody wants to see.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    pub ty: &'a Type,
    pub key: Uuid,
    /// The id of the row, as the caller's organisation knows it.
    pub id: &'a str,
    /// Name of the field.
    pub field: &'a str,
    pub reason: &'a str,
}

/// A look that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub object_type: String,
    pub object: Uuid,
    pub field: String,
    pub reason: String,
}

impl Gate {
    /// Opens the field to the caller, and gives the key of the look.
    pub async fn break_glass(&self, post: &Post, caller: &Caller, look: &Look<'_>) -> Result<Uuid> {
        let now = self.now();
        if caller.place.is_some() {
            return Err(Error::forbidden("a look is taken by oneself, leave `X-Entente-As` out"));
        }
        let (whole, broken) = self.looking(caller, now).await?;
        let unknown = || Error::input(format!("`{}` has no field `{}`", look.ty.name, look.field));
        let field = look.ty.field_index(look.field).filter(|field| *field > 0 && broken.sees(look.ty.id, *field));
        let field = field.ok_or_else(unknown)?;
        let policies = whole.policies;
        let reason = look.reason.trim();
        if !REASON.contains(&reason.chars().count()) {
            let (least, most) = (REASON.start(), REASON.end());
            return Err(Error::input(format!("say why in `reason`, in {least} to {most} characters")));
        }
        self.may_open((whole, broken), caller, look, field, now).await?;
        if !post.is_open() {
            return Err(Error::Conflict(
                "whoever answers for the row must be told by e-mail, and this hub sends none: set `mail.smtp` or `mail.folder`".into(),
            ));
        }
        let me = principal::Entity::find_by_id(caller.principal).one(self.db.orm()).await?;
        let me = me.ok_or_else(|| Error::unauthenticated("the token's person is no longer here"))?;
        let recipient = self.recipient(caller, look).await?.ok_or_else(|| {
            Error::Conflict(
                "nobody can be told: the row has no owner but you, set `privacyContact` of your organisation".into(),
            )
        })?;
        let opened = break_glass::Model {
            id: self.clock.id(),
            principal_id: caller.principal,
            object_type: look.ty.name.into(),
            object_id: look.key,
            field: look.field.into(),
            reason: reason.into(),
            opened_at: now,
            ends_at: Instant(now.0 + LASTS),
        };
        let line = Line {
            id: self.clock.id(),
            at: now.0,
            principal: Some(caller.principal),
            organisation: Some(caller.seat.organisation),
            on_behalf_of: None,
            action: "break_glass".into(),
            object_type: look.ty.name.into(),
            object_id: Some(look.key),
            fields: Some(json!([look.field])),
            rows: Some(1),
            decision: "allow".into(),
            policy_version: format!("{policies:016x}"),
            agreement: None,
            reason: Some(reason.into()),
        };
        let key = opened.id;
        let told = letter(self.clock.id(), recipient, &me, &opened, look.id);
        let db = self.db.clone();
        // SQLite works on the thread that asks, and may wait for another writer
        let work = tokio::task::spawn_blocking(move || Handle::current().block_on(write(&db, opened, line, told)));
        work.await.map_err(|_| Error::internal("writing a look broke off"))??;
        Ok(key)
    }

    /// What the caller sees without looks, and with all that policies offer. Compiled from what the database says now:
    /// a look is a write, and no later question would find out that the right to it had ended.
    async fn looking(&self, caller: &Caller, now: Instant) -> Result<(View, View)> {
        let facts = Facts::read(&self.db, &caller.seat, now).await?;
        let rules = self.rules();
        let view = |glass| {
            let view = through(&rules, &caller.seat, &facts, glass);
            view.map_err(|why| Error::internal(format!("no view for {:?}: {why}", caller.seat)))
        };
        let whole = view(Glass::Whole)?;
        Self::admitted(&whole, caller, now)?;
        Ok((whole, view(Glass::Broken)?))
    }

    /// The row is there, its field is hidden or treated, and a policy lets it be opened.
    async fn may_open(
        &self,
        (whole, broken): (View, View),
        caller: &Caller,
        look: &Look<'_>,
        field: usize,
        now: Instant,
    ) -> Result<()> {
        match self.in_full(whole, caller, look, field, now).await? {
            None => return Err(Error::not_found("there is no such row")),
            Some(true) => return Err(Error::input(format!("`{}` is shown to you anyway", look.field))),
            Some(false) => {}
        }
        match self.in_full(broken, caller, look, field, now).await? {
            Some(true) => Ok(()),
            _ => Err(Error::forbidden(format!("no policy lets you open `{}` of this row", look.field))),
        }
    }

    /// Does the view show the field of this row in full? `None`: it does not show the row.
    async fn in_full(
        &self,
        mut view: View,
        caller: &Caller,
        look: &Look<'_>,
        field: usize,
        now: Instant,
    ) -> Result<Option<bool>> {
        let levels = &mut view.types[look.ty.id.0].fields[field].levels;
        levels.retain(|(_, shown)| *shown == Treatment::Full);
        let hidden = levels.is_empty();
        let (mut select, row) = Select::rows(&view, self.dialect(), look.ty.id);
        select.with_key(0, false);
        let flag = if hidden { None } else { select.flag(row, field) };
        let statement = select.page(1);
        let binding = Binding { now, me: caller.principal, secret: "", slots: &[Arg::Id(look.key)] };
        let mut reading = self.session(false).await?;
        let rows = reading.run_last(&statement, &binding).await?;
        let shown = |flag| rows.int(0, flag) == Some(1);
        Ok((!rows.is_empty()).then(|| !hidden && flag.is_none_or(shown)))
    }

    /// The address of the row's owner, or of whoever answers for data on persons if it has none, or the one that asks.
    async fn recipient(&self, caller: &Caller, look: &Look<'_>) -> Result<Option<String>> {
        if let Some(owner) = owner_of(self.dialect(), look.ty) {
            let mut session = self.db.reader.session(false).await?;
            let binding = Binding { now: self.now(), me: caller.principal, secret: "", slots: &[Arg::Id(look.key)] };
            let rows = session.query(owner.sql(), &owner.arguments(&binding), owner.pace(), true).await?;
            let person = if rows.is_empty() { None } else { rows.id(0, 0) };
            if let Some(person) = person.filter(|person| *person != caller.principal) {
                let found = principal::Entity::find_by_id(person).filter(principal::Column::Status.eq("active"));
                if let Some(email) = found.one(self.db.orm()).await?.and_then(|person| person.email) {
                    return Ok(Some(email));
                }
            }
        }
        let home = organisation::Entity::find_by_id(caller.seat.organisation).one(self.db.orm()).await?;
        Ok(home.and_then(|home| home.privacy_contact))
    }

    /// What the person has opened and may see now.
    pub async fn open_looks(&self, person: Uuid, now: Instant) -> Result<Vec<Open>> {
        use break_glass::Column as C;
        let all = break_glass::Entity::find().filter(C::PrincipalId.eq(person)).filter(C::EndsAt.gt(now));
        let all = all.filter(C::OpenedAt.lte(now)).all(self.db.orm()).await?;
        let open = all.into_iter().map(|look| Open {
            object_type: look.object_type,
            object: look.object_id,
            field: look.field,
            reason: look.reason,
        });
        Ok(open.collect())
    }
}

async fn write(db: &Db, opened: break_glass::Model, line: Line, told: mail::Model) -> Result<()> {
    let mut load = db.load().await?;
    load.insert_many::<break_glass::Entity>(vec![opened.into_active_model()]).await?;
    load.insert_many::<mail::Entity>(vec![told.into_active_model()]).await?;
    append(&mut load, vec![line]).await?;
    load.commit().await
}

/// From the row, slot 0, to the key of the person who answers for it.
fn owner_of(dialect: super::connect::Dialect, ty: &Type) -> Option<Statement> {
    let (mut of, mut tables) = (ty, Vec::new());
    for step in ty.owner?.split('.') {
        let (_, field) = of.by_step(step)?;
        tables.push((of.table, field.column));
        of = CATALOGUE.ty(field.to?);
    }
    let mut sql = Sql::new(dialect);
    for (table, column) in tables.iter().rev() {
        sql.push(&format!("SELECT \"{column}\" FROM \"{table}\" WHERE id = ("));
    }
    sql.push("SELECT ").bind(Bind::Slot(0), BindType::Id);
    sql.push(&")".repeat(tables.len()));
    Some(Statement::written(sql))
}

/// What happened, without what was seen.
fn letter(id: Uuid, recipient: String, me: &principal::Model, look: &break_glass::Model, row: &str) -> mail::Model {
    let (who, what) = (&me.display_name, format!("{}.{}", look.object_type, look.field));
    mail::Model {
        id,
        recipient,
        subject: format!("{who} opened {what}"),
        body: format!(
            "{who} ({}) opened the hidden field {what} of a row that you answer for.\n\n\
             Row:    {row}\nFrom:   {}\nUntil:  {}\nReason: {}\n\n\
             What stands there is not in this mail. Every read of it is in the access log.\n",
            me.email.as_deref().unwrap_or(&me.slug),
            look.opened_at,
            look.ends_at,
            look.reason,
        ),
        created_at: look.opened_at,
        attempts: 0,
        next_at: look.opened_at,
        sent_at: None,
        problem: None,
    }
}
