//! Sessions at a terminal as documents show them: commands behind `$`, and what each prints.

use std::sync::LazyLock;

use regex::Regex;

/// The words that begin a block of a session.
const FENCE: &str = "```console";

/// A command and what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line of the document, from 1.
    pub line: usize,
    /// What stands behind `$ `; a line that ends with a backslash goes on.
    pub command: String,
    /// What the command prints, each line with its end.
    pub output: String,
}

/// The steps of all sessions in a Markdown document, in order.
///
/// # Errors
///
/// The number of a line that stands before the first command of its session.
pub fn steps(markdown: &str) -> Result<Vec<Step>, usize> {
    let mut steps: Vec<Step> = vec![];
    // Whether a session is open, and whether it has a command yet.
    let (mut open, mut begun) = (false, false);
    for (number, line) in (1..).zip(markdown.lines()) {
        if !open {
            open = line == FENCE;
            begun = false;
        } else if line == "```" {
            open = false;
        } else if let Some(command) = line.strip_prefix("$ ") {
            begun = true;
            steps.push(Step { line: number, command: command.to_owned(), output: String::new() });
        } else {
            let step = steps.last_mut().filter(|_| begun).ok_or(number)?;
            step.go_on(line);
        }
    }
    Ok(steps)
}

impl Step {
    fn go_on(&mut self, line: &str) {
        let text = if self.output.is_empty() && self.command.ends_with('\\') {
            self.command.push('\n');
            &mut self.command
        } else {
            self.output.push_str(line);
            self.output.push('\n');
            return;
        };
        text.push_str(line);
    }
}

/// What differs from run to run, and what it becomes: times, ages, ports, uids and the names of the operator's Pods, and
/// the columns that an age moves.
// The patterns are constants: they compile.
#[allow(clippy::unwrap_used)]
static VARIABLE: LazyLock<[(Regex, &str); 7]> = LazyLock::new(|| {
    [
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[ +-][0-9:]+)?", "TIME"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"[A-Z][a-z]{2} [A-Z][a-z]{2} +[0-9]+ [0-9:]{8} [0-9]{4}", "TIME"),
        (r"gatewright-[0-9a-f]{6,10}-[0-9a-z]{5}", "POD"),
        (r"(127\.0\.0\.1|localhost):[0-9]+", "ADDRESS"),
        (r"(?m) +([0-9]+[smhd])+$", " AGE"),
        (r"(?m) +AGE *$", " AGE"),
    ]
    .map(|(pattern, replacement)| (Regex::new(pattern).unwrap(), replacement))
});

/// A text without the lines that the library of kubectl and helm logs when it pleases, such as
/// `E1130 12:36:31.060190   10150 request.go:1198] "Unexpected error …"`.
#[must_use]
pub fn without_client_logs(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !is_client_log(line)).collect()
}

fn is_client_log(line: &str) -> bool {
    let Some((head, _)) = line.split_once("] ") else { return false };
    let mut words = head.split_whitespace();
    let (level, time, _, place) = (words.next(), words.next(), words.next(), words.next());
    let is_level = level.is_some_and(|level| {
        level.len() == 5
            && level.starts_with(['E', 'W', 'I'])
            && level[1..].bytes().all(|byte| byte.is_ascii_digit())
    });
    is_level
        && time.is_some_and(|time| time.contains('.'))
        && place.is_some_and(|place| place.contains(".go:"))
}

/// A text without what differs from run to run.
#[must_use]
pub fn normal(text: &str) -> String {
    let replace = |text: String, (pattern, replacement): &(Regex, &str)| {
        pattern.replace_all(&text, *replacement).into_owned()
    };
    let lines: Vec<_> = VARIABLE
        .iter()
        .fold(text.to_owned(), replace)
        .lines()
        .map(str::trim_end)
        .map(str::to_owned)
        .collect();
    lines.join("\n")
}

/// The document with these outputs in place of its own, one for each step.
#[must_use]
pub fn rewritten(markdown: &str, outputs: &[String]) -> String {
    let Ok(steps) = steps(markdown) else { return markdown.to_owned() };
    let mut lines: Vec<_> = markdown.lines().map(str::to_owned).collect();
    for (step, output) in steps.iter().zip(outputs).rev() {
        // Behind the command, which may have several lines.
        let begin = step.line - 1 + step.command.lines().count();
        let end = begin + step.output.lines().count();
        lines.splice(begin..end, output.lines().map(str::to_owned));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
# Title

```console
$ helm install x \\
    --wait
NAME: x
$ kubectl get ns
NAME   STATUS   AGE
shop   Active   12s
```

```yaml
$ not: a session
```

```console
$ true
```
";

    fn step(line: usize, command: &str, output: &str) -> Step {
        Step { line, command: command.to_owned(), output: output.to_owned() }
    }

    #[test]
    fn steps_are_commands_with_what_they_print() {
        let expected = [
            step(4, "helm install x \\\n    --wait", "NAME: x\n"),
            step(7, "kubectl get ns", "NAME   STATUS   AGE\nshop   Active   12s\n"),
            step(17, "true", ""),
        ];
        assert_eq!(steps(DOCUMENT), Ok(expected.to_vec()));
        assert_eq!(steps("```console\nhello\n```\n"), Err(2));
    }

    #[test]
    fn what_client_libraries_log_is_left_out() {
        let noise =
            "E1130 12:36:31.060190   10150 request.go:1198] \"Unexpected error\" err=\"context canceled\"\n";
        let said = "Error from server (Forbidden): no [E1130] x\nE1130 is a number] \n";
        assert_eq!(without_client_logs(&format!("{noise}{said}{noise}")), said);
    }

    #[test]
    fn ages_times_uids_and_addresses_do_not_count_and_all_else_does() {
        let same = [
            ("shop   Active   12s", "shop   Active   2m3s"),
            ("NAME   STATUS   AGE", "NAME   STATUS   AGE   "),
            ("at 2026-11-20T10:00:00Z", "at 2026-11-21T11:12:13.5Z"),
            ("LAST DEPLOYED: Mon Nov 30 08:57:21 2026", "LAST DEPLOYED: Tue Dec  1 00:00:00 2026"),
            ("https://127.0.0.1:4321/x", "https://127.0.0.1:80/x"),
            ("leader gatewright-74c47569d-pzftc", "leader gatewright-6f7dd9c4b8-x2k4z"),
            ("uid 6b4fb6f0-0000-4000-8000-00000000000a", "uid 00000000-1111-4222-8333-444444444444"),
        ];
        for (left, right) in same {
            assert_eq!(normal(left), normal(right));
        }
        for (left, right) in [("2 namespaces", "3 namespaces"), ("a\nb", "a"), ("12s later", "13s later")] {
            assert_ne!(normal(left), normal(right));
        }
    }

    #[test]
    fn a_document_gets_the_outputs_of_a_run() {
        let outputs = ["NAME: y\nmore\n".to_owned(), String::new(), "done\n".to_owned()];
        let rewritten = rewritten(DOCUMENT, &outputs);
        let found: Vec<_> = steps(&rewritten).unwrap().into_iter().map(|step| step.output).collect();
        assert_eq!(found, outputs);
        assert!(rewritten.starts_with("# Title\n") && rewritten.contains("$ not: a session"));
    }
}
