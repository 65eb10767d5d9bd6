//! The prompt, through a pseudo-terminal.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rexpect::session::{PtySession, spawn_command};
use tempfile::TempDir;

/// Time after which something that should have appeared is missing.
const PATIENCE_MS: u64 = 30_000;
const PROMPT: &str = "sheaf> ";

/// A session at the prompt, in a directory of its own.
struct Terminal {
    session: PtySession,
    home: TempDir,
}

fn terminal(arguments: &[&str]) -> Terminal {
    let home = tempfile::tempdir().unwrap();
    let session = spawn(home.path(), arguments);
    let mut terminal = Terminal { session, home };
    terminal.expect(PROMPT);
    terminal
}

fn spawn(home: &Path, arguments: &[&str]) -> PtySession {
    spawn_with(home, arguments, &[("PAGER", "cat")])
}

fn spawn_with(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> PtySession {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sheaf"));
    command.args(arguments);
    spawn_command_with(command, home, variables)
}

fn spawn_command_with(mut command: Command, home: &Path, variables: &[(&str, &str)]) -> PtySession {
    command
        .current_dir(home)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .envs(variables.iter().copied());
    spawn_command(command, Some(PATIENCE_MS)).unwrap()
}

impl Terminal {
    fn expect(&mut self, text: &str) -> String {
        // The library reads each byte as a character of its own.
        let bytes: String = text.bytes().map(char::from).collect();
        match self.session.exp_string(&bytes) {
            Ok(before) => {
                let bytes: Vec<u8> = before.chars().map(|c| c as u8).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Err(error) => panic!("{text:?} did not appear: {error}"),
        }
    }

    /// Types `keys`, and has them sent.
    fn type_keys(&mut self, keys: &str) {
        self.session.send(keys).unwrap();
        self.session.flush().unwrap();
    }

    /// Types a line and gives what appears before the next prompt.
    fn enter(&mut self, line: &str) -> String {
        self.type_keys(line);
        self.type_keys("\r");
        // The editor prints the prompt again while the line is typed: the result ends at the one
        // that follows a line break.
        self.expect("\n");
        self.expect(PROMPT)
    }

    fn leave(mut self) {
        self.type_keys("\\q\r");
        self.session.exp_eof().unwrap();
    }
}

#[test]
fn a_statement_ends_at_its_semicolon() {
    let mut terminal = terminal(&[]);
    terminal.type_keys("SELECT 6 *\r");
    terminal.type_keys("7 AS answer;\r");
    terminal.expect("│ answer │");
    terminal.expect("│     42 │");
    let footer = terminal.expect(PROMPT);
    assert!(footer.contains("1 row · "), "{footer}");
    terminal.leave();
}

#[test]
fn ctrl_c_cancels_the_query_and_keeps_the_session() {
    let mut terminal = terminal(&[]);
    terminal.type_keys("SELECT count(*) FROM range(10000000) a, range(10000000) b;\r");
    terminal.expect("running"); // the progress bar: it has run for half a second
    let pressed = Instant::now();
    terminal.session.send_control('c').unwrap();
    terminal.expect("\r\x1b[K"); // the bar is erased before the error is shown
    terminal.expect("error: cancelled by Ctrl-C");
    let waited = pressed.elapsed();
    // Half a second on a quiet machine; the query takes days.
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    terminal.expect(PROMPT);
    terminal.type_keys("SELECT 1 + 1 AS two;\r");
    terminal.expect("│      2 │");
    terminal.expect(PROMPT);
    // At the prompt it clears the line.
    terminal.type_keys("SELECT nonsense");
    terminal.session.send_control('c').unwrap();
    terminal.expect(PROMPT);
    terminal.type_keys("SELECT 2 + 1 AS three;\r");
    terminal.expect("│      3 │");
    terminal.expect(PROMPT);
    terminal.leave();
}

#[test]
fn ctrl_d_leaves() {
    let mut terminal = terminal(&[]);
    terminal.session.send_control('d').unwrap();
    terminal.session.exp_eof().unwrap();
}

#[test]
fn tab_completes_paths_words_and_commands() {
    let mut terminal = terminal(&[]);
    std::fs::write(
        terminal.home.path().join("rainfall.csv"),
        "town,mm\nBergen,2250\n",
    )
    .unwrap();
    terminal.type_keys("SELECT town FROM 'rain\t");
    terminal.expect("rainfall.csv");
    terminal.type_keys("';\r");
    terminal.expect("Bergen");
    terminal.expect(PROMPT);
    // The file's columns are known to the completion, too.
    terminal.type_keys("FROM 'rainfall.csv' SELECT tow\t");
    terminal.expect("town");
    terminal.session.send_control('c').unwrap();
    terminal.expect(PROMPT);
    terminal.type_keys("summ\t");
    terminal.expect("summarize");
    terminal.session.send_control('c').unwrap();
    terminal.expect(PROMPT);
    terminal.type_keys("\\tim\t");
    terminal.expect("\\timing");
    terminal.session.send_control('c').unwrap();
    terminal.expect(PROMPT);
    terminal.leave();
}

#[test]
fn commands_describe_and_change_the_display() {
    let mut terminal = terminal(&[]);
    let shown = terminal.enter("CREATE VIEW fruit AS SELECT 'apple' AS name, 3 AS pieces;");
    assert!(shown.contains("CREATE VIEW"), "{shown}");
    let shown = terminal.enter("\\d fruit");
    assert!(
        shown.contains("pieces") && shown.contains("BIGINT"),
        "{shown}"
    );
    let shown = terminal.enter("\\dv");
    assert!(
        shown.contains("fruit") && shown.contains("name, pieces"),
        "{shown}"
    );
    let shown = terminal.enter("\\x");
    assert!(shown.contains("expanded display is on"), "{shown}");
    let shown = terminal.enter("FROM fruit;");
    assert!(shown.contains("name   │ apple"), "{shown}");
    let shown = terminal.enter("\\timng");
    assert!(shown.contains("did you mean \\timing?"), "{shown}");
    let shown = terminal.enter("\\df array_so*");
    assert!(shown.contains("array_sort"), "{shown}");
    let shown = terminal.enter("\\?");
    assert!(shown.contains("\\watch [SECONDS]"), "{shown}");
    let shown = terminal.enter("\\h copy");
    assert!(shown.contains("PARTITIONED BY"), "{shown}");
    terminal.leave();
}

#[test]
fn history_is_kept_private() {
    use std::os::unix::fs::PermissionsExt;
    let mut first = terminal(&[]);
    first.enter("SELECT 'remembered' AS word;");
    first.type_keys("\\q\r");
    first.session.exp_eof().unwrap();
    let path = first.home.path().join(".local/state/sheaf/history");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("SELECT 'remembered' AS word;"), "{text}");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o077,
        0
    );
    // The arrow key brings it back in the next session.
    let session = spawn(first.home.path(), &[]);
    let mut second = Terminal {
        session,
        home: first.home,
    };
    second.expect(PROMPT);
    second.type_keys("\x1b[A\x1b[A\r"); // above \q
    second.expect("│ remembered │");
    second.expect(PROMPT);
    second.leave();
}

