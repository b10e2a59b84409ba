use crate::prelude::*;

/// Employee who works on an account: the account team is what `accounts` stands for in policies.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "customer_team")]
#[catalogue(name = "CustomerTeam")]
pub struct Model {
    /// Key of the membership
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The account
    #[field(INT, to = "Customer", many = "team")]
    pub customer_id: Uuid,
    /// The employee
    #[field(INT, to = "Principal")]
    pub principal_id: Uuid,
}
