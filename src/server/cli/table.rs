//! Aligned columns.

use std::io::{self, Write};

/// Bold, faint, and neither, on terminals.
const BOLD: &str = "\x1b[1m";
const FAINT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// A column by its title.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// Its cells begin at the left.
    Text(&'static str),
    /// Its cells end at the right, so that digits of one weight stand below each other.
    Number(&'static str),
}

/// A table that is being written.
pub(super) struct Table<'a> {
    columns: &'a [Column],
    widths: Vec<usize>,
    colour: bool,
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::Text(title) | Self::Number(title) => title,
        }
    }

    fn align(self, cell: &str, width: usize) -> String {
        match self {
            Self::Text(_) => format!("{cell:width$}"),
            Self::Number(_) => format!("{cell:>width$}"),
        }
    }
}

impl<'a> Table<'a> {
    /// A table whose columns are at least as wide as `widths`, and as their titles.
    pub(super) fn new(columns: &'a [Column], widths: &[usize], colour: bool) -> Self {
        let titles = columns.iter().map(|column| column.title().len());
        let widths = widths.iter().copied().chain(std::iter::repeat(0));
        Self {
            columns,
            widths: titles.zip(widths).map(|(a, b)| a.max(b)).collect(),
            colour,
        }
    }

    /// One whose columns are as wide as their widest cell in `rows`.
    pub(super) fn fitting(columns: &'a [Column], rows: &[Vec<String>], colour: bool) -> Self {
        let widest = |column: usize| {
            let cells = rows.iter().filter_map(|cells| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
        Self::new(columns, &widths, colour)
    }

    /// Writes the titles.
    pub(super) fn heading(&self, out: &mut dyn Write) -> io::Result<()> {
        let titles: Vec<&str> = self.columns.iter().map(|column| column.title()).collect();
        self.styled(out, BOLD, &titles)
    }

    /// Writes a row.
    pub(super) fn row(&self, out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
        writeln!(out, "{}", self.line(cells))
    }

    /// Writes a row of lesser interest, faint.
    pub(super) fn faint_row(&self, out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
        self.styled(out, FAINT, cells)
    }

    fn styled(
        &self,
        out: &mut dyn Write,
        style: &str,
        cells: &[impl AsRef<str>],
    ) -> io::Result<()> {
        let line = self.line(cells);
        if self.colour {
            return writeln!(out, "{style}{line}{PLAIN}");
        }
        writeln!(out, "{line}")
    }

    /// The cells in their columns, without spaces at the end.
    fn line(&self, cells: &[impl AsRef<str>]) -> String {
        let columns = self.columns.iter().zip(&self.widths);
        let aligned: Vec<String> = cells
            .iter()
            .zip(columns)
            .map(|(cell, (column, width))| column.align(cell.as_ref(), *width))
            .collect();
        aligned.join("  ").trim_end().to_owned()
    }
}

/// Writes a heading and rows.
pub(super) fn write(
    out: &mut dyn Write,
    columns: &[Column],
    rows: &[Vec<String>],
    colour: bool,
) -> io::Result<()> {
    let table = Table::fitting(columns, rows, colour);
    table.heading(out)?;
    rows.iter().try_for_each(|cells| table.row(out, cells))
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

    const COLUMNS: [Column; 3] = [Column::Text("X"), Column::Number("N"), Column::Text("Y")];

    fn rows() -> [Vec<String>; 2] {
        [["ä", "7", "b"], ["longer", "1234", ""]].map(|row| row.map(str::to_owned).to_vec())
    }

    #[test]
    fn columns_align() {
        let mut out = Vec::new();
        write(&mut out, &COLUMNS, &rows(), false).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines = ["X          N  Y", "ä          7  b", "longer  1234", ""];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn colour_takes_no_room() {
        let mut out = Vec::new();
        let table = Table::fitting(&COLUMNS, &rows(), true);
        table.heading(&mut out).unwrap();
        table.faint_row(&mut out, &rows()[0]).unwrap();
        table.row(&mut out, &rows()[1]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "\x1b[1mX          N  Y\x1b[0m\n\x1b[2mä          7  b\x1b[0m\nlonger  1234\n"
        );
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
