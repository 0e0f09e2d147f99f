//! A terminal, as a person at `docker run -it` has one.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;

use berth_tests::{terminal, wait_until_within};

use crate::engine::{Engine, PATIENCE};

/// A terminal, and what was shown on it.
pub struct Screen<'a> {
    engine: &'a Engine,
    keyboard: File,
    shown: Arc<Mutex<String>>,
    /// How much of it was looked for and found.
    seen: usize,
    child: Child,
}

impl<'a> Screen<'a> {
    /// Opens one of 80 columns, with `docker` and these words as the program that it belongs to.
    pub fn open(engine: &'a Engine, words: &[&str]) -> Self {
        let (master, slave) = terminal();
        let mut docker = engine.program("setsid");
        docker.args(["--ctty", "docker"]).args(words);
        docker.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        resize(engine, &master, 80);
        let child = docker.spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut reader, text) = (master.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The other side is closed at the end, which is an error.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { engine, keyboard: master, shown, seen: 0, child }
    }

    pub fn types(&mut self, text: &[u8]) {
        self.keyboard.write_all(text).unwrap();
    }

    /// Waits until it shows this after what was seen before.
    pub fn shows(&mut self, text: &str) {
        let (shown, seen) = (Arc::clone(&self.shown), self.seen);
        let what = format!("the screen shows {text:?}");
        let found = std::panic::catch_unwind(|| {
            wait_until_within(PATIENCE, &what, || shown.lock().unwrap()[seen..].find(text))
        });
        let found = found.unwrap_or_else(|_| panic!("{what}, and not only {:?}", self.text()));
        self.seen += found + text.len();
    }

    /// All that was shown.
    pub fn text(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    pub fn resize(&self, columns: u16) {
        resize(self.engine, &self.keyboard, columns);
    }

    /// The exit code of `docker`, once it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        wait_until_within(PATIENCE, "docker has ended", || self.child.try_wait().unwrap()).code()
    }
}

/// The terminal's other end will do: TIOCSWINSZ is the same call on both (ioctl_tty(2)).
fn resize(engine: &Engine, keyboard: &File, columns: u16) {
    let mut stty = engine.case.command("stty");
    stty.args(["cols", &columns.to_string()]).stdin(keyboard.try_clone().unwrap());
    assert!(stty.status().unwrap().success());
}
