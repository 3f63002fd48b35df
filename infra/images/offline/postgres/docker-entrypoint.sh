#!/usr/bin/env bash
# The entry point that the documentation of Docker's postgres image describes, written anew:
# https://github.com/docker-library/docs/blob/master/postgres/content.md
set -Eeuo pipefail

readonly ME=${BASH_SOURCE[0]} SCRIPTS=/docker-entrypoint-initdb.d VOLUME=/var/lib/postgresql/data

# The value of NAME, or what the file named by NAME_FILE holds, or the default, is exported as NAME.
from_environment() {
    local name=$1 default=${2-} file=${1}_FILE
    if [[ -n ${!name-} && -n ${!file-} ]]; then
        echo >&2 "error: both $name and $file are set (but are exclusive)"
        exit 1
    fi
    if [[ -n ${!file-} ]]; then
        printf -v "$name" %s "$(<"${!file}")"
    else
        printf -v "$name" %s "${!name:-$default}"
    fi
    export "${name?}"
    unset "$file"
}

settings() {
    from_environment POSTGRES_PASSWORD
    from_environment POSTGRES_USER postgres
    from_environment POSTGRES_DB "$POSTGRES_USER"
    from_environment POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
}

make_folders() {
    local paths=("$PGDATA" /var/run/postgresql)
    [[ -z ${POSTGRES_INITDB_WALDIR-} ]] || paths+=("$POSTGRES_INITDB_WALDIR")
    mkdir -p "${paths[@]}"
    chmod 700 "$PGDATA" || true            # a mount may not allow it
    chmod 3777 /var/run/postgresql || true
    if ((EUID == 0)); then
        find "${paths[@]}" ! -user postgres -exec chown postgres '{}' +
    fi
}

refuse_without_password() {
    if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
        cat >&2 <<'MESSAGE'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
       connections without a password. This is *not* recommended.
MESSAGE
        exit 1
    fi
    [[ $POSTGRES_HOST_AUTH_METHOD != trust ]] ||
        echo >&2 "WARNING: POSTGRES_HOST_AUTH_METHOD has been set to \"trust\": anyone with access to the port needs no password"
}

# From 18 on the data live in a folder by major version: whatever is mounted where they used to live would never be written.
refuse_old_layout() {
    ((PG_MAJOR >= 18)) && [[ $PGDATA == "/var/lib/postgresql/$PG_MAJOR/docker" ]] || return 0
    local old='' folder
    for folder in /var/lib/postgresql "$VOLUME"; do
        [[ ! -s $folder/PG_VERSION ]] || old=$folder
    done
    if [[ -z $old ]] && mountpoint -q "$VOLUME"; then
        old="$VOLUME (unused mount/volume)"
    fi
    [[ -n $old ]] || return 0
    cat >&2 <<MESSAGE
Error: in 18+, these Docker images are configured to store database data in a
       format which is compatible with "pg_ctlcluster" (specifically, using
       major-version-specific directory names).

       Counter to that, there appears to be PostgreSQL data in:
         $old

       Mount one volume at /var/lib/postgresql instead: the data go to $PGDATA.
MESSAGE
    exit 1
}

# initdb asks for the name of its user: one that `--user` invented has none.
name_user() {
    ! getent passwd "$EUID" >/dev/null || return 0
    export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    NSS_WRAPPER_PASSWD=$(mktemp) NSS_WRAPPER_GROUP=$(mktemp)
    echo "postgres:x:$EUID:$(id -g):PostgreSQL:$PGDATA:/bin/false" >"$NSS_WRAPPER_PASSWD"
    echo "postgres:x:$(id -g):" >"$NSS_WRAPPER_GROUP"
}

make_cluster() {
    local arguments=(--pgdata="$PGDATA" --username="$POSTGRES_USER")
    [[ -z ${POSTGRES_INITDB_WALDIR-} ]] || arguments+=(--waldir="$POSTGRES_INITDB_WALDIR")
    [[ -z ${SOCKET_FOLDERS-} ]] || arguments+=(--set "unix_socket_directories=$SOCKET_FOLDERS") # of the image
    # the arguments are words of a shell: POSTGRES_INITDB_ARGS="--encoding=UTF8 --locale='es_CO.UTF-8'"
    name_user
    eval "initdb \"\${arguments[@]}\" --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") $POSTGRES_INITDB_ARGS"
    rm -f "${NSS_WRAPPER_PASSWD-}" "${NSS_WRAPPER_GROUP-}"
    unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "$@")}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# While the scripts run the server listens on its socket only.
start_temporary_server() {
    pg_ctl -D "$PGDATA" -w -o "$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")" start
}

# Errors end the script, and with it the container: psql's ON_ERROR_STOP. Sourced scripts call it by this name, upstream's.
docker_process_sql() {
    local to=()
    [[ -z ${POSTGRES_DB-} ]] || to=(--dbname "$POSTGRES_DB")
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc "${to[@]}" "$@"
}

make_database() {
    [[ $POSTGRES_DB != postgres ]] || return 0
    docker_process_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
}

run_scripts() {
    local file
    for file in "$SCRIPTS"/*; do
        case $file in
            *.sh)
                if [[ -x $file ]]; then
                    echo "$ME: running $file"
                    "$file"
                else
                    echo "$ME: sourcing $file"
                    # shellcheck source=/dev/null
                    . "$file"
                fi
                ;;
            *.sql) echo "$ME: running $file"; docker_process_sql -f "$file"; echo ;;
            *.sql.gz) echo "$ME: running $file"; gunzip -c "$file" | docker_process_sql; echo ;;
            *.sql.xz) echo "$ME: running $file"; xzcat "$file" | docker_process_sql; echo ;;
            *.sql.zst) echo "$ME: running $file"; zstd -dc "$file" | docker_process_sql; echo ;;
            "$SCRIPTS/*") ;;
            *) echo "$ME: ignoring $file" ;;
        esac
    done
}

initialise() {
    settings
    refuse_without_password
    refuse_old_layout
    ls "$SCRIPTS"/ >/dev/null # not readable: better known before than after
    make_cluster "${@:2}"
    export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
    start_temporary_server "${@:2}"
    make_database
    run_scripts
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

[[ ${1-} != -* ]] || set -- postgres "$@"

server=false
if [[ ${1-} == postgres ]]; then
    server=true
    for word in "$@"; do
        case $word in -'?' | --help | --describe-config | -V | --version) server=false ;; esac
    done
fi

if $server; then
    make_folders
    ((EUID != 0)) || exec setpriv --reuid postgres --regid postgres --init-groups "$ME" "$@"
    if [[ -s $PGDATA/PG_VERSION ]]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        initialise "$@"
    fi
fi
exec "$@"
