//! What root filesystems take: this program beside others, and the least that there is to do.

pub mod floor;
pub mod peers;
pub mod scale;
pub mod usage;
