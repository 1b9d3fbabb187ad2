#!/bin/sh
# Moves the root from the cloud's one key to 2 of 3 keys that are kept elsewhere. The cloud is stopped.
#
#   ceremony.sh DATA MEDIUM_A MEDIUM_B MEDIUM_C
#
# DATA is the cloud's data folder, a MEDIUM a folder on a medium of its own (a USB stick). For real use run the
# commands one by one, `keys root make` and `keys root sign` on a machine without a network; see README.md.
set -eu

data=$1
shift
proposal=$data/root-proposal.json

for medium in "$@"; do
  blindspot keys root make "$medium/root.pem"
done
blindspot keys root propose "$proposal" --data "$data" --threshold 2 \
  --root "$1/root.pem.pub" --root "$2/root.pem.pub" --root "$3/root.pem.pub"
blindspot keys root sign "$proposal" --key "$1/root.pem"
blindspot keys root sign "$proposal" --key "$2/root.pem"
blindspot keys root accept "$proposal" --data "$data"
rm "$proposal"
