# A throw-away PostgreSQL for scripts; to be sourced. It is the one of `leavebridge demo`: crates/stage/src/postgres/server.sh.
# shellcheck shell=bash

# Prints the folder with the server programs, of the newest version if there are several.
find_postgres() {
    local initdb
    initdb=${PG_BIN_DIR:+$PG_BIN_DIR/initdb}
    initdb=${initdb:-$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)}
    [[ -x $initdb ]] && dirname "$(readlink -f "$initdb")"
}

# Starts one and sets `postgres_bin` and `postgres_dir`, which is also where its socket is. It ends with this script, or at stop_postgres.
start_postgres() {
    local as=() user waited=0
    postgres_bin=$(find_postgres) || {
        echo "error: no PostgreSQL server programs: apt-get install postgresql, or set PG_BIN_DIR" >&2
        return 1
    }
    postgres_dir=$(mktemp -d /tmp/lb-pg-XXXXXX)
    if [[ $(id -u) == 0 ]]; then
        # PostgreSQL refuses to run as root.
        user=$(id -un postgres 2>/dev/null || echo nobody)
        chown "$user:" "$postgres_dir"
        as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
    fi
    # The script goes over as text: the other user may not be allowed to read our files. The server lives as long as
    # anybody holds the writing end of this pipe, descriptor 9: commands that might outlive us must not inherit it.
    exec 9> >(
        cd "$postgres_dir"
        LC_ALL=C exec "${as[@]}" sh -c "$(<"$OLDPWD/crates/stage/src/postgres/server.sh")" leavebridge-postgres "$postgres_bin" "$postgres_dir" off
    )
    postgres_watchdog=$!
    until "$postgres_bin/pg_isready" -q -h "$postgres_dir"; do
        if ((++waited > 600)); then
            tail -n 15 "$postgres_dir/log" >&2
            return 1
        fi
        sleep 0.1
    done
}

stop_postgres() {
    exec 9>&-
    wait "$postgres_watchdog"
}
