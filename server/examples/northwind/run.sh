#!/bin/sh
# From CSV files to a supplier's answer: ./run.sh FOLDER
#
# FOLDER holds Microsoft's Northwind tables as CSV. Everything else happens in a temporary folder with a
# SQLite database; DATABASE_URL names another, empty one. ENTENTE names the binary, LISTEN the address.
set -eu

data=$(cd "${1:?give the folder with the Northwind CSV files}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
ENTENTE=${ENTENTE:-$here/../../../target/release/entente}
LISTEN=${LISTEN:-127.0.0.1:8417}
if [ ! -x "$ENTENTE" ]; then
    (cd "$here" && cargo build --release --bin entente)
fi

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

"$ENTENTE" migrate up
"$ENTENTE" import --map "$here/mapping.toml" "$data"
"$ENTENTE" serve --listen "$LISTEN" &
server=$!
until curl -sf "http://$LISTEN/readyz" >/dev/null; do
    kill -0 "$server"
    sleep 0.1
done

ask() {
    printf '\n%s asks: %s\n' "$1" "$2"
    token=$("$ENTENTE" token --as "$1")
    query=$(printf '%s' "$2" | sed 's/"/\\"/g')
    curl -s "http://$LISTEN/graphql" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        -d "{\"query\": \"$query\"}"
    echo
}

ask supplier-18/partner_planner '{ viewer { organisation { displayName } } orderLineAggregate { count sum { qty } } }'
ask supplier-7/partner_planner '{ orderLineAggregate(groupBy: [ORDERED_ON_MONTH], filter: { orderedOn: { lt: "1996-12-01" } }) { key { orderedOnMonth } sum { qty } } }'
ask supplier-7/partner_planner '{ orderLines(first: 2) { totalCount nodes { orderedOn qty product { name } } } }'
# for whom it is, and for how much, is not in a supplier's schema
ask supplier-7/partner_planner '{ customers { nodes { name } } }'
ask supplier-7/partner_planner '{ orderLines(first: 1) { nodes { netAmount } } }'
ask shipper-2/partner_planner '{ salesOrders(first: 1) { totalCount nodes { number shipToCountry shipToPostcode } } }'
ask northwind/finance '{ orderLineAggregate(groupBy: [ORDERED_ON_YEAR]) { key { orderedOnYear } sum { netAmount } } }'
