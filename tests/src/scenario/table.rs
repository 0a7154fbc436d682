//! The table.

use super::Scenario;
use crate::probe::Need;

const PROGRAM: &[Need] = &[Need::Program];
const CONFIGURE: &[Need] = Need::TO_CONFIGURE;
const ROOT: &[Need] = &[
    Need::Program,
    Need::Fuse,
    Need::UserNamespaces,
    Need::Newuidmap,
    Need::SubordinateIds,
    Need::Root,
];
const REAL: &[Need] = &[
    Need::Program,
    Need::Fuse,
    Need::UserNamespaces,
    Need::Newuidmap,
    Need::SubordinateIds,
    Need::Archive,
];
const NO_EMULATION: &[Need] = &[
    Need::Program,
    Need::Fuse,
    Need::UserNamespaces,
    Need::Newuidmap,
    Need::SubordinateIds,
    Need::Archive,
    Need::NoEmulation,
];
const REFERENCE: &[Need] = &[
    Need::Program,
    Need::Fuse,
    Need::UserNamespaces,
    Need::Newuidmap,
    Need::SubordinateIds,
    Need::Archive,
    Need::Mmdebstrap,
    Need::Emulation,
];

const MMDEBSTRAP: &[Need] = &[
    Need::Program,
    Need::Fuse,
    Need::UserNamespaces,
    Need::Newuidmap,
    Need::SubordinateIds,
    Need::Archive,
    Need::Mmdebstrap,
];

const fn row(name: &'static str, needs: &'static [Need], shows: &'static str) -> Scenario {
    Scenario {
        name,
        shows,
        needs,
        alone: false,
    }
}

const fn alone(name: &'static str, needs: &'static [Need], shows: &'static str) -> Scenario {
    Scenario {
        name,
        shows,
        needs,
        alone: true,
    }
}

