//! What may happen to flows and to those who watch them, and what somebody is told of it.
//!
//! Minutes are those of the shipped rules; each takes two seconds. In the calm a flow's page is due five minutes after the flow stopped, and
//! no resolve is due before it was seen well.

use laaffic_simulator::Fault;

use super::script::Act::{
    Away, Fault as Meets, FlowFault, Freeze, Kill, NoFault, NoFlowFault, Rename, Revive, Rounds, Silence,
    StartAlertmanager, StartPrometheus, Status, StopAlertmanager, StopPrometheus, Thaw, Unwatch,
};
use super::script::{Act, Story, World, flow, play, story, whole};
use super::{BLOCKED, DOWN, STUCK};

const IN_PROGRESS: i64 = 1;
const COMPLETED: i64 = 2;
const CANCELLED: i64 = 3;
const EXCEPTION: i64 = 4;
/// The vendor's documents do not have it.
const UNDOCUMENTED: i64 = 7;

const NODE: &str = "LaafficRedialNodeExecutionException";
const ENDED: &str = "LaafficRedialFlowEndedWithFailedRounds";
const UNKNOWN: &str = "LaafficRedialFlowUnknownStatus";
const FLAPPING: &str = "LaafficRedialFlowFlapping";
const REJECTED: &str = "LaafficRedialFlowRejected";
const FLOW_NOT_REFRESHED: &str = "LaafficRedialFlowNotRefreshed";
const NOT_REFRESHED: &str = "LaafficAccountNotRefreshed";
const ERRORS: &str = "LaafficApiErrors";
const REPLICA_DOWN: &str = "LaafficExporterReplicaDown";

/// A flow that stops and is repaired.
fn stuck(name: &'static str, from: f64, until: f64) -> Story {
    story(
        name,
        [(from, Status(1, EXCEPTION)), (until, Status(1, IN_PROGRESS))],
        [flow(STUCK, 1, [from + 5.0, until])],
    )
}

/// A flow that stops for good.
fn stopped(name: &'static str, from: f64) -> Story {
    story(name, [(from, Status(1, EXCEPTION))], [flow(STUCK, 1, [from + 5.0])])
}

/// A flow that goes on with a failed round.
fn failed_round(name: &'static str, from: f64, until: f64) -> Story {
    story(
        name,
        [
            (from, Rounds(1, IN_PROGRESS, &[2, 4, 0])),
            (until, Rounds(1, IN_PROGRESS, &[2, 1, 0])),
        ],
        [flow(NODE, 1, [from + 10.0, until])],
    )
}

/// A flow that has a status for a while that the vendor's documents do not have.
fn undocumented(from: f64, until: f64) -> Story {
    story(
        "an undocumented status",
        [(from, Status(1, UNDOCUMENTED)), (until, Status(1, IN_PROGRESS))],
        [flow(UNKNOWN, 1, [from + 10.0, until])],
    )
}

/// A flow that the vendor says for a while that it does not know.
fn rejected(from: f64, until: f64) -> Story {
    story(
        "not known to the vendor",
        [(from, FlowFault(1, Fault::code(-22))), (until, NoFlowFault(1))],
        [flow(REJECTED, 1, [from + 5.0, until])],
    )
}

/// An account whose key or secret is wrong, and stays so.
fn refused_for_good(from: f64) -> Story {
    story("refused", [(from, refused())], [whole(BLOCKED, [from + 1.0])])
}

/// The vendor does not accept key and secret.
fn refused() -> Act {
    Meets(Fault::code(-1))
}

/// The vendor's servers have a fault of their own.
fn broken() -> Fault {
    Fault::HttpStatus {
        status: 500,
        retry_after: None,
    }
}

fn well(name: &'static str) -> Story {
    story(name, [], []).of_flows(5)
}

