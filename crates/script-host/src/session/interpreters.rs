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

/// Returns guile's `init.scm`, which is the site's (`scm_load_startup_files` in its source): `%host-type`, directories of
/// the target, and then the site's own.
pub(super) fn guile(target: &Architecture) -> String {
    let [native, target_type] = [Architecture::native(), target].map(|arch| arch.system_type().join("-"));
    let (from, to, directory) = (
        Architecture::native().triplet,
        target.triplet,
        shim_protocol::PHANTOM_DIRECTORY,
    );
    format!(
        r#"(let* ((root (resolve-module '(guile)))
       (own "{directory}")
       (part (lambda (text from to)
               (let ((at (string-contains text from)))
                 (if at (string-replace text to at (+ at (string-length from))) text))))
       (mapped (lambda (text)
                 (if (string? text) (part (part text "{native}" "{target_type}") "{from}" "{to}") text)))
       (site-ccache (mapped (%site-ccache-dir))))
  (module-define! root '%host-type (mapped %host-type))
  (module-define! root '%guile-build-info
    (map (lambda (pair) (cons (car pair) (mapped (cdr pair)))) %guile-build-info))
  (module-define! root '%site-ccache-dir (lambda () site-ccache))
  (set! %load-path (delete own %load-path))
  (let ((site (%search-load-path "init.scm")))
    (if site (primitive-load site))))
"#
    )
}

/// R's: what `R.Version()` says is what the target's packages name in `R_PLATFORM` (`/etc/R/Renviron`). It removes all
/// trace of itself, and reads the site profile (Startup in R's manual), in whose place it is.
pub(super) const R: &str = r#"local({
  platform <- Sys.getenv("R_PLATFORM")
  parts <- strsplit(platform, "-", fixed = TRUE)[[1L]]
  if (length(parts) >= 3L) {
    values <- .Internal(Version())
    values$platform <- platform
    values$arch <- parts[[1L]]
    values$os <- paste(parts[-(1:2)], collapse = "-")
    values$system <- paste(values$arch, values$os, sep = ", ")
    set <- function(name, value) {
      unlockBinding(name, baseenv())
      assign(name, value, envir = baseenv())
      lockBinding(name, baseenv())
    }
    told <- eval(substitute(function() values, list(values = values)), baseenv())
    environment(told) <- .BaseNamespaceEnv
    set("R.Version", told)
    for (name in c("R.version", "version")) set(name, structure(values, class = "simple.list"))
  }
  Sys.unsetenv("R_PROFILE")
  site <- file.path(R.home("etc"), "Rprofile.site")
  if (file.exists(site)) sys.source(site, envir = baseenv())
})
"#;
