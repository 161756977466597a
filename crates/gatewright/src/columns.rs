//! Columns of text that fit a terminal.

use std::io::IsTerminal as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use terminal_size::{Width, terminal_size};

/// How wide the terminal is; none where the output goes elsewhere.
pub fn terminal_width() -> Option<u16> {
    let (Width(width), _) = terminal_size().filter(|_| std::io::stdout().is_terminal())?;
    Some(width)
}

/// A table without lines, as wide as the terminal; as wide as its text where there is no terminal.
pub fn table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

/// The rows of a table, without the space that a table puts around cells.
pub fn rows(mut table: Table, lines: &mut Vec<String>) {
    let padding = vec![(0, 3); table.column_count()];
    rows_with(table, &padding, lines);
}

/// The same with so much space before and behind the cells of each column.
pub fn rows_with(mut table: Table, padding: &[(u16, u16)], lines: &mut Vec<String>) {
    for (column, padding) in table.column_iter_mut().zip(padding) {
        column.set_padding(*padding);
    }
    lines.extend(table.lines().map(|line| line.trim_end().to_owned()));
}
