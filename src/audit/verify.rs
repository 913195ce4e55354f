//! Verifies an exported log offline, by the public key and by checkpoints kept elsewhere. It names the first thing
//! that is wrong.
use std::{borrow::Cow, collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD as B64};
use serde::{Deserialize, Serialize};

use crate::{
    log::{
        checkpoint::Checkpoint,
        key::PublicKey,
        merkle::{self, Hash, MerkleTree},
        wire::{ReadRecord, decode},
    },
    time::Timestamp,
};

/// The method of the one record that may begin an epoch.
pub const RESTORED: &str = "hub/Restored";

/// A line of an export: JSON, one object on each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line<'a> {
    /// The first line: the key of the log.
    Log(Cow<'a, str>),
    /// A record.
    #[serde(borrow)]
    Record(RecordRow<'a>),
    /// A checkpoint, after the last record that it covers.
    Checkpoint(Note<'a>),
    /// The last line: how many records the store says that there are, and their root, in base64.
    End(u64, Cow<'a, str>),
}

/// A record as the store has it: its bytes, and what it is found by.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordRow<'a> {
    /// Its number.
    pub seq: i64,
    /// When it was written, in microseconds.
    pub at: i64,
    /// The calling system.
    pub system: Cow<'a, str>,
    /// The method.
    pub method: Cow<'a, str>,
    /// Number of the gRPC code.
    pub code: i32,
    /// Whether there was personal data in the answer.
    pub personal: bool,
    /// The dossiers whose it was.
    pub subjects: Vec<String>,
    /// The hash of the leaf, in base64.
    pub hash: Cow<'a, str>,
    /// The bytes, in base64.
    pub body: Cow<'a, str>,
}

/// A checkpoint as the store has it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Note<'a> {
    /// How many records it covers.
    pub size: u64,
    /// The signed note.
    pub note: Cow<'a, str>,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first record that is wrong, or may be.
    pub seq: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from record {} on: {}", self.seq, self.what)
    }
}

impl std::error::Error for Fault {}

/// What was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Records.
    pub records: u64,
    /// Checkpoints of the log.
    pub checkpoints: u64,
    /// Checkpoints that were kept elsewhere.
    pub kept: usize,
    /// Records that the last checkpoint covers: those after it are not signed yet.
    pub signed: u64,
}

/// Checks a log, line by line.
#[derive(Debug)]
pub struct Verify {
    key: PublicKey,
    /// By their size.
    kept: BTreeMap<u64, Vec<(String, Checkpoint)>>,
    tree: MerkleTree,
    last: Option<(Timestamp, i64)>,
    /// Records up to here are as they were signed.
    signed: u64,
    checkpoints: u64,
    has_begun: bool,
    has_ended: bool,
}

impl Verify {
    /// With the public key of the log, got by another way than the log itself.
    pub fn new(key: PublicKey) -> Self {
        Self {
            key,
            kept: BTreeMap::new(),
            tree: MerkleTree::default(),
            last: None,
            signed: 0,
            checkpoints: 0,
            has_begun: false,
            has_ended: false,
        }
    }

    /// And with a checkpoint that was kept elsewhere, under a name for it.
    pub fn keep(&mut self, name: &str, note: &str) -> Result<(), Fault> {
        let what = format!("{name} is not a checkpoint that this key signed");
        let kept = Checkpoint::open(note, &self.key).ok_or(Fault { seq: 0, what })?;
        self.kept.entry(kept.size).or_default().push((name.to_owned(), kept));
        Ok(())
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { seq: self.tree.size(), what: what.into() }
    }

    fn next(&self, what: impl Into<String>) -> Fault {
        Fault { seq: self.tree.size() + 1, what: what.into() }
    }

