//! Dossiers through the wire: publishing, events, procedures, lists, counts, personal data.
pub mod canary;
pub mod code_owners;
pub mod count_only;
pub mod counts;
pub mod events;
pub mod lists;
pub mod personal_data;
pub mod personal_texts;
pub mod procedures;
pub mod publish;
pub mod small_cells;
pub mod withdrawals;
