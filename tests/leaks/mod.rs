//! Leak classes that really happened elsewhere, tried in every position of a document, on every type and
//! every hidden field of the catalogue, for every seat of the demo world. A new field or type is in it at once.

mod crowd;
mod empties;
mod matrix;
mod questions;
mod unknown;
mod values;

use crate::harness::tests;

tests!(crowd, empties, matrix, unknown, values);
