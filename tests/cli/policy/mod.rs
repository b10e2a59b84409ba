//! `entente policy` and `entente schema`.

mod commands;
mod diff;
mod expectations;
mod explain;

use crate::harness::tests;

tests!(commands, diff, expectations, explain);
