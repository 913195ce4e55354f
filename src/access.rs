//! Registers systems, issues keys, grants agreements, and decides which calls they permit.
pub mod explain;
pub mod last_used;
pub mod permit;
pub mod queries;
pub mod row;
pub mod rpc;
pub mod store;
mod widened;

use std::sync::Arc;

use self::{last_used::LastUsed, permit::Scopes, store::limits::QuotaMeter};
use crate::{
    caller::{refusals::Refusals, token::Tokens},
    db::Db,
    limits::Limits,
    log::AuditLog,
    slots::Slots,
};

/// In-memory state that identifies callers and permits their calls.
#[derive(Debug)]
pub struct Access {
    /// Refused identifications, counted and logged.
    pub refusals: Arc<Refusals>,
    /// The issuer whose tokens are accepted.
    pub tokens: Arc<Tokens>,
    /// When keys were used last.
    pub last_used: LastUsed,
    /// The connections of each system.
    pub connections: Arc<Slots>,
    scopes: Scopes,
    /// Counts calls for the limits of agreements.
    meter: QuotaMeter,
}

impl Access {
    /// Starts on a store, and records refused connections in its audit log.
    pub fn start(db: Db, limits: &Limits, audit: &Arc<AuditLog>) -> Arc<Self> {
        Arc::new(Self {
            refusals: Refusals::new(audit),
            tokens: Arc::default(),
            last_used: LastUsed::default(),
            connections: Slots::connections(limits.connections_each),
            scopes: Scopes::default(),
            meter: QuotaMeter::start(db),
        })
    }
}
