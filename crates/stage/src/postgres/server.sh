# Runs a throw-away PostgreSQL in directory $2 with the programs in $1 and fsync=$3 until standard input closes. A line
# `stop` on standard input ends it at once, as a crash would; `start` starts it again.
#
# Standard input is a pipe that only the program that started us holds open. The kernel closes it however that program
# ends, SIGKILL included, so neither a server nor its directory can outlive it.

# Ending is decided by the pipe alone: we clean up after the others have gone.
trap '' HUP INT TERM
exec >>"$2/log" 2>&1

programs=$1 directory=$2 fsync=$3

start() {
    (
        "$programs/postgres" -D "$directory/data" -k "$directory" -p 5432 -c listen_addresses= \
            -c max_connections=300 -c "fsync=$fsync" -c "full_page_writes=$fsync" </dev/null
        echo "PostgreSQL has ended"
    ) &
    server=$!
}

# Again and again: a server that is only just starting has no pid file yet, or does not listen to signals.
stop() {
    while kill -0 "$server"; do
        kill -QUIT "$(head -n 1 "$directory/data/postmaster.pid")"
        sleep 0.05
    done 2>/dev/null
}

"$programs/initdb" -D "$directory/data" -U postgres --auth=trust -E UTF8 --locale=C --no-sync </dev/null || exit 1
start
while read -r order; do
    "$order"
done
stop
rm -rf -- "$directory"
