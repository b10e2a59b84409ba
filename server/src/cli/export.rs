//! `entente export TYPE --as SEAT`

use std::io::{self, BufWriter};

use clap::Args;

use super::Settings;
use crate::{error::Result, export};

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    args: export::Args,
}

impl Export {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let app = settings.app().await?;
        let exported = export::run(&app, &self.args, &mut BufWriter::new(io::stdout())).await;
        if let Err(error) = app.audit.take().await {
            tracing::warn!("what was exported waits in the journal of the access log: {error}");
        }
        exported
    }
}
