//! The two trees over the same units.
use serde::{Deserialize, Serialize};

crate::db_enum::db_enum! {
    /// One of the two trees over the same units.
    #[derive(Serialize, Deserialize)]
    pub enum Tree {
        /// Province, district, commune.
        Territory = 1,
        /// Departments, agencies and facilities beside localities.
        Administration = 2,
    }
}
