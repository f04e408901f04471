//! Client certificates: five policies, and the list of names.

use reqwest::Client;

use testkit::certificates::{Authority, self_signed};
use testkit::server::{TLS, WebFolder, WebServer};

/// Who gets in with this policy: nobody in particular, a stranger's certificate, one of the authority.
async fn let_in(lines: &str) -> [bool; 3] {
    let (world, clients) = world(lines).await;
    let [none, stranger, ours] = &clients;
    [
        world.lets_in(none).await,
        world.lets_in(stranger).await,
        world.lets_in(ours).await,
    ]
}

async fn world(lines: &str) -> (WebServer, [Client; 3]) {
    let clients = Authority::new("client authority");
    let folder = WebFolder::new(&format!("{TLS}{lines}"));
    folder.write("clients.crt", &clients.cert);
    let world = folder.serve().await;
    let stranger = Authority::new("stranger").client(&["ours"]);
    let clients = [
        world.client(),
        world.client_as(&stranger),
        world.client_as(&clients.client(&["ours", "10.0.0.1", "mailto@ours", "spiffe://ours/one", "::1"])),
    ];
    (world, clients)
}

#[tokio::test]
async fn each_policy_lets_in_whom_it_should() {
    let with_ca = "  client_ca_file: clients.crt\n";
    for (policy, ca, wanted) in [
        ("NoClientCert", "", [true, true, true]),
        ("RequestClientCert", "", [true, true, true]),
        ("RequestClientCert", with_ca, [true, true, true]),
        ("RequireAnyClientCert", "", [false, true, true]),
        ("RequireClientCert", with_ca, [false, true, true]),
        ("VerifyClientCertIfGiven", with_ca, [true, false, true]),
        ("VerifyClientCertIfGiven", "", [true, false, false]),
        ("RequireAndVerifyClientCert", with_ca, [false, false, true]),
    ] {
        let lines = format!("  client_auth_type: {policy}\n{ca}");
        assert_eq!(let_in(&lines).await, wanted, "{lines}");
        // TLS 1.2 verifies the client's key in another way.
        let lines = format!("{lines}  max_version: TLS12\n");
        assert_eq!(let_in(&lines).await, wanted, "{lines}");
    }
}

#[tokio::test]
async fn names_are_compared_letter_by_letter() {
    for (name, ours) in [
        ("ours", true),
        ("10.0.0.1", true),
        ("::1", true),
        ("mailto@ours", true),
        ("spiffe://ours/one", true),
        ("our", false),
        ("OURS", false),
        ("*", false),
        ("10.0.0.2", false),
        ("spiffe://ours/", false),
    ] {
        let lines = format!(
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n  client_allowed_sans: [other, \"{name}\"]\n"
        );
        assert_eq!(let_in(&lines).await, [false, false, ours], "{name}");
    }
    let lines = "  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [ours]\n";
    assert_eq!(let_in(lines).await, [false, true, true]);
    let lines = "  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: []\n";
    assert_eq!(let_in(lines).await, [false, false, false]);
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_trusted_itself() {
    for authority in [false, true] {
        let ours = self_signed(&["ours"], authority);
        let folder = WebFolder::new(&format!(
            "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ours.crt\n"
        ));
        folder.write_pair("ours", &ours);
        let world = folder.serve().await;
        assert!(world.lets_in(&world.client_as(&ours)).await, "{authority}");
        let other = self_signed(&["ours"], authority);
        assert!(!world.lets_in(&world.client_as(&other)).await);
        world.end().await;
    }
}
