//! The access log: who read which fields of what, never what stood in them. Before an answer leaves, its lines
//! are in the journal, a local file that survives the death of this process; a task beside the requests moves
//! them into the table, where each line is chained to the one before.

mod chain;
mod journal;
mod line;

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, time::Duration};

use entities::{Instant, meta::Class};
use tokio::{runtime::Handle, sync::oneshot, time};
use uuid::Uuid;

pub use chain::{Verified, append, export, linked, verify, verify_exported};
pub use line::Line;

use self::{
    journal::{Journal, Segment},
    line::Noted,
};
use crate::{
    access::{
        Caller, Treatment, View,
        chain::{Anchor, Chain},
        connect::Db,
        look::Open,
        write::drop_lines,
    },
    catalogue::{CATALOGUE, TypeId},
    clock::Clock,
    config,
    error::{Error, Result},
};

/// How long a line waits in the journal.
const PERIOD: Duration = Duration::from_secs(1);
/// How often, in periods, a hub looks for what another one left behind.
const LOOK_AROUND: u32 = 30;
/// How often, in periods, it looks for lines that are too old. Each time that some are, a line says so.
const LOOK_BACK: u32 = 3_600;
const DAY: i64 = 86_400_000_000;

pub struct Audit {
    db: Db,
    clock: Clock,
    journal: Journal,
    enabled: bool,
    keep_days: u32,
    /// One taker at a time.
    turn: tokio::sync::Mutex<()>,
}

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    pub principal: Uuid,
    pub organisation: Uuid,
    /// Whom a deputy stands for.
    pub on_behalf_of: Option<Uuid>,
    /// It looks there as an operator. Whose seat it is may not be shown the person, and is told that it was the host.
    pub operator: bool,
}

impl From<&Caller> for Who {
    fn from(caller: &Caller) -> Self {
        // whose seat it is reads the lines, whoever sat in it
        let place = caller.place.as_ref();
        Who {
            principal: caller.principal,
            organisation: place.map_or(caller.seat.organisation, |place| place.seat.organisation),
            on_behalf_of: place.map(|place| place.principal),
            operator: place.is_some_and(|place| place.operator),
        }
    }
}

/// Why a line is there that a seat has not caused itself.
const OPERATOR: &str = "an operator of the host looked as this seat";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Read,
    Export,
    Subscribe,
}

/// What of a type is read, by every run of a plan: the line without who, when and how many.
#[derive(Debug)]
pub struct Read {
    pub ty: TypeId,
    /// Without those that anybody may see.
    fields: Vec<&'static str>,
    /// `allow`; `masked`, if the view shows some of them treated, in some rows at least; `suppressed_k`, if some
    /// are read in guarded sums only. It does not depend on the rows: that something was held back would be told.
    decision: &'static str,
    /// A look shows some of them, to whoever has taken one.
    looked: bool,
    /// The agreement that decided, if only one can have.
    agreement: Option<Uuid>,
    policies: String,
}

impl Read {
    /// A line for each type of which more than public fields are read.
    pub fn all<'a>(view: &View, reads: impl IntoIterator<Item = &'a (TypeId, usize)>) -> Vec<Self> {
        let mut by_type: BTreeMap<TypeId, Vec<usize>> = BTreeMap::new();
        for (ty, field) in reads {
            let fields = by_type.entry(*ty).or_default();
            if CATALOGUE.ty(*ty).fields[*field].class != Class::Pub && !fields.contains(field) {
                fields.push(*field);
            }
        }
        by_type.retain(|_, fields| !fields.is_empty());
        let read = |(ty, mut fields): (TypeId, Vec<usize>)| {
            fields.sort_unstable();
            let seen = view.of(ty);
            let treated = |field: &usize| seen.fields[*field].levels.iter().any(|(_, shown)| *shown != Treatment::Full);
            let summed = |field: &usize| *field > 0 && seen.fields[*field].is_hidden();
            let mut agreements = seen.agreements.iter();
            Read {
                ty,
                decision: match () {
                    () if fields.iter().any(summed) => "suppressed_k",
                    () if fields.iter().any(treated) => "masked",
                    () => "allow",
                },
                looked: fields.iter().any(|field| seen.looks.contains(field)),
                fields: fields.into_iter().map(|field| CATALOGUE.ty(ty).fields[field].name.as_str()).collect(),
                agreement: agreements.next().copied().filter(|_| agreements.next().is_none()),
                policies: format!("{:016x}", view.policies),
            }
        };
        by_type.into_iter().map(read).collect()
    }
}

/// One use of a tool that looks past the views.
pub struct Used<'a> {
    /// What it is, and for which seat: `policy explain as bergmann/partner_sales`.
    pub tool: &'a str,
    pub object_type: &'a str,
    pub object_id: Option<Uuid>,
    pub fields: Vec<&'a str>,
    pub policies: u64,
}

impl Read {
    pub fn is_looked(&self) -> bool {
        self.looked
    }

