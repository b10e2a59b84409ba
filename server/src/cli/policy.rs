//! `entente policy check`, `prove`, `matrix` and `schema`

use clap::Subcommand;

use super::{Settings, say};
use crate::{
    access::{Gate, roster},
    catalogue::CATALOGUE,
    error::{Error, Result},
    policy::{Rules, SCHEMA_TEXT, matrix::Matrix, prove::Proof},
};

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Parse and validate the policies, and refuse what cannot become SQL: file, line and reason
    Check,
    /// Show with a solver that the invariants beside the policies hold in every world, and that no policy is
    /// idle; else tell a world in which one is false
    Prove,
    /// What every seat sees of every field: full, treated, depending on the row, or hidden
    Matrix {
        /// Of this type only
        #[arg(long = "type", value_name = "TYPE")]
        ty: Option<String>,
    },
    /// Print the Cedar schema that policies are written against
    Schema,
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
                let report = proof.run().await?;
                say(&report.text)?;
                report.refusal.map_or(Ok(()), |why| Err(Error::refused(why)))
            }
            Policy::Matrix { ty } => {
                let only = match &ty {
                    None => None,
                    Some(name) => Some(CATALOGUE.by_name(name).ok_or_else(|| {
                        let known: Vec<&str> = CATALOGUE.types.iter().map(|t| t.name).collect();
                        Error::usage(format!("there is no type `{name}`, the types are {}", known.join(", ")))
                    })?),
                };
                let (config, db) = settings.database().await?;
                let clock = config.clock();
                let now = clock.now();
                let seats = roster::all_seats(&db, now).await?;
                let gate = Gate::open(db, config.policies, clock).await?;
                say(&Matrix::of(&gate, &seats, only, now).await?.text())
            }
            Policy::Schema => say(&SCHEMA_TEXT),
        }
    }
}