#[test]
fn scripts_run_and_results_go_to_files() {
    let mut terminal = terminal(&[]);
    let path = |name: &str| terminal.home.path().join(name);
    let (script, output) = (path("six.sql"), path("out.txt"));
    std::fs::write(script, "SELECT 6 * 7 AS answer;\n").unwrap();
    let shown = terminal.enter("\\i six.sql");
    assert!(shown.contains("│     42 │"), "{shown}");
    terminal.enter("\\o out.txt");
    let shown = terminal.enter("\\i six.sql");
    assert!(!shown.contains("│     42 │"), "{shown}");
    terminal.enter("\\o");
    let written = std::fs::read_to_string(output).unwrap();
    assert!(written.contains("│     42 │"), "{written}");
    let shown = terminal.enter("\\i missing.sql");
    assert!(shown.contains("missing.sql"), "{shown}");
    terminal.leave();
}

#[test]
fn the_editor_gives_its_text_to_the_prompt() {
    let home = tempfile::tempdir().unwrap();
    let editor = "printf 'SELECT 40 + 2 AS edited;' > \"$1\"\n";
    std::fs::write(home.path().join("edit.sh"), editor).unwrap();
    let session = spawn_with(home.path(), &[], &[("EDITOR", "sh edit.sh")]);
    let mut terminal = Terminal { session, home };
    terminal.expect(PROMPT);
    terminal.type_keys("\\e\r");
    terminal.expect("SELECT 40 + 2 AS edited;");
    terminal.type_keys("\r");
    terminal.expect("│     42 │");
    terminal.expect(PROMPT);
    terminal.leave();
}

#[test]
fn watch_repeats_until_ctrl_c() {
    let mut terminal = terminal(&[]);
    terminal.enter("SELECT 41 + 1 AS again;");
    terminal.type_keys("\\watch 0.1\r");
    for _ in 0..3 {
        terminal.expect("│     42 │");
    }
    terminal.session.send_control('c').unwrap();
    terminal.expect(PROMPT);
    let shown = terminal.enter("\\watch soon");
    assert!(
        shown.contains("\\watch takes seconds, not \"soon\""),
        "{shown}"
    );
    terminal.leave();
}

#[test]
fn long_results_go_to_the_pager_as_utf_8() {
    let home = tempfile::tempdir().unwrap();
    let pager = "cat >/dev/null; echo paged as $LESSCHARSET";
    // The library's terminals have no size, and hence no pager.
    let mut command = Command::new("sh");
    let script = "stty rows 24 cols 80; exec \"$0\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_sheaf")]);
    let session = spawn_command_with(command, home.path(), &[("PAGER", pager)]);
    let mut terminal = Terminal { session, home };
    terminal.expect(PROMPT);
    let shown = terminal.enter("SELECT value FROM range(100);");
    assert!(shown.contains("paged as utf-8"), "{shown}");
    assert!(!shown.contains("bigint"), "{shown}");
    terminal.leave();
}

#[test]
fn a_terminal_that_only_prints_gets_no_escapes() {
    let home = tempfile::tempdir().unwrap();
    let long = "SELECT count(*) FROM range(10000000) a, range(10000000) b";
    // Longer than the progress bar waits.
    let arguments = ["--statement-timeout", "1s", "-c", long];
    let mut session = spawn_with(home.path(), &arguments, &[("TERM", "dumb")]);
    let shown = session.exp_eof().unwrap();
    assert!(shown.starts_with("error: "), "{shown:?}");
    assert!(!shown.contains('\x1b'), "{shown:?}");
}
