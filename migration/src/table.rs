//! Tables in the few words that the model needs, turned into sea-query's statements. Migrations that ran
//! depend on it: add words, never change what one of them creates.

use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::DbBackend,
    sea_query::{Alias, ColumnDef, Expr, ExprTrait, ForeignKey, Index, Table as Statement},
};

use crate::dialect;

/// A migration that creates tables, and drops them in the opposite order.
pub(crate) struct Tables {
    pub(crate) name: &'static str,
    pub(crate) tables: fn() -> Vec<Table>,
}

impl MigrationName for Tables {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, &(self.tables)()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &(self.tables)()).await
    }

    /// On SQLite too: a migration that fails half way leaves nothing behind.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

pub(crate) async fn create(manager: &SchemaManager<'_>, tables: &[Table]) -> Result<(), DbErr> {
    for table in tables {
        table.create(manager).await?;
    }
    Ok(())
}

pub(crate) async fn drop_all(manager: &SchemaManager<'_>, tables: &[Table]) -> Result<(), DbErr> {
    for table in tables.iter().rev() {
        manager.drop_table(Statement::drop().table(Alias::new(table.name)).to_owned()).await?;
    }
    Ok(())
}

pub(crate) async fn add(manager: &SchemaManager<'_>, table: &str, column: Column) -> Result<(), DbErr> {
    let definition = column.definition(manager.get_database_backend());
    manager.alter_table(Statement::alter().table(Alias::new(table)).add_column(definition).to_owned()).await
}

pub(crate) async fn drop_column(manager: &SchemaManager<'_>, table: &str, column: &str) -> Result<(), DbErr> {
    manager.alter_table(Statement::alter().table(Alias::new(table)).drop_column(Alias::new(column)).to_owned()).await
}

pub(crate) struct Table {
    name: &'static str,
    primary: Vec<&'static str>,
    columns: Vec<Column>,
    indexes: Vec<Vec<&'static str>>,
    unique: Vec<Vec<&'static str>>,
}

/// A table of the model: its `id` comes before the columns given.
pub(crate) fn table<const N: usize>(name: &'static str, columns: [Column; N]) -> Table {
    let mut all = vec![uuid("id")];
    all.extend(columns);
    Table { name, primary: vec!["id"], columns: all, indexes: Vec::new(), unique: Vec::new() }
}

