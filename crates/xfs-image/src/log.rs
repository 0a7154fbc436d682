//! The log of a filesystem that was unmounted cleanly: one record, which says so.

use crate::format::{Record, SECTOR, UUID};

const MAGIC: u32 = 0xfeed_babe;
const VERSION: u32 = 2;
const CYCLE: u32 = 1;
/// Sequence number of the record: its cycle and block.
const LSN: u64 = (CYCLE as u64) << 32;
const NO_PREVIOUS_RECORD: u32 = u32::MAX;
const LINUX_LITTLE_ENDIAN: u32 = 1;
/// Bytes that records have at most.
const RECORD_SIZE: u32 = 32 << 10;
const FORMAT_AT: usize = 0x12c;
/// Transaction number that unmount records have.
const UNMOUNT_TRANSACTION: u32 = 0xb0c0_d0d0;
const CLIENT_LOG: u8 = 0xaa;
const FLAG_UNMOUNT: u8 = 0x20;
const UNMOUNT_LENGTH: u32 = 8;
/// Of an unmount record, in the order of the machine that writes it: little-endian, as the header says.
const UNMOUNT_MAGIC: u16 = 0x556e;

/// Returns the first bytes of the log; all others are zero.
pub(crate) fn record(uuid: &[u8; UUID]) -> Vec<u8> {
    let mut log = Record::default();
    log.u32(MAGIC).u32(CYCLE).u32(VERSION);
    log.u32(SECTOR as u32); // bytes after the header
    log.u64(LSN).u64(LSN); // of the record, of the oldest that is needed
    log.u32(0); // no checksum
    log.u32(NO_PREVIOUS_RECORD);
    log.u32(1); // operations
    log.u32(UNMOUNT_TRANSACTION); // what the cycle number replaces in the first sector after the header
    log.zeros_to(FORMAT_AT);
    log.u32(LINUX_LITTLE_ENDIAN).bytes(uuid).u32(RECORD_SIZE);
    log.zeros_to(SECTOR);
    log.u32(CYCLE).u32(UNMOUNT_LENGTH);
    log.u8(CLIENT_LOG).u8(FLAG_UNMOUNT).u16(0);
    log.bytes(&UNMOUNT_MAGIC.to_le_bytes());
    log.zeros_to(2 * SECTOR);
    log.0
}
