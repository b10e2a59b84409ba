//! The access log: what leaves a line, what is in it, that none is lost, and that the chain tells tampering.

mod chain;
mod journal;
mod lines;
mod retention;

use crate::harness::tests;

tests!(chain, journal, lines, retention);
