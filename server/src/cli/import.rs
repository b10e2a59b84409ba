//! `entente import TYPE FILE.csv` and `entente import --map FILE.toml FOLDER`

use clap::Args;

use super::Settings;
use crate::{error::Result, import};

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    args: import::Args,
}

impl Import {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let (config, db) = settings.database().await?;
        import::run(&db, &config.clock(), &self.args).await
    }
}
