//! Checkpoints: the size and root hash of the log, in the signed-note form that transparency logs exchange.
use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD as B64};

use super::{
    key::{Key, PublicKey},
    merkle::Hash,
};
use crate::time::Timestamp;

/// What the log was when it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// How many records it had.
    pub size: u64,
    /// The hash of them.
    pub root: Hash,
    /// The epoch of the last one: another one after a backup was restored.
    pub epoch: i64,
    /// When it was signed.
    pub at: Timestamp,
}

/// The text that is signed: three lines that every log has, and two of ours.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root, epoch, at } = self;
        let micros = at.micros();
        write!(f, "{origin}\n{size}\n{}\nepoch {epoch}\ntime {micros} {at}\n", B64.encode(root))
    }
}

impl Checkpoint {
    /// The signed note.
    pub fn sign(&self, key: &Key) -> String {
        key.sign(&self.to_string())
    }

    /// Reads a signed note, if this key signed it.
    pub fn open(note: &str, key: &PublicKey) -> Option<Self> {
        let text = key.open(note)?;
        let read = Self::parse(text)?;
        // One text for one checkpoint: what would be written otherwise was not written by a hub.
        (read.origin == key.name() && read.to_string() == text).then_some(read)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next()?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = B64.decode(lines.next()?).ok()?.try_into().ok()?;
        let epoch = lines.next()?.strip_prefix("epoch ")?.parse().ok()?;
        let (micros, _) = lines.next()?.strip_prefix("time ")?.split_once(' ')?;
        let at = Timestamp::from_micros(micros.parse().ok()?);
        Some(Self { origin, size, root, epoch, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_as_it_was_signed() {
        let key = Key::from_seed(&[1; 32]).unwrap();
        let checkpoint = Checkpoint {
            origin: key.public().name().to_owned(),
            size: 1_000,
            root: [9; 32],
            epoch: 3,
            at: Timestamp::from_micros(1_700_000_000_123_456),
        };
        let note = checkpoint.sign(&key);
        assert_eq!(Checkpoint::open(&note, key.public()), Some(checkpoint));
        assert_eq!(Checkpoint::open(&note.replace("\n1000\n", "\n999\n"), key.public()), None);
        assert_eq!(Checkpoint::open(&note.replace("epoch 3", "epoch 4"), key.public()), None);
        let lines: Vec<_> = note.lines().collect();
        assert_eq!(lines[1], "1000");
        assert_eq!(lines[3], "epoch 3");
        assert_eq!(lines[4], "time 1700000000123456 2023-11-14T22:13:20.123456Z");
        assert_eq!((lines[5], lines.len()), ("", 7));
    }
}
