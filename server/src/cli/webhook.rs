//! `entente webhook add / list / rotate / pause / resume / replay / dead / redeliver / remove`

use std::sync::Arc;

use clap::Subcommand;
use entities::Instant;
use uuid::Uuid;

use super::{Settings, say};
use crate::{
    access::{
        Seat,
        roster::{self, TakenSeat},
        webhooks::{Endpoint, Webhooks},
    },
    app::App,
    auth::Ttl,
    error::Result,
    webhook,
};

#[derive(Debug, Subcommand)]
pub(super) enum Webhook {
    /// Send a seat's events to a URL; prints the secret that the receiver verifies them with, this once
    Add {
        /// `organisation/role` or `organisation/role/user`
        #[arg(long = "as", value_name = "SEAT")]
        seat: String,
        /// Where events are posted
        url: String,
        /// `subscription { demandUpdates { kind id … } }`, without variables
        document: String,
    },
    /// List every webhook, whether its receiver takes its events, and why not
    List,
    /// Make a new secret and print it, this once; the one before it is good for a while longer
    Rotate {
        id: Uuid,
        /// For how long both sign, such as `1h` or `7d`
        #[arg(long, default_value = "1d", value_name = "TIME")]
        overlap: Ttl,
    },
    /// Send nothing until it is resumed
    Pause { id: Uuid },
    /// Go on where it was, also after the hub has disabled it
    Resume { id: Uuid },
    /// Send again what followed an event, or all
    Replay {
        id: Uuid,
        /// The `cursor` of the last event that is not to be sent again
        #[arg(long, value_name = "CURSOR", required_unless_present = "from_start")]
        after: Option<String>,
        /// From where the subscription begins
        #[arg(long, conflicts_with = "after")]
        from_start: bool,
    },
    /// List the events that were given up
    Dead {
        /// Of one webhook
        id: Option<Uuid>,
    },
    /// Send an event that was given up once more, now; exit code 1 if it is not taken
    Redeliver { letter: Uuid },
    /// Forget a webhook, with its secrets and the events that were given up
    Remove { id: Uuid },
}

impl Webhook {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let app = settings.app().await?;
        let done = self.act(&app).await;
        if let Err(error) = app.audit.take().await {
            tracing::warn!("lines of the access log wait in its journal: {error}");
        }
        done
    }

    async fn act(self, app: &Arc<App>) -> Result<()> {
        match self {
            Webhook::Add { seat, url, document } => {
                let (id, secret) = webhook::add(app, &seat, &url, &document).await?;
                say(&format!("webhook {id}\nsecret  {secret}\n"))
            }
            Webhook::List => list(app).await,
            Webhook::Rotate { id, overlap } => {
                let secret = webhook::rotate(app, id, overlap.micros()).await?;
                say(&format!("secret  {secret}\n"))
            }
            Webhook::Pause { id } => webhook::pause(app, id).await,
            Webhook::Resume { id } => webhook::resume(app, id).await,
            Webhook::Replay { id, after, .. } => webhook::replay(app, id, after).await,
            Webhook::Dead { id } => dead(app, id).await,
            Webhook::Redeliver { letter } => webhook::redeliver(app, letter).await,
            Webhook::Remove { id } => webhook::remove(app, id).await,
        }
    }
}

async fn list(app: &Arc<App>) -> Result<()> {
    let seats = roster::all_seats(&app.db, app.clock.now()).await?;
    let mut text = String::new();
    for endpoint in Webhooks::new(&app.db).all().await? {
        text.push_str(&described(&endpoint, &seats));
    }
    say(if text.is_empty() { "no webhooks\n" } else { &text })
}

fn described(Endpoint { row, delivery }: &Endpoint, seats: &[TakenSeat]) -> String {
    let seat = Seat { organisation: row.organisation_id, role: row.role.clone() };
    let seat = seats.iter().find(|taken| taken.seat == seat);
    let seat = seat.map_or_else(|| format!("nobody as `{}`", row.role), |taken| taken.name.to_string());
    let mut text = format!("{}  {}  {seat}\n  {}\n  {}\n", row.id, row.status, row.url, row.document);
    let mut line = |what: &str, said: Option<String>| {
        if let Some(said) = said {
            text.push_str(&format!("  {what} {said}\n"));
        }
    };
    let at = |at: Option<Instant>| at.map(|at| at.to_string());
    line("last taken", at(delivery.delivered_at));
    line("failing since", at(row.failing_since));
    line("why:", row.reason.clone());
    line("next attempt", at(delivery.next_attempt_at));
    text
}

async fn dead(app: &App, id: Option<Uuid>) -> Result<()> {
    let mut text = String::new();
    for letter in Webhooks::new(&app.db).dead_letters(id).await? {
        let again = letter.redelivered_at.map_or(String::new(), |at| format!(", sent again {at}"));
        text.push_str(&format!(
            "{}  {}  of webhook {}\n  given up {} after {} attempts: {}{again}\n  {}\n",
            letter.id, letter.message, letter.endpoint_id, letter.died_at, letter.attempts, letter.error, letter.body
        ));
    }
    say(if text.is_empty() { "no event was given up\n" } else { &text })
}
