//! Faults under load: nodes that are killed, databases that go away, clocks that jump. What a subscriber holds in the
//! end is what a fresh query shows, and each write is there once.

mod follower;
mod kills;
mod line;
mod load;
mod node;

use crate::harness::tests;

tests!(kills);
