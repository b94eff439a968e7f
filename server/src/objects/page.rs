//! A page of the rows of kinds that keep them in order of their keys.

use super::{Cursor, RowLimit};
use commonhold_proto::Row;

/// About how many bytes a row takes besides its key and its value.
const ROW_BYTES: usize = 32;

/// As many of these rows as the limit lets, at least one if there is one, and where to go on: after the last one's key.
pub(super) fn page(rows: impl Iterator<Item = Row>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
    let mut rows = rows.peekable();
    let mut page: Vec<Row> = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next() {
        bytes += ROW_BYTES + row.key().0.len();
        if let Row::Put { value, .. } = &row {
            bytes += value.size();
        }
        let cursor = Cursor(row.key().0.to_vec());
        page.push(row);
        if rows.peek().is_some() && (page.len() >= limit.rows || bytes >= limit.bytes) {
            return (page, Some(cursor));
        }
    }
    (page, None)
}
