//! The memory of an array: the elements that rows wrote, in blocks.

use super::super::terms::Terms;
use std::collections::BTreeMap;

/// The elements of a block.
const BLOCK: usize = 512;
/// A block that has more written elements keeps room for all of them, until it has only half as many.
const FEW: usize = 128;

/// Elements by index. Those that no row wrote are not there: an array starts as it was created, and takes no memory yet.
#[derive(Debug, Default)]
pub(super) struct Memory {
    blocks: BTreeMap<u32, Block>,
    /// The terms of the few rows that have any.
    terms: BTreeMap<u32, Terms>,
    count: usize,
}

/// A block with at least one written element. Where few are written it takes memory for those alone: an array that is
/// written here and there would take a hundred times what its rows do.
#[derive(Debug)]
enum Block {
    /// By place, in order.
    Few(Vec<(u16, u64)>),
    Many(Box<Many>),
}

#[derive(Debug)]
struct Many {
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
        self.blocks.get(&block)?.get(at)
    }

    pub(super) fn terms(&self, index: u32) -> Terms {
        self.terms.get(&index).cloned().unwrap_or_default()
    }

    pub(super) fn put(&mut self, index: u32, element: u64, terms: Terms) {
        let (block, at) = split(index);
        let block = self.blocks.entry(block);
        let is_new = block
            .or_insert_with(|| Block::Few(Vec::new()))
            .put(at, element);
        self.count += usize::from(is_new);
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
        if !block.remove(at) {
            return;
        }
        self.count -= 1;
        if matches!(block, Block::Few(few) if few.is_empty()) {
            self.blocks.remove(&number);
        }
        self.terms.remove(&index);
    }

    /// The written elements from this index, in order.
    pub(super) fn from(&self, index: u32) -> impl Iterator<Item = (u32, u64)> {
        let (first, at) = split(index);
        let blocks = self.blocks.range(first..);
        blocks.flat_map(move |(number, block)| {
            let from = if *number == first { at } else { 0 };
            block.from(from).map(|(at, element)| (join(*number, at), element))
        })
    }

    /// How many bytes the elements take, as they lie in memory.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        let block = |block: &Block| match block {
            Block::Few(few) => few.capacity() * size_of::<(u16, u64)>(),
            Block::Many(_) => size_of::<Many>(),
        };
        let blocks = self.blocks.values().map(block).sum::<usize>();
        blocks + self.blocks.len() * size_of::<(u32, Block)>()
    }
}

impl Block {
    fn get(&self, at: u16) -> Option<u64> {
        match self {
            Block::Few(few) => {
                let found = few.binary_search_by_key(&at, |(at, _)| *at).ok()?;
                Some(few[found].1)
            }
            Block::Many(many) => {
                let at = usize::from(at);
                many.written[at].then(|| many.elements[at])
            }
        }
    }

    /// True if nothing was written there before.
    fn put(&mut self, at: u16, element: u64) -> bool {
        match self {
            Block::Few(few) => match few.binary_search_by_key(&at, |(at, _)| *at) {
                Ok(found) => {
                    few[found].1 = element;
                    return false;
                }
                Err(place) => {
                    if few.is_empty() {
                        // Most that stand alone stay so.
                        few.reserve_exact(1);
                    }
                    few.insert(place, (at, element));
                    if few.len() > FEW {
                        *self = Block::Many(Many::of(few));
                    }
                }
            },
            Block::Many(many) => return many.put(at, element),
        }
        true
    }

    /// True if something was written there.
    fn remove(&mut self, at: u16) -> bool {
        match self {
            Block::Few(few) => match few.binary_search_by_key(&at, |(at, _)| *at) {
                Ok(found) => {
                    few.remove(found);
                    if few.capacity() > 4 * few.len() {
                        few.shrink_to(2 * few.len());
                    }
                }
                Err(_) => return false,
            },
            Block::Many(many) => {
                let at = usize::from(at);
                if !many.written[at] {
                    return false;
                }
                many.written[at] = false;
                many.count -= 1;
                if many.count <= FEW / 2 {
                    *self = Block::Few(self.from(0).collect());
                }
            }
        }
        true
    }

    /// What is written from this place on, in order.
    fn from(&self, at: u16) -> impl Iterator<Item = (u16, u64)> {
        let (few, many) = match self {
            Block::Few(few) => (&few[few.partition_point(|(other, _)| *other < at)..], None),
            Block::Many(many) => (&[][..], Some(many)),
        };
        let many = many.into_iter().flat_map(move |many| {
            let places = (usize::from(at)..BLOCK).filter(|at| many.written[*at]);
            places.map(|at| (place(at), many.elements[at]))
        });
        few.iter().copied().chain(many)
    }
}

impl Many {
    fn of(few: &[(u16, u64)]) -> Box<Many> {
        let mut many = Box::new(Many {
            elements: [0; BLOCK],
            written: [false; BLOCK],
            count: 0,
        });
        for (at, element) in few {
            many.put(*at, *element);
        }
        many
    }

    /// True if nothing was written there before.
    fn put(&mut self, at: u16, element: u64) -> bool {
        let at = usize::from(at);
        self.elements[at] = element;
        let is_new = !self.written[at];
        self.written[at] = true;
        self.count += usize::from(is_new);
        is_new
    }
}

fn split(index: u32) -> (u32, u16) {
    let size = u32::try_from(BLOCK).expect("it is 512");
    (index / size, place(index as usize % BLOCK))
}

fn place(at: usize) -> u16 {
    u16::try_from(at).expect("it is below 512")
}

fn join(block: u32, at: u16) -> u32 {
    let index = block as usize * BLOCK + usize::from(at);
    u32::try_from(index).expect("it was split from one")
}

#[cfg(test)]
mod tests {
    use super::super::ROW_BYTES;
    use super::*;
    use proptest::prelude::*;

    fn check(memory: &Memory, model: &BTreeMap<u32, u64>) {
        assert_eq!(memory.count(), model.len());
        let all: Vec<_> = memory.from(0).collect();
        assert_eq!(all, model.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
    }

    #[test]
    fn rows_that_stand_apart_take_about_what_they_are_said_to() {
        for apart in [1, 2, 3, 7, 100, 511, 512, 5_000] {
            let mut memory = Memory::default();
            for row in 0..10_000 {
                memory.put(row * apart, 1, Terms::default());
            }
            let said = memory.count() * usize::try_from(ROW_BYTES).expect("it is little");
            let taken = memory.taken();
            assert!(taken <= 2 * said, "{apart} apart: {taken} bytes, not {said}");
            // What is deleted again is given back.
            for row in (0..10_000).filter(|row| row % 100 > 0) {
                memory.remove(row * apart);
            }
            let said = memory.count() * usize::try_from(ROW_BYTES).expect("it is little");
            let taken = memory.taken();
            assert!(taken <= 5 * said, "{apart} apart: {taken} bytes, not {said}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0..1_500_u32, any::<Option<u64>>()), 0..2_000), from in 0..1_500_u32) {
            let (mut memory, mut model) = (Memory::default(), BTreeMap::new());
            for (index, element) in steps {
                match element {
                    Some(element) => {
                        memory.put(index, element, Terms::default());
                        model.insert(index, element);
                    }
                    None => {
                        memory.remove(index);
                        model.remove(&index);
                    }
                }
                prop_assert_eq!(memory.get(index), model.get(&index).copied());
            }
            check(&memory, &model);
            let rest: Vec<u32> = memory.from(from).map(|(index, _)| index).collect();
            prop_assert_eq!(rest, model.range(from..).map(|(index, _)| *index).collect::<Vec<_>>());
        }
    }
}
