//! States of the packages of a graph, as the database has them at the moment.

use super::deferred;
use super::queue::{Node, States};
use dpkg_db::{Database, Package, PackageKey, Status};
use script_host::unrunnable::Unrunnable;
use std::collections::HashMap;

/// The packages of a graph in the database.
pub(crate) struct CurrentStates<'d> {
    /// The database.
    pub(crate) database: &'d Database,
    /// Packages by their number in the graph. One that the database does not have counts as not installed.
    pub(crate) order: &'d [PackageKey],
    /// Numbers of the packages in `order`.
    pub(crate) numbers: &'d HashMap<&'d PackageKey, Node>,
    /// Packages that were deferred; none where no package ever is.
    pub(crate) unrunnable: Option<&'d Unrunnable>,
}

impl CurrentStates<'_> {
    fn get(&self, node: Node) -> Option<&Package> {
        self.order.get(node).and_then(|key| self.database.get(key))
    }
}

impl States for CurrentStates<'_> {
    fn status(&self, node: Node) -> Status {
        self.get(node)
            .map_or(Status::NotInstalled, |package| package.status)
    }

    fn is_pending(&self, node: Node) -> bool {
        self.get(node)
            .is_some_and(|package| !package.triggers_pending.is_empty())
    }

    fn awaits(&self, node: Node) -> Option<Node> {
        let first = self.get(node)?.triggers_awaited.first()?;
        self.numbers.get(first).copied()
    }

    fn is_deferred(&self, node: Node) -> bool {
        match (self.order.get(node), self.unrunnable) {
            (Some(key), Some(unrunnable)) => deferred::is_deferred(self.database, unrunnable, key),
            _ => false,
        }
    }
}
