//! What scripts may say to the control socket, and what the shim reads.

use shim_protocol::{Description, Reply, Request, Strings};

use super::{Spec, Target, nothing, outcome};

pub(super) const SHIM: Spec = Spec {
    name: "shim",
    what: "requests and replies of the shim's protocol, decoded, encoded and decoded again",
    open: |_| Box::new(Protocol),
    seeds: || {
        let requests: [&[u8]; 14] = [
            b"c/usr/bin/grep\0",
            b"j/usr/bin/gcc\0-o\0x\0",
            b"e/usr/bin/gcc\0",
            b"f/usr/bin/p\0no reason\0",
            b"l/\0-r\0/x\0",
            b"o/\0LD_TRACE_LOADED_OBJECTS=1\0\0/usr/bin/p\0--list\0",
            b"vwrite\0sed\0/etc/x\x001\x0042\0",
            b"w/a\x000\x00-\x000\0",
            b"r/a\0/b\x001\x000\0",
            b"n/a\0b\x001\x002\x00384\0",
            b"x/a\0value",
            b"+/x",
            b"=\x01\0\0\0\x03outmessages",
            b"-no",
        ];
        requests.map(<[u8]>::to_vec).to_vec()
    },
    mend: nothing,
};

struct Protocol;

impl Target for Protocol {
    fn read(&mut self, input: &[u8]) -> String {
        let request = Request::decode(input);
        if let Ok(request) = &request {
            let mut bytes = Vec::new();
            request.encode(&mut |piece| bytes.extend_from_slice(piece));
            assert_eq!(
                Request::decode(&bytes).as_ref(),
                Ok(request),
                "a request has changed"
            );
        }
        let reply = Reply::decode(input);
        if let Ok(reply) = &reply {
            let mut bytes = Vec::new();
            reply.encode(&mut |piece| bytes.extend_from_slice(piece));
            assert_eq!(Reply::decode(&bytes).as_ref(), Ok(reply), "a reply has changed");
        }
        let description = Description::decode(input);
        let mut bytes = Vec::new();
        description.encode(&mut |piece| bytes.extend_from_slice(piece));
        let strings = Strings::new(input).map_or(0, |strings| strings.iter().count());
        let kind = input.first().copied().map_or('-', char::from).escape_default();
        format!(
            "{kind} {} {} {strings}",
            outcome(request, |_| 1),
            outcome(reply, |_| 1)
        )
    }
}
