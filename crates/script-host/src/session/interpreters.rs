//! Scripts that native interpreters read before all others, since what they say of their machine is compiled into them.

use deb_arch::Architecture;
use shim_protocol::paths;

/// Returns ruby's: `RUBY_PLATFORM`, `RUBY_DESCRIPTION`, and a `$LOAD_PATH` without this machine's directories.
pub(super) fn ruby(target: &Architecture) -> String {
    let (native, target) = (Architecture::native().triplet, target.triplet);
    format!(
        "[:RUBY_PLATFORM, :RUBY_DESCRIPTION].each do |name|\n  \
           value = Object.send(:remove_const, name).sub(\"{native}\", \"{target}\").freeze\n  \
           Object.const_set(name, value)\n\
         end\n\
         $LOAD_PATH.reject! {{ |place| place.to_s.split(\"/\").include?(\"{native}\") }}\n\
         $LOAD_PATH.uniq!\n"
    )
}

/// Returns node's: `process.arch`, `process.config`, and the path of the program as the target has it.
pub(super) fn node(target: &Architecture) -> String {
    let (name, sysroot) = (target.node_name(), paths::SYSROOT);
    format!(
        "'use strict';\n\
         const change = (name, value) => Object.defineProperty(process, name,\n  \
           {{ value, configurable: true, enumerable: true, writable: true }});\n\
         const program = process.execPath;\n\
         if (program.startsWith('{sysroot}/')) {{\n  \
           change('execPath', program.slice('{sysroot}'.length));\n  \
           if (process.argv[0] === program) process.argv[0] = process.execPath;\n\
         }}\n\
         const machine = {{ host_arch: '{name}', target_arch: '{name}' }};\n\
         const variables = Object.assign({{}}, process.config.variables, machine);\n\
         change('config', Object.assign({{}}, process.config, {{ variables }}));\n\
         change('arch', '{name}');\n"
    )
}
