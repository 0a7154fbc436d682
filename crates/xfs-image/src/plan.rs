//! What of a node is where: in the inode, or in how many blocks.

use std::ops::Range;

use image_tree::{Error, Kind, Node, Tree};

use crate::attributes::{Attributes, Data, ROOM_BEFORE, spaces};
use crate::check::unfit;
use crate::directory::Layout;
use crate::fork;
use crate::format::FORKS;
use crate::output::Output;

/// What a node has besides its inode.
pub(crate) struct Body {
    /// Blocks of the data fork.
    pub(crate) runs: Vec<Range<u64>>,
    /// Layout of a directory.
    pub(crate) layout: Option<Layout>,
    /// Bytes of the data fork that are in the inode if there are no runs.
    pub(crate) local: Option<usize>,
    /// Attributes.
    pub(crate) attributes: Attributes,
}

/// Where the attributes of a node are.
pub(crate) enum AttributesIn {
    /// There are none.
    Nothing,
    /// In the inode, from this place on.
    Inode(usize),
    /// In blocks.
    Blocks,
}

impl Body {
    /// Plans a node; `wide` says whether inode numbers in it need more than 32 bits.
    pub(crate) fn of(node: &Node, wide: bool) -> Result<Self, String> {
        let attributes = Attributes::of(node)?;
        let room = if attributes.list.is_empty() {
            FORKS
        } else {
            ROOM_BEFORE
        };
        let (runs, layout, local) = match &node.kind {
            Kind::Regular { data, .. } => (fork::runs(data), None, None),
            Kind::Directory { entries } => {
                let layout = Layout::of(entries.iter().map(|(name, _)| name.as_slice()), wide, room);
                let local = match layout {
                    Layout::Short(bytes) => Some(bytes),
                    _ => None,
                };
                (layout.runs(), Some(layout), local)
            }
            Kind::Symlink(target) if target.len() <= room => (Vec::new(), None, Some(target.len())),
            Kind::Symlink(_) => (std::iter::once(0..1).collect(), None, None),
            _ => (Vec::new(), None, None),
        };
        Ok(Self {
            runs,
            layout,
            local,
            attributes,
        })
    }

    /// What the data fork needs with so many extents.
    pub(crate) fn data(&self, node: &Node, extents: usize) -> Data {
        match (&node.kind, self.local) {
            (_, Some(bytes)) => Data::Local(bytes),
            (Kind::Regular { .. } | Kind::Directory { .. } | Kind::Symlink(_), None) => {
                Data::Extents(fork::list_size(extents))
            }
            _ => Data::Device,
        }
    }

    /// Where the attributes are.
    pub(crate) fn attributes_in(&self, data: Data) -> AttributesIn {
        if self.attributes.list.is_empty() {
            return AttributesIn::Nothing;
        }
        match self.attributes.short_place(data) {
            Some(place) => AttributesIn::Inode(place),
            None => AttributesIn::Blocks,
        }
    }

    /// Number of blocks of the data fork.
    pub(crate) fn data_blocks(&self) -> u64 {
        self.runs
            .iter()
            .fold(0, |sum: u64, run| sum.saturating_add(run.end - run.start))
    }

    /// Number of all blocks if runs are not divided.
    fn blocks(&self, node: &Node) -> u64 {
        let extents = fork::count(&self.runs);
        let data = self.data(node, extents);
        let (place, attributes) = match self.attributes_in(data) {
            AttributesIn::Nothing => (0, 0),
            AttributesIn::Inode(place) => (place, 0),
            AttributesIn::Blocks => (
                data.place_before(fork::list_size(1)),
                self.attributes.leaves().blocks(),
            ),
        };
        let tree = match data {
            Data::Extents(_) => fork::tree_blocks(extents, spaces(place).0),
            _ => 0,
        };
        self.data_blocks().saturating_add(attributes + tree)
    }
}

/// What a tree needs.
pub(crate) struct Needs {
    /// Blocks besides those of inodes.
    pub(crate) blocks: u64,
    /// Whether there are attributes.
    pub(crate) attributes: bool,
}

/// Reckons what a tree needs, if its directories have inode numbers that are `wide` or not.
pub(crate) fn needs(tree: &Tree, wide: bool, output: &mut Output) -> Result<Needs, Error> {
    let mut needs = Needs {
        blocks: 0,
        attributes: false,
    };
    for (id, node) in tree.nodes.iter().enumerate() {
        let body = Body::of(node, wide).map_err(|why| unfit(tree, id, why))?;
        needs.blocks = needs.blocks.saturating_add(body.blocks(node));
        needs.attributes |= !body.attributes.list.is_empty();
        output.step()?;
    }
    Ok(needs)
}
