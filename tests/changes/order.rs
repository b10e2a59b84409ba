//! The order of commits: transactions that overlap, that write one row, that end badly, that are long.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use entente::{
    access::{
        log::{Change, Position},
        read::{Arg, Cell},
        roster::resolve,
        select::{Binding, Select},
    },
    catalogue::{CATALOGUE, Value},
};
use uuid::Uuid;

use super::{field, head, operator, since};
use crate::harness::{Hub, tests, until};

tests! {
    postgres: who_began_first_and_commits_last_comes_last, two_writers_of_one_row_keep_their_order,
        a_rollback_leaves_nothing, a_savepoint_takes_back_its_part, a_crash_in_between_leaves_nothing,
        readers_miss_nothing_of_many_writers, a_row_is_as_it_stood_whoever_overlapped, a_truncated_table_is_told_row_by_row;
    changing: a_transaction_is_never_cut;
}

/// The names that the changes give, in order.
fn names(changes: &[Change]) -> Vec<String> {
    changes.iter().filter_map(|change| field(change, "name")[1].clone()).map(|name| name.to_string()).collect()
}

fn set(name: &str, rank: u32) -> String {
    format!("UPDATE product SET name = '{name}' WHERE id = (SELECT id FROM product ORDER BY sku OFFSET {rank} LIMIT 1)")
}

async fn who_began_first_and_commits_last_comes_last(hub: Hub) {
    let (first, second) = (operator(&hub).await, operator(&hub).await);
    let start = head(&hub).await;
    first.batch_execute(&format!("BEGIN; {}", set("first", 0))).await.unwrap();
    second.batch_execute(&set("second", 1)).await.unwrap();
    // the open one holds nobody up, and is not jumped over
    let between = since(&hub, start).await;
    assert_eq!(names(&between), ["second"]);
    let reached = head(&hub).await;
    first.batch_execute(&format!("{}; COMMIT", set("first again", 2))).await.unwrap();
    assert_eq!(names(&since(&hub, reached).await), ["first", "first again"]);
    assert_eq!(names(&since(&hub, start).await), ["second", "first", "first again"]);
}

async fn two_writers_of_one_row_keep_their_order(hub: Hub) {
    let (first, second) = (operator(&hub).await, operator(&hub).await);
    let start = head(&hub).await;
    // the second has its number before it waits for the first
    second.batch_execute(&format!("BEGIN; {}", set("early", 1))).await.unwrap();
    first.batch_execute(&format!("BEGIN; {}", set("one", 0))).await.unwrap();
    let own: i32 = second.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let waiting = tokio::spawn(async move {
        second.batch_execute(&format!("{}; COMMIT", set("two", 0))).await.unwrap();
    });
    let waits = format!("SELECT count(*) FROM pg_locks WHERE pid = {own} AND NOT granted");
    until("the second to wait for the first", async || (hub.number(&waits).await > 0).then_some(())).await;
    first.batch_execute("COMMIT").await.unwrap();
    waiting.await.unwrap();
    let changes = since(&hub, start).await;
    assert_eq!(names(&changes), ["one", "early", "two"]);
    assert_eq!(field(&changes[2], "name")[0], Some(Value::from("one")));
}

async fn a_rollback_leaves_nothing(hub: Hub) {
    let client = operator(&hub).await;
    let start = head(&hub).await;
    client.batch_execute(&format!("BEGIN; {}; ROLLBACK", set("never", 0))).await.unwrap();
    assert_eq!((since(&hub, start).await, head(&hub).await), (Vec::new(), start));
    client.batch_execute(&set("after", 0)).await.unwrap();
    assert_eq!(names(&since(&hub, start).await), ["after"]);
    assert_eq!(hub.number("SELECT count(*) FROM change_open").await, 0);
}

async fn a_savepoint_takes_back_its_part(hub: Hub) {
    let client = operator(&hub).await;
    let start = head(&hub).await;
    let (never, kept) = (set("never", 0), set("kept", 1));
    client
        .batch_execute(&format!(
            "BEGIN; SAVEPOINT a; {never}; ROLLBACK TO a; {kept}; SAVEPOINT b; {never}; ROLLBACK TO b; COMMIT"
        ))
        .await
        .unwrap();
    assert_eq!(names(&since(&hub, start).await), ["kept"]);
}

