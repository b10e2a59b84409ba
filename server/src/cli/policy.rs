//! `entente policy check`

use clap::Subcommand;

use super::{Settings, say};
use crate::{
    error::{Error, Result},
    policy::Rules,
};

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Parse and validate the policies, and refuse what cannot become SQL: file, line and reason
    Check,
}

impl Policy {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let config = settings.load()?;
        match self {
            Policy::Check => match Rules::load(config.policies.as_deref()) {
                Ok(rules) => say(&format!("{} policies hold\n", rules.all.len())),
                // at a start that is a wrong configuration; here it is the answer that was asked for
                Err(Error::Usage(report)) => Err(Error::Refused(report)),
                Err(other) => Err(other),
            },
        }
    }
}
