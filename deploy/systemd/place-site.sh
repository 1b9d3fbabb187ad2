#!/bin/sh
# Users, owners and modes of a site for its units. Run it as root once the folder that `blindspot sites add` made is
# /var/lib/blindspot/SITE, and again whenever a file in that folder was replaced:
#   place-site.sh SITE
# Each program is a user of its own, who reads its own configuration and its own seed for the site's broker.
set -eu
site=${1:?name the site: place-site.sh SITE}
edge=${BLINDSPOT_EDGE:-/opt/blindspot/bin/blindspot-edge}
folder=/var/lib/blindspot/$site
[ -f "$folder/node.yaml" ] || { echo "$folder has no node.yaml; copy the folder of 'sites add' there" >&2; exit 2; }

getent group blindspot >/dev/null || groupadd --system blindspot
for program in broker gate node; do
    getent passwd "blindspot-$program" >/dev/null || useradd --system --gid blindspot --no-create-home \
        --home-dir /nonexistent --shell /usr/sbin/nologin "blindspot-$program"
done

own() { # own USER MODE FILE...: those that are there
    user=$1 mode=$2
    shift 2
    for file in "$@"; do
        if [ -e "$file" ]; then chown "$user:blindspot" "$file"; chmod "$mode" "$file"; fi
    done
}

cd "$folder"
own root 750 .
for program in broker gate node; do install -d -o "blindspot-$program" -g blindspot -m 700 "$program"; done
install -d -o blindspot-gate -g blindspot -m 750 mirror
own blindspot-node 600 node.yaml
own blindspot-gate 600 gate.yaml hub.creds hub.pem
own root 640 trust.json hub_ca.pem

# The broker makes the seeds as its own user, who also reads them here: root follows no link that a broker could make.
# Node and gate get a copy each, which no other program can read.
as_broker() { setpriv --reuid=blindspot-broker --regid=blindspot --clear-groups "$@"; }
as_broker "$edge" broker --site "$site" --folder broker --prepare
umask 077
for program in node gate; do
    as_broker cat "broker/$program.nk" >".$program.nk"
    install -T -o "blindspot-$program" -g blindspot -m 600 ".$program.nk" "$program/broker.nk"
    rm ".$program.nk"
done
echo "$folder is ready; start blindspot-broker@$site, blindspot-gate@$site and blindspot-node@$site"
