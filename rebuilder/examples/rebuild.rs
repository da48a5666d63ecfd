//! try
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::print_stderr, reason = "a driver")]
use reattest_rebuilder::fetch::Endpoints;
use reattest_rebuilder::*;
fn main() {
    let cache = std::path::PathBuf::from(std::env::var("RB_CACHE").unwrap());
    let t = std::time::Instant::now();
    let mut mirror = match std::env::var("RB_ROOT") {
        Ok(r) => Mirror::new(&Endpoints::given([r]), &cache),
        _ => Mirror::new(&Endpoints::of_apt(std::path::Path::new("/etc/apt")).unwrap(), &cache),
    }
    .unwrap();
    for a in std::env::args().skip(1) {
        let r: Reference = match a.parse() {
            Ok(r) => r,
            Err(e) => {
                println!("{e}");
                continue;
            }
        };
        let ws = Workshop::new(&cache);
        let got = rebuild(
            &r,
            &ws,
            &mut mirror,
            &mut |p| println!("{:7.2} {p:?}", t.elapsed().as_secs_f64()),
            &Cancel::new(),
        );
        match got {
            Ok(b) => {
                for o in b.outcomes() {
                    println!("=> {:?} {}", o.outcome, o.purl)
                }
                if let Ok(k) = std::env::var("RB_KEEP") {
                    for o in &b.first.outputs {
                        std::fs::copy(
                            &o.path,
                            format!("{k}/{}", o.path.file_name().unwrap().to_str().unwrap()),
                        )
                        .unwrap();
                    }
                    std::fs::copy(&b.first.log, format!("{k}/build.log")).unwrap();
                }
                println!("{:?}", b.facts);
            }
            Err(e) => println!("ERROR {e}"),
        }
        println!("{:7.2} downloaded {}", t.elapsed().as_secs_f64(), mirror.downloaded());
    }
}
