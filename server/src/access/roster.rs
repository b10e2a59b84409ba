//! Who may sit where: organisations, their people and the roles these hold now. A seat, an organisation
//! in a role, is the unit that policies decide for; a person fills it.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use entities::{Instant, delegation, organisation, principal, role_assignment};
use sea_orm::{ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{connect::Db, facts::counts};
use crate::error::{Error, Result};

/// What a view is compiled for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seat {
    pub organisation: Uuid,
    pub role: String,
}

/// Who asks: a person in a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub seat: Arc<Seat>,
    pub principal: Uuid,
    /// From this instant on the caller is nobody.
    pub expires: Instant,
    /// In whose place it asks.
    pub place: Option<Arc<Place>>,
    pub origin: Origin,
}

/// Where a caller asks from. Some may only from certain networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A command of the operator, who has the database at hand.
    Here,
    Address(IpAddr),
    /// An address that cannot be told: in no network.
    Unknown,
}

/// The seat of another, and who sits in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// As the caller writes it.
    pub name: String,
    pub seat: Seat,
    pub principal: Uuid,
    /// The caller looks there as an operator; else it is a deputy.
    pub operator: bool,
}

impl Caller {
    /// Who sits in the seat that is asked for.
    pub fn person(&self) -> Uuid {
        self.place.as_ref().map_or(self.principal, |place| place.principal)
    }
}

/// A seat as people write it: `organisation/role` or `organisation/role/user`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatName {
    pub organisation: String,
    pub role: String,
    pub user: Option<String>,
}

impl FromStr for SeatName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [organisation, role] if !organisation.is_empty() && !role.is_empty() => {
                Ok(SeatName { organisation: organisation.into(), role: role.into(), user: None })
            }
            [organisation, role, user] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(SeatName { organisation: organisation.into(), role: role.into(), user: Some(user.into()) })
            }
            _ => {
                Err(Error::usage(format!("`{text}` is no seat, write `organisation/role` or `organisation/role/user`")))
            }
        }
    }
}

impl fmt::Display for SeatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.organisation, self.role)?;
        self.user.iter().try_for_each(|user| write!(f, "/{user}"))
    }
}

/// A seat that somebody can take now, and the first person in it.
#[derive(Clone, Debug)]
pub struct TakenSeat {
    pub name: SeatName,
    /// The organisation's display name.
    pub title: String,
    pub seat: Seat,
    pub principal: Uuid,
}

/// The seat and the person that a name means now. Its errors speak to the operator: they list what exists.
pub async fn resolve(db: &Db, name: &str, now: Instant) -> Result<(Seat, Uuid)> {
    let name: SeatName = name.parse()?;
    let found = organisation::Entity::find().filter(organisation::Column::Slug.eq(&name.organisation));
    let Some(found) = found.one(db.orm()).await? else {
        let known = slugs(db).await?;
        return Err(Error::usage(match known.is_empty() {
            true => "the database has no organisations yet, run `entente demo` or import some".to_owned(),
            false => format!("no organisation `{}`, there are {}", name.organisation, listed(&known)),
        }));
    };
    if found.status == "suspended" {
        return Err(Error::usage(format!("organisation `{}` is suspended", name.organisation)));
    }
    let holders = holders(db, Some(found.id), now).await?;
    let in_role: Vec<_> = holders.iter().filter(|holder| holder.role == name.role).collect();
    if in_role.is_empty() {
        let mut roles: Vec<_> = holders.iter().map(|holder| holder.role.clone()).collect();
        roles.sort();
        roles.dedup();
        return Err(Error::usage(match roles.is_empty() {
            true => format!("nobody at `{}` holds a role now", name.organisation),
            false => {
                format!("nobody at `{}` is `{}` now, its roles are {}", name.organisation, name.role, listed(&roles))
            }
        }));
    }
    let person = match &name.user {
        None => in_role.first(),
        Some(user) => in_role.iter().find(|holder| holder.slug == *user),
    };
    let Some(person) = person else {
        let mut people: Vec<_> = in_role.iter().map(|holder| holder.slug.clone()).collect();
        people.dedup();
        let (user, role) = (name.user.unwrap_or_default(), name.role);
        let at = name.organisation;
        return Err(Error::usage(format!("`{user}` is not `{role}` at `{at}` now, that are {}", listed(&people))));
    };
    Ok((Seat { organisation: found.id, role: name.role }, person.principal))
}

