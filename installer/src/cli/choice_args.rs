//! Options for the choice of packages, by apt's names.

use clap::Args;

use super::resolve::SettingsError;
use crate::external_solver;
use crate::settings::Settings;
use apt_solve::Solver;

/// How packages are chosen.
#[derive(Args, Clone, Debug, Default)]
pub struct ChoiceArgs {
    /// Resolver of apt that decides: internal, 3.0 or a program [default: that of the suite's apt-get]
    ///
    /// Both are in apt 3; what they choose differs in few cases. Programs are those in /usr/lib/apt/solvers of this machine, as
    /// aspcud. As APT::Solver in --aptopt, which counts where this is not
    /// given.
    #[arg(long, value_name = "NAME", value_parser = external_solver::named)]
    pub solver: Option<Solver>,

    /// Suite that is preferred to others: its suite, codename or version
    ///
    /// Its versions get the priority 990 of apt_preferences(5). As APT::Default-Release in --aptopt, which counts where this
    /// is not given.
    #[arg(long, short = 't', visible_alias = "target-release", value_name = "SUITE")]
    pub default_release: Option<String>,

    /// Install recommended packages as well
    ///
    /// Of the packages that are installed after the essential ones, and theirs. As APT::Install-Recommends in --aptopt.
    #[arg(long)]
    pub install_recommends: bool,

    /// Install suggested packages as well
    ///
    /// As APT::Install-Suggests in --aptopt.
    #[arg(long)]
    pub install_suggests: bool,
}

impl ChoiceArgs {
    /// Applies the options.
    ///
    /// # Errors
    /// A release without a name.
    pub(super) fn apply(self, settings: &mut Settings) -> Result<(), SettingsError> {
        settings.solver = self.solver;
        settings.install_recommends |= self.install_recommends;
        settings.install_suggests |= self.install_suggests;
        match self.default_release.as_deref() {
            Some("") => return Err(SettingsError::NoRelease),
            Some(release) => settings.additions.preferences.prefer_release(release),
            None => {}
        }
        Ok(())
    }
}
