//! The doors that stream: WebSockets and event streams. Who opens one, what goes over it, and how it ends.

pub mod client;
mod events;
mod limits;
mod rights;
mod sockets;
mod tap;

use crate::harness::tests;

tests!(events, limits, rights, sockets);

const PLANNER: &str = "nordwind/planner";
const ALICE: &str = "aqua-seals/partner_planner/alice";
