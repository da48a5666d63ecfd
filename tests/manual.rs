//! What the program says of itself: topics, completions that shells read, man pages.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use reattest_tests::{printed, run, said};

#[test]
fn every_topic_that_help_names_is_there_and_what_is_unknown_names_them() {
    let all = printed(&run(&["help"]));
    let topics = all.lines().rev().find_map(|line| line.strip_prefix("Topics: ")).unwrap();
    assert!(topics.split(", ").count() >= 5);
    for topic in topics.split(", ") {
        let text = printed(&run(&["help", topic]));
        assert!(text.lines().count() > 5, "{topic}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{topic}");
        // What a topic tells to run exists.
        for named in text.split('`').filter_map(|part| part.strip_prefix("reattest ")) {
            let words: Vec<&str> =
                named.split(' ').take_while(|word| !word.starts_with('-')).collect();
            let help = run(&[&["help"], &words[..]].concat());
            assert!(help.status.success(), "{topic} names {named:?}: {}", said(&help));
        }
    }
    assert!(printed(&run(&["help", "policy", "check"])).contains("reattest policy check"));
    let unknown = run(&["help", "polcy"]);
    let text = said(&unknown);
    assert!(!unknown.status.success() && text.contains("verdicts"), "{text}");
    let mistyped = said(&run(&["polcy", "check"]));
    assert!(mistyped.contains("policy"), "the command line suggests: {mistyped}");
}

#[test]
fn completions_are_read_by_the_shell_that_they_are_for() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = printed(&run(&["completions", shell]));
        assert!(text.contains("reattest") && text.lines().count() > 100, "{shell}");
        if shell == "bash" {
            let mut bash = Command::new("bash");
            let read = bash.arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped());
            let mut read = read.spawn().unwrap();
            read.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            let output = read.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
        }
    }
}

#[test]
fn every_command_has_a_man_page() {
    let home = tempfile::tempdir().unwrap();
    let pages = home.path().join("man1");
    let made = run(&["man", pages.to_str().unwrap()]);
    assert!(made.status.success(), "{}", said(&made));
    for page in
        ["reattest.1", "reattest-verify.1", "reattest-policy-check.1", "reattest-apt-enable.1"]
    {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains(".SH SYNOPSIS"), "{page}");
    }
}
