# Runs a private Redis until standard input ends. Its first line of output is its folder.
# $1: the server's program; $2: the port.
set -eu
trap '' HUP INT TERM
umask 077
exec 3<&0 5>&1
run=$(mktemp -d "${TMPDIR:-/tmp}/farmgate-redis.XXXXXX")
echo "$run"
trap 'code=$?; [ "$code" = 0 ] || tail -n 5 "$run/log" >&5 || true; cd /; rm -rf "$run"' EXIT
exec >>"$run/log" 2>&1
cd "$run"
"$1" --port "$2" --bind 127.0.0.1 --unixsocket "$run/socket" --save '' --appendonly no --databases 4096 \
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
