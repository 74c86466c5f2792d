//! What clients and proxies ask in their own ways.

use crate::server::{Client, Home};

#[test]
fn a_header_that_accepts_nothing_of_it_is_no_reason_to_refuse() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let mut client = Client::new(server.address).unwrap();
    for accept in [
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "text/html, */*; q=.2",
        "*",
        "image/png",
        "*/*;q=0",
    ] {
        let accept = format!("accept: {accept}\r\n");
        for target in ["/generate", "/id", "/ids/1"] {
            let reply = client.ask("GET", target, &accept).unwrap();
            assert_eq!(reply.status, 200, "{target} {accept}");
            assert_eq!(reply.header("content-type"), Some("application/json"));
        }
    }
    let weighed = "accept: application/json;q=.1, text/plain;q=.2\r\n";
    let text = client.ask("GET", "/id", weighed).unwrap();
    assert!(text.body.trim_end().parse::<u64>().is_ok(), "{text:?}");
}
