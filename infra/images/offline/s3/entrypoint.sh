#!/usr/bin/env bash
# Starts SeaweedFS with what RustFS's image reads from environment and command (MinIO's too when it stands in for MinIO).
set -euo pipefail

warn() { echo "WARNING: $*" >&2; }
fail() { echo "ERROR: $*" >&2; exit 1; }

# credential NAME DEFAULT: the value of NAME, or the first line of the file that NAME_FILE names, or DEFAULT.
credential() {
    local name=$1 file=${1}_FILE value
    if [[ -v $name && -v $file ]]; then
        fail "Set either $name or $file, not both."
    elif [[ -v $file ]]; then
        [[ -r ${!file} ]] || fail "$file points to an unreadable file."
        IFS= read -r value <"${!file}" || true
    elif [[ -v $name ]]; then
        value=${!name}
    else
        warn "$name or $file is not set; the built-in default credential is used. Set non-default credentials for production deployments."
        printf %s "$2"
        return
    fi
    value=${value#"${value%%[![:space:]]*}"} value=${value%"${value##*[![:space:]]}"}
    [[ -n $value ]] || fail "$name must not be empty."
    [[ $value != "$2" ]] || warn "$name uses the default $2 credential. Set non-default credentials for production deployments."
    printf %s "$value"
}

address=:9000 console=:9001 console_enable=true volumes=() metrics_to='' public_metrics=false
if [[ $STANDS_IN_FOR == MinIO ]]; then
    [[ ${1-} != minio ]] || shift
    [[ ${1-} == server ]] || fail "of minio's commands this image knows 'server' only"
    shift
    address=${MINIO_ADDRESS:-$address} console=${MINIO_CONSOLE_ADDRESS:-$console} region=${MINIO_REGION:-us-east-1}
    read -ra volumes <<<"${MINIO_VOLUMES-}"
    [[ ${MINIO_PROMETHEUS_AUTH_TYPE-} != public ]] || public_metrics=true
    prefix=MINIO_ROOT key=USER secret=PASSWORD default=minioadmin
else
    case ${1-} in rustfs | /usr/bin/rustfs) shift ;; esac
    [[ ${1-} != server ]] || shift
    address=${RUSTFS_ADDRESS:-$address} console=${RUSTFS_CONSOLE_ADDRESS:-$console}
    console_enable=${RUSTFS_CONSOLE_ENABLE:-true} region=${RUSTFS_REGION:-us-east-1}
    IFS=$', \t\n' read -ra volumes <<<"${RUSTFS_VOLUMES:-/data}"
    if [[ ${RUSTFS_OBS_METRICS_EXPORT_ENABLED:-true} != false ]]; then
        metrics_to=${RUSTFS_OBS_METRIC_ENDPOINT:-${RUSTFS_OBS_ENDPOINT:+${RUSTFS_OBS_ENDPOINT%/}/v1/metrics}}
    fi
    interval=${RUSTFS_OBS_METER_INTERVAL:-30} service=${RUSTFS_OBS_SERVICE_NAME:-rustfs}
    prefix=RUSTFS key=ACCESS_KEY secret=SECRET_KEY default=rustfsadmin
    for name in RUSTFS_ROOT_USER RUSTFS_ROOT_PASSWORD; do
        [[ ! -v $name ]] || warn "$name is deprecated and ignored: use RUSTFS_ACCESS_KEY and RUSTFS_SECRET_KEY"
    done
fi

from_command=()
while (($#)); do
    case $1 in
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
        --address) address=$2; shift ;;
        --console-address) console=$2; shift ;;
        --console-enable) case ${2-} in true | false) console_enable=$2; shift ;; *) console_enable=true ;; esac ;;
        --access-key) export RUSTFS_ACCESS_KEY=$2; shift ;;
        --secret-key) export RUSTFS_SECRET_KEY=$2; shift ;;
        --region) region=$2; shift ;;
        --volumes) from_command+=("$2"); shift ;;
        -*) fail "unexpected argument '$1'" ;;
        *) from_command+=("$1") ;;
    esac
    shift
done
[[ ${#from_command[@]} -eq 0 ]] || volumes=("${from_command[@]}")

access_key=$(credential "${prefix}_$key" "$default")
secret_key=$(credential "${prefix}_$secret" "$default")

# Everything is kept in the first volume; /data/rustfs{0...3} is four folders of one disk, kept in /data.
data=${volumes[0]-/data}
data=${data#*://*/} data=/${data#/} data=${data%%\{*}
[[ $data == */ ]] && data=${data%/}
[[ -n $data ]] || fail "no volume in '${volumes[*]}'"
mkdir -p "$data" 2>/dev/null && [[ -w $data ]] ||
    fail "$data is not writable by uid $(id -u): $(stat -c 'it belongs to %u:%g, mode %a' "$data" 2>/dev/null || echo 'it cannot be made')"

run=$(mktemp -d)
umask 077
json() { local text=${1//\\/\\\\}; printf '"%s"' "${text//\"/\\\"}"; }
cat >"$run/s3.json" <<JSON
{"identities": [{"name": "root", "credentials": [{"accessKey": $(json "$access_key"), "secretKey": $(json "$secret_key")}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
unset "${!RUSTFS_@}" "${!MINIO_@}"

# RustFS accepts ":9000" and "0.0.0.0:9000"; the door's configuration wants the address to be there.
[[ $address != :* ]] || address="*$address"
[[ $console != :* ]] || console="*$console"
echo "SeaweedFS in place of $STANDS_IN_FOR: S3 at $address, region $region, data in $data"

# The one error that every start without STS logs is left out; the rest of the log is in $run.
weed -alsologtostderr=false -stderrthreshold=ERROR -logdir="$run" -log_max_size_mb=16 -log_max_files=2 server -dir="$data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -filer -filer.localSocket="$run/filer.sock" \
    -s3 -s3.port=8333 -s3.config="$run/s3.json" -s3.localSocket="$run/s3.sock" -s3.port.iceberg=0 -s3.port.lance=0 \
    -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false \
    -master.telemetry=false -master.electionTimeout=500ms -master.heartbeatInterval=100ms \
    -master.volumeSizeLimitMB=256 -volume.max=0 -metricsIp=127.0.0.1 -metricsPort=9327 \
    2> >(grep --line-buffered -v 'Failed to load IAM configuration' >&2) &
servers=($!)
S3_ADDRESS=$address CONSOLE_ADDRESS=$console CONSOLE_ENABLE=$console_enable PUBLIC_METRICS=$public_metrics \
    haproxy -q -f /usr/local/share/s3/haproxy.cfg &
servers+=($!)
[[ -z $metrics_to ]] || push-metrics "$metrics_to" "$interval" "$service" &

# SeaweedFS takes 15 seconds to end by itself; its state is on disk with every answer.
trap 'kill -9 "${servers[@]}" 2>/dev/null; exit 0' TERM INT
status=0
wait -n "${servers[@]}" || status=$?
echo "a server has ended with status $status" >&2
exit $((status ? status : 1))
