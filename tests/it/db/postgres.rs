//! What only PostgreSQL has: a server that goes away, a standby, and histories beside SQLite.
mod histories;
mod outage;
mod standby;
