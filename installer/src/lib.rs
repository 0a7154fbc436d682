//! Makes Debian root filesystems as an ordinary user, with native tools only.
//!
//! [`cli`] reads a command line and makes [`settings`] of it; [`commands`] act by them. An installation loads
//! `archives`, carries a plan out ([`install`], [`configure`]) in a session of the crate `script-host`, and
//! writes the result ([`output`]). [`dpkg`] is the entry for a call of dpkg on a root filesystem that exists.

pub mod accounts;
mod apt_configuration;
pub mod arch_table;
mod archives;
pub mod bdebstrap;
pub mod bookkeeping;
pub mod boot;
pub mod cache;
pub mod cli;
mod command_names;
pub mod commands;
pub mod configure;
pub mod customization;
pub mod dpkg;
mod dpkg_configuration;
mod earlier_releases;
mod existing_target;
pub mod external_solver;
pub mod finished;
pub mod hooks;
pub mod input;
pub mod install;
pub mod lint;
pub mod local_packages;
pub mod merge_usr;
pub mod mirror;
pub mod multistrap;
pub mod native_root_source;
mod native_scripts;
pub mod output;
pub mod package_lock;
mod path_filters;
pub mod preferences;
pub mod preloaded;
pub mod preseed;
pub mod provenance;
pub mod push;
pub mod recipe;
pub mod sbom;
pub mod settings;
pub mod skip;
pub mod source_packages;
pub mod staging;
pub mod statistics;
mod sys;
pub mod target_spec;
mod tool_archives;
pub mod whole_file;
