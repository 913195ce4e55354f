//! The same suite as `it`, on PostgreSQL. It is empty on a machine that has none.
#[cfg(has_postgres)]
#[path = "it/main.rs"]
mod suite;

#[cfg(has_postgres)]
#[path = "it/histories.rs"]
mod histories;

#[cfg(has_postgres)]
#[path = "it/outage.rs"]
mod outage;

#[cfg(has_postgres)]
#[path = "it/standby.rs"]
mod standby;

#[cfg(has_postgres)]
use suite::*;

#[cfg(not(has_postgres))]
#[test]
#[expect(clippy::print_stdout, reason = "a skip must be seen")]
fn skipped() {
    println!("PostgreSQL: SKIPPED, initdb and postgres are not on this machine");
}
