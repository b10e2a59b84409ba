//! Who is let in: a token of this hub, of somebody who holds the seat now, and nothing else.

mod seats;
mod tokens;

use crate::harness::tests;

tests!(seats, tokens);
