//! L8, L15: many seats at once, over few connections, each get what they get alone.

use std::sync::Arc;

use entente::catalogue::CATALOGUE;
use serde_json::json;

use super::questions;
use crate::{
    differential::voice::Voice,
    harness::{Hub, tests},
};

tests! {
    reading: a_crowd_of_seats_gets_what_each_gets_alone, a_crowd_over_http_gets_what_each_gets_alone;
    changing: a_crowd_gets_its_own_while_views_change;
}

/// Rounds of all questions of all seats.
const ROUNDS: usize = 3;

struct Question {
    voice: Voice,
    document: String,
    answer: String,
}

async fn asked(hub: &Hub) -> Vec<Question> {
    let mut all = Vec::new();
    for voice in Voice::all(hub).await {
        let view = voice.view().await;
        // the same words for every seat that can say them: what differs is the seat alone
        let same = [
            "{ products(first: 30) { totalCount nodes { id sku name } } }",
            "{ organisations { totalCount nodes { id slug } } viewer { seat role } }",
            "{ salesOrders(first: 20) { totalCount nodes { id number lines(first: 2) { totalCount nodes { id qty } } } } }",
            "{ cases { totalCount nodes { id number } } }",
        ];
        let own = CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)).map(|ty| questions::rows(&view, ty, 40));
        for document in same.iter().map(|d| (*d).to_string()).chain(own) {
            let answer = voice.ask(&document).await;
            all.push(Question { voice: voice.clone(), document, answer });
        }
    }
    all
}

#[track_caller]
fn same(given: &str, question: &Question) {
    let Question { voice, document, answer } = question;
    let some = |text: &str| text.chars().take(300).collect::<String>();
    assert!(given == answer, "{} asks {document}\ngets {}\nalone {}", voice.seat, some(given), some(answer));
}

/// The same numbers in another order, the same in every run.
fn shuffled(count: usize, round: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    all.sort_by_key(|n| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_usize.wrapping_add(round * 2)));
    all
}

async fn a_crowd_of_seats_gets_what_each_gets_alone(hub: Hub) {
    let questions = Arc::new(asked(&hub).await);
    for round in 0..ROUNDS {
        let asking: Vec<_> = shuffled(questions.len(), round)
            .into_iter()
            .map(|i| {
                let questions = questions.clone();
                tokio::spawn(async move {
                    let Question { voice, document, .. } = &questions[i];
                    same(&voice.ask(document).await, &questions[i]);
                })
            })
            .collect();
        for one in asking {
            one.await.unwrap();
        }
    }
    println!("a crowd on {:?}: {} answers at once", hub.dialect(), questions.len() * ROUNDS);
}

async fn a_crowd_over_http_gets_what_each_gets_alone(hub: Hub) {
    // another hub over the same rows: nothing is warm
    let hub = hub.with(|config| config.connections = 2).await;
    let questions = Arc::new(asked(&hub).await);
    let mut tokens = Vec::new();
    for question in questions.iter() {
        tokens.push(hub.token(&question.voice.seat).await);
    }
    let tokens = Arc::new(tokens);
    let asking: Vec<_> = shuffled(questions.len(), 7)
        .into_iter()
        .map(|i| {
            let (questions, tokens, hub) = (questions.clone(), tokens.clone(), hub.clone());
            tokio::spawn(async move {
                let reply = hub.post(&tokens[i], &json!({ "query": questions[i].document })).await;
                same(&reply.text, &questions[i]);
            })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
}

/// While views are thrown away and compiled anew, nobody gets somebody else's.
async fn a_crowd_gets_its_own_while_views_change(hub: Hub) {
    let questions = Arc::new(asked(&hub).await);
    // so that the changes come while some still wait
    let places = Arc::new(tokio::sync::Semaphore::new(8));
    let bump = {
        let hub = hub.clone();
        async move {
            // fewer than the attempts that an answer has
            for _ in 0..4 {
                hub.sql("UPDATE delegation SET valid_to = valid_to").await;
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
        }
    };
    let asking: Vec<_> = shuffled(questions.len(), 3)
        .into_iter()
        .map(|i| {
            let (questions, places) = (questions.clone(), places.clone());
            tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                let Question { voice, document, .. } = &questions[i];
                same(&voice.ask(document).await, &questions[i]);
            })
        })
        .collect();
    bump.await;
    for one in asking {
        one.await.unwrap();
    }
}
