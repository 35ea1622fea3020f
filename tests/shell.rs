//! The shell of `relaydrift sql` in a real terminal, which tmux gives.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::util::{empty, skip, text};

/// How long a machine with other work may take for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A terminal with the shell in it, closed on the way out.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Opens the shell; `None` where there is no tmux.
    fn open(name: &str, args: &str) -> Option<Terminal> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skip(name, "no tmux (apt-get install tmux)");
            return None;
        }
        let home = empty(&format!("shell-{name}"));
        let terminal = Terminal {
            socket: format!("relaydrift-test-{name}-{}", std::process::id()),
        };
        let program = format!(
            "env -u PAGER XDG_STATE_HOME={home} XDG_CONFIG_HOME={home} {} {args}; echo left with $?; sleep 60",
            env!("CARGO_BIN_EXE_relaydrift"),
            home = home.display(),
        );
        let folder = env!("CARGO_MANIFEST_DIR");
        let size = ["-x", "100", "-y", "30", "-c", folder];
        let output = terminal.tmux(
            &[
                &["-f", "/dev/null", "new-session", "-d"],
                &size[..],
                &[&program],
            ]
            .concat(),
        );
        assert!(output.status.success(), "{}", text(&output.stderr));
        Some(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &self.socket]).args(args);
        tmux.output().expect("tmux runs")
    }

    fn key(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types a line.
    fn line(&self, line: &str) {
        // tmux takes a last ; for its own.
        let line = match line.strip_suffix(';') {
            Some(line) => format!("{line}\\;"),
            None => line.to_owned(),
        };
        self.tmux(&["send-keys", "-l", &line]);
        self.key("Enter");
    }

    fn screen(&self) -> String {
        text(&self.tmux(&["capture-pane", "-p"]).stdout).to_owned()
    }

    /// Presses a key until the screen shows something: a shell that is busy may miss it.
    #[track_caller]
    fn press_until(&self, key: &str, wanted: &str) {
        let begun = Instant::now();
        while !self.screen().contains(wanted) {
            assert!(
                begun.elapsed() < PATIENCE,
                "no {wanted:?}:\n{}",
                self.screen()
            );
            self.key(key);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Waits until the screen shows something.
    #[track_caller]
    fn sees(&self, wanted: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(wanted) {
                return screen;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no {wanted:?}:\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn questions_commands_and_mistakes() {
    let Some(shell) = Terminal::open("questions", "sql --logs tests/fleet") else {
        return;
    };
    shell.sees("relaydrift>");
    shell.line("select server, count(*) as rows");
    shell.line("from events where server = 'EX03' group by server;");
    let screen = shell.sees("1 row, ");
    assert!(screen.contains("EX03    5469"), "{screen}");

    shell.line("select sever from events;");
    let screen = shell.sees("Did you mean");
    let caret = screen.lines().rev().find(|line| line.trim() == "^");
    assert_eq!(caret.map(|line| line.find('^')), Some(Some(9)), "{screen}");
    shell.line("drop table events;");
    shell.sees("nothing is created, changed or dropped");
    shell.line("select * from certificate_span;");
    shell.sees("there is no table or view called certificate_span");

    shell.key("C-l");
    shell.line("set relaydrift.silence_hours = 7; show relaydrift.silence_hours;");
    assert!(
        shell
            .sees("1 row, ")
            .contains("relaydrift.silence_hours  7")
    );
    shell.line("set datafusion.execution.batch_size = 1;");
    shell.sees("is not relaydrift's");

    shell.key("C-l");
    shell.line(".schema refusals");
    shell.sees("sender_domain");
    shell.line(".nothing");
    shell.sees(".nothing is no command");
    // Tab completes a view, a column of it, and a function.
    shell.tmux(&["send-keys", "-l", "select smtp_enh"]);
    shell.key("Tab");
    shell.sees("select smtp_enhanced(");
    shell.tmux(&["send-keys", "-l", "text), min(found_at) from refu"]);
    shell.key("Tab");
    shell.sees("from refusals");
    shell.key("C-c");
    shell.press_until("C-d", "left with 0");
}

#[test]
fn a_long_answer_goes_to_a_pager_and_comes_again_as_a_file() {
    if Command::new("less").arg("--version").output().is_err() {
        return skip("a_long_answer", "no less (apt-get install less)");
    }
    let Some(shell) = Terminal::open("pager", "sql --logs tests/fleet/EX01") else {
        return;
    };
    shell.sees("relaydrift>");
    shell.line("select sequence, event from events order by session_id, sequence limit 300;");
    // The pager waits below the first screen.
    shell.sees("\n:");
    shell.key("q");
    shell.sees("rows");
    let file = empty("shell-last").join("last.csv");
    shell.line(&format!(".last {}", file.display()));
    shell.sees("300 rows in ");
    let lines = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(lines.lines().count(), 301);
    shell.line(".last parquet");
    shell.sees("not for reading on a terminal");
    shell.line(".quit");
    shell.sees("left with 0");
}

#[test]
fn ctrl_c_stops_the_question_and_not_the_shell_which_remembers_it() {
    let Some(shell) = Terminal::open("interrupt", "sql --logs tests/fleet") else {
        return;
    };
    shell.sees("relaydrift>");
    shell.line("select count(*) from events a cross join events b cross join events c where a.data < b.data or b.data < c.data;");
    // The echo of the question is there before its answer is worked out.
    std::thread::sleep(Duration::from_millis(1500));
    shell.press_until("C-c", "before it was cancelled");
    shell.line("select 6 * 7 as answer;");
    shell.sees("    42");
    shell.key("C-l");
    shell.key("Up");
    shell.sees("select 6 * 7 as answer;");
    shell.key("C-c");
    shell.press_until("C-d", "left with 0");
}
