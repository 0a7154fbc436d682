//! Numbers of system calls, for each interface of the machines on which this program runs.
//!
//! Source: the kernel's `syscall.tbl` of each architecture, syscalls(2).

/// Bit in the number of a call through the x32 interface of amd64.
pub(super) const X32: u32 = 0x4000_0000;

/// An interface through which a process calls the kernel.
#[derive(Debug)]
pub(crate) struct Interface {
    /// `AUDIT_ARCH_*`, by which a filter tells interfaces apart.
    pub(super) audit: u32,
    /// Column of the table.
    column: usize,
    /// Whether `long` and pointers have 64 bits.
    pub(crate) wide: bool,
    /// Whether calls may come through x32.
    pub(super) has_x32: bool,
    /// Whether 64-bit arguments begin in a register of an even number.
    pub(crate) aligned: bool,
}

const fn interface(audit: u32, column: usize, wide: bool) -> Interface {
    Interface {
        audit,
        column,
        wide,
        has_x32: false,
        aligned: false,
    }
}

const AMD64: Interface = Interface {
    has_x32: true,
    ..interface(0xc000_003e, 0, true)
};
const I386: Interface = interface(0x4000_0003, 1, false);
const ARM64: Interface = interface(0xc000_00b7, 2, true);
const RISCV64: Interface = interface(0xc000_00f3, 2, true);
const LOONG64: Interface = interface(0xc000_0102, 2, true);
const ARM: Interface = Interface {
    aligned: true,
    ..interface(0x4000_0028, 3, false)
};
const S390X: Interface = interface(0x8000_0016, 4, true);
const PPC64EL: Interface = interface(0xc000_0015, 5, true);

/// The interfaces of this machine: a program of 32 bits may run on a kernel of 64, and the other way round.
pub(super) const INTERFACES: &[Interface] = if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
    &[AMD64, I386]
} else if cfg!(all(
    any(target_arch = "aarch64", target_arch = "arm"),
    target_endian = "little"
)) {
    &[ARM64, ARM]
} else if cfg!(target_arch = "riscv64") {
    &[RISCV64]
} else if cfg!(target_arch = "loongarch64") {
    &[LOONG64]
} else if cfg!(target_arch = "s390x") {
    &[S390X]
} else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
    &[PPC64EL]
} else {
    &[]
};

/// Returns the call of a number, and the interface through which it came.
pub(crate) fn called(audit: u32, number: i32) -> Option<(Call, &'static Interface)> {
    let interface = INTERFACES.iter().find(|one| one.audit == audit)?;
    let number = number.cast_unsigned();
    let number = if interface.has_x32 { number & !X32 } else { number };
    let mut calls = TABLE.iter().map(|(call, _)| *call);
    let call = calls.find(|call| interface.numbers(*call).any(|one| one == number))?;
    Some((call, interface))
}

impl Interface {
    /// Returns the numbers of a call, without the bit of x32.
    pub(super) fn numbers(&self, call: Call) -> impl Iterator<Item = u32> {
        let row = TABLE.iter().find(|(named, _)| *named == call);
        let number = row.and_then(|(_, numbers)| numbers.get(self.column)).copied();
        let other = OF_X32.iter().find(|(named, _)| self.has_x32 && *named == call);
        let other = other.map(|(_, number)| *number);
        number.filter(|number| *number != NONE).into_iter().chain(other)
    }
}

/// In the place of a number: the interface does not have the call.
const NONE: u32 = u32::MAX;

/// Calls that have a number of their own for x32.
const OF_X32: [(Call, u32); 4] = [
    (Call::Ioctl, 514),
    (Call::RtSigqueueinfo, 524),
    (Call::MovePages, 533),
    (Call::RtTgsigqueueinfo, 536),
];

macro_rules! table {
    ($($call:ident $amd64:tt $i386:tt $generic:tt $arm:tt $s390x:tt $ppc64:tt)*) => {
        /// A system call by its name. Where an interface has two of a kind that differ in the width of an argument,
        /// the older one has the width in its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the kernel's name")]
        pub(crate) enum Call { $($call),* }

        /// Columns: amd64, i386, the generic table (arm64, riscv64, loong64), arm, s390x, powerpc64.
        const TABLE: &[(Call, [u32; 6])] = &[
            $((Call::$call, [number!($amd64), number!($i386), number!($generic), number!($arm),
                number!($s390x), number!($ppc64)])),*
        ];
    };
}

macro_rules! number {
    (-) => {
        NONE
    };
    ($number:literal) => {
        $number
    };
}

