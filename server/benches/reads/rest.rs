//! What is not a matter of requests: the start, memory at rest, and the compilation of views for the
//! shipped policies, all in the demo's world.

use std::{
    io::Write,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use entente::{
    access::{
        Caller, Gate,
        connect::{DatabaseUrl, Db},
        roster,
    },
    clock::Clock,
};
use serde_json::json;

use crate::{
    Outcome,
    load::{Client, Request},
    process::{self, Server},
};

const LOOKUPS: u32 = 1_000_000;

pub async fn measure() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let (server, tokens) = start(folder.path())?;
    ask(&server, &tokens[..1]).await?;
    let first = began.elapsed();
    drop(server);
    // the world is there now
    let began = Instant::now();
    let (server, tokens) = start(folder.path())?;
    ask(&server, &tokens[..1]).await?;
    let second = began.elapsed();
    let fresh = process::memory(server.pid()).unwrap_or_default();
    ask(&server, &tokens).await?;
    let asked = process::memory(server.pid()).unwrap_or_default();
    drop(server);

    let mut out = std::io::stdout().lock();
    writeln!(out, "\nThe demo's world on SQLite, with the shipped policies\n")?;
    writeln!(out, "| what | measured |\n|---|---|")?;
    writeln!(out, "| start in an empty folder until the first answer | {:.0} ms |", ms(first))?;
    writeln!(out, "| start with the world in place until the first answer | {:.0} ms |", ms(second))?;
    writeln!(out, "| memory at rest after one query | {fresh:.0} MB |")?;
    writeln!(out, "| memory at rest after one query of each of {} seats | {asked:.0} MB |", tokens.len())?;
    views(&folder.path().join("entente-demo.db"), &mut out).await
}

fn ms(of: Duration) -> f64 {
    of.as_secs_f64() * 1e3
}

/// The demo with the tokens that it prints.
fn start(folder: &Path) -> Outcome<(Server, Vec<String>)> {
    let server = Server::start(process::hub(folder).args(["demo", "--listen", "127.0.0.1:0"]))?;
    let tokens: Vec<String> = server.said.split("#token=").skip(1).filter_map(first_word).collect();
    if tokens.is_empty() { Err("the demo printed no tokens".into()) } else { Ok((server, tokens)) }
}

fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_owned)
}

async fn ask(server: &Server, tokens: &[String]) -> Outcome<()> {
    let mut client = Client::connect(&server.address).await?;
    let document = "{ viewer { seat rights { type } } products(first: 20) { nodes { sku name } } }";
    let body = json!({ "query": document }).to_string();
    for token in tokens {
        client.send(&Request::post("/graphql", token, &body)).await?;
    }
    Ok(())
}

async fn views(file: &Path, out: &mut impl Write) -> Outcome<()> {
    let (db, clock) = (Db::open(&DatabaseUrl::sqlite(file)).await?, Clock::system());
    let now = clock.now();
    let began = Instant::now();
    let gate = Gate::open(db.clone(), None, clock).await?;
    let policies = gate.rules().all.len();
    writeln!(out, "| reading and checking {policies} policies | {:.0} ms |", ms(began.elapsed()))?;
    let mut took = Vec::new();
    for taken in roster::all_seats(&db, now).await? {
        let caller = Caller {
            seat: Arc::new(taken.seat.clone()),
            principal: taken.principal,
            expires: entities::Instant(i64::MAX),
            place: None,
            origin: roster::Origin::Here,
        };
        let began = Instant::now();
        gate.view(&caller, now).await?;
        took.push((began.elapsed(), taken.name.to_string(), caller));
    }
    // the first one pays for what all share
    took.remove(0);
    took.sort_by_key(|(time, ..)| *time);
    let types = entente::catalogue::CATALOGUE.types.len();
    if let (Some((middle, ..)), Some((longest, name, _))) = (took.get(took.len() / 2), took.last()) {
        writeln!(out, "| compiling the view of a seat, {types} types, median | {:.1} ms |", ms(*middle))?;
        writeln!(out, "| ... longest, `{name}` | {:.1} ms |", ms(*longest))?;
    }
    let Some((.., caller)) = took.first() else { return Ok(()) };
    let began = Instant::now();
    for _ in 0..LOOKUPS {
        std::hint::black_box(gate.view(caller, now).await?);
    }
    writeln!(out, "| finding a compiled view | {} ns |", (began.elapsed() / LOOKUPS).as_nanos())?;
    Ok(())
}
