#!/usr/bin/env bash
# Starts a one-node Ceph RADOS Gateway with Object Lock on 127.0.0.1, for tests and the demo; needs no root.
#
#   start-object-lock-s3.sh DIR PORT [OWNER]
#
# PORT serves S3, PORT+1 the monitor. Keys: testkey / testsecret. Everything is in DIR: c.conf for radosgw-admin, the process ids in
# {mon,osd,rgw}.pid (stop them with kill -9), logs in log/. Objects are in memory and end with it. When the process OWNER ends,
# however it does, so does the server.
#
# Debian 12: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd curl
set -euo pipefail
dir=$(realpath -m "$1")
port=$2
owner=${3:-}
monitor=$((port + 1))
mkdir -p "$dir"/{mon,osd,run,log}
uuid() { cat /proc/sys/kernel/random/uuid; }
cluster=$(uuid)
osd=$(uuid)
conf="$dir/c.conf"

# ms_mon_client_mode=crc: without it the gateway never gets past the monitor. tcp_nodelay: without it a GET takes 47 ms, not 5.
cat >"$conf" <<END
[global]
fsid=$cluster
mon_host=v2:127.0.0.1:$monitor
public_addr=127.0.0.1
cluster_addr=127.0.0.1
auth_cluster_required=none
auth_service_required=none
auth_client_required=none
run_dir=$dir/run
log_file=$dir/log/\$name.log
mon_cluster_log_file=$dir/log/cluster.log
crash_dir=$dir/log
osd_pool_default_size=1
mon_allow_pool_size_one=true
osd_crush_chooseleaf_type=0
osd_pool_default_pg_num=1
rgw_rados_pool_pg_num_min=1
mon_max_pg_per_osd=1000
paxos_propose_interval=0.05
paxos_min_wait=0.01
mon_data=$dir/mon
osd_data=$dir/osd
osd_objectstore=memstore
[client.rgw]
ms_mon_client_mode=crc
rgw_max_listing_results=100
rgw_frontends=beast endpoint=127.0.0.1:$port tcp_nodelay=1
END

stop() { for pid in "$dir"/*.pid; do kill -9 "$(cat "$pid")" 2>/dev/null || true; done; }
trap 'stop; tail -n 20 "$dir"/log/*.out >&2' ERR

monmaptool --create --fsid "$cluster" --addv a "[v2:127.0.0.1:$monitor]" "$dir/map" >/dev/null
ceph-mon -c "$conf" --mkfs -i a --monmap "$dir/map"
ceph-mon -c "$conf" -f -i a >"$dir/log/mon.out" 2>&1 &
echo $! >"$dir/mon.pid"
timeout 30 ceph -c "$conf" osd new "$osd" 0 >/dev/null
ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$osd" >"$dir/log/mkfs.out" 2>&1
ceph-osd -c "$conf" -f -i 0 >"$dir/log/osd.out" 2>&1 &
echo $! >"$dir/osd.pid"
radosgw -c "$conf" -f -n client.rgw >"$dir/log/rgw.out" 2>&1 &
echo $! >"$dir/rgw.pid"
if [ -n "$owner" ]; then
  (trap - ERR; tail --pid="$owner" -f /dev/null || true; stop; rm -rf -- "$dir"/{mon,osd,run,log,map}) >/dev/null 2>&1 </dev/null &
fi
served() { curl -sf -o /dev/null "http://127.0.0.1:$port/"; }
for _ in $(seq 300); do if served; then break; fi; sleep 0.1; done
served
timeout 30 radosgw-admin -c "$conf" user create --uid=test --display-name=test --access-key=testkey --secret=testsecret >/dev/null
