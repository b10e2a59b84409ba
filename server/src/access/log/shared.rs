//! What all groups of a feed ask when something was committed: where the log ends, and which rows were touched. It is
//! read once; whoever asks meanwhile waits for the answer. What lies behind a position does not change any more.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use entities::Instant;
use tokio::sync::Mutex;

use super::{Changes, Position, Touched, moment::Moments, read};
use crate::{
    access::{Gate, read::Pace},
    error::{Error, Result},
};

/// How many readings of the log are kept: groups are not all at one position.
const KEPT: usize = 16;

/// One state of the data.
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    pub head: Position,
    /// Of the shared data that views are made of.
    pub version: i64,
}

#[derive(Default)]
pub(in crate::access) struct Shared {
    stand: Mutex<Option<Stand>>,
    touched: Mutex<VecDeque<(Position, Arc<Changes<Touched>>)>>,
    pub(super) moments: Moments,
    /// Zero: nobody stands anywhere.
    instant: AtomicI64,
}

impl Gate {
    /// The instant at which groups stand that began last.
    pub fn instant(&self) -> Option<Instant> {
        Some(self.shared.instant.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Instant)
    }

    /// Another one; not if it has changed meanwhile.
    pub fn stand_at(&self, was: Option<Instant>, now: Instant) -> bool {
        let was = was.map_or(0, |at| at.0);
        self.shared.instant.compare_exchange(was, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Where the data stand, at this position of the log or later; without one, now.
    pub async fn stand(&self, least: Option<Position>) -> Result<Stand> {
        let mut known = self.shared.stand.lock().await;
        if let (Some(known), Some(least)) = (*known, least)
            && known.head >= least
        {
            return Ok(known);
        }
        let sql = format!("SELECT version, ({}) FROM access_version", read::head(self.dialect()));
        let mut session = self.db.reader.session(false).await?;
        let rows = session.query(&sql, &[], &Pace::default(), true).await?;
        let (Some(version), Some(head)) = (rows.int(0, 0), rows.int(0, 1)) else {
            return Err(Error::internal("table access_version is empty"));
        };
        let stand = Stand { head: Position(head), version };
        *known = Some(stand);
        Ok(stand)
    }

    /// As [`Gate::touched`]: at least up to a position, or as much of it as is read at once. Whoever goes through the log
    /// step by step takes the rest of what it has read before.
    pub async fn touched_until(&self, after: Position, until: Position, most: usize) -> Result<Arc<Changes<Touched>>> {
        let mut known = self.shared.touched.lock().await;
        let before = known.iter().filter(|(from, _)| *from <= after).max_by_key(|(_, found)| found.until);
        if let Some((from, found)) = before.filter(|(_, found)| found.until >= until || found.until > after) {
            if *from == after {
                return Ok(found.clone());
            }
            let rest = found.list.iter().filter(|row| row.position > after).copied().collect();
            return Ok(Arc::new(Changes { until: found.until, list: rest }));
        }
        let found = Arc::new(self.touched(after, most).await?);
        known.retain(|(from, _)| *from != after);
        known.push_front((after, found.clone()));
        known.truncate(KEPT);
        Ok(found)
    }
}