/// Every end-to-end test, by its file in `tests/tests`, without `.rs`.
pub const SCENARIOS: &[(&str, &[Scenario])] = &[
    // The command line.
    (
        "cli",
        &[
            row(
                "help_and_version",
                PROGRAM,
                "--help and --version answer on standard output",
            ),
            row(
                "dry_run_prints_the_plan",
                PROGRAM,
                "--dry-run names every package and makes nothing",
            ),
            row(
                "unknown_options_are_refused",
                PROGRAM,
                "a wrong command line is exit status 2 and one error",
            ),
            row(
                "mirrors_of_every_form",
                PROGRAM,
                "URL, file URL, one-line source, .list and .sources file",
            ),
        ],
    ),
    // Variants and architectures, on a synthetic archive.
    (
        "variants",
        &[
            row(
                "every_name_of_a_variant",
                PROGRAM,
                "the packages of each variant, under all its names",
            ),
            row(
                "custom_installs_what_is_named",
                CONFIGURE,
                "an essential set that is named package by package",
            ),
            row(
                "extract_leaves_no_database",
                CONFIGURE,
                "files only, with conffiles in place, and with no package at all",
            ),
            row(
                "foreign_architectures",
                CONFIGURE,
                "this machine's packages in a foreign target, and native tools beside them",
            ),
        ],
    ),
    // What a maintainer script sees and does, on a synthetic archive.
    (
        "scripts",
        &[
            row(
                "facts_are_recorded",
                CONFIGURE,
                "owners, modes, devices, links as scripts set them, in the tar",
            ),
            row(
                "a_script_has_one_processor_and_a_long_one_all",
                CONFIGURE,
                "affinity at the begin and after two seconds",
            ),
            row(
                "the_target_architecture_is_answered",
                CONFIGURE,
                "dpkg --print-architecture, uname -m",
            ),
            row(
                "arguments_and_environment",
                CONFIGURE,
                "dpkg's arguments and variables for each script",
            ),
            row(
                "triggers_run",
                CONFIGURE,
                "explicit and file triggers are processed",
            ),
            row(
                "conffiles_are_installed",
                CONFIGURE,
                "conffiles are in place and in the status file",
            ),
            row(
                "the_user_is_out_of_reach",
                CONFIGURE,
                "no network, no home directory, no host files",
            ),
            row("every_compression", CONFIGURE, "gz, xz, zstd and plain members"),
        ],
    ),
    // /usr merged by packages, by a script, by the program, or not at all.
    (
        "merged_usr",
        &[
            row(
                "a_script_merges",
                CONFIGURE,
                "auto: a package moves /bin, /sbin and /lib while its script runs",
            ),
            row(
                "links_before_unpacking",
                CONFIGURE,
                "yes: everything is unpacked through links, without usrmerge",
            ),
            row(
                "left_unmerged",
                CONFIGURE,
                "no: scripts work where /bin and /lib are directories",
            ),
            row(
                "clashes_are_named",
                CONFIGURE,
                "what cannot be merged, and what cannot be left unmerged, is an error with the path",
            ),
        ],
    ),
    // What the documents say of the view and of executions.
    (
        "semantics",
        &[
            row(
                "hard_links_to_links_stay_one",
                CONFIGURE,
                "the hard link to a symbolic link that is given away",
            ),
            row(
                "times_and_space_are_the_disks",
                CONFIGURE,
                "access and change times and free space",
            ),
            row(
                "phantoms_are_there",
                CONFIGURE,
                "policy-rc.d; native libraries, the target's own first",
            ),
            row(
                "removing_a_phantom",
                CONFIGURE,
                "rm of a path that is only in the view",
            ),
            row(
                "libraries_are_listed_for_the_target",
                CONFIGURE,
                "the target's dynamic loader as ldd calls it, and as a user does",
            ),
            row(
                "names_of_redirected_programs",
                CONFIGURE,
                "argv[0], /proc/self/exe, perl's $^X",
            ),
            row(
                "programs_are_added_on_demand",
                CONFIGURE,
                "a package and what it depends on join the native sysroot",
            ),
            row(
                "programs_without_a_counterpart",
                CONFIGURE,
                "refused by name, with package and version",
            ),
            row(
                "programs_by_other_names",
                CONFIGURE,
                "diverted, copied and moved programs run what their packages have",
            ),
            row("this_machine_as_native_sysroot", CONFIGURE, "--native-sysroot=/"),
            row("the_native_sysroot_is_read_only", CONFIGURE, "EROFS for scripts"),
            row(
                "capabilities",
                CONFIGURE,
                "those kept and dropped; mount(2) is refused",
            ),
            row(
                "the_environment_is_made_from_nothing",
                CONFIGURE,
                "every variable, and an empty standard input",
            ),
            row(
                "the_loopback_interface_is_up",
                CONFIGURE,
                "a way to 127.0.0.1 and none to others",
            ),
            row(
                "devices_and_proc_of_its_own",
                CONFIGURE,
                "/dev, /proc and /sys as a script sees them, and the result",
            ),
            row(
                "processes_left_behind_end",
                CONFIGURE,
                "a process in the background ends with the view",
            ),
            row(
                "sockets_have_no_place_in_an_archive",
                CONFIGURE,
                "left out with a warning, kept in a directory",
            ),
        ],
    ),
    // What the documents say of dpkg's database and dpkg's ways.
    (
        "dpkg",
        &[
            row(
                "packages_are_installed_in_place",
                CONFIGURE,
                "dpkg --install, what it says, and its status descriptor",
            ),
            row(
                "unpacked_first_and_configured_later",
                CONFIGURE,
                "dpkg --unpack and --configure with triggers, as apt calls them",
            ),
            row(
                "an_upgrade_with_conffiles",
                CONFIGURE,
                "scripts, old files and conffiles of an upgrade",
            ),
            row(
                "a_failure_is_mended_by_another_call",
                CONFIGURE,
                "half-configured after a failure, then dpkg --configure -a",
            ),
            row(
                "what_cannot_be_unpacked_leaves_nothing",
                CONFIGURE,
                "a path of another package, a damaged archive, another architecture",
            ),
            row(
                "packages_are_removed_and_purged",
                CONFIGURE,
                "dpkg --remove and --purge",
            ),
            row(
                "questions_are_answered",
                CONFIGURE,
                "architectures, selections, lists and wrong command lines",
            ),
        ],
    ),
    // dpkg's command line with scripts outside of the target.
    (
        "dpkg_chrootless",
        &[
            row(
                "scripts_see_dpkg_root",
                CONFIGURE,
                "dpkg --force-script-chrootless: variables, owners, nothing written elsewhere",
            ),
            row(
                "failures_leave_the_states_of_dpkg",
                CONFIGURE,
                "not-installed and half-configured after failures, then dpkg --configure -a",
            ),
            row(
                "the_same_as_in_the_view",
                CONFIGURE,
                "the same files and database with --force-script-chrootless as without",
            ),
            row(
                "into_a_directory_without_a_package",
                CONFIGURE,
                "an empty directory, and directories of an ordinary user's tar",
            ),
            row(
                "on_a_machine_without_namespaces",
                ROOT,
                "dpkg --force-script-chrootless without user namespaces and FUSE: owners are recorded",
            ),
        ],
    ),
    // dpkg's command line in the place of dpkg, on the real archive.
    (
        "in_place_of_dpkg",
        &[
            row(
                "a_script_of_dpkg_calls",
                REAL,
                "dpkg --unpack and --configure -a over the essential packages in an empty directory",
            ),
            row(
                "mmdebstrap_in_mode_chrootless",
                MMDEBSTRAP,
                "mmdebstrap as an ordinary user without fakeroot, with this program as dpkg",
            ),
        ],
    ),
    (
        "database",
        &[
            row("scripts_find_their_own_state", CONFIGURE, "dpkg-query in scripts"),
            row("a_failed_preinst_is_undone", CONFIGURE, "postrm abort-install"),
            row(
                "endless_triggers_are_named",
                CONFIGURE,
                "triggers in a circle are an error, a long chain is none",
            ),
            row(
                "redirections_hold_for_the_next_package",
                CONFIGURE,
                "diversions and statoverrides that scripts register",
            ),
            row(
                "preinst_scripts_run_first",
                CONFIGURE,
                "all preinst scripts of a call, then its packages",
            ),
        ],
    ),
    // Programs that cannot be run here.
    (
        "unrunnable",
        &[
            row(
                "an_attempt_that_is_ignored_fails_the_run",
                CONFIGURE,
                "package, script, program, reason and option are named",
            ),
            row(
                "what_is_deferred_waits_for_dpkg",
                CONFIGURE,
                "states, conffiles, dependents and the closing words",
            ),
            row(
                "deferred_triggers_stay_pending",
                CONFIGURE,
                "triggers-pending, triggers-awaited, and who depends on those",
            ),
            row(
                "programs_that_would_be_wrong",
                CONFIGURE,
                "a native program that would write for the wrong machine",
            ),
            row(
                "what_is_known_before_stays_unpacked",
                CONFIGURE,
                "the script is not begun where the table knows",
            ),
            row(
                "databases_are_converted",
                CONFIGURE,
                "gdbm files, and those that cannot be",
            ),
        ],
    ),
    // Scripts outside of the target, with DPKG_ROOT.
    (
        "chrootless",
        &[
            row(
                "scripts_see_the_root_that_dpkg_names",
                CONFIGURE,
                "environment, arguments and working directory of a script outside of its root",
            ),
            row(
                "facts_are_recorded_and_the_rest_is_nobodys",
                CONFIGURE,
                "owners, modes, devices, capabilities below DPKG_ROOT; no trace of what is written elsewhere",
            ),
            row(
                "calls_outside_act_on_the_root",
                CONFIGURE,
                "tools with paths outside, questions about the target, chroot, ldconfig",
            ),
            row(
                "programs_of_the_target_run_natively",
                CONFIGURE,
                "$DPKG_ROOT/usr/bin/TOOL, and what it says of the machine",
            ),
            row(
                "the_same_bytes_as_redirected",
                CONFIGURE,
                "scripts that keep to DPKG_ROOT make the same tar in both modes",
            ),
            row(
                "native_roots_that_are_none",
                CONFIGURE,
                "--native-sysroot with this machine, and with a directory that is no system",
            ),
        ],
    ),
    // The same on a machine without user namespaces.
    (
        "without_namespaces",
        &[
            row(
                "auto_does_without_and_says_so",
                ROOT,
                "warnings, and what scripts set, in the tar; --mode=redirect is refused",
            ),
            row(
                "without_fuse_too",
                ROOT,
                "what chown, chmod, mknod and setcap set is recorded all the same",
            ),
            row(
                "without_subordinate_ids",
                ROOT,
                "a user to whom /etc/subuid gives nothing",
            ),
            row(
                "the_machine_is_out_of_reach",
                ROOT,
                "no writing elsewhere, no home, no other processes, no network",
            ),
            row(
                "processes_left_behind_end",
                ROOT,
                "one in a session of its own, after a script and at the time limit",
            ),
            row(
                "interrupted_scripts_end",
                ROOT,
                "SIGINT: no process, no mount, nothing half-made",
            ),
            row(
                "killed_runs_are_cleared_away",
                ROOT,
                "SIGKILL: the script ends, and the next run removes the mount",
            ),
        ],
    ),
    // Downloads.
    (
        "download",
        &[
            row(
                "a_broken_connection_is_resumed",
                CONFIGURE,
                "resume, retry, and mirrors without ranges",
            ),
            row(
                "the_cache_is_used",
                CONFIGURE,
                "a second run downloads no package again",
            ),
            row(
                "a_repeated_run_asks_once_for_each_index",
                CONFIGURE,
                "with nothing new, one conditional request for each InRelease and nothing else",
            ),
            row(
                "parallel_runs_share_a_cache",
                CONFIGURE,
                "two runs at once with one cache",
            ),
        ],
    ),
    // Errors: one clear message, and nothing half-made.
    (
        "errors",
        &[
            row("unreachable_mirror", PROGRAM, "unreachable mirror"),
            row("unknown_suite", PROGRAM, "unknown suite"),
            row(
                "unknown_architecture",
                PROGRAM,
                "unknown architecture, and one the archive has not",
            ),
            row("unknown_variant", PROGRAM, "unknown variant"),
            row("unknown_package", PROGRAM, "unknown package"),
            row(
                "unsatisfiable_requests",
                PROGRAM,
                "conflicts, missing dependencies",
            ),
            row(
                "bad_signatures",
                PROGRAM,
                "missing, wrong, expired, altered, out of date",
            ),
            row("damaged_index", PROGRAM, "truncated and altered index"),
            row("damaged_package", PROGRAM, "truncated, altered and missing .deb"),
            row("hostile_names", CONFIGURE, "../ and absolute member names"),
            row(
                "hostile_links",
                CONFIGURE,
                "writing through a link to a place outside",
            ),
            row("endless_package", CONFIGURE, "a .deb that expands without end"),
            row(
                "wrong_control",
                CONFIGURE,
                "a .deb that is not the package the index names",
            ),
            row(
                "occupied_targets",
                PROGRAM,
                "target not empty, not a directory, no parent",
            ),
            row(
                "failing_script",
                CONFIGURE,
                "a failing script: package, script, status, last lines",
            ),
            row("hanging_script", CONFIGURE, "a hanging script is stopped"),
            row("no_space_left", ROOT, "a full target and a full cache"),
            row("no_fuse", ROOT, "no /dev/fuse, and one for root only"),
            row("no_newuidmap", ROOT, "uidmap is not installed"),
            row("no_subordinate_ids", ROOT, "no range in /etc/subuid"),
            row("no_user_namespaces", ROOT, "user namespaces are switched off"),
            row("no_user_attributes", ROOT, "a filesystem without user attributes"),
        ],
    ),
    // Signals, each followed by a run that succeeds.
    (
        "interrupt",
        &[
            row("interrupted_download", CONFIGURE, "SIGINT during download"),
            row("interrupted_unpacking", CONFIGURE, "SIGINT during unpacking"),
            row(
                "interrupted_script",
                CONFIGURE,
                "SIGINT during a maintainer script",
            ),
            row("killed_download", CONFIGURE, "SIGKILL during download"),
            row("killed_unpacking", CONFIGURE, "SIGKILL during unpacking"),
            row("killed_script", CONFIGURE, "SIGKILL during a maintainer script"),
        ],
    ),
    // The same bytes twice.
    (
        "determinism",
        &[
            row(
                "tars_are_the_same_bytes",
                CONFIGURE,
                "two runs, all compressions, and standard output",
            ),
            alone(
                "real_tars_are_the_same_bytes",
                REAL,
                "the same with the real archive",
            ),
        ],
    ),
    // Tools that depend on the machine.
    (
        "tools",
        &[
            row(
                "the_machine_is_the_targets",
                CONFIGURE,
                "uname(2) and getconf give the target's machine",
            ),
            row(
                "modules_of_the_target_are_loaded_natively",
                CONFIGURE,
                "a module of the target is its native counterpart, added on demand",
            ),
            row(
                "programs_have_their_own_libraries",
                CONFIGURE,
                "native programs load private libraries, alternatives and plug-ins of their own kind",
            ),
            row(
                "lists_of_modules_have_the_targets_paths",
                CONFIGURE,
                "caches are written where and as the target's tool would",
            ),
            row(
                "answers_for_debconf",
                CONFIGURE,
                "--debconf-selections, in order, before the packages that ask",
            ),
            row(
                "answers_that_make_no_sense",
                &[Need::Program],
                "each an error with file and line, or what is missing",
            ),
        ],
    ),
    // What scripts do outside of DPKG_ROOT.
    (
        "lint",
        &[
            row(
                "each_violation_is_told_with_its_line",
                CONFIGURE,
                "as text and as JSON; nothing of it happens to this machine",
            ),
            row(
                "a_clean_script_has_no_finding",
                CONFIGURE,
                "the root in front of every path, and snippets that packages have",
            ),
            row(
                "a_script_that_fails_is_a_finding",
                CONFIGURE,
                "and other packages are looked at all the same",
            ),
            row(
                "a_package_of_ones_own",
                CONFIGURE,
                "a file is a package to look at",
            ),
            row(
                "what_makes_no_sense_to_lint",
                &[Need::Program],
                "exit status 2, and one error",
            ),
        ],
    ),
    // The real archive, into a directory.
    (
        "real_archive",
        &[
            alone(
                "riscv64_minbase",
                REAL,
                "complete, audited, owned by the user, removable",
            ),
            alone("arm64_minbase", REAL, "the same for arm64"),
            alone(
                "native_minbase",
                REAL,
                "the same for this machine's own architecture",
            ),
            alone("riscv64_essential", REAL, "variant essential"),
            alone("riscv64_apt", REAL, "variant apt"),
            alone("riscv64_buildd", REAL, "variant buildd"),
            alone(
                "riscv64_essential_chrootless",
                REAL,
                "the same bytes with --mode=chrootless as with --mode=redirect",
            ),
            alone("riscv64_extract", REAL, "variant extract"),
            alone(
                "root_is_told",
                REAL,
                "root gets the unprivileged code path, and is told so",
            ),
        ],
    ),
    // No emulation.
    (
        "witness",
        &[alone(
            "no_target_program_is_executed",
            NO_EMULATION,
            "works where executing one is impossible",
        )],
    ),
    // The same as mmdebstrap with emulation makes, entry by entry.
    (
        "fidelity",
        &[alone(
            "cases_of_continuous_integration",
            REFERENCE,
            "variants, architectures and sets of packages of tests/cases",
        )],
    ),
];
