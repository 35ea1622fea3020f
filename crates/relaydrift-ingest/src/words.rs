//! Builders of text columns that most rows of `events` fill: many bytes, few of them new.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, NullBufferBuilder, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::columns::Column;

/// Texts one after the other. Whether they are UTF-8 is checked once, over all of them.
#[derive(Debug)]
struct Packed {
    bytes: Vec<u8>,
    /// Where each text starts, and where the last one ends.
    bounds: Vec<i32>,
}

impl Packed {
    fn with_room(texts: usize) -> Packed {
        let mut bounds = Vec::with_capacity(texts + 1);
        bounds.push(0);
        Packed {
            bytes: Vec::new(),
            bounds,
        }
    }

    fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    fn get(&self, at: usize) -> &[u8] {
        &self.bytes[self.bounds[at] as usize..self.bounds[at + 1] as usize]
    }

    /// A column of more than 2 GiB is more than Arrow's type holds, and more than is read at a time.
    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.bounds.push(self.bytes.len() as i32);
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<StringArray, ArrowError> {
        let Packed { bytes, bounds } = std::mem::replace(self, Packed::with_room(0));
        let bounds = OffsetBuffer::new(ScalarBuffer::from(bounds));
        StringArray::try_new(bounds, bytes.into(), nulls)
    }
}

/// A text of its own in every row.
#[derive(Debug)]
pub(crate) struct Prose {
    texts: Packed,
    present: NullBufferBuilder,
}

impl Prose {
    /// Appends UTF-8; null where there is none.
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.texts.push(text);
        self.present.append(!text.is_empty());
    }
}

impl Column for Prose {
    fn with_room(rows: usize) -> Prose {
        Prose {
            texts: Packed::with_room(rows),
            present: NullBufferBuilder::new(rows),
        }
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.present.finish();
        let texts = self.texts.finish(nulls)?;
        Ok(Arc::new(texts))
    }
}

/// The number of a row without text.
const NONE: i32 = -1;

/// Few texts for many rows: each text once, and its number in every row.
#[derive(Debug)]
pub(crate) struct Words {
    texts: Packed,
    numbers: HashTable<i32>,
    hasher: RandomState,
    rows: Vec<i32>,
    any_null: bool,
}

impl Words {
    /// Appends UTF-8; null where there is none.
    pub(crate) fn push(&mut self, text: &[u8]) {
        let number = match self.rows.last() {
            _ if text.is_empty() => NONE,
            Some(&last) if last != NONE && self.texts.get(last as usize) == text => last,
            _ => self.number(text),
        };
        self.push_number(number);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Appends what the row before has; null in the first row.
    pub(crate) fn repeat(&mut self) {
        self.push_number(self.rows.last().copied().unwrap_or(NONE));
    }

    fn push_number(&mut self, number: i32) {
        self.any_null |= number == NONE;
        self.rows.push(number);
    }

    fn number(&mut self, text: &[u8]) -> i32 {
        let Words {
            texts,
            numbers,
            hasher,
            ..
        } = self;
        let hash = hasher.hash_one(text);
        if let Some(number) = numbers.find(hash, |number| texts.get(*number as usize) == text) {
            return *number;
        }
        let number = texts.len() as i32;
        texts.push(text);
        numbers.insert_unique(hash, number, |number| {
            hasher.hash_one(texts.get(*number as usize))
        });
        number
    }
}

impl Column for Words {
    fn with_room(rows: usize) -> Words {
        Words {
            texts: Packed::with_room(0),
            numbers: HashTable::new(),
            hasher: RandomState::default(),
            rows: Vec::with_capacity(rows),
            any_null: false,
        }
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let Words {
            mut texts,
            mut rows,
            any_null,
            ..
        } = std::mem::replace(self, Words::with_room(0));
        let mut nulls = None;
        if any_null {
            nulls = Some(NullBuffer::from_iter(rows.iter().map(|row| *row != NONE)));
            rows.iter_mut().for_each(|row| *row = (*row).max(0));
        }
        let rows = Int32Array::new(rows.into(), nulls);
        let texts = texts.finish(None)?;
        let array = DictionaryArray::<Int32Type>::try_new(rows, Arc::new(texts))?;
        Ok(Arc::new(array))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::compute::cast;
    use arrow::datatypes::DataType;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Both hold what was pushed, whatever repeats.
        #[test]
        fn texts_come_back(texts in prop::collection::vec("[ab]{0,2}|ü", 0..40)) {
            let (mut words, mut prose) = (Words::with_room(0), Prose::with_room(0));
            for text in &texts {
                words.push(text.as_bytes());
                prose.push(text.as_bytes());
            }
            let want: Vec<_> = texts.iter().map(|text| Some(text.as_str()).filter(|t| !t.is_empty())).collect();
            let words = words.take().unwrap();
            let distinct = words.as_dictionary::<Int32Type>().values().len();
            let set: std::collections::BTreeSet<_> = want.iter().flatten().collect();
            prop_assert_eq!(distinct, set.len());
            for array in [cast(&words, &DataType::Utf8).unwrap(), prose.take().unwrap()] {
                prop_assert_eq!(array.as_string::<i32>().iter().collect::<Vec<_>>(), want.clone());
            }
        }
    }

    #[test]
    fn a_row_repeats_the_one_before() {
        let mut words = Words::with_room(0);
        words.repeat();
        words.push(b"a");
        words.repeat();
        let array = cast(&words.take().unwrap(), &DataType::Utf8).unwrap();
        let texts: Vec<_> = array.as_string::<i32>().iter().collect();
        assert_eq!(texts, [None, Some("a"), Some("a")]);
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        let (mut words, mut prose) = (Words::with_room(0), Prose::with_room(0));
        words.push(b"\xff");
        prose.push(b"\xff");
        assert!(words.take().is_err());
        assert!(prose.take().is_err());
    }
}
