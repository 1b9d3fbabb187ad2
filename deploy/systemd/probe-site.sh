#!/bin/sh
# Whether the network policy of a site's running units holds on this machine. Run it as root:
#   probe-site.sh SITE HUB_ADDRESS [HUB_PORT]
# Connects to the hub from inside the control group of each unit, under the address filter that the unit has now.
# The gate must connect, node and broker must not. Exit code 0: so it is; 1: the policy does not hold; 2: not probed.
set -eu
site=${1:?probe-site.sh SITE HUB_ADDRESS [HUB_PORT]}
hub=${2:?name the address of the hub: probe-site.sh SITE HUB_ADDRESS [HUB_PORT]}
port=${3:-4222}
python=${BLINDSPOT_PYTHON:-/opt/blindspot/bin/python}
groups=/sys/fs/cgroup
[ -e "$groups/cgroup.controllers" ] || groups=/sys/fs/cgroup/unified

connect='import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5.0)
    print("yes")
except OSError as error:
    print("no:", error)'

holds=0
for program in broker node gate; do
    group=$(systemctl show --property=ControlGroup --value "blindspot-$program@$site")
    if [ -z "$group" ]; then
        echo "blindspot-$program@$site does not run; start it first" >&2
        exit 2
    fi
    # The shell inside moves itself into the unit's control group, then becomes the probe.
    # shellcheck disable=SC2016
    answer=$(sh -c 'set -e; echo $$ >"$1/cgroup.procs"; shift; exec "$@"' - "$groups$group" \
        "$python" -c "$connect" "$hub" "$port") || { echo "$program: the probe could not run" >&2; exit 2; }
    case $program in gate) must=yes ;; *) must=no ;; esac
    case $answer in "$must"*) verdict=ok ;; *) verdict='the policy does NOT hold' holds=1 ;; esac
    echo "$program connects to $hub:$port: $answer; must: $must; $verdict"
done
exit $holds
