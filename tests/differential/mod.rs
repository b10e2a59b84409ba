//! What the hub answers against what plainer means say: compiled views against Cedar's own decisions,
//! and planned documents against a naive reading of them.

mod corpus;
mod documents;
mod draw;
pub mod dump;
mod grammar;
mod images;
mod members;
mod mutants;
mod naive;
mod numbers;
mod past;
mod reference;
mod soundness;
mod verdict;
pub mod voice;
pub mod world;

use crate::harness::tests;

tests!(documents, mutants, past, soundness);
