//! Peers that begin something and do not go on: half-open connections, slow writers, slow readers.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use reattest::codec;
use reattest::protocol::{Request, protocol_name};
use reattest_tests::directory;
use reattest_tests::network::Member;
use reattest_tests::processes::wait_until;

use super::net::{Net, PATIENCE, announce};

/// Connections that are opened and never say a word.
const HALF_OPEN: usize = 64;

/// Requests that are begun at once, by each of the two slow peers.
const BEGUN: usize = 32;

/// How long a slow peer waits between two bytes.
const DRIP: Duration = Duration::from_secs(1);

/// Writes a byte a second, or reads one.
#[derive(Debug, Clone, Copy)]
enum Slow {
    Writer,
    Reader,
}

impl request_response::Codec for Slow {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = ();

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
    ) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::other("it only asks"))
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> std::io::Result<()> {
        let mut byte = [0];
        while io.read(&mut byte).await? > 0 {
            tokio::time::sleep(DRIP).await;
        }
        Ok(())
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()> {
        if matches!(self, Self::Reader) {
            return io.write_all(&bytes).await;
        }
        for byte in bytes {
            io.write_all(&[byte]).await?;
            io.flush().await?;
            tokio::time::sleep(DRIP).await;
        }
        Ok(())
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        (): (),
    ) -> std::io::Result<()> {
        Ok(())
    }
}

fn swarm(slow: Slow) -> Swarm<request_response::Behaviour<Slow>> {
    let name = StreamProtocol::try_from_owned(protocol_name(&"test".parse().unwrap())).unwrap();
    let config = request_response::Config::default()
        .with_request_timeout(Duration::from_mins(2))
        .with_max_concurrent_streams(BEGUN);
    let protocols = [(name, ProtocolSupport::Outbound)];
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| request_response::Behaviour::with_codec(slow, protocols, config))
        .unwrap()
        .build()
}

/// Begins requests until a time; how many the node ended by itself.
fn linger(at: &str, slow: Slow, request: &[u8], until: Instant) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut swarm = swarm(slow);
        swarm.dial(at.parse::<Multiaddr>().unwrap()).unwrap();
        let mut ended = 0;
        let lasting = async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                        for _ in 0..BEGUN {
                            swarm.behaviour_mut().send_request(&peer_id, request.to_vec());
                        }
                    }
                    SwarmEvent::Behaviour(request_response::Event::OutboundFailure { .. }) => {
                        ended += 1;
                    }
                    _ => {}
                }
            }
        };
        let rest = until.saturating_duration_since(Instant::now());
        let _in_time = tokio::time::timeout(rest, lasting).await;
        ended
    })
}

#[test]
fn peers_that_begin_and_do_not_go_on_hold_nobody_up() {
    let home = directory();
    let mut nodes: Vec<Member> =
        ["ash", "beech"].map(|name| Member::init(home.path(), name)).into();
    Net::trust_at(&nodes, &nodes.iter().collect::<Vec<_>>(), "");
    let at = nodes[0].start(&[]);
    let port: u16 = at.split('/').nth(4).unwrap().parse().unwrap();
    let until = Instant::now() + Duration::from_secs(25);
    let heads = codec::encode(&Request::Heads { after: String::new() }).unwrap();
    let (ended, half_open) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| linger(&at, Slow::Writer, &heads.repeat(30), until));
        let reader = scope.spawn(|| linger(&at, Slow::Reader, &heads, until));
        let there = || nodes[0].status()["peers"].as_array().unwrap().len() == 2;
        wait_until("both are connected", PATIENCE, there);
        // More than are waited for: nobody is let in until these are given up.
        let open = |_| TcpStream::connect(("127.0.0.1", port)).unwrap();
        let half_open: Vec<TcpStream> = (0..HALF_OPEN).map(open).collect();
        // Somebody comes who means it, and new entries reach it while the others linger.
        nodes[1].start(std::slice::from_ref(&at));
        for number in 1..=5_u64 {
            announce(&nodes[0], &format!("meanwhile{number}")).unwrap();
            wait_until("it arrives", PATIENCE, || nodes[1].log_size("ash") == number);
            std::thread::sleep(DRIP);
        }
        ([writer.join().unwrap(), reader.join().unwrap()], half_open)
    });
    assert!(ended[0] >= BEGUN, "requests that never come to an end were borne: {ended:?}");
    for mut stream in half_open {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = Vec::new();
        let ended = stream.read_to_end(&mut said);
        assert!(
            !matches!(ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "a connection that says nothing is kept"
        );
    }
    let status = nodes[0].status();
    assert!(status["peers"].as_array().unwrap().len() <= 3, "{status}");
}
