//! Programs that run when an alert fires.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::{FusedFuture, FutureExt};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::error::{ActionError, last_lines, shown};
use super::firing::Firing;

/// For a program, unless its action says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How much of each output is kept: the end of it.
const OUTPUT_MAX: usize = 64 * 1024;
/// How long, once the program has ended, its output may still be on its way. A process that it left behind
/// may hold the pipe open for ever.
const DRAIN: Duration = Duration::from_millis(250);
/// How long a killed program may take to be gone.
const REAP: Duration = Duration::from_secs(1);
/// The longest value of a variable in bytes: Linux refuses 128 KiB. The whole is on stdin.
const VALUE_MAX: usize = 32 * 1024;

/// A program and its arguments, no shell. `Debug` shows the program only: arguments may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program, a path or a name to look for in `PATH`, then its arguments as they are.
    pub argv: Vec<String>,
    /// Then it is killed, and every process of its group with it.
    pub timeout: Duration,
}

impl Exec {
    /// `timeout`: default 30 s.
    pub fn new(argv: Vec<String>, timeout: Option<Duration>) -> Exec {
        Exec {
            argv,
            timeout: timeout.unwrap_or(TIMEOUT),
        }
    }

    fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// Runs it to its end. The event is one line on its stdin; `environment` and the `TICKWIRE_*` variables of
    /// the firing are all that it inherits. Its output is never ours.
    ///
    /// Dropping the future kills the program with its group. Errors: it could not start, ran too long, was
    /// ended by a signal, or said by its exit code that it failed.
    pub(super) async fn run(
        &self,
        environment: &[(OsString, OsString)],
        firing: &Firing,
    ) -> Result<(), ActionError> {
        let mut running = Running(self.spawn(environment, firing)?);
        let child = &mut running.0;
        let input = format!("{}\n", firing.json);
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ended = {
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // A program that does not read it need not: a broken pipe is no failure.
                    let _ = stdin.write_all(input.as_bytes()).await;
                }
            };
            let talk =
                async { tokio::join!(feed, drain(stdout, &mut out), drain(stderr, &mut err)) };
            let mut talk = pin!(talk.fuse());
            let ended = timeout(self.timeout, async {
                loop {
                    tokio::select! {
                        status = child.wait() => return status,
                        _ = &mut talk, if !talk.is_terminated() => {}
                    }
                }
            })
            .await;
            if ended.is_err() {
                kill_group(child);
                let _ = timeout(REAP, child.wait()).await;
            }
            if !talk.is_terminated() {
                let _ = timeout(DRAIN, talk).await;
            }
            ended
        };
        let said = last_lines(if err.iter().all(u8::is_ascii_whitespace) {
            &out
        } else {
            &err
        });
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.failed(&how(status), &said)),
            Ok(Err(error)) => Err(self.failed(&format!("cannot be waited for: {error}"), &said)),
            Err(_) => {
                let limit = crate::duration::format(self.timeout);
                let how = format!("was killed, it ran longer than {limit}");
                Err(self
                    .failed(&how, &said)
                    .hint("`timeout` in its [actions] section allows more"))
            }
        }
    }

    fn spawn(
        &self,
        environment: &[(OsString, OsString)],
        firing: &Firing,
    ) -> Result<Child, ActionError> {
        let mut command = Command::new(self.program());
        command
            .args(self.argv.iter().skip(1))
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .envs(variables(firing))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: what it starts can be killed with it, and Ctrl-C is ours alone.
            .process_group(0)
            .kill_on_drop(true);
        command
            .spawn()
            .map_err(|error| cannot_start(self.program(), &error))
    }

    fn failed(&self, how: &str, said: &str) -> ActionError {
        let program = shown(self.program());
        let said = if said.is_empty() {
            String::new()
        } else {
            format!(": {said}")
        };
        ActionError::retryable(format!("program {program} {how}{said}"))
    }
}

/// Why a program did not start.
pub(crate) fn cannot_start(program: &str, error: &io::Error) -> ActionError {
    let program = shown(program);
    let cannot = |why: &str| format!("cannot start program {program}: {why}");
    match error.kind() {
        io::ErrorKind::NotFound => ActionError::fatal(cannot("no such file")).hint(
            "write its full path (cron's PATH is short); in a script, check the program after #!",
        ),
        io::ErrorKind::PermissionDenied => {
            ActionError::fatal(cannot("permission denied")).hint("chmod +x makes it executable")
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::ArgumentListTooLong => {
            ActionError::fatal(cannot(&error.to_string()))
        }
        // Too many processes, no memory: this may pass.
        _ => ActionError::retryable(cannot(&error.to_string())),
    }
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec")
            .field("program", &self.program())
            .field("arguments", &self.argv.len().saturating_sub(1))
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// A program whose group is killed unless it was seen to end.
pub(crate) struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        kill_group(&self.0);
    }
}

/// Not after the program was waited for: its number may be another's by then.
fn kill_group(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = pid.and_then(Pid::from_raw) {
        // Fails only where nobody is left.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Reads to the end and keeps the last [`OUTPUT_MAX`] bytes.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else {
        return;
    };
    let mut chunk = [0; 8192];
    while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(OUTPUT_MAX);
        kept.drain(..surplus);
    }
}

/// How a program ended.
pub(crate) fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// What a program tells about the firing in its environment.
fn variables(firing: &Firing) -> [(&'static str, String); 8] {
    let price = firing.price.as_deref().unwrap_or_default();
    [
        ("TICKWIRE_NAME", &*firing.name),
        ("TICKWIRE_ID", &firing.id),
        ("TICKWIRE_EXCHANGE", &firing.exchange),
        ("TICKWIRE_SYMBOL", &firing.symbol),
        ("TICKWIRE_PRICE", price),
        ("TICKWIRE_CONDITION", &firing.condition),
        ("TICKWIRE_MESSAGE", &firing.message),
        ("TICKWIRE_TIMESTAMP", &firing.timestamp),
    ]
    .map(|(name, value)| {
        let end = value.floor_char_boundary(VALUE_MAX);
        (name, value[..end].replace('\0', "\u{fffd}"))
    })
}

/// The variables that programs inherit: not ours, which may hold secrets, and no proxy with a password.
pub(super) fn inherited(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    environment
        .into_iter()
        .filter(|(name, value)| {
            let name = name.to_string_lossy().to_ascii_lowercase();
            let credentials = name.ends_with("_proxy") && value.to_string_lossy().contains('@');
            !name.starts_with("tickwire_") && !credentials
        })
        .collect()
}
