//! Merkle trees as in RFC 9162: appending leaves, and the subtrees that proofs are made of.
use sha2::{Digest, Sha256};

/// A hash of a tree.
pub type Hash = [u8; 32];

/// Hashes of complete subtrees of every so many levels are kept: a proof then reads a few hundred hashes, of any log.
pub const STEP: u32 = 8;

/// The hash of a leaf.
pub fn leaf(bytes: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(bytes);
    hash.finalize().into()
}

/// The hash of a node over two others.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// A complete subtree: 2^level leaves, the `index`th of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// How high it is; a leaf is of level 0.
    pub level: u32,
    /// Which of its level.
    pub index: u64,
}

/// A tree that grows: how many leaves it has, and the hashes of the complete subtrees that make it up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MerkleTree {
    size: u64,
    /// From the largest, which is the first, to the smallest.
    peaks: Vec<Hash>,
}

impl MerkleTree {
    /// A tree of so many leaves, if there are as many peaks as it has.
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let fits = usize::try_from(size.count_ones()).is_ok_and(|it| it == peaks.len());
        fits.then_some(Self { size, peaks })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the complete subtrees that make it up, the largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf. `grown` is told of each complete subtree above it.
    pub fn push(&mut self, leaf: Hash, mut grown: impl FnMut(Subtree, &Hash)) {
        let (mut hash, mut level) = (leaf, 0);
        while self.size >> level & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node(&left, &hash);
            level += 1;
            grown(Subtree { level, index: self.size >> level }, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The hash of the whole tree.
    pub fn root(&self) -> Hash {
        let joined = self.peaks.iter().rev().copied().reduce(|right, left| node(&left, &right));
        joined.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// The complete subtrees that the leaves from one on, up to another, are made of, as the tree over all has them.
pub fn subtrees(mut from: u64, to: u64) -> Vec<Subtree> {
    let mut parts = Vec::new();
    while from < to {
        let level = (to - from).ilog2();
        parts.push(Subtree { level, index: from >> level });
        from += 1 << level;
    }
    parts
}

/// The largest power of two below a number that is above 1.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The stretches of leaves whose hashes prove that a leaf is in a tree of so many: `PATH` of RFC 9162, 2.1.3.1.
pub fn inclusion(leaf: u64, size: u64) -> Vec<(u64, u64)> {
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if leaf < middle {
            path.push((middle, to));
            to = middle;
        } else {
            path.push((from, middle));
            from = middle;
        }
    }
    path.reverse();
    path
}

/// The stretches of leaves whose hashes prove that a tree of so many leaves is the beginning of a larger one: `PROOF`
/// of RFC 9162, 2.1.4.1.
pub fn consistency(first: u64, second: u64) -> Vec<(u64, u64)> {
    let mut path = Vec::new();
    if first == 0 || first >= second {
        return path;
    }
    let (mut from, mut to) = (0, second);
    let mut is_whole = true;
    while to != first {
        let middle = from + split(to - from);
        if first <= middle {
            path.push((middle, to));
            to = middle;
        } else {
            path.push((from, middle));
            from = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        path.push((from, to));
    }
    path.reverse();
    path
}

/// Hashes of subtrees that lie side by side and make up a complete one, joined.
pub fn join(mut hashes: Vec<Hash>) -> Option<Hash> {
    while hashes.len() > 1 {
        let pairs = hashes.chunks(2).map(|pair| match pair {
            [left, right] => Some(node(left, right)),
            _ => None,
        });
        hashes = pairs.collect::<Option<_>>()?;
    }
    hashes.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MTH` of RFC 9162, 2.1.1, word for word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            all => {
                let (left, right) = all.split_at(usize::try_from(split(all.len() as u64)).unwrap());
                node(&mth(left), &mth(right))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|it| leaf(&it.to_le_bytes())).collect()
    }

    fn part(leaves: &[Hash], (from, to): (u64, u64)) -> Hash {
        mth(&leaves[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()])
    }

    #[test]
    fn a_tree_that_grows_has_the_root_of_its_leaves() {
        let all = leaves(70);
        let mut tree = MerkleTree::default();
        for (count, leaf) in all.iter().enumerate() {
            assert_eq!(tree.root(), mth(&all[..count]), "{count}");
            let again = MerkleTree::new(tree.size(), tree.peaks().to_vec()).unwrap();
            assert_eq!(again, tree);
            tree.push(*leaf, |Subtree { level, index }, hash| {
                let range = (index << level, (index + 1) << level);
                assert_eq!(*hash, part(&all, range), "{range:?}");
            });
        }
    }

    #[test]
    fn stretches_are_made_of_complete_subtrees() {
        let all = leaves(70);
        for size in 1..70 {
            for leaf in 0..size {
                for range in inclusion(leaf, size) {
                    let parts = subtrees(range.0, range.1).into_iter().map(|it| {
                        let from = it.index << it.level;
                        let leaves = &all[usize::try_from(from).unwrap()..][..1 << it.level];
                        join(leaves.to_vec()).unwrap()
                    });
                    let mut parts: Vec<_> = parts.collect();
                    let mut hash = parts.pop().unwrap();
                    while let Some(left) = parts.pop() {
                        hash = node(&left, &hash);
                    }
                    assert_eq!(hash, part(&all, range), "{range:?}");
                }
            }
        }
    }

    /// `PATH` and `PROOF`, word for word.
    fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
        if d.len() == 1 {
            return Vec::new();
        }
        let (left, right) = d.split_at(usize::try_from(split(d.len() as u64)).unwrap());
        let k = left.len();
        if m < k {
            [path(m, left), vec![mth(right)]].concat()
        } else {
            [path(m - k, right), vec![mth(left)]].concat()
        }
    }

    fn subproof(m: usize, d: &[Hash], b: bool) -> Vec<Hash> {
        if m == d.len() {
            return if b { Vec::new() } else { vec![mth(d)] };
        }
        let (left, right) = d.split_at(usize::try_from(split(d.len() as u64)).unwrap());
        let k = left.len();
        if m <= k {
            [subproof(m, left, b), vec![mth(right)]].concat()
        } else {
            [subproof(m - k, right, false), vec![mth(left)]].concat()
        }
    }

    #[test]
    fn proofs_are_those_of_the_rfc() {
        let all = leaves(66);
        for size in 1..=66_u64 {
            let d = &all[..usize::try_from(size).unwrap()];
            for m in 0..size {
                let ours: Vec<_> = inclusion(m, size).iter().map(|it| part(&all, *it)).collect();
                assert_eq!(ours, path(usize::try_from(m).unwrap(), d), "{m} in {size}");
            }
            for m in 1..=size {
                let ours: Vec<_> = consistency(m, size).iter().map(|it| part(&all, *it)).collect();
                let theirs = subproof(usize::try_from(m).unwrap(), d, true);
                assert_eq!(ours, theirs, "{m} to {size}");
            }
        }
    }
}
