//! Figures side by side: medians, ratios, and the tables of them.

use std::fmt::Write as _;

/// What was measured of one contestant, by column, in the order of the table's columns.
pub struct Row {
    pub name: String,
    pub medians: Vec<Option<f64>>,
}

/// Figures of several contestants.
pub struct Table {
    pub title: &'static str,
    /// What each column is, with its unit. Less is better in all of them.
    pub columns: Vec<&'static str>,
    pub rows: Vec<Row>,
    /// The row that the others are put beside.
    pub beside: String,
}

impl Table {
    /// A median.
    pub fn median(&self, row: &str, column: &str) -> Option<f64> {
        let column = self.columns.iter().position(|name| *name == column)?;
        self.rows.iter().find(|other| other.name == row)?.medians.get(column).copied().flatten()
    }

    /// How many times the figure of the row that all are put beside.
    pub fn ratio(&self, row: &str, column: &str) -> Option<f64> {
        Some(self.median(row, column)? / self.median(&self.beside, column).filter(|of| *of > 0.0)?)
    }

    /// The table as Markdown: medians, and in brackets the ratios.
    pub fn rendered(&self) -> String {
        let mut text = format!("| {} | {} |\n", self.title, self.columns.join(" | "));
        let _ = writeln!(text, "|{}", " --- |".repeat(self.columns.len() + 1));
        for row in &self.rows {
            let cells = self.columns.iter().map(|column| self.cell(row, column));
            let _ = writeln!(text, "| {} | {} |", row.name, cells.collect::<Vec<_>>().join(" | "));
        }
        text
    }

    fn cell(&self, row: &Row, column: &str) -> String {
        let Some(median) = self.median(&row.name, column) else { return "–".to_owned() };
        match self.ratio(&row.name, column) {
            Some(ratio) if row.name != self.beside => format!("{} ({ratio:.2})", short(median)),
            _ => short(median),
        }
    }
}

/// A figure with as many places as can be meant.
pub fn short(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 || size == 0.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// The median, of nothing none.
pub fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_puts_each_row_beside_one() {
        let row =
            |name: &str, medians: &[Option<f64>]| Row { name: name.to_owned(), medians: medians.to_vec() };
        let table = Table {
            title: "init",
            columns: vec!["size, KiB", "wake-ups"],
            rows: vec![row("ours", &[Some(3.0), Some(0.0)]), row("theirs", &[Some(12.0), None])],
            beside: "theirs".to_owned(),
        };
        let text = "| init | size, KiB | wake-ups |\n| --- | --- | --- |\n| ours | 3.00 (0.25) | 0 |\n| theirs | 12.0 | – |\n";
        assert_eq!(table.rendered(), text);
    }

    #[test]
    fn the_median_of_nothing_is_none() {
        assert_eq!(median(Vec::new()), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    }
}
