//! What surrounds the hub is wrong: one sentence that says what to do, the right code, nothing lost and
//! nothing told. What a request brings is tried with the doors, wrong rows of a CSV with the import.

mod databases;
mod old_server;
mod settings;

use crate::harness::tests;

tests!(databases, settings);
