#!/bin/bash
# A "machine" for one test engine: own network, mount, process, IPC and host name namespace.
# engine.ts runs it.
#
#   engine-host.sh NAME DIR [HOSTNAME]      without HOSTNAME it is called as this machine is
#
# Prints "ready PID" (PID: the machine's first process), then waits on its standard input:
#   "off"        power off, keep DIR
#   end of file  power off, remove DIR. It comes also when the test's process dies, however it
#                dies, so nothing outlives it.
# Power off is SIGKILL of the first process of the process namespace: the kernel kills every other
# process in it, and mounts made inside vanish with it.
set -u
name=$1 dir=$2 hostname=${3:-}
cgroups=/sys/fs/cgroup

# Runs as the first process inside.
if [ "${4:-}" = inside ]; then
  set -e
  [ -z "$hostname" ] || echo "$hostname" >/proc/sys/kernel/hostname
  ip link set lo up
  echo 1 >/proc/sys/net/ipv4/ip_forward
  # /sys of this network namespace, with the cgroups as they were
  mkdir -p "$dir/cgroup"
  mount --rbind "$cgroups" "$dir/cgroup"
  mount -t sysfs sysfs /sys
  mount --rbind "$dir/cgroup" "$cgroups"
  umount -l "$dir/cgroup"
  rmdir "$dir/cgroup"
  # Own /run: containerd's shims and others put sockets there whatever the engine's options say.
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock
  # A resolver that refuses at once: a pull without a network fails in milliseconds.
  echo 'nameserver 127.0.0.1' >/run/resolv.conf
  resolv=$(readlink -f /etc/resolv.conf)
  mkdir -p "${resolv%/*}"
  [ -e "$resolv" ] || : >"$resolv"
  mount --bind /run/resolv.conf "$resolv"
  echo ready >"$dir/booted"
  # Being process 1, it adopts orphans (the shims of a killed engine); bash reaps them.
  while :; do
    sleep 3600 &
    wait $!
  done
fi

remove_cgroups() {
  local tries group
  for tries in 1 2 3 4 5 6 7 8 9 10; do
    for group in "$cgroups/$name" "$cgroups"/*/"$name"; do
      [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    done
    compgen -G "$cgroups/$name" >/dev/null || compgen -G "$cgroups/*/$name" >/dev/null || return
    sleep 0.05
  done
}

power_off() {
  # The machine's first process, not its parent: that would leave the reaping to the system's
  # process 1, which takes its time. A process namespace's first process ends after all others.
  kill -KILL "${first:-$unshare}" 2>/dev/null
  wait "$unshare" 2>/dev/null
  ip netns del "$name" 2>/dev/null
  remove_cgroups
  rm -f "$dir/booted"
}

trap '' INT TERM HUP PIPE
rm -f "$dir/booted"
ip netns add "$name" || exit 1
# --pdeathsig: should this script be killed itself, the machine goes too
setpriv --pdeathsig KILL nsenter --net="/run/netns/$name" \
  unshare --mount --propagation slave --uts --ipc --pid --fork --mount-proc --kill-child=KILL \
  /bin/bash "$0" "$name" "$dir" "$hostname" inside </dev/null &
unshare=$!
first=''
until [ -s "$dir/booted" ]; do
  [ -d "/proc/$unshare" ] || { power_off; exit 1; }
  sleep 0.01
done
read -r first _ <"/proc/$unshare/task/$unshare/children"
echo "ready $first"

command=''
read -r command
power_off
[ "$command" = off ] || rm -rf --one-file-system "$dir"
