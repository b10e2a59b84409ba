//! The migrations against the model, on SQLite always and on PostgreSQL when `TEST_DATABASE_URL` names a
//! server on which databases may be created.

#![allow(clippy::unwrap_used)]

mod harness;
mod memberships;
mod schema;
mod world;
