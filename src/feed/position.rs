//! The cursor of a watch: where it stands, and the resume token that says so.
use super::Stage;
use crate::{
    error::{Error, Result},
    page::Secret,
};

/// Where a watch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// In the state at a revision, after a key of a stage.
    State {
        /// The revision.
        revision: i64,
        /// The stage.
        stage: Stage,
        /// The key; empty at the stage's beginning.
        after: String,
    },
    /// Everything through this revision was sent.
    Through(i64),
}

impl Position {
    /// Where the state at a revision begins.
    pub fn beginning(revision: i64) -> Self {
        Self::State { revision, stage: Stage::Units, after: String::new() }
    }

    /// The revision that must still be kept, so that a watch can go on from here.
    pub fn revision(&self) -> i64 {
        match self {
            Self::State { revision, .. } | Self::Through(revision) => *revision,
        }
    }
}

/// What a token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The epoch that it was made in.
    pub epoch: i64,
    /// The filters that it came with.
    pub question: [u8; 32],
    /// The position.
    pub position: Position,
}

/// The purpose that tokens are sealed with, so that no other token of the hub passes for one.
const KIND: &[u8] = b"watch-1";

/// The token of a position.
pub fn seal(secret: &Secret, system_id: i64, opened: &Opened) -> String {
    let Opened { epoch, question, position } = opened;
    let mut body = epoch.to_le_bytes().to_vec();
    body.extend(question);
    body.extend(position.revision().to_le_bytes());
    match position {
        Position::Through(_) => body.push(u8::MAX),
        Position::State { revision: _, stage, after } => {
            let number = Stage::ALL.iter().position(|it| it == stage).unwrap_or(0);
            body.push(u8::try_from(number).unwrap_or(0));
            body.extend(after.as_bytes());
        }
    }
    secret.seal(system_id, KIND, &body)
}

/// Opens a token of this caller.
pub fn unseal(secret: &Secret, system_id: i64, token: &str) -> Result<Opened> {
    let opened = || {
        let body = secret.unseal(system_id, KIND, token)?;
        let (epoch, rest) = body.split_first_chunk::<8>()?;
        let (question, rest) = rest.split_first_chunk::<32>()?;
        let (revision, rest) = rest.split_first_chunk::<8>()?;
        let (stage, after) = rest.split_first()?;
        let revision = i64::from_le_bytes(*revision);
        let position = match Stage::ALL.get(usize::from(*stage)) {
            None => Position::Through(revision),
            Some(stage) => {
                let after = String::from_utf8(after.to_vec()).ok()?;
                Position::State { revision, stage: *stage, after }
            }
        };
        Some(Opened { epoch: i64::from_le_bytes(*epoch), question: *question, position })
    };
    let rule = "be the resume_token of a message that this system got";
    opened().ok_or_else(|| Error::field("resume_token", rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_where_and_cannot_be_forged() {
        let secret = Secret::new(vec![7; 32]);
        let (caller, other) = (0, 9);
        let state = Position::State { revision: 5, stage: Stage::Targets, after: "1|2".to_owned() };
        for position in
            [Position::Through(0), Position::Through(i64::MAX), Position::beginning(3), state]
        {
            let opened = Opened { epoch: -4, question: [8; 32], position };
            let token = seal(&secret, caller, &opened);
            assert_eq!(unseal(&secret, caller, &token).unwrap(), opened);
            assert!(unseal(&secret, other, &token).is_err(), "another's");
            assert!(unseal(&Secret::new(vec![6; 32]), caller, &token).is_err(), "another store's");
            for cut in [0, 1, token.len() / 2, token.len() - 1] {
                assert!(unseal(&secret, caller, &token[..cut]).is_err(), "cut at {cut}");
            }
        }
        assert!(unseal(&secret, caller, "").is_err());
    }
}
