//! x
use crate::harness::Test;
pub fn tests() -> Vec<Test> {
    vec![]
}
