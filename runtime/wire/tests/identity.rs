//! Who is at the other end, and who is let in.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

mod common;

use std::time::Duration;

use common::{LONG, SHORT, bind, key, loopback, pair, raw};
use fizz_wire::{CloseCode, DialError, EndpointConfig, Lost, Reply, Request};

#[tokio::test]
async fn both_sides_know_each_others_key() {
    let pair = pair().await;
    assert_eq!(pair.there.key(), key(2).public());
    assert_eq!(pair.here.key(), key(1).public());
    assert_eq!(pair.here.address(), pair.dialler.local_addr().unwrap());
}

#[tokio::test]
async fn roles_do_not_depend_on_who_dialled() {
    let pair = pair().await;
    for (asks, answers) in [(&pair.there, &pair.here), (&pair.here, &pair.there)] {
        let answer = async {
            let mut channel = answers.accept().await.unwrap();
            assert_eq!(channel.receive::<Request>().await.unwrap(), Request::Status);
            channel.send(&Reply::Stored).await.unwrap();
        };
        let (reply, ()) = tokio::join!(asks.call(&Request::Status, LONG), answer);
        assert_eq!(reply.unwrap(), Reply::Stored);
    }
}

#[tokio::test]
async fn one_endpoint_dials_and_accepts() {
    let a = bind(1, EndpointConfig::default());
    let b = bind(2, EndpointConfig::default());
    let (a_addr, b_addr) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let (ab, ba) = tokio::join!(a.dial(b_addr, None), b.dial(a_addr, None));
    assert_eq!(ab.unwrap().key(), key(2).public());
    assert_eq!(ba.unwrap().key(), key(1).public());
    let (at_a, at_b) = tokio::join!(a.accept(), b.accept());
    assert_eq!(at_a.unwrap().key(), key(2).public());
    assert_eq!(at_b.unwrap().key(), key(1).public());
}

#[tokio::test]
async fn another_key_than_expected_is_named() {
    let dialler = bind(1, EndpointConfig::default());
    let acceptor = bind(2, EndpointConfig::default());
    let address = acceptor.local_addr().unwrap();
    let (expected, found) = (key(3).public(), key(2).public());
    let error = dialler.dial(address, Some(expected)).await.unwrap_err();
    assert_eq!(error, DialError::WrongKey { address, expected, found });
    assert!(error.to_string().contains(&found.to_string()));
    // The acceptor never got a peer: the next one it sees is the one that dials rightly.
    dialler.dial(address, Some(found)).await.unwrap();
    assert_eq!(acceptor.accept().await.unwrap().key(), key(1).public());
    assert!(tokio::time::timeout(SHORT, acceptor.accept()).await.is_err());
}

#[tokio::test]
async fn nobody_there_is_a_timeout() {
    let silent = std::net::UdpSocket::bind(loopback()).unwrap();
    let address = silent.local_addr().unwrap();
    let config = EndpointConfig { handshake_timeout: SHORT, ..EndpointConfig::dial_only() };
    let error = bind(1, config).dial(address, None).await.unwrap_err();
    assert_eq!(error, DialError::Timeout { address, after: SHORT });
}

#[tokio::test]
async fn an_endpoint_that_only_dials_answers_nobody() {
    let only_dials = bind(2, EndpointConfig::dial_only());
    assert!(only_dials.accept().await.is_none());
    let config = EndpointConfig { handshake_timeout: SHORT, ..EndpointConfig::dial_only() };
    let dialler = bind(1, config);
    assert!(dialler.dial(only_dials.local_addr().unwrap(), None).await.is_err());
}

#[tokio::test]
async fn connections_over_the_limit_are_refused() {
    let config = EndpointConfig { max_connections: 2, ..EndpointConfig::default() };
    let acceptor = bind(2, config);
    let address = acceptor.local_addr().unwrap();
    let dialler = bind(1, EndpointConfig::dial_only());
    let first = dialler.dial(address, None).await.unwrap();
    let _second = dialler.dial(address, None).await.unwrap();
    let error = dialler.dial(address, None).await.unwrap_err();
    assert_eq!(error, DialError::Refused { address });
    // A place that becomes free is given away again.
    let accepted = acceptor.accept().await.unwrap();
    first.close(CloseCode::Done, "bye");
    assert_eq!(accepted.closed().await, Lost::Closed { code: 0, reason: "bye".to_owned() });
    drop((first, accepted));
    let again = async {
        loop {
            match dialler.dial(address, None).await {
                Ok(peer) => break peer,
                Err(error) => assert_eq!(error, DialError::Refused { address }),
            }
        }
    };
    tokio::time::timeout(LONG, again).await.unwrap();
}

