//! What root filesystems take: this program beside others, and the least that there is to do.

pub mod calls;
pub mod execution;
pub mod floor;
pub mod in_target;
pub mod peers;
pub mod run;
pub mod scale;
pub mod together;
pub mod usage;
