# Runs a private Redis until standard input ends. Its first line of output is its folder.
# $1: the server's program; $2: the port; $3: certificate and key as PEM, empty for no TLS.
set -eu
trap '' HUP INT TERM
umask 077
exec 3<&0 5>&1
run=$(mktemp -d "${TMPDIR:-/tmp}/farmgate-redis.XXXXXX")
echo "$run"
trap 'code=$?; [ "$code" = 0 ] || tail -n 5 "$run/log" >&5 || true; cd /; rm -rf "$run"' EXIT
exec >>"$run/log" 2>&1
cd "$run"
listen="--port $2"
if [ -n "$3" ]; then
    printf '%s\n' "$3" >"$run/pem"
    listen="--port 0 --tls-port $2 --tls-cert-file $run/pem --tls-key-file $run/pem --tls-auth-clients no"
fi
# shellcheck disable=SC2086 # several words
"$1" $listen --bind 127.0.0.1 --unixsocket "$run/socket" --save '' --appendonly no --databases 4096 \
    </dev/null 3<&- 5>&- &
server=$!
(
    cat <&3 >/dev/null
    touch "$run/ended"
    kill "$server"
    exit 0
) 5>&- &
wait "$server" || true
# An error, unless the end of the input stopped it.
[ -e "$run/ended" ]
