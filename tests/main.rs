//! Every test that goes through a door of the hub, in one binary. See `harness` for how to write one;
//! a new module is a `mod` line and a line in `main`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails, and says so")]

mod audit;
mod auth;
mod bad_input;
mod changes;
mod chaos;
mod cli;
mod differential;
mod exporting;
mod feed;
mod graphql;
mod harness;
mod http;
mod leaks;
mod loading;
mod northwind;
mod rules;
mod streams;
mod webhooks;
mod writes;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(vec![
        audit::tests(),
        auth::tests(),
        bad_input::tests(),
        changes::tests(),
        chaos::tests(),
        cli::tests(),
        differential::tests(),
        exporting::tests(),
        feed::tests(),
        graphql::tests(),
        http::tests(),
        leaks::tests(),
        loading::tests(),
        northwind::tests(),
        rules::tests(),
        streams::tests(),
        webhooks::tests(),
        writes::tests(),
    ])
}
