//! The fenced blocks of README and the commands in them.

use crate::readme;

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    pub language: String,
    pub text: String,
    /// Whether only blank lines are between it and the block before.
    pub follows: bool,
    /// The heading above it.
    pub section: String,
}

/// All of README.
pub fn blocks() -> Vec<Block> {
    let (mut blocks, mut open, mut between) = (Vec::<Block>::new(), false, false);
    let mut section = String::new();
    for line in readme().lines() {
        match line.strip_prefix("```") {
            Some(_) if open => (open, between) = (false, true),
            Some(language) => {
                open = true;
                blocks.push(Block {
                    language: language.into(),
                    text: String::new(),
                    follows: between,
                    section: section.clone(),
                });
            }
            None if open => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {
                between &= line.is_empty();
                if line.starts_with('#') {
                    section = line.trim_start_matches('#').trim().into();
                }
            }
        }
    }
    assert!(!open, "a fenced block has no end");
    blocks
}

/// Those in one language.
pub fn blocks_of(language: &str) -> Vec<Block> {
    let is_meant = |block: &Block| block.language == language;
    blocks().into_iter().filter(is_meant).collect()
}

/// A command of an `sh` block: a line, or the whole block where a statement spans several lines.
#[derive(Debug)]
pub struct Line {
    pub text: String,
    /// From a comment like `# exit 2`; without one it is 0.
    pub exit: i32,
}

impl Line {
    /// One that ends with 0.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            exit: 0,
        }
    }
}

pub fn commands(block: &Block) -> Vec<Line> {
    if block.text.lines().any(|line| line.starts_with(' ')) {
        return vec![Line::new(block.text.trim_end())];
    }
    let lines = block.text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| match line.rsplit_once("  # exit ") {
            Some((text, code)) => Line {
                text: text.into(),
                exit: code.trim().parse().expect("`# exit N`"),
            },
            None => Line::new(line),
        })
        .collect()
}

/// What is not in single quotes.
pub fn unquoted(command: &str) -> String {
    command.split('\'').step_by(2).collect()
}