/// Nothing but the flows and the vendor.
#[tokio::test]
async fn in_the_calm() {
    let stories = vec![
        well("all is well"),
        stuck("stuck and repaired", 1.0, 12.0),
        stuck("stuck for long", 1.0, 40.0),
        story(
            "repaired within three minutes",
            [(1.0, Status(1, EXCEPTION)), (4.0, Status(1, IN_PROGRESS))],
            [],
        ),
        story(
            "stops twice for three minutes",
            [
                (1.0, Status(1, EXCEPTION)),
                (4.0, Status(1, IN_PROGRESS)),
                (12.0, Status(1, EXCEPTION)),
                (15.0, Status(1, IN_PROGRESS)),
            ],
            [],
        ),
        story(
            "stuck then an undocumented status",
            [
                (1.0, Status(1, EXCEPTION)),
                (10.0, Status(1, UNDOCUMENTED)),
                (15.0, Status(1, IN_PROGRESS)),
            ],
            [flow(STUCK, 1, [6.0, 15.0])],
        ),
        story(
            "stuck then completed",
            [(1.0, Status(1, EXCEPTION)), (10.0, Status(1, COMPLETED))],
            [flow(STUCK, 1, [6.0, 10.0])],
        ),
        story(
            "stuck then cancelled",
            [(1.0, Status(1, EXCEPTION)), (10.0, Status(1, CANCELLED))],
            [flow(STUCK, 1, [6.0, 10.0])],
        ),
        undocumented(1.0, 20.0),
        story(
            "comes and goes at two minutes",
            [1.0, 5.0, 9.0, 13.0]
                .into_iter()
                .flat_map(|from| [(from, Status(1, EXCEPTION)), (from + 2.0, Status(1, IN_PROGRESS))])
                .collect::<Vec<_>>(),
            // It is over an hour later, which is not waited for.
            [flow(FLAPPING, 1, [9.0])],
        ),
        story(
            "stops again while it is repaired",
            [
                (1.0, Status(1, EXCEPTION)),
                (10.0, Status(1, IN_PROGRESS)),
                (13.0, Status(1, EXCEPTION)),
                (22.0, Status(1, IN_PROGRESS)),
            ],
            [flow(STUCK, 1, [6.0, 10.0, 18.0, 22.0])],
        ),
        failed_round("a failed round", 1.0, 16.0),
        story(
            "completed with a failed round",
            [
                (1.0, Rounds(1, IN_PROGRESS, &[2, 4, 0])),
                (5.0, Rounds(1, COMPLETED, &[2, 4, 2])),
            ],
            // For a day.
            [flow(ENDED, 1, [5.0])],
        ),
        rejected(1.0, 16.0).of_flows(3),
        story(
            "refused",
            [(1.0, refused()), (6.0, NoFault)],
            [whole(BLOCKED, [2.0, 6.0])],
        )
        .of_flows(5),
        story(
            "stuck and then refused",
            [
                (1.0, Status(1, EXCEPTION)),
                (8.0, refused()),
                (12.0, NoFault),
                (46.0, Status(1, IN_PROGRESS)),
            ],
            [flow(STUCK, 1, [6.0, 46.0]), whole(BLOCKED, [9.0, 12.0])],
        ),
        story(
            "the vendor fails for all flows",
            [(1.0, Meets(broken())), (25.0, NoFault)],
            [whole(NOT_REFRESHED, [11.0, 25.0]), whole(ERRORS, [1.0, 25.0])],
        )
        .of_flows(5),
        story(
            "stuck while the vendor fails",
            [
                (1.0, Status(1, EXCEPTION)),
                (8.0, Meets(broken())),
                (30.0, NoFault),
                (36.0, Status(1, IN_PROGRESS)),
            ],
            [
                flow(STUCK, 1, [6.0, 36.0]),
                whole(NOT_REFRESHED, [18.0, 30.0]),
                whole(ERRORS, [8.0, 30.0]),
            ],
        ),
        story(
            "one flow of many cannot be fetched",
            [(1.0, FlowFault(1, broken())), (30.0, NoFlowFault(1))],
            [flow(FLOW_NOT_REFRESHED, 1, [11.0, 30.0])],
        )
        .of_flows(60),
        story(
            "renamed while stuck",
            [
                (1.0, Status(1, EXCEPTION)),
                (10.0, Rename(1, "reminder of spring")),
                (16.0, Status(1, IN_PROGRESS)),
            ],
            [flow(STUCK, 1, [6.0, 16.0])],
        ),
        story(
            "taken out of the configuration while stuck",
            [(1.0, Status(1, EXCEPTION)), (10.0, Unwatch(1))],
            [flow(STUCK, 1, [6.0, 10.0])],
        )
        .of_flows(2),
    ];
    let chain = play(World {
        replicas: 1,
        acts: Vec::new(),
        told: Vec::new(),
        stories,
        minutes: 50.0,
    })
    .await;
    assert_eq!(chain.prometheus().complaint(), None);
}

/// Prometheus is restarted, at once and after a minute: at this pace its start takes another one, and Alertmanager waits for less than four.
#[tokio::test]
async fn prometheus_is_restarted() {
    let stories = vec![
        well("all is well"),
        stuck("stuck before and after", 1.0, 34.0),
        stuck("stuck just before", 10.0, 34.0),
        stuck("repaired meanwhile", 1.0, 20.5),
        story(
            "stops meanwhile",
            [(20.5, Status(1, EXCEPTION)), (34.0, Status(1, IN_PROGRESS))],
            [flow(STUCK, 1, [25.5, 34.0])],
        ),
        failed_round("a failed round", 1.0, 34.0),
        undocumented(1.0, 34.0),
        rejected(1.0, 34.0).of_flows(2),
        refused_for_good(1.0).of_flows(3),
    ];
    play(World {
        replicas: 1,
        acts: vec![
            (12.0, StopPrometheus),
            (12.1, StartPrometheus),
            (20.0, StopPrometheus),
            (21.0, StartPrometheus),
        ],
        told: Vec::new(),
        stories,
        minutes: 40.0,
    })
    .await;
}

