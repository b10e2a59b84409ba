//! `entente policy` and `entente schema`.

mod commands;
mod deeds;
mod diff;
mod expectations;
mod explain;

use crate::harness::tests;

tests!(commands, deeds, diff, expectations, explain);
