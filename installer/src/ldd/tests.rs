use super::*;
#[test]
#[ignore = "dev"]
fn host() {
    let target = Target::open(Path::new("/")).unwrap();
    let arch = Architecture::native();
    let strip = |text: &[u8]| String::from_utf8_lossy(text).lines().map(|l| l.split(" (0x").next().unwrap().to_owned()).collect::<Vec<_>>();
    let (mut good, mut bad) = (0, 0);
    let mut files = Vec::new();
    for dir in ["/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu/security", "/usr/lib/git-core"] {
        let Ok(list) = std::fs::read_dir(dir) else { continue };
        for e in list { files.push(e.unwrap().path()); }
    }
    for f in files {
        let Ok(data) = std::fs::File::open(&f) else { continue };
        let mut head = [0; 4];
        let mut data = data;
        if data.read_exact(&mut head).is_err() || &head != b"\x7fELF" { continue }
        let verbose = good % 3 == 0;
        let loader = "/lib64/ld-linux-x86-64.so.2";
        let v = std::process::Command::new(loader).arg("--verify").arg(&f).output().unwrap();
        let mut c = std::process::Command::new(loader);
        c.arg(&f).env("LD_TRACE_LOADED_OBJECTS", "1");
        if verbose { c.env("LD_VERBOSE", "yes"); }
        let r = c.output().unwrap();
        let ours_v = run(&target, arch, Path::new("/"), &[], OsStr::new(loader), &[OsStr::new("--verify"), f.as_os_str()]).unwrap().unwrap();
        let mut env = vec![OsStr::new("LD_TRACE_LOADED_OBJECTS=1")];
        if verbose { env.push(OsStr::new("LD_VERBOSE=yes")); }
        let ours = run(&target, arch, Path::new("/"), &env, OsStr::new(loader), &[f.as_os_str()]).unwrap().unwrap();
        let a = (v.status.code().unwrap_or(-1), r.status.code().unwrap_or(-1), strip(&r.stdout), String::from_utf8_lossy(&r.stderr).into_owned());
        let b = (ours_v.status, ours.status, strip(&ours.output), String::from_utf8_lossy(&ours.messages).into_owned());
        if a == b || (a.0 == 1 && b.0 == 1) { good += 1 } else { bad += 1; println!("{}\n real {a:?}\n ours {b:?}", f.display()); }
    }
    println!("{good} {bad}");
}
#[test]
#[ignore = "dev"]
fn tree() {
    let root = std::env::var("ROOT").unwrap();
    let target = Target::open(Path::new(&root)).unwrap();
    let arch = Architecture::by_name(&std::env::var("ARCH").unwrap()).unwrap();
    let loader = OsStr::new(arch.loader);
    for file in std::env::var("FILES").unwrap().split(' ') {
        println!("{:?}", run(&target, arch, Path::new("/"), &[], loader, &[OsStr::new("--verify"), OsStr::new(file)]));
        let ran = run(&target, arch, Path::new("/"), &[OsStr::new("LD_TRACE_LOADED_OBJECTS=1")], loader, &[OsStr::new(file)]).unwrap().unwrap();
        println!("{} {}{}", ran.status, String::from_utf8_lossy(&ran.messages), String::from_utf8_lossy(&ran.output));
    }
}
