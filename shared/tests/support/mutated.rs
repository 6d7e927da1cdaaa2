//! Inputs as a fuzzer makes them: good ones that were cut, bent, doubled and mixed with each other.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::path::Path;

/// Pieces are taken from the beginning of an input, up to here.
const SEED_MAX: usize = 512;

/// One change; where it is made is chosen by lot.
#[derive(Debug, Clone)]
enum Change {
    /// Another byte.
    Byte(u8),
    /// Bytes between others.
    Insert(Vec<u8>),
    /// So many bytes fewer.
    Remove(usize),
    /// The rest is from another input.
    Splice(Vec<u8>),
    /// So many bytes once more.
    Double(usize),
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>, at: Index) {
        let at = at.index(bytes.len() + 1);
        let end = |length: usize| (at + length).min(bytes.len());
        match self {
            Self::Byte(byte) => bytes.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            Self::Insert(new) => drop(bytes.splice(at..at, new)),
            Self::Remove(length) => drop(bytes.drain(at..end(length))),
            Self::Splice(other) => {
                bytes.truncate(at);
                bytes.extend(other.iter().skip(at));
            }
            Self::Double(length) => {
                let again = bytes[at..end(length)].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
}

/// Some thousand inputs. One that is found to be wrong becomes a seed, in the commit that mends it.
pub(crate) fn many() -> ProptestConfig {
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// The inputs of a directory of this package.
pub(crate) fn seeds(directory: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Inputs made from these.
pub(crate) fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let seed = select(seeds);
    let piece = (seed.clone(), any::<Index>(), 1_usize..40)
        .prop_map(|(bytes, at, length)| bytes.into_iter().skip(at.index(SEED_MAX)).take(length).collect());
    let change = prop_oneof![
        any::<u8>().prop_map(Change::Byte),
        prop::collection::vec(any::<u8>(), 1..8).prop_map(Change::Insert),
        piece.prop_map(Change::Insert),
        (1_usize..16).prop_map(Change::Remove),
        seed.clone().prop_map(Change::Splice),
        (1_usize..200).prop_map(Change::Double),
    ];
    let changes = prop::collection::vec((change, any::<Index>()), 0..8);
    (seed, changes).prop_map(|(mut bytes, changes)| {
        changes.into_iter().for_each(|(change, at)| change.apply(&mut bytes, at));
        bytes
    })
}