/// The place that a name means among those who have delegated something to this person, now. With no user
/// named it is the first of them in that role.
pub async fn deputised(db: &Db, deputy: &Caller, text: &str, now: Instant) -> Result<Option<Place>> {
    let Ok(name) = text.parse::<SeatName>() else { return Ok(None) };
    let given = delegation::Entity::find()
        .filter(delegation::Column::ToPrincipalId.eq(deputy.principal))
        .filter(delegation::Column::ValidFrom.lte(now))
        .filter(delegation::Column::ValidTo.gt(now));
    for given in given.order_by_asc(delegation::Column::FromPrincipalId).all(db.orm()).await? {
        let id = given.from_principal_id;
        let Some(person) = principal::Entity::find_by_id(id).one(db.orm()).await? else { continue };
        let Some(home) = organisation::Entity::find_by_id(person.organisation_id).one(db.orm()).await? else {
            continue;
        };
        let meant = name.user.as_ref().is_none_or(|user| *user == person.slug)
            && home.slug == name.organisation
            && counts(&given, home.id == deputy.seat.organisation);
        let holders = if meant { holders(db, Some(home.id), now).await? } else { Vec::new() };
        if holders.iter().any(|holder| holder.principal == id && holder.role == name.role) {
            return Ok(Some(Place {
                name: text.into(),
                seat: Seat { organisation: home.id, role: name.role },
                principal: id,
                operator: false,
            }));
        }
    }
    Ok(None)
}

/// Every seat that somebody can take now, ordered by name.
pub async fn all_seats(db: &Db, now: Instant) -> Result<Vec<TakenSeat>> {
    let organisations = organisation::Entity::find()
        .filter(organisation::Column::Status.ne("suspended"))
        .order_by_asc(organisation::Column::Slug)
        .all(db.orm())
        .await?;
    let holders = holders(db, None, now).await?;
    let mut seats = Vec::new();
    for org in organisations {
        let mut here: Vec<_> = holders.iter().filter(|holder| holder.organisation == org.id).collect();
        // the sort is stable: within a role the people stay ordered by slug
        here.sort_by(|a, b| a.role.cmp(&b.role));
        here.dedup_by(|later, first| later.role == first.role);
        seats.extend(here.into_iter().map(|holder| TakenSeat {
            name: SeatName { organisation: org.slug.clone(), role: holder.role.clone(), user: None },
            title: org.display_name.clone(),
            seat: Seat { organisation: org.id, role: holder.role.clone() },
            principal: holder.principal,
        }));
    }
    Ok(seats)
}

/// Everybody who can take the seat now, by slug.
pub async fn people(db: &Db, seat: &Seat, now: Instant) -> Result<Vec<(String, Uuid)>> {
    let holders = holders(db, Some(seat.organisation), now).await?;
    Ok(holders.into_iter().filter(|h| h.role == seat.role).map(|h| (h.slug, h.principal)).collect())
}

struct Holder {
    organisation: Uuid,
    principal: Uuid,
    slug: String,
    role: String,
}

/// Active people with the roles they hold now, ordered by their slug.
async fn holders(db: &Db, organisation: Option<Uuid>, now: Instant) -> Result<Vec<Holder>> {
    let mut people = principal::Entity::find()
        .select_only()
        .columns([principal::Column::OrganisationId, principal::Column::Id, principal::Column::Slug])
        .column(role_assignment::Column::Role)
        .join(
            JoinType::InnerJoin,
            principal::Entity::belongs_to(role_assignment::Entity)
                .from(principal::Column::Id)
                .to(role_assignment::Column::PrincipalId)
                .into(),
        )
        .filter(principal::Column::Status.eq("active"))
        .filter(role_assignment::Column::ValidFrom.lte(now))
        .filter(
            Condition::any()
                .add(role_assignment::Column::ValidTo.is_null())
                .add(role_assignment::Column::ValidTo.gt(now)),
        )
        .order_by_asc(principal::Column::Slug);
    if let Some(organisation) = organisation {
        people = people.filter(principal::Column::OrganisationId.eq(organisation));
    }
    let rows: Vec<(Uuid, Uuid, String, String)> = people.into_tuple().all(db.orm()).await?;
    Ok(rows
        .into_iter()
        .map(|(organisation, principal, slug, role)| Holder { organisation, principal, slug, role })
        .collect())
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

async fn slugs(db: &Db) -> Result<Vec<String>> {
    let slugs = organisation::Entity::find().select_only().column(organisation::Column::Slug);
    Ok(slugs.order_by_asc(organisation::Column::Slug).into_tuple().all(db.orm()).await?)
}