table! {
    Socket             41 359 198 281 359 326
    Socketpair         53 360 199 288 360 333
    Socketcall          - 102   -   - 102 102
    IoUringSetup      425 425 425 425 425 425
    AddKey            248 286 217 309 278 269
    RequestKey        249 287 218 310 279 270
    Keyctl            250 288 219 311 280 271
    Prlimit64         302 340 261 369 334 325
    Setpriority       141  97 140  97  97  97
    IoprioSet         251 289  30 314 282 273
    SchedSetaffinity  203 241 122 241 239 222
    SchedSetscheduler 144 156 119 156 156 156
    SchedSetparam     142 154 118 154 154 154
    SchedSetattr      314 351 274 380 345 355
    MigratePages      256 294 238 400 287 258
    MovePages         279 317 239 344 310 301
    Kill               62  37 129  37  37  37
    Tkill             200 238 130 238 237 208
    Tgkill            234 270 131 268 241 250
    RtSigqueueinfo    129 178 138 178 178 177
    RtTgsigqueueinfo  297 335 240 363 330 322
    PidfdSendSignal   424 424 424 424 424 424
    Fcntl              72  55  25  55  55  55
    Fcntl64             - 221   - 221   -   -
    Ioctl              16  54  29  54  54  54
    Ipc                 - 117   -   - 117 117
    Shmget             29 395 194 307 395 395
    Shmat              30 397 196 305 397 397
    Shmctl             31 396 195 308 396 396
    Semget             64 393 190 299 393 393
    Semop              65   - 193 298   -   -
    Semctl             66 394 191 300 394 394
    Semtimedop        220   - 192 312 392 392
    SemtimedopTime64    - 420   - 420   -   -
    Msgget             68 399 186 303 399 399
    Msgsnd             69 400 189 301 400 400
    Msgrcv             70 401 188 302 401 401
    Msgctl             71 402 187 304 402 402
    MqOpen            240 277 180 274 271 262
    MqUnlink          241 278 181 275 272 263
    Chmod              90  15   -  15  15  15
    Fchmod             91  94  52  94  94  94
    Fchmodat          268 306  53 333 299 297
    Fchmodat2         452 452 452 452 452 452
    Chown              92 212   - 212 212 181
    Chown16             - 182   - 182   -   -
    Lchown             94 198   - 198 198  16
    Lchown16            -  16   -  16   -   -
    Fchown             93 207  55 207 207  95
    Fchown16            -  95   -  95   -   -
    Fchownat          260 298  54 325 291 289
    Utime             132  30   -   -  30  30
    Utimes            235 271   - 269 313 251
    Futimesat         261 299   - 326 292 290
    Utimensat         280 320  88 348 315 304
    UtimensatTime64     - 412   - 412   -   -
    Setxattr          188 226   5 226 224 209
    Lsetxattr         189 227   6 227 225 210
    Fsetxattr         190 228   7 228 226 211
    Removexattr       197 235  14 235 233 218
    Lremovexattr      198 236  15 236 234 219
    Fremovexattr      199 237  16 237 235 220
    Setxattrat        463 463 463 463 463 463
    Removexattrat     466 466 466 466 466 466
    FileSetattr       469 469 469 469 469 469
    Truncate           76  92  45  92  92  92
    Truncate64          - 193   - 193   -   -
    Uname              63 122 160 122 122 122
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        let mut compared = 0;
        for (column, header) in [(0, "unistd_64.h"), (1, "unistd_32.h")] {
            let path = format!("/usr/include/x86_64-linux-gnu/asm/{header}");
            let text = std::fs::read_to_string(path).unwrap_or_default();
            for (call, numbers) in TABLE {
                if numbers[column] == NONE {
                    continue;
                }
                let name = kernels_name(*call, column);
                let line = text.lines().find_map(|line| {
                    let mut words = line.split_whitespace().skip(1);
                    (words.next()? == format!("__NR_{name}")).then(|| words.next())?
                });
                let Some(found) = line else { continue };
                assert_eq!(found, numbers[column].to_string(), "{name}");
                compared += 1;
            }
        }
        let header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
        assert!(
            compared > 100 || !std::path::Path::new(header).exists(),
            "{compared}"
        );
    }

    fn kernels_name(call: Call, column: usize) -> String {
        let mut name = String::new();
        for letter in format!("{call:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        let wide = ["chown", "lchown", "fchown"].contains(&name.as_str());
        match name.strip_suffix("16") {
            Some(old) => old.to_owned(),
            None if wide && column == 1 => format!("{name}32"),
            None => name,
        }
    }

    #[test]
    fn the_native_numbers_are_those_of_the_c_library() {
        let numbers = |call| INTERFACES.iter().flat_map(move |one| one.numbers(call));
        for (call, number) in [
            (Call::Socket, libc::SYS_socket),
            (Call::Keyctl, libc::SYS_keyctl),
            (Call::Prlimit64, libc::SYS_prlimit64),
            (Call::SchedSetattr, libc::SYS_sched_setattr),
            (Call::Fchownat, libc::SYS_fchownat),
            (Call::Utimensat, libc::SYS_utimensat),
            (Call::Fremovexattr, libc::SYS_fremovexattr),
            (Call::MqUnlink, libc::SYS_mq_unlink),
        ] {
            let found = numbers(call).any(|one| one.to_string() == number.to_string());
            assert!(found || INTERFACES.is_empty(), "{call:?}");
        }
    }

    #[test]
    fn calls_are_found_by_their_numbers() {
        if !cfg!(target_arch = "x86_64") {
            return;
        }
        let call = |audit, number| called(audit, number).map(|(call, _)| call);
        assert_eq!(call(0xc000_003e, 41), Some(Call::Socket));
        assert_eq!(call(0xc000_003e, 0x4000_0000 | 41), Some(Call::Socket));
        assert_eq!(call(0xc000_003e, 0x4000_0000 | 514), Some(Call::Ioctl));
        assert_eq!(call(0x4000_0003, 41), None);
        assert_eq!(call(0x4000_0003, 102), Some(Call::Socketcall));
        assert_eq!(call(1, 41), None);
    }
}
