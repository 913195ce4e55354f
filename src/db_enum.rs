//! `db_enum!`: enums whose numbers are the same in the proto and in the store.

/// Declares an enum whose numbers are those of the proto, on the wire and in the store.
macro_rules! db_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $word:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            sea_orm::EnumIter, sea_orm::DeriveActiveEnum,
        )]
        #[sea_orm(rs_type = "i32", db_type = "Integer")]
        pub enum $name {
            $($(#[$doc])* #[sea_orm(num_value = $number)] $word,)+
        }

        impl $name {
            /// The word with this number.
            pub fn of(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$word),)+
                    _ => None,
                }
            }

            /// Its number.
            pub fn number(self) -> i32 {
                match self {
                    $(Self::$word => $number,)+
                }
            }
        }
    };
}
pub(crate) use db_enum;
