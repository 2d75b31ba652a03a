//! Lists in which some entries cannot be read.

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEntry<T> {
    /// An entry that could be read.
    Readable(T),
    /// An entry that is null, or has another shape than the list's entries. What it would have said is not known.
    Unreadable,
}

impl<T> ListEntry<T> {
    /// Returns the entry if it could be read.
    pub fn readable(self) -> Option<T> {
        match self {
            Self::Readable(entry) => Some(entry),
            Self::Unreadable => None,
        }
    }

    /// Borrows the entry.
    pub fn as_ref(&self) -> ListEntry<&T> {
        match self {
            Self::Readable(entry) => ListEntry::Readable(entry),
            Self::Unreadable => ListEntry::Unreadable,
        }
    }
}

/// The entries of a list, each in its place, unreadable ones included.
///
/// One bad entry spoils no list: a caller shows the [`readable`](Self::readable) entries and how many [could not be
/// read](Self::unreadable). But the list no longer proves anything either: that something is missing from it, or that
/// nothing follows an entry, holds only as far as the entries in question [could be read](Self::is_whole).
///
/// ```
/// # use taskward_core::{LenientList, ListEntry};
/// let list: LenientList<u32> = [ListEntry::Readable(1), ListEntry::Unreadable].into_iter().collect();
/// assert_eq!((list.readable().count(), list.unreadable()), (1, 1));
/// assert!(!list.is_whole() && LenientList::from(vec![1, 2]).is_whole());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LenientList<T>(Vec<ListEntry<T>>);

impl<T> LenientList<T> {
    /// Returns the entries in their places.
    #[must_use]
    pub fn entries(&self) -> &[ListEntry<T>] {
        &self.0
    }

    /// Returns the entries that could be read, in their order.
    pub fn readable(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter().filter_map(|entry| entry.as_ref().readable())
    }

    /// Returns the entries that could be read, by value.
    pub fn into_readable(self) -> impl DoubleEndedIterator<Item = T> {
        self.0.into_iter().filter_map(ListEntry::readable)
    }

    /// Returns how many entries could not be read.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.0.len() - self.readable().count()
    }

    /// Returns whether every entry could be read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unreadable() == 0
    }

    /// Returns how many entries there are, readable or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no entry at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Converts each readable entry; `None` makes an entry unreadable, because it says too little.
    pub fn map<U>(self, mut read: impl FnMut(T) -> Option<U>) -> LenientList<U> {
        let read = |entry: ListEntry<T>| match entry.readable().and_then(&mut read) {
            Some(entry) => ListEntry::Readable(entry),
            None => ListEntry::Unreadable,
        };
        LenientList(self.0.into_iter().map(read).collect())
    }

    /// Keeps only the readable entries for which `wanted` returns true, and all unreadable ones.
    pub fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        self.0.retain(|entry| match entry {
            ListEntry::Readable(entry) => wanted(entry),
            ListEntry::Unreadable => true,
        });
    }
}

impl<T> Default for LenientList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for LenientList<T> {
    fn from(entries: Vec<T>) -> Self {
        entries.into_iter().map(ListEntry::Readable).collect()
    }
}

impl<T> FromIterator<ListEntry<T>> for LenientList<T> {
    fn from_iter<I: IntoIterator<Item = ListEntry<T>>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T> IntoIterator for LenientList<T> {
    type Item = ListEntry<T>;
    type IntoIter = std::vec::IntoIter<ListEntry<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
