//! `entente generate --seed N --customers N --products N --partners N --weeks N`

use clap::Args;

use super::Settings;
use crate::{error::Result, generate};

#[derive(Debug, Args)]
pub(super) struct Generate {
    #[command(flatten)]
    args: generate::Args,
}

impl Generate {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let (config, db) = settings.database().await?;
        generate::run(&db, &config.clock(), &self.args).await
    }
}
