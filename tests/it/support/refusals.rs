//! Tables of refusals: what was told beside what was expected.
use tonic::Code;

use crate::support::client::refusal;

pub type Refusal = (Code, String, Vec<String>);

pub fn invalid(fields: &[&str]) -> Refusal {
    let fields = fields.iter().map(|it| (*it).to_owned()).collect();
    (Code::InvalidArgument, "FIELD_INVALID".to_owned(), fields)
}

pub fn not_found(fields: &[&str]) -> Refusal {
    (Code::NotFound, "NOT_FOUND".to_owned(), invalid(fields).2)
}

/// Every check of one table, so that one run names all rows that fail.
#[derive(Default)]
pub struct Table {
    rows: usize,
    wrong: Vec<String>,
}

impl Table {
    pub fn check(&mut self, what: &str, told: &Refusal, expected: &Refusal) {
        self.rows += 1;
        if told != expected {
            self.wrong.push(format!("{what}: {told:?}, not {expected:?}"));
        }
    }

    pub fn end(self, least: usize) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert!(self.rows >= least, "only {} rows", self.rows);
    }
}

/// What a call was answered; an answer that should have been a refusal is told apart.
pub fn answered<T>(answer: Result<T, tonic::Status>) -> Refusal {
    match answer {
        Ok(_) => (Code::Ok, String::new(), Vec::new()),
        Err(status) => refusal(Err::<(), _>(status)),
    }
}

pub fn long(most: usize) -> String {
    "ậ".repeat(most + 1)
}

pub const MIB: usize = 1 << 20;
