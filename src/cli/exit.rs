//! Exit codes: the table that scripts rely on.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done as asked.
    Done,
    /// A clear "no".
    No,
    /// The request is wrong.
    Usage,
    /// It cannot be known.
    Unknown,
    /// It could not be done.
    Failed,
    /// Cut short by this signal.
    Signal(u8),
}

/// For help, man page and README.
pub const TABLE: &str = "\
Exit codes:
  0    done as asked; alert: fired, true; status: healthy
  1    a clear \"no\": nothing matched; alert: false, not fired; status: degraded; test: grade too low
  2    the request is wrong: flag, expression, config, unknown symbol or provider
  3    cannot know: provider unreachable, rate-limited or blocked, no fresh data; status: no server
  4    could not do: output, disk, port, memory or action of an alert, an internal error
  129, 130, 143  cut short by SIGHUP, SIGINT, SIGTERM";

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Unknown => 3,
            Exit::Failed => 4,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
