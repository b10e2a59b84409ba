//! Leak classes that really happened elsewhere, tried in every position of a document, on every type and
//! every hidden field of the catalogue, for every seat of the demo world. A new field or type is in it at once.

mod crowd;
mod doors;
mod empties;
mod hidden;
mod matrix;
mod questions;
mod streams;
mod taken;
mod unknown;
mod values;
mod writes;

use crate::harness::tests;

tests!(crowd, doors, empties, matrix, streams, taken, unknown, values, writes);
