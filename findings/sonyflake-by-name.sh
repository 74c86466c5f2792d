#!/usr/bin/env bash
# "Sonyflake" in a package's name does not tell its bits: IDs of two such packages, read by the layout of
# the original, name machines that do not exist.
#
#   findings/sonyflake-by-name.sh
#
# Versions:  sonyflake-turbo 1.0.1 and snowflake-id-toolkit 0.6.0 (Python)
# Behaviour: Sonyflake has 39 bits of time, then 8 of sequence, then 16 of machine ID. sonyflake-turbo has
#            the machine ID above the sequence. SonyflakeIDGenerator of snowflake-id-toolkit has that too, and
#            the widths swapped: 8 bits of machine ID above 16 of sequence. Its epoch counts steps of 10 ms.
# Seen:      sonyflake-turbo:      machine 4660 reads as 13312 with sequence 18; above the sequence it is 4660
#            snowflake-id-toolkit: machine 200 reads as 0 with sequence 200; as the upper 8 of 24 bits it is 200
# Matters:   Whoever moves to another generator by the name alone starts with numbers that the old one has
#            issued, or will issue: the tick is right, so that nothing looks wrong.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/help.sh
help_of findings/sonyflake-by-name.sh "$@"
takes_no_arguments "$@"

folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check \
  sonyflake-turbo==1.0.1 snowflake-id-toolkit==0.6.0 typing_extensions==4.15.0 || exit 77

"$folder/python/bin/python" - <<'EOF'
import sys

from snowflake_id_toolkit import SonyflakeIDGenerator
from sonyflake_turbo import SonyFlake

BELOW_TIME = (1 << 24) - 1


def original(id):
    """Sequence and machine ID, as Sonyflake has them."""
    low = id & BELOW_TIME
    return low >> 16, low & 0xFFFF


turbo = next(SonyFlake(4660))
sequence, machine = original(turbo)
above = (turbo & BELOW_TIME) >> 8
print(f"sonyflake-turbo:      machine 4660 reads as {machine} with sequence {sequence}; above the sequence it is {above}")
as_told = (sequence, machine, above) == (18, 13312, 4660)

toolkit = int(SonyflakeIDGenerator(200).generate_next_id())
sequence, machine = original(toolkit)
above = (toolkit & BELOW_TIME) >> 16
print(f"snowflake-id-toolkit: machine 200 reads as {machine} with sequence {sequence}; as the upper 8 of 24 bits it is {above}")
as_told &= (sequence, machine, above) == (200, 0, 200)

sys.exit(0 if as_told else 1)
EOF
