//! Entente: a GraphQL hub where one host organisation shares its CRM with partners. Access is
//! compiled once per seat, and every door asks the same compiled view.

pub mod access;
pub mod app;
pub mod audit;
pub mod auth;
pub mod budget;
pub mod bus;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod error;
pub mod export;
pub mod feed;
pub mod generate;
pub mod graphql;
pub mod http;
pub mod import;
pub mod mail;
pub mod policy;
pub mod progress;
pub mod telemetry;
pub mod webhook;