/// A table of the hub's own, with a key of its choice.
pub(crate) fn keyed<const K: usize, const N: usize>(
    name: &'static str,
    primary: [&'static str; K],
    columns: [Column; N],
) -> Table {
    Table { name, primary: primary.into(), columns: columns.into(), indexes: Vec::new(), unique: Vec::new() }
}

impl Table {
    pub(crate) fn unique<const N: usize>(mut self, columns: [&'static str; N]) -> Self {
        self.unique.push(columns.into());
        self
    }

    pub(crate) fn index<const N: usize>(mut self, columns: [&'static str; N]) -> Self {
        self.indexes.push(columns.into());
        self
    }

    async fn create(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let mut statement = Statement::create().table(Alias::new(self.name)).to_owned();
        for column in &self.columns {
            statement.col(column.definition(backend));
        }
        let mut primary = Index::create().primary().to_owned();
        for column in &self.primary {
            primary.col(Alias::new(*column));
        }
        statement.primary_key(&mut primary);
        for column in &self.columns {
            if let Some(to) = column.references {
                // no action: nothing disappears because something else did
                statement.foreign_key(
                    ForeignKey::create()
                        .name(format!("fk_{}_{}", self.name, column.name))
                        .from(Alias::new(self.name), Alias::new(column.name))
                        .to(Alias::new(to), Alias::new("id")),
                );
            }
        }
        manager.create_table(statement).await?;
        for columns in &self.unique {
            self.create_index(manager, columns, true).await?;
        }
        for column in self.columns.iter().filter(|column| column.paged) {
            self.create_index(manager, &[column.name, "id"], false).await?;
        }
        for columns in &self.indexes {
            self.create_index(manager, columns, false).await?;
        }
        Ok(())
    }

    async fn create_index(&self, manager: &SchemaManager<'_>, columns: &[&str], unique: bool) -> Result<(), DbErr> {
        let prefix = if unique { "uq" } else { "ix" };
        // PostgreSQL cuts names at 63 bytes
        let words: Vec<_> = columns.iter().map(|column| column.trim_end_matches("_id")).collect();
        let mut index = Index::create()
            .name(format!("{prefix}_{}_{}", self.name, words.join("_")))
            .table(Alias::new(self.name))
            .to_owned();
        for column in columns {
            index.col(Alias::new(*column));
        }
        if unique {
            index.unique();
        }
        manager.create_index(index).await
    }
}

/// Not null unless it says so.
pub(crate) struct Column {
    name: &'static str,
    kind: Kind,
    null: bool,
    references: Option<&'static str>,
    words: Vec<&'static str>,
    range: Option<(i32, i32)>,
    paged: bool,
}

enum Kind {
    Uuid,
    Text,
    Small,
    Int,
    Big,
    Bool,
    Date,
    Json,
    Bytes,
}

fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, null: false, references: None, words: Vec::new(), range: None, paged: false }
}

pub(crate) fn uuid(name: &'static str) -> Column {
    column(name, Kind::Uuid)
}

/// A reference to the row of another table.
pub(crate) fn key(name: &'static str, to: &'static str) -> Column {
    Column { references: Some(to), ..column(name, Kind::Uuid) }
}

pub(crate) fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

/// A text out of a closed set of words.
pub(crate) fn one_of(name: &'static str, words: &'static str) -> Column {
    Column { words: words.split_whitespace().collect(), ..column(name, Kind::Text) }
}

pub(crate) fn small(name: &'static str) -> Column {
    column(name, Kind::Small)
}

pub(crate) fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}

pub(crate) fn big(name: &'static str) -> Column {
    column(name, Kind::Big)
}

/// Ten-thousandths; see `entities::Decimal`.
pub(crate) fn decimal(name: &'static str) -> Column {
    column(name, Kind::Big)
}

/// Microseconds since 1970 in UTC; see `entities::Instant`.
pub(crate) fn instant(name: &'static str) -> Column {
    column(name, Kind::Big)
}

pub(crate) fn boolean(name: &'static str) -> Column {
    column(name, Kind::Bool)
}

pub(crate) fn date(name: &'static str) -> Column {
    column(name, Kind::Date)
}

pub(crate) fn json(name: &'static str) -> Column {
    column(name, Kind::Json)
}

pub(crate) fn bytes(name: &'static str) -> Column {
    column(name, Kind::Bytes)
}

impl Column {
    pub(crate) fn null(mut self) -> Self {
        self.null = true;
        self
    }

    pub(crate) fn between(mut self, least: i32, most: i32) -> Self {
        self.range = Some((least, most));
        self
    }

    /// Rows are listed, or let through, by this column and paged by `id`: an index on both makes that
    /// one scan without a sort.
    pub(crate) fn paged(mut self) -> Self {
        self.paged = true;
        self
    }

    fn definition(&self, backend: DbBackend) -> ColumnDef {
        let mut definition = ColumnDef::new(Alias::new(self.name));
        match self.kind {
            Kind::Uuid => definition.custom(dialect::uuid(backend)),
            Kind::Text => definition.custom(dialect::text(backend)),
            Kind::Small => definition.small_integer(),
            Kind::Int => definition.integer(),
            Kind::Big => definition.big_integer(),
            Kind::Bool => definition.boolean(),
            Kind::Date => definition.date(),
            Kind::Json => definition.json(),
            Kind::Bytes => definition.blob(),
        };
        if !self.null {
            definition.not_null();
        }
        if !self.words.is_empty() {
            definition.check(Expr::col(Alias::new(self.name)).is_in(self.words.iter().copied()));
        }
        if let Some((least, most)) = self.range {
            definition.check(Expr::col(Alias::new(self.name)).between(least, most));
        }
        definition
    }
}
