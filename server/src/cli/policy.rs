//! `entente policy …`: what policies say, what they do on a database, and why.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use entities::Instant;
use serde::Serialize;

use super::{Settings, say};
use crate::{
    access::{connect::Db, key, roster},
    clock::Clock,
    config::Config,
    demo::Passing,
    error::{Error, Result},
    policy::{
        Rules, SCHEMA_TEXT,
        deed::Deed,
        diff, expect,
        explain::{self, Asked},
        matrix::{Format, Matrix},
        named,
        prove::Proof,
    },
    progress::Progress,
};

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Parse and validate the policies, and refuse what cannot become SQL: file, line and reason
    Check,
    /// Try the expectations beside the policies, on a demo world built for it
    Test(Test),
    /// Why a seat can, or cannot: the deciding policies and agreements, and what would have to change
    Explain(Explain),
    /// What one policy set shows and another does not, per seat, with numbers of rows; code 1 if there is more
    Diff(Diff),
    /// Show with a solver that the invariants beside the policies hold in every world, and that no policy is
    /// idle; else tell a world in which one is false
    Prove,
    /// What every seat sees of every field: full, treated, depending on the row, or hidden
    Matrix {
        /// Of this type only
        #[arg(long = "type", value_name = "TYPE")]
        ty: Option<String>,
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        world: World,
    },
    /// Print the Cedar schema that policies are written against
    Schema,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// On the configured database, which must hold a demo world
    #[arg(long)]
    live: bool,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A folder of policies, or a git revision of the folder that `--policies` names [default of that: policies]
    #[arg(value_name = "OLD")]
    old: String,
    #[arg(value_name = "NEW")]
    new: String,
    #[command(flatten)]
    world: World,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Who asks: `organisation/role` or `organisation/role/user`
    #[arg(long = "as", value_name = "SEAT")]
    seat: String,
    /// `Customer`, or `Customer.name`
    #[arg(value_name = "TYPE[.field]")]
    what: String,
    /// The row: an id as the hub gives it to the seat, a key, a name or number, or `field=value,…`
    #[arg(value_name = "ROW")]
    row: Option<String>,
    /// What about it: to read it, or to do something else
    #[arg(long, value_enum, default_value = "read", value_name = "DEED")]
    to: Deed,
    /// At another moment than now: 2026-09-01T09:00:00Z
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
    #[command(flatten)]
    world: World,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct World {
    /// On the demo world, built anew in a temporary file, instead of the configured database
    #[arg(long)]
    demo: bool,
}

/// The database that is asked, with its clock.
struct Ground {
    config: Config,
    db: Db,
    clock: Clock,
    /// Kept as long as it is asked.
    _passing: Option<Passing>,
}

impl World {
    async fn open(&self, settings: &Settings) -> Result<Ground> {
        if !self.demo {
            let (config, db) = settings.database().await?;
            let clock = config.clock();
            return Ok(Ground { config, db, clock, _passing: None });
        }
        let config = settings.load()?;
        let now: Instant =
            config.clock.map_or_else(|| expect::WORLD.parse(), Ok).map_err(|_| Error::internal("no moment"))?;
        let passing = Passing::at(now).await?;
        Ok(Ground { config, db: passing.db.clone(), clock: passing.clock.clone(), _passing: Some(passing) })
    }
}

impl Policy {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Policy::Check => match Rules::load(settings.load()?.policies.as_deref()) {
                Ok(rules) => say(&format!("{} policies hold\n", rules.all.len())),
                // at a start that is a wrong configuration; here it is the answer that was asked for
                Err(Error::Usage(report)) => Err(Error::Refused(report)),
                Err(other) => Err(other),
            },
            Policy::Prove => {
                let proof = Proof::load(settings.load()?.policies.as_deref()).map_err(|e| match e {
                    Error::Usage(report) => Error::Refused(report),
                    other => other,
                })?;
                let (solvers, progress) = (cores(), Progress::steps(proof.steps()));
                let report = proof.run(solvers, progress).await?;
                say(&report.text)?;
                report.refusal.map_or(Ok(()), |why| Err(Error::refused(why)))
            }
            Policy::Test(test) => test.run(settings).await,
            Policy::Explain(explain) => explain.run(settings).await,
            Policy::Diff(diff) => diff.run(settings).await,
            Policy::Matrix { ty, format, world } => {
                let only = ty.as_deref().map(named).transpose()?;
                let ground = world.open(settings).await?;
                let rules = Rules::load(ground.config.policies.as_deref())?;
                let now = ground.clock.now();
                let seats = roster::all_seats(&ground.db, now).await?;
                say(&Matrix::of(&ground.db, &rules, &seats, only, now).await?.print(format))
            }
            Policy::Schema => say(&SCHEMA_TEXT),
        }
    }
}

impl Test {
    async fn run(self, settings: &Settings) -> Result<()> {
        let config = settings.load()?;
        let rules = Rules::load(config.policies.as_deref())?;
        let all = expect::read(config.policies.as_deref())?;
        let ground = World { demo: !self.live }.open(settings).await?;
        let shown = if self.live { "" } else { " --demo" };
        let outcome = expect::run(&ground.db, &rules, ground.clock.now(), &all, shown).await?;
        if outcome.holds() { say(&format!("{}\n", outcome.text())) } else { Err(Error::refused(outcome.text())) }
    }
}

impl Diff {
    async fn run(self, settings: &Settings) -> Result<()> {
        let at = settings.load()?.policies.unwrap_or_else(|| PathBuf::from("policies"));
        let old = diff::rules(&self.old, &diff::read(&self.old, &at)?)?;
        let new = diff::rules(&self.new, &diff::read(&self.new, &at)?)?;
        let ground = self.world.open(settings).await?;
        let now = ground.clock.now();
        let diff = diff::diff(&ground.db, None, (&self.old, &old), (&self.new, &new), now).await?;
        if self.json {
            say(&json(&diff)?)?
        } else {
            say(&diff.text())?
        }
        if diff.gains() {
            return Err(Error::refused(format!("`{}` shows more than `{}`, have it reviewed", self.new, self.old)));
        }
        Ok(())
    }
}

impl Explain {
    async fn run(self, settings: &Settings) -> Result<()> {
        let (ty, field) = match self.what.split_once('.') {
            None => explain::what(&self.what, None)?,
            Some((ty, field)) => explain::what(ty, Some(field))?,
        };
        let at = self.at.as_ref().map(|at| {
            at.parse().map_err(|_| Error::usage(format!("`{at}` is no instant, write 2026-09-01T09:00:00Z")))
        });
        let at = at.transpose()?;
        let ground = self.world.open(settings).await?;
        let rules = Rules::load(ground.config.policies.as_deref())?;
        let seal = key::keys(&ground.db, &ground.clock).await?.seal;
        let now = at.unwrap_or_else(|| ground.clock.now());
        let row = self.row.as_deref();
        let asked = Asked { seat: &self.seat, to: self.to, ty, field, row, now, seal: &seal, asker: None };
        let explanation = explain::ask(&ground.db, &rules, &asked).await?;
        if self.json { say(&json(&explanation)?) } else { say(&explanation.text()) }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|cause| Error::internal(cause.to_string()))?;
    Ok(text + "\n")
}