    /// Checks the next line.
    pub fn line(&mut self, text: &str) -> Result<(), Fault> {
        let line: Line<'_> = serde_json::from_str(text).map_err(|err| {
            self.next(format!("the export has a line that it cannot have: {err}"))
        })?;
        if self.has_ended || self.has_begun == matches!(line, Line::Log(_)) {
            return Err(self.next("the export is not one log from its first line to its last"));
        }
        match line {
            Line::Log(key) => {
                self.has_begun = true;
                match PublicKey::parse(&key) {
                    Some(key) if key == self.key => Ok(()),
                    Some(_) | None => Err(self.next(format!("the log says that its key is {key}"))),
                }
            }
            Line::Record(row) => self.record(&row),
            Line::Checkpoint(note) => self.checkpoint(&note),
            Line::End(size, root) => self.end(size, &root),
        }
    }

    fn record(&mut self, row: &RecordRow<'_>) -> Result<(), Fault> {
        let expected = self.tree.size() + 1;
        match u64::try_from(row.seq) {
            Ok(seq) if seq == expected => {}
            Ok(seq) if seq > expected => {
                return Err(self.next(format!("it is missing; the next one is {seq}")));
            }
            Ok(_) | Err(_) => return Err(self.next(format!("record {} is in its place", row.seq))),
        }
        let body = B64.decode(row.body.as_ref()).unwrap_or_default();
        let leaf = merkle::leaf(&body);
        if hash(&row.hash) != Some(leaf) {
            return Err(self.next("its bytes are not those whose hash was kept"));
        }
        let read = decode(&body).ok_or_else(|| self.next("its bytes are not a record"))?;
        self.same(row, &read)?;
        if let Some((at, epoch)) = self.last {
            if read.at < at {
                let what = format!("it is dated {}, and what is before it {at}", read.at);
                return Err(self.next(what));
            }
            if read.epoch != epoch && read.method != RESTORED {
                let what = format!(
                    "it is of the epoch {}, and the one before it of {epoch}, without a record that a backup was \
                     restored",
                    read.epoch
                );
                return Err(self.next(what));
            }
        }
        self.last = Some((read.at, read.epoch));
        self.tree.push(leaf, |_, _| {});
        let kept = self.kept.get(&expected).into_iter().flatten();
        let root = self.tree.root();
        for (name, Checkpoint { root: signed, epoch, .. }) in kept {
            if *signed != root || *epoch != read.epoch {
                let what = format!(
                    "{name} was signed for other records up to {expected} than these: the log was changed, or forked"
                );
                return Err(Fault { seq: self.signed + 1, what });
            }
            self.signed = expected;
        }
        Ok(())
    }

    /// Whether a record is found by what its bytes say.
    fn same(&self, row: &RecordRow<'_>, read: &ReadRecord) -> Result<(), Fault> {
        let ReadRecord { seq, at, epoch: _, system, method, outcome, personal, subjects } = read;
        let wrong = |what: &str, kept: &dyn fmt::Display, read: &dyn fmt::Display| {
            Err(self.next(format!("it is found under the {what} `{kept}`, and says `{read}`")))
        };
        let (mut listed, mut named) = (row.subjects.clone(), subjects.clone());
        listed.sort_unstable();
        named.sort_unstable();
        if row.seq != *seq {
            return wrong("number", &row.seq, seq);
        }
        if row.at != at.micros() {
            return wrong("time", &row.at, &at.micros());
        }
        if row.system != *system {
            return wrong("system", &row.system, system);
        }
        if row.method != *method {
            return wrong("method", &row.method, method);
        }
        if (row.code == 0) != (outcome == "OK") {
            return wrong("code", &row.code, outcome);
        }
        if row.personal != *personal {
            return wrong("mark of personal data", &row.personal, personal);
        }
        if listed != named {
            return wrong("dossiers", &listed.join(", "), &named.join(", "));
        }
        Ok(())
    }

    fn checkpoint(&mut self, kept: &Note<'_>) -> Result<(), Fault> {
        let (size, at) = (kept.size, self.tree.size());
        let read = Checkpoint::open(&kept.note, &self.key).ok_or_else(|| {
            self.fault(format!("the checkpoint at {size} is not signed by the key"))
        })?;
        if size != at || read.size != size {
            let what = format!(
                "a checkpoint for {} records is kept as one for {size}, after {at} records",
                read.size
            );
            return Err(self.fault(what));
        }
        if read.root != self.tree.root() {
            let what = format!("the records up to {size} are not those that were signed then");
            return Err(Fault { seq: self.signed + 1, what });
        }
        if let Some((last, epoch)) = self.last {
            if read.epoch != epoch {
                let what = format!("the checkpoint at {size} is of the epoch {}", read.epoch);
                return Err(self.fault(what));
            }
            if read.at < last {
                let what = format!("the checkpoint at {size} is dated {}, before it", read.at);
                return Err(self.fault(what));
            }
            // What comes after it cannot be older.
            self.last = Some((read.at, epoch));
        }
        self.signed = size;
        self.checkpoints += 1;
        Ok(())
    }

    fn end(&mut self, size: u64, root: &str) -> Result<(), Fault> {
        self.has_ended = true;
        if size != self.tree.size() {
            return Err(self.next(format!("it is missing: the store says that it has {size}")));
        }
        if hash(root) != Some(self.tree.root()) {
            let what = "the records are not those that the store added up when it wrote them";
            return Err(Fault { seq: self.signed + 1, what: what.to_owned() });
        }
        Ok(())
    }

    /// Checks that the log has ended, and has come as far as somebody saw it.
    pub fn finish(self) -> Result<Sound, Fault> {
        if !self.has_ended {
            return Err(self.next("the export breaks off"));
        }
        let size = self.tree.size();
        if let Some((name, later)) =
            self.kept.range(size + 1..).next_back().and_then(|(_, it)| it.first())
        {
            let what = format!(
                "it is missing, and so is what came after it: {name} was signed when there were {} records. The end \
                 of the log was cut off, or the store was rolled back",
                later.size
            );
            return Err(self.next(what));
        }
        Ok(Sound {
            records: size,
            checkpoints: self.checkpoints,
            kept: self.kept.values().map(Vec::len).sum(),
            signed: self.signed,
        })
    }
}

fn hash(text: &str) -> Option<Hash> {
    B64.decode(text).ok()?.try_into().ok()
}
