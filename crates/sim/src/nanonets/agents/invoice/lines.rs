//! Invoices as plain text, a line item to the line.
//!
//! Read are `2 x Widget @ 3.50`, `Widget: 2 x 3.50` and `Widget  2  3.50`, each with or without the amount behind it;
//! other lines are passed over. A semicolon ends a line, too.

use super::decimal::Decimal;
use super::{Item, is_sum};

pub(super) fn read(text: &str) -> Vec<Item> {
    let lines = text.split(['\n', '\r', ';']);
    lines
        .map(|line| line.trim().trim_start_matches(['-', '*', '•']).trim())
        .filter_map(item)
        .collect()
}

fn item(line: &str) -> Option<Item> {
    quantity_first(line)
        .or_else(|| quantity_times_price(line))
        .or_else(|| table_row(line))
}

/// `2 x Widget @ 3.50 = 7.00`
fn quantity_first(line: &str) -> Option<Item> {
    let (front, price) = line.rsplit_once('@')?;
    let (quantity, description) = split_times(front)?;
    let quantity = Decimal::parse(quantity)?;
    let (price, amount) = price_and_amount(price);
    Item::new(description, Some(quantity), Some(price?), amount)
}

/// `Widget: 2 x 3.50 = 7.00`
fn quantity_times_price(line: &str) -> Option<Item> {
    let (description, rest) = line.rsplit_once(':')?;
    let (quantity, price) = split_times(rest).or_else(|| rest.split_once('@'))?;
    let quantity = Decimal::parse(quantity)?;
    let (price, amount) = price_and_amount(price);
    Item::new(description, Some(quantity), Some(price?), amount)
}

/// `Widget  2  3.50  7.00`, the columns set apart by tabs, bars or two blanks; by single blanks only when the price
/// has a fraction, so that no date or number of an invoice is taken for an item.
fn table_row(line: &str) -> Option<Item> {
    let apart: Vec<&str> = line
        .split(['\t', '|'])
        .flat_map(|cell| cell.split("  "))
        .map(str::trim)
        .collect();
    let cells: Vec<&str> = apart.into_iter().filter(|cell| !cell.is_empty()).collect();
    if let [description @ .., _, _] = cells.as_slice()
        && !description.is_empty()
    {
        return row(&cells);
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let price = words.last().filter(|word| Decimal::parse(word).is_some())?;
    if words.len() < 3 || !price.contains(['.', ',']) {
        return None;
    }
    // Without columns a number may belong to the description (`Bolt 8 2 3.50`): an amount must prove itself.
    row(&words)
        .filter(|item| item.is_consistent())
        .or_else(|| row_of_two(&words))
}

/// Returns a row whose last two cells alone are numbers of ours.
fn row_of_two(words: &[&str]) -> Option<Item> {
    let (description, numbers) = words.split_at(words.len() - 2);
    let description = description.join(" ");
    if is_sum(&description) {
        return None;
    }
    Item::new(
        &description,
        Some(Decimal::parse(numbers[0])?),
        Some(Decimal::parse(numbers[1])?),
        None,
    )
}

fn row(cells: &[&str]) -> Option<Item> {
    let numbers = cells
        .iter()
        .skip(1)
        .rev()
        .map_while(|cell| Decimal::parse(cell))
        .take(3)
        .count();
    let (description, numbers) = cells.split_at(cells.len() - numbers);
    let description = description.join(" ");
    let mut numbers = numbers.iter().filter_map(|cell| Decimal::parse(cell));
    let (quantity, price, amount) = (numbers.next()?, numbers.next()?, numbers.next());
    if is_sum(&description) {
        return None;
    }
    Item::new(&description, Some(quantity), Some(price), amount)
}

/// Cuts `2 x Widget` at its times sign.
fn split_times(text: &str) -> Option<(&str, &str)> {
    [" x ", " X ", "×", " * ", "x "]
        .into_iter()
        .find_map(|sign| text.split_once(sign))
}

/// Reads `3.50`, `3.50 each` and `3.50 = 7.00`.
fn price_and_amount(text: &str) -> (Option<Decimal>, Option<Decimal>) {
    let (price, amount) = text.split_once('=').unwrap_or((text, ""));
    let price = price.trim().trim_end_matches("each").trim();
    (Decimal::parse(price), Decimal::parse(amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_lines_are_read() {
        for (line, description, amount) in [
            ("2 x Widget @ 3.50", "Widget", "7"),
            ("- 2 × Widget, blue @ $3.50 each", "Widget, blue", "7"),
            ("2x Widget @ 3.50 = 7.00", "Widget", "7"),
            ("10 x Box 4 x 4 @ 0.10", "Box 4 x 4", "1"),
            ("Widget: 2 x 3.50", "Widget", "7"),
            ("Widget, large: 2 @ 3.50", "Widget, large", "7"),
            ("Widget  2  3.50", "Widget", "7"),
            ("Blue widget\t2\t3.50\t7.00", "Blue widget", "7"),
            ("| Widget | 2 | 3.50 |", "Widget", "7"),
            ("Blue widget 2 3.50", "Blue widget", "7"),
            ("Bolt M8 2 3.50 7.00", "Bolt M8", "7"),
            ("Bolt 8 2 3.50", "Bolt 8", "7"),
        ] {
            let items = read(line);
            assert_eq!(items.len(), 1, "{line}");
            assert_eq!(
                (
                    items[0].description.as_str(),
                    items[0].amount.to_string().as_str()
                ),
                (description, amount)
            );
        }
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in [
            "Invoice 12 2026",
            "Date: 2026-05-12",
            "Total  2  7.00",
            "Total: 7.00",
            "Call us at a@b.example",
            "description  quantity  price",
            "x @ y",
            "",
        ] {
            assert_eq!(read(line), [], "{line}");
        }
    }
}
