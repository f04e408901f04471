//! Files that change while the server runs.

use reqwest::{Client, StatusCode};

use testkit::certificates::{Authority, Pair};
use testkit::server::{TLS, WebFolder};
use testkit::wait::eventually;

fn users(name: &str, password: &str) -> String {
    format!("basic_auth_users:\n  {name}: {}\n", bcrypt::hash(password, 4).unwrap())
}

#[tokio::test]
async fn a_new_certificate_is_served_to_new_connections() {
    let world = WebFolder::new(TLS).serve().await;
    let old = world.client();
    assert!(world.lets_in(&old).await);
    let renewed = Authority::new("another authority");
    world.folder.write_pair("server", &renewed.server("localhost"));
    let new = || world.trusting(&renewed).build().unwrap();
    eventually(async || world.lets_in(&new()).await).await;
    assert!(!world.lets_in(&world.client()).await, "the old certificate is gone");
    assert!(world.lets_in(&old).await, "a connection that is open goes on");
}

#[tokio::test]
async fn new_users_count_and_old_ones_do_not() {
    let world = WebFolder::new(&users("alice", "one")).serve().await;
    let client = world.client();
    let ask = async |name: &str, password: &str| {
        let request = client.get(world.url("/")).basic_auth(name, Some(password));
        request.send().await.unwrap().status()
    };
    assert_eq!(ask("alice", "one").await, StatusCode::OK);
    world.folder.write("web.yaml", users("alice", "two"));
    eventually(async || ask("alice", "two").await == StatusCode::OK).await;
    assert_eq!(ask("alice", "one").await, StatusCode::UNAUTHORIZED);
    world.folder.write("web.yaml", users("bob", "two"));
    eventually(async || ask("bob", "two").await == StatusCode::OK).await;
    assert_eq!(ask("alice", "two").await, StatusCode::UNAUTHORIZED);
    world.folder.write("web.yaml", "");
    eventually(async || world.lets_in(&client).await).await;
}

#[tokio::test]
async fn what_cannot_be_used_answers_500_until_it_can() {
    let headers = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    let world = WebFolder::new(&format!("{TLS}{headers}")).serve().await;
    let client = world.client();
    let is = async |client: &Client, status| world.status(client).await == Some(status);
    assert!(is(&client, StatusCode::OK).await);

    world.folder.write("web.yaml", "tls_server_config: nonsense");
    eventually(async || is(&client, StatusCode::INTERNAL_SERVER_ERROR).await).await;
    assert!(
        is(&world.client(), StatusCode::INTERNAL_SERVER_ERROR).await,
        "new connections as well"
    );
    world.folder.write("web.yaml", TLS);
    eventually(async || is(&client, StatusCode::OK).await).await;

    let (good, broken) = (
        world.folder.authority.server("localhost"),
        Authority::new("other").server("localhost"),
    );
    let mixed = Pair {
        cert: good.cert.clone(),
        key: broken.key,
    };
    world.folder.write_pair("server", &mixed);
    eventually(async || is(&client, StatusCode::INTERNAL_SERVER_ERROR).await).await;
    world.folder.write_pair("server", &good);
    eventually(async || is(&client, StatusCode::OK).await).await;

    // Whoever takes TLS out of the file must not be served without it unawares.
    world.folder.write("web.yaml", "# tls_server_config\n");
    eventually(async || is(&client, StatusCode::INTERNAL_SERVER_ERROR).await).await;
    world.end().await;
}
