//! What a service manager is told, by the protocol of systemd's `sd_notify`: that we are ready, reload, or stop.

use std::os::unix::net::UnixDatagram;

/// The way to whoever started us, where they want to hear something.
pub struct Service(Option<UnixDatagram>);

impl Service {
    /// By `NOTIFY_SOCKET`. A socket that cannot be reached is nobody's loss: the manager gives up on us by itself.
    pub fn from_environment() -> Self {
        let path = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty());
        Self(path.and_then(|path| connect(&path).ok()))
    }

    /// Everything works.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is read again; [`Service::ready`] follows.
    pub fn reloading(&self) {
        // The manager tells by the time which reload it is.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.0 {
            let _ = socket.send(state.as_bytes());
        }
    }
}

#[cfg(target_os = "linux")]
fn connect(path: &std::ffi::OsStr) -> std::io::Result<UnixDatagram> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::SocketAddr;

    let socket = UnixDatagram::unbound()?;
    match path.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(path)?,
    }
    Ok(socket)
}

#[cfg(not(target_os = "linux"))]
fn connect(path: &std::ffi::OsStr) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_that_we_are_ready_reload_and_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let service = Service(connect(path.as_os_str()).ok());
        service.ready("http://127.0.0.1:8000");
        service.reloading();
        service.stopping();
        let mut told = Vec::new();
        for _ in 0..3 {
            let mut text = [0; 200];
            let size = manager.recv(&mut text).unwrap();
            told.push(String::from_utf8(text[..size].to_vec()).unwrap());
        }
        assert_eq!(told[0], "READY=1\nSTATUS=http://127.0.0.1:8000");
        assert!(told[1].starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(told[2], "STOPPING=1");
    }

    #[test]
    fn without_a_manager_nothing_is_told() {
        Service(None).ready("x");
    }
}
