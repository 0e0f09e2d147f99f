//! The application's loader, as a process that is asked again and again.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use berth_tests::{Case, application, node, skip};
use serde_json::{Value, json};

/// What the loader made of a folder and an environment.
pub enum Loaded {
    /// Each key, the text of its value, and the value with its types.
    Settings(Vec<(String, String, String)>),
    Error(String),
}

pub struct Loader {
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Loader {
    /// Starts it; nothing where the application's development dependencies are not installed.
    pub fn start(case: &Case) -> Option<Self> {
        if !application().join("node_modules/@ladjs/env").exists() {
            skip("the application's loader is not installed");
            return None;
        }
        let Some(node) = node() else {
            skip("there is no Node");
            return None;
        };
        let mut command = case.command(node);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/settings/loader.cjs"));
        command.env("BERTH_TEST_APP", application());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let questions = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self { process, questions, answers })
    }

    pub fn load(&mut self, folder: &Path, environment: &[(String, String)]) -> Loaded {
        let question = json!({ "folder": folder, "environment": environment }).to_string() + "\n";
        self.questions.write_all(question.as_bytes()).unwrap();
        let answer: Value = serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap();
        if let Some(error) = answer["error"].as_str() {
            return Loaded::Error(error.to_owned());
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let settings = answer["settings"].as_array().unwrap().iter();
        Loaded::Settings(settings.map(|one| (text(&one[0]), text(&one[1]), text(&one[2]))).collect())
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
