//! The memory of an array: the elements that rows wrote, in blocks.

use super::super::terms::Terms;
use std::collections::BTreeMap;

/// The elements of a block.
const BLOCK: usize = 512;

/// Elements by index. Those that no row wrote are not there: an array starts as it was created, and takes no memory yet.
#[derive(Debug, Default)]
pub(super) struct Memory {
    blocks: BTreeMap<u32, Box<Block>>,
    /// The terms of the few rows that have any.
    terms: BTreeMap<u32, Terms>,
    count: usize,
}

#[derive(Debug)]
struct Block {
    elements: [u64; BLOCK],
    written: [bool; BLOCK],
    count: usize,
}

impl Memory {
    /// How many elements were written.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, index: u32) -> Option<u64> {
        let (block, at) = split(index);
        let block = self.blocks.get(&block)?;
        block.written[at].then(|| block.elements[at])
    }

    pub(super) fn terms(&self, index: u32) -> Terms {
        self.terms.get(&index).cloned().unwrap_or_default()
    }

    pub(super) fn put(&mut self, index: u32, element: u64, terms: Terms) {
        let (block, at) = split(index);
        let block = self.blocks.entry(block).or_insert_with(|| {
            Box::new(Block {
                elements: [0; BLOCK],
                written: [false; BLOCK],
                count: 0,
            })
        });
        block.elements[at] = element;
        if !block.written[at] {
            block.written[at] = true;
            block.count += 1;
            self.count += 1;
        }
        if terms == Terms::default() {
            self.terms.remove(&index);
        } else {
            self.terms.insert(index, terms);
        }
    }

    pub(super) fn remove(&mut self, index: u32) {
        let (number, at) = split(index);
        let Some(block) = self.blocks.get_mut(&number) else {
            return;
        };
        if !block.written[at] {
            return;
        }
        block.written[at] = false;
        block.count -= 1;
        self.count -= 1;
        if block.count == 0 {
            self.blocks.remove(&number);
        }
        self.terms.remove(&index);
    }

    /// The written elements from this index, in order.
    pub(super) fn from(&self, index: u32) -> impl Iterator<Item = (u32, u64)> {
        let (first, _) = split(index);
        let blocks = self.blocks.range(first..);
        let all = blocks.flat_map(|(number, block)| {
            let places = (0..BLOCK).filter(|at| block.written[*at]);
            places.map(|at| (join(*number, at), block.elements[at]))
        });
        all.skip_while(move |(at, _)| *at < index)
    }
}

fn split(index: u32) -> (u32, usize) {
    let size = u32::try_from(BLOCK).expect("it is 512");
    (index / size, index as usize % BLOCK)
}

fn join(block: u32, at: usize) -> u32 {
    let index = block as usize * BLOCK + at;
    u32::try_from(index).expect("it was split from one")
}
