//! A question in words, as a command or an operator's document asks it.

use entities::Instant;
use uuid::Uuid;

use super::{Explanation, Question, explain};
use crate::{
    access::{
        connect::Db,
        probe::Probe,
        roster::{self, SeatName},
    },
    catalogue::Type,
    error::{Error, Result},
    graphql::Codec,
    policy::{Rules, deed::Deed, named, row},
};

pub struct Asked<'a> {
    /// `organisation/role` or `organisation/role/user`
    pub seat: &'a str,
    pub to: Deed,
    pub ty: &'static Type,
    pub field: Option<usize>,
    pub row: Option<&'a str>,
    pub now: Instant,
    /// The hub's, from which ids are keyed.
    pub seal: &'a [u8; 32],
    /// Whoever asks may name the row by an id that its own organisation was given.
    pub own: Option<Uuid>,
}

pub async fn ask(db: &Db, rules: &Rules, asked: &Asked<'_>) -> Result<Explanation> {
    let Asked { to, ty, field, now, .. } = *asked;
    if let Some(why) = to.unfit(field) {
        return Err(Error::usage(why));
    }
    let name: SeatName = asked.seat.parse()?;
    let (seat, person) = roster::resolve(db, asked.seat, now).await?;
    let row = match asked.row {
        None => None,
        Some(text) => {
            let readers = std::iter::once(seat.organisation).chain(asked.own.filter(|own| *own != seat.organisation));
            let ids: Vec<Codec> = readers.map(|of| Codec::new(asked.seal, of)).collect();
            Some(row::find(&Probe::new(db, person, now), &ids, ty, text).await?)
        }
    };
    let others = roster::all_seats(db, now).await?;
    explain(&Question { db, rules, name: &name, seat: &seat, person, now, to, ty, field, row, others: &others }).await
}

/// The type with this name, and its field.
pub fn what(ty: &str, field: Option<&str>) -> Result<(&'static Type, Option<usize>)> {
    let ty = named(ty)?;
    let Some(name) = field else { return Ok((ty, None)) };
    let field = ty.field_index(name).filter(|field| *field > 0).ok_or_else(|| {
        let known: Vec<&str> = ty.fields.iter().skip(1).map(|f| f.name.as_str()).collect();
        Error::usage(format!("{} has no field `{name}`, its fields are {}", ty.name, known.join(", ")))
    })?;
    Ok((ty, Some(field)))
}
