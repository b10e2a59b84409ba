//! What the hub is measured against: axum, a sqlx pool and one prepared statement per request, which
//! builds the whole answer as JSON in SQL. It knows the rules by heart: they stand in its WHERE clauses,
//! and what an agreement says is read once at the start.

use std::{collections::HashMap, io::Write, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::{Json, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use chrono::{Days, NaiveDate};
use sea_orm::sqlx::{
    self, PgPool, Row, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Outcome, statements, world};

/// As many as the hub has.
const CONNECTIONS: u32 = 8;

/// Who asks, with what the agreement of the organisation names.
struct Caller {
    person: Uuid,
    organisation: Uuid,
    named: Vec<Uuid>,
    excluded: Vec<Uuid>,
}

enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

struct Shop {
    pool: Pool,
    callers: HashMap<String, Caller>,
    /// The clock of the hub: it starts at the world's instant and runs on.
    base: entities::Instant,
    started: Instant,
}

type Answer = Result<Response, StatusCode>;

/// Serves the database until it is killed. The callers are `token organisation person`, a line each.
pub async fn run(url: &str, callers: &str) -> Outcome<()> {
    let pool = if url.starts_with("postgres") {
        // as the hub's own connections; with the defaults the nested statement costs twice as much
        let options: PgConnectOptions = url.parse()?;
        let options = options.options([
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
            ("random_page_cost", "1.1"),
            ("parallel_setup_cost", "100000"),
        ]);
        Pool::Postgres(PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?)
    } else {
        let options: SqliteConnectOptions = url.parse()?;
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("mmap_size", "268435456")
            .pragma("cache_size", "-4096")
            .pragma("temp_store", "MEMORY");
        Pool::Sqlite(SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?)
    };
    let mut known = HashMap::new();
    for line in callers.lines() {
        let [token, organisation, person] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        known.insert(token.to_owned(), pool.caller(organisation.parse()?, person.parse()?).await?);
    }
    let shop = Shop { pool, callers: known, base: world::NOW.parse()?, started: Instant::now() };
    let router = Router::new()
        .route("/customers", post(customers))
        .route("/orders", post(orders))
        .route("/buckets", post(buckets))
        .route("/revenue", post(revenue))
        .with_state(Arc::new(shop));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "serving http://{}/", listener.local_addr()?)?;
    Ok(axum::serve(listener, router).await?)
}

impl Pool {
    async fn caller(&self, organisation: Uuid, person: Uuid) -> Outcome<Caller> {
        let (mut named, mut excluded) = (Vec::new(), Vec::new());
        let mut add = |effect: String, product: Uuid| match effect.as_str() {
            "include" => named.push(product),
            _ => excluded.push(product),
        };
        match self {
            Pool::Postgres(pool) => {
                for row in sqlx::query(statements::SCOPES).bind(organisation).fetch_all(pool).await? {
                    add(row.try_get(0)?, row.try_get(1)?);
                }
            }
            Pool::Sqlite(pool) => {
                for row in sqlx::query(statements::SCOPES).bind(organisation).fetch_all(pool).await? {
                    add(row.try_get(0)?, row.try_get(1)?);
                }
            }
        }
        Ok(Caller { person, organisation, named, excluded })
    }
}

impl Shop {
    fn caller(&self, headers: &HeaderMap) -> Result<&Caller, StatusCode> {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = sent.and_then(|text| text.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        self.callers.get(token).ok_or(StatusCode::UNAUTHORIZED)
    }

    fn now(&self) -> i64 {
        self.base.0 + self.started.elapsed().as_micros() as i64
    }

    fn today(&self) -> NaiveDate {
        entities::Instant(self.now()).utc().date_naive()
    }
}

/// Runs the statement with these values; it is written once for each database.
macro_rules! answer {
    ($shop:expr, $statement:expr $(, $value:expr)*) => {
        match &$shop.pool {
            Pool::Postgres(pool) => {
                sqlx::query_scalar::<_, String>($statement.postgres)$(.bind($value))*.fetch_one(pool).await
            }
            Pool::Sqlite(pool) => {
                sqlx::query_scalar::<_, String>($statement.sqlite)$(.bind($value))*.fetch_one(pool).await
            }
        }
    };
}

fn json(text: Result<String, sqlx::Error>) -> Answer {
    let text = text.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, "application/json; charset=utf-8")], Bytes::from(text)).into_response())
}

#[derive(Deserialize)]
struct Region {
    region: String,
}

async fn customers(State(shop): State<Arc<Shop>>, headers: HeaderMap, Json(asked): Json<Region>) -> Answer {
    let caller = shop.caller(&headers)?;
    json(answer!(shop, statements::CUSTOMERS, &asked.region, caller.person))
}

async fn orders(State(shop): State<Arc<Shop>>, headers: HeaderMap, Json(asked): Json<Region>) -> Answer {
    let caller = shop.caller(&headers)?;
    json(answer!(shop, statements::ORDERS, &asked.region, caller.person))
}

#[derive(Deserialize)]
struct From {
    from: NaiveDate,
}

async fn buckets(State(shop): State<Arc<Shop>>, headers: HeaderMap, Json(asked): Json<From>) -> Answer {
    let caller = shop.caller(&headers)?;
    let (least, most) = (shop.today() - Days::new(183), shop.today() + Days::new(546));
    let text = match &shop.pool {
        Pool::Postgres(pool) => {
            sqlx::query_scalar::<_, String>(statements::BUCKETS.postgres)
                .bind(caller.organisation)
                .bind(asked.from)
                .bind(least)
                .bind(most)
                .bind(shop.now())
                .bind(&caller.named)
                .bind(&caller.excluded)
                .fetch_one(pool)
                .await
        }
        Pool::Sqlite(pool) => {
            let mut query = sqlx::query_scalar::<_, String>(statements::BUCKETS.sqlite)
                .bind(caller.organisation)
                .bind(asked.from)
                .bind(least)
                .bind(most)
                .bind(shop.now());
            for product in caller.named.iter().chain(&caller.excluded) {
                query = query.bind(*product);
            }
            query.fetch_one(pool).await
        }
    };
    json(text)
}

async fn revenue(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Answer {
    let caller = shop.caller(&headers)?;
    json(answer!(shop, statements::REVENUE, caller.person))
}
