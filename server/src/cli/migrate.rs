//! `entente migrate up / down / status`

use clap::Subcommand;

use super::{Settings, existing, say};
use crate::error::{Error, Result};

#[derive(Debug, Subcommand)]
pub(super) enum Migrate {
    /// Run what is pending
    Up,
    /// Take back the last migrations: their tables and all that is in them are gone
    Down {
        #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
    },
    /// List every migration and whether it has run; exit code 1 if some have not
    Status,
}

impl Migrate {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let config = settings.load()?;
        let config = if matches!(self, Migrate::Up) { config } else { existing(config)? };
        let db = config.open().await?;
        match self {
            Migrate::Up => {
                let done = db.migrate_up().await?;
                say(&listed("applied", &done, "nothing is pending"))
            }
            Migrate::Down { steps } => {
                let done = db.migrate_down(steps).await?;
                say(&listed("taken back", &done, "nothing was applied"))
            }
            Migrate::Status => {
                let steps = db.migrations().await?;
                let line =
                    |applied: bool, name: &str| format!("{} {name}\n", if applied { "applied" } else { "pending" });
                say(&steps.iter().map(|step| line(step.applied, &step.name)).collect::<String>())?;
                match steps.iter().filter(|step| !step.applied).count() {
                    0 => Ok(()),
                    n => Err(Error::refused(format!(
                        "{n} migrations are pending on {}, run `entente migrate up`",
                        db.url()
                    ))),
                }
            }
        }
    }
}

fn listed(what: &str, names: &[String], none: &str) -> String {
    match names {
        [] => format!("{none}\n"),
        names => names.iter().map(|name| format!("{what} {name}\n")).collect(),
    }
}
