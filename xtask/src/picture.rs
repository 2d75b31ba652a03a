//! `cargo xtask picture`: records the session that the README shows, in a terminal of its own, and draws what stands on
//! the screen at its end as `docs/session.svg`. Needs `script` of util-linux.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{cargo, repo};

/// What is typed, and what is answered when the program asks.
const LINES: &[(&str, &str)] = &[
    ("taskward run --sim --agent asker 'Convert 5.'", "EUR"),
    (
        "taskward run --sim --provider agent-harness 'Write to the team.' -q > mail.txt",
        "a",
    ),
];

/// The terminal's size, in characters.
const COLUMNS: u16 = 104;
const ROWS: u16 = 60;
const SIZE: (NonZero<u16>, NonZero<u16>) = match (NonZero::new(ROWS), NonZero::new(COLUMNS)) {
    (Some(rows), Some(columns)) => (rows, columns),
    _ => panic!("a terminal has rows and columns"),
};
/// How long somebody reads before they answer.
const READING: Duration = Duration::from_millis(400);

/// The size of a character and of the margin, in pixels.
const CHARACTER: (f64, f64) = (8.4, 19.0);
const MARGIN: f64 = 16.0;

/// Records the session and writes the picture.
pub(crate) fn run() -> Result<()> {
    let program = cargo::program()?;
    let mut terminal = vt100::Parser::new(SIZE.0, SIZE.1, 0);
    let folder = tempfile::tempdir()?;
    for (line, answer) in LINES {
        // As a shell shows it: the prompt, and what was typed.
        terminal.process(format!("\x1b[1;32m$\x1b[0m \x1b[1m{line}\x1b[0m\r\n").as_bytes());
        record(&mut terminal, line, answer, &program, folder.path())?;
    }
    let path = repo::root().join("docs/session.svg");
    std::fs::write(&path, drawing(terminal.screen()))?;
    println!("{}", repo::shown(&path));
    Ok(())
}

/// Runs a command line in a terminal and types the answer once the program waits for one.
fn record(
    terminal: &mut vt100::Parser,
    line: &str,
    answer: &str,
    program: &Path,
    folder: &Path,
) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut session = Command::new("script")
        .args([
            "-qec",
            &format!("stty cols {COLUMNS} rows {ROWS}; {line}"),
            "/dev/null",
        ])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", program.display()))
        .env("XDG_STATE_HOME", folder)
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run script")?;
    let mut typed = session.stdin.take();
    let mut shown = session.stdout.take().context("no output")?;
    let mut bytes = [0; 4096];
    loop {
        let count = shown.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        terminal.process(&bytes[..count]);
        if is_asking(terminal.screen())
            // `script` goes on until its input ends.
            && let Some(mut input) = typed.take()
        {
            std::thread::sleep(READING);
            writeln!(input, "{answer}")?;
        }
    }
    ensure!(session.wait()?.success(), "{line}: failed");
    ensure!(typed.is_none(), "{line}: it did not ask");
    Ok(())
}

/// Returns whether the cursor stands behind a prompt.
fn is_asking(screen: &vt100::Screen) -> bool {
    let (row, column) = screen.cursor_position();
    let line = screen.contents_between(row, 0, row, column);
    line.trim_end().ends_with('>')
}

/// Draws the rows of a screen that are not empty.
fn drawing(screen: &vt100::Screen) -> String {
    let rows: Vec<String> = screen.rows(0, COLUMNS).collect();
    let used = rows.iter().rposition(|row| !row.trim().is_empty());
    let used = used.map_or(0, |last| last + 1);
    let (width, height) = (
        f64::from(COLUMNS) * CHARACTER.0 + 2.0 * MARGIN,
        used as f64 * CHARACTER.1 + 2.0 * MARGIN,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n\
         <title>A session in a terminal</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n\
         <g font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"14\" fill=\"#d6d9e0\" \
         xml:space=\"preserve\">\n"
    );
    for row in 0..u16::try_from(used).unwrap_or(ROWS) {
        let y = MARGIN + CHARACTER.1 * (f64::from(row) + 0.75);
        for (column, style, text) in runs(screen, row) {
            let x = MARGIN + CHARACTER.0 * f64::from(column);
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\"{style}>{}</text>",
                escaped(&text)
            );
        }
    }
    svg + "</g>\n</svg>\n"
}

/// Returns the pieces of a row that look alike, with where they begin.
fn runs(screen: &vt100::Screen, row: u16) -> Vec<(u16, String, String)> {
    let mut runs: Vec<(u16, String, String)> = Vec::new();
    for column in 0..COLUMNS {
        let Some(cell) = screen.cell(row, column) else {
            continue;
        };
        let text = match cell.contents() {
            "" => " ",
            text => text,
        };
        let style = style_of(cell);
        match runs.last_mut() {
            Some((_, last, run)) if *last == style => run.push_str(text),
            _ => runs.push((column, style, text.to_owned())),
        }
    }
    for (_, _, run) in &mut runs {
        run.truncate(run.trim_end().len());
    }
    runs.retain(|(_, _, run)| !run.is_empty());
    runs
}

fn style_of(cell: &vt100::Cell) -> String {
    let colour = match cell.fgcolor() {
        vt100::Color::Idx(1 | 9) => " fill=\"#f0717a\"",
        vt100::Color::Idx(2 | 10) => " fill=\"#8fd08c\"",
        vt100::Color::Idx(3 | 11) => " fill=\"#e5c07b\"",
        vt100::Color::Idx(4 | 6 | 12 | 14) => " fill=\"#79b8ff\"",
        _ if cell.dim() => " fill=\"#8a919e\"",
        _ => "",
    };
    let weight = match cell.bold() {
        true => " font-weight=\"bold\"",
        false => "",
    };
    format!("{colour}{weight}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_on_the_screen_is_drawn_with_its_colours() {
        let mut terminal = vt100::Parser::new(SIZE.0, SIZE.1, 0);
        terminal.process(b"gone\r\x1b[2K\x1b[32mok\x1b[0m <a>\r\n\r\nanswer> ");
        let svg = drawing(terminal.screen());
        assert!(svg.contains(" fill=\"#8fd08c\">ok</text>"), "{svg}");
        assert!(svg.contains("> &lt;a&gt;</text>"), "{svg}");
        assert!(!svg.contains("gone"), "{svg}");
        assert!(is_asking(terminal.screen()));
    }
}
