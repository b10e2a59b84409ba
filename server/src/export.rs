//! `entente export TYPE --as SEAT`: the rows that a seat sees, as CSV. It reads through the seat's view as
//! a query does, page by page, and asks at each page whether the view still holds: what is withdrawn while a long
//! export runs is not in the pages that follow. Of what a seat reads, policies on `export` say what it may take along.

use std::{
    io::{self, Write},
    sync::Arc,
};

use entities::{Decimal, Instant, meta::Kind};

use uuid::Uuid;

use crate::{
    access::{
        Caller, Origin, View,
        read::{Arg, Cell, Rows},
        roster,
        select::{Binding, Select, day_of},
    },
    app::App,
    audit::{Action, Delivered, Read},
    catalogue::{CATALOGUE, Field, Type, TypeId},
    error::{Error, Result},
    graphql::{
        Codec,
        model::{self, Shown},
    },
};

/// Rows of one page.
const PAGE: usize = 1_000;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A type, such as `OrderLine`
    #[arg(value_name = "TYPE")]
    pub ty: String,
    /// Whose view: `organisation/role` or `organisation/role/user`
    #[arg(long = "as", value_name = "SEAT")]
    pub seat: String,
}

/// A field that is written, in the order of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    field: usize,
    /// The type whose key it is.
    key_of: Option<TypeId>,
}

/// Why an export ends early.
enum End {
    /// The reader has seen enough, as `head` does.
    Closed,
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Failed(error)
    }
}

impl From<io::Error> for End {
    fn from(cause: io::Error) -> Self {
        if cause.kind() == io::ErrorKind::BrokenPipe {
            return End::Closed;
        }
        End::Failed(Error::internal(format!("cannot write the rows ({cause})")))
    }
}

impl From<csv::Error> for End {
    fn from(error: csv::Error) -> Self {
        let text = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(cause) => cause.into(),
            _ => End::Failed(Error::internal(format!("cannot write the rows ({text})"))),
        }
    }
}

/// Writes the rows to `out`.
pub async fn run(app: &App, args: &Args, out: &mut impl Write) -> Result<()> {
    match write(app, args, out).await {
        Ok(()) | Err(End::Closed) => Ok(()),
        Err(End::Failed(error)) => Err(error),
    }
}

async fn write(app: &App, args: &Args, out: &mut impl Write) -> std::result::Result<(), End> {
    let now = app.clock.now();
    let (seat, principal) = roster::resolve(&app.db, &args.seat, now).await?;
    let caller =
        Caller { seat: Arc::new(seat), principal, expires: Instant(i64::MAX), place: None, origin: Origin::Here };
    let codec = app.graphql.codec(caller.seat.organisation);
    let ty = type_named(&*app.gate.view(&caller, now).await?, &args.ty)?;
    let mut view = app.gate.export_view(&caller, ty, now).await?;
    let columns = columns(&view, ty);

    let mut sheet = csv::Writer::from_writer(out);
    sheet.write_record(columns.iter().map(|column| ty.fields[column.field].name.as_str()))?;
    let mut last = None;
    loop {
        if self::columns(&view, ty) != columns {
            let text = format!("what `{}` sees of `{}` changed meanwhile, export it again", args.seat, ty.name);
            return Err(Error::Conflict(text).into());
        }
        let Page { rows, at, version, reads } = page(app, &view, (&caller, &codec), ty, &columns, last).await?;
        if version != view.version {
            view = app.gate.export_view(&caller, ty, app.clock.now()).await?;
            continue;
        }
        // before the page goes out; one that only tells the end says nothing
        if last.is_none() || !rows.is_empty() {
            let delivered = Delivered { rows: u32::try_from(rows.len()).unwrap_or(u32::MAX), last: None };
            let exported = |of| if of == ty.id { delivered } else { Delivered::default() };
            app.audit.record((&caller).into(), Action::Export, &reads, exported)?;
        }
        for row in 0..rows.len() {
            let text = |(column, at): (&Column, &usize)| {
                text(rows.cell(row, *at), &ty.fields[column.field], column.key_of, &codec)
            };
            sheet.write_record(columns.iter().zip(&at).map(text))?;
        }
        if rows.len() < PAGE {
            return Ok(sheet.flush()?);
        }
        last = rows.id(rows.len() - 1, at[columns.len()]);
        let now = app.clock.now();
        if !app.gate.lasts(&view, now) {
            view = app.gate.export_view(&caller, ty, now).await?;
        }
    }
}

