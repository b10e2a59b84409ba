//! `entente audit verify`

use clap::Subcommand;

use super::{Settings, say};
use crate::{audit, error::Result};

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Read the whole access log and check that no line is changed, missing, put in or out of order; exit code 1
    /// names the first that is
    Verify {
        /// A head that was printed earlier: it must be part of the log still
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
}

impl Audit {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let Audit::Verify { head } = self;
        let (_, db) = settings.database().await?;
        say(&audit::verify(&db, head.as_deref()).await?.text())
    }
}
