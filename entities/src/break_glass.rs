use crate::prelude::*;

/// A look at one field of one row that was hidden: taken for a reason, for an hour, and told to the row's owner.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "break_glass")]
#[catalogue(name = "BreakGlass", plural = "breakGlasses", closed)]
pub struct Model {
    /// Key of the look
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(INT)]
    pub id: Uuid,
    /// Who looks; nobody else sees more by it
    #[field(PER, to = "Principal", many = "looks")]
    pub principal_id: Uuid,
    /// Type of the row
    #[field(INT)]
    pub object_type: String,
    /// Key of the row
    #[field(INT)]
    pub object_id: Uuid,
    /// Name of the field
    #[field(INT)]
    pub field: String,
    /// Why, in the words of who looks
    #[field(INT)]
    pub reason: String,
    /// From when the field is shown
    #[field(INT)]
    pub opened_at: Instant,
    /// The first instant at which it is hidden again
    #[field(INT)]
    pub ends_at: Instant,
}