async fn a_crash_in_between_leaves_nothing(hub: Hub) {
    let (client, other) = (operator(&hub).await, operator(&hub).await);
    let start = head(&hub).await;
    client.batch_execute(&format!("BEGIN; {}", set("never", 0))).await.unwrap();
    // as the server sees a writer that was killed
    let own: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    other.execute("SELECT pg_terminate_backend($1)", &[&own]).await.unwrap();
    assert!(client.batch_execute("COMMIT").await.is_err());
    other.batch_execute(&set("after", 0)).await.unwrap();
    assert_eq!(names(&since(&hub, start).await), ["after"]);
}

const WRITERS: usize = 8;
const TRANSACTIONS: usize = 12;

/// Each with transactions of random length that change two of five rows.
async fn writers(hub: &Hub) -> Vec<tokio::task::JoinHandle<()>> {
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let client = operator(hub).await;
        writers.push(tokio::spawn(async move {
            for n in 0..TRANSACTIONS {
                let own = |step: usize| {
                    format!("UPDATE product SET name = '{writer}.{n}.{step}' WHERE id = (SELECT id FROM product ORDER BY sku LIMIT 1 OFFSET {})", (writer + step * 3) % 5)
                };
                let pause = (writer * 7 + n * 13) % 11;
                // in the order of the keys, or they would wait for each other for ever
                let mut steps = [0, 1];
                steps.sort_by_key(|step| (writer + step * 3) % 5);
                let [one, two] = steps.map(own);
                client
                    .batch_execute(&format!("BEGIN; {one}; SELECT pg_sleep({}); {two}; COMMIT", pause as f64 / 2000.0))
                    .await
                    .unwrap();
            }
        }));
    }
    writers
}

/// Eight writers with transactions of random length; a reader that follows the head sees each change once, and in the
/// order in which a reader sees them that comes afterwards.
async fn readers_miss_nothing_of_many_writers(hub: Hub) {
    let start = head(&hub).await;
    let writers = writers(&hub).await;
    let (mut at, mut seen) = (start, Vec::new());
    let mut heads = hub.app().gate.heads();
    while seen.len() < WRITERS * TRANSACTIONS * 2 {
        let next = hub.app().gate.changes(at, 3).await.unwrap();
        if next.until == at {
            let changed = heads.wait_for(|head| *head > at);
            tokio::time::timeout(Duration::from_secs(60), changed).await.expect("nothing is missing").unwrap();
            continue;
        }
        assert!(next.until > at && next.list.iter().all(|c| c.position > at && c.position <= next.until));
        at = next.until;
        seen.extend(next.list);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen, since(&hub, start).await);
    // of one row, each change begins with what the one before has left
    for change in &seen {
        let before = seen.iter().take_while(|other| *other != change).filter(|other| other.key == change.key).last();
        if let Some(before) = before {
            assert_eq!(before.after, change.before);
        }
    }
    assert_eq!(at, head(&hub).await);
}

