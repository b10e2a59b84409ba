//! `entente schema [--as SEAT]`

use clap::Args;

use super::{Settings, say};
use crate::{
    access::{Gate, ViewClass, roster},
    error::Result,
    graphql,
};

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// What this seat sees: `organisation/role` or `organisation/role/user`
    #[arg(long = "as", value_name = "SEAT")]
    seat: Option<String>,
}

impl Schema {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let Some(seat) = self.seat else {
            settings.load()?;
            return say(&graphql::sdl(&ViewClass::whole())?);
        };
        let (config, db) = settings.database().await?;
        let clock = config.clock();
        let now = clock.now();
        let (seat, _) = roster::resolve(&db, &seat, now).await?;
        let gate = Gate::open(db, config.policies, clock).await?;
        let view = gate.seat_view(&seat, now).await?;
        say(&graphql::sdl(&view.class)?)
    }
}