#[tokio::test]
async fn many_peers_at_once_prove_their_addresses_first() {
    // More than half of the places for handshakes are taken at once, so that some are sent back for a token.
    let config = EndpointConfig { max_handshakes: 64, ..EndpointConfig::default() };
    let acceptor = bind(2, config);
    let address = acceptor.local_addr().unwrap();
    let dialler = bind(1, EndpointConfig::dial_only());
    let mut dials = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let dialler = dialler.clone();
        dials.spawn(async move { dialler.dial(address, None).await.unwrap() });
    }
    let mut accepted = Vec::new();
    while accepted.len() < 60 {
        accepted.push(acceptor.accept().await.unwrap());
    }
    assert_eq!(dials.join_all().await.len(), 60);
}

#[tokio::test]
async fn peers_that_nobody_accepts_fill_the_places_for_handshakes() {
    // The queue of 16, and 4 places behind it. The last two places are given only to proven addresses.
    let config = EndpointConfig { max_handshakes: 4, ..EndpointConfig::default() };
    let acceptor = bind(2, config);
    let address = acceptor.local_addr().unwrap();
    let dialler = bind(1, EndpointConfig::dial_only());
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(dialler.dial(address, None).await.unwrap());
    }
    assert_eq!(dialler.dial(address, None).await.unwrap_err(), DialError::Refused { address });
    // Nobody who was let in is lost.
    for _ in 0..20 {
        acceptor.accept().await.unwrap();
    }
    dialler.dial(address, None).await.unwrap();
    acceptor.accept().await.unwrap();
}

#[tokio::test]
async fn closing_an_endpoint_tells_its_peers() {
    let pair = pair().await;
    pair.acceptor.close("maintenance");
    assert_eq!(pair.there.closed().await, Lost::Closed { code: 1, reason: "maintenance".to_owned() });
    assert_eq!(pair.there.lost(), Some(pair.there.closed().await));
    assert!(pair.acceptor.accept().await.is_none());
    pair.acceptor.wait_idle().await;
    assert_eq!(pair.acceptor.connections(), 0);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::UdpSocket::bind(loopback()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = fizz_wire::Endpoint::bind(address, &key(1), EndpointConfig::default()).err().unwrap();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

/// How an endpoint ends a connection with a stranger, who never becomes a peer.
async fn stranger_is_told(alpn: &[u8], key: Option<(Vec<u8>, u8)>) -> u64 {
    let acceptor = bind(2, EndpointConfig::default());
    let error = match raw::connect(acceptor.local_addr().unwrap(), alpn, key).await {
        // The client's side of TLS 1.3 is done before the server has checked the client.
        Ok((_endpoint, connection)) => connection.closed().await,
        Err(error) => error,
    };
    assert!(tokio::time::timeout(SHORT, acceptor.accept()).await.is_err());
    let quinn::ConnectionError::ConnectionClosed(close) = error else { panic!("{error}") };
    u64::from(close.error_code)
}

#[tokio::test]
async fn a_hand_made_peer_with_a_key_is_let_in() {
    let acceptor = bind(2, EndpointConfig::default());
    let (_endpoint, _connection) = raw::dial(acceptor.local_addr().unwrap(), 7).await;
    assert_eq!(acceptor.accept().await.unwrap().key(), key(7).public());
}

#[tokio::test]
async fn a_client_without_a_key_is_not_let_in() {
    // TLS alert 40: handshake failure, as the client does not even offer to show a raw key.
    assert_eq!(stranger_is_told(b"fizz/1", None).await, 0x100 + 40);
}

#[tokio::test]
async fn a_client_with_somebody_elses_key_is_not_let_in() {
    // It shows key 3 and can only sign with key 4. TLS alert 51: decrypt error.
    let code = stranger_is_told(b"fizz/1", Some((raw::spki(&key(3).public().0), 4))).await;
    assert_eq!(code, 0x100 + 51);
}

#[tokio::test]
async fn a_client_with_a_key_that_anybody_can_use_is_not_let_in() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let code = stranger_is_told(b"fizz/1", Some((raw::spki(&neutral), 4))).await;
    assert!((0x100..0x200).contains(&code), "{code:#x}");
}

#[tokio::test]
async fn a_client_of_another_protocol_is_not_let_in() {
    // TLS alert 120: no application protocol.
    let spki = raw::spki(&key(4).public().0);
    assert_eq!(stranger_is_told(b"h3", Some((spki, 4))).await, 0x100 + 120);
}

#[tokio::test]
async fn a_silent_connection_is_kept_alive() {
    let config = EndpointConfig {
        keep_alive: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(400),
        ..EndpointConfig::default()
    };
    let pair = common::pair_with(config).await;
    // Nothing is sent for three idle times, and the connection is there.
    let lost = tokio::time::timeout(Duration::from_millis(1200), pair.there.closed()).await;
    assert!(lost.is_err(), "{lost:?}");
}
