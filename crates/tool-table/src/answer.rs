//! Tools that the shim does not simply execute for a target of another architecture.

/// Tool that a native counterpart would do wrong: it tells or writes what belongs to this machine, or acts on the
/// running system.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Names of programs in directories of programs, or in a library's own, separated by blanks; one that ends with
    /// `*` is the beginning of names.
    pub names: &'static str,
    /// Responder.
    pub responder: Responder,
}

/// Responder for a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responder {
    /// The shim prints this.
    Text(&'static str),
    /// uname(1): the kernel knows only the machine's own name.
    Uname,
    /// arch(1): the same as `uname -m`.
    Arch,
    /// dpkg(1): its architectures are compiled in, and where the installer does its work that is asked.
    Dpkg,
    /// apt(8) and other programs of its library: the architecture is compiled in.
    Apt,
    /// Compilers: the options that print their machine.
    Compiler,
    /// ldconfig(8): the installer, since the kind of libraries and of its cache are compiled in.
    Ldconfig,
    /// getconf(1): word size, signedness of `char` and compiler flags are compiled in.
    Getconf,
    /// localedef(1): the byte order of this machine unless it is told another.
    Localedef,
    /// depmod(8): a hash of 16-bit numbers as in memory decides an order.
    Depmod,
    /// gdk-pixbuf-query-loaders(1): it loads modules, and writes paths that are compiled in.
    PixbufLoaders,
    /// gtk-query-immodules-3.0(1), the same.
    Gtk3Modules,
    /// gtk-query-immodules-2.0(1), the same.
    Gtk2Modules,
    /// Tools that load modules and name them as they were told.
    Modules,
    /// dot(1): it lists the plug-ins of its library.
    Graphviz,
    /// fc-cache(1): names of its files have the machine's byte order and word size.
    Fontconfig,
    /// Tools that ask uname(2) for the machine.
    Machine,
    /// file(1): its compiled magic has the machine's byte order.
    Magic,
    /// make(1): `MAKE_HOST`.
    Make,
    /// bash(1): `HOSTTYPE` and `MACHTYPE`.
    Bash,
    /// perl(1): its modules and `Config`.
    Perl,
    /// python(1): its modules and `sysconfig`.
    Python,
    /// ruby(1): its modules, `RbConfig` and `RUBY_PLATFORM`.
    Ruby,
    /// lua(1): its modules.
    Lua,
    /// tclsh(1): its packages.
    Tcl,
    /// node(1): its modules and `process.arch`.
    Node,
    /// guile(1): its modules, and what they are compiled to.
    Guile,
    /// R(1): its packages' libraries, and `R.version`.
    R,
    /// ocamlc(1): what `-config` tells.
    Ocaml,
}

impl Answer {
    /// Returns whether it is for the tool of a name in which no multiarch triplet is in front.
    pub fn is_for(&self, name: &[u8]) -> bool {
        self.names.split(' ').any(|known| match known.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning.as_bytes()),
            None => name == known.as_bytes(),
        })
    }
}
