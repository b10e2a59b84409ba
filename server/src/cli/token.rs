//! `entente token --as SEAT [--ttl 1h]`

use clap::Args;

use super::{Settings, say};
use crate::{
    access::{key, roster},
    auth::{Tokens, Ttl},
    error::Result,
};

#[derive(Debug, Args)]
pub(super) struct Token {
    /// `organisation/role` or `organisation/role/user`
    #[arg(long = "as", value_name = "SEAT")]
    seat: String,
    /// For how long it is good, such as `15m`, `1h` or `7d`
    #[arg(long, default_value = "1h", value_name = "TIME")]
    ttl: Ttl,
}

impl Token {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let (config, db) = settings.database().await?;
        let clock = config.clock();
        let (seat, principal) = roster::resolve(&db, &self.seat, clock.now()).await?;
        let tokens = Tokens::new(&key::keys(&db, &clock).await?);
        say(&format!("{}\n", tokens.issue(&seat, principal, self.ttl, &clock)?))
    }
}
