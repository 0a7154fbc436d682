//! Pipes in the place of files of the view.
//!
//! The installer is outside of the view's user namespace, and the kernel lets nobody there use a file that a filesystem of the
//! view has open (`allow_other` in fuse(4)). So it gets a pipe for each regular file, and what goes through it is passed on
//! here. Terminals, pipes and sockets it has itself.

use crate::sys;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

/// Most bytes that a pipe takes at once where it says that there is room (pipe(7), `PIPE_BUF`).
const CHUNK: usize = 4096;

/// The pipes of a call.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    /// What the installer writes, and the file that it is for.
    outputs: Vec<(PipeReader, RawFd)>,
    /// What the installer reads: both ends, that of this process until the end of the file, and the file.
    input: Option<(PipeReader, Option<PipeWriter>, RawFd)>,
    /// The installer's ends, until they are sent.
    unsent: Vec<PipeWriter>,
}

impl Pipes {
    /// Returns pipes for standard input, output and error and the descriptors of front ends, as far as these are regular
    /// files, and the descriptors for the installer, the dialogue's among them.
    pub(super) fn of(
        standard: [RawFd; 3],
        named: Vec<RawFd>,
        dialogue: RawFd,
    ) -> io::Result<(Self, Vec<RawFd>)> {
        let mut pipes = Self::default();
        let [input, output, error] = standard;
        let mut sent = vec![pipes.for_input(input)?];
        for file in [output, error] {
            sent.push(pipes.for_output(file)?);
        }
        sent.push(dialogue);
        for file in named {
            sent.push(pipes.for_output(file)?);
        }
        Ok((pipes, sent))
    }

    fn for_input(&mut self, file: RawFd) -> io::Result<RawFd> {
        if !is_regular(file) {
            return Ok(file);
        }
        let (reader, writer) = io::pipe()?;
        let sent = reader.as_raw_fd();
        self.input = Some((reader, Some(writer), file));
        Ok(sent)
    }

    fn for_output(&mut self, file: RawFd) -> io::Result<RawFd> {
        if !is_regular(file) {
            return Ok(file);
        }
        let (reader, writer) = io::pipe()?;
        let sent = writer.as_raw_fd();
        self.outputs.push((reader, file));
        self.unsent.push(writer);
        Ok(sent)
    }

    /// The installer has its ends.
    pub(super) fn are_sent(&mut self) {
        self.unsent.clear();
    }

    /// Passes on what comes until there is something to be read from `other`.
    pub(super) fn pass_on_until(&mut self, other: &impl AsRawFd) -> io::Result<()> {
        loop {
            let mut waiting = vec![(other.as_raw_fd(), false)];
            waiting.extend(self.outputs.iter().map(|(reader, _)| (reader.as_raw_fd(), false)));
            let writer = self.input.iter().flat_map(|(_, writer, _)| writer);
            waiting.extend(writer.map(|writer| (writer.as_raw_fd(), true)));
            let ready = sys::wait_for(&waiting, true)?;
            let is_ready = |at: usize| ready.get(at).copied().unwrap_or(false);
            let count = self.outputs.len();
            if is_ready(count + 1) {
                self.feed()?;
            }
            let mut at = 0;
            self.outputs.retain_mut(|output| {
                at += 1;
                !is_ready(at) || pass_on(output)
            });
            if is_ready(0) {
                return Ok(());
            }
        }
    }

    /// Passes on all that is there, and takes back what the installer has not read: a script reads and writes the files
    /// itself.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        loop {
            let waiting: Vec<_> = self
                .outputs
                .iter()
                .map(|(reader, _)| (reader.as_raw_fd(), false))
                .collect();
            let ready = sys::wait_for(&waiting, false)?;
            if !ready.contains(&true) {
                break;
            }
            let mut at = 0;
            self.outputs.retain_mut(|output| {
                at += 1;
                !ready.get(at - 1).copied().unwrap_or(false) || pass_on(output)
            });
        }
        if let Some((reader, _, file)) = &mut self.input {
            let mut chunk = [0; CHUNK];
            while sys::wait_for(&[(reader.as_raw_fd(), false)], false)?.contains(&true) {
                match reader.read(&mut chunk)? {
                    0 => break,
                    length => sys::step_back(*file, length),
                }
            }
        }
        Ok(())
    }

    /// Gives the installer more of the input.
    fn feed(&mut self) -> io::Result<()> {
        let Some((_, end, file)) = &mut self.input else {
            return Ok(());
        };
        let mut chunk = [0; CHUNK];
        match (sys::read(*file, &mut chunk), &mut *end) {
            (Ok(length @ 1..), Some(writer)) => writer.write_all(chunk.get(..length).unwrap_or_default())?,
            _ => *end = None,
        }
        Ok(())
    }
}

/// Passes on what is there. Returns whether there may be more.
fn pass_on((reader, file): &mut (PipeReader, RawFd)) -> bool {
    let mut chunk = [0; CHUNK];
    match reader.read(&mut chunk) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            sys::write_all(*file, chunk.get(..length).unwrap_or_default());
            true
        }
    }
}

fn is_regular(descriptor: RawFd) -> bool {
    std::fs::metadata(format!("/proc/self/fd/{descriptor}")).is_ok_and(|found| found.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;
    use std::os::unix::net::UnixStream;

    #[test]
    fn files_are_written_and_read_through_pipes() {
        let path = std::env::temp_dir().join(format!("shim-pipes-{}", std::process::id()));
        std::fs::write(&path, b"line\nrest\n").unwrap();
        let mut input = std::fs::File::open(&path).unwrap();
        let output = std::fs::File::create(path.with_extension("out")).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let standard = [input.as_raw_fd(), output.as_raw_fd(), theirs.as_raw_fd()];
        let (mut pipes, sent) = Pipes::of(standard, vec![output.as_raw_fd()], theirs.as_raw_fd()).unwrap();
        assert_eq!((sent[2], sent[3]), (theirs.as_raw_fd(), theirs.as_raw_fd()));
        assert!(sent[0] != standard[0] && sent[1] != standard[1] && sent[4] != sent[1]);
        // The installer reads a line, and writes.
        sys::write_all(sent[1], b"said");
        sys::write_all(sent[4], b"status");
        pipes.feed().unwrap();
        let mut line = [0; 5];
        assert_eq!(sys::read(sent[0], &mut line).unwrap(), 5);
        assert_eq!(&line, b"line\n");
        (&theirs).write_all(b"x").unwrap();
        pipes.pass_on_until(&ours).unwrap();
        pipes.pause().unwrap();
        assert_eq!(std::fs::read(path.with_extension("out")).unwrap(), b"saidstatus");
        assert_eq!(input.stream_position().unwrap(), 5);
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(path.with_extension("out")).unwrap();
    }
}
