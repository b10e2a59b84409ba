//! A question in words, as a command or an operator's document asks it.

use std::sync::Arc;

use entities::Instant;
use uuid::Uuid;

use super::{Explanation, Question, explain};
use crate::{
    access::{
        connect::Db,
        lens::Lens,
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
    /// Who asks through a door; nobody at the operator's shell.
    pub asker: Option<Asker>,
}

pub struct Asker {
    /// It may name the row by an id that its own organisation was given.
    pub organisation: Uuid,
    pub lens: Arc<Lens>,
}

pub async fn ask(db: &Db, rules: &Rules, asked: &Asked<'_>) -> Result<Explanation> {
    let Asked { to, ty, field, now, .. } = *asked;
    if let Some(why) = to.unfit(field) {
        return Err(Error::usage(why));
    }
    let name: SeatName = asked.seat.parse()?;
    let (seat, person) = roster::resolve(db, asked.seat, now).await?;
    let (own, lens) = asked.asker.as_ref().map(|asker| (asker.organisation, &asker.lens)).unzip();
    let row = match asked.row {
        None => None,
        Some(text) => {
            let readers = std::iter::once(seat.organisation).chain(own.filter(|own| *own != seat.organisation));
            let ids: Vec<Codec> = readers.map(|of| Codec::new(asked.seal, of)).collect();
            let name =
                |key: Uuid| own.map_or_else(|| key.to_string(), |own| Codec::new(asked.seal, own).id(ty.id, key));
            Some(row::find(&Probe::new(db, person, now).through(lens), &ids, ty, text, name).await?)
        }
    };
    let others = roster::all_seats(db, now).await?;
    explain(&Question { db, rules, name: &name, seat: &seat, person, now, to, ty, field, row, others: &others, lens })
        .await
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
