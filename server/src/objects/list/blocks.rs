//! The memory of a list: items in order of their labels, in blocks whose sizes are summed in a tree.

use super::super::terms::Terms;
use commonhold_proto::Value;

/// The most items of a block; it is split when it has more.
const BLOCK_ITEMS: usize = 512;

/// An item and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) label: u128,
    pub(super) value: Value,
    pub(super) terms: Terms,
}

impl Item {
    /// About how many bytes its row takes.
    pub(super) fn size(&self) -> usize {
        size_of::<u128>() + self.value.size()
    }
}

/// Items by label and by index. No block is empty.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    runs: Vec<Vec<Item>>,
    counts: Counts,
    len: usize,
    bytes: usize,
}

impl Blocks {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// About how many bytes the rows take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The item of this label.
    pub(super) fn get(&self, label: u128) -> Option<&Item> {
        let (block, at) = self.search(label);
        let item = self.runs.get(block)?.get(at)?;
        (item.label == label).then_some(item)
    }

    /// The item at this index.
    pub(super) fn at(&self, index: usize) -> Option<&Item> {
        self.from(index).next()
    }

    /// The items from this index.
    pub(super) fn from(&self, index: usize) -> impl Iterator<Item = &Item> {
        let (block, at) = self.counts.find(index);
        self.items_from(block, at)
    }

    /// The items after this label, or all.
    pub(super) fn after(&self, label: Option<u128>) -> impl Iterator<Item = &Item> {
        let (block, at) = match label.map(|label| label.checked_add(1)) {
            None => (0, 0),
            Some(Some(next)) => self.search(next),
            Some(None) => (self.runs.len(), 0),
        };
        self.items_from(block, at)
    }

    fn items_from(&self, block: usize, at: usize) -> impl Iterator<Item = &Item> {
        let first = self.runs.get(block).and_then(|items| items.get(at..));
        let rest = self.runs.get(block + 1..).unwrap_or_default();
        first.unwrap_or_default().iter().chain(rest.iter().flatten())
    }

    /// The block and the place in it of the first item that does not stand before this label.
    fn search(&self, label: u128) -> (usize, usize) {
        let block = self.runs.partition_point(|items| items.last().is_some_and(|item| item.label < label));
        let at = self.runs.get(block).map_or(0, |items| items.partition_point(|item| item.label < label));
        (block, at)
    }

    /// Writes an item, whatever stood under its label.
    pub(super) fn put(&mut self, item: Item) {
        self.bytes += item.size();
        let (mut block, mut at) = self.search(item.label);
        if let Some(old) = self.runs.get_mut(block).and_then(|items| items.get_mut(at))
            && old.label == item.label
        {
            self.bytes -= old.size();
            *old = item;
            return;
        }
        self.len += 1;
        if block == self.runs.len() {
            // After all others: the last block takes it, or a new one, so that appending leaves full blocks.
            match self.runs.last() {
                Some(last) if last.len() < BLOCK_ITEMS => {
                    block -= 1;
                    at = last.len();
                }
                _ => {
                    self.runs.push(vec![item]);
                    self.counts = Counts::of(&self.runs);
                    return;
                }
            }
        }
        let items = &mut self.runs[block];
        items.insert(at, item);
        if items.len() > BLOCK_ITEMS {
            let rest = items.split_off(BLOCK_ITEMS / 2);
            self.runs.insert(block + 1, rest);
            self.counts = Counts::of(&self.runs);
        } else {
            self.counts.increment(block);
        }
    }

    /// Removes the item of this label, if it is there.
    pub(super) fn remove(&mut self, label: u128) {
        let (block, at) = self.search(label);
        let Some(items) = self.runs.get_mut(block) else {
            return;
        };
        if items.get(at).is_none_or(|item| item.label != label) {
            return;
        }
        self.bytes -= items.remove(at).size();
        self.len -= 1;
        let neighbour = self.runs.get(block + 1).map_or(BLOCK_ITEMS, Vec::len);
        let items = &mut self.runs[block];
        if items.is_empty() {
            self.runs.remove(block);
        } else if items.len() + neighbour <= BLOCK_ITEMS / 2 {
            let rest = self.runs.remove(block + 1);
            self.runs[block].extend(rest);
        } else {
            self.counts.decrement(block);
            return;
        }
        self.counts = Counts::of(&self.runs);
    }
}

/// The sizes of the blocks as a Fenwick tree: node n holds the sum of as many as the lowest bit of n says.
#[derive(Debug, Default)]
struct Counts(Vec<usize>);

impl Counts {
    fn of(blocks: &[Vec<Item>]) -> Counts {
        let mut tree: Vec<usize> = std::iter::once(0).chain(blocks.iter().map(Vec::len)).collect();
        for node in 1..tree.len() {
            let parent = node + lowest_bit(node);
            if parent < tree.len() {
                tree[parent] += tree[node];
            }
        }
        Counts(tree)
    }

    fn increment(&mut self, block: usize) {
        self.each(block, |count| *count += 1);
    }

    fn decrement(&mut self, block: usize) {
        self.each(block, |count| *count -= 1);
    }

    fn each(&mut self, block: usize, change: impl Fn(&mut usize)) {
        let mut node = block + 1;
        while let Some(count) = self.0.get_mut(node) {
            change(count);
            node += lowest_bit(node);
        }
    }

    /// The block that has the item of this index, and the index within it.
    fn find(&self, mut index: usize) -> (usize, usize) {
        let mut node = 0;
        let mut step = self.0.len().next_power_of_two();
        while step > 0 {
            if let Some(count) = self.0.get(node + step)
                && *count <= index
            {
                node += step;
                index -= count;
            }
            step /= 2;
        }
        (node, index)
    }
}

const fn lowest_bit(node: usize) -> usize {
    node & node.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn blocks_are_a_map_with_indexes(
            fill in 0u128..3000, steps in vec((any::<bool>(), 0u128..3000), 0..3000), at in 0usize..3000,
        ) {
            let (mut blocks, mut model) = (Blocks::default(), BTreeMap::new());
            let fill = (0..fill).map(|label| (true, label));
            for (serial, (put, label)) in fill.chain(steps).enumerate() {
                if put {
                    blocks.put(Item { label, value: serial.into(), terms: Terms::default() });
                    model.insert(label, Value::from(serial));
                } else {
                    blocks.remove(label);
                    model.remove(&label);
                }
            }
            prop_assert_eq!(blocks.len(), model.len());
            prop_assert_eq!(blocks.bytes(), model.values().map(|value| 16 + value.size()).sum::<usize>());
            let pair = |item: &Item| (item.label, item.value.clone());
            let pairs: Vec<_> = model.into_iter().collect();
            prop_assert_eq!(blocks.after(None).map(pair).collect::<Vec<_>>(), &pairs[..]);
            prop_assert_eq!(blocks.from(at).map(pair).collect::<Vec<_>>(), &pairs[at.min(pairs.len())..]);
            let label = at as u128;
            let after = pairs.partition_point(|pair| pair.0 <= label);
            prop_assert_eq!(blocks.after(Some(label)).map(pair).collect::<Vec<_>>(), &pairs[after..]);
            for (index, (label, _)) in pairs.iter().enumerate() {
                prop_assert_eq!(blocks.at(index).map(|item| item.label), Some(*label));
                prop_assert_eq!(blocks.get(*label).map(|item| item.label), Some(*label));
            }
            prop_assert!(blocks.at(pairs.len()).is_none());
        }
    }
}
