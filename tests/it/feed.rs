//! The feed through the wire: its guarantees, filters, resume tokens, endings.
pub mod consumers;
pub mod endings;
pub mod filters;
pub mod guarantees;
pub mod hubs;
pub mod resume_tokens;
pub mod withdrawals;
