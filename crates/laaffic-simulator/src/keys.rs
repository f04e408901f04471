//! Keys of nodes and tasks, made from those of their flows.

/// Below it there are no tasks. Large as it is, the tasks of a hundred million flows are still whole numbers in JavaScript.
const FIRST_TASK: i64 = 500_000_000_000_000;

/// The `keyId` of a node: unlike any other node's of the flow, in this life and in the next ones.
pub(crate) fn node_key(flow: u64, life: u64, round: u64) -> i64 {
    let number = flow
        .wrapping_mul(1_000_000)
        .wrapping_add((life % 1000) * 1000 + round + 1);
    // The vendor's integers are signed and its keys positive.
    (number & i64::MAX.unsigned_abs()) as i64
}

/// The `taskId` of the group call that a round runs as. Far from the nodes' own keys, so that one is never taken for the other.
pub(crate) fn task_of_node(flow: u64, life: u64, round: u64) -> i64 {
    FIRST_TASK.wrapping_add(node_key(flow, life, round)) & i64::MAX
}

/// The `taskId` of the group call that a flow was made for; no round has it.
pub(crate) fn task_of_flow(flow: u64) -> i64 {
    FIRST_TASK.wrapping_add(node_key(flow, 0, 0) - 1) & i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_another_ones_and_all_are_positive() {
        let mut keys = std::collections::BTreeSet::new();
        for flow in 1..=50 {
            let rounds = (0..3).flat_map(|life| (0..10).map(move |round| (life, round)));
            let of_rounds =
                rounds.flat_map(|(life, round)| [node_key(flow, life, round), task_of_node(flow, life, round)]);
            keys.extend(of_rounds.chain([task_of_flow(flow)]));
        }
        assert_eq!(keys.len(), 50 * (3 * 10 * 2 + 1));
        assert!(keys.iter().all(|key| *key > 0));
        let beyond = [
            node_key(u64::MAX, u64::MAX, 5),
            task_of_node(u64::MAX, u64::MAX, 5),
            task_of_flow(u64::MAX),
        ];
        assert!(beyond.iter().all(|key| *key >= 0), "{beyond:?}");
    }
}