/// Rows behind a key.
struct Page {
    rows: Rows,
    /// Where the values stand.
    at: Vec<usize>,
    /// Of the shared data at that moment.
    version: i64,
    /// What the access log says of it.
    reads: Vec<Read>,
}

async fn page(
    app: &App,
    view: &View,
    (caller, codec): (&Caller, &Codec),
    ty: &Type,
    columns: &[Column],
    last: Option<Uuid>,
) -> Result<Page> {
    let (mut select, row) = Select::rows(view, app.gate.dialect(), ty.id);
    let mut at = Vec::with_capacity(columns.len() + 1);
    for column in columns {
        // a reference is shown where the row that it leads to is
        let target = if column.field == 0 { None } else { column.key_of.and_then(|_| select.join(row, column.field)) };
        at.push(match target {
            Some(target) => select.key_column(target),
            None => select.column(row, column.field),
        });
    }
    at.push(select.key_column(row));
    let version = select.version();
    select.order(&[], false);
    let slots: Vec<Arg> = last.map(Arg::Id).into_iter().collect();
    if last.is_some() {
        select.beyond(false, &[false], &[0]);
    }
    let statement = select.page(PAGE);
    let mut reading = app.gate.session(false).await?;
    let binding = Binding { now: app.clock.now(), me: caller.principal, secret: codec.secret(), slots: &slots };
    let rows = reading.run(&statement, &binding).await?;
    reading.finish().await?;
    // without a row there is nothing that could tell
    let told = if rows.is_empty() { None } else { rows.int(0, version) };
    let version = match told {
        Some(version) => version,
        None => app.gate.version().await?,
    };
    Ok(Page { rows, at, version, reads: Read::all(view, statement.reads()) })
}

/// A type that the view shows. One that it hides is as unknown as one that does not exist.
fn type_named(view: &View, name: &str) -> Result<&'static Type> {
    let mut seen = CATALOGUE.types.iter().filter(|ty| view.sees_type(ty.id));
    seen.clone().find(|ty| ty.name == name || ty.singular() == name || ty.plural == name).ok_or_else(|| {
        let first = seen.next().map_or("nothing", |ty| ty.name);
        let known = seen.fold(first.to_owned(), |known, ty| format!("{known}`, `{}", ty.name));
        Error::usage(format!("`{name}` is no type that `{}` sees, it sees `{known}`", view.name))
    })
}

fn columns(view: &View, ty: &Type) -> Vec<Column> {
    let own = model::fields(&view.class, ty).filter_map(|shown| match shown {
        Shown::Scalar(field, _) => Some(Column { field, key_of: (field == 0).then_some(ty.id) }),
        Shown::One(field, _, to) => Some(Column { field, key_of: Some(to.id) }),
        Shown::Many(..) => None,
    });
    own.collect()
}

/// As an import reads it; keys are those that the seat's organisation sees in every answer.
fn text(cell: Cell<'_>, field: &Field, key_of: Option<TypeId>, codec: &Codec) -> String {
    match (cell, key_of) {
        (Cell::Null, _) => String::new(),
        (Cell::Id(id), Some(ty)) => codec.id(ty, id),
        (Cell::Id(id), None) => id.to_string(),
        (Cell::Text(text), _) => text.to_owned(),
        (Cell::Bool(flag), _) => flag.to_string(),
        (Cell::Int(n), _) => match field.kind {
            Kind::Decimal => Decimal(n).to_string(),
            Kind::Instant => Instant(n).to_string(),
            Kind::Bool => (n != 0).to_string(),
            _ => n.to_string(),
        },
        (day @ Cell::Day(_), _) => day_of(day).map(|day| day.to_string()).unwrap_or_default(),
    }
}