/// Alertmanager is restarted after two minutes, and whoever is told cannot be reached for three.
#[tokio::test]
async fn alertmanager_is_restarted_and_nobody_can_be_reached() {
    let stories = vec![
        well("all is well"),
        stuck("stuck before and after", 1.0, 40.0),
        stuck("repaired meanwhile", 1.0, 13.0),
        stuck("stops meanwhile", 7.5, 40.0),
        stuck("told when somebody is back", 20.5, 40.0),
        stuck("repaired while nobody can be reached", 10.0, 26.0),
        failed_round("a failed round", 1.0, 40.0),
        story(
            "silenced and stopped until after it",
            [
                (1.0, Silence(20)),
                (2.0, Status(1, EXCEPTION)),
                (40.0, Status(1, IN_PROGRESS)),
            ],
            [flow(STUCK, 1, [21.0, 40.0])],
        ),
        story(
            "silenced and repaired within it",
            [
                (1.0, Silence(30)),
                (2.0, Status(1, EXCEPTION)),
                (20.0, Status(1, IN_PROGRESS)),
            ],
            [],
        ),
    ];
    play(World {
        replicas: 1,
        acts: vec![
            (12.0, StopAlertmanager),
            (14.0, StartAlertmanager),
            (25.0, Away(true)),
            (28.0, Away(false)),
        ],
        told: Vec::new(),
        stories,
        minutes: 45.0,
    })
    .await;
}

/// The only exporter stands still for seven minutes, and is killed for twelve.
#[tokio::test]
async fn the_exporter_stands_still_and_is_killed() {
    let stories = vec![
        well("all is well"),
        stuck("stuck all the time", 1.0, 50.0),
        stuck("repaired while nobody sees it", 1.0, 19.0),
        story(
            "stops while nobody sees it",
            [(14.0, Status(1, EXCEPTION)), (50.0, Status(1, IN_PROGRESS))],
            [flow(STUCK, 1, [19.0, 50.0])],
        ),
        failed_round("a failed round", 1.0, 50.0),
        undocumented(1.0, 50.0),
    ];
    play(World {
        replicas: 1,
        acts: vec![(12.0, Freeze(0)), (19.0, Thaw(0)), (30.0, Kill(0)), (42.0, Revive(0))],
        told: vec![whole(DOWN, [17.0, 19.0, 35.0, 42.0])],
        stories,
        minutes: 55.0,
    })
    .await;
}

/// A pod is replaced by one that cannot reach the vendor.
#[tokio::test]
async fn the_exporter_comes_back_and_cannot_reach_the_vendor() {
    let gone = || Meets(broken());
    let stories = vec![
        well("all is well"),
        story(
            "stuck",
            [
                (1.0, Status(1, EXCEPTION)),
                (9.9, gone()),
                (35.0, NoFault),
                (45.0, Status(1, IN_PROGRESS)),
            ],
            [
                flow(STUCK, 1, [6.0, 45.0]),
                whole(NOT_REFRESHED, [10.0, 35.0]),
                whole(ERRORS, [10.0, 35.0]),
            ],
        ),
        story(
            "in progress",
            [(9.9, gone()), (35.0, NoFault)],
            [whole(NOT_REFRESHED, [10.0, 35.0]), whole(ERRORS, [10.0, 35.0])],
        ),
    ];
    play(World {
        replicas: 1,
        acts: vec![(10.0, Kill(0)), (11.0, Revive(0))],
        told: Vec::new(),
        stories,
        minutes: 50.0,
    })
    .await;
}

/// Two exporters watch the same flows, and call some of them by different names. One dies.
#[tokio::test]
async fn two_exporters_watch_the_same() {
    let stories = vec![
        well("all is well"),
        stuck("stuck all the time", 1.0, 40.0).of_different_names(),
        stuck("repaired while there is one", 1.0, 20.0).of_different_names(),
        stuck("stops while there is one", 14.0, 40.0),
        failed_round("a failed round", 1.0, 40.0),
        refused_for_good(1.0).of_flows(3),
        stopped("stopped for good", 1.0),
    ];
    play(World {
        replicas: 2,
        acts: vec![(12.0, Kill(1)), (30.0, Revive(1))],
        told: vec![whole(REPLICA_DOWN, [17.0, 30.0])],
        stories,
        minutes: 45.0,
    })
    .await;
}
