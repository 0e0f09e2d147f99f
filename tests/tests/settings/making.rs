//! Settings made at random, with what is likely to be read otherwise.

use berth_tests::{Case, Chance};

/// Names: some that others name, numbers (JavaScript puts them first), and what dotenv takes for one.
const KEYS: [&str; 14] = ["A", "B", "C", "D_1", "E", "A", "B", "C", "10", "2", "07", "a.b", "x-y", ".z"];

/// Names that JavaScript has a meaning for.
const ODD_KEYS: [&str; 3] = ["toString", "__proto__", "constructor"];

/// Parts of values.
const PARTS: [&str; 71] = [
    "a",
    "b",
    "secret",
    "0",
    "1",
    "12",
    "3.5",
    "e",
    "e5",
    "0x1F",
    "0b2",
    "-",
    "+",
    "-0",
    "Infinity",
    "NaN",
    "true",
    "FALSE",
    "false",
    ",",
    ",",
    ",,",
    "*",
    "*",
    "`",
    "`",
    "\"",
    "\"",
    "'",
    "'",
    " ",
    " ",
    "\t",
    "\u{a0}",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\u{180e}",
    "\\n",
    "\\",
    "=",
    "#",
    " #",
    "$A",
    "${B}",
    "&",
    "<",
    ">",
    "/",
    ".",
    "é",
    "😀",
    "{",
    "}",
    "}}",
    "{{A}}",
    "{{B}}",
    "{{ C }}",
    "{{{A}}}",
    "{{{ B }}}",
    "{{&C}}",
    "{{#A}}x{{.}}{{/A}}",
    "{{^B}}{{A}}{{/B}}",
    "{{#C}}{{#A}}{{B}}{{/A}}{{/C}}",
    "{{! x }}",
    "{{> p}}",
    "{{Z}}",
    "{{10}}",
    "{{.z}}",
    "{{}}",
    "{{=<% %>=}}<%A%>",
];

/// Parts that mostly end the loader, or mean something in JavaScript alone.
const BROKEN: [&str; 12] = [
    "{{",
    "{{{A}}",
    "{{#A}}",
    "{{/A}}",
    "{{^B}}",
    "{{/B}}",
    "{{=x=}}",
    "{{=<% %>=}}",
    "<%A%>",
    "{{toString}}",
    "{{a.b}}",
    "{{.}}",
];

/// Between lines.
const ENDS: [&str; 6] = ["\n", "\n", "\n", "\r\n", "\r", "\n\n"];

/// One folder and one environment.
#[derive(Debug)]
pub struct Made {
    #[expect(dead_code, reason = "shown when a case fails")]
    files: [(&'static str, Option<String>); 3],
    pub environment: Vec<(String, String)>,
}

pub struct Maker {
    chance: Chance,
}

impl Maker {
    pub fn new() -> Self {
        Self { chance: Chance::new() }
    }

    pub fn seed(&self) -> u64 {
        self.chance.seed()
    }

    /// Makes a case, and its files in the test's folder.
    pub fn case(&mut self, case: &Case) -> Made {
        let defaults = self.file();
        let own = self.file();
        let schema = (self.chance.below(4) == 0).then(|| format!("{}=\n", self.key()));
        let files = [(".env.defaults", defaults), (".env", own), (".env.schema", schema)];
        for (name, bytes) in &files {
            match bytes {
                Some(text) => drop(case.write(name, text)),
                None => drop(fs_err::remove_file(case.path(name))),
            }
        }
        let mut environment: Vec<(String, String)> = Vec::new();
        for _ in 0..self.chance.below(3) {
            let (key, value) = (self.key(), self.value());
            if !environment.iter().any(|(other, _)| *other == key) {
                environment.push((key, value));
            }
        }
        Made { files, environment }
    }

    /// A text that somebody might take for a secret.
    pub fn secret(&mut self) -> String {
        let letters = ["f", "abc", "Z9", "7", "42", "e"];
        loop {
            let plain = self.chance.below(2) == 0;
            let parts = 1 + self.chance.below(4);
            let secret: String = (0..parts)
                .map(|_| if plain { self.chance.one_of(&letters) } else { self.chance.one_of(&PARTS) })
                .collect();
            // Refused for another reason: it is in print.
            if secret != "secret" {
                return secret;
            }
        }
    }

    fn file(&mut self) -> Option<String> {
        if self.chance.below(8) == 0 {
            return None;
        }
        let lines = self.chance.below(6);
        Some((0..lines).map(|_| self.line()).collect())
    }

    fn line(&mut self) -> String {
        let end = self.chance.one_of(&ENDS);
        match self.chance.below(12) {
            0 => format!("{}{end}", self.value()),
            1 => format!("# {}{end}", self.value()),
            2 => format!(" {} = {} {end}", self.key(), self.value()),
            3 => format!("{}=\"{}\"{end}", self.key(), self.value()),
            4 => format!("{}='{}'{end}", self.key(), self.value()),
            _ => format!("{}={}{end}", self.key(), self.value()),
        }
    }

    fn key(&mut self) -> String {
        let odd = self.chance.below(60) == 0;
        if odd { self.chance.one_of(&ODD_KEYS) } else { self.chance.one_of(&KEYS) }.to_owned()
    }

    fn value(&mut self) -> String {
        let parts = self.chance.below(5);
        (0..parts).map(|_| self.part()).collect()
    }

    fn part(&mut self) -> &'static str {
        let broken = self.chance.below(25) == 0;
        if broken { self.chance.one_of(&BROKEN) } else { self.chance.one_of(&PARTS) }
    }
}
