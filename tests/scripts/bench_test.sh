#!/usr/bin/env bash
# scripts/bench without the programs that it measures: the order of rounds, what it refuses.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

trap 'rm -rf -- "$WORK"' EXIT

BENCH=$PWD/tests/bench

# python: runs its input beside the bench's own modules.
python() {
    command -v python3 >/dev/null || skip 'there is no python3'
    PYTHONPATH=$BENCH expect 0 python3 -B -c "$(cat)"
}

test_each_program_is_first_in_as_many_rounds_as_the_others() {
    python <<'END'
from rpc import turn

for count in range(1, 9):
    names = [str(number) for number in range(count)]
    for rounds in range(1, 3 * count):
        orders = [turn(names, number) for number in range(rounds)]
        assert all(sorted(order) == names for order in orders), orders
        first = [sum(order[0] == name for order in orders) for name in names]
        assert max(first) - min(first) <= 1, (rounds, orders)
END
}

run_tests