    /// The look by which these rows may have been read. Rather one too many: of several rows it is not known.
    fn look<'l>(&self, looks: &'l [Open], delivered: Delivered) -> Option<&'l Open> {
        let here = |look: &&Open| {
            look.object_type == CATALOGUE.ty(self.ty).name
                && self.fields.contains(&look.field.as_str())
                && (delivered.rows != 1 || delivered.last.is_none_or(|row| row == look.object))
        };
        looks.iter().filter(|_| self.looked).find(here)
    }
}

/// The rows of a type that an answer holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    pub rows: u32,
    /// The key of the last one.
    pub last: Option<Uuid>,
}

impl Delivered {
    /// Those of another answer too.
    pub fn join(&mut self, other: Delivered) {
        self.rows = self.rows.saturating_add(other.rows);
        self.last = other.last;
    }

    pub fn add(&mut self, row: Option<Uuid>) {
        self.rows += 1;
        self.last = row;
    }
}

impl Audit {
    /// Over a folder for the journal, which must be one that this process can write.
    pub async fn open(db: Db, clock: Clock, settings: &config::Audit, folder: PathBuf) -> Result<Self> {
        if !settings.enabled {
            tracing::warn!("the access log is off: no read leaves a line, set `audit.enabled` to true");
        }
        let mut chain = Chain::open(&db).await?;
        let head = chain.head().await?;
        chain.finish().await?;
        let journal = Journal::new(folder, &head.chain, settings.journal_bytes);
        journal.probe().map_err(|cause| {
            Error::usage(format!(
                "cannot write the journal of the access log in folder `{}` ({cause}), make it writable or name another one as setting `audit.journal`",
                journal.folder().display()
            ))
        })?;
        let (enabled, keep_days) = (settings.enabled, settings.keep_days);
        Ok(Audit { db, clock, journal, enabled, keep_days, turn: tokio::sync::Mutex::default() })
    }

    /// Notes what is about to be handed out. An error means that it must not be.
    pub fn record(
        &self,
        who: Who,
        action: Action,
        reads: &[Read],
        delivered: impl Fn(TypeId) -> Delivered,
    ) -> Result<()> {
        self.record_looking(who, action, reads, &[], delivered)
    }

    /// The same of somebody who has opened fields: what was read by that is marked with the reason.
    pub fn record_looking(
        &self,
        who: Who,
        action: Action,
        reads: &[Read],
        looks: &[Open],
        delivered: impl Fn(TypeId) -> Delivered,
    ) -> Result<()> {
        if reads.is_empty() || !self.enabled {
            return Ok(());
        }
        let at = self.clock.now().0;
        let mut lines = Vec::with_capacity(reads.len() * 512);
        for read in reads {
            let delivered = delivered(read.ty);
            let line = Noted {
                id: self.clock.id(),
                at,
                principal: who.principal,
                organisation: who.organisation,
                on_behalf_of: who.on_behalf_of,
                action: match action {
                    Action::Read => "read",
                    Action::Export => "export",
                    Action::Subscribe => "subscribe",
                },
                object_type: CATALOGUE.ty(read.ty).name,
                object_id: delivered.last.filter(|_| delivered.rows == 1),
                fields: &read.fields,
                rows: delivered.rows,
                decision: read.decision,
                policy_version: &read.policies,
                agreement: read.agreement,
                reason: match read.look(looks, delivered) {
                    Some(look) => Some(format!("break-glass: {}", look.reason)),
                    None => who.operator.then(|| OPERATOR.to_owned()),
                },
            };
            line.write(&mut lines).map_err(|cause| unwritable(&self.journal, &cause.into()))?;
        }
        self.journal.append(&lines).map_err(|cause| unwritable(&self.journal, &cause))
    }

