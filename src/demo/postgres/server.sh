# Runs a throw-away PostgreSQL in directory $2 with the programs in $1 until standard input closes.
#
# Standard input is a pipe that only the program that started us holds open. The kernel closes it however that program
# ends, SIGKILL included, so neither a server nor its directory can outlive it.

# Ending is decided by the pipe alone: we clean up after the others have gone.
trap '' HUP INT TERM
exec >>"$2/log" 2>&1

"$1/initdb" -D "$2/data" -U postgres --auth=trust -E UTF8 --locale=C --no-sync </dev/null || exit 1

# Durability is off: the data is worth nothing once the server has stopped.
(
    "$1/postgres" -D "$2/data" -k "$2" -p 5432 -c listen_addresses= -c max_connections=300 \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off </dev/null
    echo "PostgreSQL has ended"
) &
server=$!

read -r _

# Again and again: a server that is only just starting has no pid file yet, or does not listen to signals.
while kill -0 "$server"; do
    kill -QUIT "$(head -n 1 "$2/data/postmaster.pid")"
    sleep 0.05
done 2>/dev/null
rm -rf -- "$2"
