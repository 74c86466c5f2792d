//! Aligned columns.

use std::io::{self, Write};

/// Writes one row with columns of `widths`, without spaces at its end.
pub(super) fn row(out: &mut dyn Write, widths: &[usize], cells: &[String]) -> io::Result<()> {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:width$}"))
        .collect();
    writeln!(out, "{}", padded.join("  ").trim_end())
}

/// Writes a heading and rows, each column as wide as its widest cell.
pub(super) fn write(out: &mut dyn Write, heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
    let widths: Vec<usize> = heading
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = rows.iter().filter_map(|cells| cells.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max();
            widest.unwrap_or(0).max(title.len())
        })
        .collect();
    row(out, &widths, &heading)?;
    rows.iter().try_for_each(|cells| row(out, &widths, cells))
}

/// A count with its thousands apart, as people read it.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let mut out = Vec::new();
        let rows = [
            vec!["a".to_owned(), "b".to_owned()],
            vec!["longer".to_owned(), "c".to_owned()],
        ];
        write(&mut out, &["X", "Y"], &rows).unwrap();
        assert_eq!(out, b"X       Y\na       b\nlonger  c\n");
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (4_096_000, "4,096,000"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }
}
