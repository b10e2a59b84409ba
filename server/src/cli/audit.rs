//! `entente audit`

use std::{io, path::PathBuf};

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
        /// Check lines that were exported instead, without a database
        #[arg(long, value_name = "FILE", conflicts_with = "head")]
        file: Option<PathBuf>,
    },
    /// Write the whole access log to stdout, a JSON object for each line, in order
    Export,
}

impl Audit {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Audit::Verify { file: Some(file), .. } => say(&audit::verify_exported(&file)?.text()),
            Audit::Verify { head, .. } => {
                let (_, db) = settings.database().await?;
                say(&audit::verify(&db, head.as_deref()).await?.text())
            }
            Audit::Export => {
                let (_, db) = settings.database().await?;
                audit::export(&db, io::BufWriter::new(io::stdout())).await.map(drop)
            }
        }
    }
}
