//! Tables, as Markdown: they can stand in the documentation as they are printed.

use super::say;

/// A table whose columns are as wide as what stands in them.
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with these columns.
    pub fn new<S: ToString>(columns: impl IntoIterator<Item = S>) -> Self {
        Self(vec![columns.into_iter().map(|column| column.to_string()).collect()])
    }

    /// Adds a row.
    pub fn row<S: ToString>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.0.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// Prints the table under a title.
    pub fn print(&self, title: &str) {
        say(&format!("\n### {title}\n\n{}", self.render()));
    }

    fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.0.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let line = |row: &Vec<String>| {
            let cells: Vec<_> =
                row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}", width(column))).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<_> = (0..self.0[0].len()).map(|column| "-".repeat(width(column))).collect();
        let head = format!("{}| {} |\n", line(&self.0[0]), rule.join(" | "));
        self.0[1..].iter().fold(head, |text, row| text + &line(row))
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_align() {
        let mut table = Table::new(["a", "long"]);
        table.row(["123", "1"]);
        assert_eq!(table.render(), "| a   | long |\n| --- | ---- |\n| 123 | 1    |\n");
    }
}
