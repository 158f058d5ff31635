# Runs a private PostgreSQL until standard input ends. Its first line of output is its folder.
# $1: the folder of the server's programs; $2: the template's name; $3: the primary's folder, empty unless this is to
# be a replica; $4: certificate and key as PEM, empty for no TLS; $5 and on: arguments of the server.
set -eu
trap '' HUP INT TERM
umask 077
exec 3<&0 5>&1
bin=$1 template=$2 primary=$3 pem=$4
shift 4
tmp=${TMPDIR:-/tmp}
run=$(mktemp -d "$tmp/farmgate-pg.XXXXXX")
echo "$run"
# However this ends, the folder goes; what went wrong is said on the way.
trap 'code=$?; [ "$code" = 0 ] || tail -n 5 "$run/log" >&5 || true; rm -rf "$run"' EXIT
exec >>"$run/log" 2>&1
if [ -n "$primary" ]; then
    "$bin/pg_basebackup" -h "$primary" -U postgres -D "$run/data" -R -X stream -c fast
else
    template=$tmp/$template-$(id -u)
    if [ ! -d "$template" ]; then
        new=$(mktemp -d "$template.XXXXXX")
        "$bin/initdb" -D "$new" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync
        # The tests' login is an ordinary user: migrations must not need a superuser.
        echo "create role farmgate login createdb createrole" | "$bin/postgres" --single -D "$new" postgres
        # Another process may have been faster; one of the two is kept.
        mv -T "$new" "$template" || rm -rf "$new"
    fi
    cp -a "$template" "$run/data"
fi
if [ -n "$pem" ]; then
    printf '%s\n' "$pem" >"$run/pem"
    set -- -c ssl=on -c "ssl_cert_file=$run/pem" -c "ssl_key_file=$run/pem" "$@"
fi
# The shell that waits for the end, and the loop: whichever comes second sees what the other one wrote.
(
    cat <&3 >/dev/null
    touch "$run/ended"
    kill -QUIT "$(cat "$run/pid")"
    exit 0
) 5>&- &
while :; do
    "$bin/postgres" -D "$run/data" -k "$run" -c listen_addresses= "$@" </dev/null 3<&- 5>&- &
    echo $! >"$run/pid"
    [ ! -e "$run/ended" ] || kill -QUIT $!
    wait $! || true
    # A test that kills the server says so first, and says when it wants the server back.
    [ -e "$run/down" ] || break
    while [ ! -e "$run/up" ] && [ ! -e "$run/ended" ]; do sleep 0.02; done
    [ ! -e "$run/ended" ] || break
    rm "$run/down" "$run/up"
done
# An error, unless the end of the input stopped it.
[ -e "$run/ended" ]
