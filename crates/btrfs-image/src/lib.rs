//! btrfs images, written in bulk by an ordinary user: neither mounted nor with the help of mkfs.btrfs.
//!
//! All that goes into an image is known before ([`image_tree::Tree`]), so that each tree is packed from sorted items, full leaf after
//! full leaf, and every block has its address before the first is written. Content is read once, in the order of the nodes.
//!
//! An image is one device of one subvolume, with nodes of 16 KiB and sectors of 4 KiB, CRC-32C, metadata in two copies (DUP) and data in
//! one, without compression. Its features are mixed backreferences, big metadata, extended inode references, skinny metadata, no holes and
//! a valid tree of free space: Linux 5.10 and 6.18 mount it and write to it; what is older than 4.5 only reads. All items are of transaction
//! 1. Inodes have numbers from 256 on, in the order of nodes; access, change and birth have the time of the last modification.
//!
//! Source: the BTRFS documentation, "On-disk Format" and "Trees"; for what it leaves open, images of mkfs.btrfs 6.2 as
//! `btrfs inspect-internal dump-tree` shows them.

mod extents;
mod files;
mod format;
mod inode;
mod layout;
mod names;
mod plan;
mod roots;
mod sectors;
mod superblock;
mod tree;
mod write;

pub use write::write;