/// A state far back is asked for by key. The changes of one row are in the order of their commits, those of several are
/// not.
async fn a_row_is_as_it_stood_whoever_overlapped(hub: Hub) {
    let start = head(&hub).await;
    let (early, late) = (operator(&hub).await, operator(&hub).await);
    // each has the number of its first change before those that commit before it
    early.batch_execute(&format!("BEGIN; {}", set("early", 5))).await.unwrap();
    late.batch_execute(&format!("BEGIN; {}; {}", set("late", 6), set("later", 6))).await.unwrap();
    for writer in writers(&hub).await {
        writer.await.unwrap();
    }
    early.batch_execute(&format!("{}; COMMIT", set("early again", 1))).await.unwrap();
    operator(&hub).await.batch_execute(&set("between", 5)).await.unwrap();
    late.batch_execute("COMMIT").await.unwrap();
    let history = since(&hub, start).await;
    // more than a session takes along
    for n in 0..600 {
        hub.sql(&set(&format!("noise {n}"), 7)).await;
    }
    let gate = &hub.app().gate;
    assert!(gate.is_far(start).await.unwrap());
    let ty = CATALOGUE.by_name("Product").unwrap();
    let name = ty.field_index("name").unwrap();
    let (admin, _) = resolve(hub.db(), "nordwind/admin", gate.now()).await.unwrap();
    let view = gate.seat_view(&admin, gate.now()).await.unwrap();
    let (mut select, row) = Select::some_rows(&view, gate.dialect(), ty.id);
    select.with_key(0, true);
    let columns = [select.column(row, 0), select.column(row, name)];
    select.order(&[], false);
    let statement = select.page(100);
    let keys: BTreeSet<Uuid> = history.iter().map(|change| change.key).collect();
    let slots = [Arg::Ids(keys.iter().copied().collect())];
    let positions = history.iter().map(|change| change.position).chain([start]).collect::<BTreeSet<_>>();
    assert!(keys.len() == 7 && positions.len() == WRITERS * TRANSACTIONS + 4, "{} {}", keys.len(), positions.len());
    for position in positions {
        let then = |key: Uuid| {
            let mut of = history.iter().filter(|change| change.key == key);
            let next = of.clone().find(|change| change.position > position);
            let row = next.map_or_else(|| of.next_back().unwrap().after.clone(), |change| change.before.clone());
            (key, row.unwrap()[name].to_string())
        };
        let mut past = gate.past(position).await.unwrap();
        let binding = Binding { now: gate.now(), me: Uuid::nil(), secret: "", slots: &slots };
        let rows = past.run(&statement, &binding).await.unwrap();
        past.finish().await.unwrap();
        let told = |row| match rows.cell(row, columns[1]) {
            Cell::Text(name) => (rows.id(row, columns[0]).unwrap(), name.to_owned()),
            other => panic!("a name is {other:?}"),
        };
        let told: BTreeMap<_, _> = (0..rows.len()).map(told).collect();
        assert_eq!(told, keys.iter().copied().map(then).collect(), "behind {position}");
    }
}

async fn a_truncated_table_is_told_row_by_row(hub: Hub) {
    let rows = hub.number("SELECT count(*) FROM customer_team").await;
    let start = head(&hub).await;
    operator(&hub).await.batch_execute("TRUNCATE customer_team").await.unwrap();
    let changes = since(&hub, start).await;
    assert!(rows > 0 && changes.len() as i64 == rows && changes.iter().all(|change| change.after.is_none()));
}

async fn a_transaction_is_never_cut(hub: Hub) {
    let start = head(&hub).await;
    // an operator's statements, with a load between
    hub.sql("UPDATE product SET name = name || '!'").await;
    let products = since(&hub, start).await.len();
    let mut load = hub.db().load().await.unwrap();
    let ty = entente::catalogue::CATALOGUE.by_name("Organisation").unwrap();
    let columns: Vec<usize> = (0..ty.fields.len()).collect();
    let rows: Vec<Vec<Value>> = (0..3_000).map(|n| row(ty, n)).collect();
    load.insert(ty, &columns, &rows).await.unwrap();
    load.commit().await.unwrap();
    hub.sql("UPDATE product SET name = name || '!'").await;
    let (mut at, mut steps) = (start, Vec::new());
    loop {
        let next = hub.app().gate.touched(at, 100).await.unwrap();
        if next.until == at {
            break;
        }
        let all = hub.app().gate.changes(at, 100).await.unwrap();
        assert_eq!((all.until, all.list.len()), (next.until, next.list.len()));
        steps.push(next.list.len());
        at = next.until;
    }
    assert_eq!((at, steps), (head(&hub).await, vec![products, 3_000, products]));
    assert!(hub.app().gate.changes(Position(at.0 + 1), 1).await.unwrap().list.is_empty());
}

fn row(ty: &entente::catalogue::Type, n: u128) -> Vec<Value> {
    let of = |field: &entente::catalogue::Field| match field.name.as_str() {
        "id" => Value::Id(uuid::Uuid::from_u128(n + 1)),
        "slug" => Value::from(format!("slug-{n}")),
        "status" => Value::from("active"),
        "createdAt" => Value::Instant(entities::Instant(0)),
        _ if field.optional => Value::Null,
        _ => Value::from("AT"),
    };
    ty.fields.iter().map(of).collect()
}