    /// Notes that an operator's tool has looked, before what it saw is handed out.
    pub fn record_use(&self, who: Who, used: &Used<'_>) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        let line = Noted {
            id: self.clock.id(),
            at: self.clock.now().0,
            principal: who.principal,
            organisation: who.organisation,
            on_behalf_of: who.on_behalf_of,
            action: "read",
            object_type: used.object_type,
            object_id: used.object_id,
            fields: &used.fields,
            rows: u32::from(used.object_id.is_some()),
            decision: "allow",
            policy_version: &format!("{:016x}", used.policies),
            agreement: None,
            reason: Some(used.tool.to_string()),
        };
        let mut bytes = Vec::with_capacity(512);
        line.write(&mut bytes).map_err(|cause| unwritable(&self.journal, &cause.into()))?;
        self.journal.append(&bytes).map_err(|cause| unwritable(&self.journal, &cause))
    }

    /// The line of a write, which goes into the table in the transaction that writes; none if the log is off.
    pub fn written(
        &self,
        who: Who,
        view: &View,
        ty: TypeId,
        row: Uuid,
        fields: impl Iterator<Item = usize>,
    ) -> Option<Line> {
        let ty = CATALOGUE.ty(ty);
        let mut agreements = view.of(ty.id).agreements.iter();
        self.enabled.then(|| Line {
            id: self.clock.id(),
            at: self.clock.now().0,
            principal: Some(who.principal),
            organisation: Some(who.organisation),
            on_behalf_of: who.on_behalf_of,
            action: "write".into(),
            object_type: ty.name.into(),
            object_id: Some(row),
            fields: Some(fields.map(|field| ty.fields[field].name.as_str()).collect()),
            rows: Some(1),
            decision: "allow".into(),
            policy_version: format!("{:016x}", view.policies),
            agreement: agreements.next().copied().filter(|_| agreements.next().is_none()),
            reason: None,
        })
    }

    /// Moves every line that waits into the table, those that a dead process left behind included.
    pub async fn take(&self) -> Result<u64> {
        let _turn = self.turn.lock().await;
        let mut taken = 0;
        // what could not be taken before goes first, or every attempt would leave one more file behind
        while !self.journal.close() {
            taken += self.take_closed().await?;
        }
        Ok(taken + self.take_closed().await?)
    }

    async fn take_closed(&self) -> Result<u64> {
        let waiting = self.journal.waiting().map_err(|cause| unwritable(&self.journal, &cause))?;
        let mut taken = 0;
        for segment in waiting {
            let (db, of) = (self.db.clone(), segment.clone());
            // SQLite works on the thread that asks, and may wait for another writer
            let work = tokio::task::spawn_blocking(move || Handle::current().block_on(drain(&db, &of)));
            let drained = work.await.map_err(|_| Error::internal("taking the access log's lines broke off"))??;
            self.journal.remove(&segment, drained.whole).map_err(|cause| unwritable(&self.journal, &cause))?;
            taken += drained.lines;
        }
        Ok(taken)
    }

    /// Drops the lines that need not be kept any longer, if there are so many that it is worth a line that says so.
    pub async fn drop_old(&self) -> Result<i64> {
        if self.keep_days == 0 || !self.enabled {
            return Ok(0);
        }
        let now = self.clock.now();
        let before = Instant(now.0.saturating_sub(i64::from(self.keep_days) * DAY));
        let mut chain = Chain::open(&self.db).await?;
        let oldest = chain.page(i64::MIN).await?.first().map(|kept| kept.line.at);
        chain.finish().await?;
        if oldest.is_none_or(|at| at >= before.0 - DAY) {
            return Ok(0);
        }
        let mut all = 0;
        loop {
            let noted = |anchor: &Anchor, rows: i64| Line {
                id: self.clock.id(),
                at: now.0,
                principal: None,
                organisation: None,
                on_behalf_of: None,
                action: "write".into(),
                object_type: chain::LOG.into(),
                object_id: None,
                fields: None,
                rows: Some(rows),
                decision: "allow".into(),
                policy_version: "-".into(),
                agreement: None,
                reason: Some(chain::dropped(anchor)),
            };
            match drop_lines(&self.db, before, noted).await? {
                0 => return Ok(all),
                dropped => all += dropped,
            }
        }
    }

    /// Takes lines until told to stop, and then what is left.
    pub async fn keep(self: Arc<Self>, mut stop: oneshot::Receiver<()>) {
        let (mut periods, mut failing) = (0u32, false);
        let mut stopping = false;
        while !stopping {
            stopping = time::timeout(PERIOD, &mut stop).await.is_ok();
            periods = periods.wrapping_add(1);
            if !stopping && periods % LOOK_BACK == 1 {
                match self.drop_old().await {
                    Ok(0) => {}
                    Ok(dropped) => tracing::info!("{dropped} old lines of the access log are dropped"),
                    Err(error) => tracing::error!("old lines of the access log stay: {error}"),
                }
            }
            if !stopping && !self.journal.has_lines() && !periods.is_multiple_of(LOOK_AROUND) {
                continue;
            }
            let taken = self.take().await;
            // told when it begins and when it is over, not every second
            match (&taken, failing) {
                (Err(error), false) => tracing::error!("lines of the access log wait in the journal: {error}"),
                (Ok(_), true) => tracing::info!("the access log has what waited in the journal"),
                _ => {}
            }
            failing = taken.is_err();
        }
    }
}

fn unwritable(journal: &Journal, cause: &io::Error) -> Error {
    Error::Unlogged(format!(
        "cannot write the journal of the access log in folder `{}` ({cause}), answers are refused until it can be written",
        journal.folder().display()
    ))
}

struct Drained {
    lines: u64,
    /// Every line could be read.
    whole: bool,
}

async fn drain(db: &Db, segment: &Segment) -> Result<Drained> {
    let failed = |cause: io::Error| Error::internal(format!("cannot read `{}` ({cause})", segment.path().display()));
    let mut drained = Drained { lines: 0, whole: true };
    let mut reader = segment.lines().map_err(failed)?;
    loop {
        let mut batch = Vec::new();
        while batch.len() < chain::BATCH {
            let Some(text) = reader.next_line().map_err(failed)? else { break };
            match serde_json::from_slice::<Line>(text) {
                Ok(line) => batch.push(line),
                Err(cause) => {
                    tracing::error!("`{}` has a line that cannot be read ({cause})", segment.path().display());
                    drained.whole = false;
                }
            }
        }
        if batch.is_empty() {
            return Ok(drained);
        }
        let mut load = db.load().await?;
        drained.lines += append(&mut load, batch).await?;
        load.commit().await?;
    }
}
