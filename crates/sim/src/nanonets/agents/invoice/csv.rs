//! Invoices as separated values (RFC 4180, with the separators people use).
//!
//! Read by hand, as the `csv` crate takes a quote behind a blank for text: `Bolt, "M8, long", 2` has three fields here.

use super::decimal::Decimal;
use super::{Column, Item, column, is_sum};

/// Reads the items, with the columns of the header line or, without one, in the usual order.
pub(super) fn read(text: &str) -> Vec<Item> {
    read_with_header(text).unwrap_or_else(|| {
        let columns = [
            Column::Description,
            Column::Quantity,
            Column::UnitPrice,
            Column::Amount,
        ]
        .map(Some);
        let rows = records(text, separator(text));
        rows.iter().filter_map(|row| item(&columns, row)).collect()
    })
}

/// Reads the items when some line names the columns; `None` when none does.
pub(super) fn read_with_header(text: &str) -> Option<Vec<Item>> {
    let rows = records(text, separator(text));
    let is_header = |row: &Vec<String>| {
        let columns: Vec<Column> = row.iter().filter_map(|name| column(name)).collect();
        let names = |wanted| columns.contains(&wanted);
        names(Column::Description) && (names(Column::UnitPrice) || names(Column::Amount))
    };
    let header = rows.iter().position(is_header)?;
    let names = &rows[header];
    // Beside a description, a column such as `item` holds a number or a code.
    let says_description = |name: &String| name.trim().eq_ignore_ascii_case("description");
    let has_description = names.iter().any(says_description);
    let of_name = |name: &String| match column(name) {
        Some(Column::Description) if has_description && !says_description(name) => None,
        column => column,
    };
    let columns: Vec<Option<Column>> = names.iter().map(of_name).collect();
    Some(
        rows[header + 1..]
            .iter()
            .filter_map(|row| item(&columns, row))
            .collect(),
    )
}

fn item(columns: &[Option<Column>], row: &[String]) -> Option<Item> {
    let field = |wanted: Column| {
        let at = columns.iter().position(|column| *column == Some(wanted))?;
        row.get(at).map(String::as_str)
    };
    let number = |wanted| field(wanted).and_then(Decimal::parse);
    let description = field(Column::Description)?;
    if description.trim().is_empty() || is_sum(description) {
        return None;
    }
    let item = Item::new(
        description,
        number(Column::Quantity),
        number(Column::UnitPrice),
        number(Column::Amount),
    )?;
    Some(item.with_sku(field(Column::Sku)))
}

/// Returns the separator that stands most often outside quotes.
fn separator(text: &str) -> char {
    let mut quoted = false;
    let mut counts = [(',', 0), (';', 0), ('\t', 0), ('|', 0)];
    for c in text.chars() {
        quoted ^= c == '"';
        if !quoted
            && let Some((_, count)) = counts.iter_mut().find(|(separator, _)| *separator == c)
        {
            *count += 1;
        }
    }
    counts
        .into_iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(',', |(separator, _)| separator)
}

/// Cuts a text into records; blank lines are none.
fn records(text: &str, separator: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.trim().is_empty() => {
                field.clear();
                quoted = true;
            }
            '\n' | '\r' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            _ if c == separator && !quoted => row.push(std::mem::take(&mut field)),
            _ => field.push(c),
        }
    }
    row.push(field);
    rows.push(row);
    rows.retain(|row| row.iter().any(|field| !field.trim().is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_breaks_stand_in_fields() {
        let text = "a,\"b \"\"c\"\", d\",\"e\r\nf\"\r\n\r\n \"x\" ,y,";
        assert_eq!(
            records(text, ','),
            [vec!["a", "b \"c\", d", "e\r\nf"], vec!["x ", "y", ""]]
        );
    }

    #[test]
    fn the_header_may_stand_anywhere_and_in_any_order() {
        let text = "ACME Ltd\nUnit Price;Item;SKU;Qty\n3,50;Widget;w-1;2\n1.250,05;Gear;g-1;1\n;Total;;1257,05\n";
        let items = read(text);
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].amount, Decimal::parse("7").unwrap());
        assert_eq!(items[1].amount, Decimal::parse("1250.05").unwrap());
        assert_eq!(items[1].sku.as_deref(), Some("g-1"));
    }

    #[test]
    fn a_description_comes_before_other_names() {
        let items = read("Item,Description,Qty,Price\n1,Widget,2,3.50\n");
        assert_eq!(items[0].description, "Widget");
    }

    #[test]
    fn without_a_header_the_usual_order_holds() {
        let items = read("Widget,2,3.50\nGear\t,1,1.00,9.00\n");
        assert_eq!(
            items
                .iter()
                .map(|item| item.amount.to_string())
                .collect::<Vec<_>>(),
            ["7", "9"]
        );
        assert_eq!(items[1].description, "Gear");
    }
}
